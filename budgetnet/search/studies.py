"""Studies as a whole: found by their name, made, thrown away, and what to tell where that is not possible.

Tables are made by Optuna, so that a version of it that has others says so, and its tools find theirs.
"""

import json
import secrets
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.engine import Connection

from budgetnet.errors import BudgetnetError
from budgetnet.search import study_rows
from budgetnet.search import trial_rows as rows
from budgetnet.search.storage import Database, is_away, words_of
from budgetnet.training_settings import completed

IDENTITY: Final = "identity"
_SETTINGS: Final = "settings"
_FULL: Final = "database or disk is full"
_CLOSED: Final = "unable to open database file"
_RULE: Final = "must be the study of a search"


class Found(NamedTuple):
    """A study: its id in the database, which SQLite gives again to another one after it is thrown away; a random word
    that tells it from such a one; and its settings, None for one that was not made to the end.
    """

    study_id: int
    identity: str | None
    settings: Any


@contextmanager
def opening(database: Database, *, replaceable: bool) -> Iterator[None]:
    """Around what opens a study. Raises BudgetnetError for whatever goes wrong; a study that is `replaceable` can be
    thrown away with its file.
    """
    new = database.file is not None and not database.file.exists()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except BudgetnetError:
        raise
    except Exception as error:  # SQLAlchemy, alembic and sqlite3 each have their own for what is no study
        if database.file is not None and (new or words_of(error) == _FULL):
            raise database.refused(error, "must be a file that SQLite can write") from error
        if database.file is not None and words_of(error) == _CLOSED:
            raise database.refused(error, "must be a file that can be opened and written") from error
        if is_away(error) or is_away(error.__cause__):
            raise database.refused(error, "must be a database that answers") from error
        told = str(database.refused(error, _RULE)) + ("; --restart replaces it" if replaceable else "")
        raise BudgetnetError(told) from error


def found(database: Database, name: str) -> Found | None:
    """The study of that name; None where there is none. Raises BudgetnetError where it has trials, but is none of a
    search.
    """

    def look(connection: Connection) -> Found | None:
        if not sqlalchemy.inspect(connection).has_table("studies"):
            return None
        study_id = study_rows.find_study(connection, name)
        if study_id is None:
            return None
        attributes = study_rows.study_attributes(connection, study_id) or {}
        if _SETTINGS not in attributes and study_rows.has_trials(connection, study_id):
            raise BudgetnetError(f"{database.where}: {_RULE}, but got one of something else, called {name}")
        return Found(study_id, attributes.get(IDENTITY), completed(attributes.get(_SETTINGS)))

    return database.look(look)


def found_or_made(database: Database, name: str, settings: Mapping[str, Any]) -> Found:
    """The study of that name, which is made where there is none. Called while nobody else makes any."""
    with _optuna(database) as storage:
        there = found(database, name)
        if there is not None and there.settings is not None:
            return there
        study = optuna.create_study(
            storage=storage, study_name=name, directions=["maximize", "maximize"], load_if_exists=True
        )
        study.set_metric_names(["mean IoU", "images per second"])
        identity = secrets.token_hex(8)
        study.set_user_attr(IDENTITY, identity)
        study.set_user_attr(_SETTINGS, dict(settings))  # last: what has settings is whole
        return Found(study._study_id, identity, json.loads(json.dumps(settings)))


def discard(database: Database, name: str, settings: Mapping[str, Any], *, grace: int, own: bool) -> None:
    """Throws a study away. Called while nobody else makes any. One of the folder's `own` file goes with the file where
    it cannot be read; one that others share must be at rest (BudgetnetError), and stays if nothing was begun in it.
    """
    if database.file is not None and not database.file.exists():
        return
    try:
        with _optuna(database):
            there = found(database, name)
        if there is None or (not own and not _to_be_discarded(database, there, settings, name=name, grace=grace)):
            return
        database.write(lambda connection: study_rows.delete_study(connection, there.study_id))
    except Exception:
        if not own or database.file is None:
            raise
        database.close()
        for end in ("", "-wal", "-shm"):
            database.file.with_name(database.file.name + end).unlink(missing_ok=True)


def _to_be_discarded(database: Database, there: Found, settings: Mapping[str, Any], *, name: str, grace: int) -> bool:
    """Whether a shared study is worth it: two machines that start with --restart at once share one new study."""

    def look(connection: Connection) -> tuple[bool, int]:
        running, silent = (len(rows.running(connection, there.study_id, silent=time)) for time in (None, grace))
        return study_rows.has_trials(connection, there.study_id), running - silent

    begun, alive = database.look(look)
    if alive:
        rule = f"must be at rest before --restart, but {alive} trainings of {name} are running"
        told = f"one whose machine died counts as running for {grace} seconds"
        raise BudgetnetError(f"{database.where}: {rule}; `budgetnet search --stop` ends them ({told})")
    return begun or there.settings != json.loads(json.dumps(settings))


@contextmanager
def _optuna(database: Database) -> Iterator[RDBStorage]:
    """The database as Optuna knows it, with all its tables."""
    storage = RDBStorage(database.address)
    try:
        yield storage
    finally:
        with suppress(sqlalchemy.exc.SQLAlchemyError):
            storage.remove_session()
        storage.engine.dispose()
