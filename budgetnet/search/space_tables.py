"""Where the candidates of a search's space went, and what the values of its parameters reached."""

from statistics import fmean
from typing import Any

from budgetnet.columns import word
from budgetnet.report import Block, Column, Table
from budgetnet.search.findings import Findings
from budgetnet.search.trial_table import three, varied


def reasons(findings: Findings) -> Table:
    """Where every candidate of the space went; the rows before the last add up to it."""
    outcome, feasible, scenario = findings.outcome, findings.outcome.feasible, findings.scenario
    stopped = dict.fromkeys(findings.rungs[:-1], 0)
    unfinished = 0
    for trial in findings.trials:
        if trial.status in ("running", "paused"):
            rung = findings.paused_at(trial)
            if rung in stopped:
                stopped[rung] += 1
            else:
                unfinished += 1
    memory = f" or {scenario.budget_mb:g} MB" if scenario.budget_mb else ""
    over = [f"{count:,} over {limit}" for limit, count in feasible["over"].items() if count]
    limits = f" ({', '.join(over)})" if memory and over else ""
    whole = findings.rungs[-1]
    rows = [
        ("on the Pareto front", len(findings.front)),
        ("trained, but dominated", len(findings.done) - len(findings.front)),
        *((f"stopped at epoch {rung} of {whole}", count) for rung, count in stopped.items()),
        ("training failed", sum(trial.status == "failed" for trial in findings.trials)),
        ("training not finished", unfinished),
        ("fit, but not among the trials", outcome.networks - len(findings.trials)),
        ("the same network as another one that fits", feasible["same_network"]),
        (
            f"over the budget of {scenario.budget_gops:g} GOPS{memory}, never built{limits}",
            feasible["total"] - feasible["fit"],
        ),
        ("the whole space", feasible["total"]),
    ]
    columns = [Column(key="reason", heading="why", right=False), Column(key="candidates", heading="candidates")]
    told = [{"reason": reason, "candidates": count} for reason, count in rows]
    return Table(key="reasons", title="Where the candidates went", columns=columns, rows=told)


def values(findings: Findings) -> list[Block]:
    """For every parameter that was varied: what its values reached, over the done trials that had them."""
    if not findings.done:
        return []
    rows = []
    for column in varied(findings):
        reached: dict[Any, list[float]] = {}
        for trial in findings.done:
            given = trial.candidate.parameters
            if column.key in given:  # else a parameter of another head
                reached.setdefault(given[column.key], []).append(findings.spread(trial).mean)
        for value, ious in sorted(reached.items()):
            name = f"{column.heading} {word(value)}"
            rows.append({"value": name, "trials": len(ious), "best": max(ious), "mean": fmean(ious)})
    columns = [
        Column(key="value", heading="value", right=False),
        Column(key="trials", heading="trials"),
        Column(key="best", heading="best mean IoU", show=three),
        Column(key="mean", heading="average mean IoU", show=three),
    ]
    return [Table(key="values", title="What each value reached", columns=columns, rows=rows)]
