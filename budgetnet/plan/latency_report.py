"""A plan in time, as a report: milliseconds of every candidate, of each layer of one, and which platforms keep up."""

from typing import Any, Final

from budgetnet import energy, units
from budgetnet.plan import people
from budgetnet.plan.latency import InTime
from budgetnet.plan.latency_tables import (
    candidate_table,
    head,
    layer_table,
    milliseconds,
    named_table,
    of_group,
    platform_table,
)
from budgetnet.report import Block, Report, Text

SHORT: Final = 12
"""Rows of a table on the screen."""
DISPENSABLE: Final = ("engine", "headroom", "millijoules", "launch", "memory", "compute", "peak_tops", "band")
"""Columns that the screen leaves out first where a table is too wide."""


def report(found: InTime, *, rows: int | None = None) -> Report:
    """All of it; people see `rows` of each table, all with None."""
    people_read = [candidate_table(found), layer_table(found), platform_table(found)]
    tables = [candidate_table(found, exact=True), people_read[1], platform_table(found, exact=True)]
    shown = [head(table, rows) for table in people_read]
    if rows is not None:
        shown = [people.narrow(table, *DISPENSABLE) for table in shown]
    blocks: list[Block] = [Text(text=verdict(found))]
    blocks += [Text(text=line) for line in _about(found)]
    if found.named:
        blocks.append(named_table(found))
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
    group = of_group(chosen)
    group = group and f" for an image{group}, the longest,"
    return (
        f"{said} The {which}, {chosen.planned.label}, takes {milliseconds(1000 * one.seconds)} ms{batch}{group} "
        f"({least} to {most} in nine of ten cases) and {busy}."
    )


def obstacle(found: InTime) -> str | None:
    """Why what was asked for does not keep the frame rates: any of those that were named, else all that fit the budget.
    None where it does.
    """
    on = f"{found.roof.platform} at {found.roof.precision}"
    late = [each for each in found.named if not each.keeps_up]
    if late:
        return " ".join(
            f"{each.planned.label} keeps {on} busy {units.percent(each.busy)} % of the time, of which "
            f"{units.percent(each.available)} % are available."
            for each in late
        )
    if not found.named and not any(each.planned.fits and each.keeps_up for each in found.timed):
        return f"no candidate that fits the budget keeps the frame rates on {on}."
    return None


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
    return [line, *_energy(found), *_waiting(found)]


def _energy(found: InTime) -> list[str]:
    """Energy of one image, between what board power and arithmetic alone say."""
    one = found.chosen.longest
    steps, precision = [step.kernel for step in one.steps], found.roof.precision
    least = ", ".join(
        f"{milliseconds(1000 * energy.arithmetic(steps, precision, process))} mJ in {process.name}"
        for process in energy.PROCESSES
    )
    power = "" if one.energy is None else f"{milliseconds(1000 * one.energy)} mJ at {found.roof.watts:g} W; "
    moved = ""
    if found.roof.bandwidth is not None:  # else there may be no such memory
        moved = f", its bytes {milliseconds(1000 * energy.traffic(steps, precision))} mJ if all go through DRAM"
    return [
        f"Energy of an image{of_group(found.chosen)}: {power}its arithmetic alone takes {least}{moved} "
        "(Horowitz, ISSCC 2014; Jouppi et al., ISCA 2021)."
    ]


def _waiting(found: InTime) -> list[str]:
    """What a batch waits for."""
    if found.batch == 1:
        return []
    rate = float(found.plan.scenario.images_per_second)
    waits = milliseconds(1000 * (found.batch - 1) / rate)
    return [
        f"A batch of {found.batch} gathers the frames of {waits} ms at {rate:g} images per second: the first of them "
        "waits so long before anything is computed, which is in none of these times."
    ]


def _without(found: InTime) -> list[str]:
    if not found.without:
        return []
    reasons: dict[str, list[str]] = {}
    for key, reason in found.without.items():
        reasons.setdefault(reason, []).append(key)
    return [f"Not ranked, as {reason}: {', '.join(keys)}." for reason, keys in reasons.items()]


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
