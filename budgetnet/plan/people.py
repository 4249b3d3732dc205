"""What people see of a plan's tables: no more rows than they read, no wider than their screen. Machines get all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from budgetnet import units
from budgetnet.formats.table import least_width
from budgetnet.plan import Plan
from budgetnet.plan.demand import Planned
from budgetnet.plan.parts import CLASSES, MOST_CELLS, STEMS, nearest
from budgetnet.plan.tables import candidate_table
from budgetnet.report import Column, Table, Text
from budgetnet.scenario import Scenario

SHORT: Final = 8
"""How many candidates the short table shows of those that fit, and half as many of those that do not."""

LONG: Final = 400
"""How many the long one shows of those that fit, and half as many of those that do not. CSV holds all."""

SCREEN: Final = 120
"""How many characters wide tables on the screen are at most, where that can be."""

PAPER: Final = 40
"""How many columns the table of heads has at most in a report that is read."""


def on_paper(rows: int | None) -> bool:
    """Whether so many rows are for a report to read, rather than for the screen."""
    return rows is not None and rows >= LONG


def stems(table: Table, rows: int | None) -> Table:
    """The stems nearest to the limit: thrice as many as candidates on the screen; all with None."""
    most = len(table.rows) if rows is None else min(3 * rows, LONG)
    shown = nearest([row["utilisation"] for row in table.rows], most)
    if len(shown) == len(table.rows):
        return table
    title = f"{STEMS}; nearest to the limit ({len(table.rows) - len(shown):,} more in plan-stem.csv)"
    return replace(table, title=title, rows=[table.rows[index] for index in shown])


def heads(table: Table | None, scenario: Scenario, rows: int | None) -> Table | Text:
    """The first heads, on the screen for the scenario's own class count; where they are too wide, in which files they
    are."""
    if table is None:
        return Text(text=f"Heads: no table, it would hold more than {MOST_CELLS:,} figures.")
    shown = in_mega(table if rows is None or on_paper(rows) else _own_classes(table, scenario))
    if len(shown.columns) > PAPER if on_paper(rows) else least_width(shown) > SCREEN:
        return Text(text=f"{table.title}: too many columns to read; they are in plan-head.csv and plan.xlsx.")
    hidden = 0 if rows is None else len(shown.rows) - min(3 * rows, LONG)
    if hidden <= 0:
        return shown
    title = f"{shown.title} ({hidden:,} more rows in plan-head.csv)"
    return replace(shown, title=title, rows=shown.rows[:-hidden])


def candidates(key: str, title: str, plan: Plan, chosen: Sequence[Planned], rows: int | None) -> Table:
    """Candidates by what people compare them by, on the screen without what they need least."""
    table = candidate_table(key, title, plan, chosen)
    if on_paper(rows):
        return table
    memory = () if plan.scenario.budget_mb else ("memory_mb",)
    table = narrow(table, "gops:", "headroom_gops", "ops", "params", *memory, "speed", "max_fps")
    if least_width(table) <= SCREEN:
        return table
    one = len(plan.scenario.networks) == 1
    choosing = set(plan.scenario.space) if one else {f"label:{choice.name}" for choice in plan.scenario.networks}
    others = [column for column in table.columns if column.key not in choosing]
    heading = "candidate" if one else "networks"
    return replace(table, columns=[Column(key="label", heading=heading, right=False), *others])


def narrow(table: Table, *dispensable: str) -> Table:
    """The table without the columns whose keys begin like these, one sort after the other until it fits the screen."""
    shown = table
    for beginning in dispensable:
        if least_width(shown) <= SCREEN:
            break
        columns = [column for column in shown.columns if not column.key.startswith(beginning)]
        shown = replace(table, title=f"{table.title}; more columns in the report", columns=columns)
    return shown


def in_mega(table: Table) -> Table:
    """The same in mega-operations, which people read more easily."""
    return replace(
        table,
        title=table.title.replace("operations", "mega-operations"),
        columns=[
            replace(column, heading=column.heading.replace("operations", "MOP"), show=units.mega)
            if column.key.startswith("ops")
            else column
            for column in table.columns
        ],
    )


def _own_classes(table: Table, scenario: Scenario) -> Table:
    """The head table for the scenario's class count only."""
    return replace(
        table,
        columns=[column for column in table.columns if column is not CLASSES],
        rows=[row for row in table.rows if row["classes"] == scenario.class_count],
    )
