"""GIF: read with Pillow; written frame by frame, all frames in one palette, so that a film of any length fits in
memory and no colour flickers.

Layout of the file: GIF89a specification (CompuServe, 1990). Pillow compresses the frames, but its own way to write
several keeps them all in memory.
"""

import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final, final

import numpy as np
from PIL import GifImagePlugin, Image, UnidentifiedImageError

from budgetnet.datasets import Pixels
from budgetnet.errors import printable
from budgetnet.frames import Look
from budgetnet.image_files import DAMAGED, open_picture, refused

FASTEST: Final = 50
"""Frames a second: below 2 hundredths of a second a frame, browsers take their time."""

_UNTIMED_MS = 100
"""How long browsers show a frame that says 0."""

_SAMPLED = 16
"""Frames that the palette is made of."""


def look(path: Path) -> Look:
    """How many frames, and how many a second on average; each is decoded, so that a damaged one is told before work
    begins. Raises DataError.
    """
    with _told(path), Image.open(path, formats=("GIF",)) as picture:
        milliseconds = 0
        count = int(getattr(picture, "n_frames", 1))
        for number in range(count):
            picture.seek(number)
            picture.load()
            milliseconds += round(picture.info.get("duration") or _UNTIMED_MS)
        return Look(count=count, rate=Fraction(1000 * count, milliseconds))


def frames(path: Path) -> Generator[Pixels, None, None]:
    """Its frames, uint8 (h, w, 3) RGB, as they are shown. Raises DataError."""
    with _told(path), Image.open(path, formats=("GIF",)) as picture:
        for number in range(int(getattr(picture, "n_frames", 1))):
            picture.seek(number)
            yield np.asarray(picture.convert("RGB"), np.uint8)


@final
class Writer:
    """Writes a film to `file`, `rate` frames a second (at most `FASTEST`), for ever repeated.

    The palette has the `exact` colours, and for the rest those that come nearest to the first frames and to `likely`
    colours, both (n, 3).
    """

    def __init__(self, file: BinaryIO, rate: Fraction, exact: Sequence[tuple[int, int, int]], likely: Pixels) -> None:
        self._file = file
        self._rate = min(rate, Fraction(FASTEST))
        self._exact = list(dict.fromkeys(exact))
        self._likely = likely
        self._palette: Image.Image | None = None
        self._waiting: list[Pixels] = []
        self._written = 0

    def add(self, pixels: Pixels) -> None:
        """One more frame (h, w, 3), of the size of the first."""
        if self._palette is not None:
            self._frame(pixels)
            return
        self._waiting.append(pixels)
        if len(self._waiting) >= _SAMPLED:
            self._begin()

    def close(self) -> None:
        """Writes what is left. The file stays open."""
        if self._palette is None:
            self._begin()
        self._file.write(b";")

    def _begin(self) -> None:
        self._palette = _common(self._waiting, self._exact, self._likely)
        height, width = self._waiting[0].shape[:2]
        colours = bytes(self._palette.getpalette("RGB") or b"")
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + colours.ljust(768, b"\0"))
        self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
        for pixels in self._waiting:
            self._frame(pixels)
        self._waiting.clear()

    def _frame(self, pixels: Pixels) -> None:
        assert self._palette is not None
        indices = Image.fromarray(pixels).quantize(palette=self._palette, dither=Image.Dither.NONE)
        # each frame ends at the hundredth that is nearest to its time: the film as a whole keeps its rate
        ends = [round(100 * place / self._rate) for place in (self._written, self._written + 1)]
        for part in GifImagePlugin.getdata(indices, duration=10 * (ends[1] - ends[0])):
            self._file.write(part)
        self._written += 1


def _common(frames: Sequence[Pixels], exact: Sequence[tuple[int, int, int]], likely: Pixels) -> Image.Image:
    """An image with the palette for all frames."""
    step = max(1, sum(frame[..., 0].size for frame in frames) // 400_000)
    seen = np.concatenate([frame.reshape(-1, 3)[::step] for frame in frames])
    weight = max(1, len(seen) // (8 * max(1, len(likely))))
    pixels = np.concatenate([seen, np.repeat(likely, weight, axis=0)])
    chosen = Image.fromarray(pixels[None]).quantize(256 - len(exact), method=Image.Quantize.MEDIANCUT)
    rest = np.array(chosen.getpalette("RGB"), np.uint8)
    made = Image.new("P", (1, 1))
    made.putpalette(np.array(exact, np.uint8).tobytes() + rest.tobytes())
    return made


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Faults of the file, in our words."""
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, UnidentifiedImageError):
            open_picture(path, "GIF")  # says what it is instead
        why = printable(getattr(error, "strerror", None) or str(error))
        raise refused(path, f"must be a whole GIF that can be read: {why}") from None
