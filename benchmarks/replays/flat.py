"""What a decision costs when thousands of trials are known: a replay of a large space from a formula.

Mean IoU after epoch e of E, of a network that takes the share u of the budget:

    (0.25 + 0.4 (1 - exp(-3 sqrt(u))) + k + 0.01 n) (1 - 0.9 exp(-e / (1 + 2 u)))

More operations help, ever less, and learn more slowly. k is the mean over the searched parameters of 0.05 sin(p + 2 v
/ V) with v the place of the network's value among the V values of parameter number p, so that there is something to be
learnt; n is a number of the normal distribution, drawn once for each network. It stands for no training that was ever
seen: only times are read off this replay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Feasible
from budgetnet.scenario import load
from budgetnet.search import halving
from budgetnet.search.race import Limits, Race
from budgetnet.search.trial import Trial
from replays.ours import decisions
from replays.report import text

SPACE: Final = Path(__file__).parent / "large.yaml"
TRIALS: Final = 10_000
WINDOW: Final = 1_000
EPOCHS: Final = 9
MOST_GROWTH: Final = 1.2
"""Of the last thousand's cost against the second thousand's: flat, with room for what else a machine does."""


@final
@dataclass(frozen=True)
class Formula:
    """The large space with its mean IoU by the formula above."""

    feasible: Feasible
    epochs: int = EPOCHS

    @cached_property
    def limits(self) -> NDArray[np.float64]:
        """(candidates): the mean IoU of endless training."""
        learnt = 0.25 + 0.4 * (1 - np.exp(-3 * np.sqrt(self.used)))
        sizes = np.array([len(axis.values) for axis in self.feasible.axes])
        waves = 0.05 * np.sin(np.arange(len(sizes)) + 2 * self.feasible.places / sizes)
        known = self.feasible.places >= 0
        kind = (waves * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return np.asarray(learnt + kind + 0.01 * np.random.default_rng(0).normal(size=len(self.feasible)))

    @cached_property
    def used(self) -> NDArray[np.float64]:
        """(candidates): the share of the budget."""
        return np.asarray(self.feasible.images_per_second.min() / self.feasible.images_per_second)

    def curve(self, index: int, until: int) -> dict[int, float]:
        """Mean IoU after every epoch."""
        rise = 1 + 2 * self.used[index]
        return {e: float(self.limits[index] * (1 - 0.9 * np.exp(-e / rise))) for e in range(1, until + 1)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a sampler's decisions cost: `milliseconds` of a decision, on average over each thousand of trials begun."""

    sampler: str
    milliseconds: tuple[float, ...]

    @property
    def growth(self) -> float:
        """The last thousand against the second; the first has less to look at."""
        return self.milliseconds[-1] / self.milliseconds[min(1, len(self.milliseconds) - 1)]


def measure(sampler: str, *, trials: int = TRIALS, window: int = WINDOW, seed: int = 0) -> Cost:
    """Replays a search of so many trials and times every decision: to be told of a trial, and to say what is next."""
    scenario = load(str(SPACE)).changed(training={"epochs": EPOCHS})
    feasible = Feasible(scenario)
    race = Race(
        feasible,
        scenario.training,
        rungs=halving.automatic(scenario.training),
        sampler=sampler,
        seed=seed,
        limits=Limits(trials=trials),
    )
    formula, begun = Formula(feasible), 0
    seconds: dict[int, list[float]] = {}

    def trained(trial: Trial) -> dict[int, float]:
        index = feasible.index(trial.candidate)
        assert index is not None
        return formula.curve(index, trial.target)

    for taken, trial in decisions(race, scenario.training, trained):
        begun = max(begun, trial.number + 1)
        seconds.setdefault((begun - 1) // window, []).append(taken)
    return Cost(sampler=sampler, milliseconds=tuple(1000 * float(np.mean(part)) for part in seconds.values()))


def report(costs: Sequence[Cost], *, window: int = WINDOW) -> str:
    """A table of the costs, and whether they grow."""
    parts = max(len(cost.milliseconds) for cost in costs)
    head = ["ms a decision, by trials begun", *(f"to {window * (part + 1):,}" for part in range(parts))]
    rows = []
    for cost in costs:
        told = "flat" if cost.growth <= MOST_GROWTH else "NOT flat"
        rows.append([cost.sampler, *(f"{one:.2f}" for one in cost.milliseconds), f"{cost.growth:.2f}: {told}"])
    return text([*head, f"last by second, at most {MOST_GROWTH}"], rows)
