"""The tables of a plan, those of the spreadsheet that it replaces: stems, heads, candidates, camera groups.

Columns that follow from cameras, frame rates and budget say by which formula, so that a workbook stays alive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any, Final, final

from budgetnet import plan_inputs, units
from budgetnet.cameras import Group, NetworkChoice
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, parameter_columns, word
from budgetnet.count import Cost
from budgetnet.demand import Planned
from budgetnet.grid import Block, Size, blocks, part_costs
from budgetnet.memory_report import memory_table
from budgetnet.networks import family
from budgetnet.parameters import Value
from budgetnet.plan import LISTED, Plan
from budgetnet.plan_groups import group_table
from budgetnet.plan_inputs import GOPS_NUMBER, required_gops
from budgetnet.report import Column, Formula, Row, Table
from budgetnet.scenario import Scenario
from budgetnet.solve import Answer
from budgetnet.solve_report import answers, machine_table, subjects

CLASS_COUNTS: Final = (2, 7, 11, 19)
"""For which heads are counted besides the scenario's own: road or not, the published scenarios, CamVid, Cityscapes."""

CLASSES = Column(key="classes", heading="classes")
COST_COLUMNS = (
    Column(key="macs", heading="MACs", number="#,##0"),
    Column(key="ops", heading="operations", number="#,##0"),
    Column(key="params", heading="parameters", number="#,##0"),
)
SHARE = Column(
    key="utilisation",
    heading="% of budget",
    show=units.percent,
    formula="[required_gops]/{available_gops}",
    number="0.0%",
    tone="share",
)
HEADROOM = Column(
    key="headroom_gops",
    heading="headroom GOPS",
    show=units.gops,
    formula="{available_gops}-[required_gops]",
    number=GOPS_NUMBER,
    tone="margin",
)
MAX_FPS = Column(
    key="max_fps",
    heading="max fps",
    show=units.at_most,
    formula="{fps_1}*{available_gops}/[required_gops]",
    number="#,##0.000",
    promise=3,
)
SPEED = Column(
    key="speed",
    heading="x fps",
    show=lambda value: units.at_most(value, 2),
    formula="{available_gops}/[required_gops]",
    number="#,##0.000",
    promise=3,
)
MEMORY = Column(
    key="memory_mb",
    heading="memory MB",
    show=lambda value: f"{value:,.1f}",
    number=plan_inputs.MEMORY_NUMBER,
    alarm=plan_inputs.TOO_MUCH_MEMORY,
)
FITS = Column(
    key="fits",
    heading="fits",
    right=False,
    formula=plan_inputs.FITS,
    tone="verdict",
)


def _gops(formula: Formula, key: str = "required_gops", heading: str = "GOPS") -> Column:
    """A column of what is required."""
    return Column(key=key, heading=heading, show=units.gops, formula=formula, number=GOPS_NUMBER)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables that machines get, every row: stems, heads (None where they are too many), candidates, camera groups
    (None where there is but one), the memory of the best one, and the inverse answers for it and those asked for by
    name.
    """

    stems: Table
    heads: Table | None
    candidates: Table
    groups: Table | None
    memory: Table
    answers: Sequence[tuple[Planned, Sequence[Answer]]]

    @classmethod
    def of(cls, plan: Plan, named: Sequence[Planned] = ()) -> "Tables":
        """The tables of a plan."""
        asked = subjects(plan, named)
        return cls(
            answers=[(planned, answers(planned)) for planned in asked],
            memory=memory_table(asked[-1]),
            stems=stem_table(plan),
            heads=head_table(plan),
            candidates=candidate_table("plan-candidates", _title(plan), plan, plan.candidates, exact=True),
            groups=group_table(plan),
        )

    @property
    def all(self) -> list[Table]:
        """The main one first."""
        return [
            self.candidates,
            *([self.groups] if self.groups else []),
            self.stems,
            *([self.heads] if self.heads else []),
            self.memory,
            machine_table(self.answers),
        ]


def _title(plan: Plan) -> str:
    some = f"the {len(plan.candidates):,} of {plan.total:,} nearest to the limits"
    listed = f"all {plan.total:,}" if plan.complete else some
    return f"Candidates: {listed}; in bold those that fit and that no other equals or exceeds, as planned"


# --- stems and heads


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A network at an image size, with the groups that run it there."""

    choice: NetworkChoice
    size: Size
    groups: tuple[int, ...]

    @property
    def row(self) -> dict[str, Any]:
        return {"network": self.choice.name, "image": f"{self.size[0]} x {self.size[1]}"}


def _places(scenario: Scenario) -> list[_Place]:
    found: dict[tuple[int, Size], list[int]] = {}
    for number, group in enumerate(scenario.groups):
        found.setdefault((group.network, (group.height, group.width)), []).append(number)
    return [
        _Place(choice=scenario.networks[network], size=size, groups=tuple(groups))
        for (network, size), groups in found.items()
    ]


def _where(row: Row) -> tuple[str, str]:
    """What tells a place from the others."""
    return row["network"], row["image"]


def _place_columns(places: Sequence[_Place]) -> list[Column]:
    """Which network and which image, where there is more than one."""
    columns = []
    if len({place.choice.name for place in places}) > 1:
        columns.append(Column(key="network", heading="network", right=False))
    if len({place.size for place in places}) > 1:
        columns.append(Column(key="image", heading="image", right=False))
    return columns


def stem_table(plan: Plan) -> Table:
    """What the stem alone costs, for every combination of its parameters."""
    scenario, places = plan.scenario, _places(plan.scenario)
    rows: list[dict[str, Any]] = []
    for place in places:
        rate = sum(scenario.groups[number].images_per_second for number in place.groups)
        for parameters, cost in _stems(place, scenario.class_count):
            required = cost.ops * rate * _contention(scenario)
            rows.append(
                {
                    **place.row,
                    **parameters,
                    "macs": cost.macs,
                    "ops": cost.ops,
                    "params": cost.params,
                    "required_gops": float(required / units.GIGA),
                    "utilisation": float(required / scenario.available),
                }
            )
    names = list(dict.fromkeys(name for place in places for name in _part(place.choice, "stem")))
    formulas = {_where(place.row): required_gops(dict.fromkeys(place.groups, "ops")) for place in places}
    gops = _gops(lambda row: formulas[_where(row)])
    columns = [*_place_columns(places), *parameter_columns(scenario, names), *COST_COLUMNS, gops, SHARE]
    return Table(key="plan-stem", title="Stem: operations per image", columns=columns, rows=rows)


def _stems(place: _Place, classes: int) -> Iterator[tuple[dict[str, Value], Cost]]:
    names = _part(place.choice, "stem")
    seen = set()
    for block in blocks(place.choice.family, place.choice.search_space):
        words = tuple((name, value) for name, value in block.words.items() if name in names)
        if words in seen:  # blocks that differ in their head only
            continue
        seen.add(words)
        axes = {name: values if name in names else values[:1] for name, values in block.axes.items()}
        stems = Block(network=block.network, words=block.words, axes=axes)
        costs = part_costs(stems, "stem", sizes=[place.size], classes=[classes])
        for index, cost in enumerate(costs):
            parameters = stems.candidate(index).parameters
            yield {name: parameters[name] for name in names}, cost


def head_table(plan: Plan) -> Table | None:
    """What the head alone costs: a row for each head (with the stem's other choices, and each class count), a column
    for each value of the stem's first number. None where that would be more than `LISTED` rows.
    """
    classes = sorted({plan.scenario.class_count, *CLASS_COUNTS})
    places = _places(plan.scenario)
    across = {place.choice.name: _across(place.choice) for place in places}
    wide = sorted({value for place in places for value in place.choice.space[across[place.choice.name]]}, key=_order)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    number = sum(
        len(block) for place in places for block in blocks(place.choice.family, place.choice.search_space)
    ) * len(classes)
    if number > LISTED * len(wide):
        return None
    for place in places:
        name = across[place.choice.name]
        for block in blocks(place.choice.family, place.choice.search_space):
            costs = part_costs(block, "head", sizes=[place.size], classes=classes)
            for (index, count), cost in zip(product(range(len(block)), classes), costs, strict=True):
                others = block.candidate(index).parameters
                value = others.pop(name)
                key = (*place.row.values(), *others.items(), count)
                row = rows.setdefault(key, {**place.row, **others, "classes": count})
                row[f"ops_at_{value}"] = cost.ops
    names = {name: None for place in places for name in place.choice.space if name != across[place.choice.name]}
    shown = [name for name in names if len({row.get(name) for row in rows.values()}) > 1]
    (heading, *_) = dict.fromkeys(across.values())
    columns = [
        *_place_columns(places),
        *parameter_columns(plan.scenario, shown),
        CLASSES,
        *(Column(key=f"ops_at_{value}", heading=f"operations at {word(value)}", number="#,##0") for value in wide),
    ]
    return Table(
        key="plan-head",
        title=f"Head: operations per image, by {heading.replace('_', ' ')}",
        columns=columns,
        rows=list(rows.values()),
    )


def own_classes(table: Table, scenario: Scenario) -> Table:
    """The head table for the scenario's class count only."""
    return replace(
        table,
        columns=[column for column in table.columns if column is not CLASSES],
        rows=[row for row in table.rows if row["classes"] == scenario.class_count],
    )


def in_mega(table: Table) -> Table:
    """The same in mega-operations, which people read more easily."""
    return replace(
        table,
        title=table.title.replace("operations", "mega-operations"),
        columns=[
            replace(column, heading=column.heading.replace("operations", "MOP"), show=units.mega)
            if column.key.startswith("ops")
            else column
            for column in table.columns
        ],
    )


def _across(choice: NetworkChoice) -> str:
    """The parameter that the head table spreads over columns: the stem's first."""
    return _part(choice, "stem")[0]


def _part(choice: NetworkChoice, part: str) -> list[str]:
    """Names of the network's parameters that belong to the stem or to the head, in the declared order."""
    chosen = family(choice.family)
    return [name for name in choice.space if chosen.parameter(name).part == part]


def _contention(scenario: Scenario) -> Fraction:
    return Fraction(str(scenario.contention))


def _order(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value


# --- candidates


def candidate_table(key: str, title: str, plan: Plan, chosen: Sequence[Planned], *, exact: bool = False) -> Table:
    """Candidates with what they need of the budget: every parameter and whole numbers, or what people compare them
    by.
    """
    best = {planned.candidates for planned in plan.best}
    rows = [{**_row(planned), "best": planned.candidates in best} for planned in chosen]
    return Table(
        key=key,
        title=title,
        columns=[*_choice_columns(plan, exact=exact), *_figure_columns(plan.scenario, exact=exact)],
        rows=rows,
        marked=lambda row: bool(row["best"]),
    )


def _row(planned: Planned) -> dict[str, Any]:
    scenario = planned.demand.scenario
    row: dict[str, Any] = dict(planned.candidate.parameters) if len(scenario.networks) == 1 else {}
    for choice, candidate in zip(scenario.networks, planned.candidates, strict=True):
        row[f"label:{choice.name}"] = candidate.label
        row |= {f"{choice.name}.{name}": value for name, value in candidate.parameters.items()}
    for load in planned.loads:
        row |= {f"macs:{load.group.name}": load.figures.cost.macs, f"ops:{load.group.name}": load.figures.cost.ops}
        row[f"gops:{load.group.name}"] = load.required_gops
    return row | {
        "macs": planned.cost.macs,
        "ops": planned.cost.ops,
        "params": planned.params,
        "required_gops": planned.required_gops,
        "utilisation": planned.utilisation,
        "headroom_gops": planned.headroom_gops,
        "max_fps": planned.max_fps,
        "speed": planned.speed,
        "weight_mb": planned.weight_bytes / units.MEGA,
        "peak_mb": planned.peak_bytes / units.MEGA,
        "memory_mb": planned.memory_mb,
        "fits": planned.fits,
    }


def _choice_columns(plan: Plan, *, exact: bool) -> list[Column]:
    """Which candidates: every parameter, or those that not all share; labels where several networks are chosen."""
    choices = plan.scenario.networks
    if len(choices) == 1:
        (choice,) = choices
        names = [name for name in choice.space if exact or _varies(plan, choice, name)]
        return parameter_columns(plan.scenario, names)
    if not exact:
        return [Column(key=f"label:{choice.name}", heading=choice.name, right=False) for choice in choices]
    return [
        Column(key=f"{choice.name}.{name}", heading=f"{choice.name} {name.replace('_', ' ')}", show=word, right=False)
        for choice in choices
        for name in choice.space
    ]


def _varies(plan: Plan, choice: NetworkChoice, name: str) -> bool:
    heads = len(choice.space.get("head", ())) > 1
    return len(choice.space[name]) > 1 or (heads and name not in _own(choice))


def _own(choice: NetworkChoice) -> set[str]:
    return {parameter.name for parameter in family(choice.family).declaration.PARAMETERS}


def _figure_columns(scenario: Scenario, *, exact: bool) -> list[Column]:
    groups = scenario.groups
    if len(groups) == 1:
        costs = [*COST_COLUMNS] if exact else [MEGA_OPS, MEGA_PARAMS]
        return [*costs, _gops(required_gops({0: "ops"})), SHARE, HEADROOM, MAX_FPS, *_memory_columns(exact=exact), FITS]
    per_group = [column for number, group in enumerate(groups) for column in _group_columns(number, group, exact=exact)]
    gops = _gops(required_gops({number: f"ops:{group.name}" for number, group in enumerate(groups)}))
    params = [COST_COLUMNS[-1]] if exact else [MEGA_PARAMS]
    return [*params, *per_group, gops, SHARE, HEADROOM, SPEED, *_memory_columns(exact=exact), FITS]


def _group_columns(number: int, group: Group, *, exact: bool) -> list[Column]:
    formula = required_gops({number: f"ops:{group.name}"})
    gops = _gops(formula, key=f"gops:{group.name}", heading=f"GOPS {group.name}")
    if not exact:
        return [gops]
    return [
        Column(key=f"macs:{group.name}", heading=f"MACs {group.name}", number="#,##0"),
        Column(key=f"ops:{group.name}", heading=f"operations {group.name}", number="#,##0"),
        gops,
    ]


def _memory_columns(*, exact: bool) -> list[Column]:
    if not exact:
        return [MEMORY]
    number = MEMORY.number
    return [
        Column(key="weight_mb", heading="weights MB", show=MEMORY.show, number=number),
        Column(key="peak_mb", heading="peak activations MB", show=MEMORY.show, number=number),
        MEMORY,
    ]
