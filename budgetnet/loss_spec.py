"""What a training makes small, as text: `cross_entropy`, or a weighted sum such as `cross_entropy + 0.5 * lovasz`.

The names are those of the files in `training/losses/`, of which none is imported to read a sum.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, final

from budgetnet.errors import did_you_mean, shorten
from budgetnet.plugins import module_names

RULE = "must be a sum of losses, each with its weight before it where that is not 1: cross_entropy + 0.5 * lovasz"

NEED_WEIGHTS: Final = frozenset({"weighted_cross_entropy"})
TAKE_WEIGHTS: Final = NEED_WEIGHTS | {"focal"}
"""Losses that are another one without class weights, and those that heed them at all."""

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_TERM = re.compile(rf"\s*(?:(?P<weight>{_NUMBER})\s*\*\s*)?(?P<name>[a-z][a-z0-9_-]*)\s*", re.ASCII | re.IGNORECASE)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One loss of a sum."""

    weight: float
    name: str

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{repr(self.weight).removesuffix('.0')} * {self.name}"


@final
@dataclass(frozen=True, slots=True)
class Sum:
    """Losses, each once, in the order they were written. As text it reads the same however it was written."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))


def names() -> list[str]:
    """The losses there are, as they are written in a sum."""
    return [name.replace("-", "_") for name in module_names("budgetnet.training.losses")]


def parse(text: str) -> Sum:
    """The sum that a text says. Names may be written with `-` for `_`.

    Raises ValueError with the rule that is broken, without the text: who asked adds it.
    """
    terms, place = [], 0
    while found := _TERM.match(text, place):
        terms.append(_term(found))
        place = found.end()
        if place == len(text) or text[place] != "+":
            break
        place += 1
    else:
        raise ValueError(RULE)
    if place < len(text):
        raise ValueError(RULE)
    written = [term.name for term in terms]
    twice = next((name for name in written if written.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"must name each loss once, and {twice!r} is there {written.count(twice)} times")
    return Sum(tuple(terms))


def _term(found: re.Match[str]) -> Term:
    known = names()
    name = found["name"].lower().replace("-", "_")
    if name not in known:
        raise ValueError(f"must name known losses, and {shorten(found['name'])} is none{did_you_mean(name, known)}")
    weight = float(found["weight"] or 1)
    if not 0 < weight < math.inf:
        raise ValueError(f"must give losses weights above 0 and finite, and {name!r} has {found['weight']}")
    return Term(weight=weight, name=name)
