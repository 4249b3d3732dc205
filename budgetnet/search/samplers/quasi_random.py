"""Points of one Sobol sequence per search: spread more evenly than drawn ones, and blind to what was learnt.

A point of the unit cube becomes a candidate along one axis after the other: each coordinate picks a place among those
of the candidates left, in proportion to how many have it (Rosenblatt, 1952, backwards). Evenly spread points so become
evenly spread candidates, of whatever shape the feasible set is; the nearest candidate to a point of the cube would
crowd them at the edge of the budget.
"""

import numpy as np
from scipy.stats import qmc

from budgetnet.search.samplers import View
from budgetnet.search.samplers._nearest import nearest


def propose(view: View, rng: np.random.Generator) -> int:
    """The candidate of point number `view.number`, or the open one nearest to it."""
    if np.count_nonzero(view.open) == 1:
        return int(np.argmax(view.open))
    feasible = view.feasible
    sequence = qmc.Sobol(len(feasible.axes), scramble=True, rng=view.seed)
    if view.number:  # SciPy takes no 0
        sequence.fast_forward(view.number)
    index = candidate_at(view, sequence.random(1)[0])
    if view.open[index]:
        return index
    return nearest(view, rng, feasible.places[index], np.array([index]))


def candidate_at(view: View, point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> int:
    """The candidate, open or not, that a point of the unit cube (axes) stands for."""
    places = view.feasible.places
    left: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None
    for column, coordinate in enumerate(point):
        here = places[:, column] if left is None else places[left, column]
        counts = np.bincount(here + 1)  # NOWHERE is a place too
        chosen = int(np.searchsorted(np.cumsum(counts), coordinate * len(here), side="right")) - 1
        kept = np.flatnonzero(here == chosen)
        left = kept if left is None else left[kept]
        if len(left) == 1:
            break
    assert left is not None
    return int(left[0])
