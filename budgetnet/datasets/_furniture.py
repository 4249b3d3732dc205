"""What stands on the pavements of drawn street scenes: trees, lamps, signs, bollards, and clutter that has no class."""

import numpy as np

from budgetnet.datasets._paint import (
    INFRASTRUCTURE,
    VOID,
    Canvas,
    Colour,
    Floats,
    Rng,
    cloudy,
    pick,
    shade,
    tinted,
    white,
)
from budgetnet.datasets._street import Camera

_BRIGHT: tuple[Colour, ...] = (
    (0.75, 0.1, 0.12),
    (0.1, 0.25, 0.65),
    (0.85, 0.7, 0.1),
    (0.85, 0.85, 0.85),
    (0.1, 0.45, 0.2),
)


def draw_tree(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float, leaf: Colour, bare: bool) -> None:
    """Draw a tree rooted at (x, z) metres: a crown of leaves, or branches only."""
    canvas.begin(INFRASTRUCTURE, z)
    trunk, crown = rng.uniform(1.8, 3.2), rng.uniform(1.2, 2.8)
    bark = tinted(rng, 0.12, 0.3, 0.2)
    scale = camera.focal / z
    foot, fork = camera.project(x, 0, z), camera.project(x, trunk, z)
    thick = rng.uniform(0.16, 0.4) * scale
    canvas.polygon(
        [
            (foot[0] - thick / 2, foot[1]),
            (fork[0] - thick / 3, fork[1]),
            (fork[0] + thick / 3, fork[1]),
            (foot[0] + thick / 2, foot[1]),
        ],
        bark,
    )
    if bare:
        _branch(canvas, rng, fork, (0.0, -crown * 0.8 * scale), thick * 0.6, shade(bark, 0.9), 4)
        return
    if scale * crown < 1.5:
        canvas.ellipse(fork[0], fork[1] - crown * scale, crown * scale, crown * scale, leaf)
        return
    _crown(
        canvas,
        camera,
        rng,
        (fork[0], fork[1] - crown * 0.85 * scale),
        crown * scale,
        shade(leaf, rng.uniform(0.7, 1.2)),
    )


def _branch(
    canvas: Canvas,
    rng: Rng,
    root: tuple[float, float],
    grow: tuple[float, float],
    thick: float,
    bark: Colour,
    left: int,
) -> None:
    tip = root[0] + grow[0], root[1] + grow[1]
    canvas.line([root, tip], bark, thick)
    if left == 0 or abs(grow[0]) + abs(grow[1]) < 5:
        return
    for turn in rng.uniform(-0.9, 0.9, 2 if left < 4 else 3):
        c, s = float(np.cos(turn)) * 0.72, float(np.sin(turn)) * 0.72
        _branch(canvas, rng, tip, (grow[0] * c - grow[1] * s, grow[0] * s + grow[1] * c), thick * 0.62, bark, left - 1)


def _crown(canvas: Canvas, camera: Camera, rng: Rng, middle: tuple[float, float], radius: float, leaf: Colour) -> None:
    left, right = max(0, int(middle[0] - radius * 1.2)), min(camera.width, int(middle[0] + radius * 1.2) + 1)
    top, bottom = max(0, int(middle[1] - radius * 1.2)), min(camera.height, int(middle[1] + radius * 1.2) + 1)
    if right <= left or bottom <= top:
        return
    shift = rng.uniform(64, 256, 2)
    rows = (np.arange(top, bottom, dtype=np.float32)[:, None] - middle[1]) / radius
    columns = (np.arange(left, right, dtype=np.float32)[None, :] - middle[0]) / radius
    clumps = pick(cloudy(), rows * 22 + float(shift[0]), columns * 22 + float(shift[1]))
    leaves = pick(white(), rows * 40 + float(shift[0]), columns * 40 + float(shift[1]))
    mask = rows * rows + columns * columns + clumps * 0.28 + leaves * 0.25 < 0.95
    tone: Floats = np.clip(0.85 - 0.3 * rows + 0.22 * clumps + 0.5 * (leaves - 0.5), 0.1, 2)
    canvas.stamp(left, top, tone[..., None] * np.asarray(leaf, np.float32), mask)


def draw_lamp(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float, inward: int, night: bool) -> None:
    """Draw a street lamp, or a traffic light; `inward` (-1 or 1) points to the road."""
    canvas.begin(INFRASTRUCTURE, z)
    steel, scale = tinted(rng, 0.15, 0.6, 0.06), camera.focal / z
    signal = rng.random() < 0.3
    top = rng.uniform(3.0, 3.6) if signal else rng.uniform(4.5, 8.5)
    foot, head = camera.project(x, 0, z), camera.project(x, top, z)
    canvas.line([foot, head], steel, 0.13 * scale)
    if not signal:
        tip = camera.project(x + inward * rng.uniform(0.4, 1.8), top + 0.2, z)
        canvas.line([head, tip], steel, 0.09 * scale)
        canvas.ellipse(
            *tip, max(1.0, 0.35 * scale), max(0.7, 0.12 * scale), (1.4, 1.2, 0.8) if night else shade(steel, 0.8)
        )
        return
    half, tall = 0.17 * scale, 0.95 * scale
    canvas.polygon(
        [
            (head[0] - half, head[1]),
            (head[0] + half, head[1]),
            (head[0] + half, head[1] + tall),
            (head[0] - half, head[1] + tall),
        ],
        (0.05, 0.05, 0.05),
    )
    lit = rng.integers(0, 3)
    for index, colour in enumerate(((1.0, 0.15, 0.1), (1.0, 0.7, 0.1), (0.1, 0.9, 0.4))):
        radius = max(0.5, 0.11 * scale)
        canvas.ellipse(
            head[0], head[1] + tall * (index + 0.5) / 3, radius, radius, colour if index == lit else (0.1, 0.1, 0.1)
        )


def draw_sign(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float) -> None:
    """Draw a traffic sign or a bollard."""
    canvas.begin(INFRASTRUCTURE, z)
    scale, steel = camera.focal / z, tinted(rng, 0.2, 0.7, 0.05)
    low = rng.random() < 0.3
    top = rng.uniform(0.8, 1.1) if low else rng.uniform(2.1, 3.0)
    foot, (head_x, head_y) = camera.project(x, 0, z), camera.project(x, top, z)
    canvas.line([foot, (head_x, head_y)], steel, (0.16 if low else 0.07) * scale)
    if low:
        return
    size, face, rim = rng.uniform(0.28, 0.45) * scale, _BRIGHT[rng.integers(0, 5)], _BRIGHT[rng.integers(0, 5)]
    shape = rng.integers(0, 3)
    for share, colour in ((1.0, rim), (0.72, face)):
        r = size * share
        if shape == 0:
            canvas.ellipse(head_x, head_y, r, r, colour)
        elif shape == 1:
            canvas.polygon(
                [(head_x, head_y - r), (head_x + r, head_y + r * 0.75), (head_x - r, head_y + r * 0.75)], colour
            )
        else:
            canvas.polygon(
                [
                    (head_x - r, head_y - r),
                    (head_x + r, head_y - r),
                    (head_x + r, head_y + r),
                    (head_x - r, head_y + r),
                ],
                colour,
            )


def draw_clutter(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float) -> None:
    """Draw a bin, a box or a barrier: things that no class is made for."""
    canvas.begin(VOID, z)
    half, tall, colour = rng.uniform(0.2, 0.6), rng.uniform(0.5, 1.3), tinted(rng, 0.1, 0.7, 0.45)
    near, depth = z - half * 0.6, half * 0.6
    front = [camera.project(x + a * half, up * tall, near) for a, up in ((-1, 0), (-1, 1), (1, 1), (1, 0))]
    top = [camera.project(x + a * half, tall, z + b * depth) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    canvas.shadow(
        [camera.project(x + a * half * 1.3, 0, z + b * depth * 1.3) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))],
        0.4,
    )
    side = -1 if x > 0 else 1
    canvas.polygon(
        [camera.project(x + side * half, up * tall, z + b * depth) for up, b in ((0, -1), (1, -1), (1, 1), (0, 1))],
        shade(colour, 0.6),
    )
    canvas.polygon(front, shade(colour, 0.85))
    canvas.polygon(top, shade(colour, 1.15))
    if rng.random() < 0.4:
        band = [camera.project(x + a * half, up * tall, near) for a, up in ((-1, 0.5), (-1, 0.75), (1, 0.75), (1, 0.5))]
        canvas.polygon(band, tinted(rng, 0.2, 0.9, 0.5))


def draw_bonnet(canvas: Canvas, camera: Camera, rng: Rng) -> None:
    """Draw the front of the car that carries the camera, along the lower edge of the picture."""
    canvas.begin(VOID, 0.0)
    height, width = camera.height, camera.width
    rise, colour = height * rng.uniform(0.03, 0.12), tinted(rng, 0.05, 0.6, 0.3)
    xs = np.linspace(-0.1, 1.1, 15)
    for share, tone in ((1.0, 0.8), (0.8, 1.0), (0.45, 0.85)):
        arc = [(float(x) * width, height - rise * share * (1 - (1.7 * (float(x) - 0.5)) ** 2)) for x in xs]
        canvas.polygon([*arc, (width * 1.1, height + 1.0), (-width * 0.1, height + 1.0)], shade(colour, tone))
