"""Measurements of this machine: its peak and bandwidth, and networks layer by layer, all in ONNX Runtime in float32."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from budgetnet.bench.network import untrained
from budgetnet.bench.profiling import Profile, profile, typical
from budgetnet.bench.runtimes.onnxruntime import session
from budgetnet.calibration.measured import Hardware, Measurement, case_of
from budgetnet.deploy.writer import IR_VERSION, OPSET
from budgetnet.kernels import Kernel, kernels
from budgetnet.networks import Candidate

CLASSES: Final = 7
SIDE: Final = 1024
"""Of the square matrices whose product tells the peak."""
NUMBERS: Final = 2**25
"""Of the map whose copy tells the bandwidth: more than caches hold."""
READINGS: Final = 24
ROUNDS: Final = 4
"""In which the readings of all networks are taken: what slows a machine for a while slows all of them alike."""
PATIENCE: Final = 1.5
"""Seconds that peak and bandwidth are looked for, each: a machine under load shows its best only now and then."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network to be measured, for images of one size."""

    candidate: Candidate
    height: int
    width: int

    @property
    def name(self) -> str:
        """`0.5 / Conv2d_13_pointwise / fcn / 7 / 1024 at 320 x 480`."""
        return f"{self.candidate.called} {case_of(self.height, self.width, 1)}"


def hardware(threads: int) -> Hardware:
    """This machine's peak, the fastest product of large matrices, and its bandwidth, the fastest copy of a large map:
    the best of what `PATIENCE` seconds show.
    """
    a = np.ones((SIDE, SIDE), dtype="float32")
    product = _one("MatMul", [SIDE, SIDE], a)
    copy = _one("Relu", [NUMBERS], None)
    peak = 2 * SIDE**3 / _best(session(product, threads=threads), a)
    moved = 2 * 4 * NUMBERS / _best(session(copy, threads=threads), np.ones(NUMBERS, dtype="float32"))
    return Hardware(peak=peak, bandwidth=moved)


def _one(kind: str, shape: Sequence[int], constant: Any) -> bytes:
    """A model of one node, of the input and perhaps a constant."""
    names = ["x"] if constant is None else ["x", "constant"]
    body = helper.make_graph(
        [helper.make_node(kind, names, ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        initializer=[] if constant is None else [numpy_helper.from_array(constant, "constant")],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _best(model: Any, given: Any) -> float:
    """The seconds of the fastest pass."""
    best, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < PATIENCE:
        started = time.perf_counter()
        model.run(None, {"x": given})
        best = min(best, time.perf_counter() - started)
    return best


def measurements(
    cases: Sequence[Case],
    on: Hardware,
    *,
    threads: int,
    readings: int = READINGS,
    classes: int = CLASSES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Measurement]:
    """Every network as a whole, and kernel by kernel, batch 1, with weights drawn at random; `readings` of each, taken
    in `ROUNDS` over all networks.
    """
    models = [_model(case, classes) for case in cases]
    found: list[Profile | None] = [None] * len(cases)
    each = max(readings // ROUNDS, 1)
    for turn in range(ROUNDS):
        for number, (steps, model, images) in enumerate(models):
            taken, known = profile(model, steps, images, threads=threads, readings=each), found[number]
            found[number] = taken if known is None else known.joined(taken)
            progress(turn * len(cases) + number + 1, ROUNDS * len(cases))
    for case, (steps, _, _), taken_of in zip(cases, models, found, strict=True):
        assert taken_of is not None, "every network was measured in every round"
        common: dict[str, Any] = {"network": case.candidate.called, "case": case_of(case.height, case.width, 1)}
        common |= {"hardware": on, "precision": "fp32"}
        yield Measurement(kernels=steps, seconds=typical(taken_of.seconds), whole=True, **common)
        for kernel in steps:
            seconds = taken_of.kernels.get(kernel.name)
            if seconds and typical(seconds) > 0:
                yield Measurement(kernels=(kernel,), seconds=typical(seconds), whole=False, **common)


def _model(case: Case, classes: int) -> tuple[tuple[Kernel, ...], bytes, NDArray[Any]]:
    """A network's kernels, its model with weights drawn at random, and an image for it."""
    graph = case.candidate.graph(classes=classes, height=case.height, width=case.width)
    network = untrained(case.name, graph)
    return kernels(graph), network.onnx(), network.images(1)
