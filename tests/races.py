"""Whole searches whose trainings are formulas."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from formulas import Formula, scenario

from budgetnet.plan import Plan, plan
from budgetnet.results import Evaluate, Step
from budgetnet.search.crew import Alone, Crew
from budgetnet.search.place import Place, Storage
from budgetnet.search.run import Asked, Outcome, search
from budgetnet.search.trial import Trial
from budgetnet.search.watching import Clocks


class Silent:
    def begins(self, trial: Trial, done: int, wanted: int) -> None: ...

    def steps(self, trial: Trial, step: Step) -> None: ...

    def ends(self, trial: Trial, done: int, wanted: int) -> None: ...

    def says(self, text: str) -> None: ...


def go(
    folder: Path,
    evaluate: Evaluate | None = None,
    *,
    trials: int = 10,
    made: Plan | None = None,
    crew: Callable[[], Crew] | None = None,
    rungs: tuple[int, ...] | None = None,
    restart: bool = False,
    settings: Mapping[str, Any] | None = None,
    storage: Storage | None = None,
    watcher: Any = None,
    clocks: Clocks | None = None,
    host: str = "here",
    **asked: Any,
) -> Outcome:
    """A search with formulas, or with one function for all trainings."""
    made = made or plan(scenario())
    epochs = made.scenario.training.epochs
    trains = Formula(epochs).evaluators if evaluate is None else lambda changes: evaluate
    return search(
        made,
        crew or (lambda: Alone(trains)),
        Asked(trials=trials, rungs=rungs or (1, 3, epochs), **asked),
        Place(folder=folder, storage=storage or Storage(), host=host),
        settings=settings or {"seed": made.scenario.training.seed},
        watcher=watcher or Silent(),
        restart=restart,
        clocks=clocks,
    )


def table(outcome: Outcome) -> list[tuple[Any, ...]]:
    """What came of every trial, without times."""
    return [
        (t.number, t.candidate.label, t.status, t.origin, t.target, t.epochs, dict(t.curve), t.reason)
        for t in (*outcome.trials, *outcome.checks)
    ]
