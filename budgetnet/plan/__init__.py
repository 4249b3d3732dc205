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
from budgetnet.space import LARGEST, told_space

LISTED: Final = 10_000
"""Of more choices than this, those nearest to the limits are listed: a third of them over, the others fitting."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All choices of a scenario: a candidate, or one for each network where camera groups have their own.

    `candidates` holds those that fit first, each group from the most operations per second to the fewest; of more than
    `LISTED` only those nearest to the limits. `total` is how many there are, `fit` how many of them fit, and `over` how
    many break each limit. `smallest` has the fewest operations of all, `lightest` the least memory, and `nearest` is
    the one that breaks the fewest limits, with the fewest operations.

    `best` are those that fit and that no other one that fits equals or exceeds in every parameter. Without training
    nobody knows which of them is best; whatever is not among them is smaller than one of them.
    """

    scenario: Scenario
    candidates: tuple[Planned, ...]
    best: tuple[Planned, ...]
    total: int
    fit: int
    over: Mapping[Limit, int]
    smallest: Planned
    lightest: Planned
    nearest: Planned

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
            f"with {units.gops(largest.required_gops)} GOPS, {share(largest)}."
        )

    def _impossible(self) -> str:
        one = self.total == 1
        said = "the only candidate does not fit" if one else f"none of {self.total:,} candidates fits"
        return f"Nothing fits: {said} {asked(self.scenario)}. {self._obstacle()} {self._would_fit()}".strip()

    def _obstacle(self) -> str:
        """Which limit no candidate keeps; where each is kept by some, that none keeps both."""
        least = {"budget_gops": self.smallest, "budget_mb": self.lightest}
        words = {"budget_gops": "the smallest candidate", "budget_mb": "the one of the least memory"}
        binding = [use.limit for use in self.nearest.uses if use.limit in least[use.limit].broken]
        if not binding:
            return (
                f"No candidate keeps both limits: the smallest, {self.smallest.label}, "
                f"{need(self.smallest, 'budget_mb')}; the one of the least memory, {self.lightest.label}, "
                f"{need(self.lightest, 'budget_gops')}."
            )
        needs = "; ".join(f"{words[limit]}, {least[limit].label}, {need(least[limit], limit)}" for limit in binding)
        what = "limit is" if len(binding) == 1 else "limits are"
        return f"The binding {what} {' and '.join(binding)}: {needs}."

    def _would_fit(self) -> str:
        """What the smallest candidate could do within the operations."""
        scenario, smallest = self.scenario, self.smallest
        if smallest.broken != ("budget_gops",):
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
                choice.name: {"family": choice.family, "search_space": told_space(choice.family, choice.search_space)}
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
            lightest=found.lightest,
            nearest=found.nearest,
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
        smallest=min(planned, key=lambda each: each.required),
        lightest=min(planned, key=lambda each: each.weight_bytes + each.peak_bytes),
        nearest=min(planned, key=lambda each: (len(each.broken), each.required)),
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


def share(planned: Planned) -> str:
    """`97.7 % of the budget`; with a reserve `97.7 % of what is available`."""
    whole = "what is available" if planned.demand.scenario.reserve else "the budget"
    return f"{units.percent(planned.utilisation)} % of {whole}"


def need(planned: Planned, limit: Limit) -> str:
    """`needs 85.5 of 70 GOPS, 1.22 times as much`: what a choice needs of a limit, and what there is."""
    (use,) = [use for use in planned.uses if use.limit == limit]
    unit, size = ("GOPS", units.GIGA) if limit == "budget_gops" else ("MB", units.MEGA)
    required, available = float(use.required / size), float(use.available / size)
    times = f", {required / available:,.2f} times as much" if required / available >= 1.005 else ""
    return f"needs {units.beside(required, available)} of {available:.10g} {unit}{times}"


def asked(scenario: Scenario) -> str:
    """The task in short: `70 GOPS at 60 images per second (1,166,666,666 operations per image)`."""
    rate = float(scenario.images_per_second)
    per_image = f" ({scenario.operations_limit:,} operations per image)" if len(scenario.groups) == 1 else ""
    has = float(scenario.available / units.GIGA)
    memory = f" and {scenario.budget_mb:g} MB at {scenario.precision}" if scenario.budget_mb else ""
    return f"{has:g} GOPS{memory} at {rate:g} images per second{per_image}"


def _cameras(number: int) -> str:
    return units.counted(number, "camera", "cameras")
