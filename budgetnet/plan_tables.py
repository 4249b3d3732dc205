"""The tables of a plan, those of the spreadsheet that it replaces: stems, heads, candidates, camera groups.

Columns that follow from cameras, frame rates and budget say by which formula, so that a workbook stays alive.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any, Final, final

from budgetnet import units
from budgetnet.cameras import Group, NetworkChoice
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, parameter_columns, word
from budgetnet.count import Cost
from budgetnet.demand import Load, Planned
from budgetnet.grid import Block, Size, blocks, part_costs
from budgetnet.memory_report import memory_table
from budgetnet.networks import family
from budgetnet.parameters import Value
from budgetnet.plan import LISTED, Plan
from budgetnet.report import Column, Input, Row, Table
from budgetnet.scenario import Scenario
from budgetnet.solve import Answer
from budgetnet.solve_report import answers, machine_table, subjects

ROUNDING: Final = "1E-12"
"""Relative tolerance of the workbook's comparison: its arithmetic is floating point, the plan's own is exact."""

CLASS_COUNTS: Final = (2, 7, 11, 19)
"""For which heads are counted besides the scenario's own: road or not, the published scenarios, CamVid, Cityscapes."""

CLASSES = Column(key="classes", heading="classes")
COST_COLUMNS = (
    Column(key="macs", heading="MACs"),
    Column(key="ops", heading="operations"),
    Column(key="params", heading="parameters"),
)
SHARE = Column(
    key="utilisation",
    heading="% of budget",
    show=units.percent,
    formula="[required_gops]/{available_gops}",
    number="0.0%",
)
HEADROOM = Column(
    key="headroom_gops",
    heading="headroom GOPS",
    show=units.gops,
    formula="{available_gops}-[required_gops]",
    number="#,##0.0##",
)
MAX_FPS = Column(
    key="max_fps",
    heading="max fps",
    show=units.at_most,
    formula="{fps_1}*{available_gops}/[required_gops]",
    number="#,##0.0##",
)
SPEED = Column(
    key="speed",
    heading="x fps",
    show=lambda value: units.at_most(value, 2),
    formula="{available_gops}/[required_gops]",
    number="#,##0.00##",
)
MEMORY = Column(key="memory_mb", heading="memory MB", show=lambda value: f"{value:,.1f}", number="#,##0.0##")
FITS = Column(
    key="fits",
    heading="fits",
    show=lambda value: "yes" if value else "no",
    right=False,
    formula=(
        f"IF(AND([required_gops]<={{available_gops}}*(1+{ROUNDING}),"
        f'OR({{budget_mb}}="",[memory_mb]<={{budget_mb}}*(1+{ROUNDING}))),"yes","no")'
    ),
)


def inputs(plan: Plan) -> list[Input]:
    """What the tables follow from, and what can be said of all candidates together."""
    scenario = plan.scenario
    given = []
    for number, group in enumerate(scenario.groups, start=1):
        of = f" of {group.name}" if len(scenario.groups) > 1 else ""
        given.append(Input(name=f"cameras_{number}", heading=f"cameras{of}", value=group.count, most=1000))
        given.append(Input(name=f"fps_{number}", heading=f"frames per second{of}", value=group.fps, most=10_000))
    memory = f"memory in MB at {scenario.precision} (empty: no limit)"
    given += [
        Input(name="budget_gops", heading="budget in GOPS", value=scenario.budget_gops),
        Input(name="reserve", heading="reserve for other work (share)", value=scenario.reserve, most=0.99),
        Input(name="contention", heading="contention factor", value=scenario.contention, least=1, most=100),
        Input(name="budget_mb", heading=memory, value=scenario.budget_mb),
    ]
    rate = "+".join(f"{{cameras_{number}}}*{{fps_{number}}}" for number, _ in enumerate(scenario.groups, start=1))
    available = float(scenario.available / units.GIGA)
    return [
        *given,
        Input(
            name="images_per_second",
            heading="images per second",
            value=float(scenario.images_per_second),
            formula=rate,
        ),
        Input(
            name="available_gops",
            heading="available GOPS",
            value=available,
            formula="{budget_gops}*(1-{reserve})",
        ),
        Input(
            name="fitting",
            heading="listed candidates that fit",
            value=len(plan.fitting),
            formula='COUNTIF({plan-candidates:fits},"yes")',
        ),
    ]


def _gops(scenario: Scenario, ops: Mapping[int, str]) -> Column:
    """The column of what is required: `ops` says which key holds the operations per image of which group."""
    terms = "+".join(f"[{key}]*{{cameras_{number + 1}}}*{{fps_{number + 1}}}" for number, key in ops.items())
    formula = f"({terms})*{{contention}}/1E9"
    return Column(key="required_gops", heading="GOPS", show=units.gops, formula=formula, number="#,##0.0##")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables that machines get, every row: stems, heads (None where they are too many), candidates, the memory of
    the best one, and the inverse answers for it and for those asked for by name.
    """

    stems: Table
    heads: Table | None
    candidates: Table
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
            candidates=candidate_table("plan-candidates", "Candidates", plan, plan.candidates, exact=True),
        )

    @property
    def all(self) -> list[Table]:
        """The main one first."""
        heads = [self.heads] if self.heads else []
        return [self.candidates, self.stems, *heads, self.memory, machine_table(self.answers)]


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
    gops = _gops(scenario, dict.fromkeys(places[0].groups, "ops"))
    alive = gops if len(places) == 1 else Column(key=gops.key, heading=gops.heading, show=gops.show, number=gops.number)
    columns = [*_place_columns(places), *parameter_columns(scenario, names), *COST_COLUMNS, alive, SHARE]
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
        *(Column(key=f"ops_at_{value}", heading=f"MOP at {word(value)}", show=units.mega) for value in wide),
    ]
    return Table(
        key="plan-head",
        title=f"Head: mega-operations per image, by {heading}",
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
        return [*costs, _gops(scenario, {0: "ops"}), SHARE, HEADROOM, MAX_FPS, *_memory_columns(exact=exact), FITS]
    per_group = [column for number, group in enumerate(groups) for column in _group_columns(number, group, exact=exact)]
    gops = _gops(scenario, {number: f"ops:{group.name}" for number, group in enumerate(groups)})
    params = [COST_COLUMNS[-1]] if exact else [MEGA_PARAMS]
    return [*params, *per_group, gops, SHARE, HEADROOM, SPEED, *_memory_columns(exact=exact), FITS]


def _group_columns(number: int, group: Group, *, exact: bool) -> list[Column]:
    formula = f"[ops:{group.name}]*{{cameras_{number + 1}}}*{{fps_{number + 1}}}*{{contention}}/1E9"
    heading = f"GOPS {group.name}"
    gops = Column(key=f"gops:{group.name}", heading=heading, show=units.gops, formula=formula, number="#,##0.0##")
    if not exact:
        return [gops]
    return [
        Column(key=f"macs:{group.name}", heading=f"MACs {group.name}"),
        Column(key=f"ops:{group.name}", heading=f"operations {group.name}"),
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


# --- camera groups


def group_table(plan: Plan, planned: Planned) -> Table:
    """Each camera group's share for one choice of networks."""
    rows: list[Row] = [_group_row(load, planned) for load in planned.loads]
    total = {
        "name": "all",
        "cameras": sum(group.count for group in plan.scenario.groups),
        "images_per_second": float(plan.scenario.images_per_second),
        "required_gops": planned.required_gops,
        "utilisation": planned.utilisation,
        "share": 1.0,
    }
    columns = [
        Column(key="name", heading="group", right=False),
        Column(key="cameras", heading="cameras"),
        Column(key="fps", heading="fps", show=word),
        Column(key="image", heading="image", right=False),
        Column(key="network", heading="network", right=False),
        Column(key="images_per_second", heading="images/s", show=word),
        MEGA_OPS,
        Column(key="required_gops", heading="GOPS", show=units.gops),
        Column(key="utilisation", heading="% of budget", show=units.percent),
        Column(key="share", heading="% of all groups", show=units.percent),
    ]
    which = "largest candidate that fits" if plan.fit else "smallest candidate, which does not fit"
    return Table(
        key="plan-groups",
        title=f"Camera groups: shares with the {which}",
        columns=columns,
        rows=[*rows, total],
        marked=lambda row: row["name"] == "all",
    )


def _group_row(load: Load, planned: Planned) -> Row:
    group = load.group
    return {
        "name": group.name,
        "cameras": group.count,
        "fps": group.fps,
        "image": f"{group.height} x {group.width}",
        "network": planned.demand.scenario.networks[group.network].name,
        "images_per_second": float(group.images_per_second),
        "ops": load.figures.cost.ops,
        "required_gops": load.required_gops,
        "utilisation": load.utilisation,
        "share": float(load.required / planned.required),
    }
