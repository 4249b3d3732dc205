"""Opening the study of a search: making one, finding the one that is there, refusing what is none or another's."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.parameters import Value
from budgetnet.search import studies
from budgetnet.search.storage import FILE, Database, masked
from budgetnet.search.study import NAME, Study


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
    heartbeat: int = 30,
    grace: int = 120,
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
    found = Study(database, there, space=space, heartbeat=heartbeat, grace=grace)
    found.require(settings, located(folder, storage, name))
    return found


def existing(
    folder: Path,
    *,
    storage: str | None = None,
    name: str = NAME,
    away: Callable[[str], None] = lambda message: None,
) -> Study:
    """What `find` finds. Raises BudgetnetError where there is no search."""
    found = find(folder, storage=storage, name=name, away=away)
    if found is not None:
        return found
    if storage is None:
        raise BudgetnetError(f"{printable(str(folder))}: must hold a search, but there is none")
    where = Database.of(folder, storage, away).where
    raise BudgetnetError(f"{where}: must hold a search {shorten(name)}, but there is none")


def find(
    folder: Path,
    *,
    storage: str | None = None,
    name: str = NAME,
    away: Callable[[str], None] = lambda message: None,
) -> Study | None:
    """The study that is there, if any, to be looked at or asked to stop: nothing may be begun in it. Raises
    BudgetnetError where what is there is none of a search, or does not answer.
    """
    if storage is None and not (folder / FILE).exists():
        return None
    database = Database.of(folder, storage, away)
    if database.file is not None and not database.file.exists():
        return None
    with studies.opening(database, replaceable=False):
        found = studies.found(database, name)
    if found is None or found.settings is None:
        return None
    return Study(database, found, space={}, heartbeat=30, grace=120)
