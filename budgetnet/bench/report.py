"""Measured latencies and replays as a report: what they come to, every figure, and what it was measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from budgetnet import units
from budgetnet.bench import replay_report
from budgetnet.bench.readings import NOISY, Readings
from budgetnet.bench.replayed import Replayed
from budgetnet.errors import printable
from budgetnet.report import Block, Column, Report, Table, Text
from budgetnet.report import facts as report_facts

KEY: Final = "bench"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """All that was measured. `names` are the runtimes' as people call them, by key; `notes` say what was left out and
    why. `threads` is how many each runtime had, `cores` how many there are, `pinned` those that it was kept on, `load`
    how many threads were at work on the machine in the minute before; the latter two are None where nobody tells.
    `unlike` are sentences about rows that do not do the same work.
    """

    readings: Sequence[Readings]
    replays: Sequence[Replayed]
    names: Mapping[str, str]
    notes: Sequence[str]
    threads: int
    cores: int
    pinned: Sequence[int] | None
    load: float | None
    settings: Mapping[str, Any]
    networks: Mapping[str, str]
    made_by: Mapping[str, Any]
    unlike: Sequence[str] = ()


def milliseconds(seconds: float) -> str:
    """`0.0123 -> '12.30'`."""
    return f"{1000 * seconds:,.2f}"


def report(found: Bench) -> Report:
    """The report `bench`."""
    blocks: list[Block] = [Text(text=verdict(found)), _table(found)]
    tables = [_exact(found)]
    if found.replays:
        blocks += replay_report.blocks(found.replays, found.names)
        tables.append(replay_report.exact(found.replays))
    blocks += [Text(text=each) for each in (*doubts(found), *found.notes)]
    blocks += [
        report_facts("Networks", found.networks),
        report_facts("Settings", found.settings),
        report_facts("Made by", found.made_by),
    ]
    return Report(
        key=KEY, title="What networks take on this machine", blocks=blocks, tables=tables, record=record(found)
    )


def for_screen(whole: Report) -> Report:
    """What people see at the prompt: not where all comes from, and the verdict last, where it stays in view."""
    kept = [
        each for each in whole.blocks[1:] if isinstance(each, Text) or (isinstance(each, Table) and each.key != "facts")
    ]
    shown = [*kept, whole.blocks[0]]
    return Report(key=whole.key, title=whole.title, blocks=shown, tables=whole.tables, record=whole.record)


def verdict(found: Bench) -> str:
    """What came out, in a paragraph."""
    said = []
    for batch in sorted({each.batch for each in found.readings}):
        best = min((each for each in found.readings if each.batch == batch), key=lambda each: each.median)
        what = "one image" if batch == 1 else f"batches of {batch}"
        name = f"{printable(best.network)} with {found.names[best.runtime]}"
        said.append(
            f"Of {what} {name} is the quickest: {milliseconds(best.median)} ms, {best.images_per_second:,.1f} images "
            f"per second."
        )
    for label in dict.fromkeys(each.network for each in found.replays):
        said.append(replay_report.verdict([each for each in found.replays if each.network == label], found.names))
    said.append("Readings of this machine, as busy as it was; they say nothing of the hardware in the car.")
    return " ".join(said)


def doubts(found: Bench) -> list[str]:
    """What should make people doubt the figures."""
    said = [*found.unlike]
    noisy = [each for each in found.readings if each.spread > NOISY]
    if noisy:
        worst = max(noisy, key=lambda each: each.spread)
        many = f"{len(noisy)} of {units.counted(len(found.readings), 'row', 'rows')}"
        said.append(
            f"Noisy: in {many} the middle half of the readings is wider than {units.percent(NOISY, 0)} % of their "
            f"median, up to {units.percent(worst.spread, 0)} % ({printable(worst.network)} with "
            f"{found.names[worst.runtime]}). Something else was at work; trust ratios more than milliseconds."
        )
    if found.load is not None and found.load + found.threads > found.cores + 0.5:
        advice = " Fewer --threads leave the others a core." if found.threads > 1 else ""
        said.append(
            f"Busy: on average {found.load:.1f} threads were at work in the minute before, and "
            f"{units.counted(found.threads, 'thread', 'threads')} measured on "
            f"{units.counted(found.cores, 'core', 'cores')}.{advice}"
        )
    if found.pinned is None:
        said.append("Not pinned: this system does not keep a process on some of its cores, so threads may have moved.")
    return said


def record(found: Bench) -> dict[str, Any]:
    """Everything as plain data, with every reading: `Readings.from_record` and `Replayed.from_record` read it back."""
    return {
        "verdict": verdict(found),
        "doubts": doubts(found),
        "notes": list(found.notes),
        "readings": [
            {**_row(each, found), "runtime": each.runtime, **each.record(), "rounds_are": "seconds per batch"}
            for each in found.readings
        ],
        "replays": [replay_report.record(each) for each in found.replays],
        "threads": found.threads,
        "cores": found.cores,
        "pinned_to": None if found.pinned is None else list(found.pinned),
        "load_before": found.load,
        "networks": dict(found.networks),
        "settings": dict(found.settings),
        "made_by": dict(found.made_by),
    }


def _row(each: Readings, found: Bench) -> dict[str, Any]:
    """All figures of one row, by column; times are milliseconds of a batch."""
    (times, ratios), (first, third) = each.against(found.readings[0]), each.middle_half
    low, high = each.interval or (None, None)
    times_low, times_high = ratios or (None, None)
    return {
        "network": printable(each.network),
        "runtime": found.names[each.runtime],
        "batch": each.batch,
        "height": each.height,
        "width": each.width,
        "ms": 1000 * each.median,
        "ms_low": None if low is None else 1000 * low,
        "ms_high": None if high is None else 1000 * high,
        "ms_deviation": 1000 * each.deviation,
        "ms_first_quartile": 1000 * first,
        "ms_third_quartile": 1000 * third,
        "ms_p90": 1000 * each.percentile(90),
        "ms_p99": None if each.p99 is None else 1000 * each.p99,
        "ms_slowest": 1000 * each.percentile(100),
        "ms_quickest": 1000 * each.percentile(0),
        "images_per_second": each.images_per_second,
        "times_the_first": times,
        "times_low": times_low,
        "times_high": times_high,
        "readings": len(each.seconds),
    }


def _table(found: Bench) -> Table:
    rows = []
    for each in found.readings:
        row = _row(each, found)
        row["interval"] = _between(row["ms_low"], row["ms_high"])
        row["half"] = f"{row['ms_first_quartile']:,.2f} to {row['ms_third_quartile']:,.2f}"
        between = _between(row["times_low"], row["times_high"])
        row["times"] = f"{row['times_the_first']:.2f}" + (f" ({between})" if between else "")
        rows.append(row)
    columns = [
        *(Column(key=key, heading=key, right=False) for key in ("network", "runtime")),
        Column(key="batch", heading="batch"),
        Column(key="ms", heading="median ms", show=_two),
        Column(key="interval", heading="95 % of the median"),
        Column(key="half", heading="middle half"),
        *(Column(key=key, heading=words, show=_two) for key, words in _EXTREMES.items()),
        Column(key="images_per_second", heading="images/s", show=lambda value: f"{value:,.1f}"),
        Column(key="times", heading="x the first, per image"),
    ]
    title = "Milliseconds of a batch, and time per image against the first row's, round by round"
    return Table(key="latency", title=title, columns=columns, rows=rows)


_EXTREMES: Final = {"ms_quickest": "quickest", "ms_p90": "p90", "ms_slowest": "slowest"}


def _two(value: float) -> str:
    return f"{value:,.2f}"


def _between(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:,.2f} to {high:,.2f}"


def _exact(found: Bench) -> Table:
    rows = [_row(each, found) for each in found.readings]
    texts = ("network", "runtime")
    columns = [Column(key=key, heading=key.replace("_", " "), right=key not in texts) for key in rows[0]]
    return Table(key=KEY, title="Latencies", columns=columns, rows=rows)
