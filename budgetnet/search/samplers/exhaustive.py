"""One candidate after the other, from the most operations to the fewest."""

import numpy as np

from budgetnet.search.samplers import View


def propose(view: View, rng: np.random.Generator) -> int:
    """The first that is open."""
    return int(np.argmax(view.open))
