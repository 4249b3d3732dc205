"""The few functions that the formulas need beyond + - * //, for plain numbers and NumPy arrays alike.

NumPy is imported only once an array turns up, so that planning with plain ints starts at once.
"""

from typing import Any

from budgetnet.units import Number


def ceil_div(dividend: Number, divisor: Number) -> Number:
    """`dividend / divisor` rounded up, for ints and integer arrays."""
    return -(-dividend // divisor)


def maximum(first: Number, second: Number) -> Number:
    """The larger of two, element by element where one is an array."""
    if plain(first, second):
        return max(first, second)
    import numpy as np

    return np.maximum(first, second)


def truncate(value: Any) -> Number:
    """The whole part of a float, as `int()` gives it; element by element for an array."""
    return int(value) if plain(value) else value.astype("int64")


def holds(condition: Any) -> bool:
    """Whether a comparison is true; for arrays, true everywhere."""
    return condition if isinstance(condition, bool) else bool(condition.all())


def plain(*values: Any) -> bool:
    """Whether all are plain numbers, no arrays."""
    return all(isinstance(value, int | float) for value in values)
