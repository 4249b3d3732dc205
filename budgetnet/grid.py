"""Whole grids of networks, counted in one evaluation of the graph's formulas.

A search space falls into blocks: candidates that share every word (endpoint, head, output stride: what is one of its
choices) and so have one graph, and differ in numbers only. The numbers of a block are axes; given as NumPy arrays, one
axis each, the graph's formulas count all of the block at once. What depends on few axes is computed on those few only,
so the stem of a million candidates costs no more than the few stems there are.

NumPy is imported only by what counts, so that plans of few candidates start at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Literal, final

from budgetnet.count import Cost, Count, count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value
from budgetnet.space import Space, Spaces, alternatives, complete_space

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE_BY_ONE = 2_000
"""Up to so many networks are counted one by one, which needs no NumPy and so starts at once."""

LARGEST_COUNT = 2**62
"""Figures of a grid are 64-bit whole numbers; beyond this, sums of them could overflow."""

Size = tuple[int, int]
"""Height and width in pixels."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Candidates that differ in numbers only: every combination of the values along the axes, the last axis fastest.

    `words` are the parameters that are the same for all; `axes` the others, each with its values in ascending order.
    """

    network: str
    words: Mapping[str, Value]
    axes: Mapping[str, tuple[Value, ...]]

    def __len__(self) -> int:
        return prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(values) for values in self.axes.values())

    def candidate(self, index: int) -> Candidate:
        """The candidate at a place, 0 <= index < len(block)."""
        chosen: dict[str, Value] = {}
        for name in reversed(list(self.axes)):
            index, place = divmod(index, len(self.axes[name]))
            chosen[name] = self.axes[name][place]
        return Candidate.of(self.network, {**self.words, **chosen})


def blocks(network: str, space: Spaces) -> tuple[Block, ...]:
    """The blocks of a space, or of several one after the other; together they hold every candidate once. Parameters
    left out take the family's proposal.

    `space` must have been checked.
    """
    return tuple(block for one in alternatives(space) for block in _blocks(network, one))


def _blocks(network: str, space: Space) -> Iterable[Block]:
    chosen, full = family(network), complete_space(network, space)
    words = {name: values for name, values in full.items() if not chosen.parameter(name).numeric}
    found: dict[tuple[tuple[str, Value], ...], Block] = {}
    for combination in product(*words.values()):
        own = chosen.complete(dict(zip(words, combination, strict=True)))
        mine = {name: value for name, value in own.items() if name in words}
        axes = {name: tuple(sorted(full[name])) for name in own if name not in words}
        # words of a head that is not chosen mean nothing, so combinations may name one block twice
        found.setdefault(tuple(mine.items()), Block(network=network, words=mine, axes=axes))
    return found.values()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A block counted for several image sizes and class counts.

    The arrays of `graph` and `count` have the axes of `shape`: the block's, then sizes, then class counts; an axis on
    which a figure does not depend has length 1 in it. `full` spreads a figure over all.
    """

    block: Block
    sizes: tuple[Size, ...]
    classes: tuple[int, ...]
    graph: Graph
    count: Count

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of all axes."""
        return (*self.block.shape, len(self.sizes), len(self.classes))

    def full(self, figure: Any) -> "NDArray[Any]":
        """A figure on every axis, without taking memory for it: an array of `shape` to read."""
        import numpy as np

        return np.broadcast_to(np.asarray(figure), self.shape)


def count_block(block: Block, *, sizes: Sequence[Size], classes: Sequence[int]) -> Grid:
    """Counts a whole block in one evaluation, equal to the one-by-one count to the last operation.

    Raises BudgetnetError where the largest network has more operations than 64 bits hold.
    """
    largest = {name: values[-1] for name, values in block.axes.items()}
    height, width = max(height for height, _ in sizes), max(width for _, width in sizes)
    candidate = Candidate.of(block.network, {**block.words, **largest})
    most = count(candidate.graph(classes=max(classes), height=height, width=width)).total
    if max(most.ops, most.params) > LARGEST_COUNT:
        rule = f"networks of a grid must take {LARGEST_COUNT:,} operations per image or fewer"
        raise BudgetnetError(f"{rule}, but got {most.ops:,} for {candidate.label}")
    axes = len(block.axes) + 2
    numbers = {name: _along(place, axes, values) for place, (name, values) in enumerate(block.axes.items())}
    graph = family(block.network).declaration.graph(
        classes=_along(axes - 1, axes, classes),
        height=_along(axes - 2, axes, [height for height, _ in sizes]),
        width=_along(axes - 2, axes, [width for _, width in sizes]),
        **block.words,
        **numbers,
    )
    return Grid(block=block, sizes=tuple(sizes), classes=tuple(classes), graph=graph, count=count(graph))


def part_costs(
    block: Block, part: Literal["stem", "head"], *, sizes: Sequence[Size], classes: Sequence[int]
) -> Iterator[Cost]:
    """What one part of each network of a block costs, for every size and class count: the last of them fastest.

    `head` is all that is not the stem. Few are counted one by one, more as a grid. Raises BudgetnetError.
    """
    if len(block) * len(sizes) * len(classes) <= ONE_BY_ONE:
        candidates = [block.candidate(index) for index in range(len(block))]
        for candidate, (height, width), number in product(candidates, sizes, classes):
            graph = candidate.graph(classes=number, height=height, width=width)
            yield count(graph).part("stem") if part == "stem" else count(graph, without="stem").total
        return
    grid = count_block(block, sizes=sizes, classes=classes)
    cost = grid.count.part("stem") if part == "stem" else grid.count.beside("stem")
    columns = (grid.full(getattr(cost, each.name)).reshape(-1).tolist() for each in fields(cost))
    yield from (Cost(macs=macs, bias_adds=adds, params=params) for macs, adds, params in zip(*columns, strict=True))


def count_each(candidates: Sequence[Candidate], *, sizes: Sequence[Size], classes: Sequence[int]) -> Cost:
    """Counts listed candidates, each for its own image size and class count: arrays in the order of the list.

    Those that share every word are counted together in one evaluation. Figures must stay below 2^62.
    """
    import numpy as np

    numbers = {
        network: {parameter.name for parameter in family(network).parameters if parameter.numeric}
        for network in {candidate.network for candidate in candidates}
    }
    together: dict[tuple[str, tuple[tuple[str, Value], ...]], list[int]] = {}
    for index, candidate in enumerate(candidates):
        words = tuple([each for each in candidate.values if each[0] not in numbers[candidate.network]])
        together.setdefault((candidate.network, words), []).append(index)
    macs, bias_adds, params = (np.zeros(len(candidates), dtype="int64") for _ in range(3))
    for (network, _), places in together.items():
        chosen = [candidates[place].values for place in places]
        height, width = np.array([sizes[place] for place in places]).T
        graph = family(network).declaration.graph(
            classes=np.array([classes[place] for place in places]),
            height=height,
            width=width,
            **{  # type: ignore[arg-type]
                name: np.array([values[at][1] for values in chosen]) if name in numbers[network] else value
                for at, (name, value) in enumerate(chosen[0])
            },
        )
        total = count(graph).total
        macs[places], bias_adds[places], params[places] = total.macs, total.bias_adds, total.params
    return Cost(macs=macs, bias_adds=bias_adds, params=params)


def _along(place: int, axes: int, values: Sequence[Any]) -> Any:
    """An array of `axes` axes with the values along one of them, so that it broadcasts against the others."""
    import numpy as np

    return np.array(values).reshape([-1 if axis == place else 1 for axis in range(axes)])
