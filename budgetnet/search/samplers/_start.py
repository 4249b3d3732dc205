"""The first proposals of a sampler that learns: spread over the space and over throughput.

Greedy: of some open candidates, the one that lies farthest from its nearest among those begun (Kennard and Stone,
1969). Distance is the mean over axes plus that in the logarithm of throughput: measured, that beats drawing evenly.
"""

from typing import Final

import numpy as np

from budgetnet.search.samplers import View
from budgetnet.search.samplers._geometry import codes, speed, steps_apart, sums, tables
from budgetnet.search.samplers._pool import drawn

START: Final = 5
"""Trials that the start takes. Eight or twelve are measurably worse: with a trend, five are enough to go by."""

SHARE: Final = 0.25
"""Of a small feasible set the start takes no more than this."""

LOOKED_AT: Final = 16
"""Open candidates of which the farthest is taken. Were all of them looked at, every start would be the same one at the
ends of the axes.
"""

KNOWN: Final = 64
"""Candidates begun from which distances are taken, the latest."""


def starting(view: View) -> bool:
    """Whether too little is known yet for a model."""
    begun = len(view.seen) + len(view.pending) + len(view.failed)
    return len(view.seen) < 2 or begun < min(START, int(SHARE * len(view.feasible)))


def spread_out(view: View, rng: np.random.Generator) -> int:
    """The open candidate farthest from those begun; any, while there are none."""
    pool = drawn(view, rng, LOOKED_AT)
    begun = np.concatenate([view.failed, view.seen, view.pending])[-KNOWN:]
    if not len(begun):
        return int(pool[rng.integers(len(pool))])
    feasible = view.feasible
    apart = sums(feasible, tables(feasible.axes, steps_apart), pool, begun) / max(1, codes(feasible, pool).shape[1])
    apart += np.abs(np.subtract.outer(speed(feasible, pool), speed(feasible, begun)))
    return int(pool[np.argmax(apart.min(axis=1))])
