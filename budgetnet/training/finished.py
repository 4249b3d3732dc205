"""A finished run, read back from its folder: the trained network and all that using it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from budgetnet import records
from budgetnet.build import GraphModule, build
from budgetnet.classes import ClassList
from budgetnet.data.form import MAX_SIDE, MIN_SIDE
from budgetnet.errors import BudgetnetError, printable
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
    hint = f"a finished run's folder holds {RECORD} and {WEIGHTS}, such as reports/<scenario>/runs/0000"
    record = records.read(path, hint)
    if not isinstance(record, dict):
        raise _of_no_run(path)
    try:
        result = Result.from_record(record["result"])
        records.number(result.scores.mean_iou, "result.scores.mean_iou", 0, 1)
        known: dict[str, Any] = {
            "candidate": Candidate.of(record["candidate"]["network"], record["candidate"]["parameters"]),
            "classes": records.class_list(record["classes"]),
            "scaling": _scaling(record["scaling"]),
            "height": records.whole(record["input"]["height"], "input.height", MIN_SIDE, MAX_SIDE),
            "width": records.whole(record["input"]["width"], "input.width", MIN_SIDE, MAX_SIDE),
            "dataset": records.text(record["dataset"], "dataset"),
            "source": records.text(result.made_by.get("dataset", ""), "result.made_by.dataset"),
            "digests": {
                str(split): records.text(value, "digests") for split, value in record.get("digests", {}).items()
            },
            "batch_size": records.whole(record["training"]["batch_size"], "training.batch_size", 1, 2**20),
        }
    except BudgetnetError as error:
        raise BudgetnetError(f"{printable(str(path))}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _of_no_run(path) from None
    weights, digest = _weights(folder / WEIGHTS)
    if record.get("weights_sha256", digest) != digest:  # runs of earlier versions do not tell
        where = printable(str(folder / WEIGHTS))
        raise BudgetnetError(f"{where}: must be as the training left it, but was changed or damaged since")
    return Finished(folder=folder, result=result, weights=weights, weights_digest=digest, **known)


def _of_no_run(path: Path) -> BudgetnetError:
    return BudgetnetError(f"{printable(str(path))}: must be a record of this version's runs, but is not")


def _scaling(scaling: Any) -> Scaling:
    mean = [float(records.number(value, "scaling.mean", 0, 1)) for value in scaling["mean"]]
    given = scaling.get("std", [1, 1, 1])  # runs of earlier versions only subtract
    std = [float(records.number(value, "scaling.std", 1e-6, 1e6)) for value in given]
    (red, green, blue), (of_red, of_green, of_blue) = mean, std
    return Scaling(mean=(red, green, blue), std=(of_red, of_green, of_blue))


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
