"""The study in SQLite: what each study keeps, and what becomes of a file that is none, cannot grow, or is read
meanwhile.
"""

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import OperationalError
from studies import SETTINGS, SPACE, Contract, Opened, begin, candidate, result, span, waiting

from budgetnet.errors import BudgetnetError
from budgetnet.search import opening, storage
from budgetnet.search.storage import masked
from budgetnet.search.study import FILE, Study
from budgetnet.training_settings import Training


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    def again(settings: Any = SETTINGS, **more: Any) -> Study:
        study = opening.opened(tmp_path / "out", settings, space=SPACE, **{"restart": False, **more})
        request.addfinalizer(study.close)
        return study

    return again


class TestSQLite(Contract):
    pass


def test_a_study_of_a_version_that_knew_fewer_fields_goes_on(opened: Opened) -> None:
    settings = {"seed": 0, "training": Training().model_dump(mode="json")}
    opened({"seed": 0, "training": {name: value for name, value in settings["training"].items() if name != "paste"}})
    opened(settings)
    with pytest.raises(BudgetnetError, match=r"with other settings \(training.epochs 10, now 11\)"):
        opened({**settings, "training": {**settings["training"], "epochs": 11}})


def test_a_file_that_is_no_study_is_refused_unless_restarted(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "out" / FILE
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, and long enough to be looked at" * 20)
    rule = "must be the study of a search, but got: file is not a database"
    with pytest.raises(BudgetnetError) as caught:
        opened()
    assert str(caught.value) == f"{path}: {rule}; --restart replaces it"
    with pytest.raises(BudgetnetError) as caught:
        opening.existing(path.parent)
    assert str(caught.value) == f"{path}: {rule}"
    assert opened(restart=True).trials() == []


def test_a_study_of_something_else_is_refused(tmp_path: Path, opened: Opened) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    optuna.create_study(storage=url, study_name="search", directions=["maximize", "maximize"])
    assert opened(storage=url).trials() == []  # nothing was begun in it
    optuna.create_study(storage=url, study_name="another").enqueue_trial({"x": 1})
    with pytest.raises(BudgetnetError, match="must be the study of a search, but got one of something else, called an"):
        opened(storage=url, name="another")


def test_a_study_of_another_optuna_is_refused(opened: Opened, tmp_path: Path) -> None:
    opened()
    with sqlite3.connect(tmp_path / "out" / FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99'")
    with pytest.raises(BudgetnetError, match=r"but got: The runtime optuna.*no longer compatible.*; --restart repl"):
        opened()
    assert opened(restart=True).trials() == []


@pytest.mark.parametrize("pages", [1, 20, 60, 70])
def test_a_full_disk_is_told_in_sqlites_own_words(
    pages: int, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself refuses to grow the file: while the study is made, or some trials later."""
    connect = sqlite3.dbapi2.connect

    def full(*args: Any, **more: Any) -> sqlite3.Connection:
        made = connect(*args, **more)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    monkeypatch.setattr(sqlite3.dbapi2, "connect", full)

    def search() -> None:
        study = opened()
        for _ in range(200):
            study.complete(begin(study).number, result(candidate()), 1.0, span(1, 9))

    with pytest.raises(BudgetnetError) as caught:
        search()
    rule = "must be a file that SQLite can write, but got"
    assert str(caught.value) == f"{tmp_path / 'out' / FILE}: {rule}: database or disk is full"


def test_a_folder_of_any_name_will_do_but_one_that_sqlite_cannot_name(tmp_path: Path) -> None:
    for name in ("a %20 {b} #ü", "50%", "{SCHEMA_VERSION}"):
        waiting(opening.opened(tmp_path / name, SETTINGS, space=SPACE, restart=False))
        assert (tmp_path / name / FILE).exists()
        assert len(opening.existing(tmp_path / name).trials()) == 1
    with pytest.raises(
        BudgetnetError, match=r"a\?b: the output folder's path must be without '\?', which SQLite takes"
    ):
        opening.opened(tmp_path / "a?b", SETTINGS, space=SPACE, restart=False)


def test_a_folder_that_cannot_be_written_is_refused(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: FileLock, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    with pytest.raises(BudgetnetError, match="must be in a folder that can be written, but got Permission denied"):
        opened()


def test_where_there_is_no_search_nothing_is_made(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(BudgetnetError) as caught:
        opening.existing(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path / 'none'}: must hold a search, but there is none"
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    with pytest.raises(BudgetnetError) as caught:
        opening.existing(tmp_path, storage=url, name="parking")
    assert str(caught.value) == f"{tmp_path / 'shared.db'}: must hold a search 'parking', but there is none"
    assert list(tmp_path.iterdir()) == []
    opened(storage=url, name="urban")
    with pytest.raises(BudgetnetError, match="must hold a search 'parking', but there is none"):
        opening.existing(tmp_path, storage=url, name="parking")
    assert opening.existing(tmp_path, storage=url, name="urban").settings == SETTINGS


def test_a_study_can_be_looked_at_while_it_is_being_written(opened: Opened, tmp_path: Path) -> None:
    study = opened()
    begin(study)

    def write(connection: sqlalchemy.Connection) -> int:
        connection.exec_driver_sql("UPDATE trials SET number = 7")
        return len(opening.existing(tmp_path / "out").trials())

    assert study._database.write(write) == 1


def test_a_kill_loses_nothing_that_was_reported(opened: Opened, tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from studies import SETTINGS, SPACE, begin, span
        from budgetnet.search import opening
        study = opening.opened(Path({str(tmp_path / "out")!r}), SETTINGS, space=SPACE, restart=False)
        begin(study)
        for epoch in range(1, 6):
            study.epoch(0, epoch, epoch / 10)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    study = opened()
    assert [(trial.status, trial.epochs) for trial in study.trials()] == [("running", 5)]
    assert study.orphans() == [0]
    assert study.release(0, died=False)
    assert study.resume(0, target=9, worker="here/0")


# --- storages by their URL


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:secret@host/db", "but got 'mysql://'"),
        ("study.db", "but got no URL"),
        ("postgresql://me:secret@host:port/db", "but got no URL"),
        ("postgresql+asyncpg://me:secret@host/db", r"but got 'postgresql\+asyncpg://'"),
        ("sqlite://", "without options, but got 'sqlite://'"),
        ("sqlite:///:memory:", "without options, but got 'sqlite:///%3Amemory%3A'"),
        ("sqlite://me:secret@/a.db", "without options, but got 'sqlite://me:"),
        ("sqlite:///a.db?mode=ro", r"without options, but got 'sqlite:///a.db\?mode=ro'"),
        ("postgresql://me:sec@ret@host/db", "a password must be written with %40 for '@', but got two '@'"),
    ],
)
def test_other_storages_are_refused(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BudgetnetError, match=told) as caught:
        opening.opened(tmp_path, SETTINGS, space=SPACE, restart=False, storage=url)
    assert str(caught.value).startswith("storage: ")
    assert "sec" not in str(caught.value)


def test_a_missing_driver_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BudgetnetError) as caught:
        opening.opened(tmp_path, SETTINGS, space=SPACE, restart=False, storage="postgresql://host/db")
    assert str(caught.value) == "storage: needs `pip install 'budgetnet[postgresql]'`"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5/db", "postgresql://me:***@host:5/db"),
        (
            "postgresql://me@host/db?password=secret&sslmode=require",
            "postgresql://me@host/db?password=***&sslmode=requ",
        ),
        ("postgresql://me:s%40cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:secret@host:nothing/db", "..."),
        ("secret", "..."),
        ("sqlite:////folder/study.db", "sqlite:////folder/study.db"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert masked(url).replace("%2A", "*").startswith(shown)
    assert "cret" not in masked(url)


# --- a connection that is lost. SQLite has none, so these are put in where SQLAlchemy would report them


def failing(study: Study, times: int) -> None:
    left = [times]

    def fail(*_: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise OperationalError("SELECT", None, ConnectionResetError("server closed the connection"))

    sqlalchemy.event.listen(study._database._engine, "before_cursor_execute", fail)


def test_a_call_waits_for_a_database_that_is_away_and_says_so_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(storage.time, "sleep", pauses.append)
    told: list[str] = []
    study = opened(away=told.append)
    failing(study, 9)
    begin(study)
    assert len(study.trials()) == 1
    where = study._database.where
    assert told == [f"{where}: does not answer (server closed the connection); trying again"]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    failing(study, 1)
    study.epoch(0, 1, 0.5)
    assert len(told) == 2


def test_a_database_that_stays_away_ends_the_search(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PATIENCE", 0.2)
    monkeypatch.setattr(storage, "FIRST_PAUSE", 0.1)
    study = opened()
    failing(study, 1000)
    with pytest.raises(BudgetnetError, match=r"must be a database that answers within 0\.2 s, but got: server cl"):
        study.stop_requests  # noqa: B018 (reads the database)
