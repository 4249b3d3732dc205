"""Who watches a search, and the clocks it goes by."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

from budgetnet.results import Step
from budgetnet.search.trial import Trial


class Watcher(Protocol):
    """Whom the search tells how far it is."""

    def begins(self, trial: Trial, done: int, wanted: int) -> None:
        """A worker has the trial; `done` of `wanted` were begun and are done, failed or wait at a rung."""
        ...

    def steps(self, trial: Trial, step: Step) -> None:
        """A batch of its training is done."""
        ...

    def ends(self, trial: Trial, done: int, wanted: int) -> None:
        """The trial is done or failed, or pauses at a rung."""
        ...

    def says(self, text: str) -> None:
        """Something that people should know: a worker died, the database is away."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What tells the time: seconds that only go forward, and seconds since 1970."""

    steady: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
