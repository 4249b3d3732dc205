"""What each epoch brought, on disk before it is told: history.csv, and figures that TensorBoard shows."""

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable
from budgetnet.results import history_csv
from budgetnet.training_settings import Training

HISTORY: Final = "history.csv"
BOARD: Final = "tensorboard"

_EVENTS: Final = "events.out.tfevents.*"
_TAGS: Final = {
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "seconds": "training/seconds",
    "mean_iou": "validation/mean_iou",
}
"""Columns of the history -> what TensorBoard calls them."""


def remove(folder: Path) -> None:
    """Removes what an earlier training wrote here. Raises BudgetnetError."""
    files.remove(folder / HISTORY)
    remove_events(folder)


def remove_events(folder: Path) -> None:
    """Removes TensorBoard's files of a run's folder. Raises BudgetnetError."""
    for path in (folder / BOARD).glob(_EVENTS):
        files.remove(path)


def qualities(folder: Path, training: Training) -> list[float]:
    """Mean IoU of each validation on whole images that an earlier try wrote down; none where none can be read."""
    try:
        with (folder / HISTORY).open(encoding="utf-8", newline="") as file:
            rows = [(int(row["epoch"]), float(row["mean_iou"])) for row in csv.DictReader(file) if row["mean_iou"]]
            return [quality for epoch, quality in rows if epoch > training.early_epochs]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


@final
class Log:
    """Keeps both up to date in the folder of a training. A context: it holds a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._board: Any = None
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def bring(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Writes the whole history (a row per epoch, as trainings tell it). Raises BudgetnetError."""
        files.write(self._folder / HISTORY, history_csv(history).encode())
        try:
            if self._board is None:
                self._begin()
            for number in range(self._shown, len(history)):
                self._show(history[number], seconds_ago=sum(row["seconds"] for row in history[number + 1 :]))
            self._board.flush()
        except OSError as error:
            where = printable(str(self._folder / BOARD))
            raise BudgetnetError(f"{where}: must be a folder that can be written, but got {error.strerror}") from error
        self._shown = len(history)

    def _begin(self) -> None:
        """A new file in place of those of earlier tries, whose figures it repeats: so none is there twice, and none is
        missing because a try was killed before it had written it.

        Not tensorboardX's SummaryWriter: that one writes in a thread, and its flush does not wait for it.
        """
        from tensorboardX.event_file_writer import EventsWriter

        remove_events(self._folder)
        self._board = EventsWriter(str(files.make_folder(self._folder / BOARD) / "events"))

    def _show(self, row: Mapping[str, Any], seconds_ago: float) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        told = [Summary.Value(tag=tag, simple_value=row[name]) for name, tag in _TAGS.items() if row[name] is not None]
        self._board.write_event(
            Event(wall_time=time.time() - seconds_ago, step=row["epoch"], summary=Summary(value=told))
        )
