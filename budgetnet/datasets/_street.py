"""What a drawn street scene consists of, at random: camera, light, road, and what lines it. Metres, unless said."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from budgetnet.datasets._paint import Colour, Floats, Rng, tinted

FAR = 160.0
"""Where the street ends and the backdrop stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A level pinhole camera: focal length, principal column, horizon row in pixels; metres above the road."""

    height: int
    width: int
    focal: float
    column: float
    horizon: float
    above: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Pixel (x, y) of a point `x` to the right, `y` above the road, `z` ahead."""
        return self.column + self.focal * x / z, self.horizon + self.focal * (self.above - y) / z


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Weather and sun: `sun` is 0 (overcast) to 1.

    Seen across the street the sun stands at `side` (-1 left) with slope `elevation`; a metre towards it is `ahead`
    metres on. Fog takes the share 1 - exp(-haze z); `gain` and `warmth` are the camera's exposure and white balance.
    """

    sun: float
    side: int
    elevation: float
    ahead: float
    zenith: Colour
    fog: Colour
    haze: float
    gain: float
    warmth: float
    night: bool


BUILDING, FENCE, HEDGE, GAP = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the street: widths from the road's centre line; figures per plot that lines it, nearest first."""

    road: float
    verge: float
    paved: bool
    facade: float
    starts: Floats
    ends: Floats
    next_building: Floats
    kinds: Floats
    heights: Floats
    colours: Floats
    roofs: Floats
    roof_colours: Floats
    windows: Floats
    gables: Floats
    shops: Floats
    shop_colours: Floats
    coarseness: Floats

    def plot_at(self, z: Floats) -> NDArray[np.intp]:
        """The plot at a distance along the street; the last one for everything beyond."""
        return np.minimum(np.searchsorted(self.ends, z, side="right"), len(self.ends) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One scene. The road's centre line is at `offset + slope z + bend z^2 / 2`; `sides` are left and right."""

    camera: Camera
    light: Light
    offset: float
    slope: float
    bend: float
    lane: float
    sides: tuple[Side, Side]
    road_colour: Colour
    walk_colour: Colour
    grass_colour: Colour
    road_slab: tuple[float, float, float]
    walk_slab: tuple[float, float, float]
    patches: Floats
    crossing: tuple[float, float] | None

    def centre(self, z: float) -> float:
        """Where the road's centre line is, to the right of the camera."""
        return self.offset + self.slope * z + self.bend * z * z / 2


def draw_street(rng: Rng, height: int, width: int) -> Street:
    """A random street seen by a camera with a picture of this size; the draws do not depend on the size."""
    camera = Camera(
        height=height,
        width=width,
        focal=width * rng.uniform(0.7, 1.2),
        column=width * rng.uniform(0.44, 0.56),
        horizon=height * rng.uniform(0.34, 0.52),
        above=rng.uniform(1.15, 1.75),
    )
    lane = rng.uniform(2.7, 3.6)
    ego = float(rng.choice((-1, 1))) * lane * rng.uniform(0.25, 1.0)
    built = float(rng.choice((0.95, 0.6, 0.2), p=(0.5, 0.3, 0.2)))
    leaf = _leaf(rng)
    road = tinted(rng, 0.22, 0.56, 0.06)
    # Pavements are often laid with what the road is made of: then only kerb, joints and place tell them apart.
    walk = road if rng.random() < 0.3 else tinted(rng, 0.24, 0.66, 0.12)
    return Street(
        camera=camera,
        light=_draw_light(rng),
        offset=-ego,
        slope=rng.normal(0, 0.05),
        bend=rng.normal(0, 0.0016),
        lane=lane,
        sides=(_draw_side(rng, lane, built, leaf), _draw_side(rng, lane, built, leaf)),
        road_colour=road,
        walk_colour=walk,
        grass_colour=leaf,
        road_slab=_slab(rng, (0.0, 0.14), (0.85, 0.15)),
        walk_slab=_slab(rng, (0.0, 0.2, 0.45, 0.9), (0.2, 0.25, 0.35, 0.2)),
        patches=rng.uniform((-6, 4, 0.5, 1.0, 0.6), (6, 50, 1.5, 3.5, 1.25), (int(rng.integers(0, 6)), 5)).astype(
            np.float32
        ),
        crossing=(start := rng.uniform(5, 30), start + rng.uniform(2.5, 4.5)) if rng.random() < 0.25 else None,
    )


def _slab(rng: Rng, sizes: tuple[float, ...], odds: tuple[float, ...]) -> tuple[float, float, float]:
    """Size across, size along (0: poured, no joints), and how dark the joints are."""
    across = float(rng.choice(sizes, p=odds)) * rng.uniform(0.8, 1.25)
    return across, across * float(rng.choice((1.0, 1.0, 2.0))), rng.uniform(0.12, 0.4)


def _leaf(rng: Rng) -> Colour:
    brown = rng.uniform(0, 1) ** 2
    level = rng.uniform(0.18, 0.42)
    return level * (0.8 + 0.4 * brown), level * (1.15 - 0.2 * brown), level * rng.uniform(0.4, 0.7)


def _draw_light(rng: Rng) -> Light:
    weather = rng.choice(("clear", "cloudy", "white", "dusk"), p=(0.42, 0.25, 0.2, 0.13))
    blue = rng.uniform(0, 1)
    fog: Colour
    if weather == "clear":
        zenith, fog = (0.25 + 0.25 * blue, 0.45 + 0.2 * blue, 0.75 + 0.15 * blue), tinted(rng, 0.75, 0.95, 0.06)
    elif weather == "cloudy":
        zenith, fog = tinted(rng, 0.4, 0.75, 0.06), tinted(rng, 0.6, 0.9, 0.05)
    elif weather == "white":
        zenith, fog = tinted(rng, 0.85, 1.0, 0.03), tinted(rng, 0.85, 1.05, 0.02)
    else:
        zenith = (0.12 + 0.2 * blue, 0.14 + 0.15 * blue, 0.25 + 0.2 * blue)
        fog = (0.3 + 0.5 * rng.random(), 0.3 + 0.2 * rng.random(), 0.3 + 0.2 * rng.random())
    sun = {"clear": rng.uniform(0.6, 1), "cloudy": rng.uniform(0, 0.5), "white": 0.0, "dusk": rng.uniform(0, 0.3)}[
        weather
    ]
    return Light(
        sun=float(sun),
        side=int(rng.choice((-1, 1))),
        elevation=rng.uniform(0.4, 2.2),
        ahead=rng.uniform(-1.2, 1.2),
        zenith=zenith,
        fog=fog,
        haze=0.0015 + 0.02 * rng.random() ** 5 if weather != "white" else 0.002 + 0.03 * rng.random() ** 3,
        gain=rng.uniform(0.5, 0.75) if weather == "dusk" else rng.uniform(0.72, 1.2),
        warmth=rng.normal(0, 0.045),
        night=bool(weather == "dusk"),
    )


def _draw_side(rng: Rng, lane: float, built: float, leaf: Colour) -> Side:
    road = lane * float(rng.choice((1, 1, 1, 1.5, 2))) + float(rng.choice((0.2, 2.2), p=(0.65, 0.35)))
    verge = road + (rng.uniform(0.8, 2.5) if rng.random() < 0.15 else 0.0)
    paved = bool(rng.random() < 0.93)
    facade = verge + (rng.uniform(1.6, 8) if paved else rng.uniform(0.5, 6))
    count = 26
    kinds = rng.choice(4, count, p=(0.86 * built, 0.5 * (1 - built) + 0.02, 0.5 * (1 - built), 0.14 * built - 0.02))
    widths = np.where(kinds == BUILDING, rng.uniform(6, 20, count), rng.uniform(5, 14, count))
    heights = np.choose(
        kinds, (rng.gamma(6, 1.5, count) + 4, rng.uniform(0.8, 2.2, count), rng.uniform(1.2, 5, count), np.zeros(count))
    )
    ends = np.cumsum(widths) - rng.uniform(0, 15)
    fence = rng.uniform(0.15, 0.6, (count, 1)) * rng.uniform(0.9, 1.1, (count, 3))
    hedge = np.asarray(leaf) * rng.uniform(0.7, 1.3, (count, 1)) * rng.uniform(0.92, 1.08, (count, 3))
    walls = np.array([_wall(rng) for _ in range(count)])
    colours = np.select([kinds[:, None] == BUILDING, kinds[:, None] == FENCE], [walls, fence], hedge)
    roof_tones = np.array(((0.22, 0.2, 0.2), (0.42, 0.22, 0.16), (0.34, 0.3, 0.28)))
    return Side(
        road=float(road),
        verge=float(verge),
        paved=paved,
        facade=float(facade),
        starts=_floats(ends - widths),
        ends=_floats(ends),
        next_building=_floats(
            [next((i for i in range(p, count) if kinds[i] == BUILDING), count - 1) for p in range(count)]
        ),
        kinds=_floats(kinds),
        heights=_floats(heights),
        colours=_floats(colours),
        roofs=_floats(np.where(kinds == BUILDING, rng.choice((0, 0.5, 2.5), count) * rng.uniform(0.6, 1.2, count), 0)),
        roof_colours=_floats(roof_tones[rng.integers(0, 3, count)] * rng.uniform(0.7, 1.4, (count, 1))),
        # Windows: width of a bay, height of a storey, glazed share of each, brightness of the glass.
        windows=_floats(rng.uniform((1.2, 2.7, 0.3, 0.35, 0.05), (3.6, 3.8, 0.85, 0.75, 0.55), (count, 5))),
        gables=_floats(np.where(rng.random(count) < 0.25, rng.uniform(1.5, 5, count), 0) * (kinds == BUILDING)),
        shops=_floats((rng.random(count) < 0.45) & (kinds == BUILDING)),
        shop_colours=_floats(rng.uniform(0.08, 0.7, (count, 1)) * rng.uniform(0.45, 1.4, (count, 3))),
        coarseness=_floats(rng.uniform(0.02, 0.14, count)),
    )


def _wall(rng: Rng) -> Colour:
    family = rng.integers(0, 6)
    if family == 0:  # brick
        level = rng.uniform(0.25, 0.5)
        return level * 1.2, level * rng.uniform(0.7, 0.88), level * rng.uniform(0.55, 0.8)
    if family == 1:  # sandstone and cream
        level = rng.uniform(0.4, 0.8)
        return level * 1.08, level, level * rng.uniform(0.7, 0.9)
    if family == 2:  # painted
        return tinted(rng, 0.4, 0.75, 0.14)
    return tinted(rng, 0.2, 0.9, 0.07)  # render, concrete, stone: the greys of roads and pavements


def _floats(values: object) -> Floats:
    return np.asarray(values, np.float32)
