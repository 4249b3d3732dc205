"""Markdown tables of what was measured. Only ratios within a round mean anything, so those are taken first and their
median after.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from trainers.levers import CONTENDERS, OURS
from trainers.notebook import Result

Rounds = Sequence[Mapping[str, Result]]
"""Per round what each contender did."""

MOST_WAITING: Final = 0.02
WANTED_FACTOR: Final = 6.0
"""How many times less wall time than the plain loop a training of ours should need."""

FORWARD_AND_GRADIENTS: Final = 3
"""A layer's gradients, by its weights and by its input, take as many operations each as its forward pass."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sound(rounds: Rounds, contender: str) -> list[Result]:
    """What a contender did in the rounds in which it did not fail."""
    return [found[contender] for found in rounds if contender in found and "failed" not in found[contender]]


def ratios(rounds: Rounds, contender: str) -> list[float]:
    """How many times as fast ours was, round by round."""
    both = [(found.get(OURS), found.get(contender)) for found in rounds]
    return [
        ours["rate"] / other["rate"] for ours, other in both if ours and other and "rate" in ours and "rate" in other
    ]


def spread(values: Sequence[float]) -> str:
    """Median, and the range where there are several."""
    if not values:
        return "-"
    told = f"{statistics.median(values):.2f} x"
    return told if len(values) == 1 else f"{told} ({min(values):.2f} to {max(values):.2f})"


def verdict(value: float, wanted: str, reached: bool) -> str:
    """A figure against what was wanted."""
    told = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{told}, wanted {wanted}: {'reached' if reached else 'NOT reached'}"


def throughput(rounds: Rounds, ops: int, peaks: Mapping[str, float] | None) -> str:
    """Images per second of every contender, arithmetic against the machine's peak, and how ours compares."""
    rows = []
    for key in [key for key in CONTENDERS if any(key in found for found in rounds)]:
        title, found = CONTENDERS[key].title, sound(rounds, key)
        if not found:
            reason = next(each[key]["failed"] for each in rounds if key in each)
            rows.append([title, "-", "-", "-", "-", f"failed: {reason.replace('|', '/')[:80]}"])
            continue
        rate = statistics.median(each["rate"] for each in found)
        speed = FORWARD_AND_GRADIENTS * ops * rate
        shares = ["-", "-"]
        if peaks and CONTENDERS[key].whole:
            shares = [f"{100 * speed / peaks[kind]:.0f} %" for kind in ("fp32", "bfloat16")]
        told = f"{speed / 1e9:.0f}" if CONTENDERS[key].whole else "-"
        compared = "" if key == OURS else spread(ratios(rounds, key))
        rows.append([title, f"{rate:.1f}", told, *shares, compared])
    head = ["contender", "images per second", "GFLOP/s", "of fp32 peak", "of bfloat16 peak", "ours against it"]
    return table(head, rows)


def faults(networks: Mapping[str, Rounds], contenders: Sequence[str]) -> str:
    """Minor page faults of a steady step, and the process's largest size."""
    rows = []
    for network, rounds in networks.items():
        for key in contenders:
            found = sound(rounds, key)
            if found:
                every = [count for each in found for count in each["faults"]]
                size = max(each["bytes"] for each in found) / 1e9
                figures = [f"{statistics.median(every):,.0f}", f"{max(every):,}", f"{size:.2f}"]
                rows.append([f"{network}, {CONTENDERS[key].title}", *figures])
    return table(["network, contender", "median faults per step", "most", "process, GB"], rows)


def waits(networks: Mapping[str, Rounds]) -> str:
    """Shares of time in which steps wait for their batch."""
    rows = []
    for network, rounds in networks.items():
        for kind in ("augmented", "as they are"):
            found = sound(rounds, kind)
            if found:
                rate, share, later = (
                    statistics.median(each[name] for each in found) for name in ("rate", "share", "later")
                )
                rows.append([f"{network}, {kind}", f"{rate:.1f}", f"{100 * share:.2f} %", f"{100 * later:.2f} %"])
    return table(["network, images", "images per second", "of whole epochs", "after the first step"], rows)


def longest(networks: Mapping[str, Rounds]) -> float:
    """The largest share of whole epochs, by network and images, that is spent waiting."""
    kinds = [sound(rounds, kind) for rounds in networks.values() for kind in ("augmented", "as they are")]
    return max((statistics.median(each["share"] for each in found) for found in kinds if found), default=0.0)


def race(plain: Result, ours: Sequence[Result]) -> str:
    """Mean IoU against training time."""
    curve = plain["curve"]
    rows = [["plain loop, lab", f"{curve[-1][0]:.0f}", f"{len(curve)}", f"{plain['reached']:.4f}", "", "", ""]]
    for each in ours:
        if "failed" in each:
            rows.append([f"ours: failed: {each['failed'].replace('|', '/')[:80]}", *["-"] * 6])
            continue
        then = [quality for seconds, quality in curve if seconds <= each["seconds"]]
        needed = reaches(curve, each["reached"])
        rows.append(
            [
                "ours",
                f"{each['seconds']:.0f}",
                f"{each['epochs']}",
                f"{each['reached']:.4f}",
                f"{max(then):.4f}" if then else "-",
                f"more than {curve[-1][0]:.0f}" if needed is None else f"{needed:.0f}",
                (
                    f"more than {curve[-1][0] / each['seconds']:.1f}"
                    if needed is None
                    else f"{needed / each['seconds']:.1f}"
                )
                + " x",
            ]
        )
    head = ["contender", "seconds", "epochs", "mean IoU", "plain loop by then", "plain loop needs, s", "that is"]
    return table(head, rows)


def reaches(curve: Sequence[Sequence[float]], quality: float) -> float | None:
    """When a curve of (seconds, mean IoU) first came to a mean IoU; None where it never did."""
    return next((seconds for seconds, found in curve if found >= quality), None)


def race_verdict(plain: Result, ours: Sequence[Result]) -> str:
    """Whether the best mean IoU of the plain loop was reached in the wanted part of its time."""
    best = plain["reached"]
    needed = reaches(plain["curve"], best) or 0.0
    equal = [each["seconds"] for each in ours if "failed" not in each and each["reached"] >= best]
    told = f"The plain loop's best mean IoU, {best:.4f}, took it {needed:.0f} s"
    if not equal:
        return f"{told}; ours did not reach it (wanted {WANTED_FACTOR:g} times less wall time: NOT reached)."
    factor = needed / min(equal)
    compared = verdict(factor, f"at least {WANTED_FACTOR:g}", factor >= WANTED_FACTOR)
    return f"{told}, ours {min(equal):.0f} s. How many times less: {compared}."


def facts(machine: Mapping[str, Any], commits: Sequence[str]) -> str:
    """The machine, on one line."""
    arithmetic = "bfloat16" if machine["bfloat16"] else "no bfloat16: mixed is fp32"
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, {arithmetic}; "
        f"torch {machine['torch']}, Python {machine['python']}; budgetnet {', '.join(commits)}"
    )
