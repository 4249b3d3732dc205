"""What both genetic samplers do: two parents out of the best seen, a child of them, the open candidate nearest to it.

One child at a time and nothing kept between two proposals (steady state): the population is the best `POPULATION` of
what is seen, chosen anew by rank and then by what sets the two samplers apart.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import NOWHERE, Axis
from budgetnet.search.samplers import View
from budgetnet.search.samplers._geometry import speed
from budgetnet.search.samplers._nearest import nearest
from budgetnet.search.samplers._start import spread_out, starting

Indices = NDArray[np.int64]
Places = NDArray[np.int16]

POPULATION: Final = 16
"""Trials that may be parents."""

FARTHER: Final = 0.3
"""Chance that a mutation along numbers takes one more step."""

Survivors = Callable[[NDArray[np.float64], int, np.random.Generator], Indices]
"""(points (n, 2), how many, generator) -> positions of the survivors, the fittest first."""


def evolve(view: View, rng: np.random.Generator, survivors: Survivors) -> int:
    """The open candidate nearest to a child of two survivors."""
    if np.count_nonzero(view.open) == 1:
        return int(np.argmax(view.open))
    if starting(view):
        return spread_out(view, rng)
    points = np.stack([view.mean_iou, speed(view.feasible, view.seen)], axis=1)
    population = view.seen[survivors(points, POPULATION, rng)]
    parents = population[[_tournament(len(population), rng), _tournament(len(population), rng)]]
    return nearest(view, rng, child(view.feasible.axes, view.feasible.places[parents], rng), parents)


def _tournament(count: int, rng: np.random.Generator) -> int:
    """Position of the fitter of two drawn; the fittest come first."""
    return int(rng.integers(count, size=2).min())


def child(axes: tuple[Axis, ...], parents: Places, rng: np.random.Generator) -> Places:
    """(2, axes) -> (axes): each place of either parent, one in as many as there are axes moved.

    What means nothing to that parent comes from the other, or is drawn: the child may have words with which it means
    something.
    """
    chosen = rng.integers(2, size=len(axes))
    columns = np.arange(len(axes))
    made = np.where(parents[chosen, columns] == NOWHERE, parents[1 - chosen, columns], parents[chosen, columns])
    drawn = np.array([rng.integers(len(axis.values)) for axis in axes])
    made = np.where(made == NOWHERE, drawn, made)
    for column in np.flatnonzero(rng.random(len(axes)) < 1 / len(axes)):
        made[column] = _moved(axes[column], int(made[column]), rng)
    return made.astype(np.int16)


def _moved(axis: Axis, place: int, rng: np.random.Generator) -> int:
    """Another place along an axis: some steps along numbers, any other word."""
    count = len(axis.values)
    if not axis.numeric:
        return int((place + rng.integers(1, count)) % count)
    steps = int(rng.geometric(1 - FARTHER)) * (1 if rng.random() < 0.5 else -1)
    moved = min(max(place + steps, 0), count - 1)
    # at an end of the axis, a step beyond it is one back
    return moved if moved != place else (place - 1 if place else 1)
