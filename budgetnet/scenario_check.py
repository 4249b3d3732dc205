"""One scenario in a line: whether it is fine, and what it asks for."""

from math import prod

from budgetnet import units
from budgetnet.errors import BudgetnetError, printable
from budgetnet.grid import blocks
from budgetnet.scenario import Scenario, load
from budgetnet.space import LARGEST


def check(source: str) -> str:
    """What a scenario file, or a built-in scenario, asks for. Raises BudgetnetError with all its faults."""
    scenario = load(source)
    try:
        return summary(scenario)
    except BudgetnetError as error:
        raise BudgetnetError(f"{printable(source)}: {error}") from None


def summary(scenario: Scenario) -> str:
    """`urban: 4 cameras, 120 images/s, 300 GOPS, 72 candidates`. Raises BudgetnetError where a plan would refuse."""
    sizes = [sum(map(len, blocks(choice.family, choice.search_space))) for choice in scenario.networks]
    if prod(sizes) > LARGEST:
        rule = f"must hold {LARGEST:,} choices of networks or fewer"
        raise BudgetnetError(f"search_space: {rule}, but got {prod(sizes):,}")
    count = sum(group.count for group in scenario.groups)
    groups = f" in {len(scenario.groups)} groups" if len(scenario.groups) > 1 else ""
    parts = [
        units.counted(count, "camera", "cameras") + groups,
        f"{float(scenario.images_per_second):g} images/s",
        f"{scenario.budget_gops:g} GOPS" + (f" less {scenario.reserve:.0%}" if scenario.reserve else ""),
        *([f"{scenario.budget_mb:g} MB"] if scenario.budget_mb else []),
        f"{prod(sizes):,} {'candidate' if prod(sizes) == 1 else 'candidates'}",
    ]
    return f"{scenario.name}: {', '.join(parts)}"
