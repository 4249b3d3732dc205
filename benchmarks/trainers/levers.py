"""What makes our training fast, each lever switched off alone: a contender that does without it, all else as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import torch

from budgetnet import build, ops, strided
from budgetnet.graph import Graph
from budgetnet.training import optimizing

PLAIN: Final = "plain"
OURS: Final = "ours"
COMPILED: Final = "compile"
STEM: Final = "stem"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One that trains: ours, but for what is said here.

    `settings` of the training that differ, what is done to the `process` before and to the `model` after it is built,
    whether it runs in several `processes` of one thread. `applies` tells whether it differs from ours at all on a
    network, `whole` whether it computes all gradients.
    """

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    process: Callable[[], None] = lambda: None
    model: Callable[[build.GraphModule], None] = lambda model: None
    keeps_memory: bool = True
    channels_last: bool = True
    processes: bool = False
    applies: Callable[[Graph], bool] = lambda graph: True
    whole: bool = True


def transposed_plainly(model: build.GraphModule) -> None:
    """Transposed convolutions as torch has them, in training too."""
    for module in model.modules():
        if isinstance(module, build.ConvTranspose2d):
            module._sub_pixel = False


def scored_at_full_size(model: build.GraphModule) -> None:
    """Losses are given the scores of every pixel, resized by the network."""
    model._coarse_steps = model._steps


def _strides_plainly() -> None:
    strided.applies = lambda x, stride: False


def _steps_plainly() -> None:
    made = optimizing.optimizer

    def unfused(*given: Any) -> torch.optim.Optimizer:
        optimizer = made(*given)
        for group in optimizer.param_groups:
            group["fused"] = False
        return optimizer

    optimizing.optimizer = unfused


def _compiles() -> None:
    build.GraphModule.coarse = torch.compile(build.GraphModule.coarse)  # type: ignore[method-assign]


def _transposes(graph: Graph) -> bool:
    return any(isinstance(node.op, ops.ConvTranspose2d) for node in graph.nodes)


def _ends_resized(graph: Graph) -> bool:
    return isinstance(graph.output.op, ops.Resize) and graph.output.inputs[1] == graph.input.name


CONTENDERS: Final[Mapping[str, Contender]] = {
    PLAIN: Contender(title="plain loop"),
    OURS: Contender(title="ours"),
    "allocator": Contender(title="without: allocator that keeps its memory", keeps_memory=False),
    "memory-format": Contender(title="without: channels last in memory", channels_last=False),
    "bfloat16": Contender(title="without: bfloat16", settings={"arithmetic": "fp32"}),
    "sub-pixel": Contender(
        title="without: sub-pixel transposed convolution", model=transposed_plainly, applies=_transposes
    ),
    "coarse": Contender(title="without: loss band by band", model=scored_at_full_size, applies=_ends_resized),
    "parts": Contender(title="without: parts (one part on all threads)", settings={"parts": 1}),
    "strided": Contender(title="without: own gradient of strided depthwise layers", process=_strides_plainly),
    "fused": Contender(title="without: fused optimiser", process=_steps_plainly),
    "processes": Contender(title="instead of threads: processes (torchrun, gloo)", processes=True),
    STEM: Contender(title="with: stem frozen", settings={"stem_rate": 0.0}, whole=False),
    COMPILED: Contender(title="with: torch.compile, one part", settings={"parts": 1}, process=_compiles),
}
"""Key -> contender. `plain` is a loop of its own (see `plain`), which shares nothing with ours but the network."""


def contenders(graph: Graph, *, compiled: bool, several: bool) -> list[str]:
    """The contenders that differ from each other on a network; `several` where there is more than one thread."""
    left_out = set() if compiled else {COMPILED}
    if not several:
        left_out |= {"parts", "processes"}
    return [key for key, each in CONTENDERS.items() if key not in left_out and each.applies(graph)]
