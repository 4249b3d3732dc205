"""Single layers whose cost is known for certain: the cases that operation counters get wrong.

Each case is a graph of ours (so `budgetnet.count` has its figure), a module to count, written in three ways, and a
truth that knows no formula: every multiply-accumulate is enumerated. By the usual convention those on padded zeros
count, and those of a transposed convolution are the effective ones, whether or not its padding cuts their result off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Literal

from budgetnet import ops
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.ops import same_padding

if TYPE_CHECKING:
    from torch import Tensor, nn

HEIGHT, WIDTH, CHANNELS = 7, 9, 16
"""Odd sizes, so that no stride divides them."""

STRIDES, GROUPS, WIDENINGS, DILATIONS, BATCHES = (1, 2, 8, 32), (1, 4, CHANNELS), (1, 2), (1, 2), (1, 2)

Kind = Literal["convolution", "transposed"]
KINDS: tuple[Kind, ...] = ("convolution", "transposed")
Call = Literal["built", "own layer", "functional"]
CALLS: tuple[Call, ...] = ("built", "own layer", "functional")
"""As `budgetnet.build` builds it (a subclass, its bias a layer of its own); torch's own `nn.Conv2d` or
`nn.ConvTranspose2d` with its bias; one call of `nn.functional` with its bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One layer on a batch of 16 x 7 x 9 maps. `widening` is the output's channels over the input's."""

    kind: Kind
    stride: int
    groups: int
    widening: int
    dilation: int
    batch: int
    bias: bool

    @property
    def channels(self) -> int:
        """Channels that come out."""
        return self.widening * CHANNELS

    @property
    def kernel(self) -> int:
        """3, and twice the stride where a transposed convolution enlarges, as in FCN-32s."""
        return 2 * self.stride if self.kind == "transposed" and self.stride > 1 else 3

    @property
    def padding(self) -> int:
        """What a transposed convolution cuts off each side, so that its output is `stride` times its input."""
        return self.stride // 2 if self.stride > 1 else 1


def cases(kind: Kind) -> Iterator[Case]:
    """All cases of a kind. Our transposed convolutions know no dilation."""
    dilations = DILATIONS if kind == "convolution" else (1,)
    for stride, groups, widening, dilation, batch, bias in product(
        STRIDES, GROUPS, WIDENINGS, dilations, BATCHES, (False, True)
    ):
        yield Case(
            kind=kind, stride=stride, groups=groups, widening=widening, dilation=dilation, batch=batch, bias=bias
        )


def graph(case: Case) -> Graph:
    """The case in our own language."""
    g = GraphBuilder()
    x = g.image(height=HEIGHT, width=WIDTH, channels=CHANNELS)
    op: ops.Operator = ops.Conv2d(
        channels=case.channels, kernel=case.kernel, stride=case.stride, dilation=case.dilation, groups=case.groups
    )
    if case.kind == "transposed":
        op = ops.ConvTranspose2d(
            channels=case.channels, kernel=case.kernel, stride=case.stride, padding=case.padding, groups=case.groups
        )
    x = g.add("layer", op, x)
    if case.bias:
        g.add("bias", ops.BiasAdd(), x)
    return g.finish()


def enumerated_macs(case: Case) -> int:
    """Multiply-accumulates of the batch, each counted as one, from positions, taps and channels."""
    strided = case.kind == "convolution"  # a window starts at every stride-th pixel; a transposed one at every pixel
    return case.batch * _taps(case.stride if strided else 1, case.kernel) * _channel_pairs(case.channels, case.groups)


@cache
def _taps(step: int, kernel: int) -> int:
    """Every (position, tap of the kernel) there is."""
    positions = product(range(0, HEIGHT, step), range(0, WIDTH, step))
    return sum(1 for _ in product(positions, range(kernel), range(kernel)))


@cache
def _channel_pairs(channels: int, groups: int) -> int:
    """Every (input, output) channel of one group."""
    group_in, group_out = CHANNELS // groups, channels // groups
    pairs = product(range(CHANNELS), range(channels))
    return sum(1 for given, made in pairs if given // group_in == made // group_out)


def multiplied_macs(case: Case) -> int:
    """The same by arithmetic: torch multiplies ones by ones, so each multiply-accumulate adds one to the sum."""
    import torch
    from torch.nn import functional

    weight = _ones(*_weight_shape(case))
    if case.kind == "transposed":
        given = _ones(case.batch, CHANNELS, HEIGHT, WIDTH)
        made = functional.conv_transpose2d(given, weight, stride=case.stride, groups=case.groups)
    else:
        top, bottom, left, right = _padding(case)
        given = _ones(case.batch, CHANNELS, HEIGHT + top + bottom, WIDTH + left + right)
        made = functional.conv2d(given, weight, stride=case.stride, dilation=case.dilation, groups=case.groups)
    return int(made.sum(dtype=torch.float64).item())


def module(case: Case, call: Call) -> "nn.Module":
    """The case as a module that takes its images, on torch's current default device."""
    from torch import nn

    if call == "built":
        from budgetnet.build import build

        return build(graph(case))
    if call == "functional":
        return _functional(case)
    shape = (CHANNELS, case.channels, case.kernel)
    if case.kind == "transposed":
        return nn.Sequential(
            nn.ConvTranspose2d(*shape, stride=case.stride, padding=case.padding, groups=case.groups, bias=case.bias)
        )
    top, bottom, left, right = _padding(case)
    layer = nn.Conv2d(*shape, stride=case.stride, dilation=case.dilation, groups=case.groups, bias=case.bias)
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer)


def _functional(case: Case) -> "nn.Module":
    import torch
    from torch import nn
    from torch.nn import functional

    class Functional(nn.Module):
        """One call of `nn.functional` on weights of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(_weight_shape(case)))
            self.bias = nn.Parameter(torch.zeros(case.channels)) if case.bias else None

        def forward(self, x: "Tensor") -> "Tensor":
            """The case's output."""
            if case.kind == "transposed":
                return functional.conv_transpose2d(
                    x, self.weight, self.bias, stride=case.stride, padding=case.padding, groups=case.groups
                )
            top, bottom, left, right = _padding(case)
            x = functional.pad(x, (left, right, top, bottom))
            return functional.conv2d(
                x, self.weight, self.bias, stride=case.stride, dilation=case.dilation, groups=case.groups
            )

    return Functional()


def _weight_shape(case: Case) -> tuple[int, int, int, int]:
    first, second = (CHANNELS, case.channels) if case.kind == "transposed" else (case.channels, CHANNELS)
    return first, second // case.groups, case.kernel, case.kernel


def _padding(case: Case) -> tuple[int, int, int, int]:
    """Rows and columns that SAME adds: top, bottom, left, right."""
    rows, columns = (same_padding(size, case.kernel, case.stride, case.dilation) for size in (HEIGHT, WIDTH))
    return *rows, *columns


def _ones(*shape: int) -> "Tensor":
    import torch

    return torch.ones(shape, dtype=torch.float64)
