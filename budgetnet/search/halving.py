"""Rungs: how far candidates train before it is decided which of them go on (successive halving, Jamieson & Talwalkar,
arXiv:1502.07943; asynchronous: Li et al., arXiv:1810.05934).

A candidate that pauses at a rung keeps its checkpoint and goes on from it, with the learning rates of a whole training
all along: one that reaches the last rung has been trained exactly as `budgetnet train` would have.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import ceil
from typing import Final

from budgetnet.errors import BudgetnetError, shorten
from budgetnet.training_settings import Training

REDUCTION: Final = 2
"""One of so many candidates goes on from a rung."""

SPACING: Final = 3
"""From one rung to the next a candidate trains so many times as long, where the choice is automatic."""

MOST_RUNGS: Final = 3
"""Of an automatic choice: the first rung is a ninth of a training, if that is beyond the warm-up."""

ONE_CYCLE_RISE: Final = 0.3
"""Share of a training in which `one-cycle` rises where no warm-up is given, as `training.schedules` has it."""

AUTOMATIC, NONE = "auto", "none"


def rungs(spec: str, training: Training) -> tuple[int, ...]:
    """Epochs after which candidates pause, the last a whole training: `auto`, `none`, or epochs such as `2,6`.

    Every rung has a validation: automatic ones are multiples of `validate_every`. Raises BudgetnetError.
    """
    if spec == AUTOMATIC:
        return automatic(training)
    if spec == NONE:
        return (training.epochs,)
    try:
        given = [int(word) for word in spec.split(",")] if spec.isascii() else []
    except ValueError:
        given = []
    rule = _broken(given, training)
    if rule:
        raise BudgetnetError(f"--rungs: {rule}, but got {shorten(spec)}")
    return (*given, training.epochs) if given[-1] < training.epochs else tuple(given)


def _broken(given: list[int], training: Training) -> str | None:
    if not given:
        return "must be auto, none, or epochs such as 2,6"
    if given[0] < 1 or any(later <= earlier for earlier, later in pairwise(given)):
        return "must be epochs from 1 on, each more than the one before"
    if given[-1] > training.epochs:
        return f"must be at most the {training.epochs} epochs of a whole training"
    if any(each % training.validate_every for each in given if each < training.epochs):
        return f"must be multiples of validate_every, {training.validate_every}, where there is a validation"
    return None


def automatic(training: Training) -> tuple[int, ...]:
    """A third of a training, a ninth of it, rounded up to a validation; fewer where it is short, and none within its
    warm-up: as long as learning rates rise, ranks say next to nothing (benchmarks/README.md).
    """
    found, risen = [training.epochs], _risen(training)
    while len(found) < MOST_RUNGS:
        every = training.validate_every
        below = ceil(ceil(found[0] / SPACING) / every) * every
        if below >= found[0] or below < risen:
            break
        found.insert(0, below)
    return tuple(found)


def _risen(training: Training) -> float:
    """The epochs after which the learning rate rises no more."""
    share = training.warm_up
    if training.schedule == "one-cycle" and not share:
        share = ONE_CYCLE_RISE
    return share * training.epochs


def reached(training: Training, curve: Mapping[int, float], epoch: int) -> float | None:
    """Mean IoU of the weights that would be kept after an epoch: the last validation's, or the best one's where the
    training keeps the best. None before the first validation.
    """
    until = {each: value for each, value in curve.items() if each <= epoch}
    if not until:
        return None
    whole = [value for each, value in until.items() if each > training.early_epochs]
    return max(whole) if training.keep == "best" and whole else until[max(until)]
