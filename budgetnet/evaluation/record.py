"""All that an evaluation found, and what it was made from. Plain records: reports read them, JSON keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median, quantiles
from typing import Any, Literal, TypeAlias, final

from budgetnet.classes import ClassList
from budgetnet.evaluation import figures
from budgetnet.evaluation.figures import Counts, Figures, ImageFigures, Mistake

Kinship: TypeAlias = Literal["scored", "trained", "changed", "other", "unknown"]
"""How images and labels relate to the run: it was `scored` or `trained` on these very ones; they bear the names of its
own but are `changed`; they are `other` ones; or the run does not tell (`unknown`).
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What forward pass and argmax of one image took, reading by reading, and on what."""

    milliseconds: tuple[float, ...]
    warm_up: int
    height: int
    width: int
    device: str
    threads: int

    @property
    def median(self) -> float:
        """Half of the readings were below."""
        return median(self.milliseconds)

    @property
    def middle_half(self) -> tuple[float, float]:
        """From the first to the third quartile."""
        first, _, third = quantiles(self.milliseconds, n=4, method="inclusive")
        return first, third


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One network on one split. `confusion` has a row per class and one for pixels without a class, int64 (classes +
    1, classes); `per_image` is as `figures.of_images` takes it. `recorded` is the mean IoU that the run itself noted.

    `run`, `data`, `settings` and `made_by` tell where all of it comes from, by names that people read.
    """

    classes: ClassList
    names: tuple[str, ...]
    confusion: Counts
    per_image: Counts
    timing: Timing
    split: str
    kinship: Kinship
    recorded: float
    run: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    made_by: Mapping[str, Any]

    @cached_property
    def figures(self) -> Figures:
        """Pixels without a class left out."""
        return figures.without_void(self.confusion, self.classes)

    @cached_property
    def figures_with_void(self) -> Figures | None:
        """Pixels without a class as pixels of the void class; None where there is no such class."""
        return figures.with_void(self.confusion, self.classes)

    @cached_property
    def images(self) -> tuple[ImageFigures, ...]:
        """Image by image, in the order of the data."""
        return figures.of_images(self.names, self.per_image, self.classes)

    @cached_property
    def ranked(self) -> tuple[int, ...]:
        """Places of the images that have labels, the lowest mean IoU first."""
        scored = [
            (each.mean_iou, each.name, place) for place, each in enumerate(self.images) if each.mean_iou is not None
        ]
        return tuple(place for _, _, place in sorted(scored))

    @cached_property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What was called what instead, the most frequent first."""
        return figures.mistakes(self.confusion, self.classes)
