"""What a coordinator and its workers say to each other: jobs one way, events the other. Plain records; they can be
pickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

from budgetnet.networks import Candidate
from budgetnet.results import Evaluate, Result, Step

Evaluators: TypeAlias = Callable[[Mapping[str, Any]], Evaluate]
"""Gives, for fields of the training that differ from the search's (mostly none), what trains candidates."""

Make: TypeAlias = Callable[[], Evaluators]
"""Called once in each worker, where it reads the data set. It must be known by its module's name: it is pickled."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work for a worker: trial `number`, trained in `folder` until `target` of all its `epochs` are done, or to the end
    where they are the same; it goes on from what the folder holds.

    `changes` are fields of the training that differ from the search's. Of the first `known_epochs` epochs the
    coordinator has the rows already.
    """

    number: int
    candidate: Candidate
    folder: Path
    target: int
    epochs: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    known_epochs: int = 0

    @property
    def pauses(self) -> bool:
        """Whether its target lies before the training's end."""
        return self.target < self.epochs


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """How far the epoch under way is; now and then."""

    number: int
    step: Step


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone:
    """An epoch is trained and on disk: its row of the history. After `Resumed` also those that a worker which was
    killed could not tell any more.
    """

    number: int
    row: Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """It goes on where it was left: after so many epochs, which are trained already."""

    number: int
    epochs: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The target is reached, and it is not the end. Its worker is idle."""

    number: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Trained to the end. Its worker is idle."""

    number: int
    result: Result


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It ended without a result, for this reason. Its worker is idle."""

    number: int
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """It cannot go on on this machine, for this reason: a full disk, say, which the next training would meet as well.
    Its worker is idle.
    """

    number: int
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """It was asked to stop and did, before its target. Its worker is idle."""

    number: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """Its worker is gone (`how`: killed by signal 9 (SIGKILL)), and replaced: the new one is idle."""

    number: int
    how: str


Event: TypeAlias = Stepped | EpochDone | Resumed | Paused | Done | Failed | Halted | Stopped | Died
Tell: TypeAlias = Callable[[Event], None]
"""Whoever is told events, in their order."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """To a worker: stop after the epoch under way, begin nothing more."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """To a worker: stop after the step under way and end."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """From a worker: the data are read, jobs may come."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unable:
    """From a worker: it cannot train anything, for this reason."""

    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """From a worker: an event, after which it ends: it is to be replaced."""

    event: Event


Message: TypeAlias = Event | Ready | Unable | Last
"""What a worker says."""
