"""How far a ranking can be trusted: what the seed alone changes, and whether short trainings order candidates as longer
ones do. Numbers in, numbers out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import atanh, sqrt, tanh
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

LEAST: Final = 3
"""Fewer candidates than this have no order worth a coefficient."""

LEAST_TOLD: Final = 5
"""Fewer candidates than this have no interval: it would hold nearly everything."""

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What the trainings of one candidate reached, each from a seed of its own. `deviation` is the sample standard
    deviation, None of a single training.
    """

    seeds: int
    mean: float
    least: float
    most: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one value or more."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(
            seeds=len(values), mean=float(np.mean(values)), least=min(values), most=max(values), deviation=deviation
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far short trainings order `candidates` candidates as longer ones do: after `short` epochs and after `long`.

    `tau` is Kendall's tau-b and `rho` Spearman's coefficient (1: the same order, 0: none, -1: reversed), None where one
    side is all ties. `tau_p` is the p-value of no relation, exact where there are few candidates and no ties.
    Intervals hold 95 %, by Fisher's transform; None below `LEAST_TOLD`.
    """

    short: int
    long: int
    candidates: int
    tau: float | None
    tau_p: float | None
    tau_interval: tuple[float, float] | None
    rho: float | None
    rho_interval: tuple[float, float] | None

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def agreement(pairs: Sequence[tuple[float, float]], *, short: int, long: int) -> Agreement:
    """Of (mean IoU after `short` epochs, after `long`) of each candidate."""
    tau = tau_p = rho = None
    intervals: tuple[tuple[float, float] | None, tuple[float, float] | None] = (None, None)
    values = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if len(values) >= LEAST and all(len(np.unique(side)) > 1 for side in values.T):
        from scipy import stats

        kendall = stats.kendalltau(values[:, 0], values[:, 1])
        tau, tau_p = float(kendall.statistic), float(kendall.pvalue)
        rho = float(stats.spearmanr(values[:, 0], values[:, 1]).statistic)
        if len(values) >= LEAST_TOLD:
            intervals = (
                _interval(tau, len(values), variance=0.437, lost=4),
                _interval(rho, len(values), variance=1.06, lost=3),
            )
    return Agreement(
        short=short,
        long=long,
        candidates=len(values),
        tau=tau,
        tau_p=tau_p,
        tau_interval=intervals[0],
        rho=rho,
        rho_interval=intervals[1],
    )


def _interval(value: float, count: int, *, variance: float, lost: int) -> tuple[float, float] | None:
    """95 % of a rank correlation of `count` pairs, by Fisher's transform with the variance `variance / (count - lost)`
    (Fieller, Hartley & Pearson, Biometrika 44, 1957: 0.437 / (n - 4) for tau, 1.06 / (n - 3) for rho).

    A perfect order of few pairs is no certainty: the value counts as no nearer to 1 than half a swapped pair.
    """
    if count <= lost:
        return None
    most = 1 - 2 / (count * (count - 1))
    middle = atanh(min(max(value, -most), most))
    half = 1.959964 * sqrt(variance / (count - lost))
    low, high = tanh(middle - half), tanh(middle + half)
    return (low if value > -most else -1.0), (high if value < most else 1.0)


def pooled_deviations(repeated: Sequence[Sequence[float]]) -> list[float]:
    """How far single trainings lie from the mean of their candidate's, over all candidates with several.

    Widened by sqrt(n / (n - 1)) for n trainings: their own mean lies nearer to them than the true one.
    """
    found = []
    for values in repeated:
        if len(values) > 1:
            middle, widened = sum(values) / len(values), sqrt(len(values) / (len(values) - 1))
            found += [(value - middle) * widened for value in values]
    return found


def front_shares(draws: Sequence[Sequence[float]], rates: Sequence[float]) -> list[float]:
    """In what share of all draws each candidate is on the front of (mean IoU, images per second), were one value drawn
    for each of them, independently and each as likely as the others.

    Exact: rates are known, so a candidate drawn at a value is on the front where none as fast is drawn above it and
    none that is faster as high, and the draws of the others are independent.
    """
    if not len(draws):
        return []
    lengths = np.array([len(values) for values in draws])
    flat = np.concatenate([np.asarray(values, dtype=np.float64) for values in draws])
    owner = np.repeat(np.arange(len(draws)), lengths)
    speed = np.asarray(rates, dtype=np.float64)
    undominated = np.ones(len(flat))
    for other, values in enumerate(draws):
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        above = 1 - np.searchsorted(ordered, flat, side="right") / len(ordered)
        as_high = 1 - np.searchsorted(ordered, flat, side="left") / len(ordered)
        beats = np.where(speed[other] > speed[owner], as_high, np.where(speed[other] == speed[owner], above, 0.0))
        beats[owner == other] = 0.0
        undominated *= 1 - beats
    shares = np.bincount(owner, weights=undominated, minlength=len(draws)) / lengths
    return [float(share) for share in shares]
