"""Class labels as pictures: in their colours, blended over the image, with the colour key. Images are uint8 arrays."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from budgetnet.classes import IGNORE, ClassList

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

GAP = 6
IGNORED_COLOUR: Colour = (0, 0, 0)
IGNORED = "not labelled"
"""What colour keys call pixels without a class."""


def colourise(labels: Pixels, classes: ClassList) -> Pixels:
    """Class indices (height, width) -> RGB (height, width, 3); `IGNORE` is black."""
    return palette(classes)[labels]


def palette(classes: ClassList) -> Pixels:
    """Uint8 (256, 3): class index -> RGB; `IGNORE` and what is no class are black."""
    made = np.zeros((256, 3), np.uint8)
    made[: len(classes)] = np.array(classes.colours, np.uint8)
    made[IGNORE] = IGNORED_COLOUR
    return made


def overlay(image: Pixels, labels: Pixels, classes: ClassList, opacity: float = 0.5) -> Pixels:
    """RGB (height, width, 3) with its labels' colours mixed in; pixels without a class stay as they are, but darker."""
    weight = round(opacity * 256)
    mixed = (image.astype(np.uint16) * (256 - weight) + colourise(labels, classes).astype(np.uint16) * weight) >> 8
    return mixed.astype(np.uint8)


def comparison(
    images: Sequence[Pixels], labels: Sequence[Pixels], predictions: Sequence[Pixels], classes: ClassList
) -> bytes:
    """A PNG: a row per image (height, width, 3), with its label and its prediction (height, width), and the key
    below.
    """
    rows = [
        beside([image, colourise(label, classes), colourise(prediction, classes)])
        for image, label, prediction in zip(images, labels, predictions, strict=True)
    ]
    body = below(rows)
    heading = strip(body.shape[1], [("image", None), ("label", None), ("prediction", None)], columns=3)
    return png(np.concatenate([heading, body, key(body.shape[1], classes)], axis=0))


def beside(parts: Sequence[Pixels]) -> Pixels:
    """Pictures of one height (height, w, 3) in a row, white between them."""
    return np.concatenate(_spaced(parts, axis=1), axis=1)


def below(parts: Sequence[Pixels]) -> Pixels:
    """Pictures of one width (h, width, 3) under each other, white between them."""
    return np.concatenate(_spaced(parts, axis=0), axis=0)


def key(width: int, classes: ClassList, columns: int = 4) -> Pixels:
    """The colour key of the classes that count, and of pixels without one: (h, width, 3)."""
    names = [(classes.names[index], classes.colours[index]) for index in classes.scored]
    return strip(width, [*names, (IGNORED, IGNORED_COLOUR)], columns=columns)


def strip(width: int, entries: Sequence[tuple[str, Colour | None]], *, columns: int | None = None) -> Pixels:
    """A white strip with words in equal columns, each behind a patch of its colour where it has one: (h, width, 3).
    Without `columns` as many as fit, so that no word is cut where one fits at all.
    """
    size = max(10, width // 80)
    line, font = size + 8, ImageFont.load_default(size)
    if columns is None:
        widest = max(font.getlength(name) for name, _ in entries) + size + 18
        columns = max(1, min(len(entries), int(width // widest)))
        columns = -(-len(entries) // -(-len(entries) // columns))  # as many lines, and those equally long
    lines = -(-len(entries) // columns)
    made = Image.new("RGB", (width, lines * line + 6), "white")
    draw = ImageDraw.Draw(made)
    for index, (name, colour) in enumerate(entries):
        x, y = (index % columns) * width // columns + 4, (index // columns) * line + 5
        if colour is not None:
            draw.rectangle((x, y, x + size, y + size), fill=colour)
            x += size + 6
        draw.text((x, y), name, fill="black", font=font)
    return np.asarray(made)


def indexed_png(labels: Pixels, classes: ClassList) -> bytes:
    """Class indices (height, width) as the content of a PNG with a palette: its values are the indices, and it shows
    in the colours of the classes.
    """
    made = Image.fromarray(labels)
    made.putpalette(palette(classes).tobytes())  # all 256 entries, so that `IGNORE` has one and no index moves
    out = io.BytesIO()
    made.save(out, format="PNG")
    return out.getvalue()


def jpeg(pixels: Pixels) -> bytes:
    """A picture (height, width, 3) as the content of a JPEG file: for people, with colours as sharp as brightness."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="JPEG", quality=90, subsampling=0)
    return out.getvalue()


def png(pixels: Pixels) -> bytes:
    """A picture (height, width, 3) or (height, width) as the content of a PNG file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _spaced(parts: Sequence[Pixels], axis: int) -> list[Pixels]:
    shape = list(parts[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return [piece for part in parts for piece in (part, gap)][:-1]
