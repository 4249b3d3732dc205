"""How candidates lie to each other: places along the axes, as tables over pairs of places and as rows of zeros and
ones.

A table of an axis with k values is (k + 1, k + 1): row and column 0 are NOWHERE, 1 to k the values. A sum over axes of
such tables, for all pairs of many candidates, is then one product of matrices.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Axis, Feasible

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LONG: Final = 32
"""Values from which an axis' table is looked up pair by pair: in the product each value costs a column."""


def codes(feasible: Feasible, indices: Indices) -> Indices:
    """(n) -> (n, axes): places counted from 1, NOWHERE as 0."""
    return feasible.places[indices].astype(np.int64) + 1


def tables(axes: Sequence[Axis], table: Callable[[Axis], Floats]) -> list[Floats]:
    """One table for each axis."""
    return [table(axis) for axis in axes]


def flags(axis: Axis, found: Indices) -> Floats:
    """(n) codes -> (n, k + 1): 1 at the place along the axis, 0 elsewhere."""
    return np.eye(len(axis.values) + 1)[found]


def sums(
    feasible: Feasible, known: Sequence[Floats], first: Indices, second: Indices, kind: type[np.floating] = np.float64
) -> NDArray[Any]:
    """(n), (m) -> (n, m): the tables' sum over all axes for each pair, as numbers of a kind."""
    here, there = codes(feasible, first), codes(feasible, second)
    rows: list[NDArray[Any]] = [np.zeros((len(first), 1), dtype=kind)]
    columns: list[NDArray[Any]] = [np.zeros((len(second), 1), dtype=kind)]
    total: NDArray[Any] = np.zeros((len(first), len(second)), dtype=kind)
    for column, (axis, table) in enumerate(zip(feasible.axes, known, strict=True)):
        table = table.astype(kind)
        if len(axis.values) > LONG:
            total += table[np.ix_(here[:, column], there[:, column])]
        else:
            rows.append(table[here[:, column]])
            columns.append(flags(axis, there[:, column]).astype(kind))
    total += np.concatenate(rows, axis=1) @ np.concatenate(columns, axis=1).T
    return total


def steps_apart(axis: Axis) -> Floats:
    """Table of distances: steps over the axis' length between numbers, 1 between words and from NOWHERE to others."""
    count = len(axis.values)
    apart = 1.0 - np.eye(count + 1)
    if axis.numeric:
        apart[1:, 1:] = np.abs(np.subtract.outer(scale(axis), scale(axis)))
    return apart


def scale(axis: Axis) -> Floats:
    """(k): the places along an axis from 0 to 1."""
    return np.linspace(0.0, 1.0, len(axis.values))


def speed(feasible: Feasible, indices: Indices) -> Floats:
    """(n) -> (n): the logarithm of the throughput, 0 for the slowest and 1 for the fastest candidate of the set."""
    slowest, fastest = np.log([feasible.images_per_second.min(), feasible.images_per_second.max()])
    span = max(float(fastest - slowest), 1e-12)
    return np.asarray((np.log(feasible.images_per_second[indices]) - slowest) / span, dtype=np.float64)
