"""Recorded trainings as the replays read them: every candidate of a space with its mean IoU after every epoch."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.errors import BudgetnetError
from budgetnet.grid import blocks
from budgetnet.networks import Candidate
from budgetnet.plan.feasible import Feasible
from budgetnet.scenario import Scenario, load
from budgetnet.search import pareto

FOLDER: Final = Path(__file__).parent
SPACE: Final = FOLDER / "space.yaml"


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """One recorded space. Rows are its candidates in its order, those over the budget among them.

    `labels` and `parameters` name them; `images_per_second` (rows) is what the budget allows with each, `over` (rows)
    by how many GOPS each breaks it (negative: it fits), `curves` (rows, seeds, epochs) the mean IoU after every epoch.
    `scenario` is the space with the budget and the training that was recorded, `digest` tells tables apart.
    """

    name: str
    scenario: Scenario
    labels: tuple[str, ...]
    parameters: tuple[dict[str, Any], ...]
    images_per_second: NDArray[np.float64]
    over: NDArray[np.float64]
    curves: NDArray[np.float64]
    digest: str

    @property
    def seeds(self) -> int:
        """How many trainings of each candidate there are."""
        return int(self.curves.shape[1])

    @property
    def epochs(self) -> int:
        """Epochs of a whole training."""
        return int(self.curves.shape[2])

    @property
    def fits(self) -> NDArray[np.bool_]:
        """(rows): whether a candidate keeps the budget."""
        return self.over <= 0

    @cached_property
    def truth(self) -> NDArray[np.float64]:
        """(rows): mean IoU after a whole training, on average over the recorded seeds. Strategies are judged by it."""
        kept = self.curves.max(axis=2) if self.scenario.training.keep == "best" else self.curves[:, :, -1]
        return np.asarray(kept.mean(axis=1))

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(rows, 2): truth and images per second."""
        return np.column_stack([self.truth, self.images_per_second])

    @cached_property
    def best(self) -> float:
        """Hypervolume of the front of all candidates that fit, from 0 IoU and 0 images per second."""
        return pareto.hypervolume(self.points[self.fits])

    @cached_property
    def feasible(self) -> Feasible:
        """The candidates that fit, as a search sees them."""
        return Feasible(self.scenario)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(candidates that fit and are different networks): the row of each index of `feasible`."""
        places = {label: row for row, label in enumerate(self.labels)}
        return np.array([places[self.feasible.candidate(index).label] for index in range(len(self.feasible))])


def read(path: Path) -> Table:
    """The table in a file that `record.py` wrote. Raises BudgetnetError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BudgetnetError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return made(json.loads(text), name=path.stem, digest=sha256(text).hexdigest())
    except (ValueError, KeyError, TypeError) as error:
        raise BudgetnetError(f"{path} must be a table that record.py wrote, but got {error}") from error


def candidates(scenario: Scenario) -> list[Candidate]:
    """Every candidate of a space, in its order, whether it fits or not."""
    found = blocks(scenario.network, scenario.search_space)
    return [block.candidate(index) for block in found for index in range(len(block))]


def made(record: dict[str, Any], *, name: str, digest: str, space: Path = SPACE) -> Table:
    """A table from its record, of the space in `space`. Raises ValueError, KeyError or TypeError where it is none."""
    scenario = load(str(space)).changed(classes=record["classes"], training=record["training"])
    rows = record["candidates"]
    labels = tuple(row["candidate"] for row in rows)
    if labels != tuple(each.label for each in candidates(scenario)):
        raise ValueError("other candidates than those of the space")
    per_second = np.array([row["images_per_second"] for row in rows], dtype=np.float64)
    wanted = sum(group.images_per_second for group in scenario.groups)
    return Table(
        name=name,
        scenario=scenario,
        labels=labels,
        parameters=tuple(row["parameters"] for row in rows),
        images_per_second=per_second,
        over=record["budget_gops"] * (float(wanted) / per_second - 1),
        curves=np.array([row["mean_iou"] for row in rows], dtype=np.float64),
        digest=digest,
    )
