"""All trials of a race in arrays: who leads at each rung, who waits there, and what is to be expected of them."""

from collections.abc import Mapping, Sequence
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.search import pareto
from budgetnet.search.decisions import Resume
from budgetnet.search.halving import REDUCTION
from budgetnet.search.trial import Trial

WINDOW: Final = 1_000
"""A rung's ranking looks at the latest so many candidates: what an answer costs does not grow with the search."""

SHOWN: Final = 512
"""Samplers are shown so many observations: the best half of them by rank, and the latest."""

SURE: Final = 3
"""Whole trainings that must be known before the largest gain seen is trusted."""

Points = NDArray[np.float64]
Numbers = NDArray[np.int64]

RUNNING, PAUSED, DONE, FAILED = range(4)
_STATUS: Final[Mapping[str, int]] = {"running": RUNNING, "paused": PAUSED, "done": DONE, "failed": FAILED}


def _nobodys(count: int) -> Numbers:
    """Rows of a board for numbers whose trials are no search's: somebody put them into the study by other means."""
    found = np.zeros((5, count), dtype=np.int64)
    found[0], found[1] = -1, FAILED
    return found


@final
class Board:
    """All trials in arrays, by number. `level` is how many rungs a trial has finished, `index` its place in the
    feasible set (-1: none), `mean_iou` (trials, rungs) what it had at each.
    """

    def __init__(self, rungs: int) -> None:
        self._count, self._levels = 0, rungs
        self._whole = _nobodys(16)
        self._rates = np.zeros(16)
        self._ious = np.full((16, rungs), np.nan)
        self._orders: dict[tuple[int, bool], tuple[int, Numbers]] = {}
        self._versions = np.zeros(rungs, dtype=np.int64)
        """By rung: grows with whatever changes who has finished it, and with what."""

    def __len__(self) -> int:
        return self._count

    @property
    def index(self) -> Numbers:
        """Places in the feasible set."""
        return self._whole[0, : self._count]

    @property
    def status(self) -> Numbers:
        """As numbers."""
        return self._whole[1, : self._count]

    @property
    def level(self) -> Numbers:
        """How many rungs are finished."""
        return self._whole[2, : self._count]

    @property
    def epochs(self) -> Numbers:
        """Epochs trained."""
        return self._whole[3, : self._count]

    @property
    def target(self) -> Numbers:
        """Epochs at which each pauses or is done."""
        return self._whole[4, : self._count]

    @property
    def committed(self) -> int:
        """Epochs trained, and those that running trials still have before them."""
        running = self.status == RUNNING
        return int(self.epochs.sum() + np.maximum(self.target - self.epochs, 0)[running].sum())

    def put(self, trial: Trial, index: int, reached: Sequence[float]) -> None:
        """A trial as it stands now."""
        while trial.number >= len(self._rates):
            self._whole = np.concatenate([self._whole, _nobodys(len(self._rates))], axis=1)
            self._rates = np.concatenate([self._rates, np.zeros_like(self._rates)])
            self._ious = np.concatenate([self._ious, np.full_like(self._ious, np.nan)])
        before = self._standing(trial.number)
        self._count = max(self._count, trial.number + 1)
        self._whole[:, trial.number] = index, _STATUS[trial.status], len(reached), trial.epochs, trial.target
        self._rates[trial.number] = trial.images_per_second
        self._ious[trial.number, : len(reached)] = reached
        after = self._standing(trial.number)
        self._versions += (before != after) & ~(np.isnan(before) & np.isnan(after))

    def _standing(self, number: int) -> Points:
        """(rungs): what a trial counts for at each, NaN where it does not."""
        _, status, level, *_ = self._whole[:, number]
        counts = (np.arange(self._levels) < level) & (status != FAILED)
        return np.where(counts, self._ious[number], np.nan)

    def cut_off(self, rungs: Sequence[int]) -> Resume | None:
        """The first trial that was stopped before its target: its worker died, or the search was interrupted. At the
        last rung also one whose epochs are all done: its result is still to come.
        """
        short = (self.epochs < self.target) | (self.target == rungs[-1])
        found = np.flatnonzero((self.status == PAUSED) & short)
        return Resume(number=int(found[0]), target=int(self.target[found[0]])) if found.size else None

    def best_waiting(self, level: int, *, closing: bool) -> int | None:
        """The best trial that waits after `level` rungs and goes on: one of the better half of those that have finished
        this rung; closing, one of its first front.
        """
        going = self._going(level, closing=closing)
        return int(going[0]) if going.size else None

    def waiting_front(self, level: int) -> list[int]:
        """Those of the first front of a rung that wait there."""
        return list(map(int, self._going(level, closing=True)))

    def _going(self, level: int, *, closing: bool) -> Numbers:
        waiting = (self.status == PAUSED) & (self.level == level)
        if not waiting.any():
            return np.zeros(0, dtype=np.int64)
        order = self._order(level, closing=closing)
        going = order[waiting[order]]
        reachable: Numbers = going[self._reachable(going, level)]
        return reachable

    def _order(self, level: int, *, closing: bool) -> Numbers:
        """Those of a rung that go on, best first."""
        known, version = self._orders.get((level, closing)), int(self._versions[level - 1])
        if known is not None and known[0] == version:
            return known[1]
        finished = np.flatnonzero((self.level >= level) & (self.status != FAILED))
        if not closing:
            finished = finished[-WINDOW:]
        points = np.column_stack([self._ious[finished, level - 1], self._rates[finished]])
        quota = 1 if closing else len(finished) // REDUCTION
        found = finished[best(points, quota, whole_front=closing)]
        self._orders[level, closing] = version, found
        return found

    def known(self) -> Numbers:
        """What a sampler may be shown: the latest that have finished a rung, and the front of whole trainings."""
        found = np.flatnonzero((self.level > 0) & (self.index >= 0))
        if len(found) <= WINDOW:
            return found
        front = self._order(self._levels, closing=True)
        return np.union1d(front[self.index[front] >= 0], found[-WINDOW:])

    def _reachable(self, numbers: Numbers, level: int) -> NDArray[np.bool_]:
        """Which trials may still come to the front, with the largest gain that was seen from this rung to the end."""
        whole = np.flatnonzero(self.status == DONE)
        if len(whole) < SURE:
            return np.ones(len(numbers), dtype=np.bool_)
        whole = whole[-WINDOW:]
        last = self._ious[whole, -1]
        gain = np.max(last - self._ious[whole, level - 1])
        hoped = self._ious[numbers, level - 1] + gain
        # whether no whole training is as fast and at least as good
        beaten = (self._rates[whole][None, :] >= self._rates[numbers][:, None]) & (last[None, :] >= hoped[:, None])
        return np.asarray(~beaten.any(axis=1), dtype=np.bool_)

    def expected(self, numbers: Numbers) -> Points:
        """Mean IoU to be expected of trials at the end: what they have at their last rung and what others, on average,
        gained from there.
        """
        found = np.zeros(len(numbers))
        level = self.level[numbers]
        gain = 0.0
        for rung in range(self._levels, 0, -1):
            mine = level == rung
            found[mine] = self._ious[numbers[mine], rung - 1] + gain
            if rung > 1:
                gain += self._gain(rung)
        return found

    def _gain(self, rung: int) -> float:
        """From the rung before to this one, on average over those that finished it."""
        both = np.flatnonzero(self.level >= rung)[-WINDOW:]
        return float(np.mean(self._ious[both, rung - 1] - self._ious[both, rung - 2])) if both.size else 0.0


def best(points: Points, quota: int, *, whole_front: bool) -> Numbers:
    """Places of the best points, best first: by rank, then by crowding, then by place. `quota` of them, or the whole
    first front.
    """
    if not len(points) or not quota:
        return np.zeros(0, dtype=np.int64)
    ranks = pareto.ranks(points, most=quota)
    found: list[Numbers] = []
    for rank in range(1 if whole_front else int(ranks.max()) + 1):
        mine = np.flatnonzero(ranks == rank)
        found.append(mine[np.argsort(-pareto.crowding(points[mine]), kind="stable")])
        if sum(map(len, found)) >= quota and not whole_front:
            break
    order = np.concatenate(found)
    return order if whole_front else order[:quota]


def telling(expected: Points, rates: Points) -> Numbers:
    """Which observations a sampler is shown, in their order."""
    if len(expected) <= SHOWN:
        return np.arange(len(expected))
    leading = best(np.column_stack([expected, rates]), SHOWN // 2, whole_front=False)
    chosen = np.zeros(len(expected), dtype=np.bool_)
    chosen[leading] = True
    rest = np.flatnonzero(~chosen)
    chosen[rest[-(SHOWN - len(leading)) :]] = True
    return np.flatnonzero(chosen)
