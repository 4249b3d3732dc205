"""The trials that say most, where there are more than a model can take."""

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Feasible
from budgetnet.search.pareto import ranks
from budgetnet.search.samplers._geometry import speed

Indices = NDArray[np.int64]


def telling(feasible: Feasible, seen: Indices, values: NDArray[np.float64], most: int) -> Indices:
    """(n), (n) -> (up to `most`): positions of the best half by rank, and of the others evenly, in order."""
    if len(seen) <= most:
        return np.arange(len(seen))
    half = most // 2
    order = np.argsort(ranks(np.stack([values, speed(feasible, seen)], axis=1), most=half), kind="stable")
    others = order[half:][np.linspace(0, len(order) - half - 1, most - half).astype(np.int64)]
    return np.sort(np.concatenate([order[:half], others]))
