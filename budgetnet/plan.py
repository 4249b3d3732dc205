"""Scenario -> what every candidate costs, which fit, with what headroom. Arithmetic only: no torch, and at once.

Whether a candidate fits is decided in whole numbers: its operations per image against the largest whole number of
operations that the budget allows per image. Floating-point figures are for reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, nextafter
from typing import Any, final

from budgetnet import units
from budgetnet.count import Cost, count
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value
from budgetnet.scenario import Scenario
from budgetnet.space import candidates


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A candidate with its cost per image and how it stands to the scenario's budget.

    `required_gops` and `headroom_gops` are in 10^9 operations per second; `max_fps` is the highest frame rate per
    camera that fits, for the scenario's number of cameras.
    """

    candidate: Candidate
    cost: Cost
    stem: Cost
    head: Cost
    required_gops: float
    utilisation: float
    headroom_gops: float
    max_fps: float
    fits: bool

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "parameters": self.candidate.parameters,
            "macs": self.cost.macs,
            "ops": self.cost.ops,
            "params": self.cost.params,
            "required_gops": self.required_gops,
            "utilisation": self.utilisation,
            "headroom_gops": self.headroom_gops,
            "max_fps": self.max_fps,
            "fits": self.fits,
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All candidates of a scenario: those that fit first, each group from the most operations to the fewest.

    `best` are those that fit and that no other one that fits equals or exceeds in every parameter. Without training
    nobody knows which of them is best; whatever is not among them is smaller than one of them.
    """

    scenario: Scenario
    candidates: tuple[Planned, ...]

    fitting: tuple[Planned, ...]
    best: tuple[Planned, ...]

    @property
    def verdict(self) -> str:
        """One paragraph: how many fit, the largest that does, or what stands in the way."""
        scenario, total = self.scenario, len(self.candidates)
        per_image = f"{scenario.operations_limit:,} operations per image"
        asked = (
            f"{scenario.budget_gops:g} GOPS at {float(scenario.images_per_second):g} images per second ({per_image})"
        )
        if not self.fitting:
            return self._impossible(asked)
        largest = self.fitting[0]
        return (
            f"{len(self.fitting)} of {total} candidates fit {asked}. The largest is {largest.candidate.label} with "
            f"{largest.required_gops:.1f} GOPS, {units.percent(largest.utilisation)} % of the budget."
        )

    def _impossible(self, asked: str) -> str:
        scenario = self.scenario
        smallest = min(self.candidates, key=lambda planned: planned.cost.ops)
        cameras = floor(limit(scenario) / (smallest.cost.ops * Fraction(str(scenario.fps))))
        could = f"{_cameras(cameras)} at {scenario.fps:g} fps, or " if cameras else ""
        return (
            f"Nothing fits: none of {len(self.candidates)} candidates fits {asked}. The binding limit is budget_gops: "
            f"the smallest candidate, {smallest.candidate.label}, needs {units.gops(smallest.required_gops)} GOPS, "
            f"{smallest.utilisation:.2f} times the budget. It would fit {could}{_cameras(scenario.cameras)} at "
            f"{units.at_most(smallest.max_fps, 2)} fps."
        )

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        scenario = self.scenario
        return {
            "scenario": scenario.name,
            "network": scenario.network,
            "classes": scenario.class_count,
            "input": {"height": scenario.input.height, "width": scenario.input.width},
            "cameras": scenario.cameras,
            "fps": scenario.fps,
            "budget_gops": scenario.budget_gops,
            "images_per_second": float(scenario.images_per_second),
            "operations_limit": scenario.operations_limit,
            "fitting": len(self.fitting),
            "verdict": self.verdict,
            "best": [planned.candidate.parameters for planned in self.best],
            "candidates": [planned.record() for planned in self.candidates],
        }


def plan(scenario: Scenario) -> Plan:
    """Counts every candidate of the scenario's space. Raises BudgetnetError where the space is too large."""
    planned = [measure(scenario, candidate) for candidate in candidates(scenario.network, scenario.search_space)]
    planned.sort(key=lambda each: (not each.fits, -each.cost.ops, each.candidate.label))
    fitting = tuple(each for each in planned if each.fits)
    best = tuple(each for each in fitting if not any(_exceeds(other, each) for other in fitting))
    return Plan(scenario=scenario, candidates=tuple(planned), fitting=fitting, best=best)


def measure(scenario: Scenario, candidate: Candidate) -> Planned:
    """What one candidate costs in a scenario, and whether it fits."""
    graph = candidate.graph(classes=scenario.class_count, height=scenario.input.height, width=scenario.input.width)
    counted = count(graph)
    ops = counted.total.ops
    required = ops * scenario.images_per_second
    budget = limit(scenario)
    return Planned(
        candidate=candidate,
        cost=counted.total,
        stem=counted.part("stem"),
        head=counted.part("head"),
        required_gops=float(required / units.GIGA),
        utilisation=float(required / budget),
        headroom_gops=float((budget - required) / units.GIGA),
        max_fps=_at_most(budget / (ops * scenario.cameras)),
        fits=ops <= scenario.operations_limit,
    )


def limit(scenario: Scenario) -> Fraction:
    """The budget in operations per second, exactly as written in the file."""
    return Fraction(str(scenario.budget_gops)) * units.GIGA


def _at_most(exact: Fraction) -> float:
    """The largest float that is no larger, so that an answer never promises more than fits."""
    value = float(exact)
    return value if Fraction(value) <= exact else nextafter(value, 0.0)


def _cameras(number: int) -> str:
    return units.counted(number, "camera", "cameras")


def _exceeds(other: Planned, planned: Planned) -> bool:
    """Whether `other` is another candidate that is as large or larger in every number, and equal in every word."""
    mine, theirs = planned.candidate.parameters, other.candidate.parameters
    if mine == theirs or mine.keys() != theirs.keys():
        return False
    return all(_no_smaller(theirs[name], mine[name]) for name in mine)


def _no_smaller(theirs: Value, mine: Value) -> bool:
    if isinstance(theirs, str) or isinstance(mine, str):
        return theirs == mine
    return theirs >= mine


def part_of(scenario: Scenario, part: str) -> list[str]:
    """Names of the parameters in the scenario's space that belong to the stem or to the head, in the declared order."""
    chosen = family(scenario.network)
    return [name for name in scenario.space if chosen.parameter(name).part == part]


def distinct(planned: Sequence[Planned], names: Sequence[str]) -> dict[tuple[Value | None, ...], Planned]:
    """One candidate for each combination of the named parameters, smallest values first."""
    found: dict[tuple[Value | None, ...], Planned] = {}
    for each in planned:
        parameters = each.candidate.parameters
        found.setdefault(tuple(parameters.get(name) for name in names), each)
    return dict(sorted(found.items(), key=lambda item: [(str(type(value)), value) for value in item[0]]))
