"""What a MobileNet v1 stem consists of, by our names and by Keras' names; read off the declared network."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Final, TypeAlias, final

from budgetnet.networks import family
from budgetnet.networks.mobilenet_fcn import ROWS, stem
from budgetnet.ops import Conv2d

PREFIX: Final = "MobilenetV1."
"""How the names of all tensors of the stem begin, and no others."""

NORMS: Final = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
"""The parts of a batch norm -> Keras' names for them."""

KERNELS: Final = ("kernel", "depthwise_kernel")
"""What Keras calls the weights of a convolution; those of a depthwise one had a name of their own before Keras 3."""

BYTES_PER_WEIGHT: Final = 4

Size: TypeAlias = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A convolution and the batch norm after it. `layer` is Keras' name of the convolution, `size` that of its weights
    as torch has them: output channels, input channels of a group, height, width.
    """

    path: str
    kind: str
    layer: str
    size: Size

    @property
    def weight(self) -> str:
        """The name of the convolution's weights."""
        return f"{self.path}.{self.kind}.weight"

    def norm(self, part: str) -> str:
        """The name of a part of the batch norm, one of `NORMS`."""
        return f"{self.path}.BatchNorm.{part}"

    @property
    def depthwise(self) -> bool:
        """Whether each of its kernels reads one channel."""
        return self.kind == "depthwise"

    def sizes(self) -> Iterator[tuple[str, Size]]:
        """Every tensor's name, and its size."""
        yield self.weight, self.size
        for part in NORMS:
            yield self.norm(part), self.size[:1]


@lru_cache(maxsize=32)
def units(depth_multiplier: float) -> tuple[Unit, ...]:
    """The stem's units from the image on: the first convolution, then a depthwise and a pointwise one for each row.

    Raises BudgetnetError for a depth multiplier that the network does not take.
    """
    family("mobilenet-fcn").complete({"depth_multiplier": depth_multiplier})
    graph = stem(depth_multiplier=depth_multiplier, height=32, width=32)
    made = []
    for node, inputs in graph.input_shapes():
        if isinstance(node.op, Conv2d):
            path, _, kind = node.name.rpartition("/")
            size = (node.op.channels, inputs[0].channels // node.op.groups, node.op.kernel, node.op.kernel)
            made.append(Unit(path=path.replace("/", "."), kind=kind, layer=_layer(path), size=size))
    return tuple(made)


def _layer(path: str) -> str:
    """`MobilenetV1/Conv2d_3_depthwise` -> `conv_dw_3`."""
    _, row, *kind = path.rpartition("/")[2].split("_")
    return "_".join(["conv", {"depthwise": "dw", "pointwise": "pw"}[kind[0]], row]) if kind else "conv1"


def sizes(depth_multiplier: float) -> dict[str, Size]:
    """Name -> size of every tensor of the stem."""
    return {name: size for unit in units(depth_multiplier) for name, size in unit.sizes()}


def weight_bytes(depth_multiplier: float) -> int:
    """What all of them take in memory."""
    return BYTES_PER_WEIGHT * sum(prod(size) for size in sizes(depth_multiplier).values())


def multiplier_of(channels: int) -> float:
    """The smallest depth multiplier that gives the last row so many channels, and with it every row its own: channels
    at depth multiplier 1 are powers of two.
    """
    return channels / ROWS[-1][2]


@lru_cache(maxsize=1)
def names() -> dict[tuple[str, str], str]:
    """(layer, weight) as Keras names them -> the name of our tensor."""
    known: dict[tuple[str, str], str] = {}
    for unit in units(1.0):
        known |= {(unit.layer, kernel): unit.weight for kernel in KERNELS if unit.depthwise or kernel == "kernel"}
        known |= {(f"{unit.layer}_bn", theirs): unit.norm(ours) for ours, theirs in NORMS.items()}
    return known


@lru_cache(maxsize=1)
def keras_names() -> dict[str, str]:
    """The name of our tensor -> what messages call it where a file has Keras' names: `conv_dw_1/depthwise_kernel`."""
    return {ours: "/".join(theirs) for theirs, ours in names().items()}


def keras_size(name: str, size: Size) -> Size:
    """Our size of a tensor -> the size that Keras keeps it in."""
    if len(size) == 1:
        return size
    outputs, inputs, height, width = size
    return (height, width, outputs, inputs) if name.endswith(".depthwise.weight") else (height, width, inputs, outputs)


def from_keras(name: str) -> tuple[int, ...]:
    """The order in which the axes of Keras' tensor become ours."""
    return (2, 3, 0, 1) if name.endswith(".depthwise.weight") else (3, 2, 0, 1)
