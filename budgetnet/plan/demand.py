"""What a scenario demands of the hardware, and whether networks meet it: exact arithmetic.

Rates and limits are fractions exactly as written in the scenario; whether something fits is decided on them.
Floating-point figures are for reading, and where they promise something they are rounded to the safe side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import lcm, nextafter
from typing import Any, Literal, TypeAlias, final

from budgetnet import units
from budgetnet.cameras import Group
from budgetnet.count import Cost, count
from budgetnet.memory import Memory, memory
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value
from budgetnet.scenario import Scenario
from budgetnet.units import Precision

Limit: TypeAlias = Literal["budget_gops", "budget_mb"]
"""The field of the scenario that sets a limit."""


@final
@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one network costs for one image of one size: its stem, all that comes after it, and its memory."""

    stem: Cost
    head: Cost
    memory: Memory

    @cached_property
    def cost(self) -> Cost:
        """Of the whole network."""
        return Cost.sum([self.stem, self.head])


def figures(candidate: Candidate, *, classes: int, height: int, width: int) -> Figures:
    """Counts one network. Raises BudgetnetError on a bad size."""
    graph = candidate.graph(classes=classes, height=height, width=width)
    return Figures(
        stem=_stem_cost(candidate, classes, height, width),
        head=count(graph, without="stem").total,
        memory=memory(graph),
    )


def _stem_cost(candidate: Candidate, classes: int, height: int, width: int) -> Cost:
    """What the stem costs; counted once for each stem and size of image, as a plan puts many heads on few stems."""
    known = family(candidate.network)
    chosen = tuple((name, value) for name, value in candidate.values if known.parameter(name).part == "stem")
    return _counted_stem(candidate.network, chosen, classes, height, width)


@lru_cache(maxsize=4096)
def _counted_stem(
    network: str, parameters: tuple[tuple[str, Value], ...], classes: int, height: int, width: int
) -> Cost:
    graph = Candidate.of(network, dict(parameters)).graph(classes=classes, height=height, width=width)
    return count(graph).part("stem")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is needed of something limited, and what there is: operations per second, or bytes."""

    limit: Limit
    required: Fraction
    available: Fraction

    @property
    def fits(self) -> bool:
        """Whether there is enough; exactly enough is."""
        return self.required <= self.available


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one camera group takes: figures per image, and operations per second (contention included)."""

    group: Group
    figures: Figures
    required: Fraction
    available: Fraction

    @property
    def required_gops(self) -> float:
        """In 10^9 operations per second."""
        return float(self.required / units.GIGA)

    @property
    def utilisation(self) -> float:
        """As a share of what the whole scenario has."""
        return float(self.required / self.available)


@final
class Demand:
    """A scenario's rates and limits. `weights` are the images per second of each group times the contention; `rates`
    are the same as whole numbers, brought to one `denominator`.
    """

    def __init__(
        self, scenario: Scenario, *, groups: Sequence[Group] | None = None, available: Fraction | None = None
    ) -> None:
        """Of a scenario, or of the same one with other camera groups, or other operations per second to be had."""
        self.scenario = scenario
        self.groups = scenario.groups if groups is None else tuple(groups)
        self.classes = scenario.class_count
        self.precision = scenario.precision
        self.available = scenario.available if available is None else available
        budget = scenario.budget_mb
        self.available_bytes = None if budget is None else Fraction(str(budget)) * units.MEGA
        contention = Fraction(str(scenario.contention))
        self.weights = tuple(contention * group.images_per_second for group in self.groups)
        self.denominator = lcm(*(weight.denominator for weight in self.weights))
        self.rates = tuple(int(weight * self.denominator) for weight in self.weights)

    def required(self, ops: Sequence[int]) -> Fraction:
        """Operations per second, contention included, for these operations per image of each group."""
        total = sum(rate * each for rate, each in zip(self.rates, ops, strict=True))
        return Fraction(total, self.denominator)

    def measure(self, candidates: Sequence[Candidate]) -> "Planned":
        """Counts one candidate for each network of the scenario. Raises BudgetnetError."""
        found = [
            figures(candidates[group.network], classes=self.classes, height=group.height, width=group.width)
            for group in self.groups
        ]
        return Planned(demand=self, candidates=tuple(candidates), figures=tuple(found))


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One candidate for each network of a scenario, its `figures` for each camera group, and how they stand to the
    scenario's limits.
    """

    demand: Demand
    candidates: tuple[Candidate, ...]
    figures: tuple[Figures, ...]

    @property
    def candidate(self) -> Candidate:
        """The candidate for the first network."""
        return self.candidates[0]

    @property
    def cost(self) -> Cost:
        """Per image of the first group."""
        return self.figures[0].cost

    @cached_property
    def required(self) -> Fraction:
        """Operations per second of all groups, contention included."""
        return self.demand.required([each.cost.ops for each in self.figures])

    @property
    def required_gops(self) -> float:
        """In 10^9 operations per second."""
        return float(self.required / units.GIGA)

    @property
    def utilisation(self) -> float:
        """The share that is required of what the scenario has: of the budget less the reserve."""
        return float(self.required / self.demand.available)

    @property
    def headroom_gops(self) -> float:
        """What is left, in 10^9 operations per second."""
        return float((self.demand.available - self.required) / units.GIGA)

    @property
    def speed(self) -> float:
        """By how much all frame rates could be multiplied within the operations; never more than fits."""
        return at_most(self.demand.available / self.required)

    @property
    def max_fps(self) -> float:
        """The highest frame rate of the first group's cameras within the operations, all others going along."""
        return at_most(Fraction(str(self.demand.groups[0].fps)) * self.demand.available / self.required)

    @property
    def images_per_second(self) -> float:
        """Images of all cameras per second within the operations, were all frame rates multiplied alike."""
        together = sum((group.images_per_second for group in self.demand.groups), Fraction(0))
        return float(together * self.demand.available / self.required)

    @property
    def loads(self) -> tuple[Load, ...]:
        """What each camera group takes."""
        demand = self.demand
        return tuple(
            Load(group=group, figures=each, required=weight * each.cost.ops, available=demand.available)
            for group, each, weight in zip(demand.groups, self.figures, demand.weights, strict=True)
        )

    @property
    def params(self) -> int:
        """Parameters of all networks; what groups share is there once."""
        return sum(each.cost.params for each in self._per_network().values())

    def weight_bytes_at(self, precision: Precision) -> int:
        """Bytes of the weights of all networks."""
        return sum(each.memory.weight_bytes(precision) for each in self._per_network().values())

    def peak_bytes_at(self, precision: Precision) -> int:
        """The most bytes of live activations: images go one at a time, so groups share that memory."""
        return int(max(each.memory.peak_bytes(precision) for each in self.figures))

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights of all networks, at the scenario's precision."""
        return self.weight_bytes_at(self.demand.precision)

    @property
    def peak_bytes(self) -> int:
        """The most bytes of live activations, at the scenario's precision."""
        return self.peak_bytes_at(self.demand.precision)

    @property
    def memory_mb(self) -> float:
        """Weights and live activations together, in 10^6 bytes."""
        return (self.weight_bytes + self.peak_bytes) / units.MEGA

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every limit that the scenario sets, with what is needed of it."""
        operations = Use(limit="budget_gops", required=self.required, available=self.demand.available)
        if self.demand.available_bytes is None:
            return (operations,)
        needed = Fraction(self.weight_bytes + self.peak_bytes)
        return operations, Use(limit="budget_mb", required=needed, available=self.demand.available_bytes)

    @property
    def broken(self) -> tuple[Limit, ...]:
        """The limits that are not kept."""
        return tuple(use.limit for use in self.uses if not use.fits)

    @property
    def fits(self) -> bool:
        """Whether every limit is kept."""
        return not self.broken

    @property
    def label(self) -> str:
        """The candidates, short: `0.5 / Conv2d_13_pointwise / fcn / 7 / 1024`; several with their network's name."""
        choices = self.demand.scenario.networks
        if len(choices) == 1:
            return self.candidate.label
        named = zip(choices, self.candidates, strict=True)
        return "; ".join(f"{choice.name} {candidate.label}" for choice, candidate in named)

    def _per_network(self) -> dict[int, Figures]:
        """The figures of each network once: weights do not depend on the size of the images."""
        return {group.network: each for group, each in zip(self.demand.groups, self.figures, strict=True)}

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        choices = self.demand.scenario.networks
        networks: Mapping[str, Any] = (
            {"parameters": self.candidate.parameters}
            if len(choices) == 1
            else {
                "networks": {
                    choice.name: candidate.parameters
                    for choice, candidate in zip(choices, self.candidates, strict=True)
                }
            }
        )
        return {
            **networks,
            **self._per_image(),
            "params": self.params,
            "required_gops": self.required_gops,
            "utilisation": self.utilisation,
            "headroom_gops": self.headroom_gops,
            "speed": self.speed,
            "weight_bytes": self.weight_bytes,
            "peak_bytes": self.peak_bytes,
            "fits": self.fits,
            "over": list(self.broken),
        }

    def _per_image(self) -> dict[str, Any]:
        if len(self.figures) > 1:
            return {"groups": [_group_record(load) for load in self.loads]}
        return {"macs": self.cost.macs, "ops": self.cost.ops, "max_fps": self.max_fps}


def _group_record(load: Load) -> dict[str, Any]:
    return {
        "name": load.group.name,
        "macs": load.figures.cost.macs,
        "ops": load.figures.cost.ops,
        "required_gops": load.required_gops,
        "utilisation": load.utilisation,
    }


def at_most(exact: Fraction) -> float:
    """The largest float that is no larger, so that an answer never promises more than fits."""
    value = float(exact)
    return value if Fraction(value) <= exact else nextafter(value, 0.0)
