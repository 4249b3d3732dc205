"""Opening the study of a search: making one, finding the one that is there, refusing what is none or another's."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.parameters import Value
from budgetnet.search import studies
from budgetnet.search.storage import FILE, Database, masked
from budgetnet.search.study import GRACE, HEARTBEAT, NAME, Study


def located(folder: Path, storage: str | None, name: str) -> str:
    """Where a study is, for people."""
    return printable(str(folder)) if storage is None else f"{masked(storage)}: {name}"


def opened(
    folder: Path,
    settings: Mapping[str, Any],
    *,
    space: Mapping[str, Sequence[Value]],
    restart: bool,
    storage: str | None = None,
    name: str = NAME,
    heartbeat: int = HEARTBEAT,
    grace: int = GRACE,
    away: Callable[[str], None] = lambda message: None,
) -> Study:
    """Opens the study `name`, or makes one. `restart` throws away an earlier one of that name.

    `storage` is a URL of SQLite or PostgreSQL, None for a file in the folder. `space` are the values of each
    parameter. `heartbeat` is how often `beat` will be called, `grace` after how long without it a trial is given
    up, in seconds; `away` is told of each outage. Raises BudgetnetError where there is a search with other
    settings, naming what differs; where there is something else; and where nothing can be written.
    """
    database = Database.of(folder, storage, away)
    with studies.opening(database, replaceable=storage is None), database.creating():
        if restart:
            studies.discard(database, name, settings, grace=grace, own=storage is None)
        there = studies.found_or_made(database, name, settings)
    with ExitStack() as stack:
        found = Study(database, there, space=space, heartbeat=heartbeat, grace=grace)
        stack.callback(found.close)
        found.require(settings, located(folder, storage, name))
        stack.pop_all()
        return found


def existing(
    folder: Path,
    *,
    storage: str | None = None,
    name: str = NAME,
) -> Study:
    """What `find` finds. Raises BudgetnetError where there is no search."""
    found = find(folder, storage=storage, name=name)
    if found is not None:
        return found
    if storage is None:
        raise BudgetnetError(f"{printable(str(folder))}: must hold a search, but there is none")
    where = Database.of(folder, storage, lambda message: None).where
    raise BudgetnetError(f"{where}: must hold a search {shorten(name)}, but there is none")


def find(folder: Path, *, storage: str | None = None, name: str = NAME, replaceable: bool = False) -> Study | None:
    """The study that is there, if any, to be looked at or asked to stop: nothing may be begun in it. Raises
    BudgetnetError where what is there is none of a search, or does not answer; whoever asks could replace one that is
    `replaceable`.
    """
    if storage is None and not (folder / FILE).exists():
        return None
    database = Database.of(folder, storage, lambda message: None)
    if database.file is not None and not database.file.exists():
        return None
    with ExitStack() as stack:
        stack.callback(database.close)
        with studies.opening(database, replaceable=replaceable and storage is None):
            found = studies.found(database, name)
        if found is None or found.settings is None:
            return None
        stack.pop_all()  # it is the study's now
        return Study(database, found, space={}, heartbeat=HEARTBEAT, grace=GRACE)
