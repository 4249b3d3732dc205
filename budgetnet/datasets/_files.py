"""Finding and reading the files of a data set: what is wrong with one is told with its name, all at once.

Images are 8-bit PNG or JPEG; labels are 8-bit PNG, since JPEG changes values. Labels hold ids (one channel, or a
palette of which the indices count) or colours.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from budgetnet.datasets import IDS_TOLD, DataError, Fault, Listing, Pixels, Sample, id_fault
from budgetnet.errors import BudgetnetError, first_of, printable
from budgetnet.image_files import at, bit_depth, open_picture, refused

PNG = (".png",)
JPEG = (".jpg", ".jpeg")
PICTURES = (*PNG, *JPEG)

Colour = tuple[int, int, int]
ColourIds = tuple[tuple[Colour, int], ...]
"""Colours of labels and the ids that they stand for; several may stand for one."""
Decode = Callable[[Path], Pixels]
"""A label file -> uint8 (h, w) in source ids. Raises DataError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files of one kind by the names that pair images with their labels, sorted, and what is wrong with them."""

    paths: Mapping[str, Path]
    faults: tuple[Fault, ...] = ()


# --- finding


def root(argument: str, key: str) -> Path:
    """The folder that a spec names. Raises BudgetnetError where it names none."""
    if not argument:
        raise BudgetnetError(f"{key} must be given its folder, as in {key}:FOLDER, but got none")
    return Path(argument).expanduser()


def is_there(folder: Path) -> bool:
    """Whether there is a folder, or anything else of that name."""
    return folder.exists() or folder.is_symlink()


def place(folder: Path, *choices: str, what: str) -> Path:
    """The first of `choices` that a folder holds. Raises BudgetnetError, saying that it must hold `what`, if none."""
    refusal = holds_no(folder, what)  # raises where there is no such folder
    for choice in choices:
        if is_there(folder / choice):
            return folder / choice
    raise refusal


def holds_no(folder: Path, what: str) -> BudgetnetError:
    """What to say of a folder that does not hold `what`. Raises BudgetnetError where it cannot be read."""
    found = [entry.name for entry in _entries(folder)]
    shown = ", ".join(map(printable, found[:5])) + (", ..." if len(found) > 5 else "")
    return BudgetnetError(f"{at(folder)}: must hold {what}, but holds {shown or 'nothing'}")


def folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted. Raises BudgetnetError where it cannot be read."""
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def stem(name: str) -> str | None:
    """The name that pairs a file with another: its own without the ending."""
    return os.path.splitext(name)[0]  # noqa: PTH122 (a path for each of some thousand names takes long)


def ending(tail: str) -> Callable[[str], str | None]:
    """What gives the pairing name of files named so: `ending("_L")` of `a_L.png` is `a`, and of `a.png` none."""

    def name_of(name: str) -> str | None:
        whole = os.path.splitext(name)[0]  # noqa: PTH122
        return whole.removesuffix(tail) if whole.endswith(tail) and whole != tail else None

    return name_of


def files_in(folder: Path, name_of: Callable[[str], str | None] = stem, endings: Iterable[str] = PICTURES) -> Files:
    """The images in a folder, by the names that `name_of` gives their file names; those without one are left alone.

    Raises BudgetnetError where the folder cannot be read.
    """
    return _named(((entry, name_of(entry.name)) for entry in _pictures(folder, tuple(endings))), folder)


def labels_in(folder: Path, name_of: Callable[[str], str | None] = stem) -> Files:
    """The same for labels, which must be PNG."""
    named = [(entry, name_of(entry.name)) for entry in _pictures(folder, PICTURES)]
    kept = [(entry, name) for entry, name in named if not entry.name.lower().endswith(JPEG)]
    found = _named(kept, folder)
    rule = "labels must be PNG, since JPEG changes their values, but this is named as a JPEG"
    strange = (entry.name for entry, name in named if name and entry.name.lower().endswith(JPEG))
    return Files(
        paths=found.paths, faults=(*found.faults, *(Fault(where=at(folder / name), what=rule) for name in strange))
    )


def joined(parts: Iterable[tuple[str, Files]]) -> Files:
    """Files of several folders as one: each part's names with its own words in front. A name that is there twice is
    one of the faults.
    """
    paths: dict[str, Path] = {}
    faults: list[Fault] = []
    for front, part in parts:
        faults += part.faults
        for name, path in part.paths.items():
            whole = f"{front}{name}"
            if whole in paths:
                faults.append(_twice(path, at(paths[whole])))
            paths.setdefault(whole, path)
    return Files(paths=dict(sorted(paths.items())), faults=tuple(faults))


def paired(
    images: Files,
    labels: Files,
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
    faults = [*images.faults, *labels.faults]
    told = {fault.where for fault in faults}
    for name in sorted(images.paths.keys() ^ labels.paths.keys()):
        is_image = name in images.paths
        there, lacking = (
            (images.paths[name], missing_labels(name)) if is_image else (labels.paths[name], missing_image(name))
        )
        if not told & {at(lacking), *(at(lacking.with_suffix(suffix)) for suffix in JPEG)}:
            faults.append(Fault(where=at(there), what=f"{rule} {at(lacking)} is missing"))
    samples = tuple(
        Sample(
            name=name,
            image=at(images.paths[name]),
            labels=at(labels.paths[name]),
            read=partial(read_pair, images.paths[name], labels.paths[name], decode),
            group=group(name),
            files=(str(images.paths[name]), str(labels.paths[name])),
        )
        for name in sorted(images.paths.keys() & labels.paths.keys())
    )
    return Listing(samples=samples, faults=tuple(faults))


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        return sorted((entry for entry in os.scandir(folder) if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise BudgetnetError(f"{at(folder)}: must be a folder that can be read: {error.strerror or error}") from None


def _pictures(folder: Path, endings: tuple[str, ...]) -> list["os.DirEntry[str]"]:
    return [entry for entry in _entries(folder) if entry.name.lower().endswith(endings)]


def _named(entries: Iterable[tuple["os.DirEntry[str]", str | None]], folder: Path) -> Files:
    paths: dict[str, Path] = {}
    faults: list[Fault] = []
    for entry, name in entries:
        if not name:
            continue
        path = folder / entry.name
        if name in paths:
            faults.append(_twice(path, paths[name].name))
        elif not entry.is_file():
            what = "a folder" if entry.is_dir() else "a link to nothing" if entry.is_symlink() else "none"
            faults.append(Fault(where=at(path), what=f"must be a file, as its name says, but is {what}"))
        else:
            paths[name] = path
    return Files(paths=paths, faults=tuple(faults))


def _twice(path: Path, other: str) -> Fault:
    return Fault(where=at(path), what=f"no other file may stand for the same image or labels, but {other} does")


# --- reading


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
        raise refused(path, f"an image must be 8-bit, colour or grey, but its mode is {picture.mode}")
    return np.asarray(picture.convert("RGB"), np.uint8)


def ids(path: Path, source_classes: Mapping[int, str]) -> Pixels:
    """A label file of ids -> uint8 (h, w). Raises DataError, also where a value is no id of the source."""
    picture = open_picture(path, "PNG")
    if picture.mode not in ("L", "P", "1"):
        raise refused(path, f"labels must be 8-bit with a single channel, but the mode is {picture.mode}")
    values = np.asarray(picture, np.uint8)  # of a palette the indices, of black and white 0 and 1
    depth = bit_depth(path)
    if picture.mode == "L" and depth in (2, 4):  # Pillow spreads these over 0 to 255
        values = values // np.uint8(255 // (2**depth - 1))
    fault = id_fault(values, source_classes, at(path))
    if fault:
        raise DataError([fault])
    return values


def colours(path: Path, source_colours: ColourIds, source_classes: Mapping[int, str]) -> Pixels:
    """A label file of colours -> uint8 (h, w) ids. Raises DataError, also where a colour is none of the source."""
    picture = open_picture(path, "PNG")
    if picture.mode not in ("RGB", "RGBA", "P"):
        raise refused(path, f"labels must be 8-bit colours, but the mode is {picture.mode}")
    pixels = np.asarray(picture.convert("RGBA")).view("<u4")[..., 0]
    if (pixels < 0xFF000000).any():
        raise refused(path, "labels must be opaque colours, but some of their pixels are transparent")
    packed = pixels & 0xFFFFFF
    found: Pixels = np.take(colour_table(source_colours), packed)
    if (found == NO_COLOUR).any():
        wrong = np.flatnonzero(found == NO_COLOUR)
        strange = np.unique(packed.ravel()[wrong])
        shown = ", ".join(str(tuple(int(each).to_bytes(3, "little"))) for each in strange[:5])
        more = ", ..." if len(strange) > 5 else ""
        row, column = divmod(int(wrong[0]), packed.shape[1])
        place = f"in {len(wrong):,} of {packed.size:,} pixels, first in row {row}, column {column}"
        known = first_of([f"{colour} {source_classes[number]}" for colour, number in source_colours], IDS_TOLD)
        rule = "labels must have the colours of the source"
        raise refused(path, f"{rule}, but got {shown}{more} {place}; its colours are {known}")
    return found


NO_COLOUR = 254
"""What `colour_table` holds where a colour is none of the source: no id of a source whose labels are colours."""


@lru_cache(maxsize=4)
def colour_table(source_colours: ColourIds) -> Pixels:
    """Uint8 (2^24): colour packed as red + 256 green + 65536 blue -> id. 16 MB, so it is made once."""
    table = np.full(1 << 24, NO_COLOUR, np.uint8)
    for (red, green, blue), number in source_colours:
        table[red | (green << 8) | (blue << 16)] = number
    return table
