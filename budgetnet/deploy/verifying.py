"""ONNX Runtime against torch: the same images through both, and how far apart the answers lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.deploy.running import Deployed, Pixels
from budgetnet.errors import BudgetnetError

TOLERANCE: Final = 1e-4
"""How far a score of an fp32 model may lie from torch's, where scores are 1 or less; of the largest one where they are
more: torch's own lie as far from those of float64.
"""

LEAST_SAME: Final = 0.99
"""Of the pixels must be of torch's class where maxima decide what goes where, as in SegNet."""

Reference: TypeAlias = Callable[[Pixels], NDArray[Any]]
"""Uint8 images (n, 3, height, width) -> the scores of torch, float32 (n, classes, height, width)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How a model's answers compare with torch's on `images` images, in batches of these sizes.

    `difference` is the largest absolute one of a score. Where the model gives classes it is half of what torch's score
    of the chosen class lacks of its best one: scores that are no further apart than that choose no other. `largest` is
    torch's largest absolute score, `same` the share of pixels of the same class.
    """

    images: int
    batches: tuple[int, ...]
    difference: float
    largest: float
    same: float

    @property
    def relative(self) -> float:
        """The difference as a share of the largest score, or of 1 where that is less."""
        return self.difference / max(1.0, self.largest)


def verify(model: Deployed, reference: Reference, images: Pixels) -> Agreement:
    """Runs uint8 images (n, 3, height, width) through both: the first one alone, then all of them together; in batches
    of its own size where that is fixed.
    """
    sizes = (model.interface.batch,) if model.interface.batch else (1, len(images))
    difference, largest, same = 0.0, 0.0, []
    for size in sizes:
        for start in range(0, len(images) if model.interface.batch else 1, size):
            part = images[start : start + size]
            expected = reference(part)
            found = model(part)
            classes = found if model.interface.gives == "classes" else found.argmax(axis=1)
            difference = max(difference, _difference(found, expected))  # not a number stays: see `require`
            largest = max(largest, float(np.abs(expected).max()))
            same.append(classes == expected.argmax(axis=1))
    pixels = sum(each.size for each in same)
    return Agreement(
        images=len(images),
        batches=tuple(sizes),
        difference=difference,
        largest=largest,
        same=sum(int(each.sum()) for each in same) / pixels,
    )


def require(found: Agreement, what: str, *, unpools: bool = False, tolerance: float = TOLERANCE) -> None:
    """Raises BudgetnetError where a model does not compute what torch does.

    One that `unpools` may differ further here and there: of two elements that are as good as equal either may be the
    largest, and what is put back goes to the one or the other place. There classes must agree.
    """
    if unpools:
        if not (np.isfinite(found.difference) and found.same >= LEAST_SAME):
            rule = f"must give torch's class at {LEAST_SAME:.0%} of all pixels in ONNX Runtime"
            raise BudgetnetError(f"{what}: {rule}, but does at {found.same:.2%}; nothing was written")
    elif not found.relative <= tolerance:
        rule = f"must give torch's scores within {tolerance:g} of the largest, {found.largest:.3g}, in ONNX Runtime"
        raise BudgetnetError(f"{what}: {rule}, but one differs by {found.difference:.3g}; nothing was written")


def require_finite(found: Agreement, what: str) -> None:
    """Raises BudgetnetError where a score is no number, as when maps grow beyond what a precision holds."""
    if not np.isfinite(found.difference):
        raise BudgetnetError(f"{what}: must give finite scores, but gives others; nothing was written")


def noise(count: int, height: int, width: int) -> Pixels:
    """Images of random pixels, the same ones every time: uint8 (count, 3, height, width)."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def samples(images: NDArray[Any] | None, places: Sequence[int], height: int, width: int) -> Pixels:
    """The images to verify with: those at some places of (n, height, width, 3), and random ones."""
    random = noise(2, height, width)
    if images is None:
        return random
    real = [np.moveaxis(np.asarray(images[place]), -1, 0) for place in places]
    return np.ascontiguousarray(np.stack([*real, *random]))


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Infinite where one of them is no number."""
    if found.ndim == expected.ndim:
        apart = float(np.abs(found.astype("float64") - expected).max())
    else:
        chosen = np.take_along_axis(expected, found[:, None].astype("int64"), axis=1)[:, 0]
        apart = float((expected.max(axis=1) - chosen).max()) / 2
    return apart if np.isfinite(apart) else float("inf")
