"""Any candidate that is open, each as likely as the others."""

import numpy as np

from budgetnet.search.samplers import View


def propose(view: View, rng: np.random.Generator) -> int:
    """A candidate drawn evenly."""
    open_ones = np.flatnonzero(view.open)
    return int(open_ones[rng.integers(len(open_ones))])
