"""A finished run, read back from its folder: the trained network and all that using it needs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from budgetnet.build import GraphModule, build
from budgetnet.classes import ClassList
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
    fingerprint of its data, `source` their spec.
    """

    folder: Path
    candidate: Candidate
    classes: ClassList
    scaling: Scaling
    height: int
    width: int
    dataset: str
    source: str
    result: Result
    weights: Mapping[str, torch.Tensor]

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
        candidate = Candidate.of(record["candidate"]["network"], record["candidate"]["parameters"])
        listed = record["classes"]
        classes = ClassList(
            name=str(listed["name"]),
            names=tuple(map(str, listed["names"])),
            colours=tuple((int(red), int(green), int(blue)) for red, green, blue in listed["colours"]),
            void=listed["void"],
        )
        red, green, blue = map(float, record["scaling"]["mean"])
        result = Result.from_record(record["result"])
        height, width = int(record["input"]["height"]), int(record["input"]["width"])
        dataset = str(record["dataset"])
    except BudgetnetError as error:
        raise BudgetnetError(f"{printable(str(path))}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BudgetnetError(f"{printable(str(path))}: must be a record of this version's runs, but is not") from None
    return Finished(
        folder=folder,
        candidate=candidate,
        classes=classes,
        scaling=Scaling(mean=(red, green, blue)),
        height=height,
        width=width,
        dataset=dataset,
        source=str(result.made_by.get("dataset", "")),
        result=result,
        weights=_weights(folder / WEIGHTS),
    )


def _record(path: Path) -> dict[str, Any]:
    where = printable(str(path))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f"a finished run's folder holds {RECORD} and {WEIGHTS}, such as reports/<scenario>/runs/0000"
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}; {hint}") from None
    except ValueError:
        raise BudgetnetError(f"{where}: must be JSON, but is not") from None
    if not isinstance(record, dict):
        raise BudgetnetError(f"{where}: must be a record of this version's runs, but is not")
    return record


def _weights(path: Path) -> dict[str, torch.Tensor]:
    where = printable(str(path))
    try:
        return from_safetensors(path.read_bytes())
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except SafetensorError as error:
        raise BudgetnetError(f"{where}: must be a whole safetensors file: {printable(str(error))}") from None
