"""Millions of choices at once: how many fit, which limit stops the others, and those that matter, measured exactly.

Blocks are counted as whole grids. Sums and comparisons are done in floating point for all, and again in exact
arithmetic for those so near to a limit that rounding could decide.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.count import Cost
from budgetnet.grid import Block, Grid, Size, count_block
from budgetnet.memory import Memory, memory
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Demand, Figures, Limit, Planned

NEAR = 1e-9
"""Relative distance to a limit below which it is decided exactly; sums in floating point are true to 1e-14."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found among `total` choices. `listed` and `best` are the ones nearest to the limit, most operations
    first; `smallest` is the one nearest to fitting, or the one of fewest operations.
    """

    total: int
    fit: int
    over: dict[Limit, int]
    listed: tuple[Planned, ...]
    best: tuple[Planned, ...]
    smallest: Planned


def survey(demand: Demand, spaces: Sequence[Sequence[Block]], *, listed: int) -> Survey:
    """Looks through every choice of one candidate for each network. `spaces` holds the blocks of each.

    Lists `listed` choices at most: two thirds for those that fit, the rest for those that do not; of either more where
    there are fewer of the other. Raises BudgetnetError where the figures are too large for a grid.
    """
    counted = [[_Counted.of(demand, place, block) for block in space] for place, space in enumerate(spaces)]
    looked = [_Look.at(demand, combination) for combination in product(*counted)]
    total, fit = sum(look.fits.size for look in looked), sum(int(look.fits.sum()) for look in looked)
    over: Counter[Limit] = Counter()
    for look in looked:
        over.update({limit: int(broken.sum()) for limit, broken in look.broken.items()})
    fitting = min(fit, max(listed - listed // 3, listed - (total - fit)))
    return Survey(
        total=total,
        fit=fit,
        over={limit: number for limit, number in sorted(over.items()) if number},
        listed=(
            *_measured(looked, [look.fits for look in looked], fitting, most=True),
            *reversed(_measured(looked, [~look.fits for look in looked], listed - fitting, most=False)),
        ),
        best=_measured(looked, [maximal(look.grid).reshape(-1) for look in looked], listed, most=True),
        smallest=_smallest(looked),
    )


def maximal(fits: Flags) -> Flags:
    """Which places of a grid fit while no other place that fits is as far or farther along every axis."""
    beyond = fits.copy()  # whether this place or one beyond it fits
    for axis in range(fits.ndim):
        beyond = np.flip(np.logical_or.accumulate(np.flip(beyond, axis), axis), axis)
    strictly = np.zeros_like(fits)
    for axis in range(fits.ndim):
        before = tuple(slice(0, -1) if each == axis else slice(None) for each in range(fits.ndim))
        after = tuple(slice(1, None) if each == axis else slice(None) for each in range(fits.ndim))
        strictly[before] |= beyond[after]
    return fits & ~strictly


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """A block of one network's candidates, counted for the image size of each of the network's groups.

    `required` (operations per second), `weight_bytes` and `peak_bytes` have an entry for each candidate.
    """

    grid: Grid
    stem: Cost
    head: Cost
    memory: Memory
    required: Floats
    weight_bytes: NDArray[np.int64]
    peak_bytes: NDArray[np.int64]

    @classmethod
    def of(cls, demand: Demand, network: int, block: Block) -> "_Counted":
        mine = [
            (weight, (group.height, group.width))
            for group, weight in zip(demand.groups, demand.weights, strict=True)
            if group.network == network
        ]
        sizes = list(dict.fromkeys(size for _, size in mine))
        grid = count_block(block, sizes=sizes, classes=[demand.classes])
        ops = _by_size(grid, grid.count.total.ops)
        held = memory(grid.graph)
        return cls(
            grid=grid,
            stem=grid.count.part("stem"),
            head=grid.count.beside("stem"),
            memory=held,
            required=sum((float(weight) * ops[:, sizes.index(size)] for weight, size in mine), np.zeros(len(block))),
            weight_bytes=_by_size(grid, held.weight_bytes(demand.precision))[:, 0],
            peak_bytes=_by_size(grid, held.peak_bytes(demand.precision)).max(axis=1),
        )

    def candidate(self, index: int) -> Candidate:
        return self.grid.block.candidate(index)

    def figures(self, index: int, size: Size) -> Figures:
        """What the candidate at a place costs, in plain ints."""
        inside = tuple(int(each) for each in np.unravel_index(index, self.grid.block.shape))
        place = (*inside, self.grid.sizes.index(size), 0)

        def plain(found: Cost | Memory) -> dict[str, int]:
            return {each.name: int(self.grid.full(getattr(found, each.name))[place]) for each in fields(found)}

        return Figures(
            stem=Cost(**plain(self.stem)), head=Cost(**plain(self.head)), memory=Memory(**plain(self.memory))
        )


def _by_size(grid: Grid, figure: Any) -> NDArray[Any]:
    """A figure with a row for each candidate and a column for each image size."""
    return grid.full(figure)[..., 0].reshape(len(grid.block), len(grid.sizes))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The choices out of one block for each network, the last block's candidates fastest."""

    demand: Demand
    counted: tuple[_Counted, ...]
    required: Floats
    broken: dict[Limit, Flags]
    fits: Flags

    @classmethod
    def at(cls, demand: Demand, counted: tuple[_Counted, ...]) -> "_Look":
        required = reduce(np.add.outer, (each.required for each in counted)).reshape(-1)
        look = cls(demand=demand, counted=counted, required=required, broken={}, fits=np.ones(required.size, bool))
        look._decide("budget_gops", required, demand.available, lambda index: look.choice(index).required)
        if demand.available_bytes is not None:
            weights = reduce(np.add.outer, (each.weight_bytes for each in counted))
            needed = (weights + reduce(np.maximum.outer, (each.peak_bytes for each in counted))).reshape(-1)
            look._decide("budget_mb", needed, demand.available_bytes, lambda index: Fraction(int(needed[index])))
        return look

    def _decide(self, limit: Limit, needed: NDArray[Any], available: Fraction, exact: Any) -> None:
        over = needed > float(available)
        for index in np.flatnonzero(abs(needed - float(available)) <= NEAR * float(available)):
            over[index] = exact(int(index)) > available
        self.broken[limit] = over
        self.fits[over] = False

    @property
    def grid(self) -> Flags:
        """`fits` along the axes of all blocks."""
        return self.fits.reshape([length for each in self.counted for length in each.grid.block.shape])

    def choice(self, index: int) -> Planned:
        """The choice at a place."""
        places = [int(place) for place in np.unravel_index(index, [each.required.size for each in self.counted])]
        chosen = [each.candidate(place) for each, place in zip(self.counted, places, strict=True)]
        found = [
            self.counted[group.network].figures(places[group.network], (group.height, group.width))
            for group in self.demand.groups
        ]
        return Planned(demand=self.demand, candidates=tuple(chosen), figures=tuple(found))


def _measured(looked: Sequence[_Look], flags: Sequence[Flags], number: int, *, most: bool) -> tuple[Planned, ...]:
    """The flagged choices of the most (or the fewest) operations per second, `number` at most, in that order."""
    found = [(each, place) for each, flag in zip(looked, flags, strict=True) for place in [np.flatnonzero(flag)]]
    required = np.concatenate([each.required[place] for each, place in found])
    key = -required if most else required
    chosen = np.argpartition(key, number - 1)[:number] if 0 < number < key.size else np.arange(min(number, key.size))
    chosen = np.sort(chosen)
    ends = np.cumsum([place.size for _, place in found])
    measured = []
    for index in chosen[np.argsort(key[chosen], kind="stable")]:
        block = int(np.searchsorted(ends, index, side="right"))
        look, places = found[block]
        measured.append(look.choice(int(places[index - (ends[block] - places.size)])))
    return tuple(measured)


def _smallest(looked: Sequence[_Look]) -> Planned:
    """Of the choices that break the fewest limits, the one of the fewest operations per second."""
    found = []
    for look in looked:
        broken = np.sum([flags.astype(np.int8) for flags in look.broken.values()], axis=0)
        index = int(np.lexsort((look.required, broken))[0])
        found.append((int(broken[index]), float(look.required[index]), look, index))
    _, _, look, index = min(found, key=lambda each: each[:2])
    return look.choice(index)
