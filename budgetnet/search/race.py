"""What to do next: go on with a candidate that waits at a rung, or begin a new one. No storage, no training, no clock.

Multi-objective asynchronous successive halving (MO-ASHA, Schmucker et al., arXiv:2106.12639): whoever is free asks.
From the highest rung down, a candidate goes on if it is among the better half of those that have finished its rung, by
non-dominated rank over (mean IoU at this rung, images per second), then by crowding distance. Where none does, a new
candidate is begun, as the sampler proposes. When no more are to be begun, the first front of every rung goes on to the
end. What can no longer reach the front of whole trainings, even with the largest gain that was seen, goes no further.

What is answered follows from the trials as they stand, whatever order they came in: a search that was interrupted goes
on as it would have gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from budgetnet.networks import Candidate
from budgetnet.plan.feasible import Feasible
from budgetnet.search import samplers
from budgetnet.search.board import FAILED, RUNNING, SHOWN, Board, telling
from budgetnet.search.decisions import Begin, Resume
from budgetnet.search.halving import reached
from budgetnet.search.trial import Trial
from budgetnet.training_settings import Training


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many trials are begun, and how many epochs trained, at most."""

    trials: int
    epochs: int | None = None


@final
class Race:
    """All trials of one search. `first` are candidates to try after the largest, the cheapest and the widest one."""

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
        self._board = Board(len(self._rungs))

    def _first(self, given: Sequence[Candidate]) -> list[tuple[int, str]]:
        """That of the most operations, the cheapest, the widest, and those of an earlier study that fit here."""
        named = [(0, "largest"), (len(self._feasible) - 1, "cheapest")]
        if self._feasible.widest is not None:
            named.append((self._feasible.widest, "widest"))
        found = [(self._feasible.index(candidate), "earlier study") for candidate in given]
        return [*named, *((index, origin) for index, origin in found if index is not None)]

    @property
    def begun(self) -> int:
        """How many trials there are."""
        return len(self._board)

    @property
    def running(self) -> int:
        """How many trials some worker has."""
        return int((self._board.status == RUNNING).sum())

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
        known = board.known()
        expected = board.expected(known)
        shown = telling(expected, self._feasible.images_per_second[board.index[known]])
        known, expected = known[shown], expected[shown]
        under_way = (board.level == 0) & (board.status != FAILED) & (board.index >= 0)
        return samplers.View(
            feasible=self._feasible,
            open=self._open,
            seen=board.index[known],
            mean_iou=expected,
            rungs=board.level[known],
            last_rung=len(self._rungs),
            pending=board.index[np.flatnonzero(under_way)[-SHOWN:]],
            failed=board.index[np.flatnonzero((board.status == FAILED) & (board.index >= 0))[-SHOWN:]],
            number=self.begun,
            seed=self._seed,
        )
