"""A scenario's cameras, frame by frame, and a network that has to keep up with them.

Every camera gives a frame each period, all at the same moments where they are in phase. One worker computes one frame
after the other: of those that wait, the one whose deadline comes first. Of each camera one frame waits at most: a newer
one takes its place, and the older is dropped. A frame that was begun is finished, even if that is too late.

Times are seconds since the start, due times exact fractions: what is decided does not hang on how floats are rounded.
The clock is handed in: a real one waits, a simulated one only counts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeAlias, final

from budgetnet.cameras import Group

Time: TypeAlias = float | Fraction
"""Seconds."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera: the place of its group, the time from frame to frame, that of its first one, and how long after it was
    taken a frame must be done.
    """

    group: int
    period: Fraction
    phase: Fraction
    deadline: Fraction


def cameras(groups: Sequence[Group], *, deadline: float | None = None, staggered: bool = False) -> tuple[Camera, ...]:
    """The cameras of camera groups. By default a frame must be done when the next one of its camera is taken;
    `deadline` in seconds is another limit for all. Where they are `staggered` the cameras of a group take turns, evenly
    over their period; else all begin at once.
    """
    made = []
    for place, group in enumerate(groups):
        period = 1 / _exact(group.fps)
        limit = period if deadline is None else _exact(deadline)
        for number in range(group.count):
            phase = period * number / group.count if staggered else Fraction(0)
            made.append(Camera(group=place, period=period, phase=phase, deadline=limit))
    return tuple(made)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What became of a frame: when it was taken and had to be done, when computing began and ended; the latter are None
    where it was dropped.
    """

    camera: int
    taken: Time
    due: Time
    begun: Time | None = None
    ended: Time | None = None

    @property
    def dropped(self) -> bool:
        """Whether a newer frame took its place before its turn came."""
        return self.ended is None

    @property
    def on_time(self) -> bool:
        """Whether it was done by its deadline; exactly then is."""
        return self.ended is not None and self.ended <= self.due

    @property
    def late(self) -> bool:
        """Whether it was done, but after its deadline."""
        return self.ended is not None and self.ended > self.due

    @property
    def spent(self) -> float:
        """Seconds of computing."""
        return 0.0 if self.begun is None or self.ended is None else float(self.ended - self.begun)

    @property
    def latency(self) -> float | None:
        """Seconds from when it was taken until it was done; None where it was dropped."""
        return None if self.ended is None else float(self.ended - self.taken)


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Time:
        """Seconds since the start."""
        ...

    def wait_until(self, moment: Time) -> None:
        """Comes back at that moment, or at once where it is past."""
        ...

    def spend(self, seconds: Time) -> None:
        """Told what computing a frame took."""
        ...


@final
class RealClock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def now(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._start

    def wait_until(self, moment: Time) -> None:
        """Sleeps: a core that spins would take time from the next frame's threads."""
        while (left := float(moment) - self.now()) > 0:
            time.sleep(left)

    def spend(self, seconds: Time) -> None:
        """It is spent already."""


@final
class CountingClock:
    """Counts and never waits: the same replay in no time, exactly."""

    def __init__(self) -> None:
        self._now: Time = Fraction(0)

    def now(self) -> Time:
        """What was counted."""
        return self._now

    def wait_until(self, moment: Time) -> None:
        """It is that moment."""
        self._now = max(self._now, moment)

    def spend(self, seconds: Time) -> None:
        """It is so much later."""
        self._now = self._now + seconds


def replay(
    given: Sequence[Camera],
    *,
    seconds: Time,
    serve: Callable[[int], Time],
    clock: Clock,
    watch: Callable[[Time], None] = lambda now: None,
) -> tuple[Frame, ...]:
    """All frames that the cameras take in so many seconds, those that were computed in that order, and what became of
    them. `serve` computes a frame of a camera and says what it took; frames that wait at the end are still computed.
    """
    line = _Line(given, _exact(seconds))
    while True:
        line.admit(clock.now())
        chosen = line.first()
        if chosen is None:
            if line.next_taken is None:
                return tuple(line.done)
            clock.wait_until(line.next_taken)
            continue
        begun = clock.now()
        clock.spend(serve(chosen.camera))
        line.done.append(
            Frame(camera=chosen.camera, taken=chosen.taken, due=chosen.due, begun=begun, ended=clock.now())
        )
        watch(clock.now())


def _exact(number: Time) -> Fraction:
    """A number as it is written: 0.1 is a tenth, not the nearest float."""
    return number if isinstance(number, Fraction) else Fraction(str(number))


class _Line:
    """Frames that wait, at most one of each camera, and the next one that each camera will take."""

    def __init__(self, given: Sequence[Camera], seconds: Fraction) -> None:
        self.done: list[Frame] = []
        self._cameras = given
        self._seconds = seconds
        self._waiting: dict[int, Frame] = {}
        self._next = [(camera.phase, place) for place, camera in enumerate(given) if camera.phase < seconds]
        heapify(self._next)

    @property
    def next_taken(self) -> Fraction | None:
        """When the next frame is taken; None where there are no more."""
        return self._next[0][0] if self._next else None

    def admit(self, now: Time) -> None:
        """Frames that have been taken by now."""
        while self._next and self._next[0][0] <= now:
            taken, place = heappop(self._next)
            camera = self._cameras[place]
            if place in self._waiting:
                self.done.append(self._waiting[place])  # dropped: it was never begun
            self._waiting[place] = Frame(camera=place, taken=taken, due=taken + camera.deadline)
            if taken + camera.period < self._seconds:
                heappush(self._next, (taken + camera.period, place))

    def first(self) -> Frame | None:
        """The frame to compute now; None where none waits."""
        if not self._waiting:
            return None
        chosen = min(self._waiting.values(), key=lambda frame: (frame.due, frame.taken, frame.camera))
        return self._waiting.pop(chosen.camera)
