"""NSGA-III: children of the best by non-dominated rank, then by reference directions that few of them serve.

After Deb and Jain (2014), with directions spread evenly over the two objectives (Das and Dennis, 1998).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from budgetnet.search.pareto import ranks
from budgetnet.search.samplers import View
from budgetnet.search.samplers._evolution import evolve

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

DIVISIONS: Final = 11
"""Parts of the way from one objective to the other; one more are the directions."""


def propose(view: View, rng: np.random.Generator) -> int:
    """The open candidate nearest to a child of two of the population."""
    return evolve(view, rng, survivors)


def survivors(points: Floats, wanted: int, rng: np.random.Generator) -> Indices:
    """Positions of the `wanted` best: whole fronts, and of the front that does not fit whole those whose directions are
    served least. Those of one front come in no particular order, so that none is preferred as a parent.
    """
    rank = ranks(points, most=wanted)
    direction, distance = directions(points, rank)
    chosen: list[int] = []
    for each in range(int(rank.max()) + 1):
        front = np.flatnonzero(rank == each)
        free = wanted - len(chosen)
        if free <= 0:
            break
        if len(front) <= free:
            chosen += [int(one) for one in rng.permutation(front)]
        else:
            chosen += _niched(front, chosen, direction, distance, free, rng)
    return np.array(chosen, dtype=np.int64)


def directions(points: Floats, rank: Indices) -> tuple[Indices, Floats]:
    """(n, 2), (n) -> (n), (n): each point's nearest reference direction and its distance from that line.

    Points are scaled by the first front: 0 is its best of an objective, 1 its worst; a front of one point scales by
    all points.
    """
    losses = points[rank == 0].max(axis=0) - points
    spans = losses[rank == 0].max(axis=0)
    spans = np.where(spans > 0, spans, np.maximum(losses.max(axis=0), 1e-12))
    losses = losses / spans
    share = np.linspace(0.0, 1.0, DIVISIONS + 1)
    lines = np.stack([share, 1.0 - share], axis=1)
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    along = losses @ lines.T
    apart = np.sqrt(np.maximum((losses**2).sum(axis=1)[:, None] - along**2, 0.0))
    direction = apart.argmin(axis=1)
    return direction, apart[np.arange(len(points)), direction]


def _niched(
    front: Indices, chosen: list[int], direction: Indices, distance: Floats, free: int, rng: np.random.Generator
) -> list[int]:
    """`free` of a front, one at a time: of a direction that the fewest chosen serve, the nearest to it."""
    served = np.bincount(direction[chosen], minlength=DIVISIONS + 1)
    turn = rng.permutation(DIVISIONS + 1)  # of directions served alike, one by chance
    left, taken = [int(one) for one in front], []
    for _ in range(free):
        best = min(left, key=lambda one: (served[direction[one]], turn[direction[one]], distance[one], one))
        left.remove(best)
        taken.append(best)
        served[direction[best]] += 1
    return taken
