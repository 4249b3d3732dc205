"""An export as a report: the models, what precision costs class by class, how to measure them on the target."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from budgetnet import units
from budgetnet.deploy.card import Export, Model, record
from budgetnet.errors import printable
from budgetnet.report import Block, Column, Report, Table, Text
from budgetnet.report import facts as report_facts

NOTICEABLE: Final = 2.0
"""Points of mean IoU that a quantisation should not cost; one that costs more is told so first."""

APART: Final = 0.5
"""Points of mean IoU between an export and its run that are told even where the size is the same."""


def report(made: Export) -> Report:
    """The report; its record is the card."""
    named: Mapping[str, Mapping[str, Any]] = {
        "Network": made.network,
        "Input and output": made.form,
        "Data": made.data,
        "Fit": _flat(made.fit),
        "Made by": made.made_by,
    }
    blocks: list[Block] = [Text(text=verdict(made)), *_findings(made), *_targets(made)]
    for title, known in named.items():
        if known:
            blocks.append(report_facts(title, {name: plain(value) for name, value in known.items()}))
    if made.calibration:
        names = ", ".join(map(printable, made.calibration))
        blocks.append(Text(text=f"Calibrated on {len(made.calibration):,} images: {names}."))
    return _of(made, blocks)


def for_screen(made: Export) -> Report:
    """What people see at the prompt: models and classes, and the verdict last, where it stays in view."""
    return _of(made, [*_findings(made), Text(text=verdict(made))])


def _of(made: Export, blocks: Sequence[Block]) -> Report:
    tables = [block for block in _findings(made) if isinstance(block, Table)]
    return Report(key="export", title="Export", blocks=blocks, tables=tables, record=record(made))


def _findings(made: Export) -> list[Block]:
    """Models, what they cost class by class, and how all that was measured."""
    classes: list[Block] = [] if made.base is None else [_classes(made), Text(text=_about_loss(made))]
    return [_models(made), *classes, Text(text=_about_verification(made))]


def verdict(made: Export) -> str:
    """What came out, in a paragraph."""
    first = made.models[0]
    files = ", ".join(each.file for each in made.models)
    words = [f"Exported {printable(str(made.network['candidate']))} as {files}."]
    for model in made.models:
        lost = made.loss(model)
        apart = f"largest difference {model.agreement.difference:.2g} of scores up to {model.agreement.largest:.3g}"
        same = f"{units.percent(model.agreement.same, 2)} % of pixels of the same class"
        said = f"{model.precision}: {apart} from torch, {same}"
        if model.scores is not None and lost is not None:
            said += f"; mean IoU {model.scores.mean_iou:.4f}"
            said += "" if model.precision == "fp32" else f", {_points(lost)} points lost"
            said += f": more than {NOTICEABLE:g}, look at the classes" if lost > NOTICEABLE else ""
        words.append(f"{said}.")
    if first.scores is None:
        words.append(
            f"Mean IoU was not measured, since the run's data are not here (--dataset names them); the run recorded "
            f"{made.recorded:.4f}."
        )
    return " ".join([*words, *_about_recorded(made), *_about_fit(made)])


def _about_recorded(made: Export) -> list[str]:
    """How far the fp32 model lies from what the run recorded: at another size always, else where it is far."""
    if made.base is None:
        return []
    apart = 100 * (made.base.mean_iou - made.recorded)
    if (made.data["height"], made.data["width"]) == made.recorded_at and abs(apart) < APART:
        return []
    points = _points(abs(apart))
    way = "as good as" if points == "0.00" else f"{points} points {'below' if apart < 0 else 'above'}"
    which = "" if made.models[0].precision == "fp32" else " in fp32"
    height, width = made.recorded_at
    return [f"Mean IoU{which} is {way} the {made.recorded:.4f} that the run recorded at {height} x {width}."]


def _points(lost: float) -> str:
    return f"{round(lost, 2) + 0.0:.2f}"  # no minus before nothing


def _models(made: Export) -> Table:
    rows = [
        {
            "file": each.file,
            "precision": each.precision,
            "bytes": len(each.content),
            "mean_iou": None if each.scores is None else each.scores.mean_iou,
            "points_lost": made.loss(each),
            "difference": each.agreement.difference,
            "same": each.agreement.same,
            "sha256": each.digest,
        }
        for each in made.models
    ]
    columns = [
        Column(key="file", heading="file", right=False),
        Column(key="precision", heading="precision", right=False),
        Column(key="bytes", heading="MB", show=units.megabytes),
        Column(key="mean_iou", heading="mean IoU", show=_four),
        Column(key="points_lost", heading="points lost", show=_points),
        Column(key="difference", heading="from torch", show=lambda value: f"{value:.2g}"),
        Column(key="same", heading="% same class", show=lambda value: units.percent(value, 2)),
        Column(key="sha256", heading="SHA-256", show=lambda value: str(value)[:12], right=False),
    ]
    return Table(key="export", title="Models", columns=columns, rows=rows)


def _classes(made: Export) -> Table:
    """IoU of every class at fp32, and at every other precision with what it lost."""
    assert made.base is not None
    others = [each for each in made.models if each.precision != "fp32" and each.scores is not None]
    rows = []
    for name, iou in made.base.iou.items():
        row: dict[str, Any] = {"class": printable(name), "fp32": iou}
        for each in others:
            assert each.scores is not None
            row |= {each.precision: each.scores.iou[name], f"{each.precision}_lost": made.loss(each, name)}
        rows.append(row)
    mean: dict[str, Any] = {"class": "mean", "fp32": made.base.mean_iou}
    for each in others:
        assert each.scores is not None
        mean |= {each.precision: each.scores.mean_iou, f"{each.precision}_lost": made.loss(each)}
    columns = [Column(key="class", heading="class", right=False), Column(key="fp32", heading="IoU fp32", show=_four)]
    for each in others:
        columns.append(Column(key=each.precision, heading=f"IoU {each.precision}", show=_four))
        columns.append(Column(key=f"{each.precision}_lost", heading="points lost", show=_points))
    return Table(key="export-classes", title="Classes", columns=columns, rows=[*rows, mean])


def _four(value: float) -> str:
    return f"{value:.4f}"


def _about_loss(made: Export) -> str:
    images = units.counted(int(made.data["images"]), "image", "images")
    return (
        f"IoU is that of ONNX Runtime on {images} of split {printable(str(made.data['split']))}, by the same count as "
        "budgetnet evaluate; a point is a hundredth. Only the target tells what its own arithmetic does."
    )


def _about_verification(made: Export) -> str:
    agreement = made.models[0].agreement
    together = " and ".join(map(str, agreement.batches))
    return (
        f"Held against torch on {agreement.images} images, two of them of random pixels, in batches of {together}. An "
        "fp32 model with a score further away than 0.0001 of the largest is not written."
    )


def _targets(made: Export) -> list[Text]:
    return list(map(_target, made.models)) if _tensorrt(made) else []


def _tensorrt(made: Export) -> bool:
    """Whether TensorRT runs on the target, as far as one is named."""
    return bool(made.fit.get("platform", {}).get("tensorrt", True))


def _target(model: Model) -> Text:
    if not model.command:
        names = ", ".join(model.unknown)
        return Text(text=f"TensorRT does not read {names} of {model.file}; ONNX Runtime does.")
    return Text(text=f"On the target, {model.precision}: {model.command}")


def _about_fit(made: Export) -> list[str]:
    told = [*_on_scenario(made.fit.get("scenario")), *_on_platform(made.fit.get("platform"))]
    if not _tensorrt(made):
        files = [each.file for each in made.models if each.precision == "fp32"] or [each.file for each in made.models]
        name = printable(made.fit["platform"]["name"])
        told.append(f"TensorRT does not run on {name}; its own tools take {' or '.join(files)}.")
    return told


def _on_platform(platform: Mapping[str, Any] | None) -> list[str]:
    """How long an image takes there, as predicted."""
    if platform is None:
        return []
    told = [
        f"{each['milliseconds']:.3g} ms in {precision} ({each['least_milliseconds']:.3g} to "
        f"{each['most_milliseconds']:.3g} in nine of ten cases)"
        for precision, each in platform["predicted"].items()
    ]
    return [f"On {platform['name']} an image takes {', '.join(told)}, as predicted."] if told else []


def _on_scenario(scenario: Mapping[str, Any] | None) -> list[str]:
    if scenario is None:
        return []
    needs = f"{units.gops(scenario['required_gops'])} of {units.gops(scenario['available_gops'])} GOPS"
    verdict = "fits" if scenario["fits"] else f"does not fit ({', '.join(scenario['over'])})"
    where = f"{printable(scenario['name'])} at {' and '.join(scenario['sizes'])}"
    return [f"It {verdict} scenario {where}: it needs {needs}."]


def _flat(fit: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested facts as one table: `scenario fits`, `platform board_peak_gops fp16`."""
    flat: dict[str, Any] = {}
    for key, value in fit.items():
        name = f"{before} {key}".strip()
        flat |= _flat(value, name) if isinstance(value, Mapping) else {name: value}
    return flat


def plain(value: Any) -> str:
    """A fact as people read it: `True -> 'yes'`, `1322123 -> '1,322,123'`, `0.104477 -> '0.1045'`, mappings as
    `name=value, ...`. The card keeps all digits.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={plain(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        digits = f"{value:.4g}"
        return f"{float(digits):,.0f}" if abs(value) >= 1000 else digits
    return str(value)
