"""Columns that several reports share, so that a figure reads the same everywhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from budgetnet import units
from budgetnet.networks import family
from budgetnet.parameters import written
from budgetnet.report import Column

if TYPE_CHECKING:  # the light commands know no scenario, and start the faster
    from budgetnet.scenario import Scenario

MEGA_OPS = Column(key="ops", heading="MOP", show=units.mega)
MEGA_PARAMS = Column(key="params", heading="M params", show=lambda value: units.mega(value, 2))
UTILISATION = Column(key="utilisation", heading="% of budget", show=units.percent)


def of_what(scenario: "Scenario") -> str:
    """What shares are shares of: the budget, or what a reserve leaves of it."""
    return "available" if scenario.reserve else "budget"


def shares_named(columns: Sequence[Column], scenario: "Scenario") -> list[Column]:
    """The columns, with `% of available` over shares of what a reserve leaves of the budget."""
    named = f"% of {of_what(scenario)}"
    return [replace(column, heading=column.heading.replace("% of budget", named)) for column in columns]


def parameter_columns(scenario: "Scenario", names: Sequence[str]) -> list[Column]:
    """A column for each of these parameters of the scenario's networks."""
    known = {p.name: p for choice in reversed(scenario.networks) for p in family(choice.family).parameters}
    parameters = [known[name] for name in names]
    return [
        Column(key=p.name, heading=p.name.replace("_", " "), show=word, right=p.kind is not str) for p in parameters
    ]


def word(value: Any) -> str:
    """A parameter's value as people write it, and exactly: 1.0 is 1."""
    return written(value)
