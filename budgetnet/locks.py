"""Folders that one process at a time may work in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable

LOCK = ".lock"
"""The file that is locked; it stays behind, since removing it would let two processes in."""


A_LOOK = 0.2
"""Seconds that a lock may be taken by somebody who only wants to know whether it is."""


def held(folder: Path) -> bool:
    """Whether some process works `alone` in a folder."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written, in which nobody works
        return False


@contextmanager
def waiting(path: Path) -> Iterator[None]:
    """Inside, no other process is where it waits for the same path. Raises BudgetnetError where that cannot be told."""
    lock = FileLock(path.with_name(f"{path.name}{LOCK}"))
    try:
        lock.acquire()
    except OSError as error:
        rule = f"must be in a folder that can be written, but got {error.strerror}"
        raise BudgetnetError(f"{printable(str(path))}: {rule}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Holds a folder, made where it is missing, for this process. Raises BudgetnetError when another one's `work` has
    it, or it cannot be written.
    """
    where = printable(str(folder))
    lock = FileLock(files.make_folder(folder) / LOCK, timeout=A_LOOK)
    try:
        lock.acquire()
    except Timeout:
        rule = f"must be used by one {work} at a time, but another one is running there"
        raise BudgetnetError(f"{where}: {rule}") from None
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a folder that can be written, but got {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
