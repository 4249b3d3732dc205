"""The Pareto front of points whose coordinates are all to be maximised."""

from collections.abc import Sequence

Point = Sequence[float]


def dominates(first: Point, second: Point) -> bool:
    """Whether `first` is nowhere worse than `second` and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other dominates, best first coordinate first. Equal points are all kept."""
    kept = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    return sorted(kept, key=lambda i: [-value for value in points[i]])


def dominator(points: Sequence[Point], index: int) -> int | None:
    """Index of a point of the front that dominates the given one, None for one that is on the front."""
    return next((other for other in front(points) if dominates(points[other], points[index])), None)
