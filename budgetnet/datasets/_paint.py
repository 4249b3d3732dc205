"""Brushes for drawn street scenes: noise that repeats, colours, and a canvas that paints picture and labels at once."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SKY, INFRASTRUCTURE, ROAD, SIDEWALK, VEHICLES, PEOPLE, VOID = range(7)
"""Source ids of the drawn scenes."""

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 1 and beyond: clipped when painted."""
Point = tuple[float, float]
Rng = np.random.Generator

_SIDE = 256


@cache
def white() -> Floats:
    """A tile of independent values, 0 to 1. Float32 (256, 256)."""
    return np.random.default_rng(1).random((_SIDE, _SIDE), np.float32)


@cache
def cloudy() -> Floats:
    """A tile that repeats without a seam and varies at all scales, the large ones most; mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(np.random.default_rng(2).standard_normal((_SIDE, _SIDE))) / frequency**1.15
    tile = np.fft.irfft2(spectrum, s=(_SIDE, _SIDE))
    scaled: Floats = (tile / tile.std()).astype(np.float32)
    return scaled


def pick(tile: Floats, rows: Floats, columns: Floats) -> Floats:
    """The tile's values at positions from 0 up (in cells), repeating. The two position arrays broadcast."""
    # In place and in the index type `take` wants: half of the cost of drawing is fresh memory for whole-picture arrays.
    down, across = rows.astype(np.intp), columns.astype(np.intp)
    down &= _SIDE - 1
    down <<= 8
    across &= _SIDE - 1
    fits = across.shape == np.broadcast_shapes(down.shape, across.shape)
    at = np.bitwise_or(down, across, out=across) if fits else down | across
    return tile.ravel().take(at)


def part(values: Floats) -> Floats:
    """The fractional part; many times faster than `values % 1`."""
    rest: Floats = values - np.floor(values)
    return rest


def shade(colour: Colour, factor: float) -> Colour:
    """The colour, brighter or darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour, the rest of the one."""
    keep = 1 - share
    return one[0] * keep + other[0] * share, one[1] * keep + other[1] * share, one[2] * keep + other[2] * share


def tinted(rng: Rng, low: float, high: float, chroma: float) -> Colour:
    """A random grey between `low` and `high`, each channel off by up to `chroma` of it."""
    grey = rng.uniform(low, high)
    red, green, blue = grey * (1 + chroma * rng.uniform(-1, 1, 3))
    return float(red), float(green), float(blue)


def to_ink(colour: Colour) -> tuple[int, int, int]:
    """The colour in bytes."""
    red, green, blue = colour
    return int(min(max(red, 0), 1) * 255), int(min(max(green, 0), 1) * 255), int(min(max(blue, 0), 1) * 255)


def to_bytes(values: Floats) -> NDArray[np.uint8]:
    """0 to 1 as 0 to 255. The array given is used up."""
    np.multiply(values, 255, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


class Canvas:
    """A picture and its labels, painted together, later strokes over earlier ones. Positions in pixels, (x, y).

    `fog` and `haze` fade what is painted at a distance: the share of fog colour is 1 - exp(-haze * metres).
    """

    def __init__(self, picture: Image.Image, labels: Image.Image, *, fog: Colour, haze: float) -> None:
        self.picture, self.labels = picture, labels
        self._paint, self._mark = ImageDraw.Draw(self.picture, "RGBA"), ImageDraw.Draw(self.labels)
        self._fog, self._haze = fog, haze
        self._veil = 0.0
        self.label = VOID

    def begin(self, label: int, distance: float) -> None:
        """Whatever follows is of this class and at this distance in metres."""
        self.label, self._veil = label, 1 - float(np.exp(-self._haze * distance))

    def ink(self, colour: Colour) -> tuple[int, int, int]:
        """The colour as painted at the current distance, in bytes."""
        return to_ink(mix(colour, self._fog, self._veil) if self._veil > 0.02 else colour)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._paint.polygon(points, self.ink(colour))
        self._mark.polygon(points, self.label)

    def detail(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon that lies within what the same thing has painted: its labels are there already."""
        self._paint.polygon(points, self.ink(colour))

    def ellipse(self, x: float, y: float, across: float, up: float, colour: Colour) -> None:
        """Fill an ellipse given by its centre and half axes."""
        box = (x - across, y - up, x + across, y + up)
        self._paint.ellipse(box, self.ink(colour))
        self._mark.ellipse(box, self.label)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw a line at least one pixel wide."""
        pixels = max(1, round(width))
        self._paint.line(points, self.ink(colour), pixels)
        self._mark.line(points, self.label, pixels)

    def shadow(self, points: Sequence[Point], strength: float) -> None:
        """Darken what lies under a polygon; it keeps its class."""
        self._paint.polygon(points, (8, 10, 20, int(255 * strength)))

    def stamp(self, left: int, top: int, texture: Floats, mask: NDArray[np.bool_]) -> None:
        """Paint a texture, (height, width, 3) 0 to 1, where the mask says so."""
        fogged = texture * (1 - self._veil) + np.asarray(self._fog, np.float32) * self._veil
        patch = Image.fromarray(to_bytes(fogged))
        where = Image.fromarray(mask.astype(np.uint8) * 255)
        self.picture.paste(patch, (left, top), where)
        self.labels.paste(self.label, (left, top), where)
