"""Who and what is in a drawn street scene, and where: a list of things to paint, farthest first."""

from collections.abc import Callable
from functools import partial
from math import atan, pi

import numpy as np

from budgetnet.datasets._furniture import draw_bonnet, draw_clutter, draw_lamp, draw_sign, draw_tree
from budgetnet.datasets._paint import Canvas, Floats, Rng
from budgetnet.datasets._people import draw_cyclist, draw_pedestrian
from budgetnet.datasets._street import Street
from budgetnet.datasets._vehicles import draw_vehicle


class _Cast:
    """Collects what is to be painted. Each thing gets its own random stream, so none depends on another."""

    def __init__(self, street: Street, canvas: Canvas, reach: Floats, rng: Rng) -> None:
        self.street, self.canvas, self.reach, self.rng = street, canvas, reach, rng
        self.found: list[tuple[float, Callable[[], None]]] = []

    def add(self, draw: Callable[..., None], u: float, z: float, **more: object) -> None:
        """Put a thing `u` to the right of the road's centre line, unless a wall hides the place."""
        camera = self.street.camera
        x = self.street.centre(z) + u
        column = min(max(int(camera.project(x, 0, z)[0]), 0), camera.width - 1)
        if self.reach[column] + 0.3 > z:
            self.found.append((z, partial(draw, self.canvas, camera, rng=self.rng.spawn(1)[0], x=x, z=z, **more)))

    def paint(self) -> None:
        for _, draw in sorted(self.found, key=lambda item: -item[0]):
            draw()


def paint_cast(street: Street, canvas: Canvas, reach: Floats, rng: Rng) -> None:
    """Paint traffic, parked cars, people, trees, street furniture and clutter onto the canvas."""
    cast = _Cast(street, canvas, reach, rng)
    busy, crowd = rng.uniform(0, 1), rng.uniform(0, 1) ** 1.5
    _traffic(cast, busy)
    for sign, side in zip((-1, 1), street.sides, strict=True):
        _parked(cast, sign, side.road)
        _roadside(cast, sign)
        _people(cast, sign, crowd)
    _crossers(cast, crowd)
    cast.paint()
    if rng.random() < 0.35:
        draw_bonnet(canvas, street.camera, rng)


def _heading(street: Street, z: float) -> float:
    return atan(street.slope + street.bend * z)


def _traffic(cast: _Cast, busy: float) -> None:
    street, rng = cast.street, cast.rng
    ours = 1 if street.offset < 0 else -1
    for lane in (-1, 1):
        z = rng.uniform(7, 40) if lane == ours else rng.uniform(8, 50)
        while z < 110 and rng.random() < 0.3 + 0.5 * busy:
            turn = 0.0 if lane == ours else pi
            u = lane * street.lane * 0.5 + rng.normal(0, 0.25)
            yaw = _heading(street, z) + turn + rng.normal(0, 0.05)
            cast.add(draw_vehicle, u, z, light=street.light, yaw=yaw)
            z += rng.uniform(7, 12) + rng.gamma(1.5, 14 * (1.2 - busy))
    if rng.random() < 0.22:  # one turns, or crosses
        z = rng.uniform(12, 40)
        yaw = float(rng.choice((-1, 1))) * rng.uniform(0.5, 2.2)
        cast.add(draw_vehicle, rng.uniform(-5, 5), z, light=street.light, yaw=yaw)


def _parked(cast: _Cast, sign: int, road: float) -> None:
    street, rng = cast.street, cast.rng
    bay = road - street.lane > 1.5
    if rng.random() > (0.8 if bay else 0.2):
        return
    density, angled = rng.uniform(0.15, 0.8), rng.random() < 0.15
    on_walk = 0.0 if bay else rng.uniform(0, 1.2)
    z = rng.uniform(3, 20)
    facing = rng.choice((0, pi), p=(0.7, 0.3) if sign > 0 else (0.3, 0.7))
    while z < 70:
        if rng.random() < density:
            yaw = _heading(street, z) + float(facing) + rng.normal(0, 0.03)
            if angled:
                yaw += sign * 1.2
            cast.add(draw_vehicle, sign * (road - 1.0 + on_walk), z, light=street.light, yaw=yaw)
        z += 3.0 if angled else rng.uniform(5.2, 6.6)


def _roadside(cast: _Cast, sign: int) -> None:
    street, rng = cast.street, cast.rng
    side = street.sides[0 if sign < 0 else 1]
    kerb, outer = side.road + 0.45, side.facade - 0.5
    if rng.random() < 0.8:
        for z in np.arange(rng.uniform(4, 20), 100, rng.uniform(14, 32)):
            cast.add(draw_lamp, sign * kerb, float(z), inward=-sign, night=street.light.night)
    if rng.random() < 0.45:
        red, green, blue = street.grass_colour
        for z in np.arange(rng.uniform(4, 16), 90, rng.uniform(6, 16)):
            leaf = (red * rng.uniform(0.7, 1.3), green * rng.uniform(0.75, 1.1), blue)
            cast.add(draw_tree, sign * (kerb + 0.4), float(z), leaf=leaf, bare=rng.random() < 0.35)
    for _ in range(rng.poisson(1.6)):
        cast.add(draw_sign, sign * kerb, rng.uniform(4, 50))
    for _ in range(rng.poisson(0.8)):
        cast.add(draw_clutter, sign * rng.uniform(kerb, max(outer, kerb + 0.2)), rng.uniform(4, 35))


def _people(cast: _Cast, sign: int, crowd: float) -> None:
    street, rng = cast.street, cast.rng
    side = street.sides[0 if sign < 0 else 1]
    inner, outer = side.verge + 0.3, max(side.facade - 0.3, side.verge + 0.5)
    for _ in range(rng.poisson(1 + 5 * crowd)):
        z = 4 + rng.gamma(1.6, 11)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):  # alone or in company
            place = rng.uniform(inner, outer)
            cast.add(draw_pedestrian, sign * place, z + rng.uniform(-0.6, 0.6))
    if rng.random() < 0.3 + 0.3 * crowd:
        u = sign * (min(side.road, street.lane + 0.5) - rng.uniform(0.5, 1.2))
        cast.add(draw_cyclist, u, rng.uniform(5, 40), aside=rng.uniform(0, 0.4))


def _crossers(cast: _Cast, crowd: float) -> None:
    street, rng = cast.street, cast.rng
    if street.crossing is None and rng.random() > 0.3:
        return
    start, end = street.crossing or (rng.uniform(8, 30),) * 2
    for _ in range(rng.poisson(0.6 + 2.5 * crowd)):
        cast.add(draw_pedestrian, rng.uniform(-5, 5), rng.uniform(start, end) + 0.01)
    if rng.random() < 0.35:
        cast.add(draw_cyclist, rng.uniform(-5, 5), rng.uniform(start, end) + 0.02, aside=rng.uniform(0.6, 1))
