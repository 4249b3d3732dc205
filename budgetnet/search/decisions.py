"""What a search does next, as whoever decides says it, and who decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, final

from budgetnet.networks import Candidate
from budgetnet.search.trial import Trial


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Begin a new candidate and train it until epoch `target`; `origin` says why this one. `changes` are fields of the
    training that differ from the search's.
    """

    candidate: Candidate
    images_per_second: float
    origin: str
    target: int
    changes: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on with trial `number` until epoch `target`."""

    number: int
    target: int


class Decider(Protocol):
    """What to do next: a `Race`, or `Checks`."""

    @property
    def wanted(self) -> int:
        """How many trials there will be."""
        ...

    @property
    def running(self) -> int:
        """How many some worker has."""
        ...

    def tell(self, trial: Trial) -> None:
        """A trial is new or has changed."""
        ...

    def ask(self) -> Begin | Resume | None:
        """The next thing to do, if there is one now."""
        ...


@final
class Measured:
    """Decides as another does, with images per second that are measured when a candidate is begun."""

    def __init__(self, decider: Decider, measure: Callable[[Candidate], float]) -> None:
        self._decider, self._measure = decider, measure
        self._known: dict[Candidate, float] = {}

    @property
    def wanted(self) -> int:
        """How many trials there will be."""
        return self._decider.wanted

    @property
    def running(self) -> int:
        """How many some worker has."""
        return self._decider.running

    def tell(self, trial: Trial) -> None:
        """A trial is new or has changed."""
        self._known[trial.candidate] = trial.images_per_second
        self._decider.tell(trial)

    def ask(self) -> Begin | Resume | None:
        """The next thing to do; of a new candidate the throughput is measured, once."""
        job = self._decider.ask()
        if not isinstance(job, Begin):
            return job
        if job.candidate not in self._known:
            self._known[job.candidate] = self._measure(job.candidate)
        return replace(job, images_per_second=self._known[job.candidate])
