"""What networks take on this machine: all that are compared take turns, round by round, so that whatever slows the
machine for a while slows all of them alike.

A turn is one call that does not count, which wakes the runtime's threads and fetches the weights back into the cache,
and a few that do. The order of turns is drawn anew in each round: none always comes behind the same one.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, final

from budgetnet.bench.network import Network
from budgetnet.bench.pinning import pinned
from budgetnet.bench.readings import Readings
from budgetnet.bench.runtimes import Compute, runtime
from budgetnet.progress import Watch

WARM_UP: Final = 5
"""Calls before the first round: memory is taken and algorithms are chosen in them."""

WARM_UP_SECONDS: Final = 1.0
"""After this no further one is begun."""

IN_A_TURN: Final = 3
"""Readings of one network in one round."""

FEWEST: Final = 3
"""Rounds that are measured whatever they take."""

REST: Final = 0.002
"""Seconds between turns, in which threads of the last one go to sleep."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: a network with a runtime and a batch, ready to `compute`."""

    network: Network
    runtime: str
    batch: int
    compute: Compute

    @classmethod
    def ready(cls, network: Network, *, runtime_name: str, threads: int, batch: int) -> "Case":
        """The network made ready with a runtime. Raises BudgetnetError."""
        compute = runtime(runtime_name).prepare(network, threads=threads, batch=batch)
        return cls(network=network, runtime=runtime_name, batch=batch, compute=compute)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where time comes from, in seconds; tests bring their own."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


REAL: Final = Clock()


def measure(
    cases: Sequence[Case],
    *,
    readings: int = 30,
    seconds: float = 120.0,
    seed: int = 0,
    clock: Clock = REAL,
    watch: Watch = lambda done, total: None,
) -> tuple[Readings, ...]:
    """So many readings of each case, or a few more: whole rounds. After so many `seconds` no further round is begun,
    once there are `FEWEST`.
    """
    begun, rounds = clock.now(), max(1, -(-readings // IN_A_TURN))
    taken: list[list[tuple[float, ...]]] = [[] for _ in cases]
    order, drawn = list(range(len(cases))), random.Random(seed)  # noqa: S311 (an order, no secret)
    with undisturbed():
        given = _images(cases)
        for number, case in enumerate(cases):
            watch(number, len(cases) * (1 + rounds))
            _warm_up(case, given[_key(case)], clock)
        for turn in range(rounds):
            if turn >= FEWEST and clock.now() - begun > seconds:
                break
            drawn.shuffle(order)
            for done, place in enumerate(order):
                taken[place].append(_turn(cases[place], given[_key(cases[place])], clock))
                watch(len(cases) * (1 + turn) + done + 1, len(cases) * (1 + rounds))
    return tuple(_readings(case, found) for case, found in zip(cases, taken, strict=True))


def measured_seconds(network: Network, *, runtime: str, threads: int, batch: int = 1) -> float:
    """What a network takes per image: the median, with all threads of the process on so many cores. Raises
    BudgetnetError.
    """
    with pinned(threads):
        case = Case.ready(network, runtime_name=runtime, threads=threads, batch=batch)
        (found,) = measure([case], seconds=10.0)
    return found.median / batch


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, Python does not stop to collect garbage."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _key(case: Case) -> tuple[Any, ...]:
    return (case.network.takes, case.network.size, case.batch)


def _images(cases: Sequence[Case]) -> dict[tuple[Any, ...], Any]:
    """Images of every kind, size and batch: one array that all such cases read."""
    first = {_key(case): case for case in reversed(cases)}
    return {key: case.network.images(case.batch) for key, case in first.items()}


def _warm_up(case: Case, images: Any, clock: Clock) -> None:
    begun = clock.now()
    for _ in range(WARM_UP):
        case.compute(images)
        if clock.now() - begun > WARM_UP_SECONDS:
            break


def _turn(case: Case, images: Any, clock: Clock) -> tuple[float, ...]:
    clock.sleep(REST)
    case.compute(images)
    taken = []
    for _ in range(IN_A_TURN):
        started = clock.now()
        case.compute(images)
        taken.append(clock.now() - started)
    return tuple(taken)


def _readings(case: Case, rounds: Sequence[tuple[float, ...]]) -> Readings:
    return Readings(
        network=case.network.label,
        runtime=case.runtime,
        batch=case.batch,
        height=case.network.height,
        width=case.network.width,
        rounds=tuple(rounds),
    )
