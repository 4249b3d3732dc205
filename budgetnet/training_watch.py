"""A training under way, as people see it: one live line on a terminal, a line per epoch elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from budgetnet import units
from budgetnet.results import Step
from budgetnet.training_settings import Training

_REMEMBERED: Final = 20
"""Steps over which images per second are told."""

_EPOCHS: Final = 5
"""Epochs over which the time that is left is estimated, validation and all."""

_BAR: Final = 16
_ROOM_FOR_BAR: Final = 115
_ROOM_FOR_WORDS: Final = 98
"""Columns that the longest line takes, with its bar and without."""


@final
class Watcher:
    """Shows the epoch, its loss, the mean IoU so far and the best, images per second, and the time that is left."""

    def __init__(self, screen: Console, training: Training, images: int) -> None:
        """`images` is how many an epoch has."""
        text = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"), markup=False)
        bar = (BarColumn(bar_width=_BAR),) if screen.width >= _ROOM_FOR_BAR else ()
        live = screen.is_terminal and not screen.quiet
        self._bars = Progress(*bar, text, console=screen, transient=True, disable=not live)
        self._narrow = screen.width < _ROOM_FOR_WORDS
        self._task = self._bars.add_task("the first step of the training", total=None)
        self._screen, self._live, self._training, self._images = screen, live, training, images
        self._pace = _Pace()
        self._scored, self._note = "", ""
        self.begun = False

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def remember(self, qualities: Sequence[float]) -> None:
        """Mean IoU of each validation so far, of a training that may go on."""
        if qualities:
            self._scored = f"mean IoU {qualities[-1]:.3f} (best {max(qualities):.3f}), "

    def steps(self, step: Step) -> None:
        """Moves the line. The first step tells where a training goes on that was stopped before."""
        if not self.begun:
            self.begun = True
            self._say_where(step)
        self._pace.step(step)
        doing = self._note
        if step.batch == step.batches and self._is_scored_after(step.epoch):
            doing += ", validating"
        loss = "" if doing and self._narrow else f"loss {step.loss:.3f}, "
        epoch = f"{'' if self._narrow else 'epoch '}{step.epoch}/{step.epochs}{doing}"
        told = f"{epoch}: {loss}{self._scored}{self._rate}{_left(self._pace.left(step))} left"
        done = (step.epoch - 1) * step.batches + step.batch
        total = step.epochs * step.batches
        self._bars.update(self._task, completed=done, total=total, description=told)

    def epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Tells what the last epoch came to; the history has a row for each."""
        row = history[-1]
        self._pace.epoch(row["seconds"])
        self.remember([each["mean_iou"] for each in self._training.validated(history)])
        if row["epoch"] <= self._training.early_epochs and row["mean_iou"] is not None:
            self._scored = f"mean IoU {row['mean_iou']:.3f} (small img), "
        scored = self._scored if row["mean_iou"] is not None else ""
        of = self._training.epochs
        ending = f", {_left(self._pace.epochs_left(of - row['epoch']))} left" if row["epoch"] < of else ""
        told = f"loss {row['loss']:.4f}, {scored}{self._rate}{units.duration(row['seconds'])}{ending}"
        if not self._live:
            self._say(f"epoch {row['epoch']}/{of}: {told}")

    def stops(self, *, again: bool = True) -> None:
        """Tells that somebody asked the training to stop, which it does after the step or validation under way; at once
        when asked `again`, where that is so.
        """
        self._note = ", stopping"
        if self._live:
            self._bars.update(
                self._task,
                description=f"stopping after the step under way{'; Ctrl-C again stops at once' if again else ''}",
            )
        else:
            self._say(f"Stopping after the step under way{'; a second signal stops at once' if again else ''}.")

    def _say_where(self, step: Step) -> None:
        done = f"epoch {step.epoch - 1} of {step.epochs}"
        batches = f"batch {step.batch - 1} of {step.batches}"
        if step.batch > 1:
            self._say(f"Going on after {f'{done} and ' if step.epoch > 1 else ''}{batches} of epoch {step.epoch}.")
        elif step.epoch > 1:
            self._say(f"Going on after {done}.")
        else:
            self._scored = ""  # nothing goes on here

    def _is_scored_after(self, epoch: int) -> bool:
        return epoch % self._training.validate_every == 0 or epoch == self._training.epochs

    @property
    def _rate(self) -> str:
        """Images per second of the last steps."""
        if self._pace.steps_per_second is None:
            return ""
        images = self._images / self._pace.batches * self._pace.steps_per_second
        return f"{images:.{1 if images < 100 else 0}f} img/s, "

    def _say(self, line: str) -> None:
        self._screen.print(line, highlight=False, markup=False, soft_wrap=True)


@final
class _Pace:
    """How fast a training goes: from its last steps, and from whole epochs once there are some."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._epochs: list[float] = []
        self.steps_per_second: float | None = None
        self.batches = 1

    def step(self, step: Step) -> None:
        """A step is done."""
        before = self._times if step.batch > 1 else []  # what lies between two epochs is no step's time
        self._times = [*before[-_REMEMBERED:], time.perf_counter()]
        self.batches = step.batches
        if len(self._times) > 1:
            self.steps_per_second = (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)

    def epoch(self, seconds: float) -> None:
        """An epoch is done, with its validation."""
        self._epochs = [*self._epochs[1 - _EPOCHS :], seconds]

    def epochs_left(self, count: int) -> float | None:
        """Seconds of that many more epochs; None while nobody knows."""
        if self._epochs:
            return count * sum(self._epochs) / len(self._epochs)
        return None if self.steps_per_second is None else count * self.batches / self.steps_per_second

    def left(self, step: Step) -> float | None:
        """Seconds from this step to the end; None while nobody knows."""
        whole = self.epochs_left(1)
        return None if whole is None else whole * (step.epochs - step.epoch + 1 - step.batch / step.batches)


def _left(seconds: float | None) -> str:
    """`75.3 -> '1 min 15 s'`, `7.25 -> '7 s'`: an estimate has no tenths."""
    if seconds is None:
        return "? s"
    return f"{seconds:.0f} s" if seconds < 59.5 else units.duration(max(seconds, 60))
