"""What came of a replay: frames on time, late and dropped, and how long they took, by camera group and in all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet import records
from budgetnet.bench.replaying import Camera, Frame
from budgetnet.errors import BudgetnetError

SHARES: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Of the deadline: where the classes end that latencies are counted in; beyond the last there is one more."""

ALL: Final = "all"
"""The tally of all groups together."""

MOST: Final = 1e9
"""Of any number of a record."""


@final
@dataclass(frozen=True, kw_only=True)
class Tally:
    """Frames of one camera group, or of all. `latencies` are those of frames that were done, in seconds, `deadlines`
    how long each of these had.
    """

    name: str
    cameras: int
    taken: int
    on_time: int
    late: int
    dropped: int
    latencies: NDArray[np.float64]
    deadlines: NDArray[np.float64]

    @property
    def share_on_time(self) -> float:
        """Of all frames that were taken."""
        return self.on_time / self.taken if self.taken else 1.0

    def latency(self, rank: float) -> float | None:
        """So many percent of the frames that were done took less; None where none was."""
        return float(np.percentile(self.latencies, rank)) if len(self.latencies) else None

    @property
    def histogram(self) -> tuple[int, ...]:
        """How many frames took up to each of `SHARES` of their deadline, beyond the one before; the last: took more."""
        places = np.searchsorted(np.array(SHARES), self.latencies / self.deadlines)
        return tuple(int(count) for count in np.bincount(places, minlength=len(SHARES) + 1))


@final
@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One network, or one for each camera group, with one runtime through a scenario. `groups` are the names of the
    camera groups. `simulated` ones took what had been measured before instead of computing.
    """

    network: str
    runtime: str
    scenario: str
    seconds: float
    staggered: bool
    simulated: bool
    groups: tuple[str, ...]
    cameras: tuple[Camera, ...]
    frames: tuple[Frame, ...]

    @cached_property
    def by_group(self) -> tuple[Tally, ...]:
        """Each camera group."""
        return tuple(
            self._tally(name, [place for place, camera in enumerate(self.cameras) if camera.group == number])
            for number, name in enumerate(self.groups)
        )

    @cached_property
    def total(self) -> Tally:
        """All groups together."""
        return self._tally(ALL, range(len(self.cameras)))

    @property
    def busy(self) -> float:
        """The share of the time, until the last frame was done, in which something was computed."""
        ends = [float(frame.ended) for frame in self.frames if frame.ended is not None]
        return sum(frame.spent for frame in self.frames) / max([self.seconds, *ends])

    def _tally(self, name: str, places: Sequence[int]) -> Tally:
        wanted = set(places)
        chosen = [frame for frame in self.frames if frame.camera in wanted]
        done = [(frame.latency, float(frame.due - frame.taken)) for frame in chosen if frame.latency is not None]
        return Tally(
            name=name,
            cameras=len(places),
            taken=len(chosen),
            on_time=sum(frame.on_time for frame in chosen),
            late=sum(frame.late for frame in chosen),
            dropped=sum(frame.dropped for frame in chosen),
            latencies=np.array([latency for latency, _ in done], dtype=np.float64),
            deadlines=np.array([deadline for _, deadline in done], dtype=np.float64),
        )

    def record(self) -> dict[str, Any]:
        """As plain data for JSON; `from_record` reads it back. Fractions are text; for each frame there is a list, in
        which its camera's first frame is number 0.
        """
        told = ("network", "runtime", "scenario", "seconds", "staggered", "simulated")
        return {
            **{key: getattr(self, key) for key in told},
            "groups": list(self.groups),
            "cameras": [
                {"group": each.group, **{key: str(getattr(each, key)) for key in _TIMES}} for each in self.cameras
            ],
            "frame_fields": ["camera", "number", "begun", "ended"],
            "frames": [
                [each.camera, self._number(each), *(None if t is None else float(t) for t in (each.begun, each.ended))]
                for each in self.frames
            ],
        }

    def _number(self, frame: Frame) -> int:
        camera = self.cameras[frame.camera]
        return int((Fraction(frame.taken) - camera.phase) / camera.period)

    @classmethod
    def from_record(cls, known: Mapping[str, Any]) -> "Replayed":
        """Of what `record` gave. Raises BudgetnetError."""
        try:
            cameras = tuple(
                Camera(group=each["group"], **{key: Fraction(each[key]) for key in _TIMES}) for each in known["cameras"]
            )
            return cls(
                **{key: records.text(known[key], key) for key in ("network", "runtime", "scenario")},
                seconds=float(records.number(known["seconds"], "seconds", 0, MOST)),
                staggered=bool(known["staggered"]),
                simulated=bool(known["simulated"]),
                groups=tuple(records.text(name, "groups") for name in known["groups"]),
                cameras=cameras,
                frames=tuple(_frame(cameras, *each) for each in known["frames"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError):
            raise BudgetnetError("replay: must be a record of `budgetnet bench`, but is not") from None


_TIMES: Final = ("period", "phase", "deadline")


def _frame(cameras: Sequence[Camera], place: int, number: int, begun: float | None, ended: float | None) -> Frame:
    camera = cameras[place]
    taken = camera.phase + number * camera.period
    return Frame(camera=place, taken=taken, due=taken + camera.deadline, begun=begun, ended=ended)
