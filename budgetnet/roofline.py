"""How long a network takes on a platform: a roofline for each kernel (Williams, Waterman and Patterson, CACM 52(4),
2009), with what starting a kernel takes added.

    seconds = max(operations / (peak x share of its class), bytes / (bandwidth x its share)) + launch

A network takes the sum of its kernels, which run one after the other. Peaks and bandwidths are the platform's, shares
and launch its `Efficiency`, which was fitted to measurements; how far such predictions lie from measurements goes with
each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, final

from budgetnet import efficiencies
from budgetnet.efficiencies import Efficiency
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.kernels import Kernel
from budgetnet.numeric import maximum
from budgetnet.platforms import Engine, Platform
from budgetnet.units import PRECISIONS, Precision

Bound: TypeAlias = Literal["compute", "memory", "launch"]
BOUNDS: Final[tuple[Bound, ...]] = ("compute", "memory", "launch")
"""What a kernel's time is mostly made of."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """One engine of a platform at one precision: operations per second, bytes per second of its memory (None where
    that is not known or there is none), and how much of both it reaches. `streams` such engines work side by side.
    """

    platform: str
    engine: str
    precision: Precision
    peak: float
    bandwidth: float | None
    efficiency: Efficiency
    streams: int = 1
    watts: float | None = None

    @property
    def launch(self) -> float:
        """Seconds that starting a kernel takes."""
        return self.efficiency.floor_us / 1e6


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A kernel's seconds for a whole batch: what computing and memory each would take alone, the longer of which
    counts, and the launch. `memory` is None where no bandwidth is known.
    """

    kernel: Kernel
    compute: float
    memory: float | None
    launch: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return max(self.compute, self.memory or 0.0) + self.launch

    @property
    def bound(self) -> Bound:
        """What most of the time is."""
        if self.launch > max(self.compute, self.memory or 0.0):
            return "launch"
        return "memory" if self.memory is not None and self.memory > self.compute else "compute"


@final
@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A network's time on a platform, for a batch of images."""

    roof: Roof
    batch: int
    steps: tuple[Step, ...]

    @cached_property
    def seconds(self) -> float:
        """For the whole batch."""
        return sum(step.seconds for step in self.steps)

    @property
    def band(self) -> tuple[float, float]:
        """Seconds between which nine of ten measurements lay, going by the efficiency's error."""
        factor = self.roof.efficiency.error.factor
        return self.seconds / factor, self.seconds * factor

    @property
    def images_per_second(self) -> float:
        """Of one engine."""
        return self.batch / self.seconds

    @property
    def energy(self) -> float | None:
        """Joules per image with all of the platform's power drawn and all such engines at work; None where that is not
        known.
        """
        if self.roof.watts is None:
            return None
        return self.roof.watts * self.seconds / self.batch / self.roof.streams

    def share(self, bound: Bound) -> float:
        """The share of the time that kernels with this bound take."""
        return sum(step.seconds for step in self.steps if step.bound == bound) / self.seconds


def predict(kernels: Sequence[Kernel], roof: Roof, batch: int = 1) -> Prediction:
    """The time of a network's kernels for a batch of images."""
    return Prediction(roof=roof, batch=batch, steps=tuple(_step(kernel, roof, batch) for kernel in kernels))


def seconds(kernels: Sequence[Kernel], roof: Roof, batch: int = 1) -> Any:
    """The same as `predict(...).seconds`, and for kernels of a whole grid of networks an array."""
    total: Any = 0.0
    for kernel in kernels:
        step = _step(kernel, roof, batch)
        total = total + maximum(step.compute, 0.0 if step.memory is None else step.memory) + step.launch
    return total


def _step(kernel: Kernel, roof: Roof, batch: int) -> Step:
    work = batch * kernel.work
    moved = kernel.bytes(roof.precision, batch)
    efficiency = roof.efficiency
    return Step(
        kernel=kernel,
        compute=work / (roof.peak * efficiency.share(kernel.kind)),
        memory=None if roof.bandwidth is None else moved / (roof.bandwidth * efficiency.bandwidth),
        launch=roof.launch,
    )


def roof(platform: Platform, precision: Precision, *, efficiency: str | None = None, engine: str | None = None) -> Roof:
    """The fastest engine of a platform at a precision, or the one that is named, with its own calibration, or the
    shipped efficiencies of its kind; with `efficiency`, those of that key.

    Raises BudgetnetError where no engine has a peak at this precision, or there is no such engine or efficiency.
    """
    return roof_of(platform, engine_of(platform, precision, engine), precision, efficiency=efficiency)


def engine_of(platform: Platform, precision: Precision, name: str | None = None) -> Engine:
    """The fastest engine at a precision, or the one of this name. Raises BudgetnetError where there is none."""
    engines = platform.engines_for(precision)
    if not engines:
        known = ", ".join(each for each in PRECISIONS if platform.engines_for(each))
        raise BudgetnetError(
            f"precision: must be one that {platform.name} has a peak for ({known}), but got {precision}"
        )
    if name is None:
        return engines[0]
    names = [each.name for each in engines]
    if name not in names:
        got = shorten(name) + did_you_mean(name, names)
        raise BudgetnetError(f"--engine: must be one of {platform.name} with a peak in {precision}, but got {got}")
    return engines[names.index(name)]


def roof_of(platform: Platform, engine: Engine, precision: Precision, *, efficiency: str | None = None) -> Roof:
    """One engine of a platform that has a peak at this precision. Raises BudgetnetError, see `roof`."""
    peak = engine.peak_ops_per_second(precision)
    assert peak is not None, "engines are asked for by their peak"
    return Roof(
        platform=platform.name,
        engine=engine.name,
        precision=precision,
        peak=peak,
        bandwidth=platform.bandwidth(engine),
        efficiency=_efficiency(engine, precision, efficiency),
        streams=engine.count,
        watts=None if platform.power_watts is None else platform.power_watts.value,
    )


def _efficiency(engine: Engine, precision: Precision, key: str | None) -> Efficiency:
    if key is not None:
        return efficiencies.load(key)
    own = engine.efficiency.get(precision)
    return own or efficiencies.load(efficiencies.BY_ENGINE[engine.kind])
