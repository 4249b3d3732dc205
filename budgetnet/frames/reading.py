"""Frames one by one: image files as they are, sequences in their own order. Faults are told with the file's name."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from budgetnet.datasets import Pixels
from budgetnet.frames import Frame, Look, Source, gif, video
from budgetnet.image_files import at, open_picture, refused

FORMATS = ("PNG", "JPEG")
MODES = ("RGB", "RGBA", "L", "LA", "P", "1")


def look(source: Source) -> Look:
    """What a file tells of itself, without decoding an image or more of a video than its first frame. Raises
    BudgetnetError where it is at fault as far as that shows.
    """
    if source.kind == "gif":
        return gif.look(source.path)
    if source.kind == "video":
        return video.look(source.path)
    if not _seems_fine(source.path):
        image(source.path)  # says what is wrong
    return Look()


def frames(sources: Iterable[Source]) -> Iterator[Frame]:
    """All frames in order. Images are read when a frame's `read` is called, sequences as far as they are asked for.
    Raises DataError at the frame of a sequence that is damaged.
    """
    for source in sources:
        if source.kind == "image":
            read = partial(image, source.path)
            yield Frame(name=source.name, where=at(source.path), number=0, read=read)
            continue
        sequence = gif.frames(source.path) if source.kind == "gif" else video.frames(source.path)
        with closing(sequence):
            for number, pixels in enumerate(sequence):
                read = partial(_same, pixels)
                name = f"{source.name}/{number:06}"
                yield Frame(name=name, where=at(source.path), number=number, read=read)


def image(path: Path) -> Pixels:
    """An image file -> uint8 (h, w, 3) RGB, the way up that its camera says. Raises DataError."""
    picture = open_picture(path, *FORMATS)
    if picture.mode not in MODES:
        raise refused(path, f"an image must be 8-bit, colour or grey, but its mode is {picture.mode}")
    return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)


def _seems_fine(path: Path) -> bool:
    """By the first bytes: decoding it all would take as long as the network does."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return picture.mode in MODES and "16" not in str(picture.tile)
    except Exception:  # whatever it is, reading it in earnest tells it in our words
        return False


def _same(pixels: Pixels) -> Pixels:
    return pixels
