"""Which parameters mattered for being among the best: PED-ANOVA (Watanabe et al., IJCAI 2023), as Optuna has it.

Conditional parameters count where they exist (Conditional PED-ANOVA, arXiv:2601.20800). Beside each figure stands what
chance gives: the same candidates with their mean IoUs shuffled.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final, final

import numpy as np

from budgetnet.drawing import INK, MUTED, new_figure, png
from budgetnet.parameters import Value, written

LEAST: Final = 20
"""Fewer trials say nothing about parameters."""

MOST: Final = 300
"""Of more trials, so many at equal distances are looked at: the cost does not grow with the search."""

TOP: Final = 4
"""The best are one of so many trials. A tenth is usual where there are hundreds; of few trials that is next to none."""

SHUFFLES: Final = 20
"""Orders drawn at random for what chance gives."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """How important one parameter was, as a share of all parameters' importances. `by_chance` is what it exceeds in one
    of twenty cases by chance alone, on the same scale. `trials` have the parameter.
    """

    name: str
    importance: float
    by_chance: float
    trials: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Of all parameters with more than one value, the most important one first: over `trials` trials, by their mean IoU
    at epoch `rung`; for being among the best `top`.
    """

    rung: int
    trials: int
    top: int
    parameters: tuple[Parameter, ...]

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def common_rung(reached: Mapping[int, int]) -> int | None:
    """The highest rung that enough trials have reached, given how many reached each: at least `LEAST`, and half of
    those at the first one, since those that go on are no fair sample. None where there are too few anywhere.
    """
    most = max(reached.values(), default=0)
    fair = [rung for rung, count in reached.items() if count >= max(LEAST, most / 2)]
    return max(fair, default=None)


def importance(trials: Sequence[tuple[Mapping[str, Value], float]], *, rung: int) -> Importance | None:
    """Of (parameters, mean IoU at the rung); None where there are fewer than `LEAST`, or nothing varies."""
    if len(trials) > MOST:
        trials = [trials[place] for place in np.linspace(0, len(trials) - 1, MOST).round().astype(int).tolist()]
    if len(trials) < LEAST or len({value for _, value in trials}) < 2:
        return None
    found = _Study(trials)
    if not found.names:
        return None
    values = np.array([value for _, value in trials])
    top = ceil(len(trials) / TOP)
    rng = np.random.default_rng(0)
    real, *chance = [
        found.importances(each, top) for each in (values, *(rng.permutation(values) for _ in range(SHUFFLES)))
    ]
    total = sum(real.values()) or 1.0
    parameters = [
        Parameter(
            name=name,
            importance=real[name] / total,
            by_chance=float(np.quantile([each[name] for each in chance], 0.95)) / total,
            trials=sum(name in parameters for parameters, _ in trials),
        )
        for name in found.names
    ]
    order = sorted(parameters, key=lambda each: (-each.importance, each.name))
    return Importance(rung=rung, trials=len(trials), top=top, parameters=tuple(order))


class _Study:
    """The trials as a study of Optuna's in memory. Every parameter is a choice of words."""

    def __init__(self, trials: Sequence[tuple[Mapping[str, Value], float]]) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution

        optuna.logging.set_verbosity(optuna.logging.ERROR)  # as the search's study does
        seen: dict[str, dict[str, None]] = {}
        for parameters, _ in trials:
            for name, value in parameters.items():
                seen.setdefault(name, {})[written(value)] = None
        # one value, but not in every trial: what decides about it is a parameter itself
        self.names = [name for name, words in seen.items() if len(words) > 1]
        kinds = {name: CategoricalDistribution(sorted(seen[name])) for name in self.names}
        self._study = optuna.create_study(direction="minimize", storage=optuna.storages.InMemoryStorage())
        self._study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: written(value) for name, value in parameters.items() if name in kinds},
                    distributions={name: kinds[name] for name in parameters if name in kinds},
                    value=0.0,
                )
                for parameters, _ in trials
            ]
        )

    def importances(self, values: Any, top: int) -> dict[str, float]:
        """Of each parameter, were these the trials' values."""
        from optuna.importance import PedAnovaImportanceEvaluator

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that low values are good; they are: the signs are turned
            found = PedAnovaImportanceEvaluator(target_quantile=top / len(values)).evaluate(
                self._study, self.names, target=lambda trial: -float(values[trial.number])
            )
        return {name: float(found[name]) for name in self.names}


def importance_png(found: Importance, *, title: str) -> bytes:
    """Bars, the most important parameter on top; a tick where chance alone reaches in one case of twenty."""
    from matplotlib.ticker import PercentFormatter

    shown = found.parameters
    figure = new_figure(width=8.5, height=1.6 + 0.36 * len(shown))
    axes = figure.add_subplot()
    places = list(range(len(shown)))
    told = [each.importance > each.by_chance for each in shown]
    colours = ["#1f5fa8" if each else "#b9c4d0" for each in told]
    axes.barh(places, [each.importance for each in shown], height=0.62, color=colours)
    axes.scatter(
        [each.by_chance for each in shown],
        places,
        marker="|",
        s=170,
        color=INK,
        linewidths=1.6,
        label="chance reaches this in 1 of 20 cases",
        zorder=4,
    )
    axes.set_yticks(places, [each.name.replace("_", " ") for each in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlabel(f"share of the importance for being among the best {found.top} of {found.trials}", color=MUTED)
    axes.set_title(title, color=INK, fontsize=12)
    figure.legend(fontsize=8.5, loc="outside lower right", frameon=False)
    return png(figure, grid="x")
