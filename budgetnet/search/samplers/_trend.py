"""What every parameter by itself adds to the mean IoU: a ridge regression over the axes and throughput.

With ten trials in a space of ten axes that is all that can be told, and what windows alone cannot: that a candidate
which nobody has come near is good because each of its parts is.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Feasible
from budgetnet.search.samplers._geometry import codes, flags, scale, speed

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

PENALTIES: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Ridge penalties, of which the evidence picks one."""

WORD: Final = 0.7
"""Size of a word's column, so that two words lie as far apart as the ends of a numeric axis."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A fitted trend: one slope per column, and `left` (n), what it leaves of each trial, itself left out of the fit
    (`left_alone`) or not.

    `noise` is the variance of what it leaves, `penalty` the ridge's; `right` (k, columns) and `power` (k) are
    directions among the columns and how much the trials say about each.
    """

    slopes: Floats
    left: Floats
    left_alone: Floats
    noise: float
    penalty: float
    right: Floats
    power: Floats

    def at(self, feasible: Feasible, asked: Indices) -> tuple[Floats, Floats]:
        """(m), (m): what the trend expects, and the variance of that: large for a word that no trial had."""
        x = columns(feasible, asked)
        along = (x @ self.right.T) ** 2
        outside = np.maximum((x**2).sum(axis=1) - along.sum(axis=1), 0.0)
        variance = along @ (1.0 / (self.power + self.penalty)) + outside / self.penalty
        return x @ self.slopes, self.noise * variance


def columns(feasible: Feasible, indices: Indices) -> Floats:
    """(n) -> (n, columns): one for each number, one for each word, one each for throughput and a constant."""
    found = codes(feasible, indices)
    parts = [np.ones((len(indices), 1)), speed(feasible, indices)[:, None] - 0.5]
    for column, axis in enumerate(feasible.axes):
        # a number that means nothing to a candidate stands in the middle: that it has none, its words say
        middle = np.concatenate([[0.0], scale(axis) - 0.5])
        here = found[:, column]
        parts.append(middle[here, None] if axis.numeric else WORD * flags(axis, here))
    return np.concatenate(parts, axis=1)


def fit(feasible: Feasible, seen: Indices, values: Floats, trust: Floats) -> Trend:
    """Fits values (n) of mean 0 and deviation 1, each with its weight; the penalty is that of the highest evidence
    (MacKay, 1992).
    """
    weights = np.sqrt(trust)
    x, z = columns(feasible, seen) * weights[:, None], values * weights
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    inside = left.T @ z
    power, squares = singular**2, float(z @ z)
    best, penalty, noise = -np.inf, PENALTIES[0], 1.0
    for each in PENALTIES:
        variance = (squares - float((power / (power + each)) @ inside**2)) / len(z)
        evidence = -0.5 * len(z) * np.log(max(variance, 1e-12)) - 0.5 * float(np.log1p(power / each).sum())
        if evidence > best:
            best, penalty, noise = evidence, each, variance
    shrunk = power / (power + penalty)
    slopes = right.T @ (singular / (power + penalty) * inside)
    residual = values - columns(feasible, seen) @ slopes
    lever = np.clip((left**2) @ shrunk, 0.0, 0.95)
    return Trend(
        slopes=slopes,
        left=residual,
        left_alone=residual / (1.0 - lever),
        noise=max(noise, 0.0),
        penalty=penalty,
        right=right,
        power=power,
    )
