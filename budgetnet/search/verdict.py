"""What came out of a search and how far to trust it, in sentences."""

from budgetnet import units
from budgetnet.search.endings import EPOCHS_UP
from budgetnet.search.findings import Findings, counted_by_status
from budgetnet.search.trust import LEAST, Agreement

MISSED = 0.05
"""A class below this IoU is as good as not found, and the verdict says so."""


def verdict(findings: Findings) -> str:
    """What came out, in a paragraph."""
    parts = [_count(findings)]
    if not findings.front:
        failed = counted_by_status(findings.trials)["failed"]
        return " ".join([*parts, "No candidate has a result." if failed else "No candidate has a result yet."])
    parts += [_best(findings), _wanted(findings), _spread(findings), _order(findings)]
    return " ".join(part for part in parts if part)


def _count(findings: Findings) -> str:
    """How many trials there were, and what became of them."""
    outcome = findings.outcome
    by_status = counted_by_status(findings.trials)
    waiting = sum(findings.paused_at(trial) is not None for trial in findings.trials)
    settled = by_status["done"] + by_status["failed"] + waiting
    said = f"{settled} of {outcome.wanted} trials done, {by_status['done']} trained"
    if len(findings.rungs) > 1:
        said += f" to the end, {waiting} stopped at a rung"
    said += f"; {outcome.stopped}, {_goes_on(outcome.stopped)}." if outcome.stopped else "."
    if outcome.wanted == outcome.networks and not outcome.untried and not outcome.stopped:
        fit = units.counted(outcome.networks, "candidate fits", "candidates fit")
        said += f" Only {fit} the budget, so all of them are tried."
    failed = by_status["failed"]
    if failed:
        said += f" {units.counted(failed, 'training', 'trainings')} failed; the table of all trials says why."
    return said


def _goes_on(stopped: str) -> str:
    more = "with more --max-epochs " if stopped == EPOCHS_UP else ""
    return f"the same command {more}goes on"


def _best(findings: Findings) -> str:
    best, guess = findings.front[0], findings.guess.mean_iou
    spread = findings.spread(best)
    value, seeds = spread.mean, "" if spread.seeds == 1 else f" on average over {spread.seeds} seeds"
    said = (
        f"Best: {best.candidate.label} with mean IoU {value:.3f}{seeds} "
        f"(guessing the most frequent class: {guess:.3f}). "
        f"{units.counted(len(findings.front), 'candidate', 'candidates')} on the Pareto front."
    )
    if value <= guess:
        said += " That is no better than guessing: train for more epochs before anything is read into the order."
    missed = [name for name, iou in findings.result(best).scores.iou.items() if iou is not None and iou < MISSED]
    return said + (f" It does not find {', '.join(missed)} (IoU below {MISSED})." if missed else "")


def _spread(findings: Findings) -> str:
    """How far single trainings can be trusted."""
    if findings.repeated:
        several = [findings.spread(trial) for trial in findings.done if len(findings.seeds(trial)) > 1]
        ranges = [each.most - each.least for each in several]
        said = (
            f"{units.counted(len(several), 'candidate was', 'candidates were')} trained from several seeds, which "
            f"moved mean IoU by {sum(ranges) / len(ranges):.3f} on average and by {max(ranges):.3f} at most: smaller "
            "differences say nothing."
        )
        steady = sum(findings.front_share[trial.number] >= 0.95 for trial in findings.front)
        once = sum(len(findings.seeds(trial)) == 1 for trial in findings.front)
        seldom = f"; {once} of them were trained from one seed so far" if once else ""
        front = f"{steady} of the {len(findings.front)} on the front stay there in 95 % of all draws of seeds"
        return f"{said} {front}{seldom}."
    swing = findings.swing()
    if swing is None:
        return "Each was trained and validated once: the order is a hint at most."
    return (
        f"Each was trained once, and between its last two epochs mean IoU moved by {swing:.3f} on average: "
        "smaller differences say nothing."
    )


def _wanted(findings: Findings) -> str:
    least = findings.scenario.minimum_mean_iou
    if least is None:
        return ""
    enough = sum(findings.spread(trial).mean >= least for trial in findings.front)
    if enough:
        return f"{enough} of them reach the wanted mean IoU of {least:g}."
    return f"None reaches the wanted mean IoU of {least:g} in this short training."


def throughput_text(findings: Findings) -> str:
    """What images per second are, how far to trust them, and how many of the front have those that the scenario needs;
    nothing where they are the budget's, which every candidate keeps.
    """
    about = findings.outcome.throughput.about
    if not about:
        return ""
    needed = float(findings.scenario.images_per_second)
    said = f"{about} The scenario needs {needed:g}"
    if not findings.front:
        return f"{said}."
    enough = sum(trial.images_per_second >= needed for trial in findings.front)
    front = units.counted(len(findings.front), "candidate", "candidates")
    return f"{said}: {enough} of {front} on the front {'has' if enough == 1 else 'have'} them."


def _order(findings: Findings) -> str:
    """What an audit says of every rung, a sentence each; rungs of so few candidates that there is no interval say
    nothing.
    """
    return " ".join(_agreed(each) for each in findings.agreements if each.tau is not None and each.tau_interval)


def _agreed(each: Agreement) -> str:
    assert each.tau is not None
    assert each.tau_interval is not None
    low, high = each.tau_interval
    how = "well" if each.tau >= 0.7 and low >= 0.4 else "roughly" if each.tau >= 0.4 and low > 0 else "not reliably"
    interval = f", 95 % interval {low:.2f} to {high:.2f}"
    return (
        f"After {units.counted(each.short, 'epoch', 'epochs')}, {each.candidates} audited candidates are ordered {how} "
        f"as after {each.long} (Kendall's tau {each.tau:.2f}{interval})."
    )


def audit_text(findings: Findings) -> str:
    """What the table of an audit says, or why there is none."""
    if not findings.audits:
        return "Whether longer trainings would order the candidates alike was not audited (--audit K)."
    if not findings.agreements:
        return "No longer training of the audit is finished yet."
    told = [each for each in findings.agreements if each.tau is not None]
    if not told:
        return f"The audit has fewer than {LEAST} different candidates at a rung: no order to compare."
    return ""
