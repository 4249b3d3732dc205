"""How the learning rate changes over a training: a factor that depends on nothing but how far the training is.

So a training that goes on after an interruption needs no state of its schedule. Steps count from 0; with `w` steps of
warm-up, all but `one-cycle` start with the factors `1 / (w + 1), 2 / (w + 1), ...` and meet their own at step `w`.
"""

import math
from collections.abc import Sequence
from typing import Final

from budgetnet.errors import did_you_mean

NAMES: Final = ("constant", "poly", "cosine", "one-cycle", "plateau")

POWER: Final = 0.9
"""Of `poly`, as in DeepLab (Chen et al., arXiv:1606.00915)."""

RISE: Final = 0.3
"""Share of the steps in which `one-cycle` rises, where no warm-up is given."""

START: Final = 1 / 25
END: Final = START * 1e-4
"""Where `one-cycle` starts and ends."""

DROP: Final = 0.5
"""What `plateau` multiplies the rate by."""


def factor(
    name: str, *, step: int, steps: int, warm_up_steps: int, validations: Sequence[tuple[int, float]], patience: int
) -> float:
    """What the highest learning rate is multiplied by in step `step` of `steps`.

    - `constant`: 1.
    - `poly`: `(1 - t)^0.9`, `cosine`: `(1 + cos(pi t)) / 2`, with `t` from 0 right after the warm-up to 1 at `steps`,
      which is no step any more.
    - `one-cycle` (Smith, "A disciplined approach to neural network hyper-parameters", arXiv:1803.09820): half a cosine
      from 1/25 up to 1, reached after `warm_up_steps` (30 % of all where that is 0), then half a cosine down to 1e-4 of
      the start in the last step.
    - `plateau`: half as much after every `patience` epochs without a mean IoU that is better than all before; then the
      count starts again.

    `validations` holds the epoch and the mean IoU of each validation done, in order; only `plateau` looks at it.

    Raises ValueError for unknown names, and for steps that are none.
    """
    if name not in NAMES:
        raise ValueError(f"schedule must be one of the known ones, but got {name!r}{did_you_mean(name, NAMES)}")
    if not 0 <= step < steps:
        raise ValueError(f"step must be at least 0 and below the {steps} steps, but got {step}")
    if warm_up_steps < 0:
        raise ValueError(f"warm-up must be 0 steps or more, but got {warm_up_steps}")
    if name == "one-cycle":
        return _one_cycle(step, steps, warm_up_steps or RISE * steps)
    if step < warm_up_steps:
        return (step + 1) / (warm_up_steps + 1) * (_plateau(validations, patience) if name == "plateau" else 1)
    done = (step - warm_up_steps) / (steps - warm_up_steps)
    if name == "poly":
        return float((1 - done) ** POWER)
    if name == "cosine":
        return _half_cosine(1, 0, done)
    return _plateau(validations, patience) if name == "plateau" else 1.0


def _one_cycle(step: int, steps: int, rise: float) -> float:
    top, last = rise - 1, steps - 1
    if step <= top:
        return _half_cosine(START, 1, step / top if top else 1)
    return _half_cosine(1, END, (step - top) / (last - top))


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


def _plateau(validations: Sequence[tuple[int, float]], patience: int) -> float:
    if patience < 1:
        raise ValueError(f"patience must be 1 epoch or more, but got {patience}")
    best, since, found = -math.inf, 0, 1.0
    for epoch, quality in validations:
        if quality > best:
            best, since = quality, epoch
        elif epoch - since >= patience:
            found, since = found * DROP, epoch
    return found
