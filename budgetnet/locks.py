"""Folders that one process at a time may work in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable

LOCK = ".lock"
"""The file that is locked; it stays behind, since removing it would let two processes in."""


@contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Holds a folder, made where it is missing, for this process. Raises BudgetnetError when another one's `work` has
    it, or it cannot be written.
    """
    where = printable(str(folder))
    lock = FileLock(files.make_folder(folder) / LOCK, timeout=0)
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
