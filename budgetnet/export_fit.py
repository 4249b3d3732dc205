"""What an exported network asks of a scenario and a platform, for its card."""

from typing import Any

from budgetnet import plan, platforms, units
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Planned
from budgetnet.scenario import Scenario
from budgetnet.scenario import load as load_scenario
from budgetnet.units import PRECISIONS


def judged(candidate: Candidate, classes: int, scenario: str | None, platform: str | None) -> dict[str, Any]:
    """`scenario` and `platform`, as far as they are named; the scenario's own platform where no other one is. Raises
    BudgetnetError.
    """
    found: dict[str, Any] = {}
    planned: Planned | None = None
    if scenario is not None:
        asked = load_scenario(scenario)
        planned = _planned(asked, candidate, classes)
        found["scenario"] = on_scenario(asked, planned)
        platform = platform or asked.platform
    if platform is not None:
        found["platform"] = on_platform(platform, planned)
    return found


def on_scenario(scenario: Scenario, planned: Planned) -> dict[str, Any]:
    """What a network takes of a scenario's limits."""
    return {
        "name": scenario.name,
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


def on_platform(name: str, planned: Planned | None) -> dict[str, Any]:
    """A platform's peaks, and the share of each that a network in a scenario takes: what a network can reach lies far
    below. A prediction of latency belongs here: the platform and the network in its scenario are at hand.
    """
    platform = platforms.load(name)
    peaks = {precision: platform.peak_ops_per_second(precision) for precision in PRECISIONS}
    known = {precision: peak for precision, peak in peaks.items() if peak is not None}
    found: dict[str, Any] = {
        "name": platform.name,
        "peak_gops": {precision: peak / units.GIGA for precision, peak in known.items()},
    }
    if planned is not None:
        found["share_of_peak"] = {precision: float(planned.required) / peak for precision, peak in known.items()}
    return found


def _planned(scenario: Scenario, candidate: Candidate, classes: int) -> Planned:
    networks = scenario.networks
    if len(networks) != 1:
        names = ", ".join(choice.name for choice in networks)
        raise BudgetnetError(f"--scenario: must choose one network, but {shorten(scenario.name)} chooses {names}")
    if scenario.class_count != classes:
        rule = f"must have as many classes as the run, {classes}"
        raise BudgetnetError(f"--scenario: {rule}, but {shorten(scenario.name)} has {scenario.class_count}")
    return plan.measure(scenario, candidate)
