"""An evaluation as a report: what it comes to first, then every figure, and where all of it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from budgetnet import units
from budgetnet.errors import printable
from budgetnet.evaluation.figures import Figures, ImageFigures, most_frequent
from budgetnet.evaluation.record import Evaluation, Timing
from budgetnet.pictures import IGNORED
from budgetnet.report import Block, Column, Picture, Report, Table, Text
from budgetnet.report import facts as report_facts

CONFUSION, BEST, WORST = "confusion.png", "best.png", "worst.png"
MISSED = 0.05
"""A class below this IoU is as good as not found, and the verdict says so."""

NOTICEABLE = 0.0005
"""A difference of mean IoU that three decimals show."""

MISTAKES = 10
"""Of the table that people read."""

_MEANS = {
    "pixel_accuracy": "pixel accuracy",
    "mean_iou": "mean IoU",
    "weighted_iou": "IoU weighted by pixels",
    "mean_dice": "mean Dice (F1)",
    "weighted_dice": "Dice weighted by pixels",
    "mean_precision": "mean precision",
    "weighted_precision": "precision weighted by pixels",
    "mean_recall": "mean recall",
}
_PER_CLASS = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall"}
_KINSHIP = {
    "scored": "The run scored itself on these very images and labels, and recorded mean IoU {recorded:.3f}.",
    "trained": "It was trained on these very images: this tells what it remembers, not what it does on new ones.",
    "changed": "Images or labels are not those that the run had under this name: their digest differs.",
    "other": "These are other images than those that the run was trained and scored on.",
    "unknown": "The run does not tell whether it had these images and labels: it kept no digest of them.",
}


def _three(value: float) -> str:
    return f"{value:.3f}"


def report(found: Evaluation, *, shown: int) -> Report:
    """The report; `shown` is how many of the worst and of the best images are listed."""
    tables = [_class_table(found, exact=True), _image_table(found), _confusion_table(found)]
    worst, best = extremes(found, shown)
    pixels = "Confusion matrix: shares of each class, by rows, in percent"
    blocks: list[Block] = [Text(text=verdict(found)), _means_table(found), Text(text=_about_void(found))]
    blocks.append(_class_table(found))
    blocks += [Picture(title=pixels, path=CONFUSION), _mistakes_table(found)]
    if found.ranked:
        blocks.append(Text(text=_about_images(found)))
    for title, file, places in (("Worst images", WORST, worst), ("Best images", BEST, best)):
        if places:
            blocks.append(_extremes_table(title, file, found, places))
            blocks.append(Picture(title=f"{title}: image, label, prediction, mistakes", path=file))
    blocks.append(Text(text=_about_time(found.timing)))
    blocks += [report_facts(title, facts) for title, facts in _origins(found).items()]
    return Report(
        key="evaluation",
        title=f"Evaluation on split {found.split}",
        blocks=blocks,
        tables=tables,
        record=_record(found),
    )


def for_screen(whole: Report) -> Report:
    """What people see at the prompt: no pictures, not where all comes from, and the verdict last, where it stays in
    view.
    """
    kept = [b for b in whole.blocks[1:] if isinstance(b, Text) or (isinstance(b, Table) and b.key != "facts")]
    return Report(
        key=whole.key, title=whole.title, blocks=[*kept, whole.blocks[0]], tables=whole.tables, record=whole.record
    )


def extremes(found: Evaluation, shown: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places of the worst images, the worst first, and of the best, the best first: none is among both."""
    ranked = found.ranked
    count = min(shown, len(ranked) // 2) if len(ranked) > 1 else min(shown, len(ranked))
    return ranked[:count], ranked[::-1][: min(count, len(ranked) - count)]


def caption(each: ImageFigures) -> str:
    """A line about one image."""
    assert each.mean_iou is not None
    assert each.pixel_accuracy is not None
    return f"{printable(each.name)}: mean IoU {each.mean_iou:.3f}, pixel accuracy {each.pixel_accuracy:.3f}"


def verdict(found: Evaluation) -> str:
    """What came out, in a paragraph."""
    figures, images = found.figures, units.counted(len(found.names), "image", "images")
    guess = most_frequent(figures)
    if guess is None:
        return f"Nothing can be scored: not one pixel of the {images} of split {found.split} has a class."
    name, score = guess
    said = (
        f"Mean IoU {figures.mean_iou:.3f} and pixel accuracy {figures.pixel_accuracy:.3f} on {images} of split "
        f"{found.split} (calling every pixel {printable(name)}: {score:.3f} and "
        f"{max(each.share for each in figures.classes):.3f})."
    )
    if figures.mean_iou <= score:
        said += " That is no better than calling everything one class."
    missed = [printable(each.name) for each in figures.present if each.iou is not None and each.iou < MISSED]
    if missed:
        said += f" It does not find {', '.join(missed)} (IoU below {MISSED})."
    absent = [printable(each.name) for each in figures.classes if not each.labelled]
    if absent:
        said += f" The labels hold no {', no '.join(absent)}: left out of every mean."
    said += f" {_KINSHIP[found.kinship].format(recorded=found.recorded)}"
    difference = abs(figures.mean_iou - found.recorded)
    if found.kinship == "scored" and difference >= NOTICEABLE:
        said += f" That differs by {difference:.3f}: another device or version may round otherwise."
    return f"{said} {found.timing.median:,.1f} ms per image on this machine."


def _about_void(found: Evaluation) -> str:
    left_out = int(found.confusion[-1].sum())
    share = units.percent(left_out / max(1, int(found.confusion.sum())))
    said = f"{left_out:,} pixels ({share} %) have no class"
    if found.classes.void is None:
        return f"{said} and are left out. The list of classes has no void class, so there are no figures with void."
    void = printable(found.classes.names[found.classes.void])
    return (
        f"{said}. Without void they are left out; with void they count as pixels of the class {void}, which counts in "
        f"the means then. Training leaves them out, so the network is never taught to answer {void}."
    )


def _about_images(found: Evaluation) -> str:
    """How far single images lie apart."""
    scores = [found.images[place].mean_iou or 0.0 for place in found.ranked]
    tenth, middle = scores[(len(scores) - 1) // 10], scores[(len(scores) - 1) // 2]
    return (
        f"Image by image, mean IoU is over the classes in the image's own labels: from {scores[0]:.3f} to "
        f"{scores[-1]:.3f}, in half of the images {middle:.3f} or less, in a tenth {tenth:.3f} or less."
    )


def _about_time(timing: Timing) -> str:
    low, high = timing.middle_half
    return (
        f"{timing.median:,.2f} ms per image: the median of {len(timing.milliseconds)} readings after {timing.warm_up} "
        f"to warm up (half of them from {low:,.2f} to {high:,.2f}, all from {min(timing.milliseconds):,.2f} to "
        f"{max(timing.milliseconds):,.2f}), of forward pass and argmax of one image of {timing.height} x "
        f"{timing.width} pixels, on {printable(timing.device)} with "
        f"{units.counted(timing.threads, 'thread', 'threads')}. A reading of this machine, as busy as it was; it says "
        "nothing of the hardware in the car."
    )


def _means_table(found: Evaluation) -> Table:
    columns = [
        Column(key="figure", heading="over all images", right=False),
        Column(key="without", heading="without void", show=_three),
    ]
    void = found.figures_with_void
    if void is not None:
        columns.append(Column(key="with", heading="with void", show=_three))
    rows = [
        {
            "figure": words,
            "without": getattr(found.figures, name),
            "with": None if void is None else getattr(void, name),
        }
        for name, words in _MEANS.items()
    ]
    return Table(key="means", title="Means", columns=columns, rows=rows, marked=lambda row: row["figure"] == "mean IoU")


def _class_table(found: Evaluation, *, exact: bool = False) -> Table:
    """Every class; the void class has figures with void only."""
    void = {each.name: each for each in (found.figures_with_void or found.figures).classes}
    plain = {each.name: each for each in found.figures.classes}
    rows = []
    for name, counted in void.items():
        mine = plain.get(name)
        row: dict[str, Any] = {} if mine is None else asdict(mine)
        row["name"] = printable(name)
        if mine is not None:
            row["images"] = sum(image.iou[name] is not None for image in found.images)
        if found.figures_with_void is not None:
            row |= {f"{key}_with_void": getattr(counted, key) for key in _PER_CLASS}
        rows.append(row)
    columns = [
        Column(key="name", heading="class", right=False),
        Column(key="share", heading="% of pixels", show=units.percent),
        Column(key="images", heading="in images"),
        *(Column(key=key, heading=words, show=_three) for key, words in _PER_CLASS.items()),
    ]
    if found.figures_with_void is not None:
        columns += [
            Column(key=f"{key}_with_void", heading=f"{words} with void", show=_three)
            for key, words in _PER_CLASS.items()
            if exact or key == "iou"
        ]
    if exact:
        columns += [Column(key=key, heading=f"{key} pixels") for key in ("labelled", "predicted", "hits")]
    return Table(key="evaluation-classes", title="Classes", columns=columns, rows=rows)


def _image_table(found: Evaluation) -> Table:
    rows = [
        {
            "image": printable(each.name),
            "mean_iou": each.mean_iou,
            "pixel_accuracy": each.pixel_accuracy,
            "labelled": each.labelled,
            **{f"iou_{printable(name)}": value for name, value in each.iou.items()},
        }
        for each in found.images
    ]
    columns = [
        Column(key="image", heading="image", right=False),
        Column(key="mean_iou", heading="mean IoU", show=_three),
        Column(key="pixel_accuracy", heading="pixel acc.", show=_three),
        Column(key="labelled", heading="labelled pixels"),
        *(
            Column(key=f"iou_{printable(each.name)}", heading=f"IoU {printable(each.name)}", show=_three)
            for each in found.figures.classes
        ),
    ]
    return Table(key="evaluation-images", title="Images", columns=columns, rows=rows)


def _confusion_table(found: Evaluation) -> Table:
    """Pixels: rows are labels, columns predictions."""
    names = [printable(name) for name in found.classes.names]
    rows = [
        {"label": label, **{f"predicted_{name}": count for name, count in zip(names, row, strict=True)}}
        for label, row in zip([*names, IGNORED], found.confusion.tolist(), strict=True)
    ]
    columns = [Column(key="label", heading="label", right=False)]
    columns += [Column(key=f"predicted_{name}", heading=f"as {name}") for name in names]
    return Table(
        key="evaluation-confusion", title="Pixels of each class, by what they were called", columns=columns, rows=rows
    )


def _mistakes_table(found: Evaluation) -> Table:
    rows = [
        {**asdict(each), "label": printable(each.label), "prediction": printable(each.prediction)}
        for each in found.mistakes[:MISTAKES]
    ]
    columns = [
        Column(key="label", heading="pixels of", right=False),
        Column(key="prediction", heading="called", right=False),
        Column(key="pixels", heading="pixels"),
        Column(key="share_of_label", heading="% of the class", show=units.percent),
        Column(key="share_of_mistakes", heading="% of all mistakes", show=units.percent),
    ]
    return Table(key="mistakes", title="The most frequent mistakes", columns=columns, rows=rows)


def _extremes_table(title: str, key: str, found: Evaluation, places: Sequence[int]) -> Table:
    rows = []
    for place in places:
        each = found.images[place]
        (iou, name) = min((value, name) for name, value in each.iou.items() if value is not None)
        rows.append(
            {
                "image": printable(each.name),
                "mean_iou": each.mean_iou,
                "pixel_accuracy": each.pixel_accuracy,
                "weakest": f"{printable(name)} ({iou:.3f})",
            }
        )
    columns = [
        Column(key="image", heading="image", right=False),
        Column(key="mean_iou", heading="mean IoU", show=_three),
        Column(key="pixel_accuracy", heading="pixel acc.", show=_three),
        Column(key="weakest", heading="weakest class (IoU)", right=False),
    ]
    return Table(
        key=key, title=f"{title}, by mean IoU over the classes in their own labels", columns=columns, rows=rows
    )


def _origins(found: Evaluation) -> dict[str, Mapping[str, Any]]:
    return {"Run": found.run, "Data": found.data, "Settings": found.settings, "Made by": found.made_by}


def _record(found: Evaluation) -> dict[str, Any]:
    """Everything, as plain data."""
    low, high = found.timing.middle_half
    return {
        "verdict": verdict(found),
        "split": found.split,
        "data_is": found.kinship,
        "recorded_mean_iou": found.recorded,
        "without_void": _plain(found.figures),
        "with_void": None if found.figures_with_void is None else _plain(found.figures_with_void),
        "confusion": {
            "labels": [*found.classes.names, None],
            "predictions": list(found.classes.names),
            "pixels": found.confusion.tolist(),
        },
        "images": [asdict(each) for each in found.images],
        "milliseconds_per_image": {
            "median": found.timing.median,
            "middle_half": [low, high],
            **asdict(found.timing),
        },
        **{title.lower().replace(" ", "_"): dict(facts) for title, facts in _origins(found).items()},
    }


def _plain(figures: Figures) -> dict[str, Any]:
    return {**asdict(figures), "classes": [asdict(each) for each in figures.classes]}
