"""Scores at low resolution made as large as their labels: bilinear resizing as products of small matrices.

Half-pixel centres, no aligned corners: the sums that `interpolate` makes, in bands of rows that fit the cache, and
their adjoint for the gradient. Products of matrices repeat on every device, which the gradient of `interpolate` does
not on a GPU.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import torch
from torch import Tensor

from budgetnet.training.losses._gradient import exact, rows_at_a_time

COLUMNS = 64
"""Outputs made at a time in a row: few enough that the matrices hold few zeros, enough for quick products."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The outputs `out` of one dimension, made of the inputs `source` by `matrix` (len(out), len(source))."""

    out: slice
    source: slice
    matrix: Tensor


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How a map of one image grows: its rows first get wider, all of them, then bands of rows are made of them.

    Maps here are (rows, classes, columns), so that a band is one block of memory, made by one product.
    """

    rows: tuple[Band, ...]
    columns: tuple[Band, ...]
    small_width: int
    width: int

    def widened(self, scores: Tensor, dtype: torch.dtype) -> Tensor:
        """Scores (classes, h, w) of an image -> (h, classes, width)."""
        narrow = scores.transpose(0, 1).to(dtype, memory_format=torch.contiguous_format)
        wide = narrow.new_empty(*narrow.shape[:2], self.width)
        for part in self.columns:
            torch.mm(narrow.flatten(0, 1)[:, part.source], part.matrix.t(), out=wide.flatten(0, 1)[:, part.out])
        return wide

    def band(self, wide: Tensor, row: Band) -> Tensor:
        """The rows `row.out` at full size, (rows, classes, width)."""
        return torch.mm(row.matrix, wide[row.source].flatten(1)).view(-1, *wide.shape[1:])

    def give_back(self, gradient: Tensor, row: Band, upstream: Tensor) -> None:
        """Adds the gradient by a band to that by the wide map it was made of, `upstream`."""
        upstream[row.source].flatten(1).addmm_(row.matrix.t(), gradient.flatten(1))

    def narrowed(self, upstream: Tensor) -> Tensor:
        """The gradient by a wide map (h, classes, width) -> by the scores (classes, h, w)."""
        narrow = upstream.new_zeros(*upstream.shape[:2], self.small_width)
        for part in self.columns:
            narrow.flatten(0, 1)[:, part.source].addmm_(upstream.flatten(0, 1)[:, part.out], part.matrix)
        return narrow.transpose(0, 1)


def stretch(scores: Tensor, height: int, width: int, every: int = 1) -> Stretch:
    """How scores (n, classes, h, w) become maps of a size, or each `every`-th row and column of such."""
    dtype, device = exact(scores), scores.device
    _, classes, small_height, small_width = scores.shape
    return Stretch(
        rows=_bands(small_height, height, rows_at_a_time(device, height, width, classes), dtype, device, every),
        columns=_bands(small_width, width, COLUMNS, dtype, device, every),
        small_width=small_width,
        width=thinned(width, every),
    )


def thinned(size: int, every: int) -> int:
    """How many of `size` rows there are in `every // 2`, and each `every` rows further."""
    return len(range(every // 2, size, every))


def full_size(scores: Tensor, labels: Tensor, every: int = 1) -> Tensor:
    """Scores (n, classes, h, w) of the size of the labels (n, height, width): as they are, or resized bilinearly. Of
    these each `every`-th row and column, from `every // 2` on; no others are made.
    """
    if scores.shape[2:] == labels.shape[1:]:
        return scores[..., every // 2 :: every, every // 2 :: every]
    with torch.autocast(scores.device.type, enabled=False):
        resized: Tensor = _Resized.apply(scores, *labels.shape[1:], every)  # type: ignore[no-untyped-call]
    return resized


class _Resized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, height: int, width: int, every: int) -> Tensor:
        ctx.shape, ctx.dtype, ctx.how = scores.shape, scores.dtype, stretch(scores, height, width, every)
        size = thinned(height, every), thinned(width, every)
        result = scores.new_empty(*scores.shape[:2], *size, dtype=exact(scores))
        for image, out in zip(scores, result, strict=True):
            wide = ctx.how.widened(image, out.dtype)
            for row in ctx.how.rows:
                out[:, row.out] = ctx.how.band(wide, row).transpose(0, 1)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        count, classes, small_height, _ = ctx.shape
        result = gradient.new_empty(ctx.shape, dtype=ctx.dtype)
        for image in range(count):
            upstream = gradient.new_zeros(small_height, classes, gradient.shape[3])
            for row in ctx.how.rows:
                ctx.how.give_back(gradient[image, :, row.out].transpose(0, 1), row, upstream)
            result[image] = ctx.how.narrowed(upstream)
        return result, None, None, None


@lru_cache(maxsize=64)
def _bands(small: int, large: int, size: int, dtype: torch.dtype, device: torch.device, every: int) -> tuple[Band, ...]:
    """How `small` pixels become each `every`-th of `large`, `size` outputs at a time."""
    matrix = _matrix(small, large)[every // 2 :: every]
    found = []
    for first in range(0, len(matrix), size):
        out = slice(first, min(first + size, len(matrix)))
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
