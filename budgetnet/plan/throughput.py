"""What a search takes for throughput: images per second that a budget allows, that a roofline predicts, or that were
measured. Whole grids are predicted at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from budgetnet import units
from budgetnet.grid import Grid, Size
from budgetnet.kernels import MixedKernelsError, kernels
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Demand
from budgetnet.plan.survey import Row
from budgetnet.roofline import Roof, seconds

Kind: TypeAlias = Literal["ops", "roofline", "measured"]
KINDS: Final[tuple[Kind, ...]] = ("ops", "roofline", "measured")
HEADINGS: Final[dict[str, str]] = {
    "ops": "img/s in budget",
    "roofline": "img/s predicted",
    "measured": "img/s measured",
}
"""Of columns."""
TITLES: Final[dict[str, str]] = {
    "ops": "images per second that the budget allows",
    "roofline": "images per second as predicted",
    "measured": "images per second as measured",
}
"""Of axes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """The axis beside mean IoU. `roofline` has the `roof` that it predicts with, `measured` a function that tells the
    images per second of a candidate, and `how` says on what.
    """

    kind: Kind = "ops"
    roof: Roof | None = None
    measure: Callable[[Candidate], float] | None = None
    how: str = ""

    @property
    def heading(self) -> str:
        """Of a column."""
        return HEADINGS[self.kind]

    @property
    def title(self) -> str:
        """What the axis says: `images per second as predicted on NVIDIA Jetson AGX Xavier, int8`."""
        return f"{TITLES[self.kind]} {self.how}".strip()

    @property
    def about(self) -> str:
        """What images per second are, and of predictions how far they were off; nothing for the budget's."""
        if self.kind == "ops":
            return ""
        said = f"Images per second are {self.title.removeprefix('images per second ')}."
        if self.roof is None:
            return said
        efficiency, error = self.roof.efficiency, self.roof.efficiency.error
        return (
            f"{said} Predictions of what was not measured were off by {units.percent(error.median, 0)} % at the "
            f"median, nine of ten within a factor of {error.factor:.2f} (efficiency {efficiency.name})."
        )

    def record(self) -> dict[str, Any]:
        """What a search's results depend on; nothing for the budget's, as of searches before there were others."""
        if self.kind == "ops":
            return {}
        told: dict[str, Any] = {"kind": self.kind, "how": self.how}
        if self.roof is not None:
            told["roof"] = sha256(repr(self.roof).encode()).hexdigest()[:16]
        return {"throughput": told}


OPS: Final = Throughput()


def busy_shares(demand: Demand, row: Row, roof: Roof) -> NDArray[np.float64]:
    """What share of a second an engine computes with each candidate of a row, contention included."""
    total = np.zeros(int(row.required.size))
    times: dict[Size, NDArray[np.float64]] = {}
    for group, weight in zip(demand.groups, demand.weights, strict=True):
        size = group.height, group.width
        if size not in times:
            times[size] = np.concatenate([_times(grid, size, roof) for grid in row.grids])
        total += float(weight) * times[size]
    return total / roof.streams


def _times(grid: Grid, size: Size, roof: Roof) -> NDArray[np.float64]:
    """Seconds of every candidate of a block for images of one size."""
    try:
        found = grid.full(seconds(kernels(grid.graph), roof))
        return np.asarray(found[..., grid.sizes.index(size), 0].reshape(-1), dtype=np.float64)
    except MixedKernelsError:
        (classes,), (height, width) = grid.classes, size
        each = (grid.block.candidate(index) for index in range(len(grid.block)))
        graphs = (candidate.graph(classes=classes, height=height, width=width) for candidate in each)
        return np.array([seconds(kernels(graph), roof) for graph in graphs])
