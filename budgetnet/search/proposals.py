"""Which candidate to train next: within the budget, never one that was trained before.

A proposal depends on the seed, its number and the finished trials alone, so a search that was interrupted proposes
what it would have proposed without the interruption. Feasibility is not left to the sampler: it proposes freely, and a
proposal that is over budget or known moves to the nearest candidate that is neither.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import optuna

from budgetnet.networks import Candidate
from budgetnet.parameters import Value

STARTUP = 8
"""Trials drawn at random before the sampler models anything; the first two are the widest and the cheapest
candidate.
"""

REDRAWS = 16
"""How often the sampler may draw anew before its last proposal is moved to the nearest candidate that may be
trained.
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A candidate that was trained, with its objectives (both maximised); None where its training failed."""

    candidate: Candidate
    values: tuple[float, float] | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The space as the sampler sees it (each parameter's values in order), and the candidates that fit, largest
    first.
    """

    space: Mapping[str, Sequence[Value]]
    feasible: Sequence[Candidate]

    def place(self, candidate: Candidate) -> dict[str, int]:
        """Parameter -> index of the candidate's value; 0 for parameters that mean nothing to it."""
        given = candidate.parameters
        return {name: list(values).index(given[name]) if name in given else 0 for name, values in self.varied.items()}

    @property
    def varied(self) -> dict[str, Sequence[Value]]:
        """The parameters with more than one value."""
        return {name: values for name, values in self.space.items() if len(values) > 1}

    def distance(self, place: Mapping[str, int], candidate: Candidate) -> float:
        """How far a candidate is from a place: steps over the length of each axis; words are one step apart."""
        other, total = self.place(candidate), 0.0
        for name, values in self.varied.items():
            steps = abs(place[name] - other[name])
            total += float(steps > 0) if isinstance(values[0], str) else steps / (len(values) - 1)
        return total


def propose(choices: Choices, finished: Sequence[Finished], seed: int) -> Candidate | None:
    """The next candidate to train, or None when every one that fits has been."""
    known = {each.candidate for each in finished}
    open_ones = [candidate for candidate in choices.feasible if candidate not in known]
    if not open_ones:
        return None
    for first in (choices.feasible[0], choices.feasible[-1]):
        if first not in known:
            return first
    if len(open_ones) == 1:
        return open_ones[0]
    place = _sample(choices, finished, seed, {tuple(choices.place(each).values()): each for each in open_ones})
    return min(open_ones, key=lambda candidate: choices.distance(place, candidate))


def _sample(
    choices: Choices, finished: Sequence[Finished], seed: int, wanted: Mapping[tuple[int, ...], Candidate]
) -> dict[str, int]:
    """A place drawn by Optuna's TPE from a study of the finished trials: one that is wanted, else the last that it
    drew.
    """
    axes: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(tuple(range(len(values))))
        if isinstance(values[0], str)
        else optuna.distributions.IntDistribution(0, len(values) - 1)
        for name, values in choices.varied.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + len(finished)) % 2**32, n_startup_trials=STARTUP, multivariate=True
        )
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)
    study.add_trials(
        [
            optuna.trial.create_trial(params=choices.place(each.candidate), distributions=axes, values=each.values)
            for each in finished
            if each.values is not None
        ]
    )
    for _ in range(REDRAWS):
        trial = study.ask(axes)
        if tuple(trial.params.values()) in wanted:
            break
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return dict(trial.params)
