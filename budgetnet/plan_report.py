"""A plan as a report: stem table, head table, candidate table, the best that fit, the verdict."""

from collections.abc import Sequence
from typing import Any

from budgetnet import units
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, UTILISATION, parameter_columns, word
from budgetnet.parameters import Value
from budgetnet.plan import Plan, Planned, distinct, part_of
from budgetnet.platforms import load as load_platform
from budgetnet.report import Block, Column, Report, Table, Text

SHORT = 8
"""How many candidates the short table shows of those that fit, and half as many of those that do not."""

GOPS = Column(key="required_gops", heading="GOPS", show=units.gops)
BUDGET_COLUMNS = (
    GOPS,
    UTILISATION,
    Column(key="headroom_gops", heading="headroom GOPS", show=units.gops),
    Column(key="max_fps", heading="max fps", show=units.at_most),
    Column(key="fits", heading="fits", show=lambda value: "yes" if value else "no", right=False),
)
SHORT_COLUMNS = (
    MEGA_OPS,
    MEGA_PARAMS,
    *BUDGET_COLUMNS,
)
EXACT_COLUMNS = (
    Column(key="macs", heading="MACs"),
    Column(key="ops", heading="operations"),
    Column(key="params", heading="parameters"),
    *BUDGET_COLUMNS,
)


def report(plan: Plan, *, every: bool = True) -> Report:
    """The plan for people and machines. With `every=False` people see only the candidates nearest to the limit."""
    scenario = plan.scenario
    complete = candidate_table("plan-candidates", "Candidates", plan, plan.candidates, exact=True)
    short = plan.candidates if every else _nearest(plan)
    hidden = len(plan.candidates) - len(short)
    title = f"Candidates nearest to the limit ({hidden} more in the report)" if hidden else "Candidates"
    blocks: list[Block] = [Text(text=line) for line in _about(plan)]
    blocks += [stem_table(plan), head_table(plan), candidate_table("plan-candidates", title, plan, short)]
    if plan.best:
        largest = "Best candidates that fit (none that fits is as large in every parameter)"
        blocks.append(candidate_table("plan-best", largest, plan, plan.best))
    blocks.append(Text(text=f"Verdict: {plan.verdict}"))
    return Report(
        key="plan",
        title=f"Plan of scenario {scenario.name}",
        blocks=blocks,
        tables=[complete, stem_table(plan), head_table(plan)],
        record=plan.record(),
    )


def stem_table(plan: Plan) -> Table:
    """What the stem alone costs, for every combination of its parameters."""
    names = part_of(plan.scenario, "stem")
    rows = [
        {
            **dict(zip(names, key, strict=True)),
            "macs": planned.stem.macs,
            "ops": planned.stem.ops,
            "params": planned.stem.params,
            "required_gops": float(planned.stem.ops * plan.scenario.images_per_second / units.GIGA),
            "share": planned.stem.ops / plan.scenario.operations_limit if plan.scenario.operations_limit else None,
        }
        for key, planned in distinct(plan.candidates, names).items()
    ]
    columns = [
        *parameter_columns(plan.scenario.network, names),
        Column(key="macs", heading="MACs"),
        Column(key="ops", heading="operations"),
        Column(key="params", heading="parameters"),
        GOPS,
        Column(key="share", heading="% of budget", show=units.percent),
    ]
    return Table(key="plan-stem", title="Stem: operations per image", columns=columns, rows=rows)


def head_table(plan: Plan) -> Table:
    """What the head alone costs: a row per head (and stem's other choices), a column per value of the stem's first
    number.
    """
    across, *others = part_of(plan.scenario, "stem")
    names = [*others, *part_of(plan.scenario, "head")]
    wide = sorted({planned.candidate.parameters[across] for planned in plan.candidates}, key=_order)
    cells = distinct(plan.candidates, [*names, across])
    rows: dict[tuple[Value | None, ...], dict[str, Any]] = {}
    for (*key, value), planned in cells.items():
        row = rows.setdefault(tuple(key), dict(zip(names, key, strict=True)))
        row[f"ops_at_{across}_{value}"] = planned.head.ops
    columns = [
        *parameter_columns(plan.scenario.network, _varied(plan, names)),
        *(Column(key=f"ops_at_{across}_{value}", heading=f"MOP at {word(value)}", show=units.mega) for value in wide),
    ]
    return Table(
        key="plan-head",
        title=f"Head: mega-operations per image, by {across}",
        columns=columns,
        rows=list(rows.values()),
    )


def candidate_table(key: str, title: str, plan: Plan, chosen: Sequence[Planned], *, exact: bool = False) -> Table:
    """Candidates with what they need of the budget: every parameter and whole numbers, or what people compare them
    by.
    """
    names = [*part_of(plan.scenario, "stem"), *part_of(plan.scenario, "head")]
    best = {planned.candidate for planned in plan.best}
    rows = [
        {**planned.candidate.parameters, **planned.record(), "best": planned.candidate in best} for planned in chosen
    ]
    columns = [
        *parameter_columns(plan.scenario.network, names if exact else _varied(plan, names)),
        *(EXACT_COLUMNS if exact else SHORT_COLUMNS),
    ]
    return Table(key=key, title=title, columns=columns, rows=rows, marked=lambda row: bool(row["best"]))


def _nearest(plan: Plan) -> list[Planned]:
    over = [planned for planned in plan.candidates if not planned.fits]
    return [*plan.fitting[:SHORT], *over[-SHORT // 2 :]]


def _about(plan: Plan) -> list[str]:
    scenario = plan.scenario
    rate = float(scenario.images_per_second)
    lines = [scenario.description] if scenario.description else []
    cameras = units.counted(scenario.cameras, "camera", "cameras")
    lines.append(
        f"{cameras} x {scenario.fps:g} fps = {rate:g} images per second of "
        f"{scenario.input.height} x {scenario.input.width} pixels, {scenario.class_count} classes, {scenario.network}. "
        f"Budget {scenario.budget_gops:g} GOPS = {scenario.operations_limit:,} operations per image. "
        "One operation is one multiplication or one addition."
    )
    return [*lines, *_platform_lines(plan)]


def _platform_lines(plan: Plan) -> list[str]:
    if plan.scenario.platform is None:
        return []
    platform = load_platform(plan.scenario.platform)
    return [platform.summary(plan.scenario.budget_gops)]


def _varied(plan: Plan, names: Sequence[str]) -> list[str]:
    """Those parameters that not all candidates share."""
    return [name for name in names if len({planned.candidate.parameters.get(name) for planned in plan.candidates}) > 1]


def _order(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value
