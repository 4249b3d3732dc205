"""Two plans side by side, as a report: what was changed, what that does, and the same candidates before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from budgetnet import units
from budgetnet.columns import parameter_columns, told
from budgetnet.parameters import Value
from budgetnet.plan import measure
from budgetnet.plan.demand import Planned
from budgetnet.plan.versus import Amount, Change, Field, Figure, Versus, largest
from budgetnet.report import Block, Column, Report, Table, Text
from budgetnet.scenario import Scenario

Pairs = Sequence[tuple[Planned, Planned]]

SHOWN: Final = 24
"""How many of the best and named candidates are shown; CSV holds all that both plans list."""

LONG: Final = 6
"""Longer lists of values are told by their ends."""

CHANGE_COLUMNS: Final = (
    Column(key="what", heading="what", right=False),
    Column(key="before", heading="before", right=False),
    Column(key="after", heading="after", right=False),
)
FIGURE_COLUMNS: Final = (
    Column(key="what", heading="what", right=False),
    Column(key="before", heading="before"),
    Column(key="after", heading="after"),
    Column(key="change", heading="change"),
)


def signed(value: Amount) -> str:
    """`+1,272,656`, `-0.25`, `0`: by how much something is more."""
    return f"+{_number(value)}" if value > 0 else _number(value)


def _signed_gops(value: float) -> str:
    return f"{value:+,.1f}" if abs(value) >= 1 or value == 0 else f"{value:+.3g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


_SHOWN_COLUMNS: Final = (
    Column(key="gops_before", heading="GOPS before", show=units.gops),
    Column(key="gops_after", heading="GOPS after", show=units.gops),
    Column(key="change_gops", heading="change", show=_signed_gops),
    Column(key="utilisation_before", heading="% of budget before", show=units.percent),
    Column(key="utilisation_after", heading="% of budget after", show=units.percent),
    Column(key="fits_before", heading="fits before", show=_yes, right=False),
    Column(key="fits_after", heading="fits after", show=_yes, right=False),
)
CANDIDATE_COLUMNS: Final = (
    Column(key="candidate", heading="candidate", right=False),
    *_SHOWN_COLUMNS[:5],
    Column(key="memory_before", heading="MB before", show=lambda value: f"{value:,.1f}"),
    Column(key="memory_after", heading="MB after", show=lambda value: f"{value:,.1f}"),
    *_SHOWN_COLUMNS[5:],
)


def report(versus: Versus) -> Report:
    """What differs between the scenarios, and what that does to the plan."""
    pairs = versus.pairs()
    complete = _candidate_table(pairs, CANDIDATE_COLUMNS)
    notable = {each.candidates for each in versus.notable()}
    shown = [pair for pair in pairs if pair[0].candidates in notable][:SHOWN]
    blocks: list[Block] = [Text(text=verdict(versus, pairs)), _change_table(versus), _figure_table(versus)]
    if shown:
        blocks.append(_short_table(versus.after.scenario, shown))
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
            "comparable": versus.comparable,
            "changes": [_change_record(change) for change in versus.changes],
            "figures": [_figure_record(figure) for figure in versus.figures],
            "candidates": [{column.key: row[column.key] for column in CANDIDATE_COLUMNS} for row in complete.rows],
        },
    )


def _change_record(change: Change) -> dict[str, Any]:
    return {"field": change.field, "before": change.before, "after": change.after}


def _figure_record(figure: Figure) -> dict[str, Any]:
    values = {"before": figure.before, "after": figure.after, "change": figure.change}
    return {"what": figure.what, **{k: float(v) if isinstance(v, Fraction) else v for k, v in values.items()}}


# --- the verdict


def verdict(versus: Versus, pairs: Pairs) -> str:
    """One paragraph: what is lost, what is gained, what the largest of before costs now, and which one is it now."""
    before, after = versus.before, versus.after
    said = [
        f"{after.fit:,} of {after.total:,} candidates fit; before the change {before.fit:,} of {before.total:,} did."
    ]
    if not versus.comparable:
        told = f"{_networks(before.scenario)} before, {_networks(after.scenario)} now"
        said.append(f"The networks are not the same ({told}), so no candidate of one can be measured in the other.")
    elif before.complete and after.complete:
        lost = sum(old.fits and not new.fits for old, new in pairs)
        won = sum(new.fits and not old.fits for old, new in pairs)
        said.append(f"Of those that both plan, {lost:,} fit no longer, {won:,} do only now.")
    return " ".join([*said, *_fates_of_the_largest(versus)])


def _networks(scenario: Scenario) -> str:
    if len(scenario.networks) == 1:
        return scenario.networks[0].family
    return ", ".join(f"{choice.name} {choice.family}" for choice in scenario.networks)


def _fates_of_the_largest(versus: Versus) -> list[str]:
    old, new = largest(versus.before), largest(versus.after)
    said = []
    if old and versus.comparable:
        now = measure(versus.after.scenario, *old.candidates)
        still = "still fits" if now.fits else f"no longer fits ({' and '.join(now.broken)})"
        said.append(f"The largest of before, {old.label}, needs {_needs(old, now)} and {still}.")
    if new and (old is None or old.candidates != new.candidates):
        said.append(f"The largest that fits now is {new.label}.")
    return said


def _needs(old: Planned, now: Planned) -> str:
    """`136.7 GOPS instead of 68.4 (+100.0 %)`."""
    if now.required == old.required:
        return f"{units.gops(now.required_gops)} GOPS as before"
    before, after = apart(old.required / units.GIGA, now.required / units.GIGA, digits=1)
    percent = 100 * float(now.required / old.required - 1)
    return f"{after} GOPS instead of {before} ({f'{percent:+.1f}' if abs(percent) >= 0.1 else f'{percent:+.2g}'} %)"


# --- what was changed, and what that does


def _change_table(versus: Versus) -> Table:
    rows = [
        {"what": each.field, "before": _said(each.before, each.after), "after": _said(each.after, each.before)}
        for each in versus.changes
    ]
    title = "What was changed" if rows else "What was changed: nothing that a plan follows from"
    return Table(key="changes", title=title, columns=CHANGE_COLUMNS, rows=rows)


def _said(value: Field, other: Field) -> str:
    """A field's value, as exactly as it was written, so that it tells itself from the other one."""
    match value:
        case None:
            return "none"
        case tuple():
            return _values(value, other if isinstance(other, tuple) else value)
        case Mapping():
            return "{} x {} fps, {} x {}".format(*(_exact(value[key]) for key in ("count", "fps", "height", "width")))
    return _exact(value)


def _values(values: Sequence[Value], others: Sequence[Value]) -> str:
    if len(values) <= LONG:
        return ", ".join(map(_exact, values))
    told = f"{', '.join(map(_exact, values[:3]))}, ... {_exact(values[-1])} ({len(values):,} values"
    elsewhere = set(others)
    own = [_exact(value) for value in values if value not in elsewhere]
    if own:
        told += f"; only here {', '.join(own[:3])}{', ...' if len(own) > 3 else ''}"
    elif elsewhere == set(values) and list(values) != list(others):
        told += "; in another order"
    return f"{told})"


def _exact(value: Value) -> str:
    """As it was written: the shortest text that is this very number."""
    if isinstance(value, str):
        return value
    text = f"{Decimal(repr(value)):,f}"
    return text.removesuffix(".0")


def _figure_table(versus: Versus) -> Table:
    rows = []
    for figure in versus.figures:
        before, after = apart(figure.before, figure.after)
        change = "" if figure.change is None else signed(figure.change)
        rows.append({"what": figure.what, "before": before, "after": after, "change": change})
    return Table(key="figures", title="What that does", columns=FIGURE_COLUMNS, rows=rows)


def apart(before: Amount | None, after: Amount | None, digits: int = 3) -> tuple[str, str]:
    """Both as text, with more digits where else they would look alike and are not."""
    while True:
        old, new = ("none" if value is None else _number(value, digits) for value in (before, after))
        if old != new or before == after:
            return old, new
        digits += 1


def _number(value: Amount, digits: int = 3) -> str:
    """With so many decimals, or so many digits that tell where it is smaller than 1; none that say nothing."""
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 1:
        digits = max(digits, digits - 1 - Decimal(float(value)).adjusted())
    whole, rest = divmod(round(abs(value) * 10**digits), 10**digits)  # exactly: floats would hide small differences
    text = f"{whole:,}.{rest:0{digits}}".rstrip("0").removesuffix(".")
    return f"-{text}" if value < 0 and text != "0" else text


# --- candidates


def _short_table(scenario: Scenario, pairs: Pairs) -> Table:
    """For people: the parameters that differ in columns, the others in the title; labels where several networks are
    chosen.
    """
    if len(scenario.networks) > 1:
        labels = [Column(key=f"label:{choice.name}", heading=choice.name, right=False) for choice in scenario.networks]
        return _candidate_table(pairs, [*labels, *_SHOWN_COLUMNS])
    chosen = [new.candidate.parameters for _, new in pairs]
    names = list(dict.fromkeys(name for parameters in chosen for name in parameters))
    columns = parameter_columns(scenario, told(names, [new.candidate for _, new in pairs]))
    differing = [column for column in columns if len({parameters.get(column.key) for parameters in chosen}) > 1]
    table = _candidate_table(pairs, [*(differing or columns), *_SHOWN_COLUMNS])
    alike = [f"{column.heading} {column.text(chosen[0])}" for column in columns if column not in differing]
    return replace(table, title=f"{table.title}; {', '.join(alike)}") if differing and alike else table


def _candidate_table(pairs: Pairs, columns: Sequence[Column]) -> Table:
    return Table(
        key="plan-against",
        title="The same candidates before and after",
        columns=columns,
        rows=[_row(old, new) for old, new in pairs],
        marked=lambda row: bool(row["fits_before"] != row["fits_after"]),
    )


def _row(old: Planned, new: Planned) -> dict[str, Any]:
    choices = new.demand.scenario.networks
    labels = {f"label:{choice.name}": each.label for choice, each in zip(choices, new.candidates, strict=True)}
    return {
        **(new.candidate.parameters if len(choices) == 1 else labels),
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
