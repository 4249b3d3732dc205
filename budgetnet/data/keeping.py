"""Where read images are kept: in memory while they fit, else in files that are mapped."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from budgetnet import datasets
from budgetnet.classmaps import ClassMap
from budgetnet.data.form import Form
from budgetnet.data.prepare import Order, is_prepared, prepare
from budgetnet.data.reading import Classes, Dataset, Progress, Split, class_map, is_mapped, load_splits, require_size
from budgetnet.datasets import Source
from budgetnet.datasets.prepared import find as find_prepared
from budgetnet.errors import BudgetnetError

SHARE = 0.5
"""Of the memory that is free; the rest is for the training itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much memory images and labels may take (`limit` in bytes; None: half of what is free), and the folder for
    those of a data set that needs more; it is prepared there once, and mapped. `made_by` goes into its manifest.
    """

    limit: int | None = None
    folder: Path | None = None
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The limit in bytes."""
        return int(free_memory() * SHARE) if self.limit is None else self.limit


def load(
    spec: str, *, classes: Classes, height: int, width: int, keep: Keep | None = None, progress: Progress | None = None
) -> Dataset:
    """Read data set `spec` (`name` or `name:argument`), training and validation, at `height` x `width` pixels.

    `classes` selects the class map: see `reading.class_map`. `progress(done, total)` is called after each image. Raises
    BudgetnetError: no such data set, no class map that fits, a size out of range, faults of the data (naming the file),
    more than fits where `keep` names no folder.
    """
    source = datasets.find(spec)
    chosen = class_map(spec, source, classes)
    form = Form(height=height, width=width)
    read = load_kept(spec, source, ("train", "val"), chosen, form, keep or Keep(), progress)
    return Dataset(source=spec, classes=chosen.classes, train=read["train"], val=read["val"])


def load_kept(
    spec: str,
    source: Source,
    splits: Sequence[str],
    chosen: ClassMap,
    form: Form,
    keep: Keep,
    progress: Progress | None = None,
) -> dict[str, Split]:
    """As `reading.load_splits`, within a limit of memory. Raises BudgetnetError as `load` does."""
    samples = {split: datasets.samples(spec, source, split) for split in splits}
    for split in splits:
        require_size(spec, source, split, form)
    decoded = {split: listed for split, listed in samples.items() if not is_mapped(source, split, chosen, form)}
    order = Order(source=source, splits=decoded, chosen=chosen, form=form, made_of={"dataset": spec})
    most = keep.most
    if order.size <= most:
        return load_splits(spec, source, splits, chosen, form, progress)
    if keep.folder is None:
        raise BudgetnetError(
            f"{spec}: must fit in {most / 1e9:,.1f} GB of memory, but {order.images:,} images of {form.height} x "
            f"{form.width} need {order.size / 1e9:,.1f}; prepare them with `budgetnet data prepare`, or raise "
            "--memory-limit"
        )
    if not is_prepared(order, keep.folder):
        prepare(order, keep.folder, made_by=keep.made_by, force=True, progress=progress)
    mapped = find_prepared(str(keep.folder))
    return load_splits(str(keep.folder), mapped, splits, mapped.class_maps[0], form)


def free_memory() -> int:
    """Bytes of memory that can be taken without pushing other programs out, nor over a container's limit."""
    return min(_of_machine(), _of_container())


def _of_container() -> int:
    """What a control group leaves; no limit where there is none."""
    try:
        most, taken = (Path("/sys/fs/cgroup", name).read_text(encoding="ascii") for name in _CGROUP)
        return max(int(most) - int(taken), 0)
    except (OSError, ValueError):  # no such group, or "max"
        return 2**62


_CGROUP = ("memory.max", "memory.current")


def _of_machine() -> int:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return 4 * 10**9
