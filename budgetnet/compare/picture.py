"""Networks as bars: what each takes of the budget, and the mean IoU that it reached where it was trained."""

from typing import Any, Final

from budgetnet.compare import Comparison
from budgetnet.drawing import INK, MUTED, WANTED, new_figure, png

FITS: Final = "#2a9d5c"
OVER: Final = "#b9bdc4"
SCORE: Final = "#1f77b4"


def bars_png(comparison: Comparison) -> bytes:
    """A bar for each network, the fewest operations on top; the budget is a line."""
    peers = comparison.peers
    scored = bool(comparison.scored)
    figure = new_figure(width=11 if scored else 9, height=1.5 + 0.34 * len(peers))
    needs, *rest = figure.subplots(1, 2 if scored else 1, squeeze=False, width_ratios=[3, 2] if scored else [1])[0]
    places = list(range(len(peers)))[::-1]
    required = [peer.planned.required_gops for peer in peers]
    colours = [FITS if peer.planned.fits else OVER for peer in peers]
    needs.barh(places, required, color=colours, height=0.7)
    needs.set_xscale("log")
    available = float(comparison.scenario.available) / 1e9
    needs.set_xlim(min(*required, available) / 2, max(*required, available) * 4)
    needs.axvline(available, color=WANTED, linewidth=1.2)
    needs.set_title(f"available: {available:,.4g} GOPS", color=WANTED, fontsize=9)
    for place, value in zip(places, required, strict=True):
        _told(needs, f"{value:,.0f}" if value >= 10 else f"{value:.2g}", (value, place))
    needs.set_xlabel("GOPS required (logarithmic); green fits", color=MUTED)
    _named(needs, places, [peer.name for peer in peers])
    for axes in rest:
        _scores(axes, comparison, places)
    return png(figure, grid="x")


def _scores(axes: Any, comparison: Comparison, places: list[int]) -> None:
    values = [None if peer.result is None else peer.result.scores.mean_iou for peer in comparison.peers]
    axes.barh(places, [value or 0.0 for value in values], color=SCORE, height=0.7)
    for place, value in zip(places, values, strict=True):
        _told(axes, "no result" if value is None else f"{value:.3f}", (value or 0.0, place))
    axes.set_xlim(0, max([value or 0.0 for value in values]) * 1.25 or 1)
    axes.set_xlabel("mean IoU, trained alike", color=MUTED)
    _named(axes, places, [""] * len(places))


def _named(axes: Any, places: list[int], names: list[str]) -> None:
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(places) - 0.4)


def _told(axes: Any, text: str, at: tuple[float, float]) -> None:
    """A figure at the end of its bar, on white where a line runs through."""
    behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "ha": "left"}
    axes.annotate(text, at, color=INK, fontsize=8.5, bbox=behind, **place)
