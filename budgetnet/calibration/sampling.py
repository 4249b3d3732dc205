"""Networks over a whole search space, drawn so that every value of every parameter comes up alike."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from budgetnet import heads
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Value

NETWORK: Final = "mobilenet-fcn"
EXTRA: Final[Mapping[str, tuple[Value, ...]]] = {
    "output_stride": (32, 16),
    "upsampling": ("transposed", "bilinear", "resize-convolution"),
}
"""Values beside those that the family proposes: layers of these kinds would be missing."""


def candidates(count: int, seed: int) -> list[Candidate]:
    """So many different MobileNet-FCNs of all heads. The same seed gives the same ones."""
    drawn = random.Random(seed)  # noqa: S311 (a sample, no secret)
    found: dict[Candidate, None] = {}
    kinds = heads.names()
    while len(found) < count:
        head = kinds[len(found) % len(kinds)]
        made = _candidate(head, drawn)
        if made is not None:
            found[made] = None
    return list(found)


def _candidate(head: str, drawn: random.Random) -> Candidate | None:
    """One with this head; None where its values do not go together."""
    chosen = family(NETWORK)
    own = [parameter for parameter in chosen.declaration.PARAMETERS if parameter.name != "head"]
    values: dict[str, Value] = {"head": head}
    for parameter in (*own, *chosen.head_parameters(head)):
        choices: Sequence[Value] = EXTRA.get(parameter.name, parameter.space)
        values[parameter.name] = drawn.choice(choices)
    try:
        return Candidate.of(NETWORK, values)
    except BudgetnetError:
        return None
