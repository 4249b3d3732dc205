"""Columns that several reports share, so that a figure reads the same everywhere."""

from collections.abc import Sequence
from typing import Any

from budgetnet import units
from budgetnet.networks import family
from budgetnet.report import Column

MEGA_OPS = Column(key="ops", heading="MOP", show=units.mega)
MEGA_PARAMS = Column(key="params", heading="M params", show=lambda value: units.mega(value, 2))
UTILISATION = Column(key="utilisation", heading="% of budget", show=units.percent)


def parameter_columns(network: str, names: Sequence[str]) -> list[Column]:
    """A column for each of a network's parameters."""
    parameters = [family(network).parameter(name) for name in names]
    return [
        Column(key=p.name, heading=p.name.replace("_", " "), show=word, right=p.kind is not str) for p in parameters
    ]


def word(value: Any) -> str:
    """A parameter's value as people write it: 1.0 is 1."""
    return f"{value:g}" if isinstance(value, float) else str(value)
