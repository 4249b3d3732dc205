"""What a choice of networks needs in memory, at every precision: a table of the plan."""

from typing import Any

from budgetnet import units
from budgetnet.plan.demand import Planned
from budgetnet.plan.inputs import FITS_MEMORY, MEMORY_NUMBER, TOO_MUCH_MEMORY
from budgetnet.report import Column, Table
from budgetnet.units import PRECISIONS, Precision


def _mb(value: float) -> str:
    return f"{value:,.2f}"


def memory_table(planned: Planned) -> Table:
    """Weights of all networks, all maps of one image (for each camera group), the most that are live at once, and what
    weights and live maps come to: in 10^6 bytes, for one image at a time, batch norm folded.
    """
    demand = planned.demand
    several = len(demand.groups) > 1
    maps = [
        Column(
            key=f"activation_mb:{group.name}",
            heading=f"activations{f' {group.name}' if several else ''}",
            show=_mb,
            number=MEMORY_NUMBER,
        )
        for group in demand.groups
    ]
    columns = [
        Column(key="precision", heading="precision", right=False),
        Column(key="weight_mb", heading="weights", show=_mb, number=MEMORY_NUMBER),
        *maps,
        Column(key="peak_mb", heading="peak activations", show=_mb, number=MEMORY_NUMBER),
        Column(key="memory_mb", heading="total", show=_mb, number=MEMORY_NUMBER, alarm=TOO_MUCH_MEMORY),
    ]
    if demand.available_bytes is not None:
        columns.append(Column(key="fits", heading="fits", right=False, formula=FITS_MEMORY, tone="verdict"))
    return Table(
        key="plan-memory",
        title=(
            f"Memory of {planned.label} in MB (10^6 bytes), one image at a time: activations are all maps, peak "
            "activations the most that are live at once, total is weights and peak activations"
        ),
        columns=columns,
        rows=[_row(planned, precision) for precision in PRECISIONS],
        marked=lambda row: bool(row["precision"] == demand.precision),
    )


def _row(planned: Planned, precision: Precision) -> dict[str, Any]:
    demand = planned.demand
    weights, peak = planned.weight_bytes_at(precision), planned.peak_bytes_at(precision)
    maps = {
        f"activation_mb:{group.name}": each.memory.activation_bytes(precision) / units.MEGA
        for group, each in zip(demand.groups, planned.figures, strict=True)
    }
    return {
        "precision": precision,
        "weight_mb": weights / units.MEGA,
        **maps,
        "peak_mb": peak / units.MEGA,
        "memory_mb": (weights + peak) / units.MEGA,
        "fits": demand.available_bytes is None or weights + peak <= demand.available_bytes,
    }
