"""The search space: which values each parameter may take."""

from collections.abc import Mapping, Sequence
from math import prod

from budgetnet.networks import family
from budgetnet.parameters import Value

LARGEST = 10_000_000
"""More candidates than this are refused: counted together they take some seconds and up to two gigabytes of memory."""

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


def number(network: str, given: Space) -> int:
    """How many candidates a space holds: each head has its own parameters only. `given` must have been checked."""
    chosen, space = family(network), complete_space(network, given)
    own = prod(len(space[p.name]) for p in chosen.declaration.PARAMETERS if p.name != "head")
    if "head" not in space:
        return own
    heads = (chosen.head_parameters(str(head)) for head in space["head"])
    return own * sum(prod(len(space[p.name]) for p in parameters) for parameters in heads)
