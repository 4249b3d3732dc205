"""Keeping a process on some of its cores while something is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")
"""Linux: a folder for each thread of this process."""


def cores() -> int:
    """On how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...] | None]:
    """Inside, every thread of the process, and those that are started, stay on the first so many of its cores, which it
    yields; afterwards all may run where this one could before. Where the system has no such thing, it yields None and
    changes nothing.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    chosen = tuple(sorted(before)[:threads])
    _keep_all_on(chosen)
    try:
        yield chosen
    finally:
        _keep_all_on(before)


def _keep_all_on(chosen: tuple[int, ...] | set[int]) -> None:
    os.sched_setaffinity(0, chosen)
    others = _TASKS.iterdir() if _TASKS.is_dir() else ()
    for task in others:
        with suppress(OSError):  # ended meanwhile
            os.sched_setaffinity(int(task.name), chosen)


def load() -> float | None:
    """How many threads of the machine have been at work in the last minute, on average; None where nobody tells."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
