"""The quick gradient of a strided depthwise convolution is the gradient of one."""

import pytest
import torch
from torch.nn import functional

from budgetnet import ops, strided
from budgetnet.build import Conv2d
from budgetnet.ops import Shape


@pytest.mark.parametrize(("kernel", "stride", "dilation", "height", "width"), [
    (3, 2, 1, 16, 24), (3, 2, 1, 15, 23), (5, 2, 1, 17, 16), (3, 3, 1, 20, 19), (3, 2, 2, 21, 18),
])  # fmt: skip
def test_value_and_gradients_are_those_of_the_plain_operator(kernel, stride, dilation, height, width):
    draw = torch.Generator().manual_seed(kernel * height)
    op = ops.Conv2d(channels=8, kernel=kernel, stride=stride, dilation=dilation, groups=8)
    module = Conv2d(op, Shape(channels=8, height=height, width=width))
    x = torch.randn(2, 8, height, width, generator=draw).contiguous(memory_format=torch.channels_last)
    x = x.bfloat16().float().requires_grad_()  # what bfloat16 holds exactly
    with torch.no_grad():
        module.weight.copy_(module.weight.bfloat16())
    plain = module(x)
    upstream = torch.randn(plain.shape, generator=draw).bfloat16()
    expected = torch.autograd.grad(plain, (x, module.weight), upstream.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert strided.applies(x, stride)
        quick = module(x)
    assert quick.dtype == torch.bfloat16
    found = torch.autograd.grad(quick, (x, module.weight), upstream)
    torch.testing.assert_close(quick.float(), plain, rtol=2e-2, atol=2e-2)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=2e-2, atol=5e-2)


def test_it_is_used_where_it_is_quicker_and_nowhere_else():
    x = torch.zeros(1, 8, 8, 8)
    assert not strided.applies(x, 2)  # fp32
    with torch.autocast("cpu", torch.bfloat16):
        assert strided.applies(x, 2)
        assert not strided.applies(x, 1)
        with torch.no_grad():
            assert not strided.applies(x, 2)


def test_only_the_gradients_that_are_wanted_are_worked_out():
    x = torch.randn(1, 4, 8, 8)
    weight = torch.randn(4, 1, 3, 3, requires_grad=True)
    made = strided.StridedDepthwise.apply(x, weight, (2, 2), (1, 1), (1, 1))
    torch.testing.assert_close(
        made, functional.conv2d(x.bfloat16(), weight.bfloat16(), None, 2, 1, 1, 4), rtol=0, atol=0
    )
    made.float().sum().backward()
    assert weight.grad is not None
    assert x.grad is None
