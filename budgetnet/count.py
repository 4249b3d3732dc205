"""What a graph costs for one image: multiply-accumulates, additions of a bias, operations, parameters, per node and in
total.

The measure is that of the published table: convolutions and biases count; batch norm is folded into the convolution
before it when the network is deployed, and activations, pooling, resizing, cropping, scaling and sums of maps are no
multiply-accumulates. Every operator has its rule in `RULES`, a zero too; one without a rule is an error that names it,
never a silent zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from budgetnet import ops, units
from budgetnet.graph import Graph, Node
from budgetnet.ops import NoRuleError, Shape
from budgetnet.units import Number


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """MACs, bias additions and parameters; ints, or arrays over a grid of networks."""

    macs: Number = 0
    bias_adds: Number = 0
    params: Number = 0

    @property
    def ops(self) -> Number:
        """Operations: 2 x MACs + bias additions."""
        return units.operations(self.macs, self.bias_adds)

    @classmethod
    def sum(cls, costs: "Sequence[Cost]") -> "Cost":
        """What all of them cost together."""
        return cls(
            macs=sum(cost.macs for cost in costs),
            bias_adds=sum(cost.bias_adds for cost in costs),
            params=sum(cost.params for cost in costs),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A node with what it costs."""

    node: Node
    cost: Cost

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def op(self) -> str:
        """The operator's name, `Conv2d`."""
        return type(self.node.op).__name__


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Every layer's cost, in the graph's order, and their sum."""

    layers: tuple[Layer, ...]
    total: Cost

    def part(self, name: str) -> Cost:
        """The cost of one part of the network (`stem`, `head`)."""
        return Cost.sum([layer.cost for layer in self.layers if layer.node.part == name])

    def beside(self, name: str) -> Cost:
        """The cost of all but one part of the network."""
        return Cost.sum([layer.cost for layer in self.layers if layer.node.part != name])


FREE = Cost()
"""No multiply-accumulates, no additions of a bias, no parameters."""


def count(graph: Graph, *, without: str | None = None) -> Count:
    """Counts a graph, or all of it but one part, per image. Raises NoRuleError for an operator without a rule."""
    layers = []
    shapes = {node.name: node.shape for node in graph.nodes}
    for node in graph.nodes:
        if node.part == without:
            continue
        rule = RULES.get(type(node.op))
        if rule is None:
            raise NoRuleError(f"{type(node.op).__name__} has no counting rule (node {node.name!r})")
        cost = rule(node.op, tuple([shapes[name] for name in node.inputs]), node.shape)
        layers.append(Layer(node=node, cost=cost))
    return Count(layers=tuple(layers), total=Cost.sum([layer.cost for layer in layers]))


def _conv(op: ops.Conv2d, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    """k^2 * Cin / groups MACs for every element that comes out."""
    weights = op.weights(inputs[0])
    return Cost(macs=weights * output.height * output.width, params=weights)


def _conv_transpose(op: ops.ConvTranspose2d, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    """k^2 * Cout / groups MACs for every element that goes in: the effective ones, not those with inserted zeros."""
    given = inputs[0]
    weights = op.weights(given)
    return Cost(macs=weights * given.height * given.width, params=weights)


def _bias_add(op: ops.BiasAdd, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    return Cost(bias_adds=output.channels * output.height * output.width, params=output.channels)


def _batch_norm(op: ops.BatchNorm2d, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    """Scale and shift are parameters; the arithmetic is folded away."""
    return Cost(params=2 * output.channels)


def _prelu(op: ops.PRelu, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    """A slope for each channel."""
    return Cost(params=output.channels)


def _nothing(op: ops.Operator, inputs: tuple[Shape, ...], output: Shape) -> Cost:
    return FREE


RULES: dict[type[ops.Operator], Callable[[Any, tuple[Shape, ...], Shape], Cost]] = {
    ops.Input: _nothing,
    ops.Conv2d: _conv,
    ops.ConvTranspose2d: _conv_transpose,
    ops.BiasAdd: _bias_add,
    ops.BatchNorm2d: _batch_norm,
    ops.Activation: _nothing,
    ops.PRelu: _prelu,
    ops.Scale: _nothing,
    ops.Dropout: _nothing,
    ops.MaxPool2d: _nothing,
    ops.PoolPositions: _nothing,
    ops.MaxUnpool2d: _nothing,
    ops.PadChannels: _nothing,
    ops.GlobalAvgPool2d: _nothing,
    ops.Resize: _nothing,
    ops.Crop: _nothing,
    ops.Add: _nothing,
    ops.Concat: _nothing,
}
"""Operator -> rule of (operator, input shapes, output shape). The one place where costs are defined."""
