"""Reads a data set: opened, cut to one size, reduced to one list of classes, and kept as bytes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from budgetnet import datasets
from budgetnet.classes import IGNORE, ClassList
from budgetnet.classmaps import ClassMap
from budgetnet.data.form import Form
from budgetnet.data.order import in_order
from budgetnet.datasets import DataError, Fault, Pixels, Sample, Source
from budgetnet.errors import BudgetnetError, shorten

Progress = Callable[[int, int], None]
Classes = int | str | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images, uint8 (n, height, width, 3) RGB; labels, uint8 (n, height, width), class index or `IGNORE`; names.

    There is one name per image. Arrays that are mapped from files cannot be written to. `digest` is the SHA-256 over
    both arrays, in hex.
    """

    images: Pixels
    labels: Pixels
    names: tuple[str, ...]
    digest: str

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

    @property
    def fingerprint(self) -> str:
        """Says which data these are: see the class."""
        return fingerprint([self.train.digest, self.val.digest])


def fingerprint(digests: Iterable[str]) -> str:
    """16 hex digits that follow all of the digests."""
    return sha256("\n".join(digests).encode()).hexdigest()[:16]


def class_map(spec: str, source: Source, classes: Classes) -> ClassMap:
    """The class map of a data set that a count, the name of a list of classes, or the classes' names in output order
    select. Raises BudgetnetError, with what there is, where none or more than one fits.
    """
    offered = source.class_maps
    if isinstance(classes, str):
        fitting = [found for found in offered if found.classes.name == classes]
    elif isinstance(classes, int):
        fitting = [found for found in offered if len(found.classes) == classes]
    else:
        fitting = [found for found in offered if found.classes.names == tuple(classes)]
    fitting = [found for found in fitting if found.asked_for] or fitting
    if len(fitting) == 1:
        return fitting[0]
    rule = "must fit one class map only, give its name instead" if fitting else "must fit a class map of the data set"
    choice = "; ".join(f"{m.classes.name}: {len(m.classes)} ({', '.join(m.classes.names)})" for m in fitting or offered)
    key = spec.partition(":")[0]
    raise BudgetnetError(f"classes {rule}, but got {shorten(classes)}; {key} offers {choice or 'none'}")


def load_splits(
    spec: str, source: Source, splits: Sequence[str], chosen: ClassMap, form: Form, progress: Progress | None = None
) -> dict[str, Split]:
    """The named splits of an opened data set, in memory. `progress(done, total)` is called after each image. Raises
    BudgetnetError: no such split, a size out of range, faults of the data (naming the file).
    """
    listed = {split: datasets.samples(spec, source, split) for split in splits}
    for split in splits:
        require_size(spec, source, split, form)
    total = sum(map(len, listed.values()))
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return {
        split: _mapped(spec, source, split, samples, one_more)
        if is_mapped(source, split, chosen, form)
        else _read(samples, source, chosen, form, one_more)
        for split, samples in listed.items()
    }


def require_size(spec: str, source: Source, split: str, form: Form) -> None:
    """Raises BudgetnetError where images that were scaled once would be enlarged: what is lost does not come back."""
    if split in source.arrays:
        height, width = source.arrays[split][1].shape[1:]
        if height < form.height or width < form.width:
            rule = f"must be prepared at {form.height} x {form.width} or larger to be used at that size"
            raise BudgetnetError(f"{spec}: {rule}, but was prepared at {height} x {width}")


def is_mapped(source: Source, split: str, chosen: ClassMap, form: Form) -> bool:
    """Whether a split's arrays are there already, in the wanted size and classes."""
    if split not in source.arrays or form.crop is not None:
        return False
    same = all(index in (source_id, IGNORE) for source_id, index in chosen.targets.items())
    return same and source.arrays[split][1].shape[1:] == (form.height, form.width)


def read(sample: Sample, source_classes: Mapping[int, str], chosen: ClassMap, form: Form) -> tuple[Pixels, Pixels]:
    """One sample: image (height, width, 3) and labels (height, width) as class indices. Raises DataError."""
    image, ids = sample.read(form.height, form.width)
    fault = datasets.id_fault(ids, source_classes, sample.labels)
    if fault is not None:
        raise DataError([fault])
    try:
        return form.image(image), reduction(chosen)[form.labels(ids)]
    except ValueError as error:  # smaller than the crop
        raise DataError([Fault(where=sample.image, what=str(error))]) from None


def reduction(chosen: ClassMap) -> Pixels:
    """Uint8 (256): source id -> class index, or `IGNORE`."""
    targets = np.full(256, IGNORE, np.uint8)
    for source_id, index in chosen.targets.items():
        targets[source_id] = index
    return targets


def digest(images: Pixels, labels: Pixels) -> str:
    """SHA-256 over two arrays and their shapes, in hex."""
    made = sha256()
    for array in (images, labels):
        made.update(repr(array.shape).encode())
        made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()


def _mapped(spec: str, source: Source, split: str, samples: Sequence[Sample], one_more: Callable[[], None]) -> Split:
    images, labels = source.arrays[split]
    found = digest(images, labels)
    if found != source.digests[split]:
        raise BudgetnetError(f"{spec}: split {split} must be as it was made, but its files were changed since")
    for _ in samples:
        one_more()
    return Split(images=images, labels=labels, names=tuple(sample.name for sample in samples), digest=found)


def _read(
    samples: Sequence[Sample], source: Source, chosen: ClassMap, form: Form, one_more: Callable[[], None]
) -> Split:
    try:
        images = np.empty((len(samples), form.height, form.width, 3), np.uint8)
        labels = np.empty((len(samples), form.height, form.width), np.uint8)
    except MemoryError:
        need = len(samples) * form.height * form.width * 4 / 1e9
        raise BudgetnetError(
            f"a split must fit in memory, but {len(samples)} images of {form.height} x {form.width} need {need:,.1f} GB"
        ) from None
    pairs = in_order(lambda sample: read(sample, source.classes, chosen, form), samples)
    with closing(pairs):  # at a fault, no further file is read
        for index, (image, reduced) in enumerate(pairs):
            images[index] = image
            labels[index] = reduced
            one_more()
    names = tuple(sample.name for sample in samples)
    return Split(images=images, labels=labels, names=names, digest=digest(images, labels))
