"""Samplers: which candidate to begin next. One file each, its name is its key.

A sampler file holds a docstring whose first line says what it does, and `propose(view, rng) -> int`. It is shown what
is known (`View`) and answers with the index of an open candidate of the feasible set; others are not there to be
proposed, so no sampler leaves the budget and none proposes twice. What it answers follows from view and generator
alone, so that a search that was interrupted proposes what it would have proposed. Its cost does not grow with the
number of trials: of many, `View` shows those that say most.
"""

from dataclasses import dataclass
from typing import Protocol, cast, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.plan.feasible import Feasible
from budgetnet.plugins import load_module, module_names, summary

DEFAULT = "tpe"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a sampler may look at. Arrays of one length `n` are about the trials that have an observation, in the order
    of their numbers.

    `open` (len of feasible) flags what was not begun yet; at least one is. `seen` (n) are indices into the feasible
    set, `mean_iou` (n) what is expected of each at the end of a whole training, from the rung that it has reached,
    `rungs` (n) how many rungs that are (1 or more; `last_rung` is a whole training). `pending` are indices under way
    without an observation, `failed` those whose training failed. `number` is how many trials were begun before,
    `seed` that of the whole search.
    """

    feasible: Feasible
    open: NDArray[np.bool_]
    seen: NDArray[np.int64]
    mean_iou: NDArray[np.float64]
    rungs: NDArray[np.int64]
    last_rung: int
    pending: NDArray[np.int64]
    failed: NDArray[np.int64]
    number: int
    seed: int

    @property
    def images_per_second(self) -> NDArray[np.float64]:
        """(n): what the budget allows with each candidate seen, exactly known."""
        return self.feasible.images_per_second[self.seen]


class Sampler(Protocol):
    """A sampler file, as its users see it."""

    def propose(self, view: View, rng: np.random.Generator) -> int:
        """The index of the open candidate to begin next."""
        ...


def names() -> list[str]:
    """Keys of all samplers."""
    return module_names(__name__)


def sampler(name: str) -> Sampler:
    """The sampler `name`. Raises BudgetnetError naming the nearest known one when there is none."""
    return cast(Sampler, load_module(__name__, name, "sampler"))


def told(name: str) -> str:
    """What a sampler says about itself, in a line."""
    return summary(__name__, name)
