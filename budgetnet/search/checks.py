"""How far to trust a ranking: the front trained again from other seeds, and some candidates trained longer.

Both are trials of a study of their own, beside the search's: what they find changes nothing in the search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, final

import numpy as np

from budgetnet.networks import Candidate
from budgetnet.search import pareto
from budgetnet.search.decisions import Begin, Resume
from budgetnet.search.halving import reached
from budgetnet.search.trial import Trial
from budgetnet.training_settings import Training

LONGER: Final = 3
"""An audit trains so many times as many epochs."""

ORIGIN_REPEAT: Final = "repeat"
ORIGIN_AUDIT: Final = "audit"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A training that checks a trial: the same candidate with `changes` in how it is trained."""

    candidate: Candidate
    images_per_second: float
    origin: str
    changes: Mapping[str, Any]
    epochs: int

    @property
    def key(self) -> tuple[Candidate, tuple[tuple[str, Any], ...]]:
        """What makes it the same as another."""
        return self.candidate, tuple(sorted(self.changes.items()))


def wanted(
    trials: Sequence[Trial], training: Training, *, repeats: int, audit: int, checks: Sequence[Trial] = ()
) -> list[Wanted]:
    """The front from `repeats` seeds in all (that of the search is the first), and `audit` candidates trained longer.
    The front is that of means over the seeds that there are: where `checks` have changed it, others are on it.

    Those to be audited are spread evenly over the ranking at the first rung, stopped ones among them: a sample of the
    best alone would say nothing about what was left out.
    """
    found = [
        Wanted(
            candidate=trial.candidate,
            images_per_second=trial.images_per_second,
            origin=ORIGIN_REPEAT,
            changes={"seed": (training.seed + number) % 2**32},
            epochs=training.epochs,
        )
        for trial in front(trials, checks)
        for number in range(1, repeats)
    ]
    longer = training.epochs * LONGER
    return found + [
        Wanted(
            candidate=trial.candidate,
            images_per_second=trial.images_per_second,
            origin=ORIGIN_AUDIT,
            changes={"epochs": longer},
            epochs=longer,
        )
        for trial in sample(trials, training, audit)
    ]


def repeated(checks: Sequence[Trial]) -> dict[Candidate, list[float]]:
    """Mean IoU of each finished repeat, by candidate."""
    found: dict[Candidate, list[float]] = {}
    for check in checks:
        if check.origin == ORIGIN_REPEAT and check.result is not None:
            found.setdefault(check.candidate, []).append(check.result.scores.mean_iou)
    return found


def front(trials: Sequence[Trial], checks: Sequence[Trial] = ()) -> list[Trial]:
    """The done trials that no other one dominates in (mean IoU over its seeds, images per second), the best first."""
    again = repeated(checks)
    done = [(trial, trial.result.scores.mean_iou) for trial in trials if trial.result is not None]
    means = [fmean([value, *again.get(trial.candidate, [])]) for trial, value in done]
    points = [(mean, trial.images_per_second) for mean, (trial, _) in zip(means, done, strict=True)]
    return [done[index][0] for index in pareto.front(points)]


def sample(trials: Sequence[Trial], training: Training, count: int) -> list[Trial]:
    """`count` trials, evenly spread over all that were validated, in the order of their first rung's mean IoU."""
    first = min((trial.target for trial in trials), default=0)
    valued = [(reached(training, trial.curve, max(first, 1)), trial) for trial in trials if trial.status != "failed"]
    ranked = [trial for value, trial in sorted(valued, key=lambda each: (-(each[0] or 0.0), each[1].number)) if value]
    if count >= len(ranked):
        return ranked if count else []
    return [ranked[place] for place in np.linspace(0, len(ranked) - 1, count).round().astype(int).tolist()]


@final
class Checks:
    """Which check to do next: what `Race` is for a search."""

    def __init__(self, asked: Sequence[Wanted]) -> None:
        self._asked = list({each.key: each for each in asked}.values())
        self._trials: dict[int, Trial] = {}

    @property
    def wanted(self) -> int:
        """How many there are to do."""
        return len(self._asked)

    @property
    def running(self) -> int:
        """How many some worker has."""
        return sum(trial.status == "running" for trial in self._trials.values())

    def tell(self, trial: Trial) -> None:
        """A check has begun, or has changed."""
        self._trials[trial.number] = trial

    def ask(self) -> Begin | Resume | None:
        """The next one: first those that were cut off."""
        keys = {each.key for each in self._asked}
        begun = set()
        for number, trial in sorted(self._trials.items()):
            key = (trial.candidate, tuple(sorted(trial.changes.items())))
            begun.add(key)
            if trial.status == "paused" and key in keys:
                return Resume(number=number, target=trial.target)
        for each in self._asked:
            if each.key not in begun:
                return Begin(
                    candidate=each.candidate,
                    images_per_second=each.images_per_second,
                    origin=each.origin,
                    target=each.epochs,
                    changes=each.changes,
                )
        return None
