"""The still part of a drawn street scene, far to near: sky, skyline, ground, walls. Whole-picture array arithmetic."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from budgetnet.datasets._ground import draw_ground
from budgetnet.datasets._paint import INFRASTRUCTURE, SKY, Floats, Rng, cloudy, pick, to_bytes, to_ink, white
from budgetnet.datasets._street import FAR, Street
from budgetnet.datasets._walls import draw_walls


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """Picture, RGB; labels, 8-bit, in source ids; how far each column sees along the ground, in metres."""

    picture: Image.Image
    labels: Image.Image
    reach: Floats


def draw_backdrop(street: Street, rng: Rng) -> Backdrop:
    """Draw everything that does not stand in the street."""
    camera = street.camera
    picture = np.empty((camera.height, camera.width, 3), np.float32)
    labels = np.empty((camera.height, camera.width), np.uint8)
    depth = np.zeros((camera.height, camera.width), np.float32)
    shift = rng.uniform(0, 256, 8).astype(np.float32)
    first = min(max(int(camera.horizon) + 1, 1), camera.height - 1)
    _draw_sky(street, shift, picture[:first])
    labels[:first] = SKY
    _draw_skyline(street, rng, shift, picture[:first], labels[:first], depth[:first])
    draw_ground(street, shift, first, picture[first:], labels[first:], depth[first:])
    reach = draw_walls(street, shift, picture, labels, depth)
    # From here on in bytes: Pillow mixes them several times faster than NumPy does float32.
    clear = Image.fromarray(to_bytes(picture))
    veil = Image.fromarray(to_bytes(1 - np.exp(depth * -street.light.haze)))
    fog = Image.new("RGB", clear.size, to_ink(street.light.fog))
    return Backdrop(picture=Image.composite(fog, clear, veil), labels=Image.fromarray(labels), reach=reach)


def _draw_sky(street: Street, shift: Floats, picture: Floats) -> None:
    camera, light = street.camera, street.light
    up = ((camera.horizon - np.arange(len(picture), dtype=np.float32)) / camera.height)[:, None]
    across = (np.arange(camera.width, dtype=np.float32)[None, :] - camera.column) / camera.width
    far = 1 / (np.maximum(up, 0) + 0.12)
    clouds = pick(cloudy(), far * 40 + shift[0], across * far * 60 + (shift[1] + 1000))
    clouds *= 0.3
    clouds += (shift[2] / 128 - 1) * 0.6
    cover = np.clip(clouds, 0, 0.3 if light.night else 0.85, out=clouds)
    fog, zenith = np.asarray(light.fog, np.float32), np.asarray(light.zenith, np.float32)
    high = np.clip(up * 2, 0, 1)[..., None]
    clear = fog + (zenith - fog) * high
    np.multiply(fog * 1.05 - clear, cover[..., None], out=picture)
    picture += clear
    if light.sun > 0.5 and light.ahead > 0:
        distance = (up - light.elevation * 0.3) ** 2 + (across - light.side * 0.4) ** 2
        picture += (0.5 * light.sun * np.exp(-distance * 14))[..., None]


def _draw_skyline(
    street: Street, rng: Rng, shift: Floats, picture: Floats, labels: NDArray[np.uint8], depth: Floats
) -> None:
    """The end of the street: blocks and trees, as tall as the tile of noise says."""
    camera = street.camera
    metres = np.arange(camera.width, dtype=np.float32) / camera.focal * FAR
    blocks = pick(white(), shift[3:4], metres / rng.uniform(8, 25) + shift[3])
    trees = pick(cloudy(), shift[4:5], metres * 1.5 + shift[5])
    leafy = blocks < rng.uniform(0.1, 0.9)
    tops = np.where(leafy, 5 + trees * 1.5, 4 + blocks * rng.uniform(2, 22))
    first = max(0, int(camera.horizon - float(tops.max()) * camera.focal / FAR))
    rows = np.arange(first, len(picture), dtype=np.float32)[:, None]
    above = camera.above + (camera.horizon - rows) * (FAR / camera.focal)
    mask = above < tops
    grain = 1 + np.where(leafy, np.float32(0.2), np.float32(0.05)) * pick(cloudy(), above * 3 + shift[6], metres * 3)
    leaf, stone = np.asarray(street.grass_colour, np.float32) * 0.9, (0.3 + 0.4 * blocks)[:, None]
    tones = np.where(leafy[:, None], leaf, stone)
    np.copyto(picture[first:], tones * grain[..., None], where=mask[..., None])
    np.copyto(labels[first:], np.uint8(INFRASTRUCTURE), where=mask)
    np.copyto(depth[first:], np.float32(FAR), where=mask)
