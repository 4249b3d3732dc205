"""Losses that work out value and gradient in one go, while the scores are at hand."""

from typing import Any

import torch
from torch import Tensor

MOST = 2**17
"""Scores handled at a time on a processor: half a mega-byte in float32, which stays in the cache of a core."""


class _Known(torch.autograd.Function):
    """`value`, whose gradient by `scores` is `gradient`, already known."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        if upstream.is_cpu and upstream.item() == 1:
            return gradient, None, None  # a pass over all scores saved; elsewhere asking would cost more
        return gradient * upstream.to(gradient.dtype), None, None


def known(scores: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """The scalar `value` as a function of `scores`, whose gradient, of the shape and type of `scores`, is known."""
    result: Tensor = _Known.apply(scores, value, gradient)  # type: ignore[no-untyped-call]
    return result


def exact(scores: Tensor) -> torch.dtype:
    """The type in which a loss of `scores` is worked out: float32, or float64 where the scores are."""
    return torch.promote_types(scores.dtype, torch.float32)


def rows_at_a_time(device: torch.device, height: int, width: int, classes: int) -> int:
    """How many rows of a map of scores are handled at once: what fits the cache, on other devices all."""
    return max(1, min(height, MOST // (width * classes))) if device.type == "cpu" else height
