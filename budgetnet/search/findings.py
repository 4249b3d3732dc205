"""What a search found, with everything that the parts of its report need: the front, what seeds and longer trainings
say of it, and for every trial what became of it and why.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from budgetnet.networks import Candidate
from budgetnet.plan.demand import Demand, Planned
from budgetnet.results import Result, Scores
from budgetnet.search.board import best
from budgetnet.search.checks import repeated
from budgetnet.search.halving import REDUCTION, reached
from budgetnet.search.pareto import dominates, ranks
from budgetnet.search.progress_curves import ActiveClock, Progress, progress
from budgetnet.search.timeline import Bar, bars, kind
from budgetnet.search.trial import Trial
from budgetnet.search.trust import Agreement, Spread, agreement, front_shares, pooled_deviations

if TYPE_CHECKING:  # the search's own module draws in storage and workers, which a report has no use for
    from budgetnet.search.run import Outcome

Point = tuple[float, float]


@final
class Findings:
    """An outcome and what follows from it. `done` are the trials trained to the end, `points` their (mean IoU, images
    per second), the mean over seeds where they were repeated.
    """

    def __init__(self, outcome: "Outcome", guess: Scores) -> None:
        """Of an outcome; `guess` is what guessing the most frequent class would score."""
        self.outcome, self.guess = outcome, guess
        self.scenario = outcome.plan.scenario
        self.rungs = tuple(outcome.rungs)
        self.trials = outcome.trials
        self.clock = ActiveClock(span for trial in (*self.trials, *outcome.checks) for span in trial.spans)
        self.done = [trial for trial in self.trials if trial.result is not None]
        self.points = [self._point(trial) for trial in self.done]
        best = np.flatnonzero(ranks(np.array(self.points).reshape(-1, 2)) == 0).tolist()
        order = sorted(best, key=lambda index: [-value for value in self.points[index]])
        self.front = [self.done[index] for index in order]
        self._front_points = [self.points[index] for index in order]
        self._front_numbers = {trial.number for trial in self.front}
        self._demand = Demand(self.scenario)
        self._measured: dict[Candidate, Planned] = {}

    def _point(self, trial: Trial) -> Point:
        return self.spread(trial).mean, trial.images_per_second

    @cached_property
    def _repeats(self) -> dict[Candidate, list[float]]:
        """Mean IoU of each finished repeat."""
        return repeated(self.outcome.checks)

    def result(self, trial: Trial) -> Result:
        """The result of a trial that has one."""
        assert trial.result is not None
        return trial.result

    def seeds(self, trial: Trial) -> list[float]:
        """Mean IoU of a done trial's whole trainings: its own, then those of its repeats."""
        return [self.result(trial).scores.mean_iou, *self._repeats.get(trial.candidate, [])]

    def spread(self, trial: Trial) -> Spread:
        """What a done trial reached over its seeds."""
        return Spread.of(self.seeds(trial))

    @property
    def repeated(self) -> bool:
        """Whether any done trial was repeated."""
        return any(len(self.seeds(trial)) > 1 for trial in self.done)

    def measured(self, trial: Trial) -> Planned:
        """What a trial's candidate costs."""
        if trial.candidate not in self._measured:
            self._measured[trial.candidate] = self._demand.measure((trial.candidate,))
        return self._measured[trial.candidate]

    @cached_property
    def front_share(self) -> dict[int, float]:
        """Trial number -> in what share of all draws of one training each it is on the front; empty without repeats.

        A candidate trained once is taken to vary as the repeated ones do.
        """
        if not self.repeated:
            return {}
        seeds = [self.seeds(trial) for trial in self.done]
        deviations = pooled_deviations(seeds)
        draws = [values if len(values) > 1 else [values[0] + each for each in deviations] for values in seeds]
        shares = front_shares(draws, [trial.images_per_second for trial in self.done])
        return {trial.number: share for trial, share in zip(self.done, shares, strict=True)}

    def at_rung(self, trial: Trial, rung: int) -> float | None:
        """Mean IoU that a trial had at a rung that it finished, by which it was compared there."""
        if rung == self.rungs[-1]:
            return None if trial.result is None else trial.result.scores.mean_iou
        return reached(self.scenario.training, trial.curve, rung) if rung <= trial.epochs else None

    def so_far(self, trial: Trial) -> float | None:
        """Mean IoU of the result, or of the training as far as it has come; None where nothing was validated."""
        if trial.result is not None:
            return self.spread(trial).mean
        return reached(self.scenario.training, trial.curve, trial.epochs)

    @cached_property
    def agreements(self) -> list[Agreement]:
        """For every length of audits and every rung: how the rung orders the audited candidates."""
        by_candidate = {trial.candidate: trial for trial in self.trials}
        longer: dict[int, list[tuple[Trial, float]]] = {}
        for check in self.audits:
            if check.result is not None and check.candidate in by_candidate:
                own = by_candidate[check.candidate]
                longer.setdefault(int(check.changes["epochs"]), []).append((own, check.result.scores.mean_iou))
        found = []
        for epochs, audited in sorted(longer.items()):
            for rung in self.rungs:
                both = [(self.at_rung(own, rung), reference) for own, reference in audited]
                pairs = [(short, reference) for short, reference in both if short is not None]
                if pairs:
                    found.append(agreement(pairs, short=rung, long=epochs))
        return found

    @property
    def audits(self) -> list[Trial]:
        """The trainings of more epochs."""
        return [check for check in self.outcome.checks if kind(check) == "audit"]

    @cached_property
    def curve(self) -> list[Progress]:
        """The hypervolume as it grew."""
        return progress(self.trials, self.clock)

    @cached_property
    def bars(self) -> list[Bar]:
        """The timeline."""
        return bars([*self.trials, *self.outcome.checks], self.rungs, self.clock)

    def is_on_front(self, trial: Trial) -> bool:
        """Whether no other done trial dominates this one."""
        return trial.number in self._front_numbers

    def paused_at(self, trial: Trial) -> int | None:
        """The rung at which a trial waits; None for one that is not paused, or was cut off between two rungs."""
        there = trial.status == "paused" and trial.epochs >= trial.target
        return trial.epochs if there and trial.epochs in self.rungs else None

    def reason(self, trial: Trial) -> str:
        """What became of a trial and why, in a few words."""
        if trial.status == "failed":
            return f"failed: {trial.reason or 'unknown'}"
        if trial.result is not None:
            return self._place(trial)
        whole = self.rungs[-1]
        if self.paused_at(trial) is not None:
            return f"stopped at epoch {trial.epochs} of {whole}: {self._standing(trial)}"
        if trial.status == "running":
            return f"under way: {trial.epochs} of {whole} epochs done"
        return f"not finished: {trial.epochs} of {whole} epochs done"

    def _place(self, trial: Trial) -> str:
        if self.is_on_front(trial):
            return "on the front"
        point = self._point(trial)
        other = next(
            each for each, better in zip(self.front, self._front_points, strict=True) if dominates(better, point)
        )
        return f"dominated by trial {other.number}"

    def _standing(self, trial: Trial) -> str:
        """How a paused trial stands among those that have finished its rung."""
        known, places = self._places[trial.epochs]
        if trial.number not in places:
            return "it has no mean IoU there"
        place = places[trial.number]
        told = f"number {place} of {known} at that rung"
        if place > max(known // REDUCTION, 1):
            return f"{told}, behind the better half"
        return f"{told}, but could not come to the front of whole trainings even with the largest gain seen, or waits"

    @cached_property
    def _places(self) -> dict[int, tuple[int, dict[int, int]]]:
        """Rung -> how many have finished it, and the place of each: by rank, then by crowding, as the race has it."""
        found = {}
        for rung in self.rungs:
            values = [(trial, self.at_rung(trial, rung)) for trial in self.trials if trial.status != "failed"]
            there = [(trial, value) for trial, value in values if value is not None]
            points = np.array([(value, trial.images_per_second) for trial, value in there]).reshape(-1, 2)
            order = best(points, len(there), whole_front=False).tolist()
            found[rung] = (len(there), {there[at][0].number: place for place, at in enumerate(order, 1)})
        return found

    def swing(self) -> float | None:
        """How far mean IoU moved between the last two validations on whole images, on average over the done trials;
        None where there was but one.
        """
        validated = self.scenario.training.validated
        ends = [validated(self.result(trial).history)[-2:] for trial in self.done]
        moves = [abs(last["mean_iou"] - before["mean_iou"]) for before, last in (end for end in ends if len(end) == 2)]
        return sum(moves) / len(moves) if moves else None


def counted_by_status(trials: Sequence[Trial]) -> dict[str, int]:
    """How many trials have each status."""
    found = dict.fromkeys(("done", "paused", "running", "failed"), 0)
    for trial in trials:
        found[trial.status] += 1
    return found
