"""Prepares a data set once: cut, scaled, reduced to classes, in a folder that training maps instead of decoding.

While it works everything lies in a hidden folder inside the output folder, with a record of how far it is, so the same
command goes on after a kill; the manifest comes last, and a folder without one is not prepared.
"""

import errno
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np

from budgetnet import files
from budgetnet.classes import ClassList
from budgetnet.classmaps import ClassMap
from budgetnet.data.form import Form
from budgetnet.data.order import in_order
from budgetnet.data.reading import Progress, digest, read
from budgetnet.datasets import SPLITS, DataError, Fault, Pixels, Sample, Source
from budgetnet.datasets.prepared import MANIFEST, UNLABELLED, Manifest, Part, file_names, read_manifest
from budgetnet.datasets.prepared import find as find_prepared
from budgetnet.errors import BudgetnetError, printable
from budgetnet.locks import LOCK, alone

WORK = ".preparing"
PROGRESS = "progress.json"
SAVED_AFTER = 2.0
"""Seconds after which what was written is made safe: at most so much is done again after a kill."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be prepared: which samples of an opened data set, in which classes and form; `made_of` says it in
    words, for the manifest.
    """

    source: Source
    splits: Mapping[str, Sequence[Sample]]
    chosen: ClassMap
    form: Form
    made_of: Mapping[str, Any]

    @property
    def images(self) -> int:
        """Images of all splits together."""
        return sum(map(len, self.splits.values()))

    @property
    def size(self) -> int:
        """Bytes of all arrays together."""
        return self.images * self.form.height * self.form.width * 4

    @property
    def identity(self) -> str:
        """Hash of all that decides what comes out: where it is the same, so is the folder.

        Files count by name, size and time of change, not by where they lie.
        """
        samples = {split: [(each.name, *_stamps(each)) for each in listed] for split, listed in self.splits.items()}
        targets = sorted(self.chosen.targets.items())
        decides = [samples, targets, asdict(self.chosen.classes), asdict(self.form)]
        return sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def _stamps(sample: Sample) -> Iterator[tuple[int, int]]:
    """Size and time of change of a sample's files: one that was replaced makes another data set."""
    for name in sample.files:
        try:
            status = Path(name).stat()
        except OSError:
            yield 0, 0  # reading it will tell
        else:
            yield status.st_size, status.st_mtime_ns


def prepare(
    order: Order, folder: Path, *, made_by: Mapping[str, str], force: bool = False, progress: Progress | None = None
) -> Manifest:
    """Prepares a folder, going on where an interrupted preparation of the same order stopped; at once where it is done
    and whole; anew where it is done and damaged. What is there already is returned with the `made_by` of then.

    `progress(done, total)` is called after each image. Raises BudgetnetError: the folder holds something else (unless
    `force`, and that was prepared too), cannot be written, or the disk is full; DataError with the faults of all
    images. In both cases nothing unfinished is left behind.
    """
    _what_is_there(folder, force)  # before anything is written into a folder of somebody else's
    with alone(folder, "preparation"):
        there = _what_is_there(folder, force)
        if there is not None and not force:
            if is_prepared(order, folder):
                _tell(progress, order.images, order.images)
                return there
            if there.identity != order.identity:
                raise BudgetnetError(
                    f"{printable(str(folder))}: must be a new folder, or one prepared from the same data in the same "
                    "way, but it holds others; --force replaces them"
                )
        return _prepare(order, folder, made_by, progress)


def _prepare(order: Order, folder: Path, made_by: Mapping[str, str], progress: Progress | None) -> Manifest:
    identity = order.identity
    work = files.make_folder(folder / WORK)
    try:
        done = _fill(order, work, identity, progress)
    except (BudgetnetError, OSError) as error:
        shutil.rmtree(work, ignore_errors=True)
        if {path.name for path in folder.iterdir()} == {LOCK}:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BudgetnetError(_cannot_write(folder, error)) from error
        raise
    manifest = Manifest(
        classes=order.chosen.classes,
        height=order.form.height,
        width=order.form.width,
        identity=identity,
        made_of=order.made_of,
        splits=done,
        made_by=made_by,
    )
    _finish(folder, manifest)
    return manifest


def is_prepared(order: Order, folder: Path) -> bool:
    """Whether a folder holds just what would be prepared, to the last byte: reads all of it."""
    try:
        manifest = read_manifest(folder)
        find_prepared(str(folder))  # the arrays have the sizes that the manifest says
    except BudgetnetError:
        return False
    made = manifest.classes, manifest.height, manifest.width, manifest.identity
    if made != (order.chosen.classes, order.form.height, order.form.width, order.identity):
        return False
    return all(
        (_hash(folder / images), _hash(folder / labels)) == (part.images_sha256, part.labels_sha256)
        for part, (images, labels) in ((part, file_names(split)) for split, part in manifest.splits.items())
    )


def _what_is_there(folder: Path, force: bool) -> Manifest | None:
    """The manifest of a folder that is prepared already; None where there is none, or, with `force`, none that can be
    read. Raises BudgetnetError where the folder holds anything else.
    """
    try:
        found = {entry.name for entry in os.scandir(folder)}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BudgetnetError(_cannot_write(folder, error)) from error
    ours = {WORK, LOCK, *(name for split in SPLITS for name in file_names(split))}
    if MANIFEST in found:
        try:
            return read_manifest(folder)
        except BudgetnetError as error:
            if force and not found - ours - {MANIFEST}:
                return None
            raise BudgetnetError(f"{error}\n--force prepares the folder anew") from None
    if (WORK not in found and found - {LOCK}) or found - ours:
        strange = sorted(found - ours) or sorted(found)
        rule = "must be a new or empty folder, or one that was prepared before"
        raise BudgetnetError(f"{printable(str(folder))}: {rule}, but it holds {printable(strange[0])}")
    return None


def _fill(order: Order, work: Path, identity: str, progress: Progress | None) -> dict[str, Part]:
    """Writes the arrays that are not there yet."""
    state = _State.resume(work, identity)
    shape = order.form.height, order.form.width
    offset, parts = 0, {}
    for split, samples in order.splits.items():
        before = state.done.get(split, 0)
        _tell(progress, offset + before, order.images)
        with _arrays(work, split, (len(samples), *shape), before) as (images, labels):
            pairs = in_order(lambda sample: _attempt(sample, order), samples[before:])
            faults: list[Fault] = []
            for index, made in enumerate(pairs, start=before):
                if isinstance(made, DataError):
                    faults += made.faults
                elif not faults:  # after the first fault the rest are only looked at: to tell them all
                    images.write(np.ascontiguousarray(made[0]).data)
                    labels.write(np.ascontiguousarray(made[1]).data)
                _tell(progress, offset + index + 1, order.images)
                if not faults and state.due:
                    _sync(images, labels)
                    state.save(split, index + 1)
            if faults:
                raise DataError(faults)
            _sync(images, labels)
            state.save(split, len(samples))
        parts[split] = _part(work, split, samples, order.chosen.classes)
        offset += len(samples)
    return parts


def _attempt(sample: Sample, order: Order) -> tuple[Pixels, Pixels] | DataError:
    try:
        return read(sample, order.source.classes, order.chosen, order.form)
    except DataError as error:
        return error


@final
@dataclass(slots=True)
class _State:
    """How many images of each split are safely written."""

    path: Path
    identity: str
    done: dict[str, int]
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.saved_at >= SAVED_AFTER

    @classmethod
    def resume(cls, work: Path, identity: str) -> "_State":
        """The state of an interrupted preparation of the same; else the folder is emptied."""
        path = work / PROGRESS
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            done = {str(split): int(count) for split, count in record["done"].items()}
            # the files of a preparation that was killed while they were moved to their place are not here any more
            if record["identity"] == identity and all((work / name).exists() for s in done for name in file_names(s)):
                return cls(path, identity, done)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        for entry in work.iterdir():
            entry.unlink()
        return cls(path, identity, {})

    def save(self, split: str, count: int) -> None:
        """Remembers that so many images of a split are written."""
        self.done[split] = count
        self.saved_at = time.monotonic()
        files.write(self.path, json.dumps({"identity": self.identity, "done": self.done}).encode())


@contextmanager
def _arrays(work: Path, split: str, shape: tuple[int, int, int], done: int) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The two array files of a split of `shape` (n, height, width), open for writing behind the `done` first images."""
    with ExitStack() as stack:
        opened = []
        for name, full in zip(file_names(split), ((*shape, 3), shape), strict=True):
            header = _header(full)
            file = stack.enter_context((work / name).open("r+b" if done else "wb"))
            opened.append(file)
            if not done:
                file.write(header)
                file.flush()
                _reserve(file, len(header) + prod(full))
            file.seek(len(header) + done * prod(full[1:]))
        yield opened[0], opened[1]


def _header(shape: tuple[int, ...]) -> bytes:
    """What an array file of bytes begins with."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.getvalue()


def _reserve(file: BinaryIO, size: int) -> None:
    """Takes the room on the disk now: better refused at once than after hours."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        # a file system that cannot reserve will tell when it is full


def _sync(*opened: BinaryIO) -> None:
    for file in opened:
        file.flush()
        os.fsync(file.fileno())


def _part(work: Path, split: str, samples: Sequence[Sample], classes: ClassList) -> Part:
    """What the manifest says of a split whose arrays are written."""
    paths = [work / name for name in file_names(split)]
    images, labels = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    counts = np.zeros(256, np.int64)
    for each in labels:
        counts += np.bincount(each.ravel(), minlength=256)
    pixels = {classes.names[index]: int(counts[index]) for index in classes.scored}
    hashes = [_hash(path) for path in paths]
    return Part(
        names=tuple(sample.name for sample in samples),
        groups=tuple(sample.group for sample in samples),
        pixels={**pixels, UNLABELLED: int(counts.sum()) - sum(pixels.values())},
        digest=digest(images, labels),
        images_sha256=hashes[0],
        labels_sha256=hashes[1],
    )


def _hash(path: Path) -> str:
    made = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()


def _finish(folder: Path, manifest: Manifest) -> None:
    """Moves everything to its place; the manifest last, by which the folder counts as prepared."""
    work = folder / WORK
    files.remove(folder / MANIFEST)
    try:
        for split in SPLITS:
            for name in file_names(split):
                if split in manifest.splits:
                    (work / name).replace(folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BudgetnetError(_cannot_write(folder, error)) from error
    files.write(folder / MANIFEST, manifest.content())
    shutil.rmtree(work, ignore_errors=True)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _cannot_write(folder: Path, error: OSError) -> str:
    return f"{printable(str(folder))}: must be a folder that can be written, but got {error.strerror}"
