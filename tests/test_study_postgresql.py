"""The study in a real PostgreSQL: what each study keeps, and what becomes of servers, connections and machines that
die.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy
from postgresql import PASSWORD, Server, server
from studies import SETTINGS, SPACE, Contract, Opened, begin, optuna_study, silence, waiting

from budgetnet.errors import BudgetnetError
from budgetnet.search import opening, storage
from budgetnet.search.study import LostClaimError, Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture
def opened(running: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    """Each test has a database of its own."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    _execute(running, f"CREATE DATABASE {name}")
    url = running.url.removesuffix("postgres") + name

    def again(settings: Any = SETTINGS, **more: Any) -> Study:
        study = opening.opened(
            tmp_path, settings, space=SPACE, **{"restart": False, "storage": url, "name": "search", **more}
        )
        request.addfinalizer(study.close)
        return study

    return again


def _execute(running: Server, statement: str) -> Any:
    """What an administrator does."""
    url = sqlalchemy.make_url(running.url).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            done = connection.execute(sqlalchemy.text(statement))
            return done.all() if done.returns_rows else None
    finally:
        engine.dispose()


class TestPostgreSQL(Contract):
    pass


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_calls_survive_a_server_that_is_stopped_and_started(running: Server, opened: Opened, mode: str) -> None:
    told: list[str] = []
    study = opened(away=told.append)
    number = begin(study).number
    running.stop(mode)
    later = Thread(target=lambda: (time.sleep(1.5), running.start()))
    later.start()
    study.epoch(number, 1, 0.5)
    later.join()
    assert [(trial.status, trial.curve) for trial in study.trials()] == [("running", {1: 0.5})]
    assert len(told) == 1
    assert "does not answer (" in told[0]
    assert quote(PASSWORD, safe="") not in told[0]
    assert PASSWORD not in told[0]
    running.stop(mode)
    running.start()
    with study.deciding():
        begin(study)
    assert len(study.trials()) == 2


def test_a_server_that_stays_away_ends_the_search(
    running: Server, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = opened()
    monkeypatch.setattr(storage, "PATIENCE", 1.0)
    running.stop()
    try:
        with pytest.raises(BudgetnetError, match=r"must be a database that answers within 1\.0 s, but got") as caught:
            study.trials()
        assert "***" in str(caught.value)
        with pytest.raises(BudgetnetError, match=r"must be a database that answers, but got: .*[Cc]onnection refused"):
            opened()
    finally:
        running.start()


def test_a_wrong_password_is_told_at_once_and_without_it(running: Server, tmp_path: Path) -> None:
    url = running.url.replace(quote(PASSWORD, safe=""), "wrong-one")
    for call in (
        lambda: opening.opened(tmp_path, SETTINGS, space=SPACE, restart=False, storage=url),
        lambda: opening.existing(tmp_path, storage=url),
    ):
        with pytest.raises(
            BudgetnetError, match=r"must be a database that answers, but got: .*password auth"
        ) as caught:
            call()
        assert "wrong-one" not in str(caught.value)


def test_a_database_that_may_not_be_written_says_so(running: Server, opened: Opened) -> None:
    study = opened()
    name = study._database.url.database
    _execute(running, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    study.close()
    with pytest.raises(BudgetnetError, match="must be a database that can be written, but got: cannot execute"):
        begin(study)
    assert study.trials() == []


def test_where_there_is_no_search_there_is_none(opened: Opened, tmp_path: Path, running: Server) -> None:
    rule = "must hold a search 'parking', but there is none"
    with pytest.raises(BudgetnetError, match=rule):
        opening.existing(tmp_path, storage=running.url, name="parking")
    url = opened()._database.address
    with pytest.raises(BudgetnetError, match=rule):
        opening.existing(tmp_path, storage=url, name="parking")
    assert opening.existing(tmp_path, storage=url).settings == SETTINGS


def test_whoever_has_lost_its_connection_while_deciding_decides_anew(running: Server, opened: Opened) -> None:
    one, other = opened(), opened()
    with one.deciding():
        _end_connections(running, other)
        begin(one)  # nobody else has decided: what was decided on is still so
        with other.deciding():
            begin(other, 0.5)
        with pytest.raises(LostClaimError):
            begin(one, 1.0)
    with one.deciding():
        begin(one, 1.0)
    assert [trial.candidate.parameters["depth_multiplier"] for trial in other.trials()] == [0.25, 0.5, 1.0]


def _end_connections(running: Server, study: Study) -> None:
    """As a network does: those of everybody."""
    name = study._database.url.database
    _execute(running, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def test_a_machine_that_dies_while_deciding_holds_up_nobody(opened: Opened, tmp_path: Path) -> None:
    study = opened()
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from studies import SETTINGS, SPACE, begin
        from budgetnet.search import opening
        study = opening.opened(Path({str(tmp_path)!r}), SETTINGS, space=SPACE, restart=False,
                           storage={study._database.address!r})
        with study.deciding():
            begin(study)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    with study.deciding():
        silence(study)
        assert study.stale() == [0]
        assert study.release(0, died=True)
        assert study.resume(0, target=9, worker="here/0")
    assert [trial.deaths for trial in study.trials()] == [1]


def test_machines_in_other_time_zones_hear_each_other(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    tokyo = opened()
    begin(tokyo)
    monkeypatch.setenv("PGTZ", "America/Los_Angeles")
    other = opened()
    begin(other)
    monkeypatch.setenv("PGTZ", "Pacific/Auckland")
    assert opened().stale() == tokyo.stale() == other.stale() == []


def test_a_search_at_work_is_not_thrown_away_by_another_machine(opened: Opened) -> None:
    study = opened()
    number = begin(study).number
    with pytest.raises(BudgetnetError, match="must be at rest before --restart, but 1 trainings of search are running"):
        opened(restart=True)
    study.pause(number, None)
    restarted = opened(restart=True)
    assert restarted.trials() == []
    assert opened(restart=True).stop_requests == restarted.stop_requests == 0  # nothing was begun: they share it
    begin(restarted)
    silence(restarted)
    assert opened(restart=True).trials() == []
    with optuna_study(opened()) as read:
        assert read.metric_names == ["mean IoU", "images per second"]


def test_a_killed_process_among_several_leaves_its_trial_to_the_others(opened: Opened, tmp_path: Path) -> None:
    study = opened()
    numbers = [waiting(study) for _ in range(8)]
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from studies import SETTINGS, SPACE, candidate, result
        from budgetnet.search import opening
        study = opening.opened(Path({str(tmp_path)!r}), SETTINGS, space=SPACE, restart=False,
                           storage={study._database.address!r})
        for trial in study.trials():
            if study.resume(trial.number, target=9, worker="there/0"):
                for epoch in range(1, 10):
                    study.epoch(trial.number, epoch, epoch / 10)
                    time.sleep(0.02)
                study.complete(trial.number, result(candidate()), 1.0, None)
        """
    )
    workers = [subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ)) for _ in range(2)]
    while not any(trial.status == "running" and trial.epochs for trial in study.trials()):
        time.sleep(0.05)
    workers[0].kill()
    assert workers[1].wait(120) == 0
    workers[0].wait()
    silence(study)
    for number in study.stale():
        assert study.release(number, died=True)
    left = [trial.number for trial in study.trials() if trial.status != "done"]
    assert len(left) <= 1
    assert all(study.resume(number, target=9, worker="here/0") for number in left)
    assert [trial.number for trial in study.trials()] == numbers
