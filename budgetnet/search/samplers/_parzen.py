"""Parzen's windows over the feasible set: every candidate seen speaks for its surroundings.

A window is a product over axes of discrete kernels: along numbers it falls off with the steps, along words all others
share what the same word leaves, and NOWHERE is a place of its own: a parameter that means nothing to one of both says
little about the other. Windows so know which parameters belong to which head: the tree of a tree-structured estimator
(Bergstra et al., 2011), whole observations at once (its multivariate form; Falkner et al., BOHB, 2018).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Axis, Feasible
from budgetnet.search.samplers import View
from budgetnet.search.samplers._geometry import codes, scale, sums, tables

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

WIDTH: Final = 0.2
"""Deviation of a window along numbers, as a share of the axis."""

LEAK: Final = 0.15
"""Share of a window that is spread evenly over the axis, and that which other words have of it."""

FAILURE_LEAK: Final = 0.5
"""LEAK of windows that tell success: what makes a training fail is a part more often than a combination of them."""

DOUBT: Final = 0.1
"""How many successful trials everywhere that nobody has seen are believed in: one failure far away changes little."""


def _window(axis: Axis, leak: float) -> Floats:
    """Logarithm of an axis' kernels: row is the observation, column the place that is asked about."""
    count = len(axis.values)
    kernel = np.eye(count + 1)
    if axis.numeric:
        kernel[1:, 1:] = np.exp(-0.5 * (np.subtract.outer(scale(axis), scale(axis)) / WIDTH) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.asarray(np.log((1 - leak) * kernel + leak / count), dtype=np.float64)


def windows(feasible: Feasible, seen: Indices, asked: Indices, leak: float = LEAK) -> NDArray[np.float32]:
    """(n), (m) -> (n, m): how much each candidate seen says about each asked, 1 at the most."""
    known = tables(feasible.axes, lambda axis: _window(axis, leak))
    # half the bytes of 64 bits: this is what a proposal costs
    logs = sums(feasible, known, seen, asked, np.float32)
    logs -= np.float32(sum(float(table.max()) for table in known))
    return np.asarray(np.exp(logs, out=logs), dtype=np.float32)


def speaking_of_itself(feasible: Feasible, seen: Indices) -> float:
    """What a candidate seen says about itself, on average, in the unit of `windows`."""
    found = codes(feasible, seen)
    logs = np.zeros(len(seen))
    for column, axis in enumerate(feasible.axes):
        itself = np.diagonal(_window(axis, LEAK))
        logs += itself[found[:, column]] - itself.max()
    return float(np.exp(logs).mean())


def success(view: View, asked: Indices) -> Floats:
    """(m): how likely a training does not fail, from those that did and did not near by."""
    if not len(view.failed):
        return np.ones(len(asked))
    good = windows(view.feasible, view.seen, asked, FAILURE_LEAK).sum(axis=0, dtype=np.float64) + DOUBT
    bad = windows(view.feasible, view.failed[-512:], asked, FAILURE_LEAK).sum(axis=0, dtype=np.float64)
    return np.asarray(good / (good + bad), dtype=np.float64)
