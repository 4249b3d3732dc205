"""Replays of a scenario with networks that have been measured: computed for real, or simulated from the readings."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final, TypeAlias, final

from budgetnet.bench.measuring import Case, undisturbed
from budgetnet.bench.network import Target
from budgetnet.bench.readings import Readings
from budgetnet.bench.replayed import Replayed
from budgetnet.bench.replaying import Clock, CountingClock, RealClock, Time, cameras, replay
from budgetnet.cameras import Group
from budgetnet.progress import Watch

IMAGES: Final = 4
"""Different ones that are computed in turn."""

Pairs: TypeAlias = Sequence[tuple[Target, str]]
"""Targets, each with the key of a runtime."""

Served: TypeAlias = tuple[Callable[[int], float], Clock]
"""What computes a frame of a camera and says what it took, and the clock that goes with it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is replayed, and how: `deadline` in seconds after a frame was taken (None: when its camera's next one is),
    cameras of a group in phase or `staggered`, frames computed or `simulate`d.
    """

    scenario: str
    groups: Sequence[Group]
    seconds: float
    deadline: float | None = None
    staggered: bool = False
    simulate: bool = False


def servable(targets: Sequence[Target], runtimes: Sequence[str], cases: Sequence[Case]) -> Pairs:
    """The targets, with the runtimes that compute single images of all of their networks."""
    single = {(case.network, case.runtime) for case in cases if case.batch == 1}
    return [
        (target, key)
        for target in targets
        for key in runtimes
        if all((network, key) in single for network in target.networks)
    ]


def replay_all(
    pairs: Pairs, cases: Sequence[Case], readings: Sequence[Readings], plan: Plan, watch: Watch
) -> list[Replayed]:
    """The plan with each pair, one after the other. What they need is among the cases, each with its readings."""
    single = {
        (case.network, case.runtime): (case, read)
        for case, read in zip(cases, readings, strict=True)
        if case.batch == 1
    }
    done = []
    for number, (target, key) in enumerate(pairs):

        def told(now: Time, before: float = number * plan.seconds) -> None:
            watch(round(before + min(float(now), plan.seconds)), round(len(pairs) * plan.seconds))

        done.append(_replay(target, key, [single[network, key] for network in target.networks], plan, told))
    return done


def _replay(
    target: Target,
    key: str,
    measured: Sequence[tuple[Case, Readings]],
    plan: Plan,
    watch: Callable[[Time], None],
) -> Replayed:
    given = cameras(plan.groups, deadline=plan.deadline, staggered=plan.staggered)
    of_camera = [target.of_group[camera.group] for camera in given]
    with undisturbed():
        if plan.simulate:
            serve, clock = _drawing([read for _, read in measured], of_camera)
        else:
            serve, clock = _computing([case for case, _ in measured], of_camera)
        frames = replay(given, seconds=plan.seconds, serve=serve, clock=clock, watch=watch)
    return Replayed(
        network=target.label,
        runtime=key,
        scenario=plan.scenario,
        seconds=plan.seconds,
        staggered=plan.staggered,
        simulated=plan.simulate,
        groups=tuple(group.name for group in plan.groups),
        cameras=given,
        frames=frames,
    )


def _computing(cases: Sequence[Case], of_camera: Sequence[int]) -> Served:
    """Computes frames, a few images in turn, once each beforehand. The clock starts now."""
    images = [[case.network.images(1, seed) for seed in range(IMAGES)] for case in cases]
    for case, own in zip(cases, images, strict=True):
        for image in own:
            case.compute(image)
    turns = [cycle(own) for own in images]

    def serve(camera: int) -> float:
        place, begun = of_camera[camera], time.perf_counter()
        cases[place].compute(next(turns[place]))
        return time.perf_counter() - begun

    return serve, RealClock()


def _drawing(readings: Sequence[Readings], of_camera: Sequence[int]) -> Served:
    """Draws what a frame takes from what was read, in the same way each time."""
    drawn = random.Random(0)  # noqa: S311 (an order, no secret)
    pools: list[list[float]] = [read.seconds.tolist() for read in readings]
    return (lambda camera: drawn.choice(pools[of_camera[camera]])), CountingClock()
