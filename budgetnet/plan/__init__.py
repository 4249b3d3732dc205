"""Scenario -> what every candidate costs, which fit, with what headroom. Arithmetic only: no torch, and at once.

A few thousand choices are measured one by one. More are counted as whole grids (`survey`), and only those that matter
are listed: same figures, same answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor, prod
from typing import Any, Final, final

from budgetnet import units
from budgetnet.errors import BudgetnetError
from budgetnet.grid import ONE_BY_ONE, Block, blocks
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Demand, Limit, Planned
from budgetnet.scenario import Scenario
from budgetnet.space import LARGEST

LISTED: Final = 10_000
"""Of more choices than this, those nearest to the limits are listed: a third of them over, the others fitting."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All choices of a scenario: a candidate, or one for each network where camera groups have their own.

    `candidates` holds those that fit first, each group from the most operations per second to the fewest; of more than
    `LISTED` only those nearest to the limits. `total` is how many there are, `fit` how many of them fit, and `over` how
    many break each limit. `best` are those that fit and that no other one that fits equals or exceeds in every
    parameter. Without training nobody knows which of them is best; whatever is not among them is smaller than one of
    them.
    """

    scenario: Scenario
    candidates: tuple[Planned, ...]
    best: tuple[Planned, ...]
    total: int
    fit: int
    over: Mapping[Limit, int]
    smallest: Planned

    @property
    def fitting(self) -> tuple[Planned, ...]:
        """The listed ones that fit."""
        return tuple(planned for planned in self.candidates if planned.fits)

    @property
    def complete(self) -> bool:
        """Whether every choice is listed."""
        return len(self.candidates) == self.total

    @property
    def verdict(self) -> str:
        """One paragraph: how many fit, the largest that does, or what stands in the way."""
        if not self.fit:
            return self._impossible()
        largest = self.candidates[0]
        return (
            f"{self.fit:,} of {self.total:,} candidates fit {asked(self.scenario)}. The largest is {largest.label} "
            f"with {largest.required_gops:.1f} GOPS, {units.percent(largest.utilisation)} % of the budget."
        )

    def _impossible(self) -> str:
        return (
            f"Nothing fits: none of {self.total:,} candidates fits {asked(self.scenario)}. "
            f"{self._obstacle()} {self._would_fit()}"
        ).strip()

    def _obstacle(self) -> str:
        smallest = self.smallest
        gops = f"needs {units.gops(smallest.required_gops)} GOPS"
        reasons = {
            "budget_gops": f"{gops}, {smallest.utilisation:.2f} times the budget",
            "budget_mb": f"needs {smallest.memory_mb:,.3g} MB at {self.scenario.precision}",
        }
        limits = smallest.broken
        what = "limit is" if len(limits) == 1 else "limits are"
        needs = ", and ".join(reasons[limit] for limit in limits)
        return f"The binding {what} {' and '.join(limits)}: the smallest candidate, {smallest.label}, {needs}."

    def _would_fit(self) -> str:
        """What the smallest candidate could do within the operations."""
        scenario, smallest = self.scenario, self.smallest
        if "budget_mb" in smallest.broken:
            return ""
        if len(scenario.groups) > 1:
            return f"It would fit at {units.at_most(smallest.speed, 2)} times the frame rates."
        (group,) = scenario.groups
        cameras = floor(smallest.demand.available / (smallest.required / group.count))
        could = f"{_cameras(cameras)} at {group.fps:g} fps, or " if cameras else ""
        return f"It would fit {could}{_cameras(group.count)} at {units.at_most(smallest.max_fps, 2)} fps."

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        scenario = self.scenario
        return {
            "scenario": scenario.name,
            "networks": {
                choice.name: {"family": choice.family, "search_space": {k: list(v) for k, v in choice.space.items()}}
                for choice in scenario.networks
            },
            "classes": scenario.class_count,
            "groups": [
                {
                    "name": group.name,
                    "count": group.count,
                    "fps": group.fps,
                    "height": group.height,
                    "width": group.width,
                    "network": scenario.networks[group.network].name,
                }
                for group in scenario.groups
            ],
            "budget_gops": scenario.budget_gops,
            "contention": scenario.contention,
            "reserve": scenario.reserve,
            "available_gops": float(scenario.available / units.GIGA),
            "budget_mb": scenario.budget_mb,
            "precision": scenario.precision,
            "images_per_second": float(scenario.images_per_second),
            "total": self.total,
            "fitting": self.fit,
            "over": dict(self.over),
            "verdict": self.verdict,
            "best": [_choice(planned) for planned in self.best],
            "candidates": [planned.record() for planned in self.candidates],
        }


def _choice(planned: Planned) -> dict[str, Any]:
    record = planned.record()
    return dict(record.get("parameters") or record["networks"])


def plan(scenario: Scenario) -> Plan:
    """Counts every candidate of the scenario's space. Raises BudgetnetError where the space is too large."""
    demand = Demand(scenario)
    spaces = [blocks(choice.family, choice.search_space) for choice in scenario.networks]
    total = prod(sum(map(len, space)) for space in spaces)
    if total > LARGEST:
        raise BudgetnetError(f"search_space: must hold {LARGEST:,} choices of networks or fewer, but got {total:,}")
    if total > ONE_BY_ONE:
        from budgetnet.plan.survey import survey

        found = survey(demand, spaces, listed=LISTED)
        return Plan(
            scenario=scenario,
            candidates=found.listed,
            best=found.best,
            total=found.total,
            fit=found.fit,
            over=found.over,
            smallest=found.smallest,
        )
    return _one_by_one(demand, spaces)


def _one_by_one(demand: Demand, spaces: Sequence[Sequence[Block]]) -> Plan:
    planned: list[Planned] = []
    best: list[Planned] = []
    for combination in product(*spaces):
        shape = [length for block in combination for length in block.shape]
        several = [demand.measure(chosen) for chosen in _choices(combination)]
        planned += several
        tops = maximal([each.fits for each in several], shape)
        best += (each for each, top in zip(several, tops, strict=True) if top)
    order = sorted(planned, key=lambda each: (not each.fits, -each.required))
    limits = Counter(limit for each in planned for limit in each.broken)
    return Plan(
        scenario=demand.scenario,
        candidates=tuple(order),
        best=tuple(sorted(best, key=lambda each: -each.required)),
        total=len(order),
        fit=sum(each.fits for each in order),
        over=dict(sorted(limits.items())),
        smallest=min(order, key=lambda each: (len(each.broken), each.required)),
    )


def _choices(combination: Sequence[Block]) -> Iterator[tuple[Candidate, ...]]:
    """Every choice out of one block for each network, the last fastest."""
    return product(*([block.candidate(index) for index in range(len(block))] for block in combination))


def maximal(fits: Sequence[bool], shape: Sequence[int]) -> list[bool]:
    """Which places of a grid fit while no other place that fits is as far or farther along every axis.

    The last axis is the fastest.
    """
    beyond = list(fits)  # whether this place or one beyond it fits
    strictly = [False] * len(fits)
    step = 1
    for length in reversed(shape):
        for place in range(len(fits) - step - 1, -1, -1):
            if place // step % length < length - 1 and beyond[place + step]:
                beyond[place] = True
        step *= length
    step = 1
    for length in reversed(shape):
        for place in range(len(fits) - step):
            if place // step % length < length - 1 and beyond[place + step]:
                strictly[place] = True
        step *= length
    return [fit and not other for fit, other in zip(fits, strictly, strict=True)]


def measure(scenario: Scenario, *candidates: Candidate) -> Planned:
    """What a choice costs in a scenario, one candidate for each of its networks, and whether it fits."""
    return Demand(scenario).measure(candidates)


def asked(scenario: Scenario) -> str:
    """The task in short: `70 GOPS at 60 images per second (1,166,666,666 operations per image)`."""
    rate = float(scenario.images_per_second)
    per_image = f" ({scenario.operations_limit:,} operations per image)" if len(scenario.groups) == 1 else ""
    has = float(scenario.available / units.GIGA)
    memory = f" and {scenario.budget_mb:g} MB at {scenario.precision}" if scenario.budget_mb else ""
    return f"{has:g} GOPS{memory} at {rate:g} images per second{per_image}"


def _cameras(number: int) -> str:
    return units.counted(number, "camera", "cameras")
