"""Image, label and prediction side by side, with the colour key."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from budgetnet.classes import IGNORE, ClassList

Pixels = NDArray[np.uint8]

_GAP = 6
_IGNORED_COLOUR = (0, 0, 0)


def colourise(labels: Pixels, classes: ClassList) -> Pixels:
    """Class indices (height, width) -> RGB (height, width, 3); `IGNORE` is black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = np.array(classes.colours, np.uint8)
    palette[IGNORE] = _IGNORED_COLOUR
    return palette[labels]


def comparison(
    images: Sequence[Pixels], labels: Sequence[Pixels], predictions: Sequence[Pixels], classes: ClassList
) -> bytes:
    """A PNG: a row per image (height, width, 3), with its label and its prediction (height, width), and the key
    below.
    """
    rows = [
        np.concatenate(_spaced([image, colourise(label, classes), colourise(prediction, classes)], axis=1), axis=1)
        for image, label, prediction in zip(images, labels, predictions, strict=True)
    ]
    body = np.concatenate(_spaced(rows, axis=0), axis=0)
    heading = _strip(body.shape[1], [("image", None), ("label", None), ("prediction", None)], columns=3)
    names = [(classes.names[index], classes.colours[index]) for index in classes.scored]
    key = _strip(body.shape[1], [*names, ("not labelled", _IGNORED_COLOUR)], columns=4)
    out = io.BytesIO()
    Image.fromarray(np.concatenate([heading, body, key], axis=0)).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _spaced(parts: Sequence[Pixels], axis: int) -> list[Pixels]:
    shape = list(parts[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, 255, np.uint8)
    return [piece for part in parts for piece in (part, gap)][:-1]


def _strip(width: int, entries: Sequence[tuple[str, tuple[int, int, int] | None]], *, columns: int) -> Pixels:
    """A white strip with words in equal columns, each behind a patch of its colour where it has one."""
    size = max(10, width // 80)
    line = size + 8
    lines = -(-len(entries) // columns)
    strip = Image.new("RGB", (width, lines * line + 6), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size)
    for index, (name, colour) in enumerate(entries):
        x, y = (index % columns) * width // columns + 4, (index // columns) * line + 5
        if colour is not None:
            draw.rectangle((x, y, x + size, y + size), fill=colour)
            x += size + 6
        draw.text((x, y), name, fill="black", font=font)
    return np.asarray(strip)
