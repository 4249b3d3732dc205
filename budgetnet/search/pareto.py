"""The Pareto front of points whose coordinates are all to be maximised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = Sequence[float]


def dominates(first: Point, second: Point) -> bool:
    """Whether `first` is nowhere worse than `second` and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other dominates, best first coordinate first. Equal points are all kept."""
    kept = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    return sorted(kept, key=lambda i: [-value for value in points[i]])


def ranks(points: NDArray[np.float64], most: int | None = None) -> NDArray[np.int64]:
    """(n, 2) -> (n): 0 for the points that no other dominates, 1 for those that only these dominate, and so on.

    Equal points have one rank. With `most`, ranks are told apart until so many points have one; the others share the
    next. Sorting, so of many points only the first ranks cost time.
    """
    found = np.full(len(points), -1, dtype=np.int64)
    order = np.lexsort((-points[:, 1], -points[:, 0]))  # best first coordinate first, of equal ones the best second
    rank, wanted = 0, len(points) if most is None else most
    while order.size and len(points) - order.size < wanted:
        here = points[order]
        best_before = np.concatenate([[-np.inf], np.maximum.accumulate(here[:, 1])[:-1]])
        # a point is dominated by one before it with a second coordinate as good, unless that is the very same point
        same = np.concatenate([[False], (here[1:] == here[:-1]).all(axis=1)])
        kept = here[:, 1] > best_before
        for place in np.flatnonzero(same):
            kept[place] = kept[place - 1]
        found[order[kept]] = rank
        order, rank = order[~kept], rank + 1
    found[found < 0] = rank
    return found


def crowding(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) -> (n): how far the neighbours of each point of one front lie apart, each axis as a share of its range
    (Deb et al., NSGA-II, 2002); infinite at the ends.
    """
    found = np.zeros(len(points))
    for axis in range(points.shape[1]):
        order = np.argsort(points[:, axis], kind="stable")
        values = points[order, axis]
        span = values[-1] - values[0]
        found[order[[0, -1]]] = np.inf
        if span > 0:
            found[order[1:-1]] += (values[2:] - values[:-2]) / span
    return found


def hypervolume(points: NDArray[np.float64], reference: Point = (0.0, 0.0)) -> float:
    """(n, 2) -> the area that the points dominate beyond the reference."""
    inside = points[(points > np.asarray(reference)).all(axis=1)]
    if not len(inside):
        return 0.0
    order = np.lexsort((-inside[:, 1], -inside[:, 0]))
    first, second = inside[order, 0], np.maximum.accumulate(inside[order, 1])
    heights = np.diff(second, prepend=reference[1])
    return float(((first - reference[0]) * heights).sum())
