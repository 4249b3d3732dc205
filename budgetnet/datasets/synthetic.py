"""Drawn street scenes, made from a seed: `synthetic`, or `synthetic:train=256,val=64,seed=3`. Nothing to download.

Streets in perspective with buildings, trees, traffic and people, in changing weather and light, seen through a camera
with blur and noise. Colours of the classes overlap on purpose (grey roads, grey pavements, grey walls, grey cars), so
telling them apart takes texture and surroundings. For trying things out and for tests: a network trained on it is of
no use on a road.

Image `index` of a split depends on seed, split, index and size only, not on how many are made; a scene drawn at two
sizes is the same scene. Training and validation images come from random streams of their own.
"""

from functools import cache, partial
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from budgetnet.datasets import Listing, Pixels, Sample, Source
from budgetnet.datasets._backdrop import draw_backdrop
from budgetnet.datasets._cast import paint_cast
from budgetnet.datasets._paint import INFRASTRUCTURE, PEOPLE, ROAD, SIDEWALK, SKY, VEHICLES, VOID, Canvas, Rng
from budgetnet.datasets._street import Light, draw_street
from budgetnet.errors import BudgetnetError, did_you_mean, shorten

SOURCE_CLASSES = {
    SKY: "sky",
    INFRASTRUCTURE: "infrastructure",
    ROAD: "road",
    SIDEWALK: "sidewalk",
    VEHICLES: "vehicles",
    PEOPLE: "vulnerable road users",
    VOID: "void",
}

_DEFAULTS = {"train": 256, "val": 64, "seed": 0}
_LIMITS = {"train": (1, 100_000), "val": (1, 100_000), "seed": (0, 2**32 - 1)}
_STREAMS = {"train": 0, "val": 1}


def find(argument: str) -> Source:
    """Images still to be drawn. Raises BudgetnetError listing what is wrong with the argument."""
    settings = _settings(argument)
    splits = {split: Listing(samples=_samples(split, settings)) for split in _STREAMS}
    return Source(classes=SOURCE_CLASSES, splits=splits)


def _samples(split: str, settings: dict[str, int]) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            name=f"{split}-{index:05d}",
            image=f"synthetic image {index} of {split}",
            labels=f"labels of synthetic image {index} of {split}",
            read=partial(draw, settings["seed"], split, index),
        )
        for index in range(settings[split])
    )


@cache
def _keep_memory() -> None:
    """Spares the kernel from handing out the same memory anew for every array: a fifth of the time to draw an image.

    glibc maps large arrays one by one until the first of that size is given back, and keeps their memory from then on.
    Elsewhere this does nothing.
    """
    np.empty(30_000_000, np.uint8)


def draw(seed: int, split: str, index: int, height: int, width: int) -> tuple[Pixels, Pixels]:
    """One image, uint8 (height, width, 3) RGB, and its labels, uint8 (height, width), in source ids."""
    _keep_memory()
    rng = np.random.default_rng((seed, _STREAMS[split], index))
    # What is drawn and how it is photographed draw from streams of their own, so a change of the one leaves the other.
    scenery, cast, lens = rng.spawn(3)
    street = draw_street(scenery, height, width)
    backdrop = draw_backdrop(street, scenery)
    canvas = Canvas(backdrop.picture, backdrop.labels, fog=street.light.fog, haze=street.light.haze)
    paint_cast(street, canvas, backdrop.reach, cast)
    return _photograph(canvas.picture, street.light, lens), np.asarray(canvas.labels)


def _settings(argument: str) -> dict[str, int]:
    settings, faults = dict(_DEFAULTS), []
    parts = argument.split(",") if argument else []
    for part in parts:
        name, equals, value = part.partition("=")
        if name not in _DEFAULTS or not equals:
            faults.append(
                f"settings must read name=number{did_you_mean(name, list(_DEFAULTS))}, but got {shorten(part)}"
            )
            continue
        low, high = _LIMITS[name]
        if not (value.isascii() and value.isdecimal() and len(value) < 12 and low <= int(value) <= high):
            faults.append(f"{name} must be a whole number from {low} to {high}, but got {shorten(value)}")
        elif sum(other.partition("=")[0] == name for other in parts) > 1:
            faults.append(f"{name} must be given once, but got {shorten(part)} and another")
        else:
            settings[name] = int(value)
    if faults:
        raise BudgetnetError("\n".join(f"synthetic: {fault}" for fault in faults))
    return settings


def _photograph(picture: Image.Image, light: Light, rng: Rng) -> Pixels:
    """What a camera makes of it: blur, exposure, white balance, darker corners, noise. In bytes: Pillow is fast."""
    width, height = picture.size
    picture = picture.filter(ImageFilter.BoxBlur(width / 480 * (0.2 + 0.7 * rng.random() ** 2)))
    contrast, gain = rng.uniform(0.85, 1.25), light.gain * rng.uniform(0.9, 1.1)
    curves: list[int] = []
    for tint in (1 + light.warmth, 1.0, 1 - light.warmth):
        level = np.clip(np.arange(256) / 255 * gain * tint, 0, None) ** contrast
        curves += np.clip(level * 255, 0, 255).astype(int).tolist()
    picture = picture.point(curves)
    picture = ImageChops.multiply(picture, _vignette(height, width, rng.uniform(0, 0.35)))
    strength = rng.uniform(2, 9) * (1.6 if light.night else 1)
    # Random bytes, through a table of the normal distribution's quantiles: much faster than normal numbers.
    table = np.clip(128.5 + strength * _normal_quantiles(), 0, 255).astype(int).tolist()
    noise = Image.frombytes("RGB", picture.size, rng.bytes(height * width * 3)).point(table * 3)
    return np.asarray(ImageChops.add(picture, noise, 1, -128), np.uint8)


@cache
def _normal_quantiles() -> NDArray[np.float64]:
    return np.array([NormalDist().inv_cdf((level + 0.5) / 256) for level in range(256)])


def _vignette(height: int, width: int, strength: float) -> Image.Image:
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) ** 2 for size in (height, width))
    edge = (255 - (127 * strength * rows)[:, None] - 127 * strength * columns).astype(np.uint8)
    return Image.merge("RGB", (Image.fromarray(edge),) * 3)
