"""The tables of a plan in time: candidates, layers of one of them, platforms for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from budgetnet import units
from budgetnet.errors import printable
from budgetnet.plan.latency import InTime, Timed, cheapest
from budgetnet.report import Column, Row, Table
from budgetnet.roofline import BOUNDS, Prediction


def milliseconds(value: float) -> str:
    """`0.5741 -> '0.574'`, `12.93 -> '12.9'`: three digits that tell."""
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _band(row: Row) -> str:
    return f"{milliseconds(row['least_ms'])} to {milliseconds(row['most_ms'])}"


CANDIDATES: Final = (
    Column(key="label", heading="candidate", right=False),
    Column(key="required_gops", heading="GOPS", show=units.gops),
    Column(key="ms", heading="ms", show=milliseconds),
    Column(key="band", heading="ms, 9 of 10", right=False),
    Column(key="images_per_second", heading="images/s", show=lambda value: units.at_most(value, 1)),
    Column(key="busy", heading="% busy", show=units.percent),
    Column(key="compute", heading="% compute", show=lambda value: units.percent(value, 0)),
    Column(key="memory", heading="% memory", show=lambda value: units.percent(value, 0)),
    Column(key="launch", heading="% launch", show=lambda value: units.percent(value, 0)),
    Column(key="millijoules", heading="mJ", show=milliseconds),
    Column(key="fits", heading="fits budget"),
    Column(key="keeps_up", heading="keeps up"),
)
LAYERS: Final = (
    Column(key="layer", heading="layer", right=False),
    Column(key="kind", heading="class", right=False),
    Column(key="ops", heading="MOP", show=units.mega),
    Column(key="bytes", heading="MB", show=units.megabytes),
    Column(key="microseconds", heading="10^-6 s", show=milliseconds),
    Column(key="share", heading="% of time", show=units.percent),
    Column(key="bound", heading="bound", right=False),
)
PLATFORMS: Final = (
    Column(key="platform", heading="platform", right=False),
    Column(key="engine", heading="engine", right=False),
    Column(key="watts", heading="W", show=lambda value: f"{value:g}"),
    Column(key="peak_tops", heading="TOPS", show=lambda value: f"{value:,.3g}"),
    Column(key="ms", heading="ms", show=milliseconds),
    Column(key="band", heading="ms, 9 of 10", right=False),
    Column(key="images_per_second", heading="images/s", show=lambda value: units.at_most(value, 1)),
    Column(key="busy", heading="% busy", show=units.percent),
    Column(key="headroom", heading="headroom %", show=units.percent),
    Column(key="millijoules", heading="mJ", show=milliseconds),
    Column(key="keeps_up", heading="keeps up"),
    Column(key="surely", heading="surely"),
    Column(key="best", heading="best", right=False),
)


def of_group(timed: Timed) -> str:
    """` of group front`: whose images take longest, where there are several groups."""
    groups = timed.planned.demand.groups
    if len(groups) == 1:
        return ""
    return f" of group {groups[timed.predictions.index(timed.longest)].name}"


def _times(one: Prediction) -> dict[str, Any]:
    least, most = one.band
    row = {"ms": 1000 * one.seconds, "least_ms": 1000 * least, "most_ms": 1000 * most}
    return {**row, "band": _band(row)}


def _row(timed: Timed) -> Row:
    one = timed.longest
    return {
        "label": timed.planned.label,
        "required_gops": timed.planned.required_gops,
        **_times(one),
        **_by_group(timed),
        "images_per_second": timed.images_per_second,
        "busy": timed.busy,
        **{bound: one.share(bound) for bound in BOUNDS},
        "millijoules": None if timed.energy is None else 1000 * timed.energy,
        "fits": timed.planned.fits,
        "keeps_up": timed.keeps_up,
    }


def _by_group(timed: Timed) -> Row:
    """Milliseconds for an image of each camera group."""
    groups = zip(timed.planned.demand.groups, timed.predictions, strict=True)
    return {f"ms:{group.name}": 1000 * made.seconds for group, made in groups}


def _candidate_columns(found: InTime, *, exact: bool) -> list[Column]:
    """With a column for each camera group where there are several; the band in words, or its ends as they are."""
    groups = found.plan.scenario.groups
    each = [Column(key=f"ms:{group.name}", heading=f"ms {group.name}", show=milliseconds) for group in groups]
    longest = "ms" if len(groups) == 1 else "ms, longest"
    columns = [replace(column, heading=longest) if column.key == "ms" else column for column in CANDIDATES]
    place = [column.key for column in columns].index("ms") + 1
    columns[place:place] = each if len(groups) > 1 else []
    return _with_ends(columns) if exact else columns


def _with_ends(columns: Sequence[Column]) -> list[Column]:
    """The band as two exact numbers."""
    found: list[Column] = []
    for column in columns:
        ends = [Column(key="least_ms", heading="least ms"), Column(key="most_ms", heading="most ms")]
        found += ends if column.key == "band" else [column]
    return found


def _place(timed: Timed) -> tuple[bool, float]:
    """Of those that fit the budget and keep up the largest first, of the others the quickest."""
    able = timed.planned.fits and timed.keeps_up
    return not able, float(-timed.planned.required) if able else timed.busy


def candidate_table(found: InTime, *, exact: bool = False) -> Table:
    """Every listed candidate; exact with the ends of bands as numbers."""
    order = sorted(found.timed, key=_place)
    title = f"Candidates in time, batches of {found.batch}: the largest that keep up first, then the quickest"
    return _table("plan-latency", title, _candidate_columns(found, exact=exact), map(_row, order))


def named_table(found: InTime) -> Table:
    """The candidates that were asked for by name."""
    columns = _candidate_columns(found, exact=False)
    return _table("plan-latency-named", "Asked for by name", columns, map(_row, found.named))


def layer_table(found: InTime) -> Table:
    """One candidate kernel by kernel, for the images that take longest."""
    one = found.chosen.longest
    rows = [
        {
            "layer": step.kernel.name,
            "kind": step.kernel.kind,
            "ops": step.kernel.ops,
            "bytes": step.kernel.bytes(one.roof.precision, one.batch),
            "microseconds": 1e6 * step.seconds,
            "share": step.seconds / one.seconds,
            "bound": step.bound,
        }
        for step in one.steps
    ]
    title = f"Layers of {found.chosen.planned.label}{of_group(found.chosen)}, as they are computed"
    return _table("plan-layers", title, LAYERS, rows)


def platform_table(found: InTime, *, exact: bool = False) -> Table:
    """Every platform for one candidate; exact with the ends of bands as numbers."""
    best: dict[str, list[str]] = {}
    for what, each in cheapest(found.platforms).items():
        best.setdefault(each.key, []).append(what)
    rows = [
        {
            "platform": printable(each.key),
            "engine": each.timed.roof.engine,
            "watts": each.watts,
            "peak_tops": each.peak / (1000 * units.GIGA),
            **_times(each.timed.longest),
            "images_per_second": each.timed.images_per_second,
            "busy": each.timed.busy,
            "headroom": each.timed.headroom,
            "millijoules": None if each.timed.energy is None else 1000 * each.timed.energy,
            "keeps_up": each.suits,
            "surely": each.timed.keeps_up_surely,
            "best": ", ".join(best.get(each.key, [])),
        }
        for each in found.platforms
    ]
    title = f"Platforms for {found.chosen.planned.label} at {found.roof.precision}: those that keep up first, by power"
    table = _table("plan-platforms", title, _with_ends(PLATFORMS) if exact else PLATFORMS, rows)
    return replace(table, marked=lambda row: bool(row["best"]))


def _table(key: str, title: str, columns: Sequence[Column], rows: Any) -> Table:
    return Table(key=key, title=title, columns=columns, rows=list(rows))


def head(table: Table, rows: int | None) -> Table:
    """As many rows as people read: the first, of layers the slowest; all with None."""
    hidden = 0 if rows is None else len(table.rows) - rows
    if hidden <= 0:
        return table
    if table.key == "plan-layers":  # the slowest are what people look for
        slowest = sorted(table.rows, key=lambda row: -row["share"])[:rows]
        kept = [row for row in table.rows if any(row is each for each in slowest)]
        return replace(table, title=f"{table.title}; the {rows} slowest of them, all in {table.key}.csv", rows=kept)
    return replace(table, title=f"{table.title} ({hidden:,} more in {table.key}.csv)", rows=table.rows[:rows])
