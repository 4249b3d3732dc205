"""The tables of a plan, those of the spreadsheet that it replaces: candidates, and all tables together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from budgetnet import units
from budgetnet.cameras import Group, NetworkChoice
from budgetnet.columns import MEGA_OPS, MEGA_PARAMS, parameter_columns, shares_named, told, word
from budgetnet.networks import family
from budgetnet.plan import Plan
from budgetnet.plan.answers import answers, machine_table, subjects
from budgetnet.plan.columns import COST_COLUMNS, FITS, HEADROOM, MAX_FPS, MEMORY, SHARE, SPEED, gops
from budgetnet.plan.demand import Planned
from budgetnet.plan.groups import group_table
from budgetnet.plan.inputs import required_gops
from budgetnet.plan.memory_table import memory_table
from budgetnet.plan.parts import head_table, stem_table
from budgetnet.plan.solve import Answer
from budgetnet.report import Column, Table
from budgetnet.scenario import Scenario

NAMED: Final = "Candidates asked for by name"
BEST: Final = Column(key="best", heading="best", right=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables that machines get, every row: stems, heads (None where they are too many), candidates, those asked
    for by name (None where there are none), camera groups (None where there is but one), the memory of the best one,
    and the inverse answers for it and those asked for by name.
    """

    stems: Table
    heads: Table | None
    candidates: Table
    named: Table | None
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
            named=candidate_table("plan-named", NAMED, plan, named, exact=True) if named else None,
            groups=group_table(plan),
        )

    @property
    def all(self) -> list[Table]:
        """The main one first."""
        return [
            self.candidates,
            *([self.named] if self.named else []),
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


def candidate_table(key: str, title: str, plan: Plan, chosen: Sequence[Planned], *, exact: bool = False) -> Table:
    """Candidates with what they need of the budget: every parameter and whole numbers, or what people compare them
    by.
    """
    best = {planned.candidates for planned in plan.best}
    figures = shares_named(_figure_columns(plan.scenario, exact=exact), plan.scenario)
    rows = [{**_row(planned), "best": planned.candidates in best} for planned in chosen]
    return Table(
        key=key,
        title=title,
        columns=[*_choice_columns(plan, chosen, exact=exact), *figures, *([BEST] if exact else [])],
        rows=rows,
        marked=lambda row: bool(row["best"]),
    )


def _row(planned: Planned) -> dict[str, Any]:
    scenario = planned.demand.scenario
    row: dict[str, Any] = dict(planned.candidate.parameters) if len(scenario.networks) == 1 else {}
    row["label"] = planned.label
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


def _choice_columns(plan: Plan, chosen: Sequence[Planned], *, exact: bool) -> list[Column]:
    """Which candidates: every parameter, or those that not all share; labels where several networks are chosen."""
    choices = plan.scenario.networks
    if len(choices) == 1:
        (choice,) = choices
        names = [name for name in choice.space if exact or _varies(plan, choice, name)]
        return parameter_columns(plan.scenario, told(names, [planned.candidate for planned in chosen]))
    if not exact:
        return [Column(key=f"label:{choice.name}", heading=choice.name, right=False) for choice in choices]
    return [
        Column(key=f"{choice.name}.{name}", heading=f"{choice.name} {name.replace('_', ' ')}", show=word, right=False)
        for place, choice in enumerate(choices)
        for name in told(list(choice.space), [planned.candidates[place] for planned in chosen])
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
        return [*costs, gops(required_gops({0: "ops"})), SHARE, HEADROOM, MAX_FPS, *_memory_columns(exact=exact), FITS]
    per_group = [column for number, group in enumerate(groups) for column in _group_columns(number, group, exact=exact)]
    required = gops(required_gops({number: f"ops:{group.name}" for number, group in enumerate(groups)}))
    params = [COST_COLUMNS[-1]] if exact else [MEGA_PARAMS]
    return [*params, *per_group, required, SHARE, HEADROOM, SPEED, *_memory_columns(exact=exact), FITS]


def _group_columns(number: int, group: Group, *, exact: bool) -> list[Column]:
    formula = required_gops({number: f"ops:{group.name}"})
    required = gops(formula, key=f"gops:{group.name}", heading=f"GOPS {group.name}")
    if not exact:
        return [required]
    return [
        Column(key=f"macs:{group.name}", heading=f"MACs {group.name}", number="#,##0"),
        Column(key=f"ops:{group.name}", heading=f"operations {group.name}", number="#,##0"),
        required,
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
