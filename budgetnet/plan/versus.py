"""Two plans side by side: what a change of scenario costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from budgetnet import units
from budgetnet.plan import Plan, measure
from budgetnet.plan.demand import Planned
from budgetnet.report import Block, Column, Report, Table, Text
from budgetnet.scenario import Scenario

CHANGE_COLUMNS = (
    Column(key="what", heading="what", right=False),
    Column(key="before", heading="before", right=False),
    Column(key="after", heading="after", right=False),
)
FIGURE_COLUMNS = (*CHANGE_COLUMNS, Column(key="change", heading="change", right=False))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _signed(value: float) -> str:
    return f"{value:+,.1f}" if abs(value) >= 1 or value == 0 else f"{value:+.3g}"


CANDIDATE_COLUMNS = (
    Column(key="candidate", heading="candidate", right=False),
    Column(key="gops_before", heading="GOPS before", show=units.gops),
    Column(key="gops_after", heading="GOPS after", show=units.gops),
    Column(key="change_gops", heading="change", show=_signed),
    Column(key="utilisation_before", heading="% of budget before", show=units.percent),
    Column(key="utilisation_after", heading="% of budget after", show=units.percent),
    Column(key="memory_before", heading="MB before", show=lambda value: f"{value:,.1f}"),
    Column(key="memory_after", heading="MB after", show=lambda value: f"{value:,.1f}"),
    Column(key="fits_before", heading="fits before", show=_yes, right=False),
    Column(key="fits_after", heading="fits after", show=_yes, right=False),
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """The plan of a scenario held against that of another, which came before it. `named` are choices of the later
    one that were asked for by name.

    The same networks are compared where both scenarios choose one of the same family, or as many of the same names.
    """

    before: Plan
    after: Plan
    named: Sequence[Planned] = ()

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """Fields of the scenario that differ: name, value before, value after."""
        old, new = _fields(self.before.scenario), _fields(self.after.scenario)
        return [
            (name, old.get(name, "-"), new.get(name, "-"))
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
        ]

    @property
    def comparable(self) -> bool:
        """Whether one choice of networks can be measured in both."""
        before, after = self.before.scenario.networks, self.after.scenario.networks
        if len(before) == len(after) == 1:
            return before[0].family == after[0].family
        return [(each.name, each.family) for each in before] == [(each.name, each.family) for each in after]

    def pairs(self) -> list[tuple[Planned, Planned]]:
        """Choices that both plans list, and the best and named ones, measured in both; most operations first."""
        if not self.comparable:
            return []
        old = {each.candidates: each for each in self.before.candidates}
        new = {each.candidates: each for each in self.after.candidates}
        chosen = {*(old.keys() & new.keys()), *(each.candidates for each in self.notable())}
        found = [
            (
                old.get(choice) or measure(self.before.scenario, *choice),
                new.get(choice) or measure(self.after.scenario, *choice),
            )
            for choice in chosen
        ]
        return sorted(found, key=lambda pair: (-pair[1].required, pair[1].label))

    def notable(self) -> list[Planned]:
        """The named ones, and the best of either plan."""
        return [*self.named, *self.before.best, *self.after.best]


def _fields(scenario: Scenario) -> dict[str, str]:
    """What a plan follows from, as flat text."""
    fields = {
        "budget_gops": f"{scenario.budget_gops:g}",
        "contention": f"{scenario.contention:g}",
        "reserve": f"{scenario.reserve:g}",
        "budget_mb": "none" if scenario.budget_mb is None else f"{scenario.budget_mb:g}",
        "precision": scenario.precision,
        "classes": str(scenario.class_count),
    }
    for group in scenario.groups:
        name = group.name if len(scenario.groups) > 1 else "cameras"
        fields[name] = f"{group.count} x {group.fps:g} fps, {group.height} x {group.width}"
    for choice in scenario.networks:
        name = f"{choice.name} network" if len(scenario.networks) > 1 else "network"
        fields[name] = choice.family
        prefix = f"{choice.name} " if len(scenario.networks) > 1 else ""
        fields |= {f"{prefix}{key}": _values(values) for key, values in choice.space.items()}
    return fields


def _values(values: Sequence[Any]) -> str:
    shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return ", ".join(shown) if len(shown) <= 6 else f"{', '.join(shown[:3])}, ... {shown[-1]} ({len(shown):,} values)"


# --- as a report


def report(versus: Versus) -> Report:
    """What differs between the scenarios, and what that does to the plan."""
    pairs = versus.pairs()
    complete = _candidate_table(pairs)
    notable = {each.candidates for each in versus.notable()}
    best = _candidate_table([pair for pair in pairs if pair[0].candidates in notable][:SHOWN])
    shown = replace(best, columns=[column for column in best.columns if not column.key.startswith("memory")])
    blocks: list[Block] = [Text(text=verdict(versus, pairs)), _change_table(versus), _figure_table(versus)]
    if shown.rows:
        blocks.append(shown)
    before, after = versus.before.scenario.name, versus.after.scenario.name
    return Report(
        key="plan-against",
        title=f"Plan of scenario {after} against {before}",
        blocks=blocks,
        tables=[complete],
        record={
            "before": before,
            "after": after,
            "verdict": verdict(versus, pairs),
            "changes": [dict(zip(("field", "before", "after"), change, strict=True)) for change in versus.changes],
            "figures": [dict(row) for row in _figure_table(versus).rows],
            "candidates": [dict(row) for row in complete.rows],
        },
    )


SHOWN = 24
"""How many of the best and named candidates are shown; CSV holds all that both plans list."""


def verdict(versus: Versus, pairs: Sequence[tuple[Planned, Planned]]) -> str:
    """One paragraph: what is lost, what is gained, and what the largest of before costs now."""
    before, after = versus.before, versus.after
    said = f"{after.fit:,} of {after.total:,} candidates fit; before the change {before.fit:,} of {before.total:,} did."
    if before.complete and after.complete and versus.comparable:
        lost = sum(old.fits and not new.fits for old, new in pairs)
        won = sum(new.fits and not old.fits for old, new in pairs)
        said += f" Of those that both plan, {lost:,} fit no longer, {won:,} do only now."
    if before.fit and versus.comparable:
        largest = before.candidates[0]
        now = measure(after.scenario, *largest.candidates)
        change = float(now.required / largest.required - 1)
        still = "still fits" if now.fits else f"no longer fits ({' and '.join(now.broken)})"
        said += (
            f" The largest of before, {largest.label}, needs {units.gops(now.required_gops)} GOPS instead of "
            f"{units.gops(largest.required_gops)} ({100 * change:+.1f} %) and {still}."
        )
    return said


def _change_table(versus: Versus) -> Table:
    rows = [dict(zip(("what", "before", "after"), change, strict=True)) for change in versus.changes]
    title = "What was changed" if rows else "What was changed: nothing that a plan follows from"
    return Table(key="changes", title=title, columns=CHANGE_COLUMNS, rows=rows)


def _figure_table(versus: Versus) -> Table:
    old, new = _figures(versus.before), _figures(versus.after)
    rows = []
    for name, before in old.items():
        after = new[name]
        change = ""
        if isinstance(before, int | float) and isinstance(after, int | float):
            change = f"{after - before:+,.6g}"
        rows.append({"what": name, "before": _text(before), "after": _text(after), "change": change})
    return Table(key="figures", title="What that does", columns=FIGURE_COLUMNS, rows=rows)


def _figures(plan: Plan) -> Mapping[str, int | float | str]:
    scenario = plan.scenario
    largest = plan.candidates[0] if plan.fit else None
    return {
        "images per second": float(scenario.images_per_second),
        "available GOPS": float(scenario.available / units.GIGA),
        "candidates": plan.total,
        "candidates that fit": plan.fit,
        "largest that fits": largest.label if largest else "none",
        "its GOPS": round(largest.required_gops, 3) if largest else "-",
        "its parameters": largest.params if largest else "-",
        "GOPS of the smallest": round(plan.smallest.required_gops, 3),
    }


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _candidate_table(pairs: Sequence[tuple[Planned, Planned]]) -> Table:
    rows = [
        {
            "candidate": new.label,
            "gops_before": old.required_gops,
            "gops_after": new.required_gops,
            "change_gops": new.required_gops - old.required_gops,
            "utilisation_before": old.utilisation,
            "utilisation_after": new.utilisation,
            "memory_before": old.memory_mb,
            "memory_after": new.memory_mb,
            "fits_before": old.fits,
            "fits_after": new.fits,
        }
        for old, new in pairs
    ]
    return Table(
        key="plan-against",
        title="The same candidates before and after",
        columns=CANDIDATE_COLUMNS,
        rows=rows,
        marked=lambda row: bool(row["fits_before"] != row["fits_after"]),
    )
