"""Network families: functions from parameters to a `Graph`. One file each, its name is its key.

A network file holds

- a docstring whose first line says what it is;
- `PARAMETERS`: a tuple of `Parameter`; a family that takes heads has one named `head` among them, and the parameters
of the
  chosen head join its own;
- `graph(*, classes, height, width, **parameters) -> Graph`;
- `MEMBERS`, if people know some of its networks by a name: name -> parameters, defaults for the rest.

Counting, building, planning and searching follow from that file; the contract tests find it by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast, final

from budgetnet import heads
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.graph import Graph, GraphError
from budgetnet.parameters import Parameter, Value, written
from budgetnet.plugins import load_module, module_names
from budgetnet.units import Number

USUAL = "mobilenet-fcn"
"""The family that is meant where none is named."""

SMALLEST_SIDE = 32
"""Images are at least this high and wide, in pixels: one cell of the deepest map."""


class Declaration(Protocol):
    """A network file, as its users see it."""

    PARAMETERS: tuple[Parameter, ...]

    def graph(self, *, classes: Number, height: Number, width: Number, **parameters: Value) -> Graph:
        """The network as a graph."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A network family by name, with all parameters that it and its heads know."""

    name: str
    declaration: Declaration
    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter:
        """The parameter `name`. Raises BudgetnetError naming the nearest known one when there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = [parameter.name for parameter in self.parameters]
        raise BudgetnetError(f"{self.name} has no parameter {name!r}{did_you_mean(name, known)}")

    def complete(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """`values` checked, in the declared order and types, with defaults for what is left out.

        Parameters of heads other than the chosen one are dropped: they mean nothing to this network. Raises
        BudgetnetError.
        """
        for name, value in values.items():
            rule = self.parameter(name).check(value)
            if rule:
                raise BudgetnetError(f"{name}: {rule}, but got {shorten(value)}")
        own = {p.name: p.normal(values.get(p.name, p.default)) for p in self.declaration.PARAMETERS}
        if "head" in own:
            chosen = self.head_parameters(str(own["head"]))
            own |= {p.name: p.normal(values.get(p.name, p.default)) for p in chosen}
        return own

    @property
    def members(self) -> "dict[str, Candidate]":
        """Its networks that people know by a name; where none has one, the network of all defaults by the family's."""
        named = getattr(self.declaration, "MEMBERS", None) or {self.name: {}}
        return {name: Candidate.of(self.name, parameters) for name, parameters in named.items()}

    def head_parameters(self, head: str) -> tuple[Parameter, ...]:
        """The parameters that a head brings along."""
        return heads.head(head).PARAMETERS


def names() -> list[str]:
    """Keys of all network families."""
    return module_names(__name__)


@cache
def family(name: str) -> Family:
    """The network family `name`. Raises BudgetnetError naming the known ones when there is none."""
    declaration = cast(Declaration, load_module(__name__, name, "network"))
    parameters = {parameter.name: parameter for parameter in declaration.PARAMETERS}
    if "head" in parameters:
        usual = parameters["head"].default
        for key in sorted(heads.names(), key=lambda key: key != usual):
            for parameter in heads.head(key).PARAMETERS:
                if parameters.setdefault(parameter.name, parameter) != parameter:
                    raise ValueError(f"{parameter.name}: must be declared once for all heads, but {key!r} has its own")
    return Family(name=name, declaration=declaration, parameters=tuple(parameters.values()))


@final
@dataclass(frozen=True, slots=True)
class Candidate:
    """One network of a family: its key and its parameters, complete and in the declared order. Hashable."""

    network: str
    values: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, network: str, values: Mapping[str, Value]) -> "Candidate":
        """The candidate with these parameters, defaults for the rest. Raises BudgetnetError on a bad one."""
        return cls(network, tuple(family(network).complete(values).items()))

    @property
    def parameters(self) -> dict[str, Value]:
        """Parameter name -> value."""
        return dict(self.values)

    @property
    def label(self) -> str:
        """Short, readable and exact: `0.5 / Conv2d_13_pointwise / fcn / 7 / 1024`. Read again it is this candidate.

        Named parameters follow where they are not the default: `... / 7 / 1024 / output_stride=16`.
        """
        known = family(self.network)
        several = [(known.parameter(name), written(value)) for name, value in self.values]
        plain = [word for parameter, word in several if not parameter.named]
        named = [
            f"{parameter.name}={word}"
            for parameter, word in several
            if parameter.named and word != written(parameter.default)
        ]
        return " / ".join([*plain, *named])

    @property
    def called(self) -> str:
        """The label, behind its family where that is not the usual one: as the command line reads it."""
        return self.label if self.network == USUAL else f"{self.network} {self.label}"

    def graph(self, *, classes: int, height: int, width: int) -> Graph:
        """The network for images of height x width pixels and this many classes. Raises BudgetnetError below 32
        pixels.
        """
        for side, size in (("height", height), ("width", width)):
            if size < SMALLEST_SIDE:
                raise BudgetnetError(f"{side}: must be {SMALLEST_SIDE} or more, but got {size}")
        graph = family(self.network).declaration.graph(classes=classes, height=height, width=width, **self.parameters)
        output = graph.output.shape
        if (output.channels, output.height, output.width) != (classes, height, width):
            asked = f"{classes} x {height} x {width}"
            raise GraphError(f"{self.label}: the last node must give {asked}, but {graph.output.name!r} gives {output}")
        return graph
