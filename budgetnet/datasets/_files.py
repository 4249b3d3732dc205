"""Finding and reading the files of a data set: what is wrong with one is told with its name, all at once.

Images are 8-bit PNG or JPEG; labels are 8-bit PNG, since JPEG changes values. Labels hold ids (one channel, or a
palette of which the indices count) or colours.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from budgetnet.datasets import DataError, Fault, Listing, Pixels, Sample, id_fault
from budgetnet.errors import BudgetnetError, printable

PNG = (".png",)
PICTURES = (".png", ".jpg", ".jpeg")

Decode = Callable[[Path], Pixels]
"""A label file -> uint8 (h, w) in source ids. Raises DataError."""

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on files that are cut short, overwritten, or no images at all."""


def at(path: Path) -> str:
    """A path, safe to print."""
    return printable(str(path))


def root(argument: str, key: str) -> Path:
    """The folder that a spec names. Raises BudgetnetError where it names none."""
    if not argument:
        raise BudgetnetError(f"{key} must be given its folder, as in {key}:FOLDER, but got none")
    return Path(argument).expanduser()


def listed(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """File name -> path of the files in a folder that end so, sorted. Raises BudgetnetError where it cannot be read."""
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise BudgetnetError(f"{at(folder)}: must be a folder that can be read: {error.strerror or error}") from None
    endings = tuple(suffixes)
    return {
        entry.name: folder / entry.name
        for entry in found
        if entry.name.lower().endswith(endings) and not entry.name.startswith(".")
    }


def folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted. Raises BudgetnetError where it cannot be read."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise BudgetnetError(f"{at(folder)}: must be a folder that can be read: {error.strerror or error}") from None


def paired(
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    decode: Decode,
    *,
    missing_image: Callable[[str], Path],
    missing_labels: Callable[[str], Path],
    group: Callable[[str], str] = lambda name: "",
) -> Listing:
    """Samples of what is in both, by name and in its order. `missing_*` say where the other file of a name should be,
    `group` to which city or sequence a name belongs.
    """
    rule = "every image must have a label file, and the other way round, but"
    faults = []
    for name in sorted(images.keys() ^ labels.keys()):
        there, lacking = (images[name], missing_labels(name)) if name in images else (labels[name], missing_image(name))
        faults.append(Fault(where=at(there), what=f"{rule} {at(lacking)} is missing"))
    samples = tuple(
        Sample(
            name=name,
            image=at(images[name]),
            labels=at(labels[name]),
            read=partial(read_pair, images[name], labels[name], decode),
            group=group(name),
            files=(str(images[name]), str(labels[name])),
        )
        for name in sorted(images.keys() & labels.keys())
    )
    return Listing(samples=samples, faults=tuple(faults))


def read_pair(image_path: Path, label_path: Path, decode: Decode, height: int, width: int) -> tuple[Pixels, Pixels]:
    """Image and labels at the size that they have. Raises DataError with the faults of both."""
    read: list[Pixels] = []
    faults: list[Fault] = []
    for reader, path in ((image, image_path), (decode, label_path)):
        try:
            read.append(reader(path))
        except DataError as error:
            faults += error.faults
    if not faults and read[0].shape[:2] != read[1].shape:
        (high, wide), (image_high, image_wide) = read[1].shape, read[0].shape[:2]
        rule = "labels must have the size of their image (height x width)"
        faults.append(
            Fault(where=at(label_path), what=f"{rule}, but got {high} x {wide} for {image_high} x {image_wide}")
        )
    if faults:
        raise DataError(faults)
    return read[0], read[1]


def image(path: Path) -> Pixels:
    """An image file -> uint8 (h, w, 3) RGB. Raises DataError."""
    picture = open_picture(path, "PNG", "JPEG")
    if picture.mode not in ("RGB", "RGBA", "L", "LA", "P", "1"):
        raise _refused(path, f"an image must be 8-bit, colour or grey, but its mode is {picture.mode}")
    return np.asarray(picture.convert("RGB"), np.uint8)


def ids(path: Path, source_classes: Mapping[int, str]) -> Pixels:
    """A label file of ids -> uint8 (h, w). Raises DataError, also where a value is no id of the source."""
    picture = open_picture(path, "PNG")
    if picture.mode not in ("L", "P", "1"):
        raise _refused(path, f"labels must be 8-bit with a single channel, but the mode is {picture.mode}")
    values = np.asarray(picture, np.uint8)  # of a palette the indices, of black and white 0 and 1
    depth = _bit_depth(path)
    if picture.mode == "L" and depth in (2, 4):  # Pillow spreads these over 0 to 255
        values = values // np.uint8(255 // (2**depth - 1))
    fault = id_fault(values, source_classes, at(path))
    if fault:
        raise DataError([fault])
    return values


def colours(path: Path, table: Pixels, source_classes: Mapping[int, str]) -> Pixels:
    """A label file of colours -> uint8 (h, w) ids, by a table of `colour_table`. Raises DataError, also where a colour
    is none of the source.
    """
    picture = open_picture(path, "PNG")
    if picture.mode not in ("RGB", "RGBA", "P"):
        raise _refused(path, f"labels must be 8-bit colours, but the mode is {picture.mode}")
    if "A" in picture.mode and picture.getextrema()[-1] != (255, 255):
        raise _refused(path, "labels must be opaque colours, but some of their pixels are transparent")
    red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB"), np.uint32), -1, 0)
    packed = (red << 16) | (green << 8) | blue
    found: Pixels = table[packed]
    if (found == NO_COLOUR).any():
        wrong = np.flatnonzero(found == NO_COLOUR)
        strange = [divmod(int(each), 256) for each in np.unique(packed.ravel()[wrong])[:5]]
        shown = ", ".join(f"({high >> 8}, {high & 255}, {low})" for high, low in strange)
        row, column = divmod(int(wrong[0]), packed.shape[1])
        place = f"in {len(wrong):,} of {packed.size:,} pixels, first in row {row}, column {column}"
        known = ", ".join(source_classes.values())
        raise _refused(path, f"labels must have the colours of the source ({known}), but got {shown} {place}")
    return found


NO_COLOUR = 254
"""What `colour_table` holds where a colour is none of the source: no id, so a source may have 254 classes."""


def colour_table(colours_of_ids: Mapping[int, Iterable[tuple[int, int, int]]]) -> Pixels:
    """Uint8 (2^24): packed colour -> id. An id may have several colours."""
    table = np.full(1 << 24, NO_COLOUR, np.uint8)
    for number, several in colours_of_ids.items():
        for red, green, blue in several:
            table[(red << 16) | (green << 8) | blue] = number
    return table


def open_picture(path: Path, *formats: str) -> Image.Image:
    """A picture file, wholly decoded. Raises DataError where it is damaged, of another format, or has 16 bits."""
    what = " or ".join(formats)
    try:
        with Image.open(path, formats=formats) as picture:
            picture.load()
    except _DAMAGED as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refused(path, f"must be a whole {what} that can be read: {printable(why)}") from None
    if picture.format == "PNG" and _bit_depth(path) == 16:  # Pillow makes 8 bits of 16-bit colour, and says nothing
        raise _refused(path, "must have 8 bits per channel, but has 16")
    return picture


def _bit_depth(path: Path) -> int:
    """Bits per channel as a PNG's header says, which every whole PNG has."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _refused(path: Path, what: str) -> DataError:
    return DataError([Fault(where=at(path), what=what)])
