"""A depthwise convolution with a stride whose gradient is quick in bfloat16 on a processor.

Torch's own gradient for the input of such a one is many times slower in bfloat16 than in fp32 (measured: 5 to 50 times,
see benchmarks/README.md); all else is as quick or quicker. So that one gradient is worked out in fp32.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_backward = torch.ops.aten.convolution_backward.default


def applies(x: Tensor, stride: int) -> bool:
    """Whether a convolution of this input would be computed in bfloat16, with gradients, on a processor."""
    return stride > 1 and x.is_cpu and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


class StridedDepthwise(torch.autograd.Function):
    """(x (n, c, h, w), weight (c, 1, k, k), stride, padding, dilation) -> (n, c, ...), all in bfloat16."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        """The convolution, with one group per channel."""
        x, narrow = x.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(x, narrow)
        ctx.settings, ctx.kind = (list(stride), list(padding), list(dilation)), weight.dtype
        return functional.conv2d(x, narrow, None, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """The gradients of input and weight."""
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.settings

        def worked_out(of: Tensor, given: Tensor, kernel: Tensor, wanted: list[bool]) -> Any:
            zero = [0, 0]
            rest = (None, stride, padding, dilation, False, zero, len(weight), wanted)
            return _backward(of, given, kernel, *rest)

        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            shape_alone = torch.empty_like(x, dtype=torch.float32)  # its values are not read for this gradient
            of_x = worked_out(gradient.float(), shape_alone, weight.float(), [True, False, False])[0].to(x.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = worked_out(gradient, x, weight, [False, True, False])[1].to(ctx.kind)
        return of_x, of_weight, None, None, None
