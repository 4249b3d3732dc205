"""How much of the image a node's output sees: its receptive field and its effective stride, in input pixels.

The field of one output is found backwards, from the node to the image: if w neighbours of an output are wanted, how
many neighbours of the input do they see, at most? For a convolution that is (w - 1) * stride + (kernel - 1) * dilation
+ 1 (Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019,
https://distill.pub/2019/computing-receptive-fields/, their recurrence r_(l-1) = s_l * r_l + (k_l - s_l)). Where paths
meet, the largest field counts, and the smallest stride: what was resized to the size of a map lies where that map's
cells lie. Borders are left out of account: a field may be larger than the image.

"At most", because an upsampled map's outputs see different numbers of inputs: the one that sees most is told. Later
strides and dilations may pass it over (and so may the holes that a transposed convolution leaves where its kernel is
smaller than its stride), and paths that are not centred on each other see a little more together than the largest does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, TypeAlias, final

from budgetnet import ops
from budgetnet.graph import Graph, Node
from budgetnet.numeric import ceil_div
from budgetnet.ops import NoRuleError, Shape

Window: TypeAlias = Callable[[int], int]
"""So many neighbours of an output -> how many neighbours of an input they see, at most."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`pixels` of the image on a side that one output sees; `stride` pixels from an output to the next.

    A resize to other proportions differs by side: both figures are then those of the side where they are larger.
    """

    pixels: int
    stride: Fraction


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operator: the window of its inputs that outputs see, and how many inputs lie from an output to the next.
    `across` is the window along the width where that is another one than along the height.
    """

    window: Window
    stride: Fraction
    across: Window | None = None


def receptive_fields(graph: Graph) -> dict[str, Field]:
    """Node name -> its field, for graphs of plain ints. Raises NoRuleError for an operator without a rule."""
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    image = places[graph.input.name]
    links: list[list[tuple[int, Window]]] = []
    across: list[list[tuple[int, Window]]] = []
    strides: list[Fraction] = []
    for node, inputs in graph.input_shapes():
        step = _step(node, inputs)
        sources = [places[name] for name in node.sources]
        links.append([(source, step.window) for source in sources])
        across.append([(source, step.across or step.window) for source in sources])
        strides.append(step.stride * min((strides[source] for source in sources), default=Fraction(1)))
    sides = (links,) if across == links else (links, across)
    return {
        name: Field(pixels=max(_seen(side, place, image) for side in sides), stride=strides[place])
        for name, place in places.items()
    }


def _step(node: Node, inputs: tuple[Shape, ...]) -> Step:
    rule = RULES.get(type(node.op))
    if rule is None:
        raise NoRuleError(f"{type(node.op).__name__} has no rule of its receptive field (node {node.name!r})")
    return rule(node.op, inputs, node.shape)


def _seen(links: list[list[tuple[int, Window]]], place: int, image: int) -> int:
    """Pixels that one output of the node at `place` sees."""
    wanted = [0] * place + [1]
    for at in range(place, image, -1):
        if wanted[at]:
            for source, window in links[at]:
                wanted[source] = max(wanted[source], window(wanted[at]))
    return wanted[image]


SAME = Step(window=lambda wanted: wanted, stride=Fraction(1))
"""Each output sees the input in its place."""


def _same(op: ops.Operator, inputs: tuple[Shape, ...], output: Shape) -> Step:
    return SAME


def _sliding(kernel: int, stride: int, dilation: int) -> Step:
    reach = (kernel - 1) * dilation + 1
    return Step(window=lambda wanted: (wanted - 1) * stride + reach, stride=Fraction(stride))


def _conv(op: ops.Conv2d, inputs: tuple[Shape, ...], output: Shape) -> Step:
    high, wide = (_sliding(side, op.stride, op.dilation) for side in op.sides)
    return high if op.kernel_width is None else Step(window=high.window, across=wide.window, stride=high.stride)


def _max_pool(op: ops.MaxPool2d, inputs: tuple[Shape, ...], output: Shape) -> Step:
    return _sliding(op.kernel, op.stride, 1)


def _positions(op: ops.PoolPositions, inputs: tuple[Shape, ...], output: Shape) -> Step:
    return _sliding(op.stride, op.stride, 1)


def _unpool(op: ops.MaxUnpool2d, inputs: tuple[Shape, ...], output: Shape) -> Step:
    """An output sees the input of its window; w in a row lie in ceil((w - 1) / stride) + 1 windows at most."""
    return Step(window=lambda wanted: ceil_div(wanted - 1, op.stride) + 1, stride=Fraction(1, op.stride))


def _global_pool(op: ops.GlobalAvgPool2d, inputs: tuple[Shape, ...], output: Shape) -> Step:
    """One output that sees all inputs; there is no next one, and a resize spreads it over as many again."""
    side = max(inputs[0].height, inputs[0].width)
    return Step(window=lambda wanted: side, stride=Fraction(side))


def _conv_transpose(op: ops.ConvTranspose2d, inputs: tuple[Shape, ...], output: Shape) -> Step:
    """Inputs lie `stride` outputs apart and each reaches `kernel` of them: w outputs meet ceil((w + kernel - 1) /
    stride) inputs at most, a single one ceil(kernel / stride).
    """
    return Step(window=lambda wanted: ceil_div(wanted + op.kernel - 1, op.stride), stride=Fraction(1, op.stride))


def _resize(op: ops.Resize, inputs: tuple[Shape, ...], output: Shape) -> Step:
    given = inputs[0]
    scales = {Fraction(given.height, output.height), Fraction(given.width, output.width)}
    taps = {"bilinear": _bilinear_taps, "nearest": _nearest_taps}[op.mode]
    return Step(window=lambda wanted: max(taps(scale, wanted) for scale in scales), stride=max(scales))


def _bilinear_taps(scale: Fraction, wanted: int) -> int:
    """Output i lies at (i + 1/2) * scale - 1/2 among the inputs and sees the one before it and the one after it: two
    taps, or one where it lies on it. The worst row of outputs begins as far behind an input as any does.
    """
    inputs, outputs = scale.numerator, scale.denominator
    between = (inputs - outputs) % 2  # outputs lie (m + 1/2) / outputs behind an input, else m / outputs: some on it
    farthest = Fraction(2 * outputs - 2 + between, 2 * outputs)
    return ceil(farthest + (wanted - 1) * scale) + 1


def _nearest_taps(scale: Fraction, wanted: int) -> int:
    """Every output sees one input; the worst row of outputs begins (outputs - 1) / outputs behind its first."""
    inputs, outputs = scale.numerator, scale.denominator
    return ((wanted - 1) * inputs + outputs - 1) // outputs + 1


RULES: dict[type[ops.Operator], Callable[[Any, tuple[Shape, ...], Shape], Step]] = {
    ops.Input: _same,
    ops.Conv2d: _conv,
    ops.ConvTranspose2d: _conv_transpose,
    ops.BiasAdd: _same,
    ops.BatchNorm2d: _same,
    ops.Activation: _same,
    ops.PRelu: _same,
    ops.Scale: _same,
    ops.Dropout: _same,
    ops.MaxPool2d: _max_pool,
    ops.PoolPositions: _positions,
    ops.MaxUnpool2d: _unpool,
    ops.PadChannels: _same,
    ops.GlobalAvgPool2d: _global_pool,
    ops.Resize: _resize,
    ops.Crop: _same,
    ops.Add: _same,
    ops.Concat: _same,
}
"""Operator -> rule of (operator, input shapes, output shape)."""
