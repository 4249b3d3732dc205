"""What a card and a model tell of the network, of what goes in and of what comes out."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from budgetnet.count import count
from budgetnet.deploy.opening import Interface
from budgetnet.deploy.writer import CLASSES, IMAGES, SCORES
from budgetnet.graph import Graph
from budgetnet.provenance import provenance
from budgetnet.training.finished import Finished
from budgetnet.units import Precision


def network(run: Finished, graph: Graph) -> dict[str, Any]:
    """The network, and what an image of the exported size costs."""
    total = count(graph).total
    return {
        "network": run.candidate.network,
        "candidate": run.candidate.label,
        "parameters": run.candidate.parameters,
        "ops_per_image": total.ops,
        "macs_per_image": total.macs,
        "params": total.params,
        "run": run.folder.resolve().name,
        "weights_sha256": run.weights_digest,
        "trained_on": run.source,
        "trained_by_commit": str(run.result.made_by.get("commit", "")),
    }


def form(run: Finished, known: Interface, *, scaling: bool, sub_pixel: bool) -> dict[str, Any]:
    """What goes in and what comes out, in words that a programmer needs."""
    batch = known.batch or "batch"
    sides = f"{known.height}, {known.width}"
    result = f"{SCORES} float32 ({batch}, {len(run.classes)}, {sides})"
    if known.gives == CLASSES:
        result = f"{CLASSES} uint8 ({batch}, {sides})"
    return {
        "input": f"{IMAGES} {known.kind} ({batch}, 3, {sides}), RGB",
        "output": result,
        "scaling": "inside" if scaling else "outside: (image / 255 - mean) / std",
        "mean": list(run.scaling.mean),
        "std": list(run.scaling.std),
        "transposed_convolutions": "in sub-pixel form" if sub_pixel else "as declared",
    }


def metadata(run: Finished, precision: Precision, *, scaling: bool) -> Mapping[str, str]:
    """What an ONNX file tells of itself: short, and the same every time."""
    return {
        "budgetnet": version("budgetnet"),
        "network": run.candidate.network,
        "candidate": run.candidate.label,
        "classes": json.dumps(list(run.classes.names)),
        "scaling": "inside" if scaling else "outside",
        "mean": json.dumps(list(run.scaling.mean)),
        "std": json.dumps(list(run.scaling.std)),
        "precision": precision,
        "weights_sha256": run.weights_digest,
    }


def made_by() -> dict[str, str]:
    """The versions and the machine that made it, those of the runtimes among them."""
    return {**provenance(), **{package: version(package) for package in ("onnx", "onnxruntime")}}
