"""Markdown of what the replays brought, and the curves as a picture and as numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from replays import measures, strategies
from replays.ledger import Replay
from replays.measures import Estimate
from replays.tables import Table

Replays = Mapping[str, Sequence[Replay]]
"""By strategy, one for each seed."""

BASELINES: Final = (strategies.TPE, strategies.TPE_GROUP)
SHARES: Final = (1 / 9, 1 / 6, 2 / 9, 1 / 3, 1 / 2, 2 / 3, 1)
"""Of the epochs: where the regret is told."""


def text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column to the left, figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def marks(budget: int) -> list[int]:
    """The epochs after which the regret is told."""
    return [round(budget * share) for share in SHARES]


def heading(table: Table, budget: int, seeds: int) -> str:
    """What is replayed."""
    epochs, of = table.epochs, table.curves.shape
    return (
        f"## {table.name}\n\n{of[0]} candidates, {of[1]} recorded seeds, {of[2]} epochs; {int(table.fits.sum())} fit, "
        f"{len(table.rows)} of them different networks. {seeds} seeds, {budget} epochs ({budget // epochs} whole "
        f"trainings). True hypervolume {table.best:.2f} IoU x images per second."
    )


def regret_table(table: Table, found: Replays, budget: int) -> str:
    """Regret in percent after so many epochs, by strategy."""
    at = marks(budget)
    rows = []
    for name, replays in found.items():
        curves = 100 * measures.regrets(table, replays, budget)
        rows.append([strategies.told(name), *(Estimate.of(curves[:, mark]).told() for mark in at)])
    head = ["hypervolume regret, % of the true one, after epochs", *map(str, at)]
    return text(head, rows)


def effort_table(table: Table, found: Replays) -> str:
    """What each strategy trained."""
    rows = []
    for name, replays in found.items():
        again, over = measures.repeats(table, replays)
        figures = [
            np.mean([each.spent for each in replays]),
            np.mean([each.begun for each in replays]),
            np.mean([len(each.rows) for each in replays]),
        ]
        own = np.mean([each.seconds for each in replays])
        told = [f"{value:.1f}" for value in (*figures, again, over)]
        rows.append([strategies.told(name), *told, f"{own:.3f}"])
    head = ["mean over seeds", "epochs spent", "begun", "whole trainings", "repeats", "over the budget", "seconds"]
    return text(head, rows)


def race_table(table: Table, found: Replays, budget: int) -> str:
    """Epochs that ours needs for the final hypervolume of plain TPE, after the whole budget and after half of it."""
    rows = []
    for other in [name for name in BASELINES if name in found]:
        for epochs in (budget, budget // 2):
            for mine in [name for name in found if name.startswith(strategies.OURS)]:
                rows.append(_race_row(table, found, mine, other, epochs))
    head = ["strategy", "against", "after epochs", "epochs needed", "share of its epochs", "median", "never reached"]
    return text([*head, "it had it itself after"], rows)


def _race_row(table: Table, found: Replays, mine: str, other: str, epochs: int) -> list[str]:
    run = measures.race(table, found[mine], found[other], epochs)
    return [
        strategies.told(mine),
        strategies.told(other),
        str(epochs),
        Estimate.of(run.epochs).told(digits=0),
        run.share.told(digits=3),
        f"{run.median:.3f}",
        f"{int(run.missed.sum())} of {len(run.missed)}",
        Estimate.of(run.itself).told(digits=0),
    ]


def verdict(table: Table, found: Replays, budget: int) -> str:
    """Whether ours needs no more than a third of plain TPE's epochs."""
    if strategies.OURS not in found or strategies.TPE not in found:
        return ""
    lines = []
    for epochs in (budget, budget // 2):
        run = measures.race(table, found[strategies.OURS], found[strategies.TPE], epochs)
        told = "reached" if run.reached else "NOT reached"
        lines.append(
            f"- {table.name}: {epochs // table.epochs} trials of plain TPE, {epochs} epochs: ours has its hypervolume "
            f"after {run.share.told(100, 1)} % of its epochs, wanted 33.3 % with the whole interval: {told}. "
            f"{_mean_curves(table, found, epochs)}"
        )
    return "\n".join(lines)


def _mean_curves(table: Table, found: Replays, epochs: int) -> str:
    """The same of the means over all seeds: when the mean regret of ours is that of plain TPE."""
    whole = max(epochs, *(each.spent for each in found[strategies.OURS]))
    mine = measures.regrets(table, found[strategies.OURS], whole).mean(axis=0)
    level = float(measures.regrets(table, found[strategies.TPE], epochs)[:, -1].mean())
    there = measures.crossing(mine, level)
    after = "never" if there is None else f"after {there} epochs, {100 * there / epochs:.1f} %"
    return f"Mean regret of ours is at its final {100 * level:.2f} % {after}."


def curves_csv(tables: Mapping[str, tuple[Table, Replays]], budget: int) -> str:
    """The mean regret after every epoch, a line for each table, strategy and epoch."""
    lines = ["table,strategy,epochs,regret"]
    for name, (table, found) in tables.items():
        for strategy, replays in found.items():
            mean = measures.regrets(table, replays, budget).mean(axis=0)
            lines.extend(f"{name},{strategy},{epoch},{value:.6f}" for epoch, value in enumerate(mean))
    return "\n".join(lines) + "\n"


def plot(tables: Mapping[str, tuple[Table, Replays]], budget: int, path: Path) -> None:
    """Mean regret by epochs with its interval, a panel for each table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7 * len(tables), 5), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axes, (name, (table, found)) in zip(panels, tables.items(), strict=True):
        for strategy, replays in found.items():
            curves = 100 * measures.regrets(table, replays, budget)
            at = np.arange(table.epochs, budget + 1, 3)
            told = [Estimate.of(curves[:, epoch]) for epoch in at]
            ours = strategy.startswith(strategies.OURS)
            (line,) = axes.plot(
                at, [one.mean for one in told], label=strategies.told(strategy), linestyle="-" if ours else "--"
            )
            low, high = [one.low for one in told], [one.high for one in told]
            axes.fill_between(at, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set(title=name, xlabel="epochs trained in all", ylabel="hypervolume regret, %", yscale="log")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
