"""Shares of peak and bandwidth that explain measurements, by least squares on logarithms: twice as long and half as
long are equally wrong.

Every network counts alike, whatever it takes. What was measured of it layer by layer counts by its share of the time,
and what was measured as a whole as much again. A weak prior holds classes that no measurement tells of where they were:
at the shipped efficiencies. Differences beyond a fifth count less (soft L1): single outliers do not bend the fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from budgetnet.calibration.measured import Measurement
from budgetnet.efficiencies import Efficiency
from budgetnet.kernel_classes import KERNEL_CLASSES

Numbers: TypeAlias = NDArray[np.float64]

PARAMETERS: Final = (*KERNEL_CLASSES, "bandwidth", "floor_us")
LEAST_SHARE: Final = 1e-5
LEAST: Final = np.log([LEAST_SHARE] * len(KERNEL_CLASSES) + [1e-4, 1e-3])
MOST_SHARE: Final = 4.0
"""Of a peak: a measured one may be too low, and algorithms such as Winograd's do fewer operations than are counted."""
MOST: Final = np.log([MOST_SHARE] * len(KERNEL_CLASSES) + [4.0, 1e6])
PRIOR_SPREAD: Final = 1.0
"""Of the logarithms, around the shipped efficiencies: a factor of e either way is nothing unusual."""
PRIOR_WEIGHT: Final = 0.05
SOFT: Final = 0.2
STARTS: Final = ((1.0, 0.3), (1.0, 1.0), (1.0, 3.0), (0.1, 1.0))
"""From so many times the prior's shares of the peak and of the bandwidth the search begins."""
POWERS: Final = (2.0, 6.0, None)
"""The two roofs are rounded off at first, then less, then not: under one of them the other has no slope."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Measurements as arrays: for every kernel of each its `measurement`, its class, its operations over the peak, its
    bytes over the bandwidth (0 where that is not known), in seconds.
    """

    measurement: NDArray[np.int64]
    kind: NDArray[np.int64]
    compute: Numbers
    memory: Numbers
    seconds: Numbers
    weights: Numbers

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> "Table":
        """The arrays of measurements."""
        rows = [(number, each, kernel) for number, each in enumerate(measurements) for kernel in each.kernels]
        return cls(
            measurement=np.array([number for number, _, _ in rows]),
            kind=np.array([KERNEL_CLASSES.index(kernel.kind) for _, _, kernel in rows]),
            compute=np.array([m.batch * kernel.work / m.hardware.peak for _, m, kernel in rows]),
            memory=np.array(
                [
                    0.0 if m.hardware.bandwidth is None else kernel.bytes(m.precision, m.batch) / m.hardware.bandwidth
                    for _, m, kernel in rows
                ]
            ),
            seconds=np.array([each.seconds for each in measurements]),
            weights=_weights(measurements),
        )

    def predicted(self, logarithms: Numbers, power: float | None = None) -> Numbers:
        """Seconds of each measurement, with the parameters' logarithms. With a `power` the longer of computing and
        memory is rounded off, to the root of the sum of both to that power: then both have a slope.
        """
        values = np.exp(logarithms)
        shares, bandwidth, launch = values[: len(KERNEL_CLASSES)], values[-2], values[-1] / 1e6
        compute, memory = self.compute / shares[self.kind], self.memory / bandwidth
        longer = np.maximum(compute, memory)
        if power is not None:
            shorter = np.minimum(compute, memory) / np.maximum(longer, 1e-300)
            longer = longer * (1 + shorter**power) ** (1 / power)
        each = longer + launch
        return np.asarray(np.bincount(self.measurement, each, minlength=len(self.seconds)), dtype="float64")


def _weights(measurements: Sequence[Measurement]) -> Numbers:
    """Square roots of what each measurement counts: 1 for a whole network, and 1 for all its layers together."""
    layers: dict[tuple[str, str], float] = {}
    for each in measurements:
        if not each.whole:
            key = each.network, each.case
            layers[key] = layers.get(key, 0.0) + each.seconds
    shares = [1.0 if each.whole else each.seconds / layers[each.network, each.case] for each in measurements]
    return np.sqrt(shares)


def logarithms(efficiency: Efficiency) -> Numbers:
    """The parameters of efficiencies, as the fit sees them."""
    values = np.log(
        [max(float(getattr(efficiency, name)), 1e-3 if name == "floor_us" else 1e-5) for name in PARAMETERS]
    )
    return np.clip(values, LEAST, MOST)


def fitted(measurements: Sequence[Measurement], prior: Efficiency, most: float = MOST_SHARE) -> Numbers:
    """The logarithms of the parameters that explain measurements best, with shares of the peak of `most` at most."""
    table, start = Table.of(measurements), logarithms(prior)

    def residuals(found: Numbers, power: float | None) -> Numbers:
        off = table.weights * np.log(table.predicted(found, power) / table.seconds)
        held = np.sqrt(PRIOR_WEIGHT) * (found - start) / PRIOR_SPREAD
        return np.concatenate([off, held])

    best: Any = None
    upper = np.concatenate([np.full(len(KERNEL_CLASSES), np.log(most)), MOST[len(KERNEL_CLASSES) :]])
    limits = (LEAST - 1e-9, upper + 1e-9)
    for peak, bandwidth in STARTS:
        begin = start.copy()
        begin[: len(KERNEL_CLASSES)] += np.log(peak)
        begin[-2] += np.log(bandwidth)
        at = np.clip(begin, LEAST, upper)
        for power in POWERS:
            found = least_squares(
                residuals, at, args=(power,), bounds=limits, loss="soft_l1", f_scale=SOFT, max_nfev=200
            )
            at = found.x
        if best is None or found.cost < best.cost:
            best = found
    return np.asarray(best.x, dtype="float64")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How predictions stand to measurements: |predicted / measured - 1| at the median and the 90th percentile, the
    `factor` by which nine of ten are too long or too short at most, and
    Spearman's rank correlation; None for fewer than three, or where all are the same.
    """

    median: float
    p90: float
    factor: float
    spearman: float | None
    measurements: int

    @classmethod
    def of(cls, predicted: Sequence[float], measured: Sequence[float]) -> "Quality":
        """Of pairs, one or more."""
        from scipy.stats import spearmanr

        ratio = np.array(predicted) / np.array(measured)
        off = np.abs(ratio - 1)
        ranked = len(predicted) > 2 and len(set(predicted)) > 1 and len(set(measured)) > 1
        return cls(
            median=float(np.median(off)),
            p90=float(np.quantile(off, 0.9)),
            factor=float(np.quantile(np.maximum(ratio, 1 / ratio), 0.9, method="higher")),
            spearman=float(spearmanr(predicted, measured).statistic) if ranked else None,
            measurements=len(predicted),
        )
