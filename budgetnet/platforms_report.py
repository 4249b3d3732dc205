"""What `budgetnet platforms` says: one row for each platform, or every figure of some of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, Final, Literal, TypeAlias, final

from budgetnet import platforms
from budgetnet.errors import BudgetnetError, printable
from budgetnet.platforms import Figure, Memory, OnChip, Peak, Platform, Total
from budgetnet.report import Block, Column, Report, Row, Table, Text
from budgetnet.units import PRECISIONS, Precision

Order: TypeAlias = Literal["name", "year", "power", "fp32", "fp16", "int8", "bandwidth", "memory"]

PEAKS: Final[dict[Precision, str]] = {precision: f"{precision}_tops" for precision in PRECISIONS}
ORDERS: Final[dict[Order, str]] = {
    "name": "key",
    "year": "year",
    "power": "watts",
    "fp32": PEAKS["fp32"],
    "fp16": PEAKS["fp16"],
    "int8": PEAKS["int8"],
    "bandwidth": "gigabytes_per_second",
    "memory": "gigabytes",
}
"""What is sorted by -> the key of its column."""

UNKNOWN: Final = "-"
OVERVIEW: Final = (
    "fp32, fp16, int8: the peak in TOPS, 10^12 operations per second (a multiply-accumulate is two), dense, of all "
    "engines together; so are GB/s and GB of external memory."
)
DETAILS: Final = (
    "TOPS: 10^12 operations per second, a multiply-accumulate being two. Figures of an engine are those of one. Sparse "
    "ones count zeros that a dense network does not skip."
)
LEGEND: Final = "d: derived, worked out from what stands in the source. -: not found, or the hardware cannot do it."
NUMBERS: Final = {
    "year": "year",
    "watts": "W",
    **{key: precision for precision, key in PEAKS.items()},
    "gigabytes_per_second": "GB/s",
    "gigabytes": "GB",
}
"""Key -> heading of the figures of the overview."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which platforms are shown, and in what order: those with a peak in `precision`, of `min_tops` or more, that take
    `max_watts` or less. Without an order the fastest in that precision comes first.
    """

    precision: Precision | None = None
    min_tops: float | None = None
    max_watts: float | None = None
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.min_tops is not None and self.precision is None:
            raise BudgetnetError("--min-tops: must be given with --precision, but got it alone")
        for option, value in (("--min-tops", self.min_tops), ("--max-watts", self.max_watts)):
            if value is not None and not isfinite(value):
                raise BudgetnetError(f"{option}: must be a finite number, but got {value}")

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that are wanted, the largest first, unknown ones last; names from A to Z."""
        kept = [row for row in rows if self._holds(row)]
        key = ORDERS[self.order or self.precision or "name"]
        if key == "key":
            return kept
        return sorted(kept, key=lambda row: (row[key] is None, -(row[key] or 0)))

    def _holds(self, row: Row) -> bool:
        tops, watts = row[PEAKS[self.precision]] if self.precision else None, row["watts"]
        fast = self.precision is None or (tops is not None and tops >= (self.min_tops or 0))
        return fast and (self.max_watts is None or (watts is not None and watts <= self.max_watts))


def overview(wanted: Wanted) -> Report:
    """One row for each known platform that is wanted."""
    loaded = {key: platforms.load(key) for key in platforms.names()}
    rows = wanted.of(_overview_row(key, platform) for key, platform in loaded.items())
    title = f"{len(rows)} of {len(loaded)} known platforms" if len(rows) < len(loaded) else "Known platforms"
    blocks: list[Block] = [Text(text=f"{OVERVIEW} {LEGEND}")]
    if rows:
        blocks.append(Table(key="platforms", title="Platforms", columns=_columns(), rows=[_shown(row) for row in rows]))
    else:
        blocks.append(Text(text="No platform is known to be so."))
    blocks.append(Text(text="`budgetnet platforms NAME` shows every figure with its source."))
    told = [{**row, "derived": " ".join(row["derived"])} for row in rows]
    machines = [*_columns(), Column(key="derived", heading="derived", right=False)]
    tables = [Table(key="platforms", title=title, columns=machines, rows=told)]
    record = {"platforms": [dict(row) for row in rows]}
    return Report(key="platforms", title=title, blocks=blocks, tables=tables, record=record)


def _columns() -> list[Column]:
    words = [Column(key="key", heading="key", right=False), Column(key="name", heading="name", right=False)]
    return [*words, *(Column(key=key, heading=heading) for key, heading in NUMBERS.items())]


def _overview_row(key: str, platform: Platform) -> dict[str, Any]:
    """The figures, None where one is not known; `derived` lists the keys of those that are."""
    peaks = {name: platform.total_peak(precision) for precision, name in PEAKS.items()}
    totals = {
        "watts": Total.of([(1, platform.power_watts)]) if platform.power_watts else None,
        **peaks,
        "gigabytes_per_second": _together(platform, "gigabytes_per_second"),
        "gigabytes": _together(platform, "gigabytes"),
    }
    return {
        "key": key,
        "name": platform.name,
        "year": platform.year.value if platform.year else None,
        **{name: total.value if total else None for name, total in totals.items()},
        "derived": [name for name, total in totals.items() if total and total.derived],
    }


def _together(platform: Platform, name: str) -> Total | None:
    """The sum over all memories, where it is known of each."""
    known = [(count, getattr(memory, name)) for count, memory in platform.memories()]
    return Total.of(known) if all(figure for _, figure in known) else None


def _shown(row: Row) -> dict[str, str]:
    """A row as people read it."""
    figures = {key: _number(row[key], derived=key in row["derived"]) for key in NUMBERS if key != "year"}
    return {"key": row["key"], "name": row["name"], "year": str(row["year"] or UNKNOWN), **figures}


def _number(value: float | None, *, derived: bool) -> str:
    return UNKNOWN if value is None else f"{value:,.10g}{'d' if derived else ''}"


# --- every figure of some platforms


def details(loaded: Mapping[str, Platform]) -> Report:
    """Every figure of these platforms, each under its key or path."""
    blocks: list[Block] = [Text(text=f"{DETAILS} {LEGEND}")]
    rows = []
    for name, platform in loaded.items():
        key = printable(name)
        own = [{"key": key, **row} for row in _rows(platform)]
        if platform.description:
            blocks.append(Text(text=f"{platform.name}: {platform.description}"))
        shown = [{**row, **_words(row)} for row in own]
        blocks.append(Table(key="figures", title=f"{platform.name} ({key})", columns=_PEOPLE, rows=shown))
        rows += own
    title = f"Figures of {', '.join(platform.name for platform in loaded.values())}"
    record = {
        "platforms": [
            {"key": printable(name), **platform.model_dump(mode="json", exclude_none=True)}
            for name, platform in loaded.items()
        ]
    }
    tables = [Table(key="platforms", title=title, columns=_MACHINES, rows=rows)]
    return Report(key="platforms", title=title, blocks=blocks, tables=tables, record=record)


_text = partial(Column, right=False)
_SOURCES = (_text(key="note", heading="note"), _text(key="source", heading="source"))
_FIGURE = (_text(key="figure", heading="figure"), Column(key="value", heading="value"), _text(key="unit", heading=""))
_PEOPLE = (_text(key="part", heading="of"), *_FIGURE, *_SOURCES)
_MACHINES = (
    *(_text(key=key, heading=key) for key in ("key", "part", "kind")),
    Column(key="count", heading="count"),
    *_FIGURE,
    Column(key="derived", heading="derived"),
    *_SOURCES,
)


def _words(row: Row) -> dict[str, str]:
    """What people read otherwise than machines: how many engines there are, and what is derived or not known."""
    counted = f"{row['count']} x " if row["count"] > 1 else ""
    kind = f" ({row['kind']})" if row["kind"] else ""
    year = row["figure"] == "year"
    value = str(row["value"]) if year else _number(row["value"], derived=row["derived"])
    return {"part": f"{counted}{row['part']}{kind}", "value": value}


def _rows(platform: Platform) -> Iterator[Mapping[str, Any]]:
    whole = {"part": "whole", "kind": "", "count": 1}
    if platform.year:
        source = {"derived": False, "note": "", "source": platform.year.source}
        yield {**whole, "figure": "year", "value": platform.year.value, "unit": "", **source}
    if platform.power_watts:
        yield {**whole, **_row("power", "W", platform.power_watts)}
    for row in _section(platform.memory, platform.on_chip, platform.peak):
        yield {**whole, **row}
    for engine in platform.engines:
        for row in _section(engine.memory, engine.on_chip, engine.peak):
            yield {"part": engine.name, "kind": engine.kind, "count": engine.count, **row}


def _section(memory: Memory | None, on_chip: OnChip | None, peak: Peak | None) -> Iterator[Mapping[str, Any]]:
    if memory:
        yield _row(f"memory bandwidth ({memory.kind})", "GB/s", memory.gigabytes_per_second)
        yield _row(f"memory size ({memory.kind})", "GB", memory.gigabytes)
    if on_chip:
        yield {**_row("size on the chip", "MB", on_chip.megabytes), **({"note": on_chip.note} if on_chip.note else {})}
        yield _row("bandwidth on the chip", "GB/s", on_chip.gigabytes_per_second)
    for precision, figure in peak.figures.items() if peak else ():
        yield _row(f"{precision.replace('_', ' ')} peak", "TOPS", figure)


def _row(what: str, unit: str, figure: Figure | None) -> dict[str, Any]:
    if figure is None:
        return {"figure": what, "value": None, "unit": unit, "derived": False, "note": "", "source": ""}
    told = {"value": figure.value, "unit": unit, "derived": figure.derived, "note": figure.note}
    return {"figure": what, **told, "source": figure.source}
