"""A narrower stem out of a wider one: its most important channels, the same ones wherever they are written and read.

Row n's output channels are the channels of the depthwise convolution of row n + 1 and what its pointwise convolution
reads, so one set of channels is kept per row, and all tensors that touch it are cut by it.

How important a channel is follows from the weights alone. A batch norm makes its channel's values spread about its
`bias` by its `weight` (as far as `epsilon` lets it); taken as normal, cut to 0 to 6 by ReLU6, their mean and variance
are closed integrals. A channel that falls away takes from every output o of the next pointwise convolution a constant,
which the next batch norm's mean makes up for, and a variance of w[o, c]^2 var(c), relative to what o has of it (its
running variance). The sum of that over the outputs that are themselves kept is the channel's importance. Sets are
chosen from the last row, which nobody reads yet and whose channels count by their own variance, back to the first; the
idea that importance runs backwards is that of Yu et al., "NISP" (arXiv:1711.05908).

The running means of what reads fewer channels lose the constants of those that fell away. Measured on street scenes,
narrowing so leaves more of the wide stem's features than the norms of filters do, or than the same sets without the
constants (`benchmarks/narrowing.py`). There are no data to do better with; training does.
"""

from collections.abc import Mapping, Sequence
from math import pi, sqrt
from typing import Final

import torch
from torch import Tensor

from budgetnet.networks.mobilenet_fcn import BATCH_NORM
from budgetnet.stems import layout
from budgetnet.stems.layout import Unit

_SIX: Final = 6.0
"""Where ReLU6 cuts."""


def narrow(state: Mapping[str, Tensor], wide: float, depth_multiplier: float) -> dict[str, Tensor]:
    """The stem of `wide` cut to a depth multiplier that gives no row more channels. The same tensors where the widths
    are the same.
    """
    return cut(state, wide, important(state, wide, depth_multiplier))


def important(state: Mapping[str, Tensor], wide: float, depth_multiplier: float) -> list[Tensor]:
    """The channels that each unit of the stem of `wide` keeps, in their order; a depthwise one those it is given."""
    exact = {name: tensor.double() for name, tensor in state.items()}
    units, narrowed = layout.units(wide), layout.units(depth_multiplier)
    kept: list[Tensor] = []
    reader: tuple[Unit, Tensor] | None = None
    for place in range(len(units) - 1, -1, -1):
        unit = units[place]
        if unit.depthwise:
            continue
        importance = activation(exact, units[place + 1] if reader else unit)[1]
        if reader:
            importance = importance * _reading(exact, *reader)
        chosen = largest(importance, narrowed[place].size[0])
        kept = [chosen, chosen, *kept] if reader else [chosen]
        reader = (unit, chosen)
    return kept


def cut(
    state: Mapping[str, Tensor], wide: float, kept: Sequence[Tensor], *, constants: bool = True
) -> dict[str, Tensor]:
    """The stem of `wide` with the channels that each unit keeps; `constants`: running means make up for the others."""
    exact = {name: tensor.double() for name, tensor in state.items()}
    made: dict[str, Tensor] = {}
    source: tuple[Unit, Tensor] | None = None
    for unit, rows in zip(layout.units(wide), kept, strict=True):
        made |= {name: exact[name][rows] for name, _ in unit.sizes()}
        if source and not unit.depthwise:
            weight, mean = made[unit.weight], unit.norm("running_mean")
            made[unit.weight] = weight[:, source[1]]
            if constants:
                lost = activation(exact, source[0])[0].index_fill(0, source[1], 0)
                made[mean] = made[mean] - weight[:, :, 0, 0] @ lost
        source = (unit, rows)
    return {name: made[name].to(tensor.dtype).contiguous() for name, tensor in state.items()}


def _reading(state: Mapping[str, Tensor], reader: Unit, kept: Tensor) -> Tensor:
    """How much the kept outputs of a pointwise convolution read of each channel: squared weights, relative to the
    outputs' variance, in units of what the batch norm makes of it.
    """
    scale = state[reader.norm("weight")] ** 2 / (state[reader.norm("running_var")] + BATCH_NORM.epsilon)
    return (state[reader.weight][:, :, 0, 0] ** 2 * scale[:, None])[kept].sum(dim=0)


def largest(importance: Tensor, count: int) -> Tensor:
    """The places of the largest, in their order; the first of equals."""
    return torch.sort(importance, descending=True, stable=True).indices[:count].sort().values


def activation(state: Mapping[str, Tensor], unit: Unit) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel after a unit's batch norm and ReLU6, by its parameters alone."""
    centre, gain = state[unit.norm("bias")], state[unit.norm("weight")]
    variance = state[unit.norm("running_var")]
    spread = (gain.abs() * (variance / (variance + BATCH_NORM.epsilon)).sqrt()).clamp(min=1e-12)
    low, high = -centre / spread, (_SIX - centre) / spread
    inside = _below(high) - _below(low)
    density_low, density_high = _density(low), _density(high)
    mean = centre * inside + spread * (density_low - density_high) + _SIX * (1 - _below(high))
    square = (centre**2 + spread**2) * inside + spread * (centre * density_low - (centre + _SIX) * density_high)
    return mean, (square + _SIX**2 * (1 - _below(high)) - mean**2).clamp(min=0)


def _below(place: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-place / sqrt(2))


def _density(place: Tensor) -> Tensor:
    return torch.exp(-(place**2) / 2) / sqrt(2 * pi)
