"""Expected hypervolume improvement where throughput is known and the mean IoU is a guess.

A candidate whose throughput is `u` and whose mean IoU turns out `y` adds the area under `y` above the front, from 0 to
`u`. The front is a stair of heights `h` and the parts `w` of the way to `u` that each covers, so what a normal guess
adds on average is the sum of `w` times its expected surplus over `h`: exact, and in one dimension.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from budgetnet.plan.feasible import Feasible
from budgetnet.search.pareto import ranks
from budgetnet.search.samplers import View
from budgetnet.search.samplers._geometry import speed
from budgetnet.search.samplers._pool import candidates
from budgetnet.search.samplers._start import spread_out, starting

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BELOW: Final = 0.1
"""How far below the slowest candidate throughput is counted from, as a share of the set's range of logarithms: the
slowest has a share in the area too.
"""

Model: TypeAlias = Callable[[Feasible, Indices, Floats, Floats, Indices], tuple[Floats, Floats]]
"""(feasible, seen (n), their mean IoU (n), how far to trust it (n), 0 to 1, asked (m)) -> mean and deviation (m)."""


def best_gain(view: View, rng: np.random.Generator, model: Model, success: Callable[[View, Indices], Floats]) -> int:
    """The open candidate from which most is to be expected.

    Those under way count as though they had reached what the model expects of them (the kriging believer of Ginsbourger
    et al., 2010), so that workers do not crowd at one place. `success` is how likely a training does not fail.
    """
    if np.count_nonzero(view.open) == 1:
        return int(np.argmax(view.open))
    if starting(view):
        return spread_out(view, rng)
    feasible, seen, values = view.feasible, view.seen, view.mean_iou
    trust = view.rungs / view.last_rung
    if len(view.pending):
        believed, _ = model(feasible, seen, values, trust, view.pending)
        seen, values = np.concatenate([seen, view.pending]), np.concatenate([values, believed])
        trust = np.concatenate([trust, np.ones(len(believed))])
    points = np.stack([values, speed(feasible, seen)], axis=1)
    pool = candidates(view, rng, seen[ranks(points, most=1) == 0])
    mean, deviation = model(feasible, seen, values, trust, pool)
    gain = expected_gain(points[:, 0], points[:, 1] + BELOW, speed(feasible, pool) + BELOW, mean, deviation)
    return int(pool[np.argmax(gain * success(view, pool))])


def stair(mean_iou: Floats, throughput: Floats) -> tuple[Floats, Floats]:
    """(n), (n) -> the front, fastest first: its throughputs (k), falling, and its heights (k), rising."""
    order = np.lexsort((-mean_iou, -throughput))
    high, fast = mean_iou[order], throughput[order]
    kept = high > np.concatenate([[-np.inf], np.maximum.accumulate(high)[:-1]])
    return fast[kept], high[kept]


def expected_gain(mean_iou: Floats, throughput: Floats, asked: Floats, mean: Floats, deviation: Floats) -> Floats:
    """(n), (n), then (m), (m), (m) -> (m): the area that each asked candidate adds on average to that of those seen."""
    ends, high = stair(mean_iou, throughput)
    heights = np.concatenate([[0.0], high])  # nothing seen is faster than the fastest
    starts = np.concatenate([ends, [0.0]])
    stops = np.concatenate([[np.inf], ends])
    covered = np.clip(np.minimum(asked[:, None], stops) - starts, 0.0, None)
    return np.asarray((covered * _surplus(mean[:, None], deviation[:, None], heights)).sum(axis=1), dtype=np.float64)


def _surplus(mean: Floats, deviation: Floats, height: Floats) -> Floats:
    """What a normal variable has above a height, on average (Jones et al., 1998)."""
    z = (mean - height) / deviation
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (z * ndtr(z) + density), dtype=np.float64)
