"""The open candidate nearest to a place that may be none's."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import NOWHERE
from budgetnet.search.samplers import View
from budgetnet.search.samplers._geometry import codes, steps_apart
from budgetnet.search.samplers._pool import candidates

MOST: Final = 32_768
"""Open candidates among which the nearest is sought."""


def nearest(view: View, rng: np.random.Generator, place: NDArray[np.int16], around: NDArray[np.int64]) -> int:
    """The open candidate nearest to a place (axes): steps over each axis' length, words one apart, of equal ones the
    first. A parameter that means nothing to either adds nothing: the words that it goes with do.

    Of a large set `around` are candidates near the place, whose neighbours are looked at, with others drawn.
    """
    pool = candidates(view, rng, around, MOST)
    found = codes(view.feasible, pool)
    apart = np.zeros(len(pool))
    for column, axis in enumerate(view.feasible.axes):
        row = steps_apart(axis)[place[column] + 1].copy()
        row[0] = 0.0
        if place[column] != NOWHERE:
            apart += row[found[:, column]]
    return int(pool[np.argmin(apart)])
