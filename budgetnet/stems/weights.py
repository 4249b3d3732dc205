"""The weights of a stem as a file holds them, checked: all there, of one depth multiplier, finite."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import torch
from torch import Tensor

from budgetnet.errors import BudgetnetError, shorten
from budgetnet.stems import layout
from budgetnet.stems.layout import Size

MOST_BYTES: Final = 2**29
"""A stem of depth multiplier 1 takes 13 million; what is larger than this is no stem."""

SCALING: Final = (0.5, 0.5, 0.5)
"""Mean and standard deviation of the pixels, 0 to 1, under which Keras' files were trained: x / 127.5 - 1."""

Triple: TypeAlias = tuple[float, float, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """All tensors of a stem, by our names, float32. `mean` and `std` are the input scaling that they go with."""

    state: Mapping[str, Tensor]
    depth_multiplier: float
    mean: Triple = SCALING
    std: Triple = SCALING


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A tensor in a file, not yet read: what the file calls it, the size it must have there for a given size of ours,
    its size, whether it holds floating point numbers, and how it is read into our order of axes.
    """

    label: str
    expected: Callable[[Size], Size]
    size: Size
    kind: str
    floating: bool
    read: Callable[[], Tensor]


def assemble(where: str, found: Mapping[str, Found], hint: str = "") -> dict[str, Tensor]:
    """Reads every tensor of a stem out of what was found in a file, by our names. Nothing is read before the sizes of
    all were checked. Raises BudgetnetError that names file, tensor, rule and value; `hint` is for a missing one.
    """
    multiplier = _multiplier(where, found, hint)
    for name, size in layout.sizes(multiplier).items():
        if name not in found:
            raise BudgetnetError(f"{where}: must hold {layout.keras_names()[name]}, but does not{hint}")
        tensor = found[name]
        expected = tensor.expected(size)
        if tensor.size != expected:
            told = f"must be of size {_by(expected)} at depth multiplier {multiplier:.4g}, but got {_by(tensor.size)}"
            raise BudgetnetError(f"{where}: {tensor.label}: {told}")
        if not tensor.floating:
            told = f"must hold floating point numbers, but got {shorten(tensor.kind)}"
            raise BudgetnetError(f"{where}: {tensor.label}: {told}")
    return {name: _sound(where, name, found[name]) for name in layout.sizes(multiplier)}


def _multiplier(where: str, found: Mapping[str, Found], hint: str) -> float:
    """The depth multiplier by the last row's channels, which must be one whose weights are small enough to be read."""
    last = layout.units(1.0)[-1].weight
    if last not in found:
        raise BudgetnetError(f"{where}: must hold {layout.keras_names()[last]}, but does not{hint}")
    tensor = found[last]
    at_one = tensor.expected((-1, -2, 1, 1))
    channels = tensor.size[at_one.index(-1)] if len(tensor.size) == len(at_one) else 0
    most = 64 * layout.units(1.0)[-1].size[0]
    if not layout.units(0.001)[-1].size[0] <= channels <= most or not _small(layout.multiplier_of(channels)):
        told = f"must be the weights of a 1 x 1 convolution of a MobileNet v1, but got size {_by(tensor.size)}"
        raise BudgetnetError(f"{where}: {tensor.label}: {told}")
    return layout.multiplier_of(channels)


def _small(multiplier: float) -> bool:
    return layout.weight_bytes(multiplier) <= MOST_BYTES


def _sound(where: str, name: str, found: Found) -> Tensor:
    tensor = found.read().to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        value = tensor[~torch.isfinite(tensor)][0].item()
        raise BudgetnetError(f"{where}: {found.label}: must hold finite numbers, but got {value}")
    if name.endswith(".running_var") and bool((tensor < 0).any()):
        raise BudgetnetError(f"{where}: {found.label}: must be 0 or more, but got {tensor.min().item():g}")
    return tensor.contiguous()


def _by(size: Size) -> str:
    return " x ".join(map(str, size)) if size else "of one number"
