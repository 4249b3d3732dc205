"""A plan as a report: what was asked, each camera group's share, stems, heads, candidates, the best, the verdict."""

from collections.abc import Sequence

from budgetnet import units
from budgetnet.plan import Plan, people, share
from budgetnet.plan.answers import answer_table, records
from budgetnet.plan.demand import Planned
from budgetnet.plan.inputs import inputs
from budgetnet.plan.people import LONG, SHORT
from budgetnet.plan.tables import NAMED, Tables
from budgetnet.platforms import load as load_platform
from budgetnet.report import Block, Report, Table, Text
from budgetnet.scenario import Scenario

__all__ = ["LONG", "SHORT", "blocks_of", "fate", "report"]


def report(
    plan: Plan, *, rows: int | None = LONG, tables: Tables | None = None, named: Sequence[Planned] = ()
) -> Report:
    """The plan for people and machines, the verdict first. People see the candidates nearest to the limit: `rows` of
    those that fit, and half as many of those that do not; all with None. With fewer than `LONG` they see the scenario's
    class count only.

    `named` are choices that were asked for by name. `tables` are the plan's, where they were made before.
    """
    full = tables or Tables.of(plan, named)
    return Report(
        key="plan",
        title=f"Plan of scenario {plan.scenario.name}",
        blocks=[Text(text=f"Verdict: {plan.verdict}"), *blocks_of(plan, full, named, rows)],
        tables=full.all,
        record={
            **plan.record(),
            "named": [planned.record() for planned in named],
            "answers": records(full.answers),
        },
        inputs=inputs(plan),
    )


def blocks_of(plan: Plan, full: Tables, named: Sequence[Planned], rows: int | None) -> list[Block]:
    """What people read, see `report`."""
    shown = plan.candidates if rows is None else _nearest(plan, rows)
    blocks: list[Block] = [Text(text=line) for line in _about(plan)]
    blocks += [people.in_mega(full.groups)] if full.groups else []
    blocks += [people.stems(full.stems, rows), people.heads(full.heads, plan.scenario, rows)]
    blocks.append(people.candidates("plan-candidates", _title(plan, len(shown)), plan, shown, rows))
    if plan.best:
        blocks.append(_best(plan, rows))
    blocks.append(full.memory if people.on_paper(rows) else people.narrow(full.memory, "activation_mb:"))
    if named:
        blocks.append(people.candidates("plan-named", NAMED, plan, named, rows))
    blocks += (answer_table(planned, found) for planned, found in full.answers)
    blocks += (Text(text=fate(planned)) for planned in named)
    return blocks


def fate(planned: Planned) -> str:
    """Whether a choice that was named fits, and what stands in its way."""
    needs = f"{planned.label} needs {units.gops(planned.required_gops)} GOPS, {share(planned)}"
    if planned.fits:
        return f"{needs}, and fits."
    return f"{needs}, and {planned.memory_mb:,.1f} MB: over {' and '.join(planned.broken)}."


def _title(plan: Plan, shown: int) -> str:
    hidden = len(plan.candidates) - shown
    where = f"{hidden:,} more in the report" if hidden else ""
    if not plan.complete:
        where = f"{len(plan.candidates):,} of {plan.total:,} in the report"
    return f"Candidates nearest to the limit ({where})" if where else "Candidates"


def _best(plan: Plan, rows: int | None) -> Table:
    shown = plan.best if rows is None else plan.best[: 2 * rows]
    hidden = len(plan.best) - len(shown)
    more = f"; {hidden:,} more" if hidden else ""
    title = f"Best candidates that fit (none that fits is as large in every parameter{more})"
    return people.candidates("plan-best", title, plan, shown, rows)


def _nearest(plan: Plan, rows: int) -> list[Planned]:
    over = [planned for planned in plan.candidates if not planned.fits]
    return [*plan.fitting[:rows], *over[-(rows // 2) :]]


def _about(plan: Plan) -> list[str]:
    scenario = plan.scenario
    lines = [scenario.description] if scenario.description else []
    lines.append(
        f"{_cameras(scenario)}, {scenario.class_count} classes, "
        f"{', '.join(dict.fromkeys(choice.family for choice in scenario.networks))}. {_budget(scenario)} "
        "One operation is one multiplication or one addition."
    )
    lines += _memory(scenario)
    return [*lines, *_platform_lines(plan)]


def _cameras(scenario: Scenario) -> str:
    told = []
    for group in scenario.groups:
        cameras = units.counted(group.count, "camera", "cameras")
        name = f"{group.name}: " if len(scenario.groups) > 1 else ""
        rate = f"{float(group.images_per_second):g} images per second of {group.height} x {group.width} pixels"
        told.append(f"{name}{cameras} x {group.fps:g} fps = {rate}")
    together = f"; together {float(scenario.images_per_second):g} images per second" if len(told) > 1 else ""
    return "; ".join(told) + together


def _budget(scenario: Scenario) -> str:
    said = f"Budget {scenario.budget_gops:g} GOPS"
    if scenario.reserve:
        said += f" less a reserve of {100 * scenario.reserve:g} % for other work"
    if scenario.contention != 1:
        said += f", contention factor {scenario.contention:g} on what networks need"
    if len(scenario.groups) == 1:
        said += f" = {scenario.operations_limit:,} operations per image"
    return f"{said}."


def _memory(scenario: Scenario) -> list[str]:
    if scenario.budget_mb is None:
        return []
    return [
        f"Memory {scenario.budget_mb:g} MB (10^6 bytes) at {scenario.precision} for the weights of every network and "
        "the live activations of one image at a time."
    ]


def _platform_lines(plan: Plan) -> list[str]:
    if plan.scenario.platform is None:
        return []
    platform = load_platform(plan.scenario.platform)
    return [platform.summary(plan.scenario.budget_gops)]
