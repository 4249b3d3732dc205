"""Networks side by side as a report: one table, one picture, and what they say."""

from collections.abc import Mapping
from typing import Any, Final

from budgetnet import units
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, UTILISATION, shares_named
from budgetnet.compare import LARGEST, Comparison, Peer
from budgetnet.compare.picture import bars_png
from budgetnet.plan import asked, need, share
from budgetnet.report import Block, Column, Picture, Report, Table, Text
from budgetnet.report import facts as report_facts
from budgetnet.scenario import Scenario

PLAIN, TRAINED = "compare", "compare-trained"
"""What reports are called: those with trainings have files of their own."""


def _signed(value: float) -> str:
    return f"{value:+,.1f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


COLUMNS: Final = (
    Column(key="name", heading="network", right=False),
    MEGA_OPS,
    MEGA_PARAMS,
    Column(key="memory_mb", heading="memory MB", show=lambda value: f"{value:,.1f}"),
    Column(key="images_per_second", heading="img/s in budget", show=lambda value: units.at_most(value, 1)),
    Column(key="required_gops", heading="GOPS", show=units.gops),
    UTILISATION,
    Column(key="headroom_gops", heading="headroom GOPS", show=_signed),
    Column(key="fits", heading="fits"),
    Column(key="over", heading="over", right=False),
)
EXACT: Final = (
    Column(key="name", heading="network", right=False),
    Column(key="family", heading="family", right=False),
    Column(key="label", heading="parameters", right=False),
    Column(key="macs", heading="MACs"),
    Column(key="ops", heading="operations"),
    Column(key="params", heading="parameters"),
    *COLUMNS[3:],
)
SCORES: Final = (
    Column(key="mean_iou", heading="mean IoU", show=_three),
    Column(key="epochs", heading="epochs"),
    Column(key="seconds", heading="training", show=units.duration),
    Column(key="reason", heading="why not", right=False),
)


def report(
    comparison: Comparison, training: Mapping[str, Any] | None = None, *, made_by: Mapping[str, str] | None = None
) -> tuple[Report, dict[str, bytes]]:
    """The report `compare`, or `compare-trained`, and its picture; `training` are the settings that all were trained
    with, if any were, `made_by` versions, machine and command.
    """
    key = TRAINED if training else PLAIN
    picture = f"{key}.png"
    scenario = comparison.scenario
    scored = any(peer.result is not None or peer.reason for peer in comparison.peers)
    rows = [row(peer) for peer in comparison.peers]
    shown, exact = ([*columns, *(SCORES if scored else ())] for columns in (COLUMNS, EXACT))
    title = f"Networks under scenario {scenario.name}"
    table = Table(
        key=key,
        title="Networks, those that take the least first; in bold those that fit",
        columns=shares_named(shown, scenario),
        rows=rows,
        marked=lambda each: bool(each["fits"]),
    )
    blocks: list[Block] = [Text(text=verdict(comparison))]
    if scored:
        blocks.append(Text(text=trained_alike(comparison)))
    blocks += [Picture(title="What each network takes of the budget", path=picture), table]
    blocks.append(report_facts("Scenario", _facts(scenario)))
    if training:
        blocks.append(report_facts("How all were trained", training))
    if made_by:
        blocks.append(report_facts("Made by", made_by))
    classes = sorted({name for peer in comparison.peers if peer.result for name in peer.result.scores.iou})
    exact += [Column(key=f"iou_{name}", heading=f"IoU {name}", show=_three) for name in classes]
    record = {
        "scenario": scenario.name,
        "budget_gops": scenario.budget_gops,
        "verdict": verdict(comparison),
        "networks": [
            {
                **each,
                "parameters": dict(peer.candidate.parameters),
                "result": None if peer.result is None else peer.result.record(),
            }
            for each, peer in zip(rows, comparison.peers, strict=True)
        ],
        "training": training,
        "made_by": dict(made_by or {}),
    }
    csv = Table(key=key, title=title, columns=exact, rows=rows)
    made = Report(key=key, title=title, blocks=blocks, tables=[csv], record=record)
    return made, {picture: bars_png(comparison)}


def row(peer: Peer) -> dict[str, Any]:
    """All that is known of a network, by column."""
    planned = peer.planned
    found: dict[str, Any] = {
        "name": peer.name,
        "family": peer.candidate.network,
        "label": peer.candidate.label,
        **{key: getattr(planned.cost, key) for key in ("macs", "ops", "params")},
        "memory_mb": planned.memory_mb,
        "images_per_second": planned.images_per_second,
        "required_gops": planned.required_gops,
        "utilisation": planned.utilisation,
        "headroom_gops": planned.headroom_gops,
        "fits": planned.fits,
        "over": ", ".join(planned.broken),
        "reason": peer.reason,
    }
    if peer.result is not None:
        found |= {"mean_iou": peer.result.scores.mean_iou, "epochs": peer.result.epochs, "seconds": peer.result.seconds}
        found |= {f"iou_{name}": value for name, value in peer.result.scores.iou.items()}
    return found


def verdict(comparison: Comparison) -> str:
    """How many fit, which is the largest of them, and which is the nearest of the others."""
    scenario, fitting = comparison.scenario, comparison.fitting
    over = [peer for peer in comparison.peers if not peer.planned.fits]
    several = units.counted(len(comparison.peers), "network fits", "networks fit")
    told = f"{len(fitting)} of {several} {asked(scenario)}."
    if fitting:
        largest = fitting[-1]
        told += f" The largest of them is {largest.name} ({share(largest.planned)})."
    if over:
        nearest = min(over, key=lambda peer: max(use.required / use.available for use in peer.planned.uses))
        needs = "; ".join(need(nearest.planned, limit) for limit in nearest.planned.broken)
        told += f" The nearest that does not is {nearest.name}: {needs}."
    own = [peer for peer in comparison.peers if peer.name == LARGEST]
    told += f" The {LARGEST} is {own[0].candidate.label}." if own else ""
    return told


def _facts(scenario: Scenario) -> dict[str, Any]:
    """What figures are figures of. Operations and training are those of the first group's images."""
    groups = {
        f"group {group.name}": f"{group.count} x {group.fps:g} fps, images of {group.height} x {group.width}"
        for group in scenario.groups
    }
    first = {"MOP are those of": f"the images of {scenario.groups[0].name}"} if len(groups) > 1 else {}
    budget = f"{scenario.budget_gops:g} GOPS" + (f", {scenario.budget_mb:g} MB" if scenario.budget_mb else "")
    kept = {"kept for other work": f"{100 * scenario.reserve:g} %"} if scenario.reserve else {}
    return {
        **groups,
        **first,
        "budget": budget,
        **kept,
        "classes": scenario.class_count,
        "precision": scenario.precision,
    }


def trained_alike(comparison: Comparison) -> str:
    """Who came out best, and what that says."""
    scored = comparison.scored
    if not scored:
        return "No training has given a result yet."
    fits = [peer for peer in scored if peer.planned.fits]
    best = scored[0]
    told = f"Trained alike from random numbers, the best mean IoU is that of {best.name}, {_iou(best)}"
    if fits and fits[0] is not best:
        told += f"; of those that fit that of {fits[0].name}, {_iou(fits[0])}"
    return f"{told}. Short trainings of one seed rank roughly, and slow learners come out worse than they are."


def _iou(peer: Peer) -> str:
    assert peer.result is not None
    return f"{peer.result.scores.mean_iou:.3f}"
