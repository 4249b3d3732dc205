"""What an exported network asks of a scenario and a platform, for its card."""

from typing import Any, Final

from budgetnet import plan, platforms, units
from budgetnet.cameras import InputSize
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.graph import Graph
from budgetnet.kernels import kernels
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Planned
from budgetnet.platforms.model import Platform
from budgetnet.roofline import Prediction, predict, roof
from budgetnet.scenario import Scenario
from budgetnet.scenario import load as load_scenario
from budgetnet.units import PRECISIONS

TENSORRT: Final = frozenset({"gpu", "dla"})
"""Kinds of engines that TensorRT runs on, as far as they are NVIDIA's."""

OTHERS: Final = frozenset({"npu", "dataflow"})
"""Kinds that NVIDIA does not make: a GPU beside one of these is another maker's."""


def judged(
    candidate: Candidate, classes: int, size: tuple[int, int], scenario: str | None, platform: str | None
) -> dict[str, Any]:
    """`scenario` and `platform`, as far as they are named; the scenario's own platform where no other one is. `size` is
    that of the exported network's images, and both are judged at it. Raises BudgetnetError.
    """
    found: dict[str, Any] = {}
    planned: Planned | None = None
    if scenario is not None:
        asked = at_size(load_scenario(scenario), InputSize(height=size[0], width=size[1]))
        planned = _planned(asked, candidate, classes)
        found["scenario"] = on_scenario(asked, planned)
        platform = platform or asked.platform
    if platform is not None:
        graph = candidate.graph(classes=classes, height=size[0], width=size[1])
        found["platform"] = on_platform(platform, graph, planned)
    return found


def at_size(scenario: Scenario, size: InputSize) -> Scenario:
    """The scenario as an exported network meets it, which takes images of `size` only. A single camera group gets
    images of that size; of several, one must have it. Raises BudgetnetError.
    """
    sizes = [(group.height, group.width) for group in scenario.groups]
    if (size.height, size.width) in sizes:
        return scenario
    if len(sizes) > 1:
        rule = f"must have a camera group whose images are of the exported size, {size.height}x{size.width}"
        known = ", ".join(f"{group.name} {group.height}x{group.width}" for group in scenario.groups)
        raise BudgetnetError(f"--scenario: {rule}, but {shorten(scenario.name)} has {known}")
    if isinstance(scenario.cameras, int):
        return scenario.changed(input=size.model_dump())
    group = scenario.cameras[0].model_dump()
    return scenario.changed(cameras=[{**group, "input": size.model_dump(), "crop": None}])


def on_scenario(scenario: Scenario, planned: Planned) -> dict[str, Any]:
    """What a network takes of a scenario's limits, and the sizes of images that this is told for."""
    sizes = dict.fromkeys((group.height, group.width) for group in scenario.groups)
    return {
        "name": scenario.name,
        "sizes": [f"{height} x {width}" for height, width in sizes],
        "images_per_second": float(scenario.images_per_second),
        "ops_per_image": planned.cost.ops,
        "required_gops": planned.required_gops,
        "available_gops": float(scenario.available / units.GIGA),
        "utilisation": planned.utilisation,
        "max_fps": planned.max_fps,
        "memory_mb": planned.memory_mb,
        "fits": planned.fits,
        "over": list(planned.broken),
    }


def on_platform(name: str, graph: Graph, planned: Planned | None) -> dict[str, Any]:
    """The peaks of a whole board, all engines together, and the share of each that a network in a scenario takes; then
    how long one image of the exported network takes on one engine, as predicted: what a network can reach lies far
    below a peak.
    """
    platform = platforms.load(name)
    peaks = {precision: platform.peak_ops_per_second(precision) for precision in PRECISIONS}
    known = {precision: peak for precision, peak in peaks.items() if peak is not None}
    found: dict[str, Any] = {
        "name": platform.name,
        "tensorrt": _takes_tensorrt(platform),
        "board_peak_gops": {precision: peak / units.GIGA for precision, peak in known.items()},
    }
    if planned is not None:
        share = {precision: float(planned.required) / peak for precision, peak in known.items()}
        found["share_of_board_peak"] = share
    steps = kernels(graph)
    found["predicted"] = {
        precision: _predicted(predict(steps, roof(platform, precision)))
        for precision in PRECISIONS
        if platform.engines_for(precision)
    }
    return found


def _takes_tensorrt(platform: Platform) -> bool:
    kinds = {engine.kind for engine in platform.engines}
    return bool(kinds & TENSORRT) and not kinds & OTHERS


def _predicted(made: Prediction) -> dict[str, Any]:
    least, most = made.band
    return {
        "milliseconds": 1000 * made.seconds,
        "least_milliseconds": 1000 * least,
        "most_milliseconds": 1000 * most,
        "images_per_second": made.images_per_second,
        "engine": made.roof.engine,
        "efficiency": made.roof.efficiency.name,
    }


def _planned(scenario: Scenario, candidate: Candidate, classes: int) -> Planned:
    networks = scenario.networks
    if len(networks) != 1:
        names = ", ".join(choice.name for choice in networks)
        raise BudgetnetError(f"--scenario: must choose one network, but {shorten(scenario.name)} chooses {names}")
    if scenario.class_count != classes:
        rule = f"must have as many classes as the run, {classes}"
        raise BudgetnetError(f"--scenario: {rule}, but {shorten(scenario.name)} has {scenario.class_count}")
    return plan.measure(scenario, candidate)
