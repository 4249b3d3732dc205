"""The strategies that ours is held against. Each trains every candidate that it takes to the end."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from replays.ledger import Ledger

if TYPE_CHECKING:
    import optuna

OVER: Final = "over the budget"
"""Optuna's name of the constraint: GOPS more than the budget, 0 or less where a candidate fits."""


def grid(ledger: Ledger, *, seed: int, fitting: bool) -> None:
    """The space in its order; `fitting` skips what does not fit."""
    _in_order(ledger, np.flatnonzero(ledger.table.fits) if fitting else range(len(ledger.table.labels)))


def random(ledger: Ledger, *, seed: int) -> None:
    """The networks that fit, each once, in an order drawn evenly."""
    _in_order(ledger, np.random.default_rng(seed).permutation(ledger.table.rows))


def _in_order(ledger: Ledger, rows: Iterable[int]) -> None:
    for row in rows:
        if not ledger.can(ledger.table.epochs):
            return
        ledger.whole(int(row))


def optuna_study(ledger: Ledger, *, seed: int, sampler: str) -> None:
    """A multi-objective study as one writes it with Optuna: over the whole space, the budget a constraint."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(directions=["maximize", "maximize"], sampler=_samplers(seed)[sampler]())
        asked = Asked(ledger.table.parameters)
        while ledger.can(ledger.table.epochs):
            trial = study.ask()
            row = asked.row(trial)
            trial.set_constraint(OVER, float(ledger.table.over[row]))
            study.tell(trial, ledger.whole(row))


def _samplers(seed: int) -> dict[str, Any]:
    """Optuna's own, with their default settings."""
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    return {
        "tpe": lambda: TPESampler(seed=seed),
        "tpe-group": lambda: TPESampler(seed=seed, multivariate=True, group=True),
        "nsga2": lambda: NSGAIISampler(seed=seed),
        "random": lambda: RandomSampler(seed=seed),
    }


class Asked:
    """A space as a function of Optuna's trial: head first, then each parameter that still has a choice.

    Numbers are whole numbers that keep their order: places among a parameter's values. Where a parameter's values
    depend on what was chosen before, each set of values has a name of its own, as Optuna wants it.
    """

    def __init__(self, parameters: Sequence[Mapping[str, Any]]) -> None:
        self._parameters = parameters
        names = dict.fromkeys(name for each in parameters for name in each)
        self._names = sorted(names, key=lambda name: name != "head")
        self._whole = {name: self._values(name, range(len(parameters))) for name in self._names}

    def _values(self, name: str, rows: Iterable[int]) -> list[Any]:
        found = dict.fromkeys(self._parameters[row][name] for row in rows if name in self._parameters[row])
        return list(found) if any(isinstance(value, str) for value in found) else sorted(found)

    def row(self, trial: "optuna.Trial") -> int:
        """The candidate that a trial is given."""
        rows = list(range(len(self._parameters)))
        for name in self._names:
            values = self._values(name, rows)
            if len(values) > 1:
                chosen = self._chosen(trial, name, values)
                rows = [row for row in rows if self._parameters[row].get(name) == chosen]
        (row,) = rows
        return row

    def _chosen(self, trial: "optuna.Trial", name: str, values: list[Any]) -> Any:
        told = name if values == self._whole[name] else f"{name} of {', '.join(map(str, values))}"
        if isinstance(values[0], str):
            return trial.suggest_categorical(told, values)
        return values[trial.suggest_int(told, 0, len(values) - 1)]
