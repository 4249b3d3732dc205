"""Images and labels cut and scaled to one size: images by exact area means, labels by the nearest pixel."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from budgetnet.classes import IGNORE
from budgetnet.datasets import Pixels
from budgetnet.errors import BudgetnetError, shorten

MIN_SIDE, MAX_SIDE = 32, 16384
"""Smallest and largest height or width, in pixels: networks halve an image five times; PNG and memory end somewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The size that images and labels are brought to, after a central part of `crop` (height, width) was cut out.

    Without a `crop` it is the largest central part of the wanted aspect ratio. Raises BudgetnetError for a size that
    no network takes.
    """

    height: int
    width: int
    crop: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for side, value in (("height", self.height), ("width", self.width)):
            if not MIN_SIDE <= value <= MAX_SIDE:
                raise BudgetnetError(f"{side} must be from {MIN_SIDE} to {MAX_SIDE} pixels, but got {shorten(value)}")
        if self.crop is not None and not all(1 <= side <= MAX_SIDE for side in self.crop):
            high, wide = self.crop
            raise BudgetnetError(f"crop must be from 1 to {MAX_SIDE} pixels a side, but got {high} x {wide}")

    def window(self, height: int, width: int) -> Window:
        """The part that is used of an image of this size. Raises ValueError where it is smaller than the crop."""
        if self.crop is None:
            high = min(height, max(1, round(width * self.height / self.width)))
            wide = min(width, max(1, round(height * self.width / self.height)))
        else:
            high, wide = self.crop
            if high > height or wide > width:
                raise ValueError(f"must be {high} x {wide} pixels or more to be cropped, but is {height} x {width}")
        return Window(top=(height - high) // 2, left=(width - wide) // 2, height=high, width=wide)

    def image(self, image: Pixels) -> Pixels:
        """Uint8 (h, w, 3) -> (height, width, 3): exact area means where it shrinks, else bilinear."""
        cut = _cut(image, self.window(*image.shape[:2]))
        if cut.shape[:2] == (self.height, self.width):
            return cut
        if cut.shape[0] >= self.height and cut.shape[1] >= self.width:
            return _area(cut, self.height, self.width)
        grown = Image.fromarray(np.ascontiguousarray(cut)).resize((self.width, self.height), Image.Resampling.BILINEAR)
        return np.asarray(grown, np.uint8)

    def labels(self, labels: Pixels) -> Pixels:
        """Uint8 (h, w) -> (height, width), by the nearest pixel: no value that was not there."""
        cut = _cut(labels, self.window(*labels.shape))
        rows, columns = _nearest(self.height, cut.shape[0]), _nearest(self.width, cut.shape[1])
        return cut if cut.shape == (self.height, self.width) else cut[rows[:, None], columns]

    def restored(self, answers: Pixels, height: int, width: int) -> Pixels:
        """Class indices (height, width) of an image that was brought to this form -> of the image as it was, uint8
        (h, w): by the nearest pixel, and `IGNORE` outside of the part that is used.
        """
        part = self.window(height, width)
        rows, columns = _nearest(part.height, self.height), _nearest(part.width, self.width)
        made = np.full((height, width), IGNORE, np.uint8)
        _cut(made, part)[:] = answers[rows[:, None], columns]
        return made


def _cut(pixels: Pixels, part: Window) -> Pixels:
    return pixels[part.top : part.top + part.height, part.left : part.left + part.width]


def _nearest(size: int, old: int) -> NDArray[np.intp]:
    """For each of `size` pixels the one of `old` whose centre is nearest to its own."""
    return ((2 * np.arange(size) + 1) * old // (2 * size)).astype(np.intp)


def _area(image: Pixels, height: int, width: int) -> Pixels:
    """Each new pixel is the mean over the area it covers, parts of old pixels counting in part.

    (Pillow's box filter counts a pixel whole or not at all, which shifts edges where the scale is no whole number.)
    """
    # All whole numbers until the one division: rows stay below 2^24, which float32 holds exactly, both below 2^53.
    rows = _summed(image.astype(np.float32), 0, height)
    sums = _summed(rows.astype(np.float64), 1, width)
    means: Pixels = (sums / (image.shape[0] * image.shape[1]) + 0.5).astype(np.uint8)
    return means


def _summed(pixels: NDArray[np.floating], axis: int, size: int) -> NDArray[np.floating]:
    """Sums over what each of `size` new rows or columns covers, in units of 1 / `size` of an old one."""
    taken, weights = _covers(size, pixels.shape[axis])
    shape = [1, 1, 1]
    shape[axis] = size
    total = np.zeros([*pixels.shape[:axis], size, *pixels.shape[axis + 1 :]], pixels.dtype)
    for indices, weight in zip(taken, weights, strict=True):
        total += np.take(pixels, indices, axis=axis) * weight.reshape(shape).astype(pixels.dtype)
    return total


@cache
def _covers(size: int, old: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `old` pixels each of `size` new ones covers and how much of it, both (most covered, size)."""
    # In units of 1 / size of an old pixel everything is a whole number: a new pixel is `old` wide, an old one `size`.
    starts = np.arange(size) * old
    first = starts // size
    most = int(((starts + old - 1) // size - first).max()) + 1
    indices = first + np.arange(most)[:, None]
    lows, highs = np.maximum(indices * size, starts), np.minimum((indices + 1) * size, starts + old)
    return np.minimum(indices, old - 1), np.maximum(highs - lows, 0)
