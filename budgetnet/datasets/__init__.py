"""Data sets: where labelled images lie and what their labels mean. One file per data set; its name is its key.

A data set module has two names, and needs one class map file (`budgetnet/classmaps/<key>-<classes>.yaml`) to be of
use, unless class maps come with the data:

    SOURCE_CLASSES: Mapping[int, str]
        What the ids in its labels mean; ids lie between 0 and 255. Empty where only the data themselves tell.
    find(argument: str) -> Source
        Lists what is there, without reading an image. `argument` is what follows the colon in the spec ("" for none).
        Raises BudgetnetError when the argument or the folder is at fault.

Everything after that is done in `budgetnet.data`, once for all data sets: cutting to a size, reducing to classes,
checking, preparing. Files are found and read with the help of `_files`, settings in the spec such as `val=0.2` with
that of `_splits`; class maps that a spec names (`map=FILE`) are added in `find` below, for every data set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from budgetnet.classmaps import ClassMap, for_source, read
from budgetnet.datasets._settings import without
from budgetnet.errors import BudgetnetError, did_you_mean, first_of
from budgetnet.errors import DataError as DataError  # as every data set needs both
from budgetnet.errors import Fault as Fault
from budgetnet.plugins import load_module, module_names

Pixels = NDArray[np.uint8]

SPLITS = ("train", "val", "test")
"""What splits are called, in every data set."""

IDS_TOLD = 12
"""Ids of a source that a message tells: some have 33, and what is wrong is lost among so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image that is still to be read (or drawn).

    `name` is unique in its split; `group` is the city or sequence it belongs to, where the data set knows one. `image`
    and `labels` tell a person which files they are; `files` are those, none where it is drawn.

    `read(height, width)` gives the image, uint8 (h, w, 3) RGB, and its labels, uint8 (h, w), in source ids, at the size
    that they have; only drawn ones have the size that is wished for. It is called from several threads and raises
    DataError with all that is wrong with the two.
    """

    name: str
    image: str
    labels: str
    read: Callable[[int, int], tuple[Pixels, Pixels]]
    group: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One split: its samples in a fixed order, and what is wrong with its files as far as their names tell."""

    samples: tuple[Sample, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set as it lies there: its splits by name (in the order of `SPLITS`), and what its ids mean.

    `class_maps` are those that come with the data; `arrays` hold, for splits that need no decoding, images and labels
    of all samples, as `Sample.read` gives them one by one, and `digests` what `budgetnet.data.reading.digest` said of
    them when they were made.
    """

    classes: Mapping[int, str]
    splits: Mapping[str, Listing]
    class_maps: tuple[ClassMap, ...] = ()
    arrays: Mapping[str, tuple[Pixels, Pixels]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def names() -> list[str]:
    """Keys of the known data sets, sorted."""
    return module_names(__name__)


def find(spec: str) -> Source:
    """The data set `spec` (`name` or `name:argument`), with all class maps. Raises BudgetnetError.

    A setting `map=FILE` at the end of any argument adds a class map, which goes before others that fit as well.
    """
    key, _, argument = spec.partition(":")
    module = load_module(__name__, key, "data set")
    rest, files = without(argument, "map")
    if "" in files:
        raise BudgetnetError(f"{key}: map must be the path of a class map file, but got nothing")
    found = cast(Source, module.find(rest))
    added = (replace(read(Path(file).expanduser(), key, found.classes), asked_for=True) for file in files)
    shipped = for_source(key, module.SOURCE_CLASSES) if module.SOURCE_CLASSES else ()
    return replace(found, class_maps=(*added, *found.class_maps, *shipped))


def require_split(spec: str, source: Source, split: str) -> None:
    """Raises BudgetnetError where a data set has no such split."""
    if split not in source.splits:
        hint = did_you_mean(split, list(source.splits))
        raise BudgetnetError(f"{spec}: split must be one that the data set has, but got {split!r}{hint}")


def samples(spec: str, source: Source, split: str) -> tuple[Sample, ...]:
    """The samples of a split, one or more. Raises BudgetnetError: no such split, an empty one, faults in its files."""
    require_split(spec, source, split)
    listing = source.splits[split]
    if listing.faults:
        raise DataError(listing.faults)
    if not listing.samples:
        raise BudgetnetError(f"{spec}: split {split} must hold one image or more, but got none")
    return listing.samples


def id_fault(labels: Pixels, source_classes: Mapping[int, str], where: str) -> Fault | None:
    """What is wrong with labels, uint8 (h, w): those that are no ids of the source."""
    if source_classes.keys() >= set(range(int(labels.max(initial=0)) + 1)):  # a tenth of the time
        return None
    known = np.isin(np.arange(256), list(source_classes))[labels]
    if known.all():
        return None
    wrong = np.flatnonzero(~known)
    row, column = divmod(int(wrong[0]), labels.shape[1])
    strange = np.unique(labels.ravel()[wrong])
    shown = ", ".join(map(str, strange[:5])) + (", ..." if len(strange) > 5 else "")
    ids = first_of([f"{number} {name}" for number, name in source_classes.items()], IDS_TOLD)
    place = f"in {len(wrong):,} of {labels.size:,} pixels, first in row {row}, column {column}"
    return Fault(where=where, what=f"labels must be ids of the source, but got {shown} {place}; its ids are {ids}")
