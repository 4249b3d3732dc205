"""A network in figures: what each layer does and sees, what it needs in memory, which layers its operations go to."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

from budgetnet import ops
from budgetnet.count import Cost, Layer, count
from budgetnet.graph import Graph, Node
from budgetnet.memory import Memory, memory
from budgetnet.ops import Shape
from budgetnet.receptive import Field, receptive_fields
from budgetnet.units import BYTES, Precision

MOST: Final = Fraction(4, 5)
"""The share of all operations that the dominating layers make together."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A layer with its kind, its share of all operations, and its receptive field."""

    layer: Layer
    kind: str
    share: float
    field: Field


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All layers of one kind; both shares are of the whole network."""

    kind: str
    layers: int
    cost: Cost
    share: float
    params_share: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole network, per image. `layers` leave the image out; `kinds` are those that compute or hold parameters, most
    operations first; `leading` are the fewest layers that make `MOST` of the operations. `image` is a number of
    elements.
    """

    layers: tuple[Seen, ...]
    kinds: tuple[Group, ...]
    leading: tuple[Seen, ...]
    total: Cost
    memory: Memory
    image: int

    @property
    def computing(self) -> int:
        """How many layers compute."""
        return sum(1 for each in self.layers if each.layer.cost.ops)

    def image_bytes(self, precision: Precision) -> int:
        """Bytes of the image that goes in."""
        return BYTES[precision] * self.image


def summarise(graph: Graph) -> Summary:
    """The summary of a graph of plain ints."""
    counted, fields = count(graph), receptive_fields(graph)
    inputs = [given for _, given in graph.input_shapes()]
    total = counted.total
    layers = tuple(
        Seen(
            layer=layer,
            kind=kind(layer.node, given),
            share=_share(layer.cost.ops, total.ops),
            field=fields[layer.name],
        )
        for layer, given in zip(counted.layers, inputs, strict=True)
        if not isinstance(layer.node.op, ops.Input)
    )
    shape = graph.input.shape
    return Summary(
        layers=layers,
        kinds=_kinds(layers, total),
        leading=_leading(layers, total),
        total=total,
        memory=memory(graph),
        image=shape.channels * shape.height * shape.width,
    )


def kind(node: Node, inputs: tuple[Shape, ...]) -> str:
    """What sort of layer it is: convolutions by what they connect, all others by their operator's name."""
    match node.op:
        case ops.ConvTranspose2d():
            return "transposed"
        case ops.Conv2d(groups=1, kernel=1):
            return "pointwise"
        case ops.Conv2d(groups=1):
            return "standard"
        case ops.Conv2d(groups=groups):
            return "depthwise" if groups == inputs[0].channels else "grouped"
        case ops.BiasAdd():
            return "bias"
        case ops.BatchNorm2d():
            return "batch norm"
        case _:
            return type(node.op).__name__


def _kinds(layers: Sequence[Seen], total: Cost) -> tuple[Group, ...]:
    by_kind: dict[str, list[Cost]] = {}
    for each in layers:
        if each.layer.cost.ops or each.layer.cost.params:
            by_kind.setdefault(each.kind, []).append(each.layer.cost)
    groups = [_group(name, costs, total) for name, costs in by_kind.items()]
    return tuple(sorted(groups, key=lambda group: -group.cost.ops))


def _group(name: str, costs: Sequence[Cost], total: Cost) -> Group:
    cost = Cost.sum(costs)
    return Group(
        kind=name,
        layers=len(costs),
        cost=cost,
        share=_share(cost.ops, total.ops),
        params_share=_share(cost.params, total.params),
    )


def _leading(layers: Sequence[Seen], total: Cost) -> tuple[Seen, ...]:
    """The largest layers, as many as it takes; of equal ones the earlier."""
    chosen: list[Seen] = []
    made = 0
    for each in sorted(layers, key=lambda each: -each.layer.cost.ops):
        if made >= MOST * total.ops:
            break
        chosen.append(each)
        made += each.layer.cost.ops
    return tuple(chosen)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
