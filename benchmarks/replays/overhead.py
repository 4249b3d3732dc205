"""What a search costs besides training: the real search, its study, its progress and its reports, around trainings that
take no time.

Those follow the formula of `flat`, on its large space, and tell of every batch as real ones do. Time that passes inside
them, outside what they call of the search, is not counted. The rest, the search's own, is held against what the epochs
would have taken: `seconds` each, about the least that real ones take on two cores.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from budgetnet.networks import Candidate
from budgetnet.plan import measure as counted
from budgetnet.plan import plan
from budgetnet.plan.feasible import Feasible
from budgetnet.results import Evaluate, Result, Run, Scores, Step, UnfinishedError
from budgetnet.scenario import Scenario, load
from budgetnet.search import halving
from budgetnet.search.crew import Alone
from budgetnet.search.place import Place
from budgetnet.search.run import Asked, Outcome, search
from replays.flat import EPOCHS, SPACE, Formula

TRIALS: Final = 500
BATCHES: Final = 46
"""Of an epoch: 367 images, 8 at a time."""

SECONDS: Final = 2.0
"""Of an epoch: the least that a real one takes, small networks on small images."""

MOST: Final = 0.02
"""The search's own share of its wall time, at most."""

Row = Mapping[str, Any]


@final
class Stopwatch:
    """Seconds that passed inside, and those that a processor worked."""

    def __init__(self) -> None:
        self.seconds = self.busy = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, time counts."""
        began, worked = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
            self.busy += time.process_time() - worked


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """The search's own seconds: until all trials are done, and of the reports after; and what it trained. `busy` of
    them a processor worked: where other programs are at work, the rest is mostly waiting for their turn.
    """

    trials: int
    epochs: int
    searching: float
    reporting: float
    busy: float

    def share(self, seconds: float) -> float:
        """Of the wall time of a search whose epochs take so many seconds."""
        own = self.searching + self.reporting
        return own / (own + self.epochs * seconds)


def measure(*, trials: int = TRIALS, batches: int = BATCHES) -> Overhead:
    """Searches once in a folder that is thrown away."""
    from rich.console import Console

    from budgetnet import searching

    scenario = load(str(SPACE)).changed(training={"epochs": EPOCHS})
    watch, made = Stopwatch(), plan(scenario)
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        folder, screen = Path(name), Console(file=nowhere, width=120)
        training = Trainings(scenario, watch, batches)
        began, worked = time.perf_counter(), time.process_time()
        with searching.SearchProgress(screen) as watcher:
            outcome = search(
                made,
                lambda: Alone(training.evaluators),
                Asked(trials=trials, rungs=halving.automatic(scenario.training)),
                Place(folder=folder),
                settings={"scenario": scenario.name},
                watcher=watcher,
                feasible=training.formula.feasible,
            )
        searched = time.perf_counter() - began - watch.seconds
        began = time.perf_counter()
        searching.write(outcome, _scores(0.1), {"scenario": scenario.name}, folder, screen)
        reported, busy = time.perf_counter() - began, time.process_time() - worked - watch.busy
    return Overhead(
        trials=len(outcome.trials), epochs=_epochs(outcome), searching=searched, reporting=reported, busy=busy
    )


def _epochs(outcome: Outcome) -> int:
    return sum(trial.epochs for trial in outcome.trials)


@final
class Trainings:
    """Trainings by the formula, whose states are kept in memory: what a checkpoint takes is the training's."""

    def __init__(self, scenario: Scenario, watch: Stopwatch, batches: int) -> None:
        self._scenario, self._watch, self._batches = scenario, watch, batches
        self._kept: dict[int, list[Row]] = {}
        self.formula = Formula(Feasible(scenario))

    def evaluators(self, changes: Mapping[str, Any]) -> Evaluate:
        """What trains; nothing is changed here."""
        assert not changes
        return self._train

    def _train(self, candidate: Candidate, run: Run) -> Result:
        history = self._kept.setdefault(run.number, [])
        if history:
            run.resumed(history)
        with self._watch.running():
            index = self.formula.feasible.index(candidate)
            assert index is not None
            curve = self.formula.curve(index, EPOCHS)
        while len(history) < EPOCHS:
            if history and run.expired():
                raise UnfinishedError
            self._epoch(run, history, curve)
        with self._watch.running():
            return self._result(candidate, history)

    def _epoch(self, run: Run, history: list[Row], curve: Mapping[int, float]) -> None:
        epoch = len(history) + 1
        for batch in range(1, self._batches + 1):
            run.progress(Step(epoch=epoch, epochs=EPOCHS, batch=batch, batches=self._batches, loss=1.0))
            run.interrupted()
        history.append({"epoch": epoch, "loss": 1.0, "mean_iou": curve[epoch], "seconds": SECONDS})
        run.epoch(history)

    def _result(self, candidate: Candidate, history: list[Row]) -> Result:
        cost = counted(self._scenario, candidate).cost
        return Result(
            network=candidate.network,
            parameters=candidate.parameters,
            macs=cost.macs,
            ops=cost.ops,
            params=cost.params,
            fvcore_macs=cost.macs,
            scores=_scores(history[-1]["mean_iou"]),
            epochs=EPOCHS,
            seconds=EPOCHS * SECONDS,
            history=tuple(history),
            made_by={"command": "benchmarks/search.py --overhead"},
        )


def _scores(mean_iou: float) -> Scores:
    classes: dict[str, float | None] = {f"class {number}": mean_iou for number in range(11)}
    return Scores(mean_iou=mean_iou, pixel_accuracy=mean_iou, mean_dice=mean_iou, iou=classes, dice=dict(classes))


def report(found: Overhead, seconds: float) -> str:
    """The search's own share, and whether it is within what is wanted."""
    share, own = found.share(seconds), found.searching + found.reporting
    told = "reached" if share <= MOST else "NOT reached"
    each = 1000 * found.searching / max(found.epochs, 1)
    return (
        f"{found.trials} trials, {found.epochs} epochs: {found.searching:.1f} s of sampling, storage and progress "
        f"({each:.1f} ms an epoch), {found.reporting:.1f} s of reports; {found.busy:.1f} s of all that a processor "
        f"worked. With epochs of {seconds:g} s the search's own share of its wall time is {100 * share:.2f} %, wanted "
        f"at most {100 * MOST:g} %: {told}. It is {100 * MOST:g} % where an epoch takes "
        f"{own * (1 / MOST - 1) / max(found.epochs, 1):.2f} s."
    )
