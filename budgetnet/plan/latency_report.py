"""A plan in time, as a report: milliseconds of every candidate, of each layer of one, and which platforms keep up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

from budgetnet import energy, units
from budgetnet.errors import printable
from budgetnet.plan import Plan, people
from budgetnet.plan.demand import Planned
from budgetnet.plan.latency import Clock, Ranked, Timed, cheapest, ranked
from budgetnet.report import Block, Column, Report, Row, Table, Text
from budgetnet.roofline import BOUNDS, Prediction, Roof

SHORT: Final = 12
"""Rows of a table on the screen."""
DISPENSABLE: Final = ("engine", "headroom", "millijoules", "launch", "memory", "compute", "peak_tops", "band")
"""Columns that the screen leaves out first where a table is too wide."""


def milliseconds(value: float) -> str:
    """`0.5741 -> '0.574'`, `12.93 -> '12.9'`: three digits that tell."""
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _band(row: Row) -> str:
    return f"{milliseconds(row['least_ms'])} to {milliseconds(row['most_ms'])}"


CANDIDATES: Final = (
    Column(key="label", heading="candidate", right=False),
    Column(key="ops", heading="MOP", show=units.mega),
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


@final
@dataclass(frozen=True, kw_only=True)
class InTime:
    """A plan on one engine: what its listed candidates take, one of them layer by layer, and every known platform."""

    plan: Plan
    roof: Roof
    batch: int
    timed: tuple[Timed, ...]
    chosen: Timed
    named: tuple[Timed, ...]
    platforms: tuple[Ranked, ...]
    without: dict[str, str]

    @classmethod
    def of(
        cls, plan: Plan, on: Roof, key: str | None = None, *, batch: int = 1, named: Sequence[Planned] = ()
    ) -> "InTime":
        """Layers and platforms are those of the first choice that was named, else of the largest that fits the budget
        and keeps up, else of the quickest. `key` is the platform's, or its file's path: it is ranked with the others.
        """
        clock = Clock(batch)
        timed = tuple(clock.time(planned, on) for planned in plan.candidates)
        asked = tuple(clock.time(planned, on) for planned in named)
        chosen = asked[0] if asked else _best(timed)
        found, without = ranked(chosen.planned, clock, on.precision, None if key is None else (key, on))
        return cls(
            plan=plan,
            roof=on,
            batch=batch,
            timed=timed,
            chosen=chosen,
            named=asked,
            platforms=tuple(found),
            without=without,
        )


def _best(timed: Sequence[Timed]) -> Timed:
    able = [each for each in timed if each.planned.fits and each.keeps_up]
    if able:
        return max(able, key=lambda each: each.planned.required)
    return min(timed, key=lambda each: each.busy)


def report(found: InTime, *, rows: int | None = None) -> Report:
    """All of it; people see `rows` of each table, all with None."""
    tables = [_candidates(found), _layers(found), _platforms(found)]
    shown = [_head(table, rows) for table in tables]
    if rows is not None:
        shown = [people.narrow(table, *DISPENSABLE) for table in shown]
    blocks: list[Block] = [Text(text=verdict(found))]
    blocks += [Text(text=line) for line in _about(found)]
    if found.named:
        blocks.append(_table("plan-latency-named", "Asked for by name", CANDIDATES, map(_row, found.named)))
    blocks += [*shown, *(Text(text=line) for line in _without(found))]
    return Report(
        key="plan-latency",
        title=f"Scenario {found.plan.scenario.name} on {found.roof.platform}, {found.roof.precision}",
        blocks=blocks,
        tables=tables,
        record=_record(found),
    )


def verdict(found: InTime) -> str:
    """Whether anything keeps up, and the best that does."""
    fitting = [each for each in found.timed if each.planned.fits]
    able = [each for each in fitting if each.keeps_up]
    on = f"{found.roof.platform} ({found.roof.engine}, {found.roof.precision})"
    said = f"On {on} {len(able):,} of {len(fitting):,} listed candidates that fit the budget keep the frame rates."
    chosen = found.chosen
    one = chosen.longest
    least, most = (milliseconds(1000 * end) for end in one.band)
    which = "named" if found.named else "largest that does" if able else "quickest"
    batch = f" for {found.batch} images" if found.batch > 1 else ""
    busy = f"keeps the hardware busy {units.percent(chosen.busy)} % of the time"
    return (
        f"{said} The {which}, {chosen.planned.label}, takes {milliseconds(1000 * one.seconds)} ms{batch} "
        f"({least} to {most} in nine of ten cases) and {busy}."
    )


def _about(found: InTime) -> list[str]:
    efficiency, on = found.roof.efficiency, found.roof
    error = efficiency.error
    memory = "no memory bandwidth is known, so no layer is bound by it"
    if on.bandwidth is not None:
        memory = f"{on.bandwidth / units.GIGA:g} GB/s"
    streams = f", {on.streams} of them side by side" if on.streams > 1 else ""
    median = units.percent(error.median, 0)
    line = (
        f"Roofline: peak {units.giga(on.peak, 0)} GOPS{streams}, {memory}; efficiency: {efficiency.name} "
        f"({efficiency.source}). Error of predictions of what was not measured: {median} % at the median, nine of ten "
        f"within a factor of {error.factor:.2f} ({error.measurements} measurements, {error.how})."
    )
    return [line, *_energy(found)]


def _energy(found: InTime) -> list[str]:
    """Energy of one image, between what board power and arithmetic alone say."""
    steps = [step.kernel for step in found.chosen.longest.steps]
    precision = found.roof.precision
    moved = energy.traffic(steps, precision)
    least = ", ".join(
        f"{milliseconds(1000 * energy.arithmetic(steps, precision, process))} mJ in {process.name}"
        for process in energy.PROCESSES
    )
    whole = found.chosen.longest.energy
    power = "" if whole is None else f"{milliseconds(1000 * whole)} mJ at {found.roof.watts:g} W; "
    return [
        f"Energy of an image: {power}its arithmetic alone takes {least}, its bytes {milliseconds(1000 * moved)} mJ if "
        "all go through DRAM (Horowitz, ISSCC 2014; Jouppi et al., ISCA 2021)."
    ]


def _without(found: InTime) -> list[str]:
    if not found.without:
        return []
    reasons: dict[str, list[str]] = {}
    for key, reason in found.without.items():
        reasons.setdefault(reason, []).append(key)
    return [f"Not ranked, as {reason}: {', '.join(keys)}." for reason, keys in reasons.items()]


def _times(one: Prediction) -> dict[str, Any]:
    least, most = one.band
    row = {"ms": 1000 * one.seconds, "least_ms": 1000 * least, "most_ms": 1000 * most}
    return {**row, "band": _band(row)}


def _row(timed: Timed) -> Row:
    one = timed.longest
    return {
        "label": timed.planned.label,
        "ops": sum(each.cost.ops for each in timed.planned.figures),
        **_times(one),
        "images_per_second": timed.images_per_second,
        "busy": timed.busy,
        **{bound: one.share(bound) for bound in BOUNDS},
        "millijoules": None if timed.energy is None else 1000 * timed.energy,
        "fits": timed.planned.fits,
        "keeps_up": timed.keeps_up,
    }


def _place(timed: Timed) -> tuple[bool, float]:
    """Of those that fit the budget and keep up the largest first, of the others the quickest."""
    able = timed.planned.fits and timed.keeps_up
    return not able, float(-timed.planned.required) if able else timed.busy


def _candidates(found: InTime) -> Table:
    order = sorted(found.timed, key=_place)
    title = f"Candidates in time, batches of {found.batch}: the largest that keep up first, then the quickest"
    return _table("plan-latency", title, CANDIDATES, map(_row, order))


def _layers(found: InTime) -> Table:
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
    return _table("plan-layers", f"Layers of {found.chosen.planned.label}, as they are computed", LAYERS, rows)


def _platforms(found: InTime) -> Table:
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
    table = _table("plan-platforms", title, PLATFORMS, rows)
    return replace(table, marked=lambda row: bool(row["best"]))


def _table(key: str, title: str, columns: Sequence[Column], rows: Any) -> Table:
    return Table(key=key, title=title, columns=columns, rows=list(rows))


def _head(table: Table, rows: int | None) -> Table:
    hidden = 0 if rows is None else len(table.rows) - rows
    if hidden <= 0:
        return table
    if table.key == "plan-layers":  # the slowest are what people look for
        slowest = sorted(table.rows, key=lambda row: -row["share"])[:rows]
        kept = [row for row in table.rows if any(row is each for each in slowest)]
        return replace(table, title=f"{table.title}; the {rows} slowest, all in {table.key}.csv", rows=kept)
    return replace(table, title=f"{table.title} ({hidden:,} more in {table.key}.csv)", rows=table.rows[:rows])


def _record(found: InTime) -> dict[str, Any]:
    on = found.roof
    return {
        "platform": on.platform,
        "engine": on.engine,
        "precision": on.precision,
        "batch": found.batch,
        "efficiency": on.efficiency.model_dump(mode="json"),
        "candidates": [each.record() for each in found.timed],
        "layers_of": found.chosen.planned.label,
        "platforms": {each.key: each.timed.record() for each in found.platforms},
        "not_ranked": found.without,
    }
