"""What an export comes to: its models, how they compare with torch and with each other, and where all of it is from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final, final

from budgetnet.deploy.opening import Interface
from budgetnet.deploy.verifying import Agreement
from budgetnet.results import Scores
from budgetnet.units import Precision

FILES: Final[Mapping[Precision, str]] = {"fp32": "model.onnx", "fp16": "model-fp16.onnx", "int8": "model-int8.onnx"}
"""Precision -> file."""

CARD: Final = "model.json"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One exported model. `scores` are None where there were no labelled images; `command` measures it on its target,
    empty where TensorRT does not read its operators `unknown`, or does not run on that target; `int8` is how many of
    its convolutions have int8 weights, and how many it has.
    """

    precision: Precision
    content: bytes
    interface: Interface
    agreement: Agreement
    scores: Scores | None
    command: str
    unknown: tuple[str, ...]
    int8: tuple[int, int]

    @property
    def file(self) -> str:
        """The name of its file."""
        return FILES[self.precision]

    @property
    def digest(self) -> str:
        """SHA-256 of its file, in hex."""
        return sha256(self.content).hexdigest()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Everything about one export. `base` are the scores of the fp32 model, written or not, on the `data` that were
    read: a spec, a split and so on, empty where there were none. `recorded` is the mean IoU of the run itself, on
    images of height and width `recorded_at`. `fit` tells what is judged of scenario and platform, empty where neither
    is named; `calibration` the names of the images that ranges were measured on.
    """

    models: Sequence[Model]
    base: Scores | None
    recorded: float
    recorded_at: tuple[int, int]
    classes: Sequence[str]
    network: Mapping[str, Any]
    form: Mapping[str, Any]
    data: Mapping[str, Any]
    calibration: Sequence[str]
    fit: Mapping[str, Any]
    made_by: Mapping[str, str]

    def loss(self, model: Model, name: str | None = None) -> float | None:
        """By how many points of 100 a model's mean IoU, or its IoU of a class, is below that of fp32."""
        if self.base is None or model.scores is None:
            return None
        before, after = (
            scores.mean_iou if name is None else scores.iou.get(name) for scores in (self.base, model.scores)
        )
        return None if before is None or after is None else 100 * (before - after)


def record(made: Export) -> dict[str, Any]:
    """The card as plain data for JSON."""
    return {
        "models": [_model(made, each) for each in made.models],
        "network": dict(made.network),
        "input_and_output": dict(made.form),
        "classes": list(made.classes),
        "mean_iou": {
            "recorded_by_the_run": made.recorded,
            "recorded_at": dict(zip(("height", "width"), made.recorded_at, strict=True)),
            "fp32": None if made.base is None else _scores(made.base),
            "data": dict(made.data) or None,
        },
        "calibration_images": list(made.calibration),
        "fit": dict(made.fit) or None,
        "made_by": dict(made.made_by),
    }


def content(made: Export) -> bytes:
    """The card as its file."""
    return (json.dumps(record(made), indent=2) + "\n").encode()


def _model(made: Export, model: Model) -> dict[str, Any]:
    measured = None
    if model.scores is not None:
        losses = {name: made.loss(model, name) for name in model.scores.iou}
        measured = {**_scores(model.scores), "points_lost": made.loss(model), "points_lost_by_class": losses}
    return {
        "file": model.file,
        "precision": model.precision,
        "bytes": len(model.content),
        "sha256": model.digest,
        "against_torch": asdict(model.agreement),
        "measured": measured,
        "int8_convolutions": list(model.int8),
        "trtexec": model.command or None,
        "unknown_to_tensorrt": list(model.unknown),
    }


def _scores(scores: Scores) -> dict[str, Any]:
    return {"mean_iou": scores.mean_iou, "pixel_accuracy": scores.pixel_accuracy, "iou": dict(scores.iou)}
