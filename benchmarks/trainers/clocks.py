"""What is read while others train: speed and page faults of steps, the wait for batches, time without pauses."""

import resource
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar, final

from budgetnet.training.samples import Batch, Samples

Made = TypeVar("Made")


class EnoughError(Exception):
    """All that was to be measured is measured."""


@final
class Steps:
    """Told of the end of every step; raises EnoughError after `warm_up` steps and `steps` more."""

    def __init__(self, warm_up: int, steps: int) -> None:
        self._warm_up, self._wanted = warm_up, warm_up + steps
        self._readings: list[tuple[float, int]] = []

    def __call__(self, *_: object) -> None:
        """A step has ended."""
        self._readings.append((time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt))
        if len(self._readings) == self._wanted:
            raise EnoughError

    def result(self, batch: int) -> dict[str, Any]:
        """Of the steps after the warm-up: images per second, minor page faults of each; the process's largest size."""
        steady = self._readings[self._warm_up - 1 :]
        faults = [after[1] - before[1] for before, after in pairwise(steady)]
        return {
            "rate": batch * len(faults) / (steady[-1][0] - steady[0][0]),
            "faults": faults,
            "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


@final
class Waits:
    """Seconds that a loop spends asking for batches, against those of whole epochs."""

    def __init__(self) -> None:
        self._waited = self._waited_later = self._whole = self._later = 0.0
        self._images = 0

    def follow(self) -> None:
        """From now on all epochs of this process are watched."""
        drawn = Samples.shuffled

        def watched(samples: Samples, *given: Any, **named: Any) -> Generator[Batch, None, None]:
            return self.epoch(drawn(samples, *given, **named))

        Samples.shuffled = watched  # type: ignore[method-assign]

    def epoch(self, drawn: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
        """The same batches; an epoch that is not drawn to its end is not counted."""
        begun, waits, ends, images = time.perf_counter(), [], [], 0
        try:
            before = begun
            for batch in drawn:
                waits.append(time.perf_counter() - before)
                images += len(batch.images)
                yield batch
                before = time.perf_counter()
                ends.append(before)
        finally:
            drawn.close()
        self._waited += sum(waits)
        self._whole += ends[-1] - begun
        self._waited_later += sum(waits[1:])
        self._later += ends[-1] - ends[0]
        self._images += images

    def result(self) -> dict[str, Any]:
        """Images per second, shares of whole epochs and of what follows their first step (0 where nothing does)."""
        return {
            "rate": self._images / self._whole,
            "share": self._waited / self._whole,
            "later": self._waited_later / self._later if self._later else 0.0,
        }


@final
class Stopwatch:
    """Seconds since it was made, without its pauses."""

    def __init__(self) -> None:
        self._begun, self._paused = time.perf_counter(), 0.0
        self._stopped: float | None = None

    @property
    def seconds(self) -> float:
        """So far; in a pause, those before it."""
        now = time.perf_counter() if self._stopped is None else self._stopped
        return now - self._begun - self._paused

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Inside, time does not count."""
        self._stopped = begun = time.perf_counter()
        try:
            yield
        finally:
            self._stopped = None
            self._paused += time.perf_counter() - begun

    def without(self, work: Callable[..., Made]) -> Callable[..., Made]:
        """The same work, in a pause."""

        def paused(*given: Any, **named: Any) -> Made:
            with self.pause():
                return work(*given, **named)

        return paused
