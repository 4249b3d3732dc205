"""A calibration as a report: how well it predicts what it has not seen, what it found, every network."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from budgetnet import units
from budgetnet.calibration.crossed import Calibration, Held
from budgetnet.calibration.fit import LEAST_SHARE, MOST_SHARE, Quality
from budgetnet.kernel_classes import KERNEL_CLASSES
from budgetnet.report import Block, Column, Report, Row, Table, Text, facts

POOR: Final = 0.3
POOR_FACTOR: Final = 3.0
"""A median error or a factor beyond this is said to be poor."""
FEW_FOR_A_BAND: Final = 10
"""Of fewer measurements a ninth decile is hardly more than the worst."""
FEW: Final = (
    "Fewer than three networks were measured, so these errors are of parts of networks that the fit has seen: others "
    "may lie further off."
)
OTHERS: Final = "threads at work in the minute before"
IDLE: Final = 0.5
"""On average, of an idle machine."""
SHOWN: Final = 12
"""Of the networks, on the screen."""


def _milliseconds(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


HELD: Final = (
    Column(key="name", heading="what was measured", right=False),
    Column(key="measured_ms", heading="measured ms", show=_milliseconds),
    Column(key="predicted_ms", heading="predicted ms", show=_milliseconds),
    Column(key="off", heading="off by %", show=_signed),
)
FOUND: Final = (
    Column(key="name", heading="what", right=False),
    Column(key="value", heading="value", show=lambda value: f"{value:.4g}"),
    Column(key="of", heading="of", right=False),
)
QUALITY: Final = (
    Column(key="name", heading="error", right=False),
    Column(key="median", heading="median %", show=units.percent),
    Column(key="p90", heading="90th percentile %", show=units.percent),
    Column(key="factor", heading="factor, 9 of 10", show=lambda value: f"{value:.2f}"),
    Column(key="spearman", heading="Spearman", show=lambda value: f"{value:.3f}"),
    Column(key="measurements", heading="of how many"),
)


def report(calibration: Calibration, about: Mapping[str, Any], made_by: Mapping[str, str]) -> Report:
    """All of it; `about` says what was calibrated and with what."""
    rows = [_row(each) for each in calibration.held]
    held = Table(
        key="calibration",
        title="Predicted by fits that had not seen it",
        columns=HELD,
        rows=sorted(rows, key=lambda row: -abs(row["off"])),
    )
    blocks: list[Block] = [
        Text(text=verdict(calibration)),
        *_busy(about),
        _found(calibration),
        _quality(calibration),
        held,
        facts("Where it comes from", {**about, **made_by}),
    ]
    return Report(
        key="calibration",
        title=f"Calibration of {about['platform']}",
        blocks=blocks,
        tables=[held],
        record={
            "efficiency": calibration.efficiency.model_dump(mode="json"),
            "held": rows,
            "quality": {name: asdict(each) for name, each in _qualities(calibration).items()},
            "about": dict(about),
            "made_by": dict(made_by),
        },
    )


def _busy(about: Mapping[str, Any]) -> list[Block]:
    """A doubt that errors do not tell: what slows all networks alike looks like a slower machine."""
    others = about.get(OTHERS, 0)
    if others < IDLE:
        return []
    said = f"Busy: {others:g} threads were at work on this machine in the minute before, on average"
    return [Text(text=f"{said}. Peak, bandwidth and times may all be too poor, and the errors do not show it.")]


def for_screen(made: Report) -> Report:
    """The same with the networks that are predicted worst, and without where it comes from."""
    blocks: list[Block] = []
    for block in made.blocks:
        if isinstance(block, Table) and block.key == "calibration" and len(block.rows) > SHOWN:
            title = f"{block.title}; the worst, {len(block.rows) - SHOWN:,} more in calibration.csv"
            block = Table(key=block.key, title=title, columns=block.columns, rows=block.rows[:SHOWN])
        if not (isinstance(block, Table) and block.key == "facts"):
            blocks.append(block)
    return Report(key=made.key, title=made.title, blocks=blocks, tables=made.tables, record=made.record)


def verdict(calibration: Calibration) -> str:
    """How far predictions can be trusted, in words."""
    quality = calibration.quality
    median, p90 = units.percent(quality.median), units.percent(quality.p90)
    said = (
        f"Predictions of what was not seen are off by {median} % at the median, in nine of ten by {p90} % or less and "
        f"within a factor of {quality.factor:.2f}"
    )
    ranks = "" if quality.spearman is None else f"; Spearman's rank correlation {quality.spearman:.3f}"
    poor = ""
    if quality.median > POOR or quality.factor > POOR_FACTOR:
        poor = " That is poor: measure more networks, layer by layer, on a machine that does nothing else."
    if quality.measurements < FEW_FOR_A_BAND:
        poor += f" From fewer than {FEW_FOR_A_BAND} what holds for nine of ten is a guess."
    alike = "" if calibration.efficiency.error.how.startswith("whole networks") else f" {FEW}"
    return f"{said}{ranks}. {units.counted(quality.measurements, 'measurement', 'measurements')}.{poor}{alike}"


def _row(held: Held) -> Row:
    return {
        "name": held.name,
        "measured_ms": 1000 * held.measured,
        "predicted_ms": 1000 * held.predicted,
        "off": held.off,
    }


def _found(calibration: Calibration) -> Table:
    found = calibration.efficiency
    rows: list[Row] = [
        {"name": kind, "value": found.share(kind), "of": f"the peak{_at_a_bound(found.share(kind))}"}
        for kind in KERNEL_CLASSES
    ]
    rows.append({"name": "bandwidth", "value": found.bandwidth, "of": "the memory's"})
    rows.append({"name": "launch", "value": found.floor_us, "of": "10^-6 s a kernel"})
    return Table(key="efficiency", title="Efficiency, fitted to all", columns=FOUND, rows=rows)


def _at_a_bound(share: float) -> str:
    """What to think of a share that a fit would have gone beyond."""
    return ": as far as a fit goes" if not LEAST_SHARE * 1.01 < share < MOST_SHARE * 0.99 else ""


def _qualities(calibration: Calibration) -> dict[str, Quality]:
    found = {"unseen": calibration.quality, "as fitted": calibration.seen}
    return found if calibration.layers is None else {**found, "unseen, layer by layer": calibration.layers}


def _quality(calibration: Calibration) -> Table:
    rows = [{"name": name, **asdict(each)} for name, each in _qualities(calibration).items()]
    return Table(key="quality", title="How far predictions lie from measurements", columns=QUALITY, rows=rows)
