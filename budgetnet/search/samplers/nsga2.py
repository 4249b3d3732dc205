"""NSGA-II: children of the best by non-dominated rank, then by crowding (Deb et al., 2002)."""

import numpy as np
from numpy.typing import NDArray

from budgetnet.search.pareto import crowding, ranks
from budgetnet.search.samplers import View
from budgetnet.search.samplers._evolution import evolve


def propose(view: View, rng: np.random.Generator) -> int:
    """The open candidate nearest to a child of two of the population."""
    return evolve(view, rng, survivors)


def survivors(points: NDArray[np.float64], wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of the `wanted` best: lower rank first, then the less crowded of its front, then the earlier."""
    rank = ranks(points, most=wanted)
    alone = np.zeros(len(points))
    for each in range(int(rank.max()) + 1):
        alone[rank == each] = crowding(points[rank == each])
    return np.lexsort((np.arange(len(points)), -alone, rank))[:wanted]
