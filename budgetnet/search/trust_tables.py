"""What seeds and longer trainings say of a search's ranking, as parts of its report."""

from collections.abc import Sequence
from typing import Any, Final

from budgetnet.report import Block, Column, Table, Text
from budgetnet.search import trial_table
from budgetnet.search.findings import Findings
from budgetnet.search.trial_table import three
from budgetnet.search.trust import Agreement
from budgetnet.search.verdict import audit_text

RARE: Final = 0.05
"""Candidates off the front that are on it in so many draws of seeds, or more, are named."""


def trust_blocks(findings: Findings) -> list[Block]:
    """What seeds and longer trainings say of the ranking."""
    if not findings.front:
        return []
    blocks: list[Block] = []
    if findings.repeated:
        blocks += [Text(text=_draws(findings)), _seed_table(findings)]
    else:
        blocks.append(Text(text="What the seed alone changes was not measured (--repeats N)."))
    audit = audit_text(findings)
    blocks += [Text(text=audit)] if audit else []
    if any(each.tau is not None for each in findings.agreements):
        blocks += [_agreement_table(findings.agreements), _audit_table(findings)]
    return blocks


def _draws(findings: Findings) -> str:
    single = sum(len(findings.seeds(trial)) == 1 for trial in findings.done)
    alike = " Candidates trained once are taken to vary as the repeated ones do." if single else ""
    return (
        f"How sure the front is: how often each candidate is on it, were one training of each drawn by lot.{alike} "
        "Means are over all seeds, that of the search among them, which chose the candidates: it flatters a little."
    )


def _seed_table(findings: Findings) -> Table:
    """The front, what may be on it, and whatever was repeated."""
    rows = []
    for trial in sorted(findings.done, key=lambda each: -findings.front_share[each.number]):
        on_front, several = findings.is_on_front(trial), len(findings.seeds(trial)) > 1
        if on_front or several or findings.front_share[trial.number] >= RARE:
            known = {"trial": trial.number, "label": trial.candidate.label, "on_front": on_front}
            rows.append({**known, **trial_table.over_seeds(findings, trial)})
    columns = [
        Column(key="trial", heading="trial"),
        Column(key="label", heading="candidate", right=False),
        Column(key="on_front", heading="on the front"),
        *trial_table.SEED_COLUMNS,
    ]
    return Table(key="seeds", title="The front with its uncertainty", columns=columns, rows=rows)


def _agreement_table(agreements: Sequence[Agreement]) -> Table:
    """One row for each rung that was audited."""

    def interval(bounds: tuple[float, float]) -> str:
        return f"{bounds[0]:.2f} to {bounds[1]:.2f}"

    def two(value: float) -> str:
        return f"{value:.2f}"

    columns = [
        Column(key="short", heading="epochs"),
        Column(key="long", heading="against epochs"),
        Column(key="candidates", heading="candidates"),
        Column(key="tau", heading="Kendall's tau", show=two),
        Column(key="tau_interval", heading="95 % interval", show=interval),
        Column(key="tau_p", heading="p of no relation", show=lambda value: f"{value:.2g}"),
        Column(key="rho", heading="Spearman's rho", show=two),
        Column(key="rho_interval", heading="95 % interval", show=interval),
    ]
    rows = [each.record() for each in agreements]
    return Table(key="audit", title="Do short trainings rank as long ones do?", columns=columns, rows=rows)


def _audit_table(findings: Findings) -> Table:
    """Each audited candidate at every rung and after its longer training."""
    by_candidate = {trial.candidate: trial for trial in findings.trials}
    rows: list[dict[str, Any]] = []
    for check in findings.audits:
        own = by_candidate.get(check.candidate)
        if own is None or check.result is None:
            continue
        at = {trial_table.rung_key(rung): findings.at_rung(own, rung) for rung in findings.rungs}
        long = {"long": check.result.epochs, "mean_iou": check.result.scores.mean_iou}
        rows.append({"trial": own.number, "label": own.candidate.label, **at, **long})
    columns = [
        Column(key="trial", heading="trial"),
        Column(key="label", heading="candidate", right=False),
        *(Column(key=trial_table.rung_key(rung), heading=f"IoU, epoch {rung}", show=three) for rung in findings.rungs),
        Column(key="long", heading="epochs of the audit"),
        Column(key="mean_iou", heading="mean IoU then", show=three),
    ]
    ordered = sorted(rows, key=lambda each: -each["mean_iou"])
    return Table(key="audited", title="Audited candidates", columns=columns, rows=ordered)
