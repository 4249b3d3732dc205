"""A search as a report: the front first, every trial after, and why the others were left out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from budgetnet import units
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, UTILISATION, parameter_columns, shares_named, word
from budgetnet.plan import measure
from budgetnet.report import Block, Column, Picture, Report, Table, Text
from budgetnet.report import facts as report_facts
from budgetnet.results import Result, Scores
from budgetnet.search.pareto import dominator, front
from budgetnet.search.picture import Dot, pareto_png
from budgetnet.search.run import Outcome, objectives
from budgetnet.search.study import Trial

PICTURE = "pareto.png"
MISSED = 0.05
"""A class below this IoU is as good as not found, and the verdict says so."""


def _three(value: float) -> str:
    return f"{value:.3f}"


SCORE_COLUMNS = (
    Column(key="mean_iou", heading="mean IoU", show=_three),
    Column(key="pixel_accuracy", heading="pixel acc.", show=_three),
    Column(key="mean_dice", heading="mean Dice", show=_three),
    Column(key="images_per_second", heading="img/s in budget", show=lambda value: f"{value:,.1f}"),
    UTILISATION,
    MEGA_OPS,
    MEGA_PARAMS,
)
EXACT_COLUMNS = (
    Column(key="macs", heading="MACs"),
    Column(key="fvcore_macs", heading="MACs by fvcore"),
    Column(key="epochs", heading="epochs"),
    Column(key="seconds", heading="seconds", show=lambda value: f"{value:,.1f}"),
)


class Summary:
    """An outcome with what every part of its report needs: the trained ones, their objectives, their front."""

    def __init__(self, outcome: Outcome, guess: Scores) -> None:
        self.outcome = outcome
        self.guess = guess
        self.plan = outcome.plan
        self.trained = [trial for trial in outcome.trials if trial.result is not None]
        self.points = [objectives(self.plan, trial) or (0.0, 0.0) for trial in self.trained]
        self.front = [self.trained[index] for index in front(self.points)]

    def result(self, trial: Trial) -> Result:
        """The result of a trial that has one."""
        assert trial.result is not None
        return trial.result

    def left_out(self, trial: Trial) -> str:
        """Why a trial is not on the front; empty for one that is."""
        if trial.result is None:
            return f"failed: {trial.reason}" if trial.reason else "not finished"
        other = dominator(self.points, self.trained.index(trial))
        return "" if other is None else f"dominated by trial {self.trained[other].number}"


def report(outcome: Outcome, guess: Scores, settings: Mapping[str, Any]) -> tuple[Report, dict[str, bytes]]:
    """The report (`search`, with the tables `trials` and `pareto`) and the pictures that it shows, by file name."""
    summary = Summary(outcome, guess)
    trials = _trial_table("trials", "All trials", summary, outcome.trials, exact=True)
    pareto = _trial_table("pareto", "Pareto front", summary, summary.front, exact=True)
    blocks: list[Block] = [Text(text=verdict(summary)), Text(text=f"The budget: {summary.plan.verdict}")]
    pictures: dict[str, bytes] = {}
    if summary.front:
        pictures[PICTURE] = _picture(summary)
        blocks.append(Picture(title="IoU against throughput", path=PICTURE))
        blocks.append(_trial_table("pareto", "Pareto front", summary, summary.front))
        blocks.append(_class_table(summary))
        blocks += [_preview(trial) for trial in summary.front]
    blocks.append(_trial_table("trials", "All trials", summary, outcome.trials))
    blocks.append(_reason_table(summary))
    blocks += _value_tables(summary)
    blocks.append(report_facts("Scenario and settings", _flat(settings)))
    blocks.append(report_facts("Made by", _origins(summary)))
    record = {
        "scenario": summary.plan.scenario.name,
        "verdict": verdict(summary),
        "stopped": outcome.stopped,
        "guess_mean_iou": guess.mean_iou,
        "settings": dict(settings),
        "pareto": [trial.number for trial in summary.front],
        "trials": [_record(summary, trial) for trial in outcome.trials],
    }
    title = f"Search for scenario {summary.plan.scenario.name}"
    return Report(key="search", title=title, blocks=blocks, tables=[trials, pareto], record=record), pictures


def verdict(summary: Summary) -> str:
    """What came out, in a paragraph."""
    outcome, scenario = summary.outcome, summary.plan.scenario
    finished = sum(trial.finished for trial in outcome.trials)
    fitting = outcome.networks
    said = f"{finished} of {outcome.wanted} trials done, {len(summary.trained)} trained"
    said += f"; {outcome.stopped}, the same command goes on." if outcome.stopped else "."
    if outcome.wanted == fitting:
        said += (
            f" Only {units.counted(fitting, 'candidate fits', 'candidates fit')} the budget, so all of them are tried."
        )
    failed = sum(trial.reason is not None for trial in outcome.trials)
    if failed:
        said += f" {units.counted(failed, 'training', 'trainings')} failed; the table of all trials says why."
    if not summary.front:
        return said + (" No candidate has a result." if failed else " No candidate has a result yet.")
    best, guess = summary.front[0], summary.guess.mean_iou
    reached = summary.result(best).scores.mean_iou
    said += (
        f" Best: {best.candidate.label} with mean IoU {reached:.3f} (guessing the most frequent class: {guess:.3f}). "
        f"{units.counted(len(summary.front), 'candidate', 'candidates')} on the Pareto front."
    )
    if reached <= guess:
        said += " That is no better than guessing: train for more epochs before anything is read into the order."
    missed = [name for name, iou in summary.result(best).scores.iou.items() if iou is not None and iou < MISSED]
    if missed:
        said += f" It does not find {', '.join(missed)} (IoU below {MISSED})."
    swing = _swing(summary)
    if swing is None:
        said += " Each was trained and validated once: the order is a hint at most."
    else:
        said += (
            f" Each was trained once, and between its last two epochs mean IoU moved by {swing:.3f} on average: "
            "smaller differences say nothing."
        )
    if scenario.minimum_mean_iou is not None:
        enough = [
            trial for trial in summary.front if summary.result(trial).scores.mean_iou >= scenario.minimum_mean_iou
        ]
        said += (
            f" {len(enough)} of them reach the wanted mean IoU of {scenario.minimum_mean_iou:g}."
            if enough
            else f" None reaches the wanted mean IoU of {scenario.minimum_mean_iou:g} in this short training."
        )
    return said


def _swing(summary: Summary) -> float | None:
    """How far mean IoU moved between the last two validations on whole images, on average over the trials; None where
    there was but one.
    """
    training = summary.plan.scenario.training
    ends = [training.validated(summary.result(trial).history)[-2:] for trial in summary.trained]
    moves = [abs(last["mean_iou"] - before["mean_iou"]) for before, last in (end for end in ends if len(end) == 2)]
    return sum(moves) / len(moves) if moves else None


def _origins(summary: Summary) -> dict[str, str]:
    """What made the trials; where they differ (resumed on another machine or version), each value with its trials."""
    seen: dict[str, dict[str, list[int]]] = {}
    for trial in summary.trained:
        for name, value in summary.result(trial).made_by.items():
            seen.setdefault(name, {}).setdefault(value, []).append(trial.number)
    return {
        name: next(iter(values))
        if len(values) == 1
        else "; ".join(f"{value} (trials {', '.join(map(str, numbers))})" for value, numbers in values.items())
        for name, values in seen.items()
    }


def _record(summary: Summary, trial: Trial) -> dict[str, Any]:
    result = None if trial.result is None else trial.result.record()
    values = objectives(summary.plan, trial)
    return {
        "number": trial.number,
        "parameters": trial.candidate.parameters,
        "images_per_second": None if values is None else values[1],
        "result": result,
        "left_out": summary.left_out(trial),
    }


def _row(summary: Summary, trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {"trial": trial.number, **trial.candidate.parameters, "left_out": summary.left_out(trial)}
    values = objectives(summary.plan, trial)
    if trial.result is None or values is None:
        return row
    result = trial.result
    row |= {key: getattr(result, key) for key in ("ops", "macs", "fvcore_macs", "params", "epochs", "seconds")}
    row |= {key: getattr(result.scores, key) for key in ("mean_iou", "pixel_accuracy", "mean_dice")}
    row |= {f"iou_{name}": value for name, value in result.scores.iou.items()}
    return row | {
        "images_per_second": values[1],
        "utilisation": measure(summary.plan.scenario, trial.candidate).utilisation,
    }


def _trial_table(key: str, title: str, summary: Summary, trials: Sequence[Trial], *, exact: bool = False) -> Table:
    rows = [_row(summary, trial) for trial in trials]
    columns = [Column(key="trial", heading="trial"), *_parameter_columns(summary, every=exact)]
    columns += shares_named(SCORE_COLUMNS, summary.plan.scenario)
    if exact:
        columns += EXACT_COLUMNS
        columns += [Column(key=f"iou_{name}", heading=f"IoU {name}", show=_three) for name in summary.guess.iou]
    columns.append(Column(key="left_out", heading="left out because", right=False))
    shown = columns if key == "trials" else columns[:-1]
    return Table(
        key=key, title=title, columns=shown, rows=rows, marked=lambda row: key == "trials" and not row["left_out"]
    )


def _parameter_columns(summary: Summary, *, every: bool) -> list[Column]:
    scenario = summary.plan.scenario
    names = [name for name, values in scenario.space.items() if every or len(values) > 1]
    return parameter_columns(scenario, names)


def _class_table(summary: Summary) -> Table:
    """IoU per class of the front, and of guessing."""
    names = list(summary.guess.iou)
    rows = [{"trial": str(trial.number), **summary.result(trial).scores.iou} for trial in summary.front]
    rows.append({"trial": "guessing", **summary.guess.iou})
    columns = [Column(key="trial", heading="trial"), *(Column(key=name, heading=name, show=_three) for name in names)]
    return Table(key="classes", title="IoU per class", columns=columns, rows=rows)


def _reason_table(summary: Summary) -> Table:
    """Why every other candidate of the space is not on the front."""
    plan, outcome = summary.plan, summary.outcome
    dominated = len(summary.trained) - len(summary.front)
    failed = sum(trial.reason is not None for trial in outcome.trials)
    unfinished = sum(not trial.finished for trial in outcome.trials)
    over = plan.total - plan.fit
    memory = f" or {plan.scenario.budget_mb:g} MB" if plan.scenario.budget_mb else ""
    budget = f"{plan.scenario.budget_gops:g} GOPS{memory}"
    rows = [
        {"reason": "on the Pareto front", "candidates": len(summary.front)},
        {"reason": "trained, but dominated", "candidates": dominated},
        {"reason": "training failed", "candidates": failed},
        {"reason": "training not finished", "candidates": unfinished},
        {"reason": "fit, but not among the trials", "candidates": outcome.untried},
        {"reason": "the same network as another one that fits", "candidates": len(plan.fitting) - outcome.networks},
        {"reason": f"over the budget of {budget}, never built", "candidates": over},
        {"reason": "the whole space", "candidates": len(plan.candidates)},
    ]
    columns = [Column(key="reason", heading="why", right=False), Column(key="candidates", heading="candidates")]
    return Table(key="reasons", title="Where the candidates went", columns=columns, rows=rows)


def _value_tables(summary: Summary) -> list[Block]:
    """For every parameter that was varied: what its values reached, over the trials that had them."""
    if not summary.trained:
        return []
    frame = pd.DataFrame([_row(summary, trial) for trial in summary.trained])
    rows = []
    for column in _parameter_columns(summary, every=False):
        if column.key not in frame:  # a parameter of a head that none of the trials has
            continue
        for value, group in frame.groupby(column.key):
            iou = group["mean_iou"]
            name = f"{column.heading} {word(value)}"
            rows.append({"value": name, "trials": len(group), "best": float(iou.max()), "mean": float(iou.mean())})
    columns = [
        Column(key="value", heading="value", right=False),
        Column(key="trials", heading="trials"),
        Column(key="best", heading="best mean IoU", show=_three),
        Column(key="mean", heading="average mean IoU", show=_three),
    ]
    return [Table(key="values", title="What each value reached", columns=columns, rows=rows)]


def _flat(record: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested settings as dotted names."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return flat


def _preview(trial: Trial) -> Picture:
    title = f"Trial {trial.number}: {trial.candidate.label}: image, label, prediction"
    return Picture(title=title, path=f"runs/{trial.number:04d}/preview.png")


def _picture(summary: Summary) -> bytes:
    scenario = summary.plan.scenario
    first = next(iter(_parameter_columns(summary, every=False) or _parameter_columns(summary, every=True)))
    dots = [
        Dot(
            images_per_second=point[1],
            mean_iou=point[0],
            label=f"#{trial.number}",
            group=word(trial.candidate.parameters.get(first.key, "none")),
            on_front=trial in summary.front,
        )
        for trial, point in zip(summary.trained, summary.points, strict=True)
    ]
    return pareto_png(
        dots,
        title=f"{scenario.name}: {len(dots)} trained candidates of {scenario.network}",
        required=float(scenario.images_per_second),
        groups=first.heading,
        guess=summary.guess.mean_iou,
        minimum=scenario.minimum_mean_iou,
    )
