"""A finished training as a report: what was reached, how, at which cost, and how it went."""

import io
from collections.abc import Mapping
from typing import Any, Final

from budgetnet import plan, units
from budgetnet.plan.demand import Planned
from budgetnet.report import Block, Column, Picture, Report, Table, Text, facts
from budgetnet.results import Result
from budgetnet.scenario import Scenario
from budgetnet.training_settings import Training

CURVES: Final = "curves.png"
FILES: Final = ("report.md", "report.json", CURVES)
"""What the report is written as."""

Size = tuple[int, int] | None
"""Height and width of the trained images where they are not the scenario's own."""


def verdict(scenario: Scenario, planned: Planned, size: Size) -> str:
    """Before the training: whether the candidate fits the scenario, and the figures it is quoted with."""
    told = f"{planned.label}: {_cost(scenario, planned, 'an')}"
    if size and size != (scenario.image.height, scenario.image.width):
        told += f" Trained and scored at {size[0]} x {size[1]}."
    return told


def report(
    scenario: Scenario, planned: Planned, result: Result, size: Size, about: Mapping[str, Any]
) -> tuple[Report, dict[str, bytes]]:
    """report.md and report.json, and the pictures that they show, by name. `about` tells where the training's parts
    come from: `dataset`, `stem` and `teacher` as run.json has them, `weights_sha256`.
    """
    height, width = size or (scenario.image.height, scenario.image.width)
    text = [_reached(scenario, result, height, width), _cost(scenario, planned)]
    if (height, width) != (scenario.image.height, scenario.image.width):
        text[1] += f" At {height} x {width}, where it was trained, it takes {units.mega(result.ops)} MOP."
    text += [_asked_for(scenario, result)] if scenario.minimum_mean_iou is not None else []
    text += [_took(scenario, result, about["dataset"])]
    classes = _classes(result)
    blocks: list[Block] = [*(Text(text=sentence) for sentence in text), classes]
    blocks += [Picture(title="How it went", path=CURVES)]
    blocks += [Picture(title="Validation images, labels, predictions", path="preview.png")]
    blocks.append(facts("How it was made", _facts(scenario, result, about, height, width)))
    return Report(
        key="report",
        title=f"Training of {result.candidate.label}",
        blocks=blocks,
        tables=[classes],
        record=_record(scenario, planned, result, (height, width), about),
    ), {CURVES: _curves(scenario.training, result)}


def _reached(scenario: Scenario, result: Result, height: int, width: int) -> str:
    scores, training = result.scores, scenario.training
    best = max(training.validated(result.history), key=lambda row: row["mean_iou"])
    kept = {"best": "the weights of the best epoch", "last": "the last weights"}[training.keep]
    averaged = ", a moving average" if training.averaging else ""
    told = (
        f"Validation mean IoU {scores.mean_iou:.4f} and pixel accuracy {scores.pixel_accuracy:.4f} at {height} x "
        f"{width}, without void, from one confusion matrix of the whole split; with {kept}{averaged}. The best "
        f"validation was {best['mean_iou']:.4f} after epoch {best['epoch']} of {result.epochs}"
    )
    told += f" (stopped early, of {training.epochs})." if result.epochs < training.epochs else "."
    if training.early_epochs:
        several = units.counted(training.early_epochs, "epoch", "epochs")
        told += f" The first {several} saw images of {training.early_scale:g} of each side; their figures do not count."
    return told


def _cost(scenario: Scenario, planned: Planned, an: str = "An") -> str:
    image = scenario.image
    told = (
        f"{an} image of {image.height} x {image.width} takes {units.mega(planned.cost.ops)} MOP "
        f"({units.mega(planned.cost.macs)} million multiply-accumulates) and {units.mega(planned.cost.params, 2)} "
        f"million parameters: {plan.share(planned)}, "
    )
    if planned.fits:
        return told + f"it fits {scenario.name}."
    return (
        told + f"it does NOT fit {scenario.name}: {'; '.join(plan.need(planned, limit) for limit in planned.broken)}."
    )


def _asked_for(scenario: Scenario, result: Result) -> str:
    assert scenario.minimum_mean_iou is not None
    reached = result.scores.mean_iou >= scenario.minimum_mean_iou
    return (
        f"{scenario.name} asks for a mean IoU of {scenario.minimum_mean_iou:g}: {'reached' if reached else 'missed'}."
    )


def _took(scenario: Scenario, result: Result, dataset: Mapping[str, Any]) -> str:
    epochs, images = len(result.history), dataset["train_images"]
    return (
        f"Trained on {images:,} images, validated on {dataset['val_images']:,}, for {units.duration(result.seconds)}: "
        f"{units.duration(result.seconds / epochs)} per epoch with its validation, "
        f"{images * epochs / max(result.seconds, 1e-9):,.1f} training images per second all in all."
    )


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


def _facts(scenario: Scenario, result: Result, about: Mapping[str, Any], height: int, width: int) -> dict[str, str]:
    """Everything that the figures follow from."""
    data, origins = about["dataset"], {name: about[name] for name in ("stem", "teacher") if about[name]}
    told = {
        "network": result.network,
        **result.parameters,
        "input": f"{height} x {width}",
        **scenario.training.model_dump(mode="json"),
        **{f"{part}: {name}": value for part, origin in origins.items() for name, value in origin.items()},
        "data fingerprint": data["fingerprint"],
        "weights_sha256": about["weights_sha256"],
        **result.made_by,
    }
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _record(
    scenario: Scenario, planned: Planned, result: Result, size: tuple[int, int], about: Mapping[str, Any]
) -> Mapping[str, Any]:
    image = scenario.image
    return {
        "scenario": scenario.model_dump(mode="json"),
        "trained_at": {"height": size[0], "width": size[1]},
        "in_scenario": {
            "height": image.height,
            "width": image.width,
            "macs": int(planned.cost.macs),
            "ops": int(planned.cost.ops),
            "params": int(planned.cost.params),
            "utilisation": float(planned.utilisation),
            "fits": planned.fits,
        },
        **about,
        "result": result.record(),
    }


def _curves(training: Training, result: Result) -> bytes:
    """Loss and validation mean IoU over the epochs, the best one marked, and where smaller images end, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, qualities = figure.subplots(1, 2)
    marker = "o" if len(result.history) < 30 else None
    epochs, scored = result.history, [row for row in result.history if row["mean_iou"] is not None]
    losses.plot([row["epoch"] for row in epochs], [row["loss"] for row in epochs], color="tab:blue", marker=marker)
    losses.set(xlabel="epoch", ylabel="training loss")
    best = max(training.validated(result.history), key=lambda row: row["mean_iou"])
    points = [row["epoch"] for row in scored], [row["mean_iou"] for row in scored]
    qualities.plot(*points, color="tab:green", marker=marker)
    qualities.axhline(best["mean_iou"], color="tab:green", linewidth=0.8, linestyle=":")
    qualities.set(xlabel="epoch", ylabel="validation mean IoU")
    qualities.set_title(f"best {best['mean_iou']:.4f}, epoch {best['epoch']}", fontsize="medium")
    for axes in (losses, qualities):
        axes.grid(alpha=0.3)
        if training.early_epochs:
            axes.axvline(training.early_epochs + 0.5, color="tab:gray", linewidth=0.8, linestyle="--")
            axes.annotate("whole images", (training.early_epochs + 0.6, 0.02), xycoords=("data", "axes fraction"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()
