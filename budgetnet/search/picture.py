"""The Pareto picture: what each candidate reached, against what the budget lets it do per second."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from budgetnet.drawing import INK, MUTED, PALETTE, REQUIRED, WANTED, new_figure, png

ROOM: Final = (0.045, 0.035)
"""What the name of a dot takes of the picture's width and height."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One candidate: its throughput and quality, what it is called, the group it is coloured by.

    `done` is a whole training, else its mean IoU is that of the epoch at which it was stopped. `spread` is the least
    and the most that its seeds reached.
    """

    images_per_second: float
    mean_iou: float
    label: str
    group: str
    on_front: bool
    done: bool = True
    spread: tuple[float, float] | None = None


def group_order(names: Sequence[str]) -> list[str]:
    """Groups as a legend lists them: numbers in their order, then words."""
    return sorted(set(names), key=_order)


def _order(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def pareto_png(
    dots: Sequence[Dot],
    *,
    title: str,
    axis: str,
    required: float,
    groups: str,
    guess: float,
    minimum: float | None,
) -> bytes:
    """A PNG of IoU over images per second, which `axis` names; `required` images per second, guessing and the wanted
    IoU as lines.
    """
    figure = new_figure(width=10.5, height=5.8)
    axes = figure.add_subplot()
    _scatter(axes, dots, groups)
    axes.axvline(required, color=REQUIRED, linestyle="--", linewidth=1.2, label=f"required: {required:g} images/s")
    if minimum is not None:
        axes.axhline(minimum, color=WANTED, linestyle="--", linewidth=1.2, label=f"wanted: {minimum:g}")
    axes.set_title(title, color=INK, fontsize=12)
    axes.set_xlabel(axis, color=MUTED)
    axes.set_ylabel("mean IoU (void left out)", color=MUTED)
    axes.margins(x=0.06, y=0.12)
    low, high = axes.get_ylim()
    if low <= guess <= high:
        axes.axhline(guess, color=REQUIRED, linestyle=":", linewidth=1.2, label=f"guessing: {guess:.3f}")
    else:  # far below, it would leave no room for what is compared
        axes.plot([], [], " ", label=f"(guessing, off the picture: {guess:.3f})")
    _front(axes, sorted((dot for dot in dots if dot.on_front), key=lambda dot: dot.images_per_second))
    axes.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False)
    return png(figure)


def _scatter(axes: Any, dots: Sequence[Dot], groups: str) -> None:
    small = len(dots) > 150
    for index, name in enumerate(group_order([dot.group for dot in dots])):
        colour = PALETTE[index % len(PALETTE)]
        mine = [dot for dot in dots if dot.group == name]
        done = [dot for dot in mine if dot.done]
        stopped = [dot for dot in mine if not dot.done]
        axes.scatter(*_places(done), s=22 if small else 38, color=colour, label=f"{groups} {name}", zorder=3)
        axes.scatter(*_places(stopped), s=12 if small else 20, color=colour, alpha=0.35, marker="D", linewidths=0)
    if any(not dot.done for dot in dots):
        axes.scatter([], [], s=20, color=MUTED, alpha=0.45, marker="D", label="stopped at a rung: IoU so far")
    spread = [(dot, dot.spread) for dot in dots if dot.spread is not None]
    for dot, (least, most) in spread:
        axes.plot([dot.images_per_second] * 2, [least, most], color=INK, linewidth=1.1, zorder=2)
    if spread:
        axes.plot([], [], color=INK, linewidth=1.1, label="least to most over seeds")


def _places(dots: Sequence[Dot]) -> tuple[list[float], list[float]]:
    return [dot.images_per_second for dot in dots], [dot.mean_iou for dot in dots]


def _front(axes: Any, best: Sequence[Dot]) -> None:
    """The front's steps and rings, and its dots' names: above and to the right, where nothing of it can lie."""
    rates, ious = _places(best)
    axes.step(rates, ious, where="pre", color=INK, linewidth=1.2, label="Pareto front", zorder=2)
    axes.scatter(rates, ious, s=105, facecolors="none", edgecolors=INK, linewidths=1.1, zorder=4)
    for dot in _apart(axes, best):
        where = (dot.images_per_second, dot.mean_iou)
        axes.annotate(dot.label, where, xytext=(5, 6), textcoords="offset points", fontsize=8, color=INK, zorder=5)


def _apart(axes: Any, best: Sequence[Dot]) -> list[Dot]:
    """The dots whose names have room, from the best mean IoU on."""
    width, height = (high - low for low, high in (axes.get_xlim(), axes.get_ylim()))
    named: list[Dot] = []
    for dot in best:
        near = (
            abs(dot.images_per_second - other.images_per_second) < ROOM[0] * width
            and abs(dot.mean_iou - other.mean_iou) < ROOM[1] * height
            for other in named
        )
        if not any(near):
            named.append(dot)
    return named
