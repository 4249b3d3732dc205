"""Pedestrians and cyclists of drawn street scenes: flat figures in proportions of the body's height."""

from budgetnet.datasets._paint import PEOPLE, Canvas, Colour, Rng, shade, tinted
from budgetnet.datasets._street import Camera

_SKINS: tuple[Colour, ...] = ((0.85, 0.66, 0.55), (0.7, 0.5, 0.4), (0.5, 0.34, 0.25), (0.3, 0.2, 0.15))


class _Figure:
    """Places parts given in body heights (across, up) around a foot point on the road."""

    def __init__(self, canvas: Canvas, camera: Camera, x: float, z: float, tall: float, mirror: int) -> None:
        self.canvas, self.scale = canvas, camera.focal * tall / z
        self.foot_x, self.foot_y = camera.project(x, 0, z)
        self.mirror = mirror

    def at(self, across: float, up: float) -> tuple[float, float]:
        return self.foot_x + self.mirror * across * self.scale, self.foot_y - up * self.scale

    def part(self, colour: Colour, *points: tuple[float, float]) -> None:
        self.canvas.polygon([self.at(*point) for point in points], colour)

    def limb(self, colour: Colour, thick: float, *points: tuple[float, float]) -> None:
        self.canvas.line([self.at(*point) for point in points], colour, thick * self.scale)

    def blob(self, colour: Colour, across: float, up: float, wide: float, high: float) -> None:
        self.canvas.ellipse(*self.at(across, up), wide * self.scale, high * self.scale, colour)


def cloth(rng: Rng) -> Colour:
    """A colour of clothes: mostly dark and dull, sometimes bright."""
    return tinted(rng, 0.04, 0.35, 0.25) if rng.random() < 0.65 else tinted(rng, 0.3, 0.85, 0.5)


def draw_pedestrian(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float) -> None:
    """Draw a random person on foot, standing at (x, z) metres."""
    tall = rng.uniform(1.5, 1.92) if rng.random() < 0.88 else rng.uniform(0.95, 1.4)
    figure = _Figure(canvas, camera, x, z, tall, int(rng.choice((-1, 1))))
    coat, trousers, skin = cloth(rng), cloth(rng), _SKINS[rng.integers(0, 4)]
    stride, girth, swing = rng.uniform(0, 0.11), rng.uniform(0.9, 1.3), rng.uniform(-0.12, 0.12)
    canvas.begin(PEOPLE, z)
    canvas.shadow([figure.at(-0.2, 0), figure.at(0, 0.03), figure.at(0.2, 0), figure.at(0, -0.03)], 0.4)
    hem = rng.choice((0.5, 0.5, 0.46, 0.3))
    for side, tone in ((-1, 0.75), (1, 1.0)):
        step = side * (0.04 + stride)
        leg = shade(trousers, tone)
        figure.part(leg, (side * 0.01, 0.5), (side * 0.1, 0.5), (step + 0.035, 0.02), (step - 0.035, 0.02))
        figure.part((0.06, 0.05, 0.05), (step - 0.04, 0.03), (step + 0.06, 0.03), (step + 0.07, 0), (step - 0.04, 0))
    wide = 0.115 * girth
    figure.limb(shade(coat, 0.7), 0.065, (-wide, 0.78), (-wide - 0.03 - swing, 0.6), (-wide + swing, 0.47))
    figure.part(
        coat,
        (-wide * 0.85, hem),
        (-wide, 0.72),
        (-wide * 0.75, 0.83),
        (wide * 0.75, 0.83),
        (wide, 0.72),
        (wide * 0.85, hem),
    )
    figure.limb(shade(coat, 0.85), 0.065, (wide, 0.78), (wide + 0.03 + swing, 0.6), (wide - swing, 0.47))
    figure.part(skin, (-0.03, 0.82), (-0.03, 0.88), (0.03, 0.88), (0.03, 0.82))
    hair = tinted(rng, 0.03, 0.4, 0.3)
    figure.blob(hair, 0, 0.935, 0.056, 0.066)
    if rng.random() < 0.6:
        figure.blob(skin, 0.012, 0.92, 0.042, 0.05)
    if rng.random() < 0.3:
        bag = cloth(rng)
        figure.part(bag, (wide, 0.62), (wide + 0.1, 0.62), (wide + 0.1, 0.42), (wide, 0.42))


def draw_cyclist(canvas: Canvas, camera: Camera, rng: Rng, x: float, z: float, aside: float) -> None:
    """Draw a random cyclist at (x, z) metres; `aside` is 0 seen along, 1 seen from the side."""
    figure = _Figure(canvas, camera, x, z, rng.uniform(1.65, 1.9), int(rng.choice((-1, 1))))
    coat, trousers, skin, frame = cloth(rng), cloth(rng), _SKINS[rng.integers(0, 4)], tinted(rng, 0.05, 0.6, 0.5)
    canvas.begin(PEOPLE, z)
    reach = 0.3 * aside
    canvas.shadow([figure.at(-reach - 0.1, 0), figure.at(0, 0.03), figure.at(reach + 0.1, 0), figure.at(0, -0.03)], 0.4)
    for hub in (-reach, reach):
        ring = [(hub + 0.19 * max(aside, 0.1) * c, 0.19 + 0.19 * s) for c, s in _RING]
        figure.limb((0.05, 0.05, 0.05), 0.03, *ring)
    figure.limb(frame, 0.025, (-reach, 0.19), (-reach * 0.3, 0.48), (reach * 0.75, 0.5), (0.0, 0.2), (-reach, 0.19))
    figure.limb(frame, 0.025, (reach, 0.19), (reach * 0.75, 0.56))
    wide, lean = 0.06 + 0.06 * (1 - aside), 0.24 * aside
    pedal = rng.uniform(-0.06, 0.06)
    for side, tone in ((-1, 0.7), (1, 1.0)):
        knee = (0.06 * side * (1 - aside) + 0.14 * aside, 0.4 + side * pedal)
        figure.limb(
            shade(trousers, tone), 0.08, (-reach * 0.3, 0.56), knee, (side * 0.05 * (1 - aside), 0.15 + side * pedal)
        )
    hip, neck = -reach * 0.35, -reach * 0.35 + lean
    figure.part(coat, (hip - wide, 0.54), (neck - wide * 1.2, 0.86), (neck + wide * 1.2, 0.88), (hip + wide, 0.54))
    figure.limb(shade(coat, 0.8), 0.06, (neck + wide * 0.6, 0.82), (neck + 0.1, 0.68), (reach * 0.75 + 0.02, 0.62))
    figure.blob(skin, neck + 0.02, 0.95, 0.045, 0.06)
    figure.blob(tinted(rng, 0.05, 0.8, 0.4), neck + 0.01, 0.985, 0.055, 0.04)


_RING = (
    (1.0, 0.0),
    (0.71, 0.71),
    (0.0, 1.0),
    (-0.71, 0.71),
    (-1.0, 0.0),
    (-0.71, -0.71),
    (0.0, -1.0),
    (0.71, -0.71),
    (1.0, 0.0),
)
