"""A candidate of a search as it stands: what it has reached after each epoch, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

from budgetnet.networks import Candidate
from budgetnet.results import Result

Status: TypeAlias = Literal["running", "paused", "done", "failed"]
"""`running`: a worker has it. `paused`: it waits at a rung, or for a worker after one died. `done`: trained to the end.
`failed`: it has no result and will have none.
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Epochs that one worker trained without a pause. Times are seconds since 1970; `worker` is `host/number`."""

    first_epoch: int
    last_epoch: int
    began: float
    ended: float
    worker: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate of a study.

    `origin` says why it was begun (`largest`, `cheapest`, `widest`, `earlier study`, a sampler's name). `target` is
    the epoch at which it pauses or is done. `curve` holds the mean IoU after each epoch that was validated, `result`
    that of a whole training. `changes` are fields of the training that differ from the search's (seed, epochs): those
    of repeats and audits. `deaths` counts workers and machines that died over it since its last whole epoch, `kills`
    how often its whole search was killed; `heard` is when that epoch ended, in seconds since 1970.
    """

    number: int
    candidate: Candidate
    images_per_second: float
    status: Status
    target: int
    origin: str
    epochs: int = 0
    curve: Mapping[int, float] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    result: Result | None = None
    reason: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    worker: str | None = None
    deaths: int = 0
    kills: int = 0
    heard: float | None = field(default=None, compare=False)

    @property
    def finished(self) -> bool:
        """Whether it is trained to the end or failed: nothing more will come of it."""
        return self.status in ("done", "failed")
