"""A finished run, read back from its folder: the trained network and all that using it needs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from budgetnet.build import GraphModule, build
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data.form import MAX_SIDE, MIN_SIDE
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.networks import Candidate
from budgetnet.results import Result
from budgetnet.training.machine import device
from budgetnet.training.samples import Scaling

RECORD = "run.json"
WEIGHTS = "weights.safetensors"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A trained network as its run left it. `height` and `width` are the input it was trained at, `dataset` the
    fingerprint of its data, `source` their spec (empty where it is not known), `digests` those of the splits by name
    (none in runs of earlier versions), `batch_size` that of its training, `weights_digest` the SHA-256 of their file.
    """

    folder: Path
    candidate: Candidate
    classes: ClassList
    scaling: Scaling
    height: int
    width: int
    dataset: str
    source: str
    digests: Mapping[str, str]
    batch_size: int
    result: Result
    weights: Mapping[str, torch.Tensor]
    weights_digest: str

    def model(self, height: int | None = None, width: int | None = None) -> GraphModule:
        """The network with its weights, for images of one size (by default that of its training), in evaluation mode,
        on the GPU where there is one. Raises BudgetnetError for a size that it cannot take or weights of another
        network.
        """
        graph = self.candidate.graph(classes=len(self.classes), height=height or self.height, width=width or self.width)
        model = build(graph, seed=0)
        try:
            model.load_state_dict(dict(self.weights))
        except RuntimeError:
            where = printable(str(self.folder / WEIGHTS))
            raise BudgetnetError(
                f"{where}: must hold the weights of {self.candidate.label}, but holds others"
            ) from None
        placed: GraphModule = model.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed.eval()


def load(folder: Path) -> Finished:
    """The run in a folder. Raises BudgetnetError where it is no finished run, or its files are at fault."""
    path = folder / RECORD
    record = _record(path)
    try:
        result = Result.from_record(record["result"])
        _number(result.scores.mean_iou, "result.scores.mean_iou", 0, 1)
        known: dict[str, Any] = {
            "candidate": Candidate.of(record["candidate"]["network"], record["candidate"]["parameters"]),
            "classes": _classes(record["classes"]),
            "scaling": _scaling(record["scaling"]["mean"]),
            "height": _whole(record["input"]["height"], "input.height", MIN_SIDE, MAX_SIDE),
            "width": _whole(record["input"]["width"], "input.width", MIN_SIDE, MAX_SIDE),
            "dataset": _text(record["dataset"], "dataset"),
            "source": _text(result.made_by.get("dataset", ""), "result.made_by.dataset"),
            "digests": {str(split): _text(value, "digests") for split, value in record.get("digests", {}).items()},
            "batch_size": _whole(record["training"]["batch_size"], "training.batch_size", 1, 2**20),
        }
    except BudgetnetError as error:
        raise BudgetnetError(f"{printable(str(path))}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _of_no_run(path) from None
    weights, digest = _weights(folder / WEIGHTS)
    return Finished(folder=folder, result=result, weights=weights, weights_digest=digest, **known)


def _of_no_run(path: Path) -> BudgetnetError:
    return BudgetnetError(f"{printable(str(path))}: must be a record of this version's runs, but is not")


def _record(path: Path) -> dict[str, Any]:
    where = printable(str(path))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f"a finished run's folder holds {RECORD} and {WEIGHTS}, such as reports/<scenario>/runs/0000"
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}; {hint}") from None
    except (ValueError, RecursionError):
        raise BudgetnetError(f"{where}: must be JSON, but is not") from None
    if not isinstance(record, dict):
        raise _of_no_run(path)
    return record


def _classes(listed: Mapping[str, Any]) -> ClassList:
    names = [_text(name, "classes.names") for name in listed["names"]]
    colours = [tuple(_whole(part, "classes.colours", 0, 255) for part in colour) for colour in listed["colours"]]
    if not 1 <= len(names) < IGNORE or len(set(names)) < len(names) or "" in names:
        raise BudgetnetError(f"classes.names: must be 1 to {IGNORE - 1} different names, but got {shorten(names)}")
    if [len(colour) for colour in colours] != [3] * len(names):
        raise BudgetnetError(f"classes.colours: must be three numbers for each class, but got {shorten(colours)}")
    void = listed["void"]
    return ClassList(
        name=_text(listed["name"], "classes.name"),
        names=tuple(names),
        colours=tuple((red, green, blue) for red, green, blue in colours),
        void=None if void is None else _whole(void, "classes.void", 0, len(names) - 1),
    )


def _scaling(mean: Any) -> Scaling:
    red, green, blue = (float(_number(value, "scaling.mean", 0, 1)) for value in mean)
    return Scaling(mean=(red, green, blue))


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise BudgetnetError(f"{field}: must be a text, but got {shorten(value)}")
    return value


def _number(value: Any, field: str, low: float, high: float) -> float | int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or not isfinite(value):
        raise BudgetnetError(f"{field}: must be a number from {low:g} to {high:g}, but got {shorten(value)}")
    return value  # type: ignore[no-any-return]


def _whole(value: Any, field: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BudgetnetError(f"{field}: must be a whole number from {low} to {high}, but got {shorten(value)}")
    return value


def _weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    where = printable(str(path))
    try:
        content = path.read_bytes()
        weights = from_safetensors(content)
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except SafetensorError as error:
        raise BudgetnetError(f"{where}: must be a whole safetensors file: {printable(str(error))}") from None
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise BudgetnetError(f"{where}: must hold finite numbers, but {printable(name)} holds others")
    return weights, sha256(content).hexdigest()
