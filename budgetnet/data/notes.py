"""What is odd about a data set and may yet be meant so: worth a look, no fault."""

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from budgetnet.classes import IGNORE
from budgetnet.classmaps import ClassMap
from budgetnet.data.twins import Seen, near_images
from budgetnet.datasets import Fault, Sample, Source
from budgetnet.errors import first_of, printable
from budgetnet.units import counted, percent

Said = tuple[str, Sample | None, Fault]
"""Of which split and sample (none: of the whole split) what is said."""

MISFIT, USUAL_FIT = 1.15, 1.3
"""Labels fit their image badly where `look.fit` is below the first, if half of the images reach the second."""

MOSTLY = 0.5
"""Share of void from which on labels are mostly void, unless that is usual."""

LEAST_FLAT = 0.05
"""Share of rows of one colour from which on a part of an image may be lost. In CamVid no row is."""

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_SHOWN = 5
_FEW = 3
"""Images of unusual sizes that are named."""


def of_names(source: Source, splits: Sequence[str]) -> Iterator[Said]:
    """Names that several splits have, and pictures beside the images that are in no split."""
    known: dict[str, list[str]] = {}
    for split in splits:
        for sample in source.splits[split].samples:
            known.setdefault(sample.name, []).append(split)
    shared: dict[str, list[str]] = {}
    for name, several in known.items():
        if len(several) > 1:
            shared.setdefault(", ".join(several), []).append(name)
    for both, names in shared.items():
        yield both, None, Fault(where="", what=f"these splits have names in common: {_some(names)}")
    for folder, names in _left_over(source).items():
        yield "", None, Fault(where=printable(folder), what=f"pictures in it that no split has: {_some(names)}")
    for folder, names in _folders_left_over(source).items():
        what = f"folders in it with pictures that no split has: {_some(names)}"
        yield "", None, Fault(where=printable(folder), what=what)


def of_images(seen: Sequence[Seen], faulty: Container[str]) -> Iterator[Said]:
    """What stands out among the images: see the functions below. `faulty` are files that a fault was told of."""
    for each, other in near_images(seen):
        what = f"nearly the same as {other.sample.image} ({other.split}): seen by both, it makes results look better"
        yield each.split, each.sample, Fault(where=each.sample.image, what=what)
    yield from _misfits(seen)
    yield from _mostly_void(seen)
    yield from _turned(seen)
    yield from (said for said in _pale(seen) if said[2].where not in faulty)


def _misfits(seen: Sequence[Seen]) -> Iterator[Said]:
    """Labels that seem to be of another image."""
    fits = [each.sight.fit for each in seen if each.sight.fit is not None]
    usual = median(fits) if fits else 0.0
    for each in seen:
        if usual >= USUAL_FIT and each.sight.fit is not None and each.sight.fit < MISFIT:
            what = (
                "seem not to be this image's, or shifted or mirrored: edges of the image are only "
                f"{each.sight.fit:.2f} times as strong at their borders as beside them (half of all reach {usual:.2f})"
            )
            yield each.split, each.sample, Fault(where=each.sample.labels, what=what)


def _mostly_void(seen: Sequence[Seen]) -> Iterator[Said]:
    usual = median([each.sight.void for each in seen]) if seen else 0.0
    for each in seen:
        if each.sight.void < 1 and each.sight.void >= MOSTLY > 2 * usual:
            what = f"{percent(each.sight.void)}% of them are void (half of all images have {percent(usual)}% or less)"
            yield each.split, each.sample, Fault(where=each.sample.labels, what=what)


def _turned(seen: Sequence[Seen]) -> Iterator[Said]:
    """Images that viewers turn or mirror: labels drawn in one of these do not fit what a network gets."""
    for each in seen:
        if each.sight.orientation != 1:
            what = f"its EXIF orientation is {each.sight.orientation}, not 1: it is read as it is stored, not turned"
            yield each.split, each.sample, Fault(where=each.sample.image, what=what)


def _pale(seen: Sequence[Seen]) -> Iterator[Said]:
    """Images in grey where most are in colour, and those with a part that shows nothing."""
    grey = sum(not each.sight.has_colour for each in seen)
    for each in seen:
        where, has_colour, flat = each.sample.image, each.sight.has_colour, each.sight.flat
        if not has_colour and 2 * grey < len(seen):
            what = f"in grey, while {len(seen) - grey:,} images are in colour"
            yield each.split, each.sample, Fault(where=where, what=what)
        if LEAST_FLAT <= flat < 1:
            what = f"{percent(flat)}% of its rows are of one colour each: a part of it may be lost"
            yield each.split, each.sample, Fault(where=where, what=what)


def of_sizes(split: str, sizes: Mapping[tuple[int, int], int], seen: Sequence[Seen]) -> Iterator[Said]:
    """Images of several sizes. Those `seen` in the split that have not the usual one are named where they are few."""
    if len(sizes) < 2:
        return
    often = sorted(sizes, key=lambda size: (-sizes[size], size))
    told = [f"{height} x {width} ({sizes[height, width]:,})" for height, width in often]
    if sum(sizes.values()) - sizes[often[0]] <= _FEW < sizes[often[0]]:
        files: dict[tuple[int, int], list[str]] = {}
        for each in seen:
            files.setdefault((each.sight.height, each.sight.width), []).append(each.sample.image)
        rare = [f"{words[:-1]}: {', '.join(files[size])})" for words, size in zip(told, often, strict=True)]
        told = [*told[:1], *rare[1:]]
    yield split, None, Fault(where="", what=f"images have {len(sizes):,} sizes: {_some(told)}")


def of_classes(split: str, missing: Sequence[str]) -> Iterator[Said]:
    """Classes that no label of a split has."""
    if missing:
        yield split, None, Fault(where="", what=f"no pixel of it belongs to: {', '.join(missing)}")


def classes_without(
    pixels: NDArray[np.int64], source: Source, chosen: ClassMap | None, void: frozenset[int]
) -> list[str]:
    """Names of the classes that count and of which there is no pixel (int64 (256), by source id)."""
    if chosen is None:
        return [name for number, name in source.classes.items() if number not in void and not pixels[number]]
    there = {chosen.targets[number] for number in source.classes if pixels[number]} - {IGNORE}
    return [chosen.classes.names[index] for index in chosen.classes.scored if index not in there]


def _left_over(source: Source) -> dict[str, list[str]]:
    """Folder -> names of pictures that lie among the images, but that no split has and no fault tells of."""
    known: set[str] = set()
    folders: dict[str, None] = {}
    for listing in source.splits.values():
        known.update(fault.where for fault in listing.faults)
        for sample in listing.samples:
            known.update(map(printable, sample.files))
            folders.update(dict.fromkeys(str(Path(name).parent) for name in sample.files[:1]))
    found: dict[str, list[str]] = {}
    for folder in folders:
        for path in _pictures(Path(folder)):
            if printable(str(path)) not in known:
                found.setdefault(folder, []).append(printable(path.name))
    return found


def _folders_left_over(source: Source) -> dict[str, list[str]]:
    """Folder of images -> names of the folders in it of which no split has a file, and how many pictures they hold."""
    samples = [sample for listing in source.splits.values() for sample in listing.samples]
    known = {Path(name).parent for sample in samples for name in sample.files}
    above = {parent for folder in known for parent in (folder, *folder.parents)}
    found: dict[str, list[str]] = {}
    for folder in dict.fromkeys(Path(sample.files[0]).parent for sample in samples if sample.files):
        for path in _there(folder):
            if path not in above and path.is_dir():
                count = sum(len(_pictures(Path(below))) for below, _, _ in os.walk(path))
                if count:
                    told = f"{printable(path.name)} ({counted(count, 'picture', 'pictures')})"
                    found.setdefault(str(folder), []).append(told)
    return found


def _pictures(folder: Path) -> list[Path]:
    return [path for path in _there(folder) if path.suffix.lower() in _PICTURES]


def _there(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:  # gone since its files were read
        return []


def _some(names: Sequence[str]) -> str:
    return first_of(names, _SHOWN)
