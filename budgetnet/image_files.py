"""Picture files, whoever they belong to: opened whole or told with what is wrong with them."""

import struct
import zlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from budgetnet.errors import DataError, Fault, printable

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on files that are cut short, overwritten, or no images at all."""


def at(path: Path) -> str:
    """A path, safe to print."""
    text = str(path)
    return text if text.isprintable() else printable(text)


def open_picture(path: Path, *formats: str) -> Image.Image:
    """A picture file, wholly decoded. Raises DataError where it is damaged, of another format, or has 16 bits."""
    what = " or ".join(formats)
    try:
        with Image.open(path, formats=formats) as picture:
            picture.load()
    except DAMAGED as error:
        raise refused(path, f"must be a whole {what} that can be read: {_why(path, formats, error)}") from None
    if picture.format == "PNG" and bit_depth(path) == 16:  # Pillow makes 8 bits of 16-bit colour, and says nothing
        raise refused(path, "must have 8 bits per channel, but has 16")
    return picture


_BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WebP",
}


def _why(path: Path, formats: tuple[str, ...], error: Exception) -> str:
    """Why a picture cannot be read: Pillow says no more than that it is none of the formats asked for."""
    if not isinstance(error, UnidentifiedImageError):
        return printable(getattr(error, "strerror", None) or str(error))
    with path.open("rb") as file:
        start = file.read(8)
    kind = next((kind for beginning, kind in _BEGINNINGS.items() if start.startswith(beginning)), "")
    if kind in formats:
        return "its beginning is damaged"
    return f"it is a {kind}" if kind else "it is none" if start else "it is empty"


def bit_depth(path: Path) -> int:
    """Bits per channel as a PNG's header says, which every whole PNG has."""
    with path.open("rb") as file:
        return file.read(25)[24]


def refused(path: Path, what: str) -> DataError:
    """The fault of one file: the rule, then the value."""
    return DataError([Fault(where=at(path), what=what)])
