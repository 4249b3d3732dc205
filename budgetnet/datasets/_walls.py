"""What lines a drawn street: buildings, fences, hedges. They stand on two curved lines beside the road.

A picture column meets such a line at one distance, found by cutting its viewing ray with the line; then row and
distance give the height on the wall. So bricks, windows and roofs get their perspective from column-wise figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from budgetnet.datasets._paint import INFRASTRUCTURE, Floats, cloudy, part, pick, white
from budgetnet.datasets._street import BUILDING, FAR, FENCE, GAP, HEDGE, Street

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

_END_WALL = 12.0
"""How deep a building is, in metres, where one sees past its neighbour."""

_WALL, _ROOF, _GLASS, _FRAME, _FRONT, _FASCIA, _LETTERS, _PANE = range(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walls:
    """Picture columns that meet a wall: how far off, on which side, which plot, how far along it, whether end-on."""

    columns: NDArray[np.int32]
    depth: Floats
    right: Mask
    plot: Indices
    along: Floats
    faces: Mask
    street: Street

    def of(self, name: str) -> Floats:
        """A figure of the plots, per column."""
        left, right = (getattr(side, name) for side in self.street.sides)
        picked: Floats = np.where(
            self.right if left.ndim == 1 else self.right[:, None], right[self.plot], left[self.plot]
        )
        return picked

    def only(self, keep: Mask) -> "_Walls":
        """Some of the columns."""
        parts = {name: getattr(self, name)[keep] for name in ("columns", "depth", "right", "plot", "along", "faces")}
        return _Walls(street=self.street, **parts)


def draw_walls(street: Street, shift: Floats, picture: Floats, labels: NDArray[np.uint8], depth: Floats) -> Floats:
    """Draw both sides of the street; returns how far each column sees along the ground, in metres."""
    near, ends = _meetings(street)
    reach = np.full(street.camera.width, 2 * FAR, np.float32)
    for walls in (ends, near):  # far to near: a building's end shows above its neighbour's fence
        reach[walls.columns] = walls.depth
        _draw(street, walls, shift, picture, labels, depth)
    return reach


def _meetings(street: Street) -> tuple[_Walls, _Walls]:
    """Walls along the street, and walls across it: ends of buildings beyond something lower."""
    camera = street.camera
    ray = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.column) / camera.focal
    met = [_meet(street, ray, sign * side.facade) for sign, side in zip((-1, 1), street.sides, strict=True)]
    right = met[1] < met[0]
    depth = np.minimum(*met)
    plots = [side.plot_at(depth) for side in street.sides]
    every = _Walls(
        columns=np.arange(camera.width, dtype=np.int32),
        depth=depth,
        right=right,
        plot=np.where(right, plots[1], plots[0]),
        along=depth,
        faces=np.zeros(camera.width, bool),
        street=street,
    )
    kinds = every.of("kinds")
    near = every.only((depth < FAR) & (kinds != GAP))
    beyond = every.of("next_building").astype(np.intp)
    start = np.where(right, street.sides[1].starts[beyond], street.sides[0].starts[beyond])
    centre = street.offset + street.slope * start + 0.5 * street.bend * start * start
    lateral = np.abs(ray * start - centre) - np.where(
        right, np.float32(street.sides[1].facade), np.float32(street.sides[0].facade)
    )
    across = (kinds != BUILDING) & (depth < start) & (start < FAR) & (lateral > 0) & (lateral < _END_WALL)
    ends = _Walls(
        columns=every.columns, depth=start, right=right, plot=beyond, along=lateral, faces=across, street=street
    ).only(across)
    return near, ends


def _meet(street: Street, ray: Floats, facade: float) -> Floats:
    """Nearest distance at which rays meet a line parallel to the street: the smaller positive root of a quadratic."""
    a, b, c = street.bend / 2, street.slope - ray, street.offset + facade
    root = b * b - 4 * a * c
    q = -0.5 * (b + np.copysign(np.sqrt(np.maximum(root, 0)), b))
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.stack([q / np.float32(a), c / q])
    nearest: Floats = np.where((both > 0.3) & (root >= 0), both, np.float32(np.inf)).min(axis=0)
    return nearest


def _draw(
    street: Street, walls: _Walls, shift: Floats, picture: Floats, labels: NDArray[np.uint8], depth: Floats
) -> None:
    camera, along = street.camera, walls.along
    tops = _tops(walls, shift)
    if not len(tops):
        return
    scale = camera.focal / walls.depth
    last = int(min(camera.height, np.max(camera.horizon + camera.above * scale) + 1))
    first = int(max(0, np.min(camera.horizon - (tops - camera.above) * scale)))
    if last <= first:
        return
    rows = np.arange(first, last, dtype=np.float32)[:, None] + 0.5
    up = (camera.above + (camera.horizon - rows) / scale).astype(np.float32, copy=False)
    mask = (up >= 0) & (up < tops)
    leafy = walls.of("kinds") == HEDGE
    seed = along * 7 + walls.of("ends") * 3 + 512
    tone = np.where(leafy, np.float32(0.3), walls.of("coarseness")) * pick(cloudy(), up * 7 + 512, seed)
    tone += np.where(leafy, np.float32(0.35), np.float32(0.1)) * (pick(white(), up * 22 + 512, seed * 3) - 0.5)
    tone += 1
    tone *= np.where((walls.of("kinds") == FENCE) & (part(along * 5) < 0.4), np.float32(0.62), np.float32(1))  # pickets
    material = np.zeros(up.shape, np.int32)
    _open(street, walls, up, shift, material, tone)
    roof = (up > walls.of("heights")) & (walls.of("roofs") > 0)
    np.copyto(material, np.int32(_ROOF), where=roof)
    # The wall that looks to the sun; an end wall looks at the camera, so it is lit by a sun behind it.
    towards = np.where(walls.right, -1, 1) * street.light.side
    towards = np.where(walls.faces, -np.sign(street.light.ahead), towards)
    tone *= np.where(towards > 0, np.float32(1 + 0.3 * street.light.sun), np.float32(1 - 0.35 * street.light.sun))
    tone *= np.minimum(1, 0.78 + 0.2 * up)  # dirt, and little sky, near the ground
    # Paint the masked pixels only: about half of the band.
    columns = np.arange(len(along), dtype=np.int32)
    palette = _palette(street, walls)
    drawn = palette.reshape(-1, 3).take((material + columns * palette.shape[1])[mask], axis=0) * tone[mask][:, None]
    target = (walls.columns + np.arange(first, last, dtype=np.int32)[:, None] * camera.width)[mask]
    picture.reshape(-1, 3)[target] = drawn
    labels.reshape(-1)[target] = INFRASTRUCTURE
    depth.reshape(-1)[target] = np.broadcast_to(walls.depth, mask.shape)[mask]


def _tops(walls: _Walls, shift: Floats) -> Floats:
    """Height of the wall in each column, gables and ragged hedges included."""
    heights, roofs = walls.of("heights"), walls.of("roofs")
    middle = np.abs(part((walls.along - walls.of("ends")) / np.float32(14)) - 0.5)
    tops = heights + roofs
    tops += np.where(roofs == 0, walls.of("gables"), np.float32(0)) * np.maximum(0, 1 - middle * 3)
    ragged = pick(cloudy(), shift[:1], walls.along * 5 + shift[1]) * heights * 0.06
    return np.where(walls.of("kinds") == HEDGE, tops + ragged, tops)


def _palette(street: Street, walls: _Walls) -> Floats:
    """Colour of each material, per column. Float32 (columns, materials, 3)."""
    night = street.light.night
    wall, shop = walls.of("colours"), walls.of("shop_colours")
    palette = np.empty((len(wall), 8, 3), np.float32)
    palette[:, _WALL], palette[:, _ROOF] = wall, walls.of("roof_colours")
    palette[:, _GLASS] = (1.0, 0.85, 0.55) if night else np.asarray(street.light.zenith) * 0.5 + 0.1
    palette[:, _FRAME] = wall * 0.3 + 0.45 * (walls.of("windows")[:, 4:] > 0.3)
    palette[:, _FRONT], palette[:, _FASCIA] = shop * 0.7, shop
    palette[:, _LETTERS], palette[:, _PANE] = 0.9 - 0.7 * shop, 1.0
    return palette


def _open(street: Street, walls: _Walls, up: Floats, shift: Floats, material: NDArray[np.int32], tone: Floats) -> None:
    """Put windows and shop fronts into buildings."""
    bay, storey, glazed, tall, glass = np.moveaxis(walls.of("windows"), -1, 0)
    building = walls.of("kinds") == BUILDING
    shop = building & (walls.of("shops") > 0)
    night = street.light.night
    floors, bays = (up - np.where(shop, np.float32(3.4), np.float32(0.7))) / storey, walls.along / bay
    aside, rise = np.abs(part(bays) - 0.5) * 2, np.abs(part(floors) - 0.5) * 2
    glazing = building & (aside < glazed)
    window = (rise < tall) & glazing & (floors > 0) & (up < walls.of("heights") - 0.3)
    bright = glass * (0.5 + 1.2 * pick(white(), floors + (shift[6] + 64), bays + shift[7]))
    if night:
        bright = np.where(bright > 0.55, np.float32(1.5), bright * 0.2)
    np.copyto(tone, bright, where=window)
    edge = window & ((rise > tall - 0.12) | (aside > glazed - 0.12))
    np.copyto(material, np.int32(_GLASS), where=window)
    np.copyto(material, np.int32(_FRAME), where=edge)
    np.copyto(tone, np.float32(1), where=edge)
    if not shop.any():
        return
    low = max(0, int(np.argmax((up < 3.3).any(axis=1))))
    up, material, tone = up[low:], material[low:], tone[low:]
    front = shop & (up < 3.3)
    np.copyto(material, np.int32(_FRONT), where=front)
    fascia = front & (up > 2.65)
    np.copyto(material, np.int32(_FASCIA), where=fascia)
    lettered = pick(white(), shift[:1], walls.along * 4) > 0.55
    np.copyto(material, np.int32(_LETTERS), where=fascia & (up > 2.8) & (up < 3.15) & lettered)
    pane = shop & (np.abs(part(walls.along / 2.3) - 0.5) < 0.42) & (up > 0.5) & (up < 2.5)
    goods = 0.06 + 0.55 * pick(white(), up * 9 + 64, walls.along * 9 + shift[2]) * pick(
        white(), up + 64, walls.along + shift[2]
    )
    np.copyto(material, np.int32(_PANE), where=pane)
    np.copyto(tone, goods * (1.6 if night else 1.0), where=pane)
