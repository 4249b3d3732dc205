"""How pictures look, and how they become files."""

import io
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:  # loaded where something is drawn: it takes as long as a whole plan
    from matplotlib.figure import Figure

INK: Final = "#222222"
MUTED: Final = "#555555"
REQUIRED: Final = "#555555"
WANTED: Final = "#b3261e"

PALETTE: Final = (
    "#1f77b4",
    "#e6862a",
    "#2a9d5c",
    "#c44569",
    "#7b5ea7",
    "#8c6d46",
    "#3aa6b9",
    "#9aa02c",
    "#5f6b7a",
    "#d16ba5",
)
"""Colours of groups, by turns."""


def new_figure(*, width: float, height: float) -> "Figure":
    """An empty picture of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def png(figure: "Figure", *, grid: Literal["both", "x", "y"] = "both") -> bytes:
    """The picture as a file; the same bytes for the same picture."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#999999")
        axes.tick_params(colors=MUTED, labelsize=8.5)
        axes.grid(axis=grid, alpha=0.25, linewidth=0.7)
        axes.set_axisbelow(True)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
