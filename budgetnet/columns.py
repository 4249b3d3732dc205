"""Columns that several reports share, so that a figure reads the same everywhere."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from budgetnet import units
from budgetnet.networks import Candidate, family
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


def told(names: Sequence[str], candidates: Collection[Candidate]) -> list[str]:
    """Of these parameters those that a table of candidates of one network tells: as in labels, a named one only where
    one of the candidates does not have its default.
    """
    known = {p.name: p for network in {each.network for each in candidates} for p in family(network).parameters}
    named = {name: known[name].default for name in names if name in known and known[name].named}
    other = {name for each in candidates for name, value in each.values if name in named and value != named[name]}
    return [name for name in names if name not in named or name in other]


def word(value: Any) -> str:
    """A parameter's value as people write it, and exactly: 1.0 is 1."""
    return written(value)
