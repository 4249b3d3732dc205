"""Data sets: labelled images, cut to one size and reduced to a list of classes. One file per data set; its name is
its key.

A data set module has two names, and needs one class map file (`budgetnet/classmaps/<key>-<classes>.yaml`) to be of use:

    SOURCE_CLASSES: Mapping[int, str]
        What the ids in its labels mean; ids lie between 0 and 255.
    samples(argument: str, split: str) -> list[Sample]
        The images of split "train" or "val", in a fixed order, at least one, none read yet. `argument` is what
        follows the colon in the spec ("" for none). Raises BudgetnetError when the argument or the folder is at
        fault.

Cutting to classes, checking labels, threads, progress and fingerprint are done here, once for all data sets.
"""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from budgetnet.classes import IGNORE, ClassList
from budgetnet.classmaps import ClassMap, for_source
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.plugins import load_module, module_names

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]
Classes = int | str | Sequence[str]

MIN_SIDE, MAX_SIDE = 32, 16384
"""Smallest and largest height or width, in pixels: networks halve an image five times; PNG and memory end somewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image that is still to be read (or drawn).

    `name` is unique in its split, `where` tells a person which file it is, `read(height, width)` gives the image, uint8
    (height, width, 3) RGB, and its labels, uint8 (height, width), in source ids. `read` is called from several threads.
    """

    name: str
    where: str
    read: Callable[[int, int], tuple[Pixels, Pixels]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images, uint8 (n, height, width, 3) RGB; labels, uint8 (n, height, width), class index or `IGNORE`; names.

    There is one name per image. The arrays may be written to.
    """

    images: Pixels
    labels: Pixels
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set at one size and with one list of classes.

    `source` is the spec as it was given. `fingerprint` is 16 hex digits of a SHA-256 over images and labels of both
    splits: two results belong to the same data when it is the same.
    """

    source: str
    classes: ClassList
    train: Split
    val: Split
    fingerprint: str


def names() -> list[str]:
    """Keys of the known data sets, sorted."""
    return module_names(__name__)


def class_list(spec: str, classes: Classes) -> ClassList:
    """The list of classes that `load` would use, without reading an image. Raises BudgetnetError as `load` does."""
    return _class_map(spec, classes).classes


def load(spec: str, *, classes: Classes, height: int, width: int, progress: Progress | None = None) -> Dataset:
    """Read data set `spec` (`name` or `name:argument`), both splits, at `height` x `width` pixels.

    `classes` is a count, the name of a list of classes, or the class names in output order; it selects the class map.
    `progress(done, total)` is called after each image. Raises BudgetnetError: no such data set, no class map that
    fits, a size out of range, a fault of the data (naming the file).
    """
    for side, value in (("height", height), ("width", width)):
        if not MIN_SIDE <= value <= MAX_SIDE:
            raise BudgetnetError(f"{side} must be from {MIN_SIDE} to {MAX_SIDE} pixels, but got {shorten(value)}")
    class_map = _class_map(spec, classes)
    key, _, argument = spec.partition(":")
    module = load_module(__name__, key, "data set")
    train, val = (module.samples(argument, split) for split in ("train", "val"))
    for split, part in (("train", train), ("val", val)):
        if not part:
            raise BudgetnetError(f"{spec}: split {split} must hold one image or more, but got none")
    total = len(train) + len(val)
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    splits = [_read(part, class_map, module.SOURCE_CLASSES, height, width, one_more) for part in (train, val)]
    fingerprint = _fingerprint(splits)
    return Dataset(source=spec, classes=class_map.classes, train=splits[0], val=splits[1], fingerprint=fingerprint)


def check_ids(labels: Pixels, source_classes: Mapping[int, str], where: str) -> None:
    """Raise BudgetnetError naming `where` if a label is not an id of the source. `load` checks what `read` returns."""
    known = np.isin(np.arange(256), list(source_classes))[labels]
    if not known.all():
        ids = ", ".join(f"{number} {name}" for number, name in source_classes.items())
        raise BudgetnetError(f"{where}: labels must be ids of the source ({ids}), but got {labels[~known][0]}")


def _class_map(spec: str, classes: Classes) -> ClassMap:
    key = spec.partition(":")[0]
    offered = for_source(key, load_module(__name__, key, "data set").SOURCE_CLASSES)
    if isinstance(classes, str):
        fitting = [found for found in offered if found.classes.name == classes]
    elif isinstance(classes, int):
        fitting = [found for found in offered if len(found.classes) == classes]
    else:
        fitting = [found for found in offered if found.classes.names == tuple(classes)]
    if len(fitting) == 1:
        return fitting[0]
    rule = "must fit one class map only, give its name instead" if fitting else "must fit a class map of the data set"
    choice = "; ".join(f"{m.classes.name}: {len(m.classes)} ({', '.join(m.classes.names)})" for m in fitting or offered)
    raise BudgetnetError(f"classes {rule}, but got {shorten(classes)}; {key} offers {choice or 'none'}")


def _read(
    samples: list[Sample],
    class_map: ClassMap,
    source_classes: Mapping[int, str],
    height: int,
    width: int,
    one_more: Callable[[], None],
) -> Split:
    try:
        images = np.empty((len(samples), height, width, 3), np.uint8)
        labels = np.empty((len(samples), height, width), np.uint8)
    except MemoryError:
        need = len(samples) * height * width * 4 / 1e9
        raise BudgetnetError(
            f"a split must fit in memory, but {len(samples)} images of {height} x {width} need {need:,.1f} GB"
        ) from None
    targets = np.full(256, IGNORE, np.uint8)
    for source_id, index in class_map.targets.items():
        targets[source_id] = index
    with closing(_in_order(samples, height, width)) as pairs:  # at a fault, no further file is read
        for index, (image, source_ids) in enumerate(pairs):
            check_ids(source_ids, source_classes, samples[index].where)
            images[index] = image
            labels[index] = targets[source_ids]
            one_more()
    return Split(images=images, labels=labels, names=tuple(sample.name for sample in samples))


def _in_order(samples: list[Sample], height: int, width: int) -> Generator[tuple[Pixels, Pixels], None, None]:
    # Decoding and resizing let go of the interpreter lock, so threads help; `map` keeps the order and, when the
    # caller stops at a fault, cancels what has not begun.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(lambda sample: sample.read(height, width), samples)


def _fingerprint(splits: Sequence[Split]) -> str:
    digest = sha256()
    for split in splits:
        for array in (split.images, split.labels):
            digest.update(repr(array.shape).encode())
            digest.update(array.data)
    return digest.hexdigest()[:16]
