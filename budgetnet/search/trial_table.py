"""Trials as rows of a table: parameters, what they reached and cost, what became of them, and when."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from budgetnet import units
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, UTILISATION, parameter_columns, shares_named
from budgetnet.plan.throughput import HEADINGS
from budgetnet.report import Column, Row, Table
from budgetnet.search.findings import Findings
from budgetnet.search.timeline import kind
from budgetnet.search.trial import Trial

TIME_COLUMNS: Final = ("seconds", "began_second", "ended_second", "worker")
"""Columns, and keys in the JSON file, that differ between two runs of one search: seconds of training, and who trained.
`began_second` and `ended_second` count from the search's beginning, times when nothing trained left out.
"""


def three(value: float) -> str:
    """A mean IoU as people read it."""
    return f"{value:.3f}"


def seconds(value: float) -> str:
    """A time as people read it."""
    return f"{value:,.1f}"


STATUS: Final = {"done": "trained to the end", "running": "under way", "failed": "failed"}

SCORE_COLUMNS: Final = (
    Column(key="mean_iou", heading="mean IoU", show=three),
    Column(key="pixel_accuracy", heading="pixel acc.", show=three),
    Column(key="mean_dice", heading="mean Dice", show=three),
)
SEED_COLUMNS: Final = (
    Column(key="seeds", heading="seeds"),
    Column(key="seeds_mean_iou", heading="mean over seeds", show=three),
    Column(key="seeds_least", heading="least", show=three),
    Column(key="seeds_most", heading="most", show=three),
    Column(key="seeds_deviation", heading="std. dev.", show=three),
    Column(key="front_share", heading="% of draws on the front", show=lambda share: units.percent(share, 0)),
)
EXACT_COLUMNS: Final = (Column(key="macs", heading="MACs"), Column(key="fvcore_macs", heading="MACs by fvcore"))
WHEN_COLUMNS: Final = (
    Column(key="seconds", heading="seconds", show=seconds),
    Column(key="began_second", heading="began at second", show=seconds),
    Column(key="ended_second", heading="ended at second", show=seconds),
    Column(key="worker", heading="worker", right=False),
)


def cost_columns(findings: Findings) -> list[Column]:
    """Throughput, then what a candidate needs."""
    return [rate_column(findings.outcome.throughput.kind), UTILISATION, MEGA_OPS, MEGA_PARAMS]


def rate_column(what: str) -> Column:
    """Images per second, by what they are."""
    return Column(key="images_per_second", heading=HEADINGS[what], show=lambda value: f"{value:,.1f}")


def status_word(findings: Findings, trial: Trial) -> str:
    """A trial's status as people read it."""
    if trial.status == "paused":
        return "stopped at a rung" if findings.paused_at(trial) is not None else "not finished"
    return STATUS[trial.status]


def row(findings: Findings, trial: Trial) -> dict[str, Any]:
    """All that is known of a trial, by column."""
    planned = findings.measured(trial)
    found: dict[str, Any] = {"trial": trial.number, **trial.candidate.parameters}
    found |= {"status": trial.status, "reason": findings.reason(trial), "origin": trial.origin, "epochs": trial.epochs}
    found |= {rung_key(rung): findings.at_rung(trial, rung) for rung in findings.rungs}
    found |= {"throughput": findings.outcome.throughput.kind, "images_per_second": trial.images_per_second}
    found |= {"utilisation": planned.utilisation}
    found |= {key: getattr(planned.cost, key) for key in ("ops", "macs", "params")}
    if trial.result is not None:
        found |= {key: getattr(trial.result.scores, key) for key in ("mean_iou", "pixel_accuracy", "mean_dice")}
        found |= {"fvcore_macs": trial.result.fvcore_macs}
        found |= {f"iou_{name}": value for name, value in trial.result.scores.iou.items()}
        found |= over_seeds(findings, trial)
    return found | when(findings, trial)


def over_seeds(findings: Findings, trial: Trial) -> dict[str, Any]:
    """A done trial's spread over seeds, and how often it is on the front; nothing where none was repeated."""
    if not findings.repeated:
        return {}
    spread = findings.spread(trial)
    return {
        "seeds": spread.seeds,
        "seeds_mean_iou": spread.mean,
        "seeds_least": spread.least,
        "seeds_most": spread.most,
        "seeds_deviation": spread.deviation,
        "front_share": findings.front_share[trial.number],
    }


def when(findings: Findings, trial: Trial) -> dict[str, Any]:
    """A trial's values of `TIME_COLUMNS`; those that nobody noted are None."""
    if not trial.spans:
        own = None if trial.result is None else trial.result.seconds
        return dict(zip(TIME_COLUMNS, (own, None, None, trial.worker), strict=True))
    took = sum(span.ended - span.began for span in trial.spans)
    began, ended = findings.clock(trial.spans[0].began), findings.clock(trial.spans[-1].ended)
    workers = "; ".join(dict.fromkeys(span.worker for span in trial.spans))
    return dict(zip(TIME_COLUMNS, (took, began, ended, workers), strict=True))


def rung_key(rung: int) -> str:
    """The column of mean IoU at a rung."""
    return f"mean_iou_epoch_{rung}"


def varied(findings: Findings, *, every: bool = False) -> list[Column]:
    """Columns of the parameters that have several values, or of all."""
    space = findings.scenario.space
    return parameter_columns(findings.scenario, [name for name, values in space.items() if every or len(values) > 1])


def trials_csv(findings: Findings, rows: Sequence[Row]) -> Table:
    """Every trial, exact, with all columns."""
    return Table(key="trials", title="All trials", columns=_exact(findings), rows=rows)


def pareto_csv(findings: Findings, rows: Sequence[Row]) -> Table:
    """The front, exact, with all columns."""
    return Table(key="pareto", title="Pareto front", columns=_exact(findings), rows=rows)


def _exact(findings: Findings) -> list[Column]:
    columns = [Column(key="trial", heading="trial"), *varied(findings, every=True)]
    columns += [Column(key=key, heading=key, right=False) for key in ("status", "reason", "origin")]
    columns += [Column(key="epochs", heading="epochs"), *_rung_columns(findings), *SCORE_COLUMNS]
    columns += SEED_COLUMNS if findings.repeated else ()
    if findings.outcome.throughput.kind != "ops":
        columns.append(Column(key="throughput", heading="throughput", right=False))
    columns += [*cost_columns(findings), *EXACT_COLUMNS]
    columns += [Column(key=f"iou_{name}", heading=f"IoU {name}", show=three) for name in findings.guess.iou]
    return [*columns, *WHEN_COLUMNS]


def _rung_columns(findings: Findings) -> list[Column]:
    """One for each rung before the last, whose mean IoU is the result's."""
    return [Column(key=rung_key(rung), heading=f"IoU, epoch {rung}", show=three) for rung in findings.rungs[:-1]]


def shown_trials(findings: Findings, rows: Sequence[Row]) -> Table:
    """Every trial for people to read; the front in bold."""
    columns = [Column(key="trial", heading="trial"), *varied(findings), *_rung_columns(findings), SCORE_COLUMNS[0]]
    columns += [*shares_named(cost_columns(findings), findings.scenario), Column(key="epochs", heading="epochs")]
    columns.append(Column(key="reason", heading="what became of it", right=False))
    return Table(
        key="trials",
        title="All trials",
        columns=columns,
        rows=rows,
        marked=lambda each: bool(each["reason"] == "on the front"),
    )


def shown_front(findings: Findings, rows: Sequence[Row]) -> Table:
    """The front for people to read, with what seeds say of it."""
    columns = [Column(key="trial", heading="trial"), *varied(findings), *SCORE_COLUMNS]
    columns += SEED_COLUMNS if findings.repeated else ()
    columns += shares_named(cost_columns(findings), findings.scenario)
    return Table(key="pareto", title="Pareto front", columns=columns, rows=rows)


def brief_front(findings: Findings, rows: Sequence[Row]) -> Table:
    """The front on a page where other parts tell the rest: each candidate by its label."""
    named = [{**each, "label": trial.candidate.label} for each, trial in zip(rows, findings.front, strict=True)]
    columns = [Column(key="trial", heading="trial"), Column(key="label", heading="candidate", right=False)]
    columns += SEED_COLUMNS if findings.repeated else (SCORE_COLUMNS[0],)
    rate, _, *costs = cost_columns(findings)
    return Table(key="pareto", title="Pareto front", columns=[*columns, rate, *costs], rows=named)


def checks_table(findings: Findings) -> Table:
    """Repeats and audits: which trial, what was changed, what came out."""
    by_candidate = {trial.candidate: trial.number for trial in findings.trials}
    rows = [check_record(findings, check, by_candidate) for check in findings.outcome.checks]
    columns = [
        Column(key="check", heading="check"),
        Column(key="kind", heading="kind", right=False),
        Column(key="trial", heading="of trial"),
        Column(key="label", heading="candidate", right=False),
        Column(key="seed", heading="seed"),
        Column(key="target", heading="asked epochs"),
        Column(key="status", heading="status", right=False),
        Column(key="reason", heading="reason", right=False),
        Column(key="epochs", heading="epochs"),
        Column(key="mean_iou", heading="mean IoU", show=three),
        *WHEN_COLUMNS,
    ]
    return Table(key="checks", title="Repeats and audits", columns=columns, rows=rows)


def check_record(findings: Findings, check: Trial, by_candidate: Mapping[Any, int]) -> dict[str, Any]:
    """One repeat or audit, as a row and for JSON."""
    return {
        "check": check.number,
        "kind": kind(check),
        "trial": by_candidate.get(check.candidate),
        "label": check.candidate.label,
        "seed": check.changes.get("seed", findings.scenario.training.seed),
        "target": check.target,
        "status": check.status,
        "reason": check.reason,
        "epochs": check.epochs,
        "mean_iou": None if check.result is None else check.result.scores.mean_iou,
        **when(findings, check),
    }


def record(findings: Findings, trial: Trial, known: Row) -> dict[str, Any]:
    """A trial as plain data for JSON; `known` is its row."""
    keys = ("status", "reason", "origin", "epochs", "images_per_second", "utilisation", "ops", "macs", "params")
    several = [column.key for column in SEED_COLUMNS if column.key in known]
    return {
        "number": trial.number,
        "parameters": trial.candidate.parameters,
        **{key: known[key] for key in (*keys, *several)},
        "target": trial.target,
        "curve": {str(epoch): value for epoch, value in trial.curve.items()},
        "rungs": {str(rung): findings.at_rung(trial, rung) for rung in findings.rungs},
        "result": None if trial.result is None else trial.result.record(),
        **{key: known[key] for key in TIME_COLUMNS},
    }
