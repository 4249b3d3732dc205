"""A platform and its engines, as a platform file declares them."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from budgetnet import units
from budgetnet.efficiencies import Efficiency
from budgetnet.errors import shorten
from budgetnet.platforms.figures import CONFIG, TERA, Memory, OnChip, Peak, Total, Watts, Year
from budgetnet.units import PRECISIONS, Precision
from budgetnet.yaml_model import Line, Remark
from budgetnet.yaml_source import Fault, FaultsError

Kind: TypeAlias = Literal["gpu", "dla", "npu", "dataflow", "cpu"]
"""Of an engine: `dla` is a fixed accelerator beside a GPU, `npu` one that stands for itself and runs a network layer by
layer, `dataflow` one that lays the whole network out on the chip and passes images through.
"""


class Engine(BaseModel):
    """A part that computes: a GPU, an accelerator. There are `count` of them; peak and memories are those of one."""

    model_config = CONFIG

    name: Line
    kind: Kind
    count: int = Field(default=1, ge=1, le=1024)
    peak: Peak
    memory: Memory | None = None
    on_chip: OnChip | None = None
    efficiency: Mapping[Precision, Efficiency] = Field(default_factory=dict)
    """What calibrations found, in place of the shipped efficiencies of this kind."""

    def peak_ops_per_second(self, precision: Precision) -> float | None:
        """The most operations per second of one engine of its kind; None where nothing is known for this precision."""
        return self.peak.ops_per_second(precision)


class Platform(BaseModel):
    """A board or chip. `peak` is that of the whole, where it was told; see `peak_ops_per_second`. Engines that have no
    memory of their own share `memory` and `on_chip`.
    """

    model_config = CONFIG

    name: Line
    description: Remark = ""
    year: Year | None = None
    power_watts: Watts | None = None
    memory: Memory | None = None
    on_chip: OnChip | None = None
    peak: Peak | None = None
    engines: tuple[Engine, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _tell_engines_apart(self) -> "Platform":
        names = [engine.name for engine in self.engines]
        again = [index for index, name in enumerate(names) if name in names[:index]]
        if again:
            rule = "must be a name that no other engine has"
            raise FaultsError(Fault(("engines", index, "name"), rule, shorten(names[index])) for index in again)
        return self

    def total_peak(self, precision: Precision) -> Total | None:
        """The most 10^12 operations per second of all engines together; None where nothing is known.

        The figure told for the whole goes before the sum over the engines.
        """
        whole = self.peak.figures.get(precision) if self.peak else None
        if whole:
            return Total.of([(1, whole)])
        known = [(engine.count, engine.peak.figures.get(precision)) for engine in self.engines]
        return Total.of((count, figure) for count, figure in known if figure)

    def peak_ops_per_second(self, precision: Precision) -> float | None:
        """The same in operations per second."""
        total = self.total_peak(precision)
        return total.value * TERA if total else None

    def engines_for(self, precision: Precision) -> list[Engine]:
        """The engines with a known peak at this precision, that of the fastest single one first."""
        known = [(engine, engine.peak_ops_per_second(precision)) for engine in self.engines]
        able = [(engine, peak) for engine, peak in known if peak is not None]
        return [engine for engine, _ in sorted(able, key=lambda each: -each[1])]

    def bandwidth(self, engine: Engine) -> float | None:
        """Bytes per second of the external memory that one engine works on: its own, else the platform's. None where
        there is none, or its bandwidth is not known.
        """
        memory = engine.memory or self.memory
        return memory.bytes_per_second if memory else None

    def memories(self) -> list[tuple[int, Memory]]:
        """All external memories, each with how many there are of it."""
        shared = [(1, self.memory)] if self.memory else []
        return shared + [(engine.count, engine.memory) for engine in self.engines if engine.memory]

    def summary(self, budget_gops: float) -> str:
        """One sentence: the peaks, and the share of each that a budget of 10^9 operations per second takes."""
        shares, peaks = [], []
        for precision in PRECISIONS:
            peak = self.peak_ops_per_second(precision)
            if peak:
                peaks.append(peak)
                share = units.percent(budget_gops * units.GIGA / peak, 2)
                shares.append(f"{share} % of its {precision} peak ({units.giga(peak, 0)} GOPS)")
        if not peaks:
            return f"Of {self.name} no peak is known in {', '.join(PRECISIONS)}."
        said = f"On {self.name} the budget is {', '.join(shares)}. No network reaches a peak."
        over = budget_gops * units.GIGA > max(peaks)
        return said + (
            " The budget is more than the platform has: nothing that follows can be relied on." if over else ""
        )
