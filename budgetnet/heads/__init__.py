"""Heads: what turns the features of a stem into one score per class and pixel. One file each, its name is its key.

A head file holds

- `PARAMETERS`: a tuple of `Parameter`, with `part="head"`;
- `add(g, stem, *, classes, **parameters) -> str`: adds its nodes to the builder `g` and returns the name of the last,
whose
  output has `classes` channels and the size of `stem.image`. Node names start with the head's own words. What counts
  in pixels (a map's stride, crops) counts in those of `stem.seen`, which may be a smaller copy of the image.

Counting, building and searching follow from that file; the contract tests find it by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast, final

from budgetnet.graph import GraphBuilder
from budgetnet.parameters import Parameter, Value
from budgetnet.plugins import load_module, module_names
from budgetnet.units import Number


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """What a head builds on. `image` has the size that scores are wanted in; `seen` is the image as the stem gets it:
    the same, or a smaller copy. `features` is the deepest map, `stride` how many pixels of `seen` one of its cells
    spans each way.

    `taps` holds the last map of every stride, stride -> node name, for heads that take details from earlier maps.
    """

    image: str
    seen: str
    features: str
    stride: int
    taps: Mapping[int, str]


class Head(Protocol):
    """A head file, as its users see it."""

    PARAMETERS: tuple[Parameter, ...]

    def add(self, g: GraphBuilder, stem: Stem, *, classes: Number, **parameters: Value) -> str:
        """Adds the head's nodes, returns the last one's name."""
        ...


def names() -> list[str]:
    """Keys of all heads."""
    return module_names(__name__)


@cache
def head(name: str) -> Head:
    """The head `name`. Raises BudgetnetError naming the known ones when there is none."""
    return cast(Head, load_module(__name__, name, "head"))
