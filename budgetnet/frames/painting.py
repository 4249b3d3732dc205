"""What a network says of a frame, as pictures and figures: a mask, an overlay with the colour key, class shares."""

from dataclasses import dataclass
from typing import final

import numpy as np

from budgetnet import pictures
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data.form import Form
from budgetnet.datasets import Pixels
from budgetnet.frames import Frame
from budgetnet.frames.film import fitted
from budgetnet.pictures import Colour

UNSEEN = "not seen"
"""What colour keys call the part of a frame that is cut off before the network sees it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """What came of one frame. `unseen` is the share of its pixels that the network did not see, `shares` are those of
    each class in the rest; `seconds` is the network's time for it, the batch's divided by its frames.
    """

    name: str
    file: str
    number: int
    height: int
    width: int
    unseen: float
    seconds: float
    shares: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """A frame's mask, uint8 (h, w) with `IGNORE` where nothing was seen, and blended with its colours: (h, w, 3)."""

    mask: Pixels
    blended: Pixels
    result: FrameResult


@final
class Painter:
    """Paints what a network for images of `form` says. `opacity` is how much of a class's colour an overlay has."""

    def __init__(self, classes: ClassList, form: Form, opacity: float) -> None:
        self._classes = classes
        self._form = form
        self._opacity = opacity
        self._keys: dict[tuple[int, bool], Pixels] = {}
        self._film: tuple[int, int, Pixels] | None = None

    def paint(self, frame: Frame, pixels: Pixels, answers: Pixels, seconds: float) -> Painted:
        """A frame (h, w, 3) and the classes of its form (height, width). May be called from several threads."""
        height, width = pixels.shape[:2]
        mask = self._form.restored(answers, height, width)
        counts = np.bincount(mask.ravel(), minlength=256)
        seen = mask.size - int(counts[IGNORE])
        result = FrameResult(
            name=frame.name,
            file=frame.where,
            number=frame.number,
            height=height,
            width=width,
            unseen=int(counts[IGNORE]) / mask.size,
            seconds=seconds,
            shares=tuple(int(count) / seen for count in counts[: len(self._classes)]),
        )
        blended = pictures.overlay(pixels, mask, self._classes, self._opacity)
        return Painted(mask=mask, blended=blended, result=result)

    def overlay(self, painted: Painted) -> Pixels:
        """The blended frame with the key below it: (h, width, 3)."""
        return _under(painted.blended, self._key(painted.result.width, painted.result.unseen > 0))

    def film_picture(self, painted: Painted) -> Pixels:
        """The same for a film, in which every picture has the size of the first one: others are scaled to fit. Must be
        called in the film's order.
        """
        if self._film is None:
            result = painted.result
            self._film = result.height, result.width, self._key(result.width, result.unseen > 0)
        height, width, key = self._film
        return _under(fitted(painted.blended, height, width), key)

    def likely(self) -> Pixels:
        """Colours of overlays, whatever the frames show: every class over every grey (n, 3)."""
        greys = np.arange(8, 256, 24, dtype=np.uint8)
        pixels = np.repeat(greys[None, :, None], 3, axis=2)
        each = [
            pictures.overlay(pixels, np.full((1, len(greys)), index, np.uint8), self._classes, self._opacity)
            for index in (*range(len(self._classes)), IGNORE)
        ]
        colours: Pixels = np.concatenate(each, axis=1)[0]
        return colours

    def exact(self) -> list[Colour]:
        """Colours of the key."""
        return [(255, 255, 255), pictures.IGNORED_COLOUR, *self._classes.colours]

    def _key(self, width: int, unseen: bool) -> Pixels:
        if (width, unseen) not in self._keys:
            self._keys[width, unseen] = pictures.strip(width, key_entries(self._classes, unseen))
        return self._keys[width, unseen]


def key_entries(classes: ClassList, unseen: bool) -> list[tuple[str, Colour]]:
    """The key of a prediction: the classes that count, then void, which a network may answer too, and what it did not
    see.
    """
    entries = [(classes.names[index], classes.colours[index]) for index in classes.scored]
    blank = pictures.IGNORED_COLOUR
    if classes.void is not None:
        name, colour = classes.names[classes.void], classes.colours[classes.void]
        if colour == blank and unseen:
            return [*entries, (f"{name}, {UNSEEN}", blank)]
        entries.append((name, colour))
    return [*entries, (UNSEEN, blank)] if unseen else entries


def _under(picture: Pixels, key: Pixels) -> Pixels:
    return np.concatenate([picture, key], axis=0)
