"""The table of a plan's camera groups: what each takes of the one budget that they share."""

from typing import Any, Final

from budgetnet import units
from budgetnet.columns import shares_named, word
from budgetnet.plan import Plan
from budgetnet.plan.demand import Load, Planned
from budgetnet.plan.inputs import GOPS_NUMBER
from budgetnet.report import Column, Row, Table, Tone

_TOGETHER: Final = "SUMPRODUCT({plan-groups:ops},{plan-groups:images_per_second})"
"""Operations per second of all groups, contention left out; the row of all has no `ops` and adds nothing."""


def _live(key: str, heading: str, show: Any = word, number: str = "", tone: Tone = "plain") -> Column:
    """A column whose rows say each by itself what their value follows from."""
    return Column(
        key=key, heading=heading, show=show, number=number, tone=tone, formula=lambda row: row["formulas"].get(key, "")
    )


_COLUMNS: Final = (
    Column(key="name", heading="group", right=False),
    _live("cameras", "cameras"),
    _live("fps", "fps"),
    Column(key="image", heading="image", right=False),
    Column(key="network", heading="network", right=False),
    _live("images_per_second", "images/s"),
    Column(key="ops", heading="operations", number="#,##0"),
    _live("required_gops", "GOPS", units.gops, GOPS_NUMBER),
    _live("utilisation", "% of budget", units.percent, "0.0%", "share"),
    _live("share", "% of all groups", units.percent, "0.0%"),
)


def group_table(plan: Plan) -> Table | None:
    """Each camera group's share for one choice of networks: the largest that fits, or the smallest where none does.
    None where there is but one group.
    """
    if len(plan.scenario.groups) == 1:
        return None
    planned = plan.candidates[0] if plan.fit else plan.nearest
    which = "the largest candidate that fits" if plan.fit else "the smallest candidate, which does not fit either"
    return Table(
        key="plan-groups",
        title=f"Camera groups: shares with {which} as planned, {planned.label}",
        columns=shares_named(_COLUMNS, plan.scenario),
        rows=shares(planned),
        marked=lambda row: row["number"] is None,
    )


def shares(planned: Planned) -> list[Row]:
    """What each camera group takes with one choice of networks, and all together."""
    return [*(_row(number, load, planned) for number, load in enumerate(planned.loads, start=1)), _total(planned)]


def _row(number: int, load: Load, planned: Planned) -> Row:
    group = load.group
    return {
        "number": number,
        "name": group.name,
        "cameras": group.count,
        "fps": group.fps,
        "image": f"{group.height} x {group.width}",
        "network": planned.demand.scenario.networks[group.network].name,
        "images_per_second": float(group.images_per_second),
        "ops": load.figures.cost.ops,
        "required_gops": load.required_gops,
        "utilisation": load.utilisation,
        "share": float(load.required / planned.required),
        "formulas": {
            "cameras": f"{{cameras_{number}}}",
            "fps": f"{{fps_{number}}}",
            "images_per_second": "[cameras]*[fps]",
            "required_gops": "[ops]*[images_per_second]*{contention}/1E9",
            "utilisation": "[required_gops]/{available_gops}",
            "share": f"[ops]*[images_per_second]/{_TOGETHER}",
        },
    }


def _total(planned: Planned) -> Row:
    groups = planned.demand.groups
    return {
        "number": None,
        "name": "all",
        "cameras": sum(group.count for group in groups),
        "images_per_second": float(planned.demand.scenario.images_per_second),
        "required_gops": planned.required_gops,
        "utilisation": planned.utilisation,
        "share": 1.0,
        "formulas": {
            "cameras": "+".join(f"{{cameras_{number}}}" for number, _ in enumerate(groups, start=1)),
            "images_per_second": "{images_per_second}",
            "required_gops": f"{_TOGETHER}*{{contention}}/1E9",
            "utilisation": "[required_gops]/{available_gops}",
        },
    }
