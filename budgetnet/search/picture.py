"""The Pareto picture: what each trained candidate reached, against what the budget lets it do per second."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One trained candidate: its throughput and quality, what it is called, the group it is coloured by."""

    images_per_second: float
    mean_iou: float
    label: str
    group: str
    on_front: bool


def pareto_png(
    dots: Sequence[Dot], *, title: str, required: float, groups: str, guess: float, minimum: float | None
) -> bytes:
    """A PNG of IoU over images per second; `required` images per second, guessing and the wanted IoU as lines."""
    from matplotlib.figure import Figure  # loaded here: it takes as long as a whole plan

    figure = Figure(figsize=(9, 5.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    names = sorted({dot.group for dot in dots}, key=lambda name: (len(name), name))
    for index, name in enumerate(names):
        mine = [dot for dot in dots if dot.group == name]
        colour = f"C{index}"
        axes.scatter(
            [dot.images_per_second for dot in mine],
            [dot.mean_iou for dot in mine],
            s=36,
            color=colour,
            label=f"{groups} {name}",
        )
    best = sorted((dot for dot in dots if dot.on_front), key=lambda dot: dot.images_per_second)
    rates, ious = [dot.images_per_second for dot in best], [dot.mean_iou for dot in best]
    axes.step(rates, ious, where="pre", color="black", linewidth=1, label="Pareto front", zorder=0)
    axes.scatter(rates, ious, s=130, facecolors="none", edgecolors="black")
    for place, dot in enumerate(best):
        # neighbours of the front lie close together: their names go above and below in turn
        offset = (6, 9) if place % 2 == 0 else (6, -15)
        where = (dot.images_per_second, dot.mean_iou)
        axes.annotate(dot.label, where, xytext=offset, textcoords="offset points", fontsize=8)
    axes.axvline(required, color="grey", linestyle="--", linewidth=1, label=f"required: {required:g} images per second")
    if minimum is not None:
        axes.axhline(minimum, color="red", linestyle="--", linewidth=1, label=f"wanted: {minimum:g}")
    axes.set(xlabel="images per second that the budget allows", ylabel="mean IoU (void left out)", title=title)
    axes.margins(x=0.12, y=0.15)
    low, high = axes.get_ylim()
    if low <= guess <= high:
        axes.axhline(guess, color="grey", linestyle=":", linewidth=1, label=f"guessing: {guess:.3f}")
    else:  # far below, it would leave no room for what is compared
        axes.plot([], [], " ", label=f"(guessing, off the picture: {guess:.3f})")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="best")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
