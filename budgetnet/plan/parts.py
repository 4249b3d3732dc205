"""What stems and heads cost on their own: two tables of a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from budgetnet.space import alternatives

CLASS_COUNTS: Final = (2, 7, 11, 19)
"""For which heads are counted besides the scenario's own: road or not, the published scenarios, CamVid, Cityscapes."""

MOST_CELLS: Final = 4 * LISTED
"""Of how many figures the table of heads may consist."""

STEMS: Final = "Stem: operations per image"

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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Stem:
    """One stem at its place: where it stands in its block, what it costs, and its share of what there is."""

    place: _Place
    names: Sequence[str]
    block: Block
    index: int
    cost: Cost
    share: float

    def row(self, rate: Fraction) -> Row:
        """The row of a table; `rate` is images per second, contention included."""
        parameters = self.block.candidate(self.index).parameters
        return {
            **self.place.row,
            **{name: parameters[name] for name in self.names},
            "macs": self.cost.macs,
            "ops": self.cost.ops,
            "params": self.cost.params,
            "required_gops": float(self.cost.ops * rate / units.GIGA),
            "utilisation": self.share,
        }


def stem_table(plan: Plan) -> Table:
    """What the stem alone costs, for every combination of its parameters; of more than `LISTED` those nearest to the
    limit.
    """
    scenario, places = plan.scenario, _places(plan.scenario)
    rates = {_where(place.row): _rate(place, scenario) for place in places}
    stems = [stem for place in places for stem in _stems(place, scenario)]
    listed = nearest([stem.share for stem in stems], LISTED)
    told = [name for place in places for name in _part(place.choice, "stem") if not _only_default(place.choice, name)]
    names = list(dict.fromkeys(told))
    formulas = {_where(place.row): required_gops(dict.fromkeys(place.groups, "ops")) for place in places}
    required = gops(lambda row: formulas[_where(row)])
    columns = [*_place_columns(places), *parameter_columns(scenario, names), *COST_COLUMNS, required]
    some = f"; the {len(listed):,} of {len(stems):,} nearest to the limit" if len(listed) < len(stems) else ""
    return Table(
        key="plan-stem",
        title=f"{STEMS}{some}",
        columns=[*columns, *shares_named([SHARE], scenario)],
        rows=[stems[index].row(rates[_where(stems[index].place.row)]) for index in listed],
    )


def nearest(shares: Sequence[float], most: int) -> list[int]:
    """Which of these shares are nearest to 1, in the order of the list: a third of them above it, more or fewer where
    there are not enough of the others.
    """
    order = sorted(range(len(shares)), key=shares.__getitem__)
    fitting = sum(share <= 1 for share in shares)
    over = min(len(order) - fitting, max(most // 3, most - fitting))
    return sorted(order[max(0, fitting + over - most) : fitting + over])


def _rate(place: _Place, scenario: Scenario) -> Fraction:
    """Images per second of the groups at a place, contention included."""
    images = sum((scenario.groups[number].images_per_second for number in place.groups), Fraction(0))
    return images * _contention(scenario)


def _stems(place: _Place, scenario: Scenario) -> Iterator[_Stem]:
    names = _part(place.choice, "stem")
    share = _rate(place, scenario) / scenario.available
    several = len(alternatives(place.choice.search_space)) > 1
    blocks_seen, stems_seen = set(), set()
    for block in blocks(place.choice.family, place.choice.search_space):
        axes = {name: values if name in names else values[:1] for name, values in block.axes.items()}
        own = tuple((name, value) for name, value in {**block.words, **axes}.items() if name in names)
        if own in blocks_seen:  # blocks that differ in their head only
            continue
        blocks_seen.add(own)
        stems = Block(network=block.network, words=block.words, axes=axes)
        costs = part_costs(stems, "stem", sizes=[place.size], classes=[scenario.class_count])
        for index, cost in enumerate(costs):
            if several:  # spaces that are searched together may share some of their stems
                parameters = stems.candidate(index).parameters
                told = tuple(parameters[name] for name in names if name in parameters)
                if told in stems_seen:
                    continue
                stems_seen.add(told)
            yield _Stem(place=place, names=names, block=stems, index=index, cost=cost, share=float(cost.ops * share))


def head_table(plan: Plan) -> Table | None:
    """What the head alone costs: a row for each head (with the stem's other choices, and each class count), a column
    for each value of the stem's first number. None where that would be more than `MOST_CELLS` figures.
    """
    classes = sorted({plan.scenario.class_count, *CLASS_COUNTS})
    places = _places(plan.scenario)
    across = {place.choice.name: _across(place.choice) for place in places}
    wide = sorted({value for place in places for value in place.choice.space[across[place.choice.name]]}, key=_order)
    if len(wide) * sum(map(_heads, places)) * len(classes) > MOST_CELLS:
        return None
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place in places:
        for key, row in _head_rows(place, classes):
            rows.setdefault(key, {}).update(row)
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


def _heads(place: _Place) -> int:
    """How many heads there are at a place, each with the stem's other choices."""
    choice, name = place.choice, _across(place.choice)
    found = blocks(choice.family, choice.search_space)
    return sum(len(block) // len(block.axes.get(name, (None,))) for block in found)


def _head_rows(place: _Place, classes: Sequence[int]) -> Iterator[tuple[tuple[Any, ...], Row]]:
    """A figure of a row at a time, with what tells its row from the others."""
    name = _across(place.choice)
    for block in blocks(place.choice.family, place.choice.search_space):
        costs = part_costs(block, "head", sizes=[place.size], classes=classes)
        for (index, count), cost in zip(product(range(len(block)), classes), costs, strict=True):
            others = block.candidate(index).parameters
            value = others.pop(name)
            key = (*place.row.values(), *others.items(), count)
            yield key, {**place.row, **others, "classes": count, f"ops_at_{value}": cost.ops}


def _across(choice: NetworkChoice) -> str:
    """The parameter that the head table spreads over columns: the stem's first."""
    return _part(choice, "stem")[0]


def _part(choice: NetworkChoice, part: str) -> list[str]:
    """Names of the network's parameters that belong to the stem or to the head, in the declared order."""
    chosen = family(choice.family)
    return [name for name in choice.space if chosen.parameter(name).part == part]


def _only_default(choice: NetworkChoice, name: str) -> bool:
    """Whether labels do not tell a parameter of any candidate of the space."""
    parameter = family(choice.family).parameter(name)
    return parameter.named and set(choice.space[name]) == {parameter.default}


def _contention(scenario: Scenario) -> Fraction:
    return Fraction(str(scenario.contention))


def _order(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value
