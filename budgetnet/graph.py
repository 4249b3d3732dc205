"""A network as data: named nodes in the order they are computed, each with its operator, its inputs and its output
shape.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, final

from budgetnet.ops import Crop, Input, MaxUnpool2d, Operator, Resize, Shape
from budgetnet.units import Number

READ: Final[Mapping[type[Operator], int]] = {Resize: 1, Crop: 1, MaxUnpool2d: 2}
"""Of how many inputs operators read the values, where not of all: one after these is there for its size alone."""


class GraphError(ValueError):
    """A network was declared wrongly: a name given twice, an input that is not there."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator at work. `part` says which part of the network it belongs to (`stem`, `head`)."""

    name: str
    part: str
    op: Operator
    inputs: tuple[str, ...]
    shape: Shape

    @property
    def sources(self) -> tuple[str, ...]:
        """The inputs whose values are read: the last one of a Resize, say, only gives its size."""
        return self.inputs[: READ.get(type(self.op))]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A whole network. `nodes` are in an order in which every input comes before its use; the last is the output."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes:
            raise GraphError("a graph must have at least one node")

    @property
    def input(self) -> Node:
        """The node of the image."""
        return next(node for node in self.nodes if isinstance(node.op, Input))

    @property
    def output(self) -> Node:
        """The node whose result is the network's."""
        return self.nodes[-1]

    def input_shapes(self) -> Iterator[tuple[Node, tuple[Shape, ...]]]:
        """Every node with the shapes of its inputs."""
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            yield node, tuple(shapes[name] for name in node.inputs)
            shapes[node.name] = node.shape


@final
class GraphBuilder:
    """Puts a graph together, node by node. Names are paths (`MobilenetV1/Conv2d_0/convolution`), unique in the
    graph.
    """

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        """Starts empty, or with the nodes of a graph that is to be continued."""
        self._nodes = {node.name: node for node in nodes}
        self._part = ""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Nodes added inside belong to this part of the network."""
        before, self._part = self._part, name
        yield
        self._part = before

    def image(self, *, height: Number, width: Number, channels: Number = 3) -> str:
        """Adds the input image and returns its name, `input`."""
        return self.add("input", Input(shape=Shape(channels=channels, height=height, width=width)))

    def add(self, name: str, op: Operator, *inputs: str) -> str:
        """Adds a node and returns its name. Raises GraphError or ops.ShapeError where it does not fit."""
        if name in self._nodes:
            raise GraphError(f"a node's name must be new, but got {name!r} twice")
        try:
            shapes = [self._nodes[given].shape for given in inputs]
        except KeyError as error:
            raise GraphError(f"the inputs of {name!r} must be declared before it, but got {error}") from None
        shape = op.output_shape(*shapes)
        self._nodes[name] = Node(name=name, part=self._part, op=op, inputs=inputs, shape=shape)
        return name

    def shape(self, name: str) -> Shape:
        """Output shape of a node that was added."""
        return self._nodes[name].shape

    def finish(self) -> Graph:
        """The graph of all nodes added; the last one is its output."""
        return Graph(nodes=tuple(self._nodes.values()))


def module_path(node_name: str) -> str:
    """Where a built network keeps a node's parameters: `conv1_pointwise/BiasAdd` -> `conv1_pointwise.BiasAdd`."""
    return node_name.replace("/", ".")
