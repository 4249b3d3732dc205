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
constants (`benchmarks/README.md`). There are no data to do better with; training does.
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
    exact = {name: tensor.double() for name, tensor in state.items()}
    narrowed = layout.units(depth_multiplier)
    kept = _kept(exact, layout.units(wide), narrowed)
    before: Tensor | None = None
    cut: dict[str, Tensor] = {}
    source: Unit | None = None
    for unit, rows in zip(layout.units(wide), kept, strict=True):
        cut |= _cut(exact, unit, source, rows, None if unit.depthwise else before)
        before, source = rows, unit
    return {name: cut[name].to(tensor.dtype).contiguous() for name, tensor in state.items()}


def _kept(state: Mapping[str, Tensor], wide: Sequence[Unit], narrowed: Sequence[Unit]) -> list[Tensor]:
    """The channels that each unit keeps, in their order; a depthwise one keeps what it is given."""
    kept: list[Tensor] = []
    reader: tuple[Unit, Tensor] | None = None
    for place in range(len(wide) - 1, -1, -1):
        unit = wide[place]
        if unit.depthwise:
            continue
        spread = wide[place + 1] if reader else unit
        importance = activation(state, spread)[1]
        if reader:
            importance = importance * _reading(state, *reader)
        chosen = _largest(importance, narrowed[place].size[0])
        kept = [chosen, chosen, *kept] if reader else [chosen]
        reader = (unit, chosen)
    return kept


def _reading(state: Mapping[str, Tensor], reader: Unit, kept: Tensor) -> Tensor:
    """How much the kept outputs of a pointwise convolution read of each channel: squared weights, relative to the
    outputs' variance, in units of what the batch norm makes of it.
    """
    scale = state[reader.norm("weight")] ** 2 / (state[reader.norm("running_var")] + BATCH_NORM.epsilon)
    return (state[reader.weight][:, :, 0, 0] ** 2 * scale[:, None])[kept].sum(dim=0)


def _largest(importance: Tensor, count: int) -> Tensor:
    """The places of the largest, in their order; the first of equals."""
    return torch.sort(importance, descending=True, stable=True).indices[:count].sort().values


def _cut(
    state: Mapping[str, Tensor], unit: Unit, source: Unit | None, rows: Tensor, columns: Tensor | None
) -> dict[str, Tensor]:
    """The tensors of a unit that keeps the channels `rows` and reads the channels `columns` of the unit before it."""
    cut = {name: state[name][rows] for name, _ in unit.sizes()}
    if columns is None or source is None:
        return cut
    weight = cut[unit.weight]
    cut[unit.weight] = weight[:, columns]
    means = activation(state, source)[0].clone()
    means[columns] = 0
    cut[unit.norm("running_mean")] = cut[unit.norm("running_mean")] - weight[:, :, 0, 0] @ means
    return cut


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
