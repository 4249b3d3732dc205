"""Strategies by name. Ours are written `ours`, `ours:SAMPLER` or `ours:SAMPLER:RUNGS`."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from budgetnet.errors import BudgetnetError, did_you_mean
from budgetnet.search import halving, samplers
from replays import ours, plain
from replays.ledger import Ledger, Replay
from replays.tables import Table

OURS: Final = "ours"
TPE, TPE_GROUP = "optuna-tpe", "optuna-tpe-group"
WHOLE: Final = f"{OURS}:{samplers.DEFAULT}:{halving.NONE}"


class Strategy(Protocol):
    """Trains with a ledger until its epochs are spent."""

    def __call__(self, ledger: Ledger, *, seed: int) -> None:
        """One replay."""
        ...


PLAIN: Final[dict[str, tuple[str, Callable[..., None]]]] = {
    "random": ("random: what fits, each once, whole trainings", plain.random),
    "optuna-random": ("Optuna random, whole space", partial(plain.optuna_study, sampler="random")),
    TPE: ("Optuna TPE, budget a soft constraint", partial(plain.optuna_study, sampler="tpe")),
    TPE_GROUP: ("Optuna TPE, multivariate in groups", partial(plain.optuna_study, sampler="tpe-group")),
    "optuna-nsga2": ("Optuna NSGA-II, budget a soft constraint", partial(plain.optuna_study, sampler="nsga2")),
    "grid": ("grid order, whole space", partial(plain.grid, fitting=False)),
    "grid-fitting": ("grid order, what fits", partial(plain.grid, fitting=True)),
}


def names() -> list[str]:
    """All that are compared when nothing is said: ours, with other samplers, without rungs, and the plain ones."""
    others = [f"{OURS}:{name}" for name in samplers.names() if name != samplers.DEFAULT]
    return [OURS, *others, WHOLE, *PLAIN]


def told(name: str) -> str:
    """A strategy in words."""
    if name in PLAIN:
        return PLAIN[name][0]
    sampler, rungs = _parts(name)
    way = {halving.AUTOMATIC: "halving", halving.NONE: "no halving"}.get(rungs, f"rungs {rungs}")
    return f"ours: {sampler}, {way}"


def _parts(name: str) -> tuple[str, str]:
    words = name.split(":")
    if words[0] != OURS or len(words) > 3:
        known = [OURS, *PLAIN]
        raise BudgetnetError(f"there is no strategy {name!r}{did_you_mean(name, known)}")
    sampler = words[1] if len(words) > 1 else samplers.DEFAULT
    samplers.sampler(sampler)
    return sampler, words[2] if len(words) > 2 else halving.AUTOMATIC


def strategy(name: str, trials: int | None = None) -> Strategy:
    """A strategy by name; ours begins `trials` at most. Raises BudgetnetError."""
    if name in PLAIN:
        return PLAIN[name][1]
    sampler, rungs = _parts(name)
    return partial(ours.play, sampler=sampler, rungs=rungs, trials=trials)


def replay(name: str, table: Table, *, seed: int, budget: int, trials: int | None = None) -> Replay:
    """What a strategy does with `budget` epochs. Seeds take the recorded seeds in turn."""
    ledger = Ledger(table, seed=seed, budget=budget)
    began = time.perf_counter()
    strategy(name, trials)(ledger, seed=seed)
    return ledger.replay(time.perf_counter() - began)
