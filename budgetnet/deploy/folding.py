"""The weights of a deployed network: what stands behind a convolution is folded into it.

Batch norm is gamma * (x - mean) / sqrt(variance + epsilon) + beta, which on a convolution's output is a factor for each
output channel and a bias (Jacob et al., arXiv:1712.05877, section 3.2). Computed in float64, kept in float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from budgetnet import ops
from budgetnet.graph import Node, module_path
from budgetnet.kernels import Kernel

Array: TypeAlias = NDArray[Any]
Weights: TypeAlias = Mapping[str, Array]
"""Name, as in the built network's state dict -> numbers."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A convolution's weights, laid out as in the state dict, and its bias per output channel; None where it has
    none.
    """

    weight: Array
    bias: Array | None


def folded(kernel: Kernel, weights: Weights) -> Folded:
    """What a convolution's kernel computes with, in float32."""
    main = kernel.main
    assert isinstance(main.op, ops.Conv2d | ops.ConvTranspose2d), "only convolutions are folded into"
    weight = weights[f"{module_path(main.name)}.weight"].astype("float64")
    bias = np.zeros(main.shape.channels)
    for node in kernel.nodes[1:]:
        factor, added = affine(node, weights)
        weight, bias = _times(weight, factor, main.op), bias * factor + added
    used = any(isinstance(node.op, ops.BiasAdd | ops.BatchNorm2d) for node in kernel.nodes)
    return Folded(weight=weight.astype("float32"), bias=bias.astype("float32") if used else None)


def affine(node: Node, weights: Weights) -> tuple[Array, Array]:
    """What an operator multiplies each channel by and adds to it, in float64; 1 and 0 for one that does neither."""
    channels = node.shape.channels
    path = module_path(node.name)
    match node.op:
        case ops.BiasAdd():
            return np.ones(channels), weights[f"{path}.bias"].astype("float64")
        case ops.BatchNorm2d(epsilon=epsilon):
            gamma, beta, mean, variance = (
                weights[f"{path}.{name}"].astype("float64")
                for name in ("weight", "bias", "running_mean", "running_var")
            )
            factor = gamma / np.sqrt(variance + epsilon)
            return factor, beta - mean * factor
        case ops.Scale(factor=number):
            return np.full(channels, number), np.zeros(channels)
        case _:
            return np.ones(channels), np.zeros(channels)


def _times(weight: Array, factor: Array, op: ops.Conv2d | ops.ConvTranspose2d) -> Array:
    """The weights with each output channel multiplied: the first axis of a convolution's, the second, group by group,
    of a transposed one's.
    """
    if isinstance(op, ops.Conv2d):
        return weight * factor[:, None, None, None]
    each = weight.shape[0] // op.groups
    per_input = factor.reshape(op.groups, 1, -1).repeat(each, axis=1).reshape(weight.shape[0], -1)
    return weight * per_input[:, :, None, None]
