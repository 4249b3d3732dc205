"""What a replayed strategy trains, and what that costs it."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.search import pareto
from replays.tables import Table


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one strategy did with one seed: the rows that it trained to the end, in order, with the epochs that it had
    spent in all by then; `spent` epochs in the end, in `begun` trainings; `seconds` of its own.
    """

    rows: tuple[int, ...]
    epochs: tuple[int, ...]
    spent: int
    begun: int
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rows": self.rows,
            "epochs": self.epochs,
            "spent": self.spent,
            "begun": self.begun,
            "seconds": self.seconds,
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Replay":
        """The replay that `record()` described."""
        return cls(**{**record, "rows": tuple(record["rows"]), "epochs": tuple(record["epochs"])})


@final
class Ledger:
    """The trainings of one recorded seed, handed out epoch by epoch until `budget` epochs are spent."""

    def __init__(self, table: Table, *, seed: int, budget: int) -> None:
        self.table, self.budget = table, budget
        self.spent = self.begun = 0
        self._curves = table.curves[:, seed % table.seeds]
        self._done: list[tuple[int, int]] = []

    def can(self, epochs: int) -> bool:
        """Whether so many epochs more are left."""
        return self.spent + epochs <= self.budget

    def train(self, row: int, *, since: int = 0, until: int | None = None) -> dict[int, float]:
        """Trains a row from after epoch `since` until an epoch, by default the last: mean IoU by epoch, from 1 on."""
        last = self.table.epochs if until is None else until
        assert 0 <= since < last, "a training goes on"
        assert self.can(last - since), "a strategy spends no more epochs than it has"
        self.spent += last - since
        self.begun += since == 0
        if last == self.table.epochs:
            self._done.append((row, self.spent))
        return {epoch: float(value) for epoch, value in enumerate(self._curves[row, :last], 1)}

    def whole(self, row: int) -> tuple[float, float]:
        """Trains a row to the end: its mean IoU and images per second."""
        curve = self.train(row)
        kept = max(curve.values()) if self.table.scenario.training.keep == "best" else curve[self.table.epochs]
        return kept, float(self.table.images_per_second[row])

    def replay(self, seconds: float) -> Replay:
        """What was done."""
        rows, epochs = zip(*self._done, strict=True) if self._done else ((), ())
        return Replay(rows=rows, epochs=epochs, spent=self.spent, begun=self.begun, seconds=round(seconds, 4))


def hypervolumes(table: Table, replay: Replay, budget: int) -> NDArray[np.float64]:
    """(budget + 1): after every epoch spent the hypervolume of what was trained to the end and fits, by its truth."""
    found = np.zeros(budget + 1)
    kept = np.zeros((0, 2))
    for row, epoch in zip(replay.rows, replay.epochs, strict=True):
        if table.fits[row]:
            kept = np.vstack([kept, table.points[row]])
            found[epoch:] = pareto.hypervolume(kept)
    return found


def regret(table: Table, replay: Replay, budget: int) -> NDArray[np.float64]:
    """(budget + 1): what is missing of the true hypervolume after every epoch spent, as a share of it."""
    return np.asarray(1 - hypervolumes(table, replay, budget) / table.best)
