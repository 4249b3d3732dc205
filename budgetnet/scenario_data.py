"""The data set that a scenario trains on: read, and described for records."""

from pathlib import Path
from typing import Any

from budgetnet.data.keeping import Keep, load
from budgetnet.data.reading import Dataset
from budgetnet.progress import bars
from budgetnet.provenance import provenance
from budgetnet.scenario import Scenario


def read(
    scenario: Scenario,
    *,
    folder: Path,
    memory_limit: float | None,
    size: tuple[int, int] | None = None,
) -> Dataset:
    """The scenario's data set with a bar for the reading, at the scenario's image size or another `size` (height,
    width).

    `memory_limit` is how many 10^9 bytes images and labels may take, half of what is free by default; beyond it they
    are mapped from files in `folder / "data"`. Raises BudgetnetError.
    """
    assert scenario.dataset is not None
    limit = None if memory_limit is None else int(memory_limit * 1e9)
    height, width = size or (scenario.image.height, scenario.image.width)
    with bars() as begin:
        return load(
            scenario.dataset,
            classes=scenario.classes,
            height=height,
            width=width,
            keep=Keep(limit=limit, folder=folder / "data", made_by=provenance()),
            progress=begin(f"reading {scenario.dataset.partition(':')[0]}"),
        )


def described(dataset: Dataset) -> dict[str, Any]:
    """What results depend on: the fingerprint of the data, its classes, how many images there are."""
    return {
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes.names),
        "void": None if dataset.classes.void is None else dataset.classes.names[dataset.classes.void],
        "train_images": len(dataset.train),
        "val_images": len(dataset.val),
    }
