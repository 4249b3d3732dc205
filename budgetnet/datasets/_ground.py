"""The ground of a drawn street scene: a picture row lies at one distance, so patterns get perspective."""

import numpy as np
from numpy.typing import NDArray

from budgetnet.datasets._paint import INFRASTRUCTURE, ROAD, SIDEWALK, Floats, cloudy, part, pick, white
from budgetnet.datasets._street import FAR, GAP, HEDGE, Street

Mask = NDArray[np.bool_]

_ONE = np.float32(1)


def draw_ground(
    street: Street, shift: Floats, first: int, picture: Floats, labels: NDArray[np.uint8], depth: Floats
) -> None:
    """Draw the rows from `first` on. The arrays are those rows' part of the picture."""
    camera = street.camera
    rows = np.arange(first, camera.height, dtype=np.float32)[:, None] + 0.5
    z = np.minimum(camera.focal * camera.above / np.maximum(rows - camera.horizon, 0.05), 4 * FAR)
    x = (np.arange(camera.width, dtype=np.float32)[None, :] + 0.5 - camera.column) * (z / camera.focal)
    u = x - (street.offset + street.slope * z + 0.5 * street.bend * z * z)
    road, walk, kerb = _zones(street, u, z)
    ids = np.where(road, np.uint8(ROAD), np.where(walk, np.uint8(SIDEWALK), np.uint8(INFRASTRUCTURE)))
    labels[:] = ids
    depth[:] = z
    # Metres that a row covers. Where a pixel covers many cells of a pattern, it fades to its mean, as it would in a
    # camera.
    step = z * z / (camera.focal * camera.above)
    fine = (pick(white(), z * 28 + shift[0], u * 28 + 4096) - 0.5) * (0.3 / (1 + step * 12))
    stains = pick(cloudy(), z * 1.3 + shift[2], u * 5 + 4096) * 0.05
    grain = pick(cloudy(), z * 9 + shift[4], u * 12 + 4096) * (0.06 / (1 + step * 3))
    tone = 1 + stains + grain + fine
    on_road = tone * _joints(street.road_slab, u, z, step)
    _wear(street, u, z, on_road)
    worn = stains + fine > -0.12
    paint = _markings(street, u, z) & worn
    on_road = np.where(paint, on_road * 0.25 + (0.62 / max(street.road_colour)), on_road)
    on_walk = tone * _joints(street.walk_slab, u, z, step) + np.where(kerb, np.float32(0.15), np.float32(0))
    tone = np.where(road, on_road, np.where(walk, on_walk, 1 + grain * 3 + stains * 3 + fine))
    tone *= _ground_light(street, u, z)
    palette = np.zeros((4, 3), np.float32)
    palette[INFRASTRUCTURE], palette[ROAD], palette[SIDEWALK] = (
        street.grass_colour,
        street.road_colour,
        street.walk_colour,
    )
    np.multiply(palette.take(ids, axis=0), tone[..., None], out=picture)


def _zones(street: Street, u: Floats, z: Floats) -> tuple[Mask, Mask, Mask]:
    """Where there is road, pavement, and (as part of the pavement) kerb."""
    road = np.zeros(u.shape, bool)
    walk, kerb = road.copy(), road.copy()
    for sign, side in zip((-1, 1), street.sides, strict=True):
        out = u if sign > 0 else -u
        plot = side.plot_at(z)
        gap = side.kinds[plot] == GAP
        # A gap between buildings is a side street, with its own pavements.
        into = gap & (plot > 0) & (z > side.starts[plot] + 1.5) & (z < side.ends[plot] - 1.5)
        here = (out > 0) & ((out < side.road) | into)
        road |= here
        if side.paved:
            rest = (out > 0) & ~here
            edge = rest & (out < side.road + 0.14)
            walk |= edge | (rest & (out > side.verge) & ((out < side.facade) | gap))
            kerb |= edge
    return road, walk, kerb


def _joints(slab: tuple[float, float, float], u: Floats, z: Floats, step: Floats) -> Floats | np.float32:
    across, along, dark = slab
    if across < 0.05:
        return _ONE
    rows, columns = z / along, u / across + 4096
    seen = np.clip(1.3 - 2 * step / along, 0, 1)
    joint = (part(rows) < (0.025 + step * 0.5) / along) | (part(columns) < (0.025 + z * 0.001) / across)
    slabs = 1 + (seen * 0.2) * (pick(white(), rows, columns) - 0.5)
    jointed: Floats = np.where(joint, slabs - seen * dark, slabs)
    return jointed


def _wear(street: Street, u: Floats, z: Floats, tone: Floats) -> None:
    """Wheel tracks, and mended patches."""
    tone *= 1 - 0.05 * np.cos(u * (4 * np.pi / street.lane))
    for middle, start, width, length, change in street.patches:
        rows = np.flatnonzero(np.abs(z[:, 0] - start) < length)
        if len(rows):
            band = slice(rows[0], rows[-1] + 1)
            tone[band] *= np.where(np.abs(u[band] - middle) < width, change, _ONE)


def _markings(street: Street, u: Floats, z: Floats) -> Mask:
    half = 0.07 + z * 0.0006
    out = np.abs(u)
    off_line = np.abs(out - np.round(out / street.lane) * street.lane)
    mask: Mask = (off_line < half) & ((z + street.lane * 7) % 9 < 4.5)
    if street.lane > 3.3:  # a solid, double centre line
        mask |= np.abs(out - 0.12) < half
    if street.lane < 3.1:
        left, right = street.sides
        mask |= (np.abs(u + left.road - 0.3) < half) | (np.abs(u - right.road + 0.3) < half)
    if street.crossing is not None:
        start, end = street.crossing
        mask = np.where((z > start) & (z < end), part(u) < 0.5, mask)
        mask |= (z > start - 1.6) & (z < start - 1.2) & (u > 0)
    return mask


def _ground_light(street: Street, u: Floats, z: Floats) -> Floats | np.float32:
    """Sunlight, or the shadow of what lines the sunny side of the street."""
    light = street.light
    if light.sun < 0.05:
        return _ONE
    side = street.sides[0 if light.side < 0 else 1]
    away = np.maximum(side.facade - u * light.side, 0)
    lookup = np.arange(0, 512, dtype=np.float32)
    plot = side.plot_at(lookup)
    heights = np.where(lookup < side.ends[-1], side.heights[plot] + side.roofs[plot], np.float32(0))
    ragged = np.where(side.kinds[plot] == HEDGE, np.float32(1.5), np.float32(0))
    at = np.clip(z + away * light.ahead, 0, 511).astype(np.int32)
    top = heights.take(at)
    if ragged.any():
        top += ragged.take(at) * pick(cloudy(), z * 6, u * 6 + 4096)
    lit: Floats = np.where(
        away * light.elevation < top, np.float32(1 - 0.5 * light.sun), np.float32(1 + 0.25 * light.sun)
    )
    return lit
