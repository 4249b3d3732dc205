"""A search on the screen: bars while it runs and a line for whatever ends; in a log file as much as readers need."""

import time
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from budgetnet import units
from budgetnet.results import Step
from budgetnet.search.checks import ORIGIN_AUDIT, ORIGIN_REPEAT
from budgetnet.search.trial import Trial

EVERY: Final = 30.0
"""Where there are no bars, a line says at most so often, in seconds, how far the trainings are."""


@final
class _Elapsed(ProgressColumn):
    """Time since a bar began, also where it is full: trials that have begun are still trained then."""

    def render(self, task: Task) -> Text:
        """`0:02:04`."""
        seconds = 0.0 if task.start_time is None else task.get_time() - task.start_time
        return Text(str(timedelta(seconds=int(seconds))), style="progress.elapsed")


@final
class SearchProgress:
    """A bar for the trials of the search and one for each training under way. A line for each trial that ends; where
    the screen is no terminal, also for each that begins, and now and then for those under way.
    """

    def __init__(self, screen: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Elapsed())
        self._bars = Progress(*columns, console=screen)
        self._screen = screen
        self._trials = self._bars.add_task("search", total=None)
        self._trainings: dict[int, TaskID] = {}
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begins(self, trial: Trial, done: int, wanted: int) -> None:
        """Shows which candidate is trained."""
        self._count(trial, done, wanted)
        self._drop(trial.number)
        self._trainings[trial.number] = self._bars.add_task(called(trial), total=None)
        if not self._screen.is_terminal:
            begins = f"from epoch {trial.epochs + 1} to {trial.target}" if trial.epochs else f"to epoch {trial.target}"
            self._say(f"{called(trial)}: {trial.candidate.label}: {begins}")

    def steps(self, trial: Trial, step: Step) -> None:
        """Moves the training's bar."""
        told = f"{called(trial)}: epoch {step.epoch} of {trial.target}, loss {step.loss:.3f}"
        task = self._trainings.get(trial.number)
        if task is not None:
            done = (step.epoch - 1) * step.batches + step.batch
            self._bars.update(task, completed=done, total=trial.target * step.batches, description=told)
        if not self._screen.is_terminal and time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            self._say(f"{told}, batch {step.batch} of {step.batches}")

    def ends(self, trial: Trial, done: int, wanted: int) -> None:
        """Says what came of a trial."""
        self._drop(trial.number)
        self._count(trial, done, wanted)
        self._say(f"{called(trial)}: {trial.candidate.label}: {came_of(trial)}")

    def says(self, text: str) -> None:
        """Shows a line."""
        self._say(text)

    def _count(self, trial: Trial, done: int, wanted: int) -> None:
        what = "repeats and audits" if trial.origin in (ORIGIN_REPEAT, ORIGIN_AUDIT) else "search, trials"
        self._bars.update(self._trials, completed=done, total=wanted, description=f"{what} done or at a rung")

    def _say(self, text: str) -> None:
        self._screen.print(text, highlight=False, markup=False, soft_wrap=True)

    def _drop(self, number: int) -> None:
        task = self._trainings.pop(number, None)
        if task is not None:
            self._bars.remove_task(task)


def called(trial: Trial) -> str:
    """What a trial is called on the screen: repeats and audits have numbers of their own."""
    return f"{trial.origin if trial.origin in (ORIGIN_REPEAT, ORIGIN_AUDIT) else 'trial'} {trial.number}"


def came_of(trial: Trial) -> str:
    """What a trial's training brought, in a few words."""
    if trial.status == "failed":
        return f"failed: {trial.reason}"
    if trial.result is not None:
        took = units.duration(trial.result.seconds)
        return f"mean IoU {trial.result.scores.mean_iou:.3f}, {units.mega(trial.result.ops)} MOP, {took}"
    last = trial.curve.get(max(trial.curve, default=0))
    if trial.epochs < trial.target:
        return f"stopped after epoch {trial.epochs} of {trial.target}"
    return f"waits at epoch {trial.epochs}" + ("" if last is None else f", mean IoU {last:.3f}")
