"""What every study keeps, whichever database it is in: tests that are run with each (`test_study*.py`).

Whoever inherits them has a fixture `opened` that opens the study again, as another coordinator would.
"""

import itertools
import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.results import Result, Scores
from budgetnet.search.storage import Database
from budgetnet.search.study import LostClaimError, Study
from budgetnet.search.trial import Span, Trial

SPACE = {"depth_multiplier": [0.25, 0.5, 1.0], "classifier_kernel": [1, 3], "head": ["fcn"]}
SETTINGS = {"seed": 0, "name": "parking"}


def candidate(multiplier: float = 0.25, kernel: int = 3) -> Candidate:
    return Candidate.of(
        "mobilenet-fcn",
        {"depth_multiplier": multiplier, "classifier_kernel": kernel, "classifier_depth": 256, "head": "fcn"},
    )


def result(of: Candidate) -> Result:
    return Result(
        network=of.network,
        parameters=of.parameters,
        macs=10,
        ops=20,
        params=3,
        fvcore_macs=10,
        scores=Scores(
            mean_iou=0.1 + 0.2, pixel_accuracy=0.5, mean_dice=0.4, iou={"a": 0.3, "b": None}, dice={"a": 1.0}
        ),
        epochs=9,
        seconds=12.5,
        history=({"epoch": 9, "loss": 1.5, "mean_iou": 0.3, "seconds": 1.25},),
        made_by={"torch": "none"},
    )


def span(first: int, last: int) -> Span:
    return Span(first_epoch=first, last_epoch=last, began=1e9 + first / 3, ended=1e9 + last / 3, worker="here/0")


def begin(study: Study, multiplier: float = 0.25, **more: Any) -> Trial:
    given = {"images_per_second": 100 / 3, "target": 3, "origin": "widest", "worker": "here/0", **more}
    return study.begin(candidate(multiplier), **given)


def waiting(study: Study, multiplier: float = 0.25) -> int:
    trial = begin(study, multiplier)
    study.pause(trial.number, None)
    return trial.number


Opened = Callable[..., Study]


def answered(app: Any, address: str) -> Any:
    """What a program of the web says, without a server around it."""
    path, _, query = address.partition("?")
    environment: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environment)
    said: list[str] = []
    body = b"".join(app(environment, lambda status, headers, error=None: said.append(status)))
    assert said == ["200 OK"], body
    return json.loads(body)


class Contract:
    def test_every_field_of_a_trial_is_kept(self, opened: Opened) -> None:
        study, other = opened(), opened()
        trial = begin(study, changes={"seed": 7, "epochs": 30})
        expected = Trial(
            number=0,
            candidate=candidate(),
            images_per_second=100 / 3,
            status="running",
            target=3,
            origin="widest",
            changes={"seed": 7, "epochs": 30},
            worker="here/0",
        )
        assert trial == expected
        assert study.trials() == other.trials() == [expected]
        study.epoch(0, 1, 0.1 + 0.2)
        study.epoch(0, 2, None)
        study.epoch(0, 3, 1e-300)
        study.pause(0, span(1, 3))
        expected = replace(
            expected, status="paused", worker=None, epochs=3, curve={1: 0.1 + 0.2, 3: 1e-300}, spans=(span(1, 3),)
        )
        assert study.trials() == other.trials() == opened().trials() == [expected]
        assert other.resume(0, target=9, worker="there/1")
        assert study.trials() == [replace(expected, status="running", target=9, worker="there/1")]
        other.complete(0, result(candidate()), 33.25, span(4, 9))
        spans = (span(1, 3), span(4, 9))
        done = replace(expected, status="done", target=9, epochs=9, spans=spans, result=result(candidate()))
        assert study.trials() == other.trials() == opened().trials() == [done]
        assert done.finished

    def test_trials_are_listed_by_number_and_only_the_changed_are_new(self, opened: Opened) -> None:
        study, other = opened(), opened()
        for multiplier in (0.25, 0.5, 1.0):
            begin(study, multiplier)
        before = other.trials()
        assert [trial.number for trial in before] == [0, 1, 2]
        study.fail(1, "loss must be finite, but got nan", span(1, 1))
        study.epoch(2, 1, 0.5)
        after = other.trials()
        assert after[0] is before[0]
        assert (after[1].status, after[1].reason, after[1].finished) == (
            "failed",
            "loss must be finite, but got nan",
            True,
        )
        assert (after[1].spans, after[2].epochs) == ((span(1, 1),), 1)
        assert other.trials()[1] is after[1]

    def test_optuna_reads_the_study_as_its_own(self, opened: Opened) -> None:
        study = opened()
        begin(study)
        begin(study, 0.5)
        begin(study, 1.0)
        waiting(study)
        study.epoch(0, 1, 0.25)
        study.complete(0, result(candidate()), 33.25, span(1, 9))
        study.fail(1, "out of memory")
        with optuna_study(study) as read:
            assert [direction.name for direction in read.directions] == ["MAXIMIZE", "MAXIMIZE"]
            assert read.metric_names == ["mean IoU", "images per second"]
            done, failed, running, paused = read.get_trials()
            assert [trial.number for trial in read.best_trials] == [0]
        assert [trial.state for trial in (done, failed, running, paused)] == [
            TrialState.COMPLETE,
            TrialState.FAIL,
            TrialState.RUNNING,
            TrialState.WAITING,
        ]
        assert done.values == [0.1 + 0.2, 33.25]
        assert done.params == {"depth_multiplier": 0.25, "classifier_kernel": 3, "head": "fcn"}
        choices = {name: distribution.choices for name, distribution in done.distributions.items()}
        assert choices == {name: tuple(values) for name, values in SPACE.items()}
        assert done.intermediate_values == {1: 0.25}
        assert set(done.user_attrs) == {"candidate", "images_per_second", "origin", "target", "worker", "spans"}
        assert failed.user_attrs["reason"] == "out of memory"
        assert done.datetime_complete >= done.datetime_start
        assert abs(time.time() - done.datetime_start.timestamp()) < 60

    def test_optuna_dashboard_shows_it(self, opened: Opened) -> None:
        study = opened()
        for multiplier in (0.25, 0.5, 1.0):
            begin(study, multiplier)
        waiting(study)
        study.epoch(0, 1, 0.25)
        study.complete(0, result(candidate()), 33.25, span(1, 9))
        study.fail(1, "out of memory")
        with optuna_study(study) as read:
            app = optuna_dashboard.wsgi(read._storage)
            (summary,) = answered(app, "/api/studies")["study_summaries"]
            assert (summary["study_name"], summary["directions"]) == ("search", ["maximize", "maximize"])
            told = answered(app, f"/api/studies/{summary['study_id']}?after=0")
        assert [trial["state"] for trial in told["trials"]] == ["Complete", "Fail", "Running", "Waiting"]
        done = told["trials"][0]
        assert [float(value) for value in done["values"]] == [0.1 + 0.2, 33.25]
        assert {param["name"]: param["param_external_value"] for param in done["params"]} == {
            "depth_multiplier": "0.25",
            "classifier_kernel": "3",
            "head": "fcn",
        }
        assert told["objective_names"] == ["mean IoU", "images per second"]

    def test_a_paused_trial_is_claimed_once(self, opened: Opened) -> None:
        one, other = opened(), opened()
        number = waiting(one)
        assert other.resume(number, target=9, worker="there/0")
        assert not one.resume(number, target=9, worker="here/0")
        with pytest.raises(LostClaimError):
            one.epoch(number, 1, 0.5)
        other.epoch(number, 1, 0.25)
        assert one.trials()[0].curve == {1: 0.25}

    def test_nothing_is_written_by_whoever_has_lost_a_trial(self, opened: Opened) -> None:
        lost, other = opened(), opened()
        writes: list[Callable[[int], Any]] = [
            lambda number: lost.epoch(number, 1, 0.5),
            lambda number: lost.pause(number, span(1, 1)),
            lambda number: lost.complete(number, result(candidate()), 1.0, span(1, 9)),
            lambda number: lost.fail(number, "no memory"),
        ]
        numbers = [begin(lost).number for _ in writes]
        assert other.orphans() == numbers
        for number, write in zip(numbers, writes, strict=True):
            assert other.release(number, died=True)
            with pytest.raises(LostClaimError):
                write(number)
            assert other.resume(number, target=5, worker="there/0")
        before = other.trials()
        for number, write in zip(numbers, writes, strict=True):
            with pytest.raises(LostClaimError):
                write(number)
        assert lost.trials() == before == other.trials()
        assert all((trial.status, trial.worker, trial.deaths) == ("running", "there/0", 1) for trial in before)

    def test_a_silent_machines_trials_are_taken_over_and_a_live_ones_are_not(self, opened: Opened) -> None:
        silent, other = opened(), opened()
        number = begin(silent).number
        assert other.stale() == []
        assert not other.release(number, died=True)
        silence(silent)
        assert silent.beat([number]) == []
        assert other.stale() == []
        silence(silent)
        assert other.stale() == [number]
        assert silent.stale() == silent.orphans() == []
        assert other.release(number, died=True)
        assert not other.release(number, died=True)
        assert silent.beat([number]) == [number]
        assert not silent.release(number, died=False)
        assert [(trial.status, trial.deaths, trial.target) for trial in other.trials()] == [("paused", 1, 3)]

    def test_a_beat_does_not_keep_a_trial_alive_that_another_one_has(self, opened: Opened) -> None:
        lost, other, third = opened(), opened(), opened()
        number = begin(lost).number
        other.orphans()
        other.release(number, died=True)
        other.resume(number, target=3, worker="there/0")
        silence(other)
        assert lost.beat([number]) == [number]
        assert third.stale() == [number]

    def test_deaths_are_counted_until_an_epoch_is_added(self, opened: Opened) -> None:
        study = opened()
        number = begin(study).number
        for deaths in (1, 2):
            assert study.release(number, died=True)
            assert study.trials()[0].deaths == deaths
            study.resume(number, target=3, worker="here/0")
        study.release(number, died=False)
        study.resume(number, target=3, worker="here/0")
        assert study.trials()[0].deaths == 2
        study.release(number, died=False, killed=True)
        study.resume(number, target=3, worker="here/0")
        assert (study.trials()[0].deaths, study.trials()[0].kills) == (2, 1)
        study.epoch(number, 1, 0.5)
        assert (study.trials()[0].deaths, study.trials()[0].kills) == (0, 0)

    def test_what_was_committed_is_not_applied_twice_when_its_answer_is_lost(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []
        study = opened(away=told.append)
        once = Database._once
        lose = [False]

        def losing(self: Database, work: Any, *, reading: bool) -> Any:
            answer = once(self, work, reading=reading)
            if lose[0] and not reading:
                lose[0] = False
                raise OperationalError("COMMIT", None, ConnectionResetError("connection reset"))
            return answer

        monkeypatch.setattr(Database, "_once", losing)
        monkeypatch.setattr("budgetnet.search.storage.FIRST_PAUSE", 0.01)

        def lossy(call: Callable[[], Any]) -> Any:
            lose[0] = True
            answer = call()
            assert not lose[0]
            return answer

        assert lossy(lambda: begin(study)).number == 0
        lossy(lambda: study.epoch(0, 1, 0.5))
        assert lossy(lambda: study.release(0, died=True))
        assert lossy(lambda: study.resume(0, target=9, worker="here/1"))
        assert study.trials()[0].deaths == 1
        lossy(lambda: study.pause(0, span(2, 2)))
        assert study.resume(0, target=9, worker="here/2")
        lossy(lambda: study.complete(0, result(candidate()), 1.0, span(3, 9)))
        lossy(lambda: begin(study, 0.5))
        lossy(lambda: study.fail(1, "no memory", span(1, 1)))
        lossy(study.ask_to_stop)
        assert study.stop_requests == 1
        assert [(trial.status, len(trial.spans)) for trial in study.trials()] == [("done", 2), ("failed", 1)]
        assert len(told) == 9

    def test_other_settings_are_refused_naming_what_differs_unless_restarted(self, opened: Opened) -> None:
        begin(opened())
        with pytest.raises(BudgetnetError, match=r"holds a search with other settings \(seed 0, now 1\).*--restart"):
            opened({**SETTINGS, "seed": 1})
        assert opened().settings == SETTINGS

    def test_a_restart_throws_one_study_away_and_no_other(self, opened: Opened) -> None:
        checks = opened(name="search checks")
        waiting(checks)
        study = opened()
        waiting(study)
        again = opened({**SETTINGS, "seed": 1}, restart=True)
        assert again.trials() == []
        assert len(checks.trials()) == 1
        with pytest.raises(BudgetnetError, match="must keep its study, but another search threw it away"):
            study.trials()
        with pytest.raises(BudgetnetError, match="must keep its study, but another search threw it away"):
            begin(study)

    def test_requests_to_stop_are_counted(self, opened: Opened) -> None:
        study, other = opened(), opened()
        assert study.stop_requests == 0
        other.ask_to_stop()
        assert study.stop_requests == 1
        assert opened().stop_requests == 1

    def test_one_at_a_time_decides(self, opened: Opened, tmp_path: Path) -> None:
        opened()
        counter = tmp_path / "counter"
        counter.write_text("0")
        processes(opened, _count_up, counter)
        assert counter.read_text() == "60"

    def test_processes_claim_no_trial_twice_and_leave_none(self, opened: Opened, tmp_path: Path) -> None:
        study = opened()
        numbers = [waiting(study) for _ in range(30)]
        processes(opened, _claim_all, tmp_path / "claimed")
        claimed = [
            [int(line) for line in (tmp_path / f"claimed{process}").read_text().split()] for process in range(PROCESSES)
        ]
        assert sorted(itertools.chain(*claimed)) == numbers
        assert {trial.status for trial in study.trials()} == {"running"}

    def test_processes_that_begin_at_once_share_one_study(self, opened: Opened, tmp_path: Path) -> None:
        processes(opened, _begin_some, tmp_path / "none")
        assert [trial.number for trial in opened().trials()] == list(range(5 * PROCESSES))


def silence(study: Study) -> None:
    """As if nobody had been heard of for long."""
    past = "UPDATE trial_heartbeats SET heartbeat = '2001-01-01 00:00:00'"
    study._database.write(lambda connection: connection.exec_driver_sql(past))


PROCESSES = 3


def processes(opened: Opened, work: Callable[[Study, Path, int], None], path: Path) -> None:
    """Opens the study in several processes at once, and has each do the work."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(PROCESSES)
    made = [context.Process(target=_in_process, args=(opened, ready, work, path, each)) for each in range(PROCESSES)]
    for process in made:
        process.start()
    for process in made:
        process.join(60)
    assert [process.exitcode for process in made] == [0] * PROCESSES


def _in_process(opened: Opened, ready: Any, work: Callable[[Study, Path, int], None], path: Path, each: int) -> None:
    ready.wait(30)
    work(opened(), path, each)


def _count_up(study: Study, path: Path, each: int) -> None:
    for _ in range(20):
        with study.deciding():
            path.write_text(str(int(path.read_text()) + 1))


def _claim_all(study: Study, path: Path, each: int) -> None:
    numbers = [trial.number for trial in study.trials()]
    claimed = [number for number in numbers if study.resume(number, target=9, worker=f"here/{each}")]
    path.with_name(f"{path.name}{each}").write_text("\n".join(map(str, claimed)))


def _begin_some(study: Study, path: Path, each: int) -> None:
    for _ in range(5):
        with study.deciding():
            begin(study)


class optuna_study:  # noqa: N801 (reads like a function)
    """A study as Optuna opens it."""

    def __init__(self, study: Study, name: str = "search") -> None:
        self._storage = optuna.storages.RDBStorage(study._database.address)
        self._study = optuna.load_study(study_name=name, storage=self._storage)

    def __enter__(self) -> optuna.Study:
        return self._study

    def __exit__(self, *_: object) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()
