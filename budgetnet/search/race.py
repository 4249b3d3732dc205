"""What to do next: go on with a candidate that waits at a rung, or begin a new one. No storage, no training, no clock.

Multi-objective asynchronous successive halving (MO-ASHA, Schmucker et al., arXiv:2106.12639): whoever is free asks.
From the highest rung down, a candidate goes on if it is among the better half of those that have finished its rung, by
non-dominated rank over (mean IoU at this rung, images per second), then by crowding distance. Where none does, a new
candidate is begun, as the sampler proposes. When no more are to be begun, the first front of every rung goes on to the
end. What can no longer reach the front of whole trainings, even with the largest gain that was seen, goes no further.

What is answered follows from the trials as they stand, whatever order they came in: a search that was interrupted goes
on as it would have gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.networks import Candidate
from budgetnet.plan.feasible import Feasible
from budgetnet.search import pareto, samplers
from budgetnet.search.halving import REDUCTION, reached
from budgetnet.search.trial import Trial
from budgetnet.training_settings import Training

WINDOW: Final = 1_000
"""A rung's ranking looks at the latest so many candidates: what an answer costs does not grow with the search."""

SHOWN: Final = 512
"""Samplers are shown so many observations: the best half of them by rank, and the latest."""

SURE: Final = 3
"""Whole trainings that must be known before the largest gain seen is trusted."""

Points = NDArray[np.float64]
Numbers = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Begin a new candidate and train it until epoch `target`; `origin` says why this one. `changes` are fields of the
    training that differ from the search's.
    """

    candidate: Candidate
    images_per_second: float
    origin: str
    target: int
    changes: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on with trial `number` until epoch `target`."""

    number: int
    target: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many trials are begun, and how many epochs trained, at most."""

    trials: int
    epochs: int | None = None


@final
class Race:
    """All trials of one search. `first` are candidates to try after the widest and the cheapest one."""

    def __init__(
        self,
        feasible: Feasible,
        training: Training,
        *,
        rungs: Sequence[int],
        sampler: str = samplers.DEFAULT,
        seed: int = 0,
        limits: Limits,
        first: Sequence[Candidate] = (),
    ) -> None:
        self._feasible, self._training = feasible, training
        self._rungs, self._seed, self._limits = tuple(rungs), seed, limits
        self._name, self._sampler = sampler, samplers.sampler(sampler)
        self._open = np.ones(len(feasible), dtype=np.bool_)
        self._queue = self._first(first)
        self._indices: dict[Candidate, int] = {}
        self._board = _Board(len(self._rungs))

    def _first(self, given: Sequence[Candidate]) -> list[tuple[int, str]]:
        """The widest, the cheapest, and those of an earlier study that fit here."""
        named = [(0, "widest"), (len(self._feasible) - 1, "cheapest")]
        found = [(self._feasible.index(candidate), "earlier study") for candidate in given]
        return [*named, *((index, origin) for index, origin in found if index is not None)]

    @property
    def begun(self) -> int:
        """How many trials there are."""
        return len(self._board)

    @property
    def running(self) -> int:
        """How many trials some worker has."""
        return int((self._board.status == _RUNNING).sum())

    @property
    def wanted(self) -> int:
        """How many trials will be begun, if epochs and time last."""
        return min(self._limits.trials, len(self._feasible))

    @property
    def used_up(self) -> bool:
        """Whether more could be done if more epochs were allowed."""
        limits = self._limits
        if limits.epochs is None:
            return False
        self._limits = Limits(trials=limits.trials)
        more = self.ask() is not None
        self._limits = limits
        return more

    @property
    def epochs(self) -> int:
        """Epochs trained so far, in all."""
        return int(self._board.epochs.sum())

    def tell(self, trial: Trial) -> None:
        """A trial is new or has changed. Telling it again changes nothing."""
        if trial.candidate not in self._indices:
            index = self._feasible.index(trial.candidate)
            self._indices[trial.candidate] = -1 if index is None else index
        index = self._indices[trial.candidate]
        if index >= 0:
            self._open[index] = False
        self._board.put(trial, index, self._reached(trial))

    def _reached(self, trial: Trial) -> list[float]:
        """Mean IoU at every rung that the trial has finished."""
        if trial.status == "done":
            assert trial.result is not None
            last = trial.result.scores.mean_iou
            before = [reached(self._training, trial.curve, rung) for rung in self._rungs[:-1]]
            return [*(last if value is None else value for value in before), last]
        done = [rung for rung in self._rungs[:-1] if rung <= trial.epochs]
        values = [reached(self._training, trial.curve, rung) for rung in done]
        return [value for value in values if value is not None]

    def ask(self) -> Begin | Resume | None:
        """What a free worker does next. None: nothing now; and nothing more at all if no trial is running."""
        cut_off = self._board.cut_off(self._rungs)
        if cut_off is not None:
            return self._affordable(cut_off)
        return self._promoted(closing=False) or self._new() or self._promoted(closing=True)

    def _affordable(self, job: Resume) -> Resume | None:
        cost = job.target - int(self._board.epochs[job.number])
        return job if self._can_spend(cost) else None

    def _can_spend(self, epochs: int) -> bool:
        most = self._limits.epochs
        return most is None or self._board.committed + epochs <= most

    def _can_finish(self, number: int | None = None) -> bool:
        """Whether, where epochs are limited, enough of them are left to train a candidate to the end, trial `number` or
        a new one, and with it all that wait on the first front of a rung.
        """
        whole, done = self._rungs[-1], self._board.epochs
        if self._limits.epochs is None or self._limits.epochs < whole:
            return True
        waiting = {each for level in range(1, len(self._rungs)) for each in self._board.waiting_front(level)}
        waiting -= {number}
        own = whole if number is None else whole - int(done[number])
        return self._can_spend(own + sum(whole - int(done[each]) for each in waiting))

    def _promoted(self, *, closing: bool) -> Resume | None:
        """A candidate that goes on to its next rung."""
        for level in range(len(self._rungs) - 1, 0, -1):
            number = self._board.best_waiting(level, closing=closing)
            if number is not None:
                job = self._affordable(Resume(number=number, target=self._rungs[level]))
                if job is not None and (closing or self._can_finish(number)):
                    return job
        return None

    def _new(self) -> Begin | None:
        """A candidate that was not begun yet."""
        if self.begun >= self.wanted or not self._can_spend(self._rungs[0]) or not self._can_finish():
            return None
        for index, origin in self._queue:
            if self._open[index]:
                return self._begin(index, origin)
        rng = np.random.default_rng([self._seed, self.begun])
        return self._begin(self._sampler.propose(self.view(), rng), self._name)

    def _begin(self, index: int, origin: str) -> Begin:
        candidate = self._feasible.candidate(index)
        self._indices[candidate] = index
        rate = float(self._feasible.images_per_second[index])
        return Begin(candidate=candidate, images_per_second=rate, origin=origin, target=self._rungs[0])

    def view(self) -> samplers.View:
        """What the sampler is shown."""
        board = self._board
        known = np.flatnonzero((board.level > 0) & (board.index >= 0))
        expected = board.expected(known)
        shown = _telling(expected, self._feasible.images_per_second[board.index[known]])
        known, expected = known[shown], expected[shown]
        under_way = (board.level == 0) & (board.status != _FAILED) & (board.index >= 0)
        return samplers.View(
            feasible=self._feasible,
            open=self._open,
            seen=board.index[known],
            mean_iou=expected,
            rungs=board.level[known],
            last_rung=len(self._rungs),
            pending=board.index[np.flatnonzero(under_way)[-SHOWN:]],
            failed=board.index[np.flatnonzero((board.status == _FAILED) & (board.index >= 0))[-SHOWN:]],
            number=self.begun,
            seed=self._seed,
        )


_RUNNING, _PAUSED, _DONE, _FAILED = range(4)
_STATUS: Final[Mapping[str, int]] = {"running": _RUNNING, "paused": _PAUSED, "done": _DONE, "failed": _FAILED}


def _nobodys(count: int) -> Numbers:
    """Rows of a board for numbers whose trials are no search's: somebody put them into the study by other means."""
    found = np.zeros((count, 5), dtype=np.int64)
    found[:, 0], found[:, 1] = -1, _FAILED
    return found


@final
class _Board:
    """All trials in arrays, by number. `level` is how many rungs a trial has finished, `index` its place in the
    feasible set (-1: none), `mean_iou` (trials, rungs) what it had at each.
    """

    def __init__(self, rungs: int) -> None:
        self._count, self._levels = 0, rungs
        self._whole = _nobodys(16)
        self._rates = np.zeros(16)
        self._ious = np.full((16, rungs), np.nan)
        self._orders: dict[tuple[int, bool], tuple[int, Numbers]] = {}
        self._version = 0

    def __len__(self) -> int:
        return self._count

    @property
    def index(self) -> Numbers:
        """Places in the feasible set."""
        return self._whole[: self._count, 0]

    @property
    def status(self) -> Numbers:
        """As numbers."""
        return self._whole[: self._count, 1]

    @property
    def level(self) -> Numbers:
        """How many rungs are finished."""
        return self._whole[: self._count, 2]

    @property
    def epochs(self) -> Numbers:
        """Epochs trained."""
        return self._whole[: self._count, 3]

    @property
    def target(self) -> Numbers:
        """Epochs at which each pauses or is done."""
        return self._whole[: self._count, 4]

    @property
    def committed(self) -> int:
        """Epochs trained, and those that running trials still have before them."""
        running = self.status == _RUNNING
        return int(self.epochs.sum() + np.maximum(self.target - self.epochs, 0)[running].sum())

    def put(self, trial: Trial, index: int, reached: Sequence[float]) -> None:
        """A trial as it stands now."""
        while trial.number >= len(self._rates):
            self._whole = np.concatenate([self._whole, _nobodys(len(self._whole))])
            self._rates = np.concatenate([self._rates, np.zeros_like(self._rates)])
            self._ious = np.concatenate([self._ious, np.full_like(self._ious, np.nan)])
        self._count = max(self._count, trial.number + 1)
        self._whole[trial.number] = index, _STATUS[trial.status], len(reached), trial.epochs, trial.target
        self._rates[trial.number] = trial.images_per_second
        self._ious[trial.number, : len(reached)] = reached
        self._version += 1

    def cut_off(self, rungs: Sequence[int]) -> Resume | None:
        """The first trial that was stopped before its target: its worker died, or the search was interrupted. At the
        last rung also one whose epochs are all done: its result is still to come.
        """
        short = (self.epochs < self.target) | (self.target == rungs[-1])
        found = np.flatnonzero((self.status == _PAUSED) & short)
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
        waiting = (self.status == _PAUSED) & (self.level == level)
        if not waiting.any():
            return np.zeros(0, dtype=np.int64)
        order = self._order(level, closing=closing)
        going = order[waiting[order]]
        reachable: Numbers = going[self._reachable(going, level)]
        return reachable

    def _order(self, level: int, *, closing: bool) -> Numbers:
        """Those of a rung that go on, best first."""
        known = self._orders.get((level, closing))
        if known is not None and known[0] == self._version:
            return known[1]
        finished = np.flatnonzero((self.level >= level) & (self.status != _FAILED))
        if not closing:
            finished = finished[-WINDOW:]
        points = np.column_stack([self._ious[finished, level - 1], self._rates[finished]])
        quota = 1 if closing else len(finished) // REDUCTION
        found = finished[_best(points, quota, whole_front=closing)]
        self._orders[level, closing] = self._version, found
        return found

    def _reachable(self, numbers: Numbers, level: int) -> NDArray[np.bool_]:
        """Which trials may still come to the front, with the largest gain that was seen from this rung to the end."""
        whole = np.flatnonzero(self.status == _DONE)
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


def _best(points: Points, quota: int, *, whole_front: bool) -> Numbers:
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


def _telling(expected: Points, rates: Points) -> Numbers:
    """Which observations a sampler is shown, in their order."""
    if len(expected) <= SHOWN:
        return np.arange(len(expected))
    best = _best(np.column_stack([expected, rates]), SHOWN // 2, whole_front=False)
    chosen = np.zeros(len(expected), dtype=np.bool_)
    chosen[best] = True
    rest = np.flatnonzero(~chosen)
    chosen[rest[-(SHOWN - len(best)) :]] = True
    return np.flatnonzero(chosen)
