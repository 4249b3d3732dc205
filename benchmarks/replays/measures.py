"""What is told of many replays: regret after so many epochs, and the epochs that ours needs for what another reached.

Intervals are of 95 %, over the seeds of the replays (percentiles of means of 2,000 samples with repeats). Recorded
seeds are few: intervals say how much chance a strategy leaves, not how much another recording would differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from replays.ledger import Replay, hypervolumes, regret
from replays.tables import Table

SAMPLES: Final = 2_000
LEVEL: Final = 0.95
WANTED_SHARE: Final = 1 / 3
"""Of plain TPE's epochs, with which ours should have its final hypervolume."""

SLACK: Final = 1e-12
"""Hypervolumes of the same candidates in another order are this close, relatively."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval of 95 %."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> "Estimate":
        """The mean of values, one for each seed."""
        given = np.asarray(values, dtype=np.float64)
        drawn = np.random.default_rng(0).integers(len(given), size=(SAMPLES, len(given)))
        low, high = np.quantile(given[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(mean=float(given.mean()), low=float(low), high=float(high))

    def told(self, scale: float = 1.0, digits: int = 2) -> str:
        """`1.25 (1.10 to 1.40)`."""
        mean, low, high = (f"{value * scale:,.{digits}f}" for value in (self.mean, self.low, self.high))
        return f"{mean} ({low} to {high})"


def regrets(table: Table, replays: Sequence[Replay], budget: int) -> NDArray[np.float64]:
    """(seeds, budget + 1): regret of every replay after every epoch spent."""
    return np.array([regret(table, each, budget) for each in replays])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How soon one strategy had what another one had in the end, seed by seed.

    `epochs` (seeds) counts the whole run of seeds that never had it, flagged by `missed`; `itself` (seeds) is when the
    other one had it; `budget` is what the other one spent.
    """

    budget: int
    epochs: NDArray[np.float64]
    missed: NDArray[np.bool_]
    itself: NDArray[np.float64]

    @property
    def share(self) -> Estimate:
        """Epochs needed as a share of those that the other one spent."""
        return Estimate.of(self.epochs / self.budget)

    @property
    def median(self) -> float:
        """The same, of the seed in the middle."""
        return float(np.median(self.epochs) / self.budget)

    @property
    def reached(self) -> bool:
        """Whether the whole interval lies within what was wanted."""
        return self.share.high <= WANTED_SHARE


def race(table: Table, ours: Sequence[Replay], other: Sequence[Replay], budget: int) -> Race:
    """Epochs of `ours` until each replay has the hypervolume that `other` has after `budget` epochs, by seed."""
    needed, missed, itself = [], [], []
    for mine, theirs in zip(ours, other, strict=True):
        whole = max(mine.spent, budget)
        had = hypervolumes(table, mine, whole)
        wanted = hypervolumes(table, theirs, budget)
        target = wanted[-1] * (1 - SLACK)
        there = np.flatnonzero(had >= target)
        missed.append(not there.size)
        needed.append(float(there[0] if there.size else mine.spent))
        itself.append(float(np.flatnonzero(wanted >= target)[0]))
    return Race(budget=budget, epochs=np.array(needed), missed=np.array(missed), itself=np.array(itself))


def crossing(curve: NDArray[np.float64], level: float) -> int | None:
    """The first epoch after which a curve of mean regret is at a level or below."""
    there = np.flatnonzero(curve <= level + SLACK)
    return int(there[0]) if there.size else None


def repeats(table: Table, replays: Sequence[Replay]) -> tuple[float, float]:
    """Whole trainings, on average over seeds, that were of a candidate trained before, and of one that does not fit."""
    again = [len(each.rows) - len(set(each.rows)) for each in replays]
    over = [int((~table.fits[list(each.rows)]).sum()) for each in replays]
    return float(np.mean(again)), float(np.mean(over))
