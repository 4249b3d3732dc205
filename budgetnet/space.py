"""The search space: which values each parameter may take, and all candidates that follow."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value

LARGEST = 50_000
"""More candidates than this are refused: counting them one by one would take a minute and more."""

Space = Mapping[str, Sequence[Value]]


def complete_space(network: str, given: Space) -> dict[str, tuple[Value, ...]]:
    """The values of every parameter that matters: those given, and what the family and its chosen heads propose.

    Parameters of heads that are not searched are left out: a new head changes nothing for the others. `given` must
    have been checked.
    """
    chosen = family(network)
    space = {p.name: tuple(given.get(p.name, p.space)) for p in chosen.declaration.PARAMETERS}
    for head in space.get("head", ()):
        for parameter in chosen.head_parameters(str(head)):
            space.setdefault(parameter.name, tuple(given.get(parameter.name, parameter.space)))
    return space


def candidates(network: str, space: Space) -> list[Candidate]:
    """Every candidate of the space, once each, in the space's order. Parameters left out take the family's proposal.

    Raises BudgetnetError on a bad value, or a space of more than `LARGEST`.
    """
    full = complete_space(network, space)
    size = prod(len(values) for values in full.values())
    if size > LARGEST:
        raise BudgetnetError(f"search_space: must hold {LARGEST:,} candidates or fewer, but got {size:,}")
    combinations = (dict(zip(full, values, strict=True)) for values in product(*full.values()))
    # a parameter of a head that is not chosen is dropped by `of`, so combinations may name one candidate twice
    return list(dict.fromkeys(Candidate.of(network, values) for values in combinations))
