"""Words of the command line -> values. Every refusal states the rule, then the word."""

import re
from collections.abc import Sequence

from budgetnet.errors import BudgetnetError, shorten
from budgetnet.networks import SMALLEST_SIDE, Candidate, family
from budgetnet.parameters import Value

LARGEST_SIDE = 8192


def candidate(network: str, words: Sequence[str]) -> Candidate:
    """`mobilenet-fcn`, `["depth_multiplier=0.5"]` -> the candidate. Raises BudgetnetError."""
    chosen = family(network)
    values: dict[str, Value] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise BudgetnetError(f"parameters must be given as NAME=VALUE, but got {shorten(word)}")
        if name in values:
            raise BudgetnetError(f"{name}: must be given once, but got it again as {shorten(word)}")
        try:
            values[name] = chosen.parameter(name).parse(text)
        except ValueError as error:
            raise BudgetnetError(f"{name}: {error}, but got {shorten(text)}") from None
    made = Candidate.of(network, values)
    for name in values.keys() - made.parameters.keys():
        raise BudgetnetError(
            f"{name}: must be a parameter of head {made.parameters.get('head')!r}, which has no such one"
        )
    return made


def size(word: str) -> tuple[int, int]:
    """`320x480` -> (320, 480). Raises BudgetnetError."""
    match = re.fullmatch(r"(\d{1,6})\s*[xX]\s*(\d{1,6})", word.strip(), re.ASCII)
    if match is None:
        raise BudgetnetError(f"--size: must be HEIGHTxWIDTH, such as 320x480, but got {shorten(word)}")
    height, width = int(match[1]), int(match[2])
    for side in (height, width):
        if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise BudgetnetError(f"--size: sides must be {SMALLEST_SIDE} to {LARGEST_SIDE}, but got {shorten(word)}")
    return height, width
