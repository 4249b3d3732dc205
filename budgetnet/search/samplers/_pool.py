"""The open candidates that are looked at: all of a small set, of a large one a bounded choice, so that a proposal costs
the same however large the set is.
"""

from collections.abc import Iterator
from typing import Final, final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import NOWHERE, Feasible
from budgetnet.search.samplers import View

Indices = NDArray[np.int64]
Places = NDArray[np.int16]

MOST: Final = 2048
"""Open candidates that a model looks at in one proposal."""


def candidates(view: View, rng: np.random.Generator, around: Indices, most: int = MOST) -> Indices:
    """Up to `most` open candidates, ascending: all of them if they are no more, else the neighbours of the candidates
    `around` (up to a quarter of `most`) and others drawn evenly.
    """
    if len(view.feasible) <= most or np.count_nonzero(view.open) <= most:
        return np.flatnonzero(view.open)
    near = neighbours(view.feasible, around)
    near = near[view.open[near]]
    if len(near) > most // 4:
        near = rng.choice(near, most // 4, replace=False)
    return np.union1d(near, drawn(view, rng, most - len(near)))


def drawn(view: View, rng: np.random.Generator, wanted: int) -> Indices:
    """Up to `wanted` open candidates, drawn evenly, ascending."""
    # a draw that hits closed ones costs less than a list of all open ones, unless few are open
    tries = np.unique(rng.integers(len(view.feasible), size=2 * wanted))
    found = tries[view.open[tries]]
    if len(found) < wanted:
        found = np.flatnonzero(view.open)
    return found if len(found) <= wanted else np.sort(rng.choice(found, wanted, replace=False))


def neighbours(feasible: Feasible, indices: Indices) -> Indices:
    """Candidates one step along one numeric axis, or another word, from those given; ascending, each once."""
    steps = [step for step in _steps(feasible, feasible.places[indices]) if len(step)]
    if not steps:
        return np.zeros(0, dtype=np.int64)
    found = find(feasible, np.concatenate(steps))
    return np.unique(found[found >= 0])


def _steps(feasible: Feasible, places: Places) -> Iterator[Places]:
    for column, axis in enumerate(feasible.axes):
        count = len(axis.values)
        here = places[places[:, column] != NOWHERE]
        for step in (-1, 1) if axis.numeric else range(1, count):
            moved = here.copy()
            moved[:, column] += step
            if axis.numeric:
                moved = moved[(moved[:, column] >= 0) & (moved[:, column] < count)]
            else:
                moved[:, column] %= count
            yield moved


def find(feasible: Feasible, places: Places) -> Indices:
    """(n, axes) -> (n): which candidates stand at these places, -1 where none of the set does."""
    index = _indices.get(feasible)
    if index is None:
        index = _indices[feasible] = _Index(feasible)
    return index.find(places)


@final
class _Index:
    """Finds candidates by their places: a number for each, sorted."""

    def __init__(self, feasible: Feasible) -> None:
        self._places = feasible.places
        drawn_numbers = np.random.default_rng(0).integers(2**63, size=(self._places.shape[1],), dtype=np.uint64)
        self._factors = [2 * int(each) + 1 for each in drawn_numbers]  # odd: no bit of a place is lost
        numbers = self._numbers(self._places)
        self._order = np.argsort(numbers, kind="stable")
        self._sorted = numbers[self._order]

    def find(self, places: Places) -> Indices:
        at = np.minimum(np.searchsorted(self._sorted, self._numbers(places)), len(self._sorted) - 1)
        found = self._order[at]
        # two different rows may have one number: only places that are really the same count
        return np.where((self._places[found] == places).all(axis=1), found, -1)

    def _numbers(self, places: Places) -> NDArray[np.uint64]:
        total = np.zeros(len(places), dtype=np.uint64)
        for column, factor in enumerate(self._factors):
            total += (places[:, column] + 1).astype(np.uint64) * np.uint64(factor)  # beyond 64 bits it goes round
        return total


_indices: WeakKeyDictionary[Feasible, _Index] = WeakKeyDictionary()
