"""A finished training as a report: what was reached, how, at which cost, and how it went."""

import io
from collections.abc import Mapping
from typing import Any, Final

from budgetnet import plan, units
from budgetnet.plan.demand import Planned
from budgetnet.report import Block, Column, Picture, Report, Table, Text, facts
from budgetnet.results import Result
from budgetnet.scenario import Scenario

CURVES: Final = "curves.png"


def report(
    scenario: Scenario, planned: Planned, result: Result, size: tuple[int, int] | None
) -> tuple[Report, dict[str, bytes]]:
    """training.md and training-report.json, and the pictures that they show, by name."""
    text = _sentences(scenario, planned, result, size)
    blocks: list[Block] = [Text(text=sentence) for sentence in text]
    blocks += [_classes(result), Picture(title="How it went", path=CURVES), Picture(title="Images", path="preview.png")]
    blocks.append(facts("How it was made", {**scenario.training.model_dump(mode="json"), **result.made_by}))
    made = Report(
        key="report",
        title=f"Training of {result.candidate.label}",
        blocks=blocks,
        tables=[_classes(result)],
        record=_record(scenario, planned, result, size),
    )
    return made, {CURVES: _curves(result)}


def _sentences(scenario: Scenario, planned: Planned, result: Result, size: tuple[int, int] | None) -> list[str]:
    scores, rows = result.scores, [row for row in result.history if row["mean_iou"] is not None]
    best = max(rows, key=lambda row: row["mean_iou"])
    kept = {"best": "the best epoch's weights", "last": "the last weights"}[scenario.training.keep]
    height, width = size or (scenario.image.height, scenario.image.width)
    fits = "fits" if planned.fits else "does not fit"
    return [
        f"Validation mean IoU {scores.mean_iou:.4f}, pixel accuracy {scores.pixel_accuracy:.4f} at {height} x {width}, "
        f"without void, from one confusion matrix; of {kept}. The best validation was {best['mean_iou']:.4f} after "
        f"epoch {best['epoch']} of {result.epochs}. Training took {units.duration(result.seconds)}.",
        f"{units.mega(planned.cost.ops)} MOP per image at {scenario.image.height} x {scenario.image.width}: "
        f"{plan.share(planned)}, it {fits} {scenario.name}. {units.mega(result.params)} million parameters.",
    ]


def _classes(result: Result) -> Table:
    rows = [{"class": name, "iou": iou, "dice": result.scores.dice[name]} for name, iou in result.scores.iou.items()]
    columns = [
        Column(key="class", heading="class", right=False),
        Column(key="iou", heading="IoU", show=_three),
        Column(key="dice", heading="Dice", show=_three),
    ]
    return Table(key="classes", title="Classes", columns=columns, rows=rows)


def _three(value: float) -> str:
    return f"{value:.3f}"


def _record(scenario: Scenario, planned: Planned, result: Result, size: tuple[int, int] | None) -> Mapping[str, Any]:
    return {
        "scenario": scenario.model_dump(mode="json"),
        "size": list(size) if size else None,
        "ops_per_image": int(planned.cost.ops),
        "fits": planned.fits,
        "result": result.record(),
    }


def _curves(result: Result) -> bytes:
    """Loss and validation mean IoU over the epochs, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, qualities = figure.subplots(1, 2)
    losses.plot([row["epoch"] for row in result.history], [row["loss"] for row in result.history], color="tab:blue")
    losses.set(xlabel="epoch", ylabel="training loss", yscale="log")
    scored = [row for row in result.history if row["mean_iou"] is not None]
    qualities.plot([row["epoch"] for row in scored], [row["mean_iou"] for row in scored], color="tab:green")
    qualities.set(xlabel="epoch", ylabel="validation mean IoU")
    for axes in (losses, qualities):
        axes.grid(alpha=0.3)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()
