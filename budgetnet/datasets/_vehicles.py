"""Cars, vans, lorries and buses of drawn street scenes: a side profile, pushed out to its width and turned."""

from dataclasses import dataclass
from math import cos, sin

from budgetnet.datasets._paint import VEHICLES, Canvas, Colour, Point, Rng, mix, shade, tinted
from budgetnet.datasets._street import Camera, Light

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Half width, and a profile of (forward, up) points in metres, from the rear bumper over the roof to the front
    bumper.

    `screens` are the profile's edges that are glass; `sides` the side windows; `belt` is where the cabin begins to
    taper.
    """

    half: float
    belt: float
    profile: Outline
    screens: tuple[int, ...]
    sides: tuple[Outline, ...]
    wheels: tuple[float, float]
    wheel: float


BODIES = {
    "saloon": Body(
        half=0.88,
        belt=0.9,
        profile=(
            (-2.2, 0.25),
            (-2.28, 0.6),
            (-2.2, 0.95),
            (-1.65, 1.0),
            (-1.0, 1.42),
            (0.2, 1.45),
            (1.0, 1.0),
            (2.05, 0.82),
            (2.25, 0.6),
            (2.2, 0.25),
        ),
        screens=(3, 5),
        sides=(
            ((-1.35, 1.0), (-0.85, 1.34), (-0.4, 1.36), (-0.4, 0.98)),
            ((-0.3, 0.98), (-0.3, 1.36), (0.2, 1.36), (0.8, 0.98)),
        ),
        wheels=(-1.35, 1.4),
        wheel=0.31,
    ),
    "hatchback": Body(
        half=0.85,
        belt=0.92,
        profile=(
            (-1.85, 0.25),
            (-1.95, 0.6),
            (-1.9, 0.95),
            (-1.5, 1.45),
            (0.1, 1.52),
            (0.95, 1.02),
            (1.75, 0.85),
            (1.98, 0.6),
            (1.9, 0.25),
        ),
        screens=(2, 4),
        sides=(
            ((-1.55, 1.02), (-1.3, 1.36), (-0.5, 1.42), (-0.5, 1.0)),
            ((-0.4, 1.0), (-0.4, 1.42), (0.1, 1.42), (0.75, 1.0)),
        ),
        wheels=(-1.2, 1.25),
        wheel=0.3,
    ),
    "estate": Body(
        half=0.93,
        belt=1.05,
        profile=(
            (-2.2, 0.32),
            (-2.3, 0.7),
            (-2.25, 1.1),
            (-1.95, 1.66),
            (0.2, 1.7),
            (0.95, 1.14),
            (2.0, 0.98),
            (2.25, 0.7),
            (2.2, 0.32),
        ),
        screens=(2, 4),
        sides=(
            ((-1.95, 1.15), (-1.75, 1.55), (-0.6, 1.6), (-0.6, 1.12)),
            ((-0.5, 1.12), (-0.5, 1.6), (0.15, 1.6), (0.75, 1.12)),
        ),
        wheels=(-1.4, 1.4),
        wheel=0.36,
    ),
    "van": Body(
        half=1.0,
        belt=1.2,
        profile=(
            (-2.6, 0.35),
            (-2.65, 1.1),
            (-2.6, 2.15),
            (1.3, 2.2),
            (2.05, 1.25),
            (2.6, 1.0),
            (2.7, 0.6),
            (2.65, 0.35),
        ),
        screens=(3,),
        sides=(((0.6, 1.2), (0.6, 1.8), (1.25, 1.85), (1.75, 1.25)),),
        wheels=(-1.7, 1.7),
        wheel=0.35,
    ),
    "lorry": Body(
        half=1.22,
        belt=3.6,
        profile=((-4.0, 0.6), (-4.0, 3.3), (2.2, 3.3), (2.25, 2.75), (3.9, 2.7), (4.1, 1.5), (4.15, 0.45)),
        screens=(4,),
        sides=(((2.8, 1.6), (2.8, 2.4), (3.7, 2.4), (3.85, 1.6)),),
        wheels=(-2.6, 2.9),
        wheel=0.5,
    ),
    "bus": Body(
        half=1.25,
        belt=2.9,
        profile=(
            (-5.5, 0.35),
            (-5.55, 1.3),
            (-5.5, 2.7),
            (-5.2, 3.05),
            (5.2, 3.05),
            (5.5, 2.8),
            (5.55, 1.1),
            (5.5, 0.35),
        ),
        screens=(1, 5),
        sides=tuple(((x, 1.3), (x, 2.4), (x + 1.6, 2.4), (x + 1.6, 1.3)) for x in (-5.2, -3.4, -1.6, 0.2, 2.0, 3.6)),
        wheels=(-3.2, 3.6),
        wheel=0.5,
    ),
}

_NAMES = tuple(BODIES)
_ODDS = (0.25, 0.31, 0.23, 0.12, 0.05, 0.04)
_ODDS_NEAR = (0.32, 0.36, 0.26, 0.06, 0.0, 0.0)
_NEAREST = 0.7
"""Metres. Nothing that reaches nearer to the camera's plane is drawn: its corners would be behind it."""


def paint_colour(rng: Rng) -> Colour:
    """A colour of bodywork, as common as on the road: mostly white, grey and black, so walls have it too."""
    kind = rng.random()
    if kind < 0.45:
        return tinted(rng, 0.25, 0.8, 0.05)
    if kind < 0.62:
        return tinted(rng, 0.78, 0.98, 0.02)
    if kind < 0.78:
        return tinted(rng, 0.04, 0.14, 0.15)
    level = rng.uniform(0.2, 0.65)
    hues = (
        (1.3, 0.25, 0.22),
        (0.3, 0.5, 1.2),
        (0.4, 0.75, 0.45),
        (1.2, 0.95, 0.3),
        (0.75, 0.6, 0.45),
        (0.5, 0.8, 0.95),
    )
    red, green, blue = hues[rng.integers(0, len(hues))]
    return level * red, level * green, level * blue


def draw_vehicle(canvas: Canvas, camera: Camera, light: Light, rng: Rng, x: float, z: float, yaw: float) -> None:
    """Draw a random vehicle centred at (x, z), heading `yaw` (0: away from the camera), or none if it is too near."""
    # Long vehicles keep their distance: one that fills the picture teaches little.
    odds = _ODDS if z > 13 else _ODDS_NEAR
    body = BODIES[_NAMES[rng.choice(len(_NAMES), p=odds)]]
    colour, braking, size = paint_colour(rng), rng.random() < 0.4, rng.uniform(0.93, 1.08)
    _Vehicle(canvas, camera, light, body, x, z, yaw, size).draw(colour, braking)


class _Vehicle:
    def __init__(
        self, canvas: Canvas, camera: Camera, light: Light, body: Body, x: float, z: float, yaw: float, size: float
    ) -> None:
        self.canvas, self.camera, self.light, self.body = canvas, camera, light, body
        self.x, self.z, self.size = x, z, size
        self.sine, self.cosine = sin(yaw), cos(yaw)
        self.top = max(up for _, up in body.profile)

    def point(self, forward: float, across: float, up: float) -> Point:
        """Pixel of a point in the vehicle's own directions; `across` counts in half widths."""
        if up > self.body.belt:
            across *= 1 - 0.24 * (up - self.body.belt) / max(self.top - self.body.belt, 0.1)
        across, forward = across * self.body.half * self.size, forward * self.size
        x, z = self.x + forward * self.sine + across * self.cosine, self.z + forward * self.cosine - across * self.sine
        return self.camera.project(x, up * self.size, z)

    def draw(self, colour: Colour, braking: bool) -> None:
        body = self.body
        length = max(abs(forward) for forward, _ in body.profile)
        if self.z - self.size * (abs(self.cosine) * length + abs(self.sine) * body.half) < _NEAREST:
            return
        canvas = self.canvas
        canvas.begin(VEHICLES, self.z)
        pixels = self.camera.focal * self.top / self.z
        self.shadow(length)
        left, right = ([self.point(f, side, up) for f, up in body.profile] for side in (-1, 1))
        for side, points in ((-1, left), (1, right)):  # what is dark below the bodywork
            ground = [self.point(f, side * 0.96, 0.06) for f in (body.profile[-1][0] * 0.9, body.profile[0][0] * 0.9)]
            canvas.polygon([points[0], points[-1], *ground], (0.03, 0.03, 0.035))
        for end in (0, -1):
            tyre = [self.point(body.profile[end][0] * 0.9, side * 0.96, 0.04) for side in (-1, 1)]
            canvas.polygon([left[end], right[end], tyre[1], tyre[0]], (0.03, 0.03, 0.035))
        self.faces(colour, left, right, pixels)
        for side, points in ((-1, left), (1, right)):
            if _area(points) * side > 0:
                self.flank(side, points, colour, pixels)
        if pixels > 11:
            self.lamps(braking)

    def shadow(self, length: float) -> None:
        lean = -self.light.side * self.light.sun * 0.7 / max(self.light.elevation, 0.5)
        for reach, strength in ((1.02, 0.5), (1.15, 0.25)):
            corners = [(f * length * reach, a * reach) for f, a in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
            self.canvas.shadow([self.point(f, a, 0) for f, a in corners], strength)
        if abs(lean) > 0.2 and abs(self.cosine) > 0.8:
            lean *= 1 if self.cosine > 0 else -1
            corners = [(-length, 0), (-length, 1 + abs(lean)), (length, 1 + abs(lean)), (length, 0)]
            flip = 1 if lean > 0 else -1
            self.canvas.shadow([self.point(f, a * flip, 0) for f, a in corners], 0.45 * self.light.sun)

    def faces(self, colour: Colour, left: list[Point], right: list[Point], pixels: float) -> None:
        """The quads across the vehicle, far ones first."""
        profile = self.body.profile
        order = sorted(range(len(profile) - 1), key=lambda edge: -(profile[edge][0] * self.cosine))
        glass = mix((0.06, 0.07, 0.09), self.light.zenith, 0.25)
        for edge in order:
            quad = [left[edge], left[edge + 1], right[edge + 1], right[edge]]
            if _area(quad) <= 0:
                continue
            (f0, u0), (f1, u1) = profile[edge], profile[edge + 1]
            slope = abs(f1 - f0) / (abs(f1 - f0) + abs(u1 - u0) + 1e-6)
            self.canvas.polygon(quad, shade(colour, 0.72 + (0.38 + 0.2 * self.light.sun) * slope))
            if edge in self.body.screens and pixels > 5:
                self.canvas.detail(_inset(quad, 0.86), shade(glass, 0.8 + 0.9 * slope))

    def flank(self, side: int, points: list[Point], colour: Colour, pixels: float) -> None:
        body, canvas = self.body, self.canvas
        lit = side * self.cosine * self.light.side > 0
        bright = shade(colour, 1 + 0.2 * self.light.sun if lit else 0.85 - 0.25 * self.light.sun)
        canvas.polygon(points, bright)
        if pixels < 6:
            return
        front, rear = body.profile[-1][0], body.profile[0][0]
        sill = [self.point(f, side, up) for f, up in ((rear, 0.3), (rear, 0.52), (front, 0.52), (front, 0.3))]
        canvas.detail(sill, shade(bright, 0.75))
        glass = mix((0.05, 0.06, 0.07), self.light.fog, 0.18)
        for outline in body.sides:
            canvas.detail([self.point(f, side, up) for f, up in outline], glass)
        for axle in body.wheels:
            for radius, tone in ((1.0, 0.04), (0.6, 0.3)):
                r = body.wheel * radius
                rim = [(axle + r * cos(turn), body.wheel + r * sin(turn)) for turn in _TURNS]
                canvas.polygon([self.point(f, side * 1.01, up) for f, up in rim], (tone, tone, tone))

    def lamps(self, braking: bool) -> None:
        body = self.body
        rear = self.cosine > 0
        if abs(self.cosine) < 0.25:
            return
        forward = body.profile[1][0] if rear else body.profile[-2][0] * 0.99
        low, high = (0.66, 0.84) if self.body.belt < 1.3 else (0.8, 1.0)
        lamp: Colour = (0.95, 0.12, 0.1) if braking else (0.45, 0.06, 0.06)
        if not rear:
            lamp = (1.5, 1.5, 1.4) if self.light.night else (0.8, 0.82, 0.85)
        for side in (-1, 1):
            corners = ((0.6, low), (0.6, high), (0.95, high), (0.95, low))
            self.canvas.detail([self.point(forward, side * a, up) for a, up in corners], lamp)
        corners = ((-0.3, 0.45), (-0.3, 0.57), (0.3, 0.57), (0.3, 0.45))
        plate: Colour = (0.85, 0.75, 0.25) if rear else (0.85, 0.85, 0.82)
        self.canvas.detail([self.point(forward, a, up) for a, up in corners], plate)


_TURNS = tuple(index * 0.6283 for index in range(10))


def _area(points: list[Point]) -> float:
    """Twice the signed area; positive if the points run clockwise on the screen."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, [*points[1:], points[0]], strict=True))


def _inset(points: list[Point], share: float) -> list[Point]:
    x, y = sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)
    return [(x + (p[0] - x) * share, y + (p[1] - y) * share) for p in points]
