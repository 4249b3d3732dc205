"""What a search is asked to take for throughput: words of the command line -> `Throughput`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from budgetnet import platforms
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.networks import Candidate
from budgetnet.plan.throughput import KINDS, OPS, Kind, Throughput
from budgetnet.roofline import roof
from budgetnet.scenario import Scenario
from budgetnet.units import Precision

RUNTIME: Final = "onnxruntime"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What was asked for: `kind` is ops, roofline or measured; of a roofline a `platform`'s key or a file's path (the
    scenario's with None), a `precision` (the scenario's with None) and the key of efficiencies; of what is measured a
    `runtime`.
    """

    kind: str = "ops"
    platform: str | None = None
    precision: Precision | None = None
    efficiency: str | None = None
    runtime: str | None = None

    def told(self) -> str:
        """The words of the command line; none for what searches always had."""
        words = (self.platform, self.precision, self.efficiency, self.runtime)
        return "" if self.kind == "ops" else " ".join([self.kind, *(word for word in words if word)])

    def throughput(self, scenario: Scenario, *, alone: bool) -> Throughput:
        """The axis for a scenario; `alone` is whether one worker of one machine trains. Raises BudgetnetError."""
        kind = _kind(self.kind)
        self._refuse_unused(kind)
        if kind == "ops":
            return OPS
        if kind == "roofline":
            return self._roofline(scenario)
        if not alone:
            rule = "--throughput measured: must come with one worker of one machine"
            raise BudgetnetError(f"{rule} (trainings beside it would slow what is measured), but got more")
        return measured(scenario, self.runtime or RUNTIME)

    def _refuse_unused(self, kind: Kind) -> None:
        of = {"roofline": ("platform", "precision", "efficiency"), "measured": ("runtime",)}
        for other, names in of.items():
            given = [f"--{name}" for name in names if getattr(self, name) is not None]
            if given and kind != other:
                told = ", ".join(given)
                raise BudgetnetError(f"{told}: must come with --throughput {other}, but got --throughput {kind}")

    def _roofline(self, scenario: Scenario) -> Throughput:
        key = self.platform or scenario.platform
        if key is None:
            raise BudgetnetError("--platform: must be given where the scenario names none, but got none")
        found = roof(platforms.load(key), self.precision or scenario.precision, efficiency=self.efficiency)
        return Throughput(kind="roofline", roof=found, how=f"on {found.platform}, {found.precision}")


def _kind(word: str) -> Kind:
    for known in KINDS:
        if word == known:
            return known
    raise BudgetnetError(f"--throughput: must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, but got {shorten(word)}")


def measured(scenario: Scenario, runtime: str) -> Throughput:
    """Images per second of all cameras on this machine, were all frame rates multiplied until nothing is left."""
    from budgetnet.bench import runtimes
    from budgetnet.bench.pinning import cores
    from budgetnet.provenance import processor

    runtimes.runtime(runtime)
    threads = cores()
    how = f"with {runtime} on {processor()}, {threads} threads, one image at a time"
    return Throughput(kind="measured", measure=_measuring(scenario, runtime, threads), how=how)


def _measuring(scenario: Scenario, runtime: str, threads: int) -> Callable[[Candidate], float]:
    def rate(candidate: Candidate) -> float:
        from budgetnet.bench.measuring import measured_seconds
        from budgetnet.bench.network import untrained

        busy = 0.0
        known: dict[tuple[int, int], float] = {}
        for group in scenario.groups:
            size = group.height, group.width
            if size not in known:
                graph = candidate.graph(classes=scenario.class_count, height=size[0], width=size[1])
                network = untrained(candidate.label, graph)
                known[size] = measured_seconds(network, runtime=runtime, threads=threads)
            busy += float(group.images_per_second) * scenario.contention * known[size]
        return float(scenario.images_per_second) * (1 - scenario.reserve) / busy

    return rate
