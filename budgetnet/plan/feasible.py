"""The feasible set of a scenario with one network: every candidate that fits, enumerated before anything is trained.

Counted as whole grids, so it is exact and free however large the space is. Of candidates that are one network (narrow
stems have a least width) only one is kept: along an axis, values that every formula of the graph turns into the same
numbers count once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.graph import Graph
from budgetnet.grid import Block, Grid, blocks
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value
from budgetnet.plan.demand import Demand, Limit
from budgetnet.plan.survey import Look, Row
from budgetnet.plan.throughput import busy_shares
from budgetnet.roofline import Roof
from budgetnet.scenario import Scenario
from budgetnet.space import complete_space

Places = NDArray[np.int64]
NOWHERE: Final = -1
"""The place along an axis that means nothing to a candidate: that of a parameter of another head."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One searched parameter: its values in ascending order where they are numbers, else in the order given."""

    name: str
    values: tuple[Value, ...]
    numeric: bool


@final
class Feasible:
    """The candidates that fit, by index from 0: the most operations per second first, the fewest last.

    `total` is how many candidates the space holds, `fit` how many of them fit, `over` how many break each limit, and
    `len()` how many of those that fit are different networks. `axes` are the parameters with more than one value,
    `places` (len, axes) says which of an axis' values each candidate has, and `images_per_second` (len) what the
    budget allows with it: images of all cameras, were all frame rates multiplied alike. With a `roof` it is what an
    engine has the time for, as predicted.
    """

    def __init__(self, scenario: Scenario, roof: Roof | None = None) -> None:
        """Enumerates. Raises BudgetnetError where figures are too large for a grid."""
        (choice,) = scenario.networks
        demand = Demand(scenario)
        self._blocks = blocks(choice.family, choice.search_space)
        row = Row(demand, 0, self._blocks)
        look = Look(demand, [row])
        self._row, self._scenario = row, scenario
        self.total = int(look.fits.size)
        self.fit = int(look.fits.sum())
        self.over: Mapping[Limit, int] = {limit: int(flags.sum()) for limit, flags in sorted(look.broken.items())}
        different = look.fits & np.concatenate(_different(row.grids))
        chosen = np.flatnonzero(different)
        order = np.argsort(-row.required[chosen], kind="stable")
        self._flat: Places = chosen[order]
        self.axes = _axes(choice.family, scenario)
        self.images_per_second: NDArray[np.float64] = self._rates(demand, roof)
        self._indices: dict[Candidate, int] | None = None

    def _rates(self, demand: Demand, roof: Roof | None) -> NDArray[np.float64]:
        together = float(sum(group.images_per_second for group in self._scenario.groups))
        if roof is not None:
            busy = busy_shares(demand, self._row, roof)[self._flat]
            return np.asarray(together * (1 - self._scenario.reserve) / busy, dtype=np.float64)
        available = float(demand.available * demand.denominator)
        return np.asarray(together * available / self._row.required[self._flat].astype(np.float64), dtype=np.float64)

    def __len__(self) -> int:
        return int(self._flat.size)

    @cached_property
    def places(self) -> NDArray[np.int16]:
        """(len, axes): which of an axis' values each candidate has, or NOWHERE."""
        found = np.full((len(self), len(self.axes)), NOWHERE, dtype=np.int16)
        starts = np.cumsum([0, *map(len, self._blocks)])
        numbers = np.searchsorted(starts, self._flat, side="right") - 1
        for number in np.unique(numbers):
            block, mine = self._blocks[number], np.flatnonzero(numbers == number)
            inside = dict(
                zip(block.axes, np.unravel_index(self._flat[mine] - starts[number], block.shape), strict=True)
            )
            for column, axis in enumerate(self.axes):
                if axis.name in block.words:
                    found[mine, column] = axis.values.index(block.words[axis.name])
                elif axis.name in block.axes:
                    known = np.array([axis.values.index(value) for value in block.axes[axis.name]], dtype=np.int16)
                    found[mine, column] = known[inside[axis.name]]
        return found

    @cached_property
    def widest(self) -> int | None:
        """Of the candidates with the widest stem that of the most operations: by the first number on a scale among the
        stem's parameters. None where all are alike in it.
        """
        known = family(self._blocks[0].network)
        for column, axis in enumerate(self.axes):
            parameter = known.parameter(axis.name)
            if parameter.part == "stem" and parameter.numeric:
                return int(np.argmax(self.places[:, column]))
        return None

    def candidate(self, index: int) -> Candidate:
        """The candidate at an index, 0 <= index < len."""
        return self._row.candidate(int(self._flat[index]))

    def index(self, candidate: Candidate) -> int | None:
        """Where a candidate stands; None for one that does not fit, is not of the space, or is the same network as one
        that stands for it.
        """
        if candidate.network != self._blocks[0].network:
            return None
        given = candidate.parameters
        start = 0
        for block in self._blocks:
            place = _place(block, given)
            if place is not None:
                (found,) = np.nonzero(self._flat == start + place)
                return int(found[0]) if found.size else None
            start += len(block)
        return None

    def one_of_each(self, parameter: str) -> list[Candidate]:
        """A candidate for each value of a parameter that some candidate has."""
        columns = [column for column, axis in enumerate(self.axes) if axis.name == parameter]
        if not columns:
            return [self.candidate(0)]
        _, first = np.unique(self.places[:, columns[0]], return_index=True)
        return [self.candidate(index) for index in sorted(first.tolist())]

    def record(self) -> dict[str, Any]:
        """How many there are and what became of the others, as plain data for JSON."""
        return {
            "total": self.total,
            "over": dict(self.over),
            "fit": self.fit,
            "same_network": self.fit - len(self),
            "different": len(self),
        }


def _place(block: Block, given: Mapping[str, Value]) -> int | None:
    """Where a block holds a candidate of these parameters; None where it does not."""
    if set(given) != {*block.words, *block.axes} or any(given[name] != word for name, word in block.words.items()):
        return None
    if any(given[name] not in values for name, values in block.axes.items()):
        return None
    at = tuple(values.index(given[name]) for name, values in block.axes.items())
    return int(np.ravel_multi_index(at, block.shape)) if at else 0


def _axes(network: str, scenario: Scenario) -> tuple[Axis, ...]:
    known = family(network)
    found = []
    for name, values in complete_space(network, scenario.networks[0].search_space).items():
        numeric = not isinstance(values[0], str)
        if len(values) > 1:
            scale = tuple(sorted(values)) if numeric else tuple(values)
            found.append(Axis(name=known.parameter(name).name, values=scale, numeric=numeric))
    return tuple(found)


def _different(grids: Sequence[Grid]) -> list[NDArray[np.bool_]]:
    """Which candidates of each block are not the same network as an earlier one: flat, the last axis fastest."""
    found: list[NDArray[np.bool_]] = []
    for number, grid in enumerate(grids):
        if any(_same_networks(earlier, grid) for earlier in grids[:number]):
            found.append(np.zeros(len(grid.block), dtype=np.bool_))
            continue
        kept = np.ones(grid.block.shape, dtype=np.bool_)
        for axis, length in enumerate(grid.block.shape):
            shape = [-1 if each == axis else 1 for each in range(kept.ndim)]
            kept &= _first_alike(grid.graph, axis, length).reshape(shape)
        found.append(kept.reshape(-1))
    return found


def _same_networks(one: Grid, other: Grid) -> bool:
    """Whether two blocks of the same axes differ in words alone that mean nothing: `fcn16s` on a map of stride 16."""
    if one.block.axes != other.block.axes or len(one.graph.nodes) != len(other.graph.nodes):
        return False
    return all(_same(mine, theirs) for mine, theirs in zip(one.graph.nodes, other.graph.nodes, strict=True))


def _same(one: Any, other: Any) -> bool:
    """Equality of what graphs are made of, numbers of a whole grid among it."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)


def _first_alike(graph: Graph, axis: int, length: int) -> NDArray[np.bool_]:
    """Which values of an axis no earlier value of it equals in any number of the graph."""
    alike = np.ones((length, length), dtype=np.bool_)
    for figure in _numbers(graph):
        if figure.ndim > axis and figure.shape[axis] == length and length > 1:
            flat = np.moveaxis(figure, axis, 0).reshape(length, -1)
            alike &= (flat[:, None, :] == flat[None, :, :]).all(axis=2)
        if not np.triu(alike, 1).any():
            break
    return np.asarray(~np.tril(alike, -1).any(axis=1), dtype=np.bool_)


def _numbers(graph: Graph) -> Iterator[NDArray[Any]]:
    """Every number of a graph that is an array: what its operators are made of and the shapes that come out."""
    parts: list[Any] = [part for node in graph.nodes for part in (node.shape, node.op)]
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                yield value
