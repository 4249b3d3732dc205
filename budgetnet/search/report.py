"""A search as a report: the front first and how far to trust it, every trial after, and why others were left out."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from budgetnet.columns import word
from budgetnet.report import Block, Column, Picture, Report, Row, Table, Text
from budgetnet.report import facts as report_facts
from budgetnet.results import Scores
from budgetnet.search import trial_table
from budgetnet.search.charts import NONE, first_group
from budgetnet.search.findings import Findings
from budgetnet.search.importance import LEAST, Importance, common_rung, importance, importance_png
from budgetnet.search.page import begin_library, page
from budgetnet.search.picture import Dot, pareto_png
from budgetnet.search.progress_curves import hypervolume_png
from budgetnet.search.space_tables import reasons, values
from budgetnet.search.status import status_report
from budgetnet.search.timeline import timeline_png
from budgetnet.search.trial import Trial
from budgetnet.search.trial_table import TIME_COLUMNS, three, varied
from budgetnet.search.trust_tables import trust_blocks
from budgetnet.search.verdict import audit_text, throughput_text, verdict

if TYPE_CHECKING:
    from budgetnet.search.run import Outcome

__all__ = ["FILES", "PAGE", "PICTURE", "TIME_COLUMNS", "report", "status_report"]

PICTURE, PAGE = "pareto.png", "pareto.html"
CURVE, TIMELINE, IMPORTANCE = "hypervolume.png", "timeline.png", "importance.png"
FILES = ("checks.csv", "hypervolume.csv", PICTURE, PAGE, CURVE, TIMELINE, IMPORTANCE)
"""Files that not every report has: those of an earlier one would be taken for this one's."""

ELSEWHERE = "Their weights lie where another machine keeps them, or are gone; --restart trains all anew."

PREVIEWS = 12
"""So many candidates of the front are shown with image, label and prediction."""


@final
class Parts:
    """What the parts of a report are made of: what was found, a row for each trial, and the pictures so far."""

    def __init__(self, outcome: "Outcome", guess: Scores) -> None:
        """Of an outcome; nothing is drawn yet."""
        self.findings = Findings(outcome, guess)
        self.rows: dict[int, Row] = {trial.number: trial_table.row(self.findings, trial) for trial in outcome.trials}
        self.important, self.unimportant = _importance(self.findings)
        self.pictures: dict[str, bytes] = {}

    def rows_of(self, trials: Sequence[Trial]) -> list[Row]:
        """The trials' rows."""
        return [self.rows[trial.number] for trial in trials]


def report(
    outcome: "Outcome", guess: Scores, settings: Mapping[str, Any], *, absent: Collection[int] = ()
) -> tuple[Report, dict[str, bytes]]:
    """The report (`search`, with the tables `trials` and `pareto`, and `hypervolume` and `checks` where there are any)
    and the pictures and the page beside it, by file name. `absent` are trials whose runs are not beside it.
    """
    if any(trial.curve or trial.result for trial in outcome.trials):
        begin_library()
    made = Parts(outcome, guess)
    findings = made.findings
    name = findings.scenario.name
    title = f"Search for scenario {name}"
    said, audit, axis = verdict(findings), audit_text(findings), throughput_text(findings)
    blocks: list[Block] = [Text(text=said), Text(text=f"The budget: {outcome.plan.verdict}")]
    blocks += [Text(text=axis)] if axis else []
    blocks += _front_blocks(made, absent)
    blocks += trust_blocks(findings)
    blocks += _course_blocks(made)
    blocks.append(trial_table.shown_trials(findings, made.rows_of(outcome.trials)))
    blocks += [reasons(findings), *values(findings)]
    blocks.append(report_facts("Scenario and settings", _flat(settings)))
    blocks.append(report_facts("Made by", _origins(findings)))
    if made.pictures:
        front = trial_table.brief_front(findings, made.rows_of(findings.front))
        texts = [said, audit]
        made.pictures[PAGE] = page(findings, title=title, paragraphs=texts, important=made.important, front=front)
    return (
        Report(key="search", title=title, blocks=blocks, tables=csv_tables(made), record=record(made, settings)),
        made.pictures,
    )


def csv_tables(made: Parts) -> list[Table]:
    """What is written as CSV."""
    findings = made.findings
    tables = [
        trial_table.trials_csv(findings, made.rows_of(findings.trials)),
        trial_table.pareto_csv(findings, made.rows_of(findings.front)),
    ]
    if findings.curve:
        tables.append(_curve_table(findings))
    if findings.outcome.checks:
        tables.append(trial_table.checks_table(findings))
    return tables


def _curve_table(findings: Findings) -> Table:
    rows = [
        {key: getattr(each, key) for key in ("trials", "epochs", "seconds", "hypervolume", "trial")}
        for each in findings.curve
    ]
    columns = [
        Column(key="trial", heading="done trial"),
        Column(key="trials", heading="trials begun"),
        Column(key="epochs", heading="epochs trained"),
        Column(key="hypervolume", heading="hypervolume", show=three),
        Column(key="seconds", heading="seconds", show=trial_table.seconds),
    ]
    return Table(key="hypervolume", title="Hypervolume", columns=columns, rows=rows)


def record(made: Parts, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The whole search as plain data for JSON. Keys of `TIME_COLUMNS` and `timeline` differ between two runs of one
    search, and what a training itself noted of its seconds and origin.
    """
    findings, outcome = made.findings, made.findings.outcome
    by_candidate = {trial.candidate: trial.number for trial in outcome.trials}
    return {
        "scenario": findings.scenario.name,
        "verdict": verdict(findings),
        "stopped": outcome.stopped,
        "sampler": outcome.sampler,
        "rungs": list(findings.rungs),
        "wanted": outcome.wanted,
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "feasible": dict(outcome.feasible),
        "guess_mean_iou": findings.guess.mean_iou,
        "settings": dict(settings),
        "pareto": [trial.number for trial in findings.front],
        "trials": [trial_table.record(findings, trial, made.rows[trial.number]) for trial in outcome.trials],
        "checks": [trial_table.check_record(findings, check, by_candidate) for check in outcome.checks],
        "audit": [each.record() for each in findings.agreements],
        "hypervolume": [dict(row) for row in _curve_table(findings).rows],
        "importance": None if made.important is None else made.important.record(),
        "timeline": [
            {key: getattr(bar, key) for key in ("kind", "trial", "first_epoch", "last_epoch", *TIME_COLUMNS[1:])}
            for bar in findings.bars
        ],
    }


def _front_blocks(made: Parts, absent: Collection[int]) -> list[Block]:
    """The front: its picture, its table, its classes, its predictions."""
    findings = made.findings
    blocks: list[Block] = []
    if any(findings.so_far(trial) is not None for trial in findings.trials):
        made.pictures[PICTURE] = _picture(findings)
        blocks.append(Picture(title="IoU against throughput", path=PICTURE))
        blocks.append(
            Text(text=f"{PAGE} shows the same for exploring: what each dot is, and coloured by any parameter.")
        )
    if findings.front:
        blocks.append(trial_table.shown_front(findings, made.rows_of(findings.front)))
        blocks.append(_class_table(findings))
        blocks += [_preview(trial) for trial in findings.front[:PREVIEWS] if trial.number not in absent]
        missing = [str(trial.number) for trial in findings.front if trial.number in absent]
        if missing:
            blocks.append(Text(text=f"Runs that are not in this folder: {', '.join(missing)}. {ELSEWHERE}"))
    return blocks


def _course_blocks(made: Parts) -> list[Block]:
    """How the search went: hypervolume, timeline, and which parameters mattered."""
    findings, name = made.findings, made.findings.scenario.name
    blocks: list[Block] = []
    if findings.curve:
        made.pictures[CURVE] = hypervolume_png(findings.curve, title=f"{name}: what the front had reached when")
        blocks.append(Picture(title="Hypervolume against trials, epochs and time", path=CURVE))
    if findings.bars:
        made.pictures[TIMELINE] = timeline_png(findings.bars, findings.rungs, title=f"{name}: who trained what when")
        blocks.append(Picture(title="Timeline of rungs", path=TIMELINE))
    if made.important is None:
        return [*blocks, Text(text=made.unimportant)]
    title = f"{name}: which parameters mattered for mean IoU at epoch {made.important.rung}"
    made.pictures[IMPORTANCE] = importance_png(made.important, title=title)
    return [*blocks, Picture(title="Which parameters mattered", path=IMPORTANCE), _importance_table(made.important)]


def _importance(findings: Findings) -> tuple[Importance | None, str]:
    """Which parameters mattered, or why that is not told."""
    known = [trial for trial in findings.trials if trial.status != "failed"]
    reached = {rung: [trial for trial in known if findings.at_rung(trial, rung) is not None] for rung in findings.rungs}
    rung = common_rung({each: len(trials) for each, trials in reached.items()})
    most = max(map(len, reached.values()))
    if rung is None:
        return None, f"Which parameters mattered is told from {LEAST} trials at one rung on; there are {most}."
    names = [column.key for column in varied(findings)]
    pairs = []
    for trial in reached[rung]:
        value = findings.at_rung(trial, rung)
        assert value is not None
        given = trial.candidate.parameters
        pairs.append(({name: given[name] for name in names if name in given}, value))
    found = importance(pairs, rung=rung)
    return found, "" if found else "Which parameters mattered cannot be told: all trials are alike."


def _importance_table(found: Importance) -> Table:
    rows = [
        {"name": each.name.replace("_", " "), "share": each.importance, "chance": each.by_chance, "trials": each.trials}
        for each in found.parameters
    ]

    def percent(share: float) -> str:
        return f"{100 * share:.0f} %"

    columns = [
        Column(key="name", heading="parameter", right=False),
        Column(key="share", heading="share of importance", show=percent),
        Column(key="chance", heading="chance reaches in 1 of 20", show=percent),
        Column(key="trials", heading="trials that have it"),
    ]
    title = f"Which parameters mattered for being among the best {found.top} of {found.trials} at epoch {found.rung}"
    return Table(key="importance", title=title, columns=columns, rows=rows)


def _origins(findings: Findings) -> dict[str, str]:
    """What made the trials; where they differ (resumed on another machine or version), each value with its trials."""
    seen: dict[str, dict[str, list[str]]] = {}
    several = [(f"trial {trial.number}", trial) for trial in findings.done]
    several += [(f"check {check.number}", check) for check in findings.outcome.checks if check.result is not None]
    for called, trial in several:
        for name, value in findings.result(trial).made_by.items():
            seen.setdefault(name, {}).setdefault(value, []).append(called)
    return {
        name: next(iter(values))
        if len(values) == 1
        else "; ".join(f"{value} ({', '.join(called)})" for value, called in values.items())
        for name, values in seen.items()
    }


def _class_table(findings: Findings) -> Table:
    """IoU per class of the front, and of guessing."""
    names = list(findings.guess.iou)
    rows = [{"trial": str(trial.number), **findings.result(trial).scores.iou} for trial in findings.front]
    rows.append({"trial": "guessing", **findings.guess.iou})
    columns = [Column(key="trial", heading="trial"), *(Column(key=name, heading=name, show=three) for name in names)]
    return Table(key="classes", title="IoU per class", columns=columns, rows=rows)


def _flat(record: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested settings as dotted names."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return flat


def _preview(trial: Trial) -> Picture:
    title = f"Trial {trial.number}: {trial.candidate.label}: image, label, prediction"
    return Picture(title=title, path=f"runs/{trial.number:04d}/preview.png")


def _picture(findings: Findings) -> bytes:
    scenario, group = findings.scenario, first_group(findings)
    dots = []
    for trial in findings.trials:
        value = findings.so_far(trial)
        if value is None:
            continue
        spread = findings.spread(trial) if trial.result is not None else None
        dots.append(
            Dot(
                images_per_second=trial.images_per_second,
                mean_iou=value,
                label=f"#{trial.number}",
                group=word(trial.candidate.parameters.get(group, NONE)),
                on_front=findings.is_on_front(trial),
                done=trial.result is not None,
                spread=(spread.least, spread.most) if spread is not None and spread.seeds > 1 else None,
            )
        )
    done = len(findings.done)
    return pareto_png(
        dots,
        title=f"{scenario.name}: {len(dots)} candidates of {scenario.network}, {done} trained to the end",
        axis=findings.outcome.throughput.title,
        required=float(scenario.images_per_second),
        groups=group.replace("_", " "),
        guess=findings.guess.mean_iou,
        minimum=scenario.minimum_mean_iou,
    )
