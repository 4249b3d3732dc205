"""Bilinear resizing as products of small matrices, band by band: the sums that `interpolate` makes, and their adjoint.

Half-pixel centres, no aligned corners: pixel `i` of `n` lies at `(i + 1/2) / n`. Products of matrices repeat on every
device, which the gradient of `interpolate` does not on a GPU.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The outputs `out` of one dimension, made of the inputs `source` by `matrix` (len(out), len(source))."""

    out: slice
    source: slice
    matrix: Tensor


@lru_cache(maxsize=64)
def bands(small: int, large: int, size: int, dtype: torch.dtype, device: torch.device) -> tuple[Band, ...]:
    """How `small` pixels become `large`, `size` outputs at a time."""
    matrix = _matrix(small, large)
    found = []
    for first in range(0, large, size):
        out = slice(first, min(first + size, large))
        used = matrix[out].any(dim=0).nonzero().flatten()
        source = slice(int(used[0]), int(used[-1]) + 1)
        found.append(Band(out=out, source=source, matrix=matrix[out, source].to(device, dtype).contiguous()))
    return tuple(found)


def _matrix(small: int, large: int) -> Tensor:
    """Float64 (large, small): a row per output, whose two shares are those of its neighbours."""
    place = ((torch.arange(large, dtype=torch.float64) + 0.5) * small / large - 0.5).clamp_(min=0)
    left = place.long().clamp_(max=small - 1)
    right = (left + 1).clamp_(max=small - 1)
    share = place - left
    rows = torch.arange(large)
    matrix = torch.zeros(large, small, dtype=torch.float64)
    matrix[rows, left] = 1 - share
    matrix[rows, right] += share  # the last pixel has no right neighbour but itself
    return matrix
