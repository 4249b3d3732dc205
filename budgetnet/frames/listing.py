"""What a user names, as files in a fixed order: images, GIFs and videos, and folders of them."""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from budgetnet.errors import BudgetnetError, printable
from budgetnet.frames import ENDINGS, Kind, Source
from budgetnet.frames.naming import Key, Names, natural, tails

RULE = "must be a PNG, JPEG or GIF image, a video (.mp4, .mkv, .avi, .mov, ...) or a folder of them"

_OTHER_PICTURES = (".avif", ".bmp", ".exr", ".heic", ".jp2", ".pgm", ".ppm", ".raw", ".tif", ".tiff", ".webp")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    path: Path
    folder: tuple[str, ...]
    kind: Kind


def sources(inputs: Sequence[Path], leave_out: Collection[Path] = ()) -> list[Source]:
    """The files that are meant, in the order they were named and, in a folder and those in it, in natural order.

    `leave_out` are files and folders that are not looked at, whatever holds them. A name is the file's own where that
    is unique, below the folders that tell it apart where it is not. Raises BudgetnetError: nothing there, not readable,
    no image, given twice.
    """
    if not inputs:
        raise BudgetnetError("input: must be one image, video or folder or more, but got none")
    places = [_resolved(path) for path in inputs]
    passed = {path.resolve() for path in leave_out}
    for number, place in enumerate(places):
        if place in places[:number]:
            raise BudgetnetError(f"{_at(inputs[number])}: must be given once, but was given twice")
    found = []
    for path, end in zip(inputs, tails(places), strict=True):
        if path.is_dir():
            above = end if len(inputs) > 1 else ()
            found += _in_folder(path, above, passed)
        else:
            kind = kind_of(path)
            if kind is None:
                raise BudgetnetError(f"{_at(path)}: {RULE}, but its name ends in {_ending(path)}")
            found.append(_Found(path=path, folder=end[:-1], kind=kind))
    return _named(found)


def left_out(inputs: Iterable[Path], passed: Collection[Path] = ()) -> dict[str, int]:
    """Pictures in folders that `sources` passes over, since they are of a kind that is not read: ending -> how many."""
    skipped = {path.resolve() for path in passed}
    counts: dict[str, int] = {}
    for folder in (path for path in inputs if path.is_dir()):
        for place, folders, names in os.walk(folder):
            here = Path(place).resolve()
            folders[:] = [name for name in folders if not name.startswith(".") and here / name not in skipped]
            for ending in (Path(name).suffix.lower() for name in names if not name.startswith(".")):
                if ending in _OTHER_PICTURES:
                    counts[ending] = counts.get(ending, 0) + 1
    return dict(sorted(counts.items()))


def kind_of(path: Path) -> Kind | None:
    """What a file is, by its name; None where it is nothing that can be read."""
    return next((kind for kind, endings in ENDINGS.items() if path.suffix.lower() in endings), None)


def _named(found: Iterable[_Found]) -> list[Source]:
    names = Names()
    made = []
    for each in found:
        stem, ending = each.path.stem, each.path.suffix[1:]
        wishes = [(*each.folder, stem), (*each.folder, f"{stem}_{ending}")]
        made.append(Source(path=each.path, name=names.claim(wishes, sequence=each.kind != "image"), kind=each.kind))
    return made


def _in_folder(folder: Path, above: tuple[str, ...], leave_out: Collection[Path]) -> list[_Found]:
    """All that a folder holds, in natural order of the paths; links to folders are not followed."""
    paths: list[tuple[str, ...]] = []
    for place, folders, files in os.walk(folder, onerror=_cannot):
        here = Path(place).resolve()
        folders[:] = [name for name in folders if not name.startswith(".") and here / name not in leave_out]
        inside = Path(place).relative_to(folder).parts
        taken = (name for name in files if not name.startswith(".") and here / name not in leave_out)
        paths += [(*inside, name) for name in taken if kind_of(Path(name))]
    if not paths:
        raise BudgetnetError(f"{_at(folder)}: must hold one image or video or more, but holds none")
    made = []
    for parts in sorted(paths, key=_order):
        path = folder.joinpath(*parts)
        kind = kind_of(path)
        assert kind is not None
        made.append(_Found(path=path, folder=(*above, *parts[:-1]), kind=kind))
    return made


def _order(parts: tuple[str, ...]) -> list[Key]:
    """By folders, then by the name without its ending: `frame1.png` before `frame1-2.png`."""
    *folders, name = parts
    return [*map(natural, folders), natural(Path(name).stem), natural(name)]


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except OSError as error:
        raise BudgetnetError(f"{_at(path)}: {RULE} that can be read: {error.strerror}") from None


def _cannot(error: OSError) -> None:
    where = printable(str(error.filename))
    raise BudgetnetError(f"{where}: must be a folder that can be read: {error.strerror}") from None


def _ending(path: Path) -> str:
    return repr(printable(path.suffix)) if path.suffix else "none"


def _at(path: Path) -> str:
    return printable(str(path))
