"""How a search stands, running or finished: what `budgetnet search --status` shows. Cheap: counts and a few tables."""

import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from budgetnet import units
from budgetnet.networks import Candidate
from budgetnet.report import Block, Column, Report, Table, Text
from budgetnet.search.checks import front, repeated
from budgetnet.search.trial import Trial
from budgetnet.search.trial_table import rate_column

FAILURES: Final = 5
"""So many of the last failures are told."""

TOLD: Final = 12
"""So many candidates of the front are told."""


Repeats = Mapping[Candidate, Sequence[float]]


def _three(value: float) -> str:
    return f"{value:.3f}"


IOU: Final = Column(key="mean_iou", heading="mean IoU", show=_three)
TRIAL: Final = (Column(key="trial", heading="trial"), Column(key="label", heading="candidate", right=False))


def status_report(
    trials: Sequence[Trial], settings: Mapping[str, Any], *, checks: Sequence[Trial] = (), now: float | None = None
) -> Report:
    """Of a study's trials and settings, and of its repeats and audits; `now` is in seconds since 1970."""
    rungs = tuple(settings.get("search", {}).get("rungs", ())) or (max((t.target for t in trials), default=1),)
    by_status = {name: [t for t in trials if t.status == name] for name in ("done", "paused", "running", "failed")}
    text = _counts(trials, by_status, rungs)
    best, again = front(trials, checks), repeated(checks)
    blocks: list[Block] = [Text(text=text), Text(text=_best(best, again, len(by_status["done"])))]
    if checks:
        done = sum(check.finished for check in checks)
        blocks.append(Text(text=f"Repeats and audits: {done} of {len(checks)} begun are done."))
    busy = [*by_status["running"], *(check for check in checks if check.status == "running")]
    tables = [
        _workers(busy, time.time() if now is None else now),
        _rungs(trials, rungs),
        _front_table(best[:TOLD], again, settings),
        _failures(by_status["failed"]),
    ]
    blocks += [table for table in tables if table.rows]
    name = settings.get("name", "")
    record = {
        "scenario": name,
        "trials": {status: len(several) for status, several in by_status.items()},
        "epochs": sum(trial.epochs for trial in trials),
        **{table.key: [dict(row) for row in table.rows] for table in tables},
    }
    title = f"Search for scenario {name}" if name else "Search"
    return Report(key="status", title=title, blocks=blocks, tables=tables, record=record)


def _counts(trials: Sequence[Trial], by_status: Mapping[str, Sequence[Trial]], rungs: Sequence[int]) -> str:
    if not trials:
        return "No trial was begun yet."
    waiting = sum(_waits(trial, rungs) for trial in by_status["paused"])
    parts = (
        (len(by_status["done"]), "trained to the end"),
        (waiting, "stopped at a rung"),
        (len(by_status["running"]), "under way"),
        (len(by_status["paused"]) - waiting, "cut off, to be resumed"),
        (len(by_status["failed"]), "failed"),
    )
    told = ", ".join(f"{count} {what}" for count, what in parts if count)
    epochs = sum(trial.epochs for trial in trials)
    took = sum(span.ended - span.began for trial in trials for span in trial.spans)
    return (
        f"{units.counted(len(trials), 'trial', 'trials')} begun: {told}. "
        f"{units.counted(epochs, 'epoch', 'epochs')} trained, {units.duration(took)} of training over all workers."
    )


def _waits(trial: Trial, rungs: Sequence[int]) -> bool:
    """Whether a paused trial has come to its rung."""
    return trial.epochs >= trial.target and trial.epochs in rungs


def _mean(trial: Trial, again: Repeats) -> float:
    """Mean IoU over the seeds of a done trial."""
    assert trial.result is not None
    return fmean([trial.result.scores.mean_iou, *again.get(trial.candidate, [])])


def _so_far(trial: Trial, epoch: int | None = None) -> float | None:
    """Mean IoU of the last validation until an epoch."""
    known = [each for each in trial.curve if epoch is None or each <= epoch]
    return trial.curve[max(known)] if known else None


def _best(best: Sequence[Trial], again: Repeats, done: int) -> str:
    if not best:
        return "None is trained to the end yet."
    first = best[0]
    front = units.counted(len(best), "candidate is", "candidates are")
    return (
        f"Best so far: {first.candidate.label} (trial {first.number}) with mean IoU {_mean(first, again):.3f}. "
        f"{front} on the Pareto front of the {done} that are trained to the end."
    )


def _workers(running: Sequence[Trial], now: float) -> Table:
    """Who trains what."""
    rows = []
    for trial in sorted(running, key=lambda trial: (trial.worker or "", trial.number)):
        rows.append(
            {
                "worker": trial.worker or "unknown",
                "trial": trial.number,
                "label": trial.candidate.label,
                "epochs": f"{trial.epochs} of {trial.target}",
                "mean_iou": _so_far(trial),
                "heard": None if trial.heard is None else max(now - trial.heard, 0.0),
            }
        )
    columns = [
        Column(key="worker", heading="worker", right=False),
        *TRIAL,
        Column(key="epochs", heading="epochs to its rung"),
        IOU,
        Column(key="heard", heading="last epoch ended", show=lambda seconds: f"{units.duration(seconds)} ago"),
    ]
    return Table(key="workers", title="Under way", columns=columns, rows=rows)


def _rungs(trials: Sequence[Trial], rungs: Sequence[int]) -> Table:
    """How many have come to each rung, and how many wait there."""
    rows = []
    for rung in rungs:
        there = [trial for trial in trials if trial.epochs >= rung]
        values = [value for trial in there if (value := _so_far(trial, rung)) is not None]
        waiting = sum(trial.status == "paused" and trial.epochs == rung and _waits(trial, rungs) for trial in there)
        best = max(values, default=None)
        rows.append({"epoch": rung, "reached": len(there), "waiting": waiting, "best": best})
    columns = [
        Column(key="epoch", heading="rung at epoch"),
        Column(key="reached", heading="came to it"),
        Column(key="waiting", heading="stopped there"),
        Column(key="best", heading="best mean IoU there", show=_three),
    ]
    return Table(key="rungs", title="Rungs", columns=columns, rows=rows if trials else [])


def _front_table(best: Sequence[Trial], again: Repeats, settings: Mapping[str, Any]) -> Table:
    rows = [
        {
            "trial": trial.number,
            "label": trial.candidate.label,
            "mean_iou": _mean(trial, again),
            "images_per_second": trial.images_per_second,
        }
        for trial in best
    ]
    rate = rate_column(settings.get("search", {}).get("throughput", {}).get("kind", "ops"))
    return Table(key="front", title="Pareto front so far", columns=[*TRIAL, IOU, rate], rows=rows)


def _failures(failed: Sequence[Trial]) -> Table:
    """The last ones, the latest first."""
    latest = sorted(failed, key=lambda trial: (max((s.ended for s in trial.spans), default=0.0), trial.number))
    rows = [
        {"trial": trial.number, "label": trial.candidate.label, "reason": trial.reason or "unknown"}
        for trial in latest[: -FAILURES - 1 : -1]
    ]
    columns = [*TRIAL, Column(key="reason", heading="reason", right=False)]
    return Table(key="failures", title="Last failures", columns=columns, rows=rows)
