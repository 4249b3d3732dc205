"""What stems and heads cost on their own: two tables of a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any, Final, final

from budgetnet import units
from budgetnet.cameras import NetworkChoice
from budgetnet.columns import parameter_columns, shares_named, word
from budgetnet.count import Cost
from budgetnet.grid import Block, Size, blocks, part_costs
from budgetnet.networks import family
from budgetnet.parameters import Value
from budgetnet.plan import LISTED, Plan
from budgetnet.plan.columns import COST_COLUMNS, SHARE, gops
from budgetnet.plan.inputs import required_gops
from budgetnet.report import Column, Row, Table
from budgetnet.scenario import Scenario

CLASS_COUNTS: Final = (2, 7, 11, 19)
"""For which heads are counted besides the scenario's own: road or not, the published scenarios, CamVid, Cityscapes."""

CLASSES = Column(key="classes", heading="classes")


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
    required = gops(lambda row: formulas[_where(row)])
    columns = [*_place_columns(places), *parameter_columns(scenario, names), *COST_COLUMNS, required]
    columns += shares_named([SHARE], scenario)
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
