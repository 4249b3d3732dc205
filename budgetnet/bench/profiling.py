"""Where a network's time goes in ONNX Runtime: its own profile, with each node's time given to a kernel.

The runtime names a fused convolution by what it gives: by its activation. What it adds by itself (layouts that are
changed, shapes that are computed) has names of its own, and counts for the kernel before it.
"""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from budgetnet.bench.runtimes.onnxruntime import session
from budgetnet.deploy.folding import Array
from budgetnet.deploy.writer import CLASSES, IMAGES, SCORES
from budgetnet.kernels import Kernel

WARM_UP: Final = 3
_SUFFIX: Final = "_kernel_time"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Seconds of every reading: of whole passes, with no profile being taken, and of each kernel by its name; a kernel
    that the runtime left out is not among them.
    """

    seconds: tuple[float, ...]
    kernels: Mapping[str, tuple[float, ...]]

    def joined(self, other: "Profile") -> "Profile":
        """With the readings of another one of the same network."""
        names = dict.fromkeys([*self.kernels, *other.kernels])
        kernels = {name: (*self.kernels.get(name, ()), *other.kernels.get(name, ())) for name in names}
        return Profile(seconds=(*self.seconds, *other.seconds), kernels=kernels)


def typical(readings: Sequence[float]) -> float:
    """The lower quartile: what a pass takes when nobody else is busy. Others only ever make it longer."""
    return statistics.quantiles(readings, n=4, method="inclusive")[0] if len(readings) > 1 else readings[0]


def profile(model: bytes, kernels: Sequence[Kernel], images: Array, *, threads: int, readings: int) -> Profile:
    """Runs a model `readings` times without and with the runtime's profile: one after the other, as threads of a
    session that waits are not idle, but spin.
    """
    seconds = _passes(session(model, threads=threads), images, readings)
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(model, threads=threads, profile=str(Path(folder) / "profile"))
        _passes(profiled, images, readings)
        events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    return Profile(seconds=seconds, kernels=given_to(kernels, node_times(events, skip=WARM_UP)))


def _passes(model: Any, images: Array, readings: int) -> tuple[float, ...]:
    """Seconds of each, after some to warm up."""
    for _ in range(WARM_UP):
        model.run(None, {IMAGES: images})
    seconds = []
    for _ in range(readings):
        started = time.perf_counter()
        model.run(None, {IMAGES: images})
        seconds.append(time.perf_counter() - started)
    return tuple(seconds)


def node_times(events: Sequence[Mapping[str, Any]], *, skip: int) -> dict[str, list[float]]:
    """Node -> its seconds in each pass but the first `skip`; nodes in the order of their first pass."""
    found: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event["name"]).endswith(_SUFFIX):
            found.setdefault(str(event["name"]).removesuffix(_SUFFIX), []).append(float(event["dur"]))
    return {name: [microseconds / 1e6 for microseconds in each[skip:]] for name, each in found.items()}


def given_to(kernels: Sequence[Kernel], nodes: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Kernel -> the seconds of the nodes that are its own, or that follow it and are nobody's."""
    owners = {node.name: kernel.name for kernel in kernels for node in kernel.nodes}
    owners |= dict.fromkeys((SCORES, CLASSES), kernels[-1].name)
    found: dict[str, tuple[float, ...]] = {}
    before = kernels[0].name
    for name, seconds in nodes.items():
        before = owners.get(re.sub(r"(_nchwc|_quant|_fused)+$", "", name), before)
        known = found.get(before)
        found[before] = tuple(seconds) if known is None else tuple(map(sum, zip(known, seconds, strict=True)))
    return found
