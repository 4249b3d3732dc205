"""Two plans side by side: what differs between their scenarios, and what that does. Exact values; no text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, final

from budgetnet import units
from budgetnet.cameras import Group
from budgetnet.parameters import Value
from budgetnet.plan import Plan, measure
from budgetnet.plan.demand import Planned
from budgetnet.scenario import Scenario
from budgetnet.space import alternatives, complete_space

Field: TypeAlias = Value | Mapping[str, float] | tuple[Value, ...] | None
"""A field's value: one, a camera group's figures, values to search, or nothing."""

Amount: TypeAlias = int | Fraction


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field of the scenario that differs; None where a scenario says nothing of it."""

    field: str
    before: Field
    after: Field


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of both plans, exactly; None where a plan has none."""

    what: str
    before: Amount | None
    after: Amount | None

    @property
    def change(self) -> Amount | None:
        """By how much it is more."""
        return None if self.before is None or self.after is None else self.after - self.before


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
    def changes(self) -> list[Change]:
        """Fields of the scenario that differ."""
        old, new = dict(_fields(self.before.scenario)), dict(_fields(self.after.scenario))
        return [
            Change(field=name, before=old.get(name), after=new.get(name))
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
        ]

    @property
    def figures(self) -> list[Figure]:
        """What is asked for, what there is, and what fits."""
        old, new = _figures(self.before), _figures(self.after)
        return [Figure(what=what, before=before, after=new[what]) for what, before in old.items()]

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


def largest(plan: Plan) -> Planned | None:
    """The one with the most operations per second of those that fit."""
    return plan.candidates[0] if plan.fit else None


def _fields(scenario: Scenario) -> Iterator[tuple[str, Field]]:
    """What a plan follows from. No two fields have one name, whatever groups and parameters are called."""
    for name in ("budget_gops", "contention", "reserve", "budget_mb", "precision"):
        yield name, getattr(scenario, name)
    yield "classes", scenario.class_count
    several = len(scenario.groups) > 1
    for group in scenario.groups:
        yield f"group {group.name}" if several else "cameras", _asked_of(group)
    several = len(scenario.networks) > 1
    for choice in scenario.networks:
        owner = f" of {choice.name}" if several else ""
        yield f"network{owner}", choice.family
        spaces = alternatives(choice.search_space)
        for number, one in enumerate(spaces):
            place = f"[{number}]" if len(spaces) > 1 else ""
            for name, values in complete_space(choice.family, one).items():
                yield f"search_space{place}.{name}{owner}", tuple(values)


def _asked_of(group: Group) -> dict[str, float]:
    return {"count": group.count, "fps": group.fps, "height": group.height, "width": group.width}


def _figures(plan: Plan) -> dict[str, Amount | None]:
    scenario, most = plan.scenario, largest(plan)
    return {
        "images per second": scenario.images_per_second,
        "available GOPS": scenario.available / units.GIGA,
        "candidates": plan.total,
        "candidates that fit": plan.fit,
        "GOPS of the largest that fits": most.required / units.GIGA if most else None,
        "parameters of the largest that fits": most.params if most else None,
        "MB of the largest that fits": _megabytes(most) if most else None,
        "GOPS of the smallest": plan.smallest.required / units.GIGA,
        "MB of the one of the least memory": _megabytes(plan.lightest),
    }


def _megabytes(planned: Planned) -> Fraction:
    """Weights and peak activations together."""
    return Fraction(planned.weight_bytes + planned.peak_bytes, units.MEGA)
