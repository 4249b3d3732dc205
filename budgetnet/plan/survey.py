"""Millions of choices at once: how many fit, which limit stops the others, and those that matter, measured exactly.

Every network's candidates are counted as whole grids and laid out in one row. A choice of several networks is then a
place in an array with an axis for each network, so sums and comparisons take one pass however many choices there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, reduce
from itertools import accumulate
from math import floor
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.count import Cost
from budgetnet.grid import LARGEST_COUNT, Block, Grid, Size, count_block
from budgetnet.memory import Memory, memory
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Demand, Figures, Limit, Planned

NEAR = 1e-9
"""Relative distance to a limit below which floating point is not trusted; sums in it are true to 1e-14."""

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found among `total` choices. `listed` and `best` are the ones nearest to the limit, most operations
    first; `smallest` has the fewest operations, `lightest` the least memory, `nearest` breaks the fewest limits.
    """

    total: int
    fit: int
    over: Mapping[Limit, int]
    listed: tuple[Planned, ...]
    best: tuple[Planned, ...]
    smallest: Planned
    lightest: Planned
    nearest: Planned


def survey(demand: Demand, spaces: Sequence[Sequence[Block]], *, listed: int) -> Survey:
    """Looks through every choice of one candidate for each network. `spaces` holds the blocks of each.

    Lists `listed` choices at most: two thirds for those that fit, the rest for those that do not; of either more where
    there are fewer of the other. Raises BudgetnetError where the figures are too large for a grid.
    """
    look = Look(demand, [Row(demand, network, space) for network, space in enumerate(spaces)])
    fits = look.fits
    total, fit = fits.size, int(fits.sum())
    fitting = min(fit, max(listed - listed // 3, listed - (total - fit)))
    broken = {limit: flags.reshape(-1) for limit, flags in look.broken.items()}
    worst = np.sum([flags.astype(np.int8) for flags in broken.values()], axis=0)
    required = look.required.reshape(-1)
    tops = maximal(fits, [[block.shape for block in space] for space in spaces])
    return Survey(
        total=total,
        fit=fit,
        over={limit: int(flags.sum()) for limit, flags in sorted(broken.items()) if flags.any()},
        listed=(
            *look.measured(_most(required, fits.reshape(-1), fitting)),
            *look.measured(_most(-required, ~fits.reshape(-1), listed - fitting)[::-1]),
        ),
        best=look.measured(_most(required, tops.reshape(-1), listed)),
        smallest=look.measured(np.array([required.argmin()]))[0],
        lightest=look.measured(np.array([look.bytes.reshape(-1).argmin()]))[0],
        nearest=look.measured(_most(-required, worst == worst.min(), 1))[0],
    )


def maximal(fits: Flags, shapes: Sequence[Sequence[tuple[int, ...]]]) -> Flags:
    """Which choices fit while no other one that fits is as far or farther along every axis of its blocks.

    `fits` has an axis for each network, with the candidates of its blocks one block after the other, the last axis of a
    block fastest; `shapes` holds the shapes of each network's blocks.
    """
    beyond = fits.copy()  # whether this choice or one beyond it fits
    for here in _along_blocks(beyond, shapes):
        turned = here[..., ::-1]
        np.logical_or.accumulate(turned, axis=-1, out=turned)
    strictly = np.zeros_like(fits)
    for here, there in zip(_along_blocks(strictly, shapes), _along_blocks(beyond, shapes), strict=True):
        here[..., :-1] |= there[..., 1:]
    return fits & ~strictly


def _along_blocks(flags: Flags, shapes: Sequence[Sequence[tuple[int, ...]]]) -> Iterator[Flags]:
    """For every axis of every block a view of the flags, that axis last."""
    for network, several in enumerate(shapes):
        moved = np.moveaxis(flags, network, -1)
        starts = [0, *accumulate(int(np.prod(shape)) for shape in several)]
        for start, shape in zip(starts, several, strict=False):
            block = moved[..., start : start + int(np.prod(shape))]
            others = block.shape[:-1]
            strides = [block.strides[-1] * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
            view = np.lib.stride_tricks.as_strided(block, (*others, *shape), (*block.strides[:-1], *strides))
            for axis in range(len(shape)):
                yield np.moveaxis(view, len(others) + axis, -1)


@final
class Row:
    """All candidates of one network, block after block, counted for the image size of each of its groups.

    `required` are operations per second times the demand's denominator: whole numbers where 64 bits hold them, else
    floating point; `exact` the same in Python's own whole numbers.
    """

    def __init__(self, demand: Demand, network: int, space: Sequence[Block]) -> None:
        self.rates = [
            (rate, (group.height, group.width))
            for group, rate in zip(demand.groups, demand.rates, strict=True)
            if group.network == network
        ]
        sizes = list(dict.fromkeys(size for _, size in self.rates))
        self.grids = [count_block(block, sizes=sizes, classes=[demand.classes]) for block in space]
        self._stems = [grid.count.part("stem") for grid in self.grids]
        self._heads = [grid.count.beside("stem") for grid in self.grids]
        self._memories = [memory(grid.graph) for grid in self.grids]
        self._starts = np.array([0, *accumulate(len(block) for block in space)])
        self._ops = {size: self._flat([grid.count.total.ops for grid in self.grids], size) for size in sizes}
        most = sum(rate * int(self._ops[size].max()) for rate, size in self.rates)
        kind = np.int64 if most <= LARGEST_COUNT else np.float64
        self.required: NDArray[Any] = sum(kind(rate) * self._ops[size] for rate, size in self.rates)  # type: ignore[assignment]
        self.most = most
        weights = [held.weight_bytes(demand.precision) for held in self._memories]
        peaks = [held.peak_bytes(demand.precision) for held in self._memories]
        self.weight_bytes = self._flat(weights, sizes[0])
        self.peak_bytes = reduce(np.maximum, [self._flat(peaks, size) for size in sizes])
        self._candidates: dict[int, Candidate] = {}

    def _flat(self, figures: Sequence[Any], size: Size) -> Places:
        """A figure of every candidate at one image size."""
        rows = [
            grid.full(figure)[..., grid.sizes.index(size), 0].reshape(-1)
            for grid, figure in zip(self.grids, figures, strict=True)
        ]
        return np.concatenate(rows)

    def exact(self, places: Places) -> NDArray[Any]:
        """What candidates require, in whole numbers of any length."""
        return sum(  # type: ignore[return-value]
            rate * self._ops[size][places].astype(object) for rate, size in self.rates
        )

    def candidate(self, place: int) -> Candidate:
        """The candidate at a place."""
        if place not in self._candidates:
            number = int(np.searchsorted(self._starts, place, side="right")) - 1
            self._candidates[place] = self.grids[number].block.candidate(place - int(self._starts[number]))
        return self._candidates[place]

    def figures(self, places: Places, size: Size) -> list[Figures]:
        """What the candidates at these places cost, in plain ints."""
        found: dict[int, Figures] = {}
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(numbers):
            mine = np.unique(places[numbers == number])
            grid = self.grids[number]
            inside = np.unravel_index(mine - self._starts[number], grid.block.shape)
            at = (*inside, grid.sizes.index(size), 0)
            columns = zip(
                _records(Cost, self._stems[number], grid, at),
                _records(Cost, self._heads[number], grid, at),
                _records(Memory, self._memories[number], grid, at),
                strict=True,
            )
            for place, (stem, head, held) in zip(mine.tolist(), columns, strict=True):
                found[place] = Figures(stem=stem, head=head, memory=held)
        return [found[place] for place in places.tolist()]


def _records(kind: type[Any], arrays: Any, grid: Grid, at: tuple[Any, ...]) -> Iterator[Any]:
    """Cost or memory of single candidates out of those of a grid."""
    names = [each.name for each in fields(kind)]
    columns = [grid.full(getattr(arrays, name))[at].tolist() for name in names]
    return (kind(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True))


@final
class Look:
    """Every choice, in arrays with an axis for each network."""

    def __init__(self, demand: Demand, rows: Sequence[Row]) -> None:
        self._demand, self._rows = demand, rows
        whole = sum(row.most for row in rows) <= LARGEST_COUNT
        parts = [row.required if whole else row.required.astype(np.float64) for row in rows]
        self.required: NDArray[Any] = reduce(np.add.outer, parts)
        self._whole = whole

    @cached_property
    def bytes(self) -> Places:
        """Weights of all networks and the live activations of the worst group."""
        weights = reduce(np.add.outer, [row.weight_bytes for row in self._rows])
        return weights + reduce(np.maximum.outer, [row.peak_bytes for row in self._rows])

    @cached_property
    def broken(self) -> Mapping[Limit, Flags]:
        """Limit -> which choices break it."""
        demand = self._demand
        broken: dict[Limit, Flags] = {"budget_gops": self._over_operations()}
        if demand.available_bytes is not None:
            broken["budget_mb"] = self.bytes > floor(demand.available_bytes)
        return broken

    @cached_property
    def fits(self) -> Flags:
        """Which choices break no limit."""
        over: Flags = np.logical_or.reduce(list(self.broken.values()))
        return ~over

    def _over_operations(self) -> Flags:
        limit = floor(self._demand.available * self._demand.denominator)
        if self._whole:
            over: Flags = self.required > min(limit, LARGEST_COUNT)
            return over
        over = self.required > float(limit)
        near = np.flatnonzero(abs(self.required.reshape(-1) - float(limit)) <= NEAR * float(limit))
        exact = sum(row.exact(place) for row, place in zip(self._rows, self._places(near), strict=True))
        over.reshape(-1)[near] = np.asarray(exact > limit, dtype=np.bool_)
        return over

    def _places(self, indices: Places) -> list[Places]:
        """The place of each network's candidate in each of these choices."""
        return [np.asarray(each) for each in np.unravel_index(indices, self.required.shape)]

    def measured(self, indices: Places) -> tuple[Planned, ...]:
        """The choices at these indices, in plain ints."""
        places = self._places(indices)
        per_group = [
            self._rows[group.network].figures(places[group.network], (group.height, group.width))
            for group in self._demand.groups
        ]
        chosen = zip(
            *([row.candidate(place) for place in at.tolist()] for row, at in zip(self._rows, places, strict=True)),
            strict=True,
        )
        figures = zip(*per_group, strict=True)
        return tuple(
            Planned(demand=self._demand, candidates=candidates, figures=found)
            for candidates, found in zip(chosen, figures, strict=True)
        )


def _most(key: NDArray[Any], flags: Flags, number: int) -> Places:
    """Indices of the flagged choices with the largest keys, `number` at most, largest first; of equals the first."""
    flagged = np.flatnonzero(flags)
    mine = -key[flagged]
    if number < flagged.size:
        chosen = np.sort(np.argpartition(mine, number)[:number])
        flagged, mine = flagged[chosen], mine[chosen]
    return flagged[np.argsort(mine, kind="stable")]
