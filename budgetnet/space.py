"""The search space: which values each parameter may take.

Where values hang together, a space is several: each all combinations of its own values, and no candidate in two of
them.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value

LARGEST = 10_000_000
"""More candidates than this are refused: counted together they take some seconds and up to two gigabytes of memory."""

Space: TypeAlias = Mapping[str, Sequence[Value]]
"""Parameter -> the values that it may take: all combinations."""

Spaces: TypeAlias = Space | Sequence[Space]
"""A space, or several that are searched together."""


def alternatives(given: Spaces) -> tuple[Space, ...]:
    """The spaces that are searched together, one or more."""
    return (given,) if isinstance(given, Mapping) else tuple(given)


def complete_space(network: str, given: Spaces) -> dict[str, tuple[Value, ...]]:
    """The values of every parameter that matters: those given, and what the family and its chosen heads propose. Of
    several spaces the values of all.

    Parameters of heads that are not searched are left out: a new head changes nothing for the others. `given` must
    have been checked.
    """
    found: dict[str, tuple[Value, ...]] = {}
    for one in alternatives(given):
        for name, values in _complete(network, one).items():
            found[name] = tuple(dict.fromkeys([*found.get(name, ()), *values]))
    return found


def _complete(network: str, given: Space) -> dict[str, tuple[Value, ...]]:
    chosen = family(network)
    space = {p.name: tuple(given.get(p.name, p.space)) for p in chosen.declaration.PARAMETERS}
    for head in space.get("head", ()):
        for parameter in chosen.head_parameters(str(head)):
            space.setdefault(parameter.name, tuple(given.get(parameter.name, parameter.space)))
    return space


def number(network: str, given: Spaces) -> int:
    """How many candidates a space holds: each head has its own parameters only. `given` must have been checked."""
    return sum(_number(network, one) for one in alternatives(given))


def _number(network: str, given: Space) -> int:
    chosen, space = family(network), complete_space(network, given)
    own = prod(len(space[p.name]) for p in chosen.declaration.PARAMETERS if p.name != "head")
    if "head" not in space:
        return own
    heads = (chosen.head_parameters(str(head)) for head in space["head"])
    return own * sum(prod(len(space[p.name]) for p in parameters) for parameters in heads)


def in_both(network: str, first: Space, second: Space) -> Candidate | None:
    """A candidate that two spaces both hold; None where there is none. Both must have been checked."""
    chosen, one, other = family(network), complete_space(network, first), complete_space(network, second)
    theirs_too = {name: set(values) for name, values in other.items()}
    common = {name: [value for value in one[name] if value in theirs_too[name]] for name in one if name in other}
    own = [parameter.name for parameter in chosen.declaration.PARAMETERS]
    for head in common.get("head", [None]):
        theirs = () if head is None else chosen.head_parameters(str(head))
        needed = [*own, *(parameter.name for parameter in theirs)]
        if all(common[name] for name in needed):
            values = {name: common[name][0] for name in needed}
            return Candidate.of(network, values if head is None else {**values, "head": head})
    return None


def told_space(network: str, given: Spaces) -> dict[str, list[Value]] | list[dict[str, list[Value]]]:
    """A whole space as plain data for JSON; a list of them where several are searched together."""
    told = [
        {name: list(values) for name, values in complete_space(network, one).items()} for one in alternatives(given)
    ]
    return told[0] if isinstance(given, Mapping) else told
