"""Where studies lie: a file of SQLite in the output folder, or a database that several machines share.

Connections, what becomes of one that is lost, and locks over processes and machines. What the tables hold is not known
here.
"""

import importlib.util
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar, final

import sqlalchemy
from filelock import FileLock
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from budgetnet import files, units
from budgetnet.errors import BudgetnetError, printable, shorten

FILE: Final = "study.db"
"""The folder's own database, in SQLite."""

PATIENCE: Final = 15 * 60.0
"""Seconds that a call waits for a database that is away."""

HURRIED: Final = 10.0
"""The same once somebody waits for the program to end."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to reach it: they grow."""

T = TypeVar("T")

_CREATING: Final = 0x62756467
"""The advisory lock under which tables and studies are made, and the first half of those of decisions (`budg`)."""

_DECISION: Final = "5min"
"""A decision that takes longer is taken for one of a machine that sleeps: PostgreSQL ends its transaction."""

_IS_AWAY: Final = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300", "40001", "40P01"}
"""PostgreSQL's codes of what passes: shut down, starting, idle for too long, too many connections, deadlock. Class 08
is connections.
"""

_REFUSED: Final = ("25", "42501", "53", "58")
"""PostgreSQL's codes of what its owner has to mend: read-only, no privilege, disk full, system error."""

_NETWORK: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A connection whose other end is gone without a word is noticed within a minute, on both sides."""

_RULE: Final = "storage: must be sqlite:///FILE or postgresql://USER@HOST/DATABASE"


@final
class Database:
    """A database that holds studies. `where` names it to people, without its password.

    Every call waits for a database that is away (restarted, its network down) for up to `PATIENCE` seconds, telling
    `away` once per outage, and raises BudgetnetError after that, as it does where the database refuses to be written.
    What is written is handed over as a function, which may be called again: it must find out whether an earlier
    attempt was committed whose answer was lost.
    """

    def __init__(self, url: URL, where: str, away: Callable[[str], None]) -> None:
        self.url = url
        self.where = where
        self.file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
        self._away = away
        self._outage = Lock()
        self._away_since: float | None = None
        self._hurried = False
        if self.file is not None:
            self._lock = FileLock(self.file.with_name(f".{self.file.name}.lock"))
            self._engine = _sqlite(url)
        else:
            self._engine = _postgresql(url)

    @classmethod
    def of(cls, folder: Path, storage: str | None, away: Callable[[str], None]) -> "Database":
        """The database in an output folder, or one by its URL. Raises BudgetnetError where there can be none."""
        if storage is not None:
            url = _url(storage)
            return cls(url, url.database if url.drivername == "sqlite" else masked(storage), away)  # type: ignore[arg-type]
        path = (files.make_folder(folder) / FILE).resolve()
        if "?" in str(path):
            rule = "the output folder's path must be without '?', which SQLite takes for an option"
            raise BudgetnetError(f"{folder}: {rule}")
        return cls(URL.create("sqlite", database=str(path)), str(path), away)

    @property
    def shared(self) -> bool:
        """Whether it is a server, which other machines may use as well."""
        return self.file is None

    @property
    def address(self) -> str:
        """Its URL for Optuna, password and all: not for people."""
        return self.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads in one transaction: a state that was, whatever others write meanwhile."""
        return self._patiently(lambda: self._once(work, reading=True))

    def look(self, work: Callable[[Connection], T]) -> T:
        """Like `read`, but fails at once where the database is away: somebody is there to see it."""
        return self._once(work, reading=True)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one transaction, and again where it cannot be known that it was committed."""
        return self._patiently(lambda: self._once(work, reading=False))

    def hurry(self) -> None:
        """From now on no call waits for longer than `HURRIED` seconds."""
        self._hurried = True

    def close(self) -> None:
        """Lets go of all connections."""
        self._engine.dispose()

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Inside, nobody else makes tables or studies. Does not wait for a database that is away: somebody is there to
        see it.
        """
        with self._file_lock() if self.file is not None else self._server_lock(self._locked(_CREATING, 0)):
            yield

    @contextmanager
    def deciding(self, study_id: int) -> Iterator[None]:
        """Inside, nobody else decides about the study, unless the connection is lost: then the lock is lost, too."""
        if self.file is not None:
            with self._file_lock():
                yield
            return
        with self._server_lock(self._patiently(lambda: self._locked(_CREATING, study_id))):
            yield

    def refused(self, error: Exception, rule: str) -> BudgetnetError:
        """What to tell where the database, or what it holds, breaks a rule."""
        return BudgetnetError(f"{self.where}: {rule}, but got: {words_of(error)}")

    def _once(self, work: Callable[[Connection], T], *, reading: bool) -> T:
        with self._engine.connect() as connection:
            if reading and self.file is None:
                connection.execution_options(isolation_level="REPEATABLE READ")
            connection.execution_options(reading=reading)
            with connection.begin():
                return work(connection)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        patience = min(HURRIED, PATIENCE) if self._hurried else PATIENCE
        pause = FIRST_PAUSE
        since = time.monotonic()
        while True:
            try:
                answer = attempt()
            except DBAPIError as error:
                if not is_away(error):
                    raise self._not_written(error) from error
                self._tell(error)
                if time.monotonic() - since >= patience:
                    rule = f"must be a database that answers within {units.duration(patience)}"
                    raise self.refused(error, rule) from error
            else:
                with self._outage:
                    self._away_since = None
                return answer
            time.sleep(min(pause, patience))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _tell(self, error: DBAPIError) -> None:
        """Once per outage, whichever thread sees it first."""
        with self._outage:
            new = self._away_since is None
            if new:
                self._away_since = time.monotonic()
        if new:
            self._away(f"{self.where}: does not answer ({words_of(error)}); trying again")

    def _not_written(self, error: DBAPIError) -> Exception:
        if isinstance(error.orig, sqlite3.Error):
            return self.refused(error, "must be a file that SQLite can write")
        return self.refused(error, "must be a database that can be written") if _is_refused(error) else error

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        try:
            self._lock.acquire()
        except OSError as error:
            rule = f"must be in a folder that can be written, but got {error.strerror}"
            raise BudgetnetError(f"{self.where}: {rule}") from error
        try:
            yield
        finally:
            self._lock.release()

    def _locked(self, *key: int) -> Connection:
        """A connection in whose transaction an advisory lock is held."""
        connection = self._engine.connect()
        try:
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{_DECISION}'")
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(*key)))
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _server_lock(self, connection: Connection) -> Iterator[None]:
        """Ends the transaction of a lock; where its connection was lost, the server has done so."""
        try:
            yield
        finally:
            try:
                connection.rollback()
            except DBAPIError:
                connection.invalidate()
            finally:
                connection.close()


def masked(url: str) -> str:
    """A storage's URL as people may see it: without any password. Of what is no URL, nothing is shown."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "..."
    hidden = {key: "***" if "pass" in key.lower() else value for key, value in parsed.query.items()}
    return printable(parsed.set(query=hidden).render_as_string(hide_password=True))


def is_away(error: BaseException | None) -> bool:
    """Whether an error is a database that does not answer, rather than one that refuses or a file of SQLite."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return False
    code = _code(error)
    if code is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return code in _IS_AWAY or code.startswith("08")


def words_of(error: BaseException) -> str:
    """The database's own words where it has any (`database or disk is full`), those of Optuna (a RuntimeError) where
    the tables are those of another version, else the error's name.
    """
    cause: BaseException | None = error
    while cause is not None:
        own = cause.orig if isinstance(cause, DBAPIError) else cause
        if isinstance(own, sqlite3.Error) or (isinstance(cause, DBAPIError) and str(own)):
            return printable(" ".join(str(own).split()))
        cause = cause.__cause__
    return printable(str(error)) if isinstance(error, RuntimeError) else type(error).__name__


def _code(error: DBAPIError) -> str | None:
    code = getattr(error.orig, "sqlstate", None)  # psycopg's errors have one, None where no server answered
    return code if isinstance(code, str) else None


def _is_refused(error: DBAPIError) -> bool:
    code = _code(error)
    return code is not None and code.startswith(_REFUSED)


def _url(storage: str) -> URL:
    """A storage's URL, checked and with its driver. Raises BudgetnetError that shows no password."""
    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):
        raise BudgetnetError(f"{_RULE}, but got no URL") from None
    if url.drivername == "sqlite":
        return _file(url, storage)
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise BudgetnetError(f"{_RULE}, but got {shorten(url.drivername + '://')}")
    if "@" in (url.host or ""):
        raise BudgetnetError("storage: a password must be written with %40 for '@', but got two '@'")
    if importlib.util.find_spec("psycopg") is None:
        raise BudgetnetError("storage: needs `pip install 'budgetnet[postgresql]'`")
    return url.set(drivername="postgresql+psycopg")


def _file(url: URL, storage: str) -> URL:
    if not url.database or url.database == ":memory:" or _has_more(url):
        raise BudgetnetError(f"{_RULE}, without options, but got {shorten(masked(storage))}")
    path = Path(url.database).resolve()
    files.make_folder(path.parent)
    return url.set(database=str(path))


def _has_more(url: URL) -> bool:
    """Whether a file's URL tells more than the file."""
    given = (url.host, url.port, url.username, url.password, url.query)
    return any(given) or bool(set("?#") & set(url.database or ""))


def _sqlite(url: URL) -> sqlalchemy.Engine:
    """SQLite with a log of what is written: who reads waits for nobody, and a killed process loses nothing."""
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": 60})

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by Python's module
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    def begins(connection: Connection) -> None:
        """What writes locks the file at once: it may not find out later that what it has read is no longer so."""
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    sqlalchemy.event.listen(engine, "connect", connected)
    sqlalchemy.event.listen(engine, "begin", begins)
    return engine


def _postgresql(url: URL) -> sqlalchemy.Engine:
    given = {key: value for key, value in _NETWORK.items() if key not in url.query}
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True, connect_args=given)

    def connected(connection: Any, _: Any) -> None:
        """Heartbeats of machines in different time zones are compared."""
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            for key in ("keepalives_idle", "keepalives_interval", "keepalives_count"):
                cursor.execute(f"SET tcp_{key} = {_NETWORK[key]}")
        connection.commit()

    sqlalchemy.event.listen(engine, "connect", connected)
    return engine
