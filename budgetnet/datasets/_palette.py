"""Colours for classes that have none of their own: as far from each other and from those in use as can be."""

from collections.abc import Iterable

import numpy as np

from budgetnet.datasets._files import Colour

_STEPS = (0, 51, 102, 153, 204, 255)
_MORE_STEPS = range(0, 256, 15)


def distinct(count: int, used: Iterable[Colour]) -> list[Colour]:
    """`count` colours, none of them in `used`, black or white; always the same ones for the same `used`."""
    steps = _STEPS if count <= 100 else _MORE_STEPS
    grid = np.array([(red, green, blue) for red in steps for green in steps for blue in steps], np.int64)
    nearest = np.full(len(grid), np.iinfo(np.int64).max)
    made: list[Colour] = []
    for colour in [(0, 0, 0), (255, 255, 255), *used]:
        nearest = np.minimum(nearest, ((grid - colour) ** 2).sum(axis=1))
    while len(made) < count:
        red, green, blue = map(int, grid[nearest.argmax()])
        made.append((red, green, blue))
        nearest = np.minimum(nearest, ((grid - (red, green, blue)) ** 2).sum(axis=1))
    return made
