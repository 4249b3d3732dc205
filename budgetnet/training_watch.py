"""A training under way, as people see it: one live line on a terminal, a line per epoch elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from budgetnet import units
from budgetnet.results import Step

_REMEMBERED: Final = 20
"""Steps over which images per second are told."""


@final
class Watcher:
    """Shows the epoch, its loss, images per second, the mean IoU so far, and the time that is left."""

    def __init__(self, screen: Console, batch_size: int) -> None:
        left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), *left)
        # an epoch with its validation lasts minutes: the estimate looks far back
        self._bars = Progress(
            *columns,
            console=screen,
            transient=True,
            disable=not screen.is_terminal or screen.quiet,
            speed_estimate_period=1800,
        )
        self._task = self._bars.add_task("training", total=None)
        self._screen, self._batch_size = screen, batch_size
        self._times: list[float] = []
        self._scored = ""
        self._best = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def steps(self, step: Step) -> None:
        """Moves the bar."""
        done = (step.epoch - 1) * step.batches + step.batch
        if not self._times:  # a training that goes on has not done its first steps just now
            self._bars.reset(self._task, completed=done - 1, total=step.epochs * step.batches)
        self._times = [*self._times[-_REMEMBERED:], time.perf_counter()]
        self._bars.update(
            self._task,
            completed=done,
            description=f"epoch {step.epoch} of {step.epochs}, loss {step.loss:.3f}{self._rate}{self._scored}",
        )

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tells what an epoch came to."""
        quality = row["mean_iou"]
        if quality is not None:
            self._best = max(self._best, quality)
            self._scored = f", mean IoU {quality:.3f} (best {self._best:.3f})"
        if not self._screen.is_terminal:
            scored = "" if quality is None else self._scored
            took = units.duration(row["seconds"])
            line = f"epoch {row['epoch']}: loss {row['loss']:.4f}{scored}, rate {row['learning_rate']:.2g}, {took}"
            self._screen.print(line, highlight=False, markup=False, soft_wrap=True)

    @property
    def _rate(self) -> str:
        if len(self._times) < 2:
            return ""
        steps, seconds = len(self._times) - 1, self._times[-1] - self._times[0]
        return f", {self._batch_size * steps / max(seconds, 1e-9):.1f} img/s"
