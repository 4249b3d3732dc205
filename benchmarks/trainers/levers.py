"""What makes our training fast, each lever switched off alone: a contender that does without it, all else as it is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor

from budgetnet import build, ops, strided
from budgetnet.graph import Graph
from budgetnet.training import optimizing

PLAIN: Final = "plain"
OURS: Final = "ours"
COMPILED: Final = "compile"
STEM: Final = "stem"
FROZEN: Final = 5
"""The last row of the stem that is frozen where only the first ones are."""

Step: TypeAlias = tuple[str, tuple[str, ...]]


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


def first_rows_frozen(model: build.GraphModule) -> None:
    """No gradients of the stem's rows 0 to 5, whose batch norms keep their statistics."""
    for name, parameter in model.named_parameters():
        row = re.search(r"MobilenetV1\.Conv2d_(\d+)", name)
        parameter.requires_grad_(row is None or int(row[1]) > FROZEN)


def _stem_from_a_cache() -> None:
    """The stem is computed for the first batch only, whose maps are taken for those of every other one: the time of a
    training whose frozen stem has seen all images before, without what reading its maps would cost.
    """
    run = build.GraphModule._run

    def cached(model: build.GraphModule, images: Tensor, steps: Sequence[Step]) -> Tensor:
        if not model.training:
            return run(model, images, steps)
        kept: dict[str, Tensor] = model.__dict__.setdefault("_kept", {})
        if not kept:
            with torch.no_grad():
                kept |= _stem_maps(model, images)
        live = {model._input: images, **kept}
        for name, inputs in steps:
            if model._parts[name] != STEM:
                live[name] = model.node_module(name)(*(live[given] for given in inputs))
        return live[steps[-1][0]]

    build.GraphModule._run = cached  # type: ignore[method-assign]


def _stem_maps(model: build.GraphModule, images: Tensor) -> dict[str, Tensor]:
    """Node -> its map, of those of the stem that the head reads."""
    live = {model._input: images}
    for name, inputs in model._steps:
        if model._parts[name] == STEM:
            live[name] = model.node_module(name)(*(live[given] for given in inputs))
    read = {given for name, inputs in model._steps if model._parts[name] != STEM for given in inputs}
    return {name: made for name, made in live.items() if name in read}


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
    "shipped": Contender(title="recipe lab to the letter: fp32, one part", settings={"arithmetic": "fp32", "parts": 1}),
    "rows": Contender(title=f"with: rows 0 to {FROZEN} frozen", model=first_rows_frozen, whole=False),
    STEM: Contender(title="with: stem frozen", settings={"stem_rate": 0.0}, whole=False),
    "cached": Contender(
        title="with: stem frozen and never computed",
        settings={"stem_rate": 0.0},
        process=_stem_from_a_cache,
        whole=False,
    ),
    COMPILED: Contender(title="with: torch.compile, one part", settings={"parts": 1}, process=_compiles),
}
"""Key -> contender. `plain` is a loop of its own (see `plain`), which shares nothing with ours but the network."""


def contenders(graph: Graph, *, compiled: bool, several: bool) -> list[str]:
    """The contenders that differ from each other on a network; `several` where there is more than one thread."""
    left_out = set() if compiled else {COMPILED}
    if not several:
        left_out |= {"parts", "processes"}
    return [key for key, each in CONTENDERS.items() if key not in left_out and each.applies(graph)]
