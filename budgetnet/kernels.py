"""A graph as a deployed runtime computes it: kernels, each a convolution with all that is folded into it, or one other
operator.

A convolution takes up the bias, the batch norm and the scale behind it, where nobody else reads what it gives (Jacob et
al., arXiv:1712.05877, section 3.2), and one activation; a transposed convolution also the crop behind it, which is
nothing but padding. Dropout is nothing. What is left are kernels that only move and compare numbers: `elementwise`.

Every operator has its rule in `RULES`; one without a rule is an error that names it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from budgetnet import ops, units
from budgetnet.count import count
from budgetnet.graph import Graph, Node
from budgetnet.kernel_classes import KernelClass
from budgetnet.memory import BIAS_BYTES
from budgetnet.numeric import holds, plain
from budgetnet.ops import NoRuleError, Operator, Shape
from budgetnet.units import Number, Precision


class MixedKernelsError(ValueError):
    """Networks of one grid whose kernels are not of one class: they must be looked at one by one."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One step of a deployed network, per image. `nodes` are computed in it, the one that gives its name first; the
    `sources` are the nodes whose results it reads, as they are after folding, and `output` is the last one's shape.

    `ops` are operations as `count` counts them; `moves` are those of elementwise kernels, which it does not count: the
    comparisons and sums that a pooling, a resize, a sum of maps make. `read` and `written` are elements of maps,
    `weights` and `biases` numbers that are kept.
    """

    name: str
    nodes: tuple[Node, ...]
    sources: tuple[str, ...]
    output: Shape
    kind: KernelClass
    ops: Number = 0
    moves: Number = 0
    read: Number = 0
    written: Number = 0
    weights: Number = 0
    biases: Number = 0

    @property
    def main(self) -> Node:
        """The node that gives the kernel its name."""
        return self.nodes[0]

    @property
    def result(self) -> str:
        """The name of the node whose result the kernel gives."""
        return self.nodes[-1].name

    @property
    def work(self) -> Number:
        """Operations, or what an elementwise kernel does instead."""
        return self.moves if self.kind == "elementwise" else self.ops

    def of(self, operator: type[Operator]) -> Node | None:
        """The node of an operator that is folded into the kernel; None where there is none."""
        return next((node for node in self.nodes[1:] if isinstance(node.op, operator)), None)

    def bytes(self, precision: Precision, batch: int = 1) -> Number:
        """What goes over the memory bus, if nothing stays on chip: maps in and out, and the weights once a batch."""
        numbers = batch * (self.read + self.written) + self.weights
        return units.BYTES[precision] * numbers + BIAS_BYTES[precision] * self.biases


def kernels(graph: Graph) -> tuple[Kernel, ...]:
    """The kernels of a graph in the order they are computed. Raises NoRuleError for an operator without a rule."""
    fusing = _Fusing(graph)
    for node in graph.nodes:
        rule = RULES.get(type(node.op))
        if rule is None:
            raise NoRuleError(f"{type(node.op).__name__} has no kernel rule (node {node.name!r})")
        rule(fusing, node)
    return fusing.finished()


@dataclass(slots=True)
class _Draft:
    """A kernel while nodes are still folded into it."""

    nodes: list[Node]
    kind: KernelClass
    sources: tuple[str, ...]
    moves: Number = 0

    @property
    def linear(self) -> bool:
        """Whether what comes next can still be folded into the weights."""
        return self.kind != "elementwise" and not any(isinstance(node.op, ops.Activation) for node in self.nodes)


@dataclass(slots=True)
class _Fusing:
    """A graph on its way to kernels; rules add to it."""

    graph: Graph
    shapes: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    drafts: list[_Draft] = field(default_factory=list)
    _readers: dict[str, int] = field(default_factory=dict)
    _tails: dict[str, _Draft] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            self.shapes[node.name] = node.shape
            given = self.names.get(node.inputs[0], node.inputs[0]) if isinstance(node.op, ops.Dropout) else node.name
            self.names[node.name] = given
            if not isinstance(node.op, ops.Dropout):
                for name in node.sources:
                    known = self.names[name]
                    self._readers[known] = self._readers.get(known, 0) + 1

    def image(self, node: Node) -> None:
        """The image is there; nothing is computed."""

    def nothing(self, node: Node) -> None:
        """Dropout: whoever reads it reads what it was given."""

    def convolution(self, node: Node) -> None:
        """A kernel of its own, into which others may be folded."""
        self._begin(node, _kind(node))

    def affine(self, node: Node) -> None:
        """Folded into the convolution before it, or a kernel of its own."""
        draft = self._open(node)
        if draft is None or not draft.linear:
            self.elementwise(node)
        else:
            self._fold(draft, node)

    def activation(self, node: Node) -> None:
        """Done where the convolution before it writes, or a kernel of its own."""
        self.affine(node)

    def crop(self, node: Node) -> None:
        """The padding of a transposed convolution, or a copy."""
        draft = self._open(node)
        if draft is None or draft.kind != "transposed":
            self.elementwise(node)
        else:
            self._fold(draft, node)

    def elementwise(self, node: Node) -> None:
        """A kernel of its own into which nothing is folded."""
        self._begin(node, "elementwise")
        self.drafts[-1].moves = MOVES[type(node.op)](node, self.shapes)

    def finished(self) -> tuple[Kernel, ...]:
        """The kernels with what they cost."""
        costs = {layer.name: layer.cost for layer in count(self.graph).layers}
        return tuple(self._finish(draft, costs) for draft in self.drafts)

    def _finish(self, draft: _Draft, costs: Mapping[str, Any]) -> Kernel:
        first, last = draft.nodes[0], draft.nodes[-1]
        folded = any(isinstance(node.op, ops.BiasAdd | ops.BatchNorm2d) for node in draft.nodes[1:])
        alone = sum(costs[node.name].params for node in draft.nodes) if draft.kind == "elementwise" else 0
        return Kernel(
            name=first.name,
            nodes=tuple(draft.nodes),
            sources=draft.sources,
            output=last.shape,
            kind=draft.kind,
            ops=sum(costs[node.name].ops for node in draft.nodes),
            moves=draft.moves,
            read=sum(_elements(self.shapes[name]) for name in draft.sources),
            written=_elements(last.shape),
            weights=alone if draft.kind == "elementwise" else costs[first.name].params,
            biases=last.shape.channels if folded else 0,
        )

    def _begin(self, node: Node, kind: KernelClass) -> None:
        draft = _Draft(nodes=[node], kind=kind, sources=tuple(self.names[name] for name in node.sources))
        self.drafts.append(draft)
        self._tails[node.name] = draft

    def _open(self, node: Node) -> _Draft | None:
        """The kernel that gives what the node reads, where nobody else reads that."""
        given = self.names[node.inputs[0]]
        return self._tails.get(given) if self._readers[given] == 1 else None

    def _fold(self, draft: _Draft, node: Node) -> None:
        draft.nodes.append(node)
        self._tails[node.name] = draft


def _kind(node: Node) -> KernelClass:
    """Over a grid, all of its networks must be of one class: raises MixedKernelsError."""
    op = node.op
    if not isinstance(op, ops.Conv2d):
        return "transposed"
    if not plain(op.groups) or op.groups != 1:
        return "depthwise"
    points = [side == 1 for side in op.sides]
    if all(holds(point) for point in points):
        return "pointwise"
    if all(plain(side) for side in op.sides) or any(holds(side != 1) for side in op.sides):
        return "dense"
    raise MixedKernelsError(f"windows of 1 x 1 and larger ones in one grid (node {node.name!r})")


def _elements(shape: Shape) -> Number:
    return shape.channels * shape.height * shape.width


def _each(number: int) -> Callable[[Node, Mapping[str, Shape]], Number]:
    """So many for every element that comes out."""
    return lambda node, shapes: number * _elements(node.shape)


def _window(node: Node, shapes: Mapping[str, Shape]) -> Number:
    side: Any = getattr(node.op, "kernel", None) or getattr(node.op, "stride", 1)
    return side * side * _elements(node.shape)


def _resize(node: Node, shapes: Mapping[str, Shape]) -> Number:
    """Four products and three sums where it is bilinear, a copy where it is not."""
    assert isinstance(node.op, ops.Resize)
    return (7 if node.op.mode == "bilinear" else 0) * _elements(node.shape)


MOVES: Final[dict[type[ops.Operator], Callable[[Node, Mapping[str, Shape]], Number]]] = {
    ops.BiasAdd: _each(1),
    ops.BatchNorm2d: _each(2),
    ops.Activation: _each(1),
    ops.PRelu: _each(2),
    ops.Scale: _each(1),
    ops.MaxPool2d: _window,
    ops.PoolPositions: _window,
    ops.MaxUnpool2d: _each(1),
    ops.PadChannels: _each(0),
    ops.GlobalAvgPool2d: lambda node, shapes: _elements(shapes[node.inputs[0]]),
    ops.Resize: _resize,
    ops.Crop: _each(0),
    ops.Add: lambda node, shapes: (len(node.inputs) - 1) * _elements(node.shape),
    ops.Concat: _each(0),
}
"""Operator -> comparisons, products and sums of an elementwise kernel; copies alone are none."""

RULES: Final[dict[type[ops.Operator], Callable[[_Fusing, Node], None]]] = {
    ops.Input: _Fusing.image,
    ops.Conv2d: _Fusing.convolution,
    ops.ConvTranspose2d: _Fusing.convolution,
    ops.BiasAdd: _Fusing.affine,
    ops.BatchNorm2d: _Fusing.affine,
    ops.Activation: _Fusing.activation,
    ops.PRelu: _Fusing.elementwise,
    ops.Scale: _Fusing.affine,
    ops.Dropout: _Fusing.nothing,
    ops.MaxPool2d: _Fusing.elementwise,
    ops.PoolPositions: _Fusing.elementwise,
    ops.MaxUnpool2d: _Fusing.elementwise,
    ops.PadChannels: _Fusing.elementwise,
    ops.GlobalAvgPool2d: _Fusing.elementwise,
    ops.Resize: _Fusing.elementwise,
    ops.Crop: _Fusing.crop,
    ops.Add: _Fusing.elementwise,
    ops.Concat: _Fusing.elementwise,
}
"""Operator -> what becomes of it."""
