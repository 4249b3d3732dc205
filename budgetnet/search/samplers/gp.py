"""Gaussian process over the feasible set, and the candidate from which the front is to gain most.

Only the mean IoU is guessed; throughput is known. Matern kernel of smoothness 5/2 over the places along the axes
(numbers from 0 to 1, words one apart) and the logarithm of throughput; its length and its noise by evidence.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Axis, Feasible
from budgetnet.search.samplers import View
from budgetnet.search.samplers._gain import best_gain
from budgetnet.search.samplers._geometry import scale, speed, sums, tables
from budgetnet.search.samplers._parzen import success
from budgetnet.search.samplers._telling import telling

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LENGTHS: Final = (0.3, 0.6, 1.2, 2.4)
NOISES: Final = (1e-3, 1e-2, 5e-2, 0.2)
"""Variance of the noise of a whole training, as a share of the signal's."""

MOST: Final = 128
"""Trials that the process is fitted to: cost grows with the cube."""

NOWHERE_APART: Final = 0.25
"""Squared distance of a number from NOWHERE: the words that go with it lie apart already."""


def propose(view: View, rng: np.random.Generator) -> int:
    """The open candidate with the largest expected hypervolume improvement."""
    return best_gain(view, rng, estimate, success)


def estimate(feasible: Feasible, seen: Indices, values: Floats, trust: Floats, asked: Indices) -> tuple[Floats, Floats]:
    """Mean and deviation of the mean IoU of each candidate asked, after at most MOST of those seen."""
    kept = telling(feasible, seen, values, MOST)
    seen, values, trust = seen[kept], values[kept], trust[kept]
    middle, spread = float(values.mean()), max(float(values.std()), 1e-6)
    # a trial at a low rung is noisier: scaled by the root of its trust, all have one noise
    root = np.sqrt(trust)
    fitted = _fit(_squares(feasible, seen, seen), (values - middle) / spread * root, root)
    cross = _matern(_squares(feasible, seen, asked) / fitted.length**2) * root[:, None]
    mean = fitted.weights @ cross
    within = ((fitted.vectors.T @ cross) ** 2 / fitted.values[:, None]).sum(axis=0)
    deviation = np.sqrt(fitted.variance * np.maximum(1.0 - within, 1e-6))
    return middle + spread * mean, spread * deviation


class _Fit(NamedTuple):
    """A process: its length, its variance, the eigenvalues and vectors of its covariance with noise, its weights."""

    length: float
    variance: float
    values: Floats
    vectors: Floats
    weights: Floats


def _fit(squares: Floats, values: Floats, root: Floats) -> _Fit:
    """The process of the highest evidence, its variance at its most likely. One decomposition serves all noises."""
    best: _Fit | None = None
    highest, count = -np.inf, len(values)
    for length in LENGTHS:
        eigen, vectors = np.linalg.eigh(_matern(squares / length**2) * np.outer(root, root))
        inside = vectors.T @ values
        for noise in NOISES:
            noisy = np.maximum(eigen, 0.0) + noise
            variance = max(float((inside**2 / noisy).sum()) / count, 1e-12)
            evidence = -0.5 * count * np.log(variance) - 0.5 * float(np.log(noisy).sum())
            evidence -= 0.25 * np.log(length) ** 2  # lengths about the whole of an axis are the likelier ones
            if evidence > highest:
                highest, best = evidence, _Fit(length, variance, noisy, vectors, vectors @ (inside / noisy))
    assert best is not None
    return best


def _matern(squares: Floats) -> Floats:
    r = np.sqrt(5.0 * np.maximum(squares, 0.0))
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r), dtype=np.float64)


def _squares(feasible: Feasible, first: Indices, second: Indices) -> Floats:
    found = sums(feasible, tables(feasible.axes, _squared), first, second)
    faster = np.subtract.outer(speed(feasible, first), speed(feasible, second))
    return np.asarray(found + faster**2, dtype=np.float64)


def _squared(axis: Axis) -> Floats:
    """Table of squared distances of an axis."""
    count = len(axis.values)
    apart = 1.0 - np.eye(count + 1)
    if axis.numeric:
        apart[0, 1:] = apart[1:, 0] = NOWHERE_APART
        apart[1:, 1:] = np.subtract.outer(scale(axis), scale(axis)) ** 2
    return apart
