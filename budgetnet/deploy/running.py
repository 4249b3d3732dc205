"""A deployed model at work: uint8 images in, what the model says out, however many images it takes at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.deploy.opening import Interface
from budgetnet.deploy.writer import IMAGES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Pixels: TypeAlias = NDArray[np.uint8]
Prepare: TypeAlias = Callable[[Pixels], Any]
"""Uint8 images (n, 3, height, width) -> what the model takes."""

MOST: Final = 8
"""Images in a batch: more gain nothing on a processor."""

_PIXELS = MOST * 320 * 480


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """An opened model with what it takes and gives; `prepare` is done to images before."""

    session: "InferenceSession"
    interface: Interface
    prepare: Prepare

    @property
    def at_once(self) -> int:
        """How many images go in one batch."""
        known = self.interface
        return known.batch or at_once(known.height, known.width)

    def __call__(self, images: Pixels) -> NDArray[Any]:
        """Uint8 images (n, 3, height, width) -> scores (n, classes, height, width), or classes (n, height, width).

        With a fixed batch what is missing is filled up with the last image, and left out again.
        """
        count, batch = len(images), self.interface.batch
        if batch is not None and count < batch:
            images = np.concatenate([images, np.repeat(images[-1:], batch - count, axis=0)])
        (found,) = self.session.run(None, {IMAGES: self.prepare(images)})
        return np.asarray(found)[:count]

    def classes(self, images: Pixels) -> NDArray[Any]:
        """Uint8 images (n, 3, height, width) -> class indices (n, height, width); the lowest of equal scores."""
        found = self(images)
        return found if self.interface.gives == "classes" else found.argmax(axis=1)


def at_once(height: int, width: int) -> int:
    """How many images of a size go together, so that their maps fit in memory."""
    return max(1, min(MOST, _PIXELS // (height * width)))


def batches(images: NDArray[Any], size: int) -> Iterator[Pixels]:
    """Uint8 images (n, height, width, 3), of which only a batch is read at a time -> (n, 3, height, width)."""
    for start in range(0, len(images), size):
        yield turned(images[start : start + size])


def turned(images: Any) -> Pixels:
    """(n, height, width, 3) -> (n, 3, height, width), as models take them."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def spread(count: int, wanted: int) -> list[int]:
    """Places of `wanted` of `count` things, evenly spread; all of them where there are no more."""
    wanted = min(wanted, count)
    return [(2 * index + 1) * count // (2 * wanted) for index in range(wanted)]
