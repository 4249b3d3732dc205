"""What a training of a candidate is asked and what it answers. Plain records: they go to JSON and back, unchanged.

The search hands a `Run` to a function `evaluate(candidate, run) -> Result` that is passed in, so it knows nothing of
torch, and the same function can run in this process, in a worker, or on another machine.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias, final

from budgetnet.networks import Candidate
from budgetnet.parameters import Value


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a training has come: batch `batch` of `batches` of epoch `epoch` of `epochs`, all from 1; `loss` is
    its loss.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training: its number in the search, its own folder, and whom to tell how far it is.

    `expired()` is asked after every epoch, `interrupted()` after every step; once true the training stops with
    `UnfinishedError`, to be resumed later. `epoch(history)` is told the history after each
    whole epoch, `resumed(history)` before anything else where a training goes on that has whole epochs already. What
    the folder holds of another training is thrown away; without `replaces` this one is refused.
    """

    number: int
    folder: Path
    replaces: bool = True
    progress: Callable[[Step], None] = lambda step: None
    expired: Callable[[], bool] = lambda: False
    interrupted: Callable[[], bool] = lambda: False
    epoch: Callable[[Sequence[Mapping[str, Any]]], None] = lambda history: None
    resumed: Callable[[Sequence[Mapping[str, Any]]], None] = lambda history: None


class UnfinishedError(Exception):
    """A training stopped between two epochs because its time was up; the same run goes on from its checkpoint."""


class TrainingError(Exception):
    """A training that cannot give a result, with the reason: its loss is not finite, its memory ran out."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Quality on the pixels that have a label. Per-class figures by class name; None where a class never occurs.

    `mean_iou` and `mean_dice` are over the classes that count (void left out) and occur.
    """

    mean_iou: float
    pixel_accuracy: float
    mean_dice: float
    iou: Mapping[str, float | None]
    dice: Mapping[str, float | None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A trained candidate: its cost per image, both counters' figures, and its scores on the validation split.

    `made_by` names the versions, machine and command that made it, as `provenance` gives them; `history` holds one row
    per epoch (`epoch`, `loss`, `mean_iou`, `seconds`); `seconds` is the training's own time.
    """

    network: str
    parameters: Mapping[str, Value]
    macs: int
    ops: int
    params: int
    fvcore_macs: int
    scores: Scores
    epochs: int
    seconds: float
    history: tuple[Mapping[str, float], ...]
    made_by: Mapping[str, str]

    @property
    def candidate(self) -> Candidate:
        """The candidate that was trained."""
        return Candidate.of(self.network, self.parameters)

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "history": [dict(row) for row in self.history]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Result":
        """The result that `record()` described."""
        given = {field.name: record[field.name] for field in fields(cls)}
        return cls(**{**given, "scores": Scores(**record["scores"]), "history": tuple(record["history"])})


def history_csv(history: Sequence[Mapping[str, Any]]) -> str:
    """The rows of a training's epochs as CSV, whole numbers and floats as they are."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue()


Evaluate: TypeAlias = Callable[[Candidate, Run], Result]
"""Trains a candidate and scores it. Raises `TrainingError` with a reason, or `UnfinishedError` when its time was up."""
