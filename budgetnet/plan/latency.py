"""A plan in time: how long each choice of networks takes on a platform, and whether the frame rates are kept.

Operations say whether a budget is kept, a roofline whether the hardware is quick enough: what its engine is busy of a
second, contention included, must not be more than what a reserve leaves. Each camera group is computed in batches of
its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from budgetnet import platforms
from budgetnet.cameras import Group
from budgetnet.errors import BudgetnetError
from budgetnet.kernels import Kernel, kernels
from budgetnet.networks import Candidate
from budgetnet.plan import Plan
from budgetnet.plan.demand import Planned
from budgetnet.platforms import Platform
from budgetnet.roofline import BOUNDS, Prediction, Roof, predict, roof
from budgetnet.units import MEGA, Precision


@final
@dataclass(frozen=True, kw_only=True)
class Timed:
    """A choice of networks on one engine: a prediction for each camera group, in the scenario's order."""

    planned: Planned
    roof: Roof
    predictions: tuple[Prediction, ...]

    @cached_property
    def busy(self) -> float:
        """What share of a second the engines compute, at the predicted times, contention included."""
        return self._busy(1.0)

    @property
    def busy_at_most(self) -> float:
        """The same at the long end of the error band."""
        return self._busy(self.roof.efficiency.error.factor)

    @property
    def available(self) -> float:
        """What a reserve leaves of a second."""
        return 1 - self.planned.demand.scenario.reserve

    @property
    def keeps_up(self) -> bool:
        """Whether the frame rates are kept at the predicted times."""
        return self.busy <= self.available

    @property
    def keeps_up_surely(self) -> bool:
        """Whether they are kept at the long end of the error band too."""
        return self.busy_at_most <= self.available

    @property
    def headroom(self) -> float:
        """What is left of what is available, as a share of a second; less than nothing where frames are late."""
        return self.available - self.busy

    @property
    def images_per_second(self) -> float:
        """Of all cameras, were all frame rates multiplied until nothing is left."""
        together = sum(float(group.images_per_second) for group in self.planned.demand.groups)
        return together * self.available / self.busy

    @property
    def longest(self) -> Prediction:
        """The prediction of the group that waits longest for an image."""
        return max(self.predictions, key=lambda each: each.seconds)

    @property
    def energy(self) -> float | None:
        """Joules per image, over all groups as often as they come; None where no power is known."""
        if self.roof.watts is None:
            return None
        rates = [float(group.images_per_second) for group in self.planned.demand.groups]
        joules = [each.energy or 0.0 for each in self.predictions]
        return sum(rate * each for rate, each in zip(rates, joules, strict=True)) / sum(rates)

    def _busy(self, factor: float) -> float:
        weights = (float(weight) for weight in self.planned.demand.weights)
        per_image = (each.seconds / each.batch for each in self.predictions)
        return factor * sum(w * s for w, s in zip(weights, per_image, strict=True)) / self.roof.streams

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "label": self.planned.label,
            "ops": [each.cost.ops for each in self.planned.figures],
            "required_gops": self.planned.required_gops,
            "fits": self.planned.fits,
            "groups": [group.name for group in self.planned.demand.groups],
            "milliseconds": [1000 * each.seconds for each in self.predictions],
            "band_milliseconds": [[1000 * end for end in each.band] for each in self.predictions],
            "shares": [{bound: each.share(bound) for bound in BOUNDS} for each in self.predictions],
            "busy": self.busy,
            "headroom": self.headroom,
            "keeps_up": self.keeps_up,
            "keeps_up_surely": self.keeps_up_surely,
            "images_per_second": self.images_per_second,
            "millijoules": None if self.energy is None else 1000 * self.energy,
        }


@final
class Clock:
    """Times choices of networks of one scenario; a network's kernels for one size are found once."""

    def __init__(self, batch: int = 1) -> None:
        self.batch = batch
        self._kernels: dict[tuple[Candidate, int, int, int], tuple[Kernel, ...]] = {}

    def time(self, planned: Planned, on: Roof) -> Timed:
        """A choice of networks on an engine."""
        demand = planned.demand
        predictions = tuple(
            predict(self.kernels(planned.candidates[group.network], group, demand.classes), on, self.batch)
            for group in demand.groups
        )
        return Timed(planned=planned, roof=on, predictions=predictions)

    def kernels(self, candidate: Candidate, group: Group, classes: int) -> tuple[Kernel, ...]:
        """The kernels of a network for a camera group's images."""
        key = candidate, classes, group.height, group.width
        if key not in self._kernels:
            graph = candidate.graph(classes=classes, height=group.height, width=group.width)
            self._kernels[key] = kernels(graph)
        return self._kernels[key]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A known platform for one choice of networks. `holds` is whether weights and live maps fit into its memory; None
    where its size is not known.
    """

    key: str
    timed: Timed
    peak: float
    watts: float | None
    holds: bool | None

    @property
    def suits(self) -> bool:
        """Whether it keeps up and holds the networks, as far as is known."""
        return self.timed.keeps_up and self.holds is not False


def ranked(
    planned: Planned, clock: Clock, precision: Precision, asked: tuple[str, Roof] | None = None
) -> tuple[list[Ranked], dict[str, str]]:
    """Every known platform with a peak at this precision: those that suit first, by power, then by peak; what has no
    known power comes last of its kind. And the others with the reason why not. `asked` is a platform, by its key or its
    file's path, with the engine to take of it, which others take the fastest of.
    """
    found: list[Ranked] = []
    without: dict[str, str] = {}
    for key in dict.fromkeys([*platforms.names(), *([asked[0]] if asked else [])]):
        platform = platforms.load(key)
        try:
            on = asked[1] if asked and asked[0] == key else roof(platform, precision)
        except BudgetnetError:
            without[key] = f"no {precision} peak is known"
            continue
        holds = _holds(platform, planned, precision)
        timed = clock.time(planned, on)
        found.append(Ranked(key=key, timed=timed, peak=on.peak * on.streams, watts=on.watts, holds=holds))
    return sorted(found, key=_order), without


def _holds(platform: Platform, planned: Planned, precision: Precision) -> bool | None:
    """Whether weights and live maps fit into one of its memories; None where no size is known."""
    needed = (planned.weight_bytes_at(precision) + planned.peak_bytes_at(precision)) / MEGA
    sizes = [memory.gigabytes.value * 1000 for _, memory in platform.memories() if memory.gigabytes]
    return needed <= max(sizes) if sizes else None


def _order(each: Ranked) -> tuple[bool, bool, float, float]:
    return not each.suits, each.watts is None, each.watts or 0.0, each.peak


def cheapest(found: Sequence[Ranked]) -> Mapping[str, Ranked]:
    """Of those that suit, the one of least power and the one of least peak, by what they are; and of those that suit at
    the long end of the error band too.
    """
    suitable = [each for each in found if each.suits]
    sure = [each for each in suitable if each.timed.keeps_up_surely]
    best: dict[str, Ranked] = {}
    for among, how in ((suitable, ""), (sure, " surely")):
        powered = [each for each in among if each.watts is not None]
        if powered:
            best[f"least power{how}"] = min(powered, key=lambda each: (each.watts or 0.0, each.peak))
        if among:
            best[f"smallest peak{how}"] = min(among, key=lambda each: each.peak)
    return best


@final
@dataclass(frozen=True, kw_only=True)
class InTime:
    """A plan on one engine: what its listed candidates take, one of them layer by layer, and every known platform."""

    plan: Plan
    roof: Roof
    batch: int
    timed: tuple[Timed, ...]
    chosen: Timed
    named: tuple[Timed, ...]
    platforms: tuple[Ranked, ...]
    without: dict[str, str]

    @classmethod
    def of(
        cls, plan: Plan, on: Roof, key: str | None = None, *, batch: int = 1, named: Sequence[Planned] = ()
    ) -> "InTime":
        """Layers and platforms are those of the first choice that was named, else of the largest that fits the budget
        and keeps up, else of the quickest. `key` is the platform's, or its file's path: it is ranked with the others.
        """
        clock = Clock(batch)
        timed = tuple(clock.time(planned, on) for planned in plan.candidates)
        asked = tuple(clock.time(planned, on) for planned in named)
        chosen = asked[0] if asked else _best(timed)
        found, without = ranked(chosen.planned, clock, on.precision, None if key is None else (key, on))
        return cls(
            plan=plan,
            roof=on,
            batch=batch,
            timed=timed,
            chosen=chosen,
            named=asked,
            platforms=tuple(found),
            without=without,
        )


def _best(timed: Sequence[Timed]) -> Timed:
    able = [each for each in timed if each.planned.fits and each.keeps_up]
    if able:
        return max(able, key=lambda each: each.planned.required)
    return min(timed, key=lambda each: each.busy)
