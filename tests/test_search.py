"""The search with a training that is a formula: what is begun, what is written down, what an interruption leaves
behind, and several workers.
"""

import dataclasses
import errno
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock
from formulas import STATE, Formula, curve, result, scenario
from races import Silent, go, table

from budgetnet import formats
from budgetnet.errors import BudgetnetError
from budgetnet.locks import alone
from budgetnet.networks import Candidate
from budgetnet.plan import plan
from budgetnet.report import Report
from budgetnet.results import Result, Run, TrainingError
from budgetnet.search import opening
from budgetnet.search.checks import front, repeated
from budgetnet.search.crew import Alone, Workers
from budgetnet.search.endings import EPOCHS_UP, INTERRUPTED, STOPPED, TIME_UP
from budgetnet.search.place import CHECKS, RUNS, Storage
from budgetnet.search.run import Asked, Outcome
from budgetnet.search.storage import Database
from budgetnet.search.study import FILE
from budgetnet.search.trial import Trial
from budgetnet.search.trial_rows import PROGRESS
from budgetnet.search.watching import Clocks
from budgetnet.searching import ask_to_stop, place_of, status_of


def epochs_done(log: Path) -> list[str]:
    return log.read_text().splitlines()


def test_no_candidate_is_over_budget_and_none_is_trained_twice(tmp_path):
    made, log = plan(scenario()), tmp_path / "log"
    outcome = go(tmp_path, trials=25, made=made, crew=lambda: Alone(Formula(log=log).evaluators))
    trials = outcome.trials
    assert [trial.number for trial in trials] == list(range(25))
    assert len({trial.candidate for trial in trials}) == 25
    assert {trial.candidate for trial in trials} <= {planned.candidate for planned in made.fitting}
    assert len(epochs_done(log)) == len(set(epochs_done(log))) == outcome.epochs == sum(t.epochs for t in trials)
    assert (outcome.networks, outcome.wanted, outcome.stopped) == (33, 25, None)


def test_paused_trials_go_on_from_their_state_and_end_as_a_whole_training_does(tmp_path):
    outcome = go(tmp_path, trials=12)
    assert {trial.status for trial in outcome.trials} == {"done", "paused"}
    for trial in outcome.trials:
        assert trial.curve == {epoch: curve(trial.candidate, epoch) for epoch in range(1, trial.epochs + 1)}
        assert trial.result == (result(trial.candidate) if trial.status == "done" else None)
        assert trial.epochs == trial.target
        assert [(span.first_epoch, span.last_epoch) for span in trial.spans] == [(1, 1), (2, 3), (4, 9)][
            : len(trial.spans)
        ]


def test_when_fewer_fit_than_trials_are_asked_all_are_tried(tmp_path):
    made = plan(scenario(budget=24))
    outcome = go(tmp_path, trials=1000, made=made)
    assert {trial.candidate for trial in outcome.trials} == {planned.candidate for planned in made.fitting}
    assert (outcome.wanted, outcome.untried, outcome.stopped) == (len(made.fitting), 0, None)


def test_a_seed_gives_the_same_search_and_another_seed_another(tmp_path):
    tables = [
        table(go(tmp_path / name, trials=14, made=plan(scenario(training={"seed": seed}))))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert tables[0] == tables[1]
    assert [row[1] for row in tables[0]] != [row[1] for row in tables[2]]


class Interrupts(Formula):
    """Ctrl-C after so many epochs in all."""

    def __init__(self, after: int) -> None:
        super().__init__()
        object.__setattr__(self, "left", [after])

    def _epoch(self, candidate: Candidate, run: Run, history: list[Any], seed: int) -> None:
        if self.left[0] == 0:
            raise KeyboardInterrupt
        self.left[0] -= 1
        super()._epoch(candidate, run, history, seed)


@pytest.mark.parametrize("after", [0, 1, 2, 7, 20, 33])
def test_an_interrupted_search_resumed_ends_as_an_uninterrupted_one(tmp_path, after):
    whole = go(tmp_path / "whole", trials=12)
    first = go(tmp_path / "cut", trials=12, crew=lambda: Alone(Interrupts(after).evaluators))
    assert first.stopped == INTERRUPTED
    assert first.epochs == after
    assert all(trial.status != "running" for trial in first.trials)
    log = tmp_path / "log"
    second = go(tmp_path / "cut", trials=12, crew=lambda: Alone(Formula(log=log).evaluators))
    assert (table(second), second.stopped) == (table(whole), None)
    assert len(epochs_done(log)) == whole.epochs - after


def test_a_finished_search_trains_nothing_more_and_more_trials_extend_it(tmp_path):
    first = go(tmp_path, trials=6)
    log = tmp_path / "log"
    assert table(go(tmp_path, trials=6, crew=lambda: Alone(Formula(log=log).evaluators))) == table(first)
    assert not log.exists()
    more = go(tmp_path, trials=9)
    assert [trial.candidate for trial in more.trials[:6]] == [trial.candidate for trial in first.trials]
    assert len(more.trials) == 9


def test_a_limit_of_epochs_ends_a_search_that_a_higher_one_goes_on_with(tmp_path):
    short = go(tmp_path / "cut", trials=20, epochs=25)
    assert 16 <= short.epochs <= 25
    assert short.stopped == EPOCHS_UP
    assert table(go(tmp_path / "cut", trials=20, epochs=60)) == table(go(tmp_path / "whole", trials=20, epochs=60))


def test_a_failed_training_is_written_down_with_its_reason_and_the_rest_goes_on(tmp_path):
    reason = "loss must be finite, but got nan in batch 3 of epoch 1"

    def evaluate(candidate: Candidate, run: Run) -> Result:
        if run.number == 2:
            raise TrainingError(reason)
        return Formula().evaluators({})(candidate, run)

    outcome = go(tmp_path, evaluate, trials=6)
    assert [(t.number, t.reason) for t in outcome.trials if t.status == "failed"] == [(2, reason)]
    assert len(outcome.trials) == 6
    assert table(go(tmp_path, trials=6)) == table(outcome)


def test_failures_that_are_all_alike_end_the_search_before_they_spoil_the_rest(tmp_path):
    def broken(candidate: Candidate, run: Run) -> Result:
        raise TrainingError("no space left on device")

    outcome = go(tmp_path, broken, trials=20)
    assert outcome.stopped == "5 trainings in a row failed alike (no space left on device)"
    assert [trial.status for trial in outcome.trials] == ["failed"] * 5
    assert len(go(tmp_path, trials=20).trials) == 20


@pytest.mark.slow
def test_a_trial_that_kills_its_search_again_and_again_has_failed_in_the_end(tmp_path):
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from formulas import Formula
from races import go
class Kills(Formula):
    def _epoch(self, candidate, run, history, seed):
        if run.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        super()._epoch(candidate, run, history, seed)
from budgetnet.search.crew import Alone
go(Path({str(tmp_path / "search")!r}), trials=4, crew=lambda: Alone(Kills().evaluators))
"""
    codes = [subprocess.run([sys.executable, "-c", program], check=False).returncode for _ in range(7)]
    assert codes == [-signal.SIGKILL] * 6 + [0]
    outcome = go(tmp_path / "search", trials=4)
    assert [(t.number, t.reason) for t in outcome.trials if t.status == "failed"] == [
        (1, "its search was killed in epoch 1, 6 times")
    ]


class Overtaken(Silent):
    """Another machine takes trial 3 over as soon as this one has it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.heard, self.done = folder, [], False

    def steps(self, trial: Trial, step: Any) -> None:
        if trial.number == 3 and not self.done:
            self.done = True
            database = sqlite3.connect(self.folder / FILE)
            database.execute(
                "UPDATE trial_system_attributes SET value_json = json_set(value_json, '$.token', 'another') "
                "WHERE key = ? AND trial_id = (SELECT trial_id FROM trials WHERE number = 3)",
                (PROGRESS,),
            )
            database.commit()
            database.close()

    def says(self, text: str) -> None:
        self.heard.append(text)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_was_trained_of_a_trial_that_another_machine_took_over_is_dropped(tmp_path, workers):
    watcher = Overtaken(tmp_path)
    formula = Formula(seconds=0.3 if workers > 1 else 0.0)
    crew = (lambda: Workers(2, formula)) if workers > 1 else (lambda: Alone(formula.evaluators))
    outcome = go(tmp_path, trials=8, watcher=watcher, crew=crew)
    assert watcher.heard == ["trial 3: taken over by another machine; what was done here is dropped"]
    assert outcome.stopped is None
    assert outcome.trials[3].status == "running"  # the other machine's
    assert [trial.status for trial in outcome.trials if trial.number != 3].count("running") == 0
    assert len(outcome.trials) == 8


def test_when_the_time_is_up_the_training_stops_and_goes_on_later(tmp_path):
    ticks = itertools.count()
    outcome = go(tmp_path / "cut", trials=10, seconds=40.0, clocks=Clocks(steady=lambda: float(next(ticks))))
    assert outcome.stopped == TIME_UP
    assert 0 < outcome.epochs < 40
    assert table(go(tmp_path / "cut", trials=10)) == table(go(tmp_path / "whole", trials=10))


def test_time_that_is_up_when_all_is_done_stopped_nothing(tmp_path):
    whole = go(tmp_path, trials=5, repeats=2)
    again = go(tmp_path, trials=5, repeats=2, seconds=0.0)
    assert (again.stopped, table(again)) == (None, table(whole))
    assert go(tmp_path, trials=6, seconds=0.0).stopped == TIME_UP


def test_somebody_else_can_ask_a_search_to_stop(tmp_path):
    def ask() -> None:
        time.sleep(1.5)
        opening.existing(tmp_path).ask_to_stop()

    asking = threading.Thread(target=ask)
    asking.start()
    outcome = go(tmp_path, trials=33, crew=lambda: Alone(Formula(seconds=0.1).evaluators))
    asking.join()
    assert outcome.stopped == STOPPED
    assert outcome.epochs < 60
    assert go(tmp_path, trials=12).stopped is None  # that was asked of the search that ran then


def test_a_folder_with_a_search_of_other_settings_is_refused_unless_restarted(tmp_path):
    go(tmp_path, trials=2, settings={"seed": 0})
    with pytest.raises(BudgetnetError, match=r"holds a search with other settings \(seed 0, now 1\).*--restart"):
        go(tmp_path, trials=2, settings={"seed": 1})
    assert len(go(tmp_path, trials=3, settings={"seed": 1}, restart=True).trials) == 3


def test_how_a_search_goes_on_is_one_of_its_settings(tmp_path):
    go(tmp_path, trials=2)
    with pytest.raises(BudgetnetError, match=re.escape('search.sampler "tpe", now "random"')):
        go(tmp_path, trials=2, sampler="random")
    with pytest.raises(BudgetnetError, match=re.escape("search.rungs [1, 3, 9], now [3, 9]")):
        go(tmp_path, trials=2, rungs=(3, 9))


def test_a_study_that_is_no_study_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is not a database, and long enough to be looked at" * 20)
    with pytest.raises(
        BudgetnetError, match="must be the study of a search, but got: file is not a database; --restart replaces it"
    ):
        go(tmp_path, trials=2)
    assert len(go(tmp_path, trials=2, restart=True).trials) == 2


@pytest.mark.parametrize("pages", [1, 20, 35, 40])
def test_a_full_disk_is_told_in_sqlites_own_words(pages, tmp_path, monkeypatch):
    """SQLite itself refuses to grow the file: while the study is made, or some trials later."""
    connect = sqlite3.dbapi2.connect

    def full(*args, **more):
        made = connect(*args, **more)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    monkeypatch.setattr(sqlite3.dbapi2, "connect", full)
    with pytest.raises(BudgetnetError) as caught:
        go(tmp_path, trials=33)
    rule = "must be a file that SQLite can write, but got"
    assert str(caught.value) == f"{tmp_path / FILE}: {rule}: database or disk is full"


def test_restarting_removes_runs_of_a_search_and_nothing_else(tmp_path):
    go(tmp_path, trials=1, repeats=2)
    assert (tmp_path / RUNS / "0000" / STATE).exists()
    assert (tmp_path / CHECKS / "0000" / STATE).exists()
    for name, file in (("0001", "run.json"), ("0002", "events.out"), ("exp", "run.json")):
        (tmp_path / RUNS / name).mkdir(parents=True)
        (tmp_path / RUNS / name / file).write_text("{}")

    def never(candidate: Candidate, run: Run) -> Result:
        raise TrainingError("not today")

    go(tmp_path, never, trials=1, restart=True)
    assert sorted(path.name for path in (tmp_path / RUNS).iterdir()) == ["0002", "exp"]
    assert list((tmp_path / CHECKS).iterdir()) == []


def test_fewer_trials_than_are_done_keeps_them_all(tmp_path):
    go(tmp_path, trials=4)
    outcome = go(tmp_path, trials=2)
    assert (len(outcome.trials), outcome.wanted) == (4, 4)


def test_a_folder_that_sqlite_cannot_name_is_refused(tmp_path):
    with pytest.raises(BudgetnetError, match="path must be without"):
        go(tmp_path / "a?b", trials=1)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    with pytest.raises(BudgetnetError, match="must be a folder that can be written, but got Permission denied"):
        go(tmp_path, trials=1)


def test_a_folder_holds_the_runs_of_one_study(tmp_path):
    go(tmp_path / "mine", trials=1)
    other = Storage(url=f"sqlite:///{tmp_path / 'all.db'}", name="other")
    with pytest.raises(BudgetnetError, match="must hold the runs of one search, but holds those of another study"):
        go(tmp_path / "mine", trials=1, storage=other)
    assert len(go(tmp_path / "theirs", trials=1, storage=other).trials) == 1
    assert len(go(tmp_path / "theirs", trials=2, storage=other, restart=True).trials) == 2
    assert len(go(tmp_path / "mine", trials=2).trials) == 2


def test_two_searches_cannot_share_a_folder(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(BudgetnetError, match="must be used by one search at a time"):
        go(tmp_path, trials=2)


def test_two_candidates_that_are_one_network_are_trained_once(tmp_path):
    narrow = {"depth_multiplier": [0.001, 0.002, 0.25], "classifier_kernel": [3], "classifier_depth": [256]}
    made = plan(scenario(search_space={**narrow, "final_endpoint": ["Conv2d_5_pointwise"]}))
    assert len(made.fitting) == 3
    outcome = go(tmp_path, trials=10, made=made)
    widths = [trial.candidate.parameters["depth_multiplier"] for trial in outcome.trials]
    assert len(widths) == 2
    assert 0.25 in widths
    assert (outcome.networks, outcome.wanted, outcome.untried) == (2, 2, 0)
    assert outcome.feasible["same_network"] == 1


# --- checks


def test_repeats_train_the_front_from_other_seeds_and_audits_train_longer(tmp_path):
    outcome = go(tmp_path, trials=14, repeats=3, audit=7)
    front = {trial.candidate for trial in outcome.trials if trial.status == "done"} & {
        check.candidate for check in outcome.checks
    }
    repeats = [check for check in outcome.checks if "seed" in check.changes]
    audits = [check for check in outcome.checks if "epochs" in check.changes]
    assert {(c.candidate, c.changes["seed"]) for c in repeats} == {
        (c, s) for c in {r.candidate for r in repeats} for s in (1, 2)
    }
    assert {check.candidate for check in repeats} <= front
    assert all(check.result == result(check.candidate, 9, check.changes["seed"]) for check in repeats)
    assert [(check.epochs, check.changes) for check in audits] == [(27, {"epochs": 27})] * 7
    assert {trial.status for trial in outcome.trials if trial.candidate in {a.candidate for a in audits}} == {
        "done",
        "paused",
    }  # stopped ones are audited too


def test_interrupted_checks_go_on(tmp_path):
    whole = go(tmp_path / "whole", trials=8, repeats=2, audit=3)
    after = whole.epochs + 13
    first = go(tmp_path / "cut", trials=8, repeats=2, audit=3, crew=lambda: Alone(Interrupts(after).evaluators))
    assert first.stopped == INTERRUPTED
    log = tmp_path / "log"
    second = go(tmp_path / "cut", trials=8, repeats=2, audit=3, crew=lambda: Alone(Formula(log=log).evaluators))
    assert table(second) == table(whole)
    assert len(epochs_done(log)) == sum(check.epochs for check in whole.checks) - 13


def test_checks_that_were_asked_for_before_are_in_the_reports_of_calls_without_them(tmp_path):
    first = go(tmp_path, trials=8, repeats=2, audit=3)
    assert len(first.checks) > 3
    log = tmp_path / "log"
    again = go(tmp_path, trials=8, crew=lambda: Alone(Formula(log=log).evaluators))
    assert (table(again), again.stopped) == (table(first), None)
    assert not log.exists()
    assert go(tmp_path / "other", trials=3).checks == ()


class Hears(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def says(self, text: str) -> None:
        self.heard.append(text)


@pytest.mark.parametrize("lost", [True, False])
def test_a_checkpoint_that_is_lost_is_told(tmp_path, lost):
    first = go(tmp_path / "cut", trials=4, crew=lambda: Alone(Interrupts(10).evaluators))
    (number,) = [trial.number for trial in first.trials if trial.status == "paused" and trial.epochs < trial.target]
    assert first.trials[number].epochs == 5
    if lost:
        (tmp_path / "cut" / RUNS / f"{number:04d}" / STATE).unlink()
    watcher = Hears()
    second = go(tmp_path / "cut", trials=4, watcher=watcher)
    said = f"trial {number}: its checkpoint is not here or cannot be read; trained again from epoch 1"
    assert watcher.heard == ([said] if lost else [])
    assert table(second) == table(go(tmp_path / "whole", trials=4))


def test_trials_that_other_hands_put_into_the_study_are_left_alone(tmp_path):
    """optuna-dashboard can enqueue one, and others' programs can ask for some."""
    before = go(tmp_path / "search", trials=5)
    url = f"sqlite:///{tmp_path / 'search' / FILE}"
    others = optuna.load_study(study_name="search", storage=url)
    others.enqueue_trial({"depth_multiplier": 1.0})
    after = go(tmp_path / "search", trials=9)
    assert [trial.number for trial in after.trials] == [0, 1, 2, 3, 4, 6, 7, 8]
    assert [trial.candidate for trial in after.trials[:5]] == [trial.candidate for trial in before.trials]
    assert len({trial.candidate for trial in after.trials}) == 8
    assert {trial.status for trial in after.trials} <= {"done", "paused"}
    assert others.trials[5].state.name == "WAITING"


def test_a_killed_search_is_not_taken_for_a_running_one(tmp_path):
    place = place_of(tmp_path, None, "test")
    with closing(opening.opened(tmp_path, {"name": "test"}, space={}, restart=False)) as study:
        known = go(tmp_path / "other", trials=1).trials[0]
        study.begin(known.candidate, images_per_second=20.0, target=1, origin="widest", worker="here/0")
    with alone(tmp_path, "search"):
        assert "1 under way" in told(status_of(place))
        assert ask_to_stop(place) == "Asked to stop: 1 training will end after the epoch under way."
    assert "1 cut off, to be resumed" in told(status_of(place))
    assert "Under way" not in told(status_of(place))
    assert ask_to_stop(place) == "Nothing is being trained there."


def told(report: Report) -> str:
    return formats.text(report, "markdown")


# --- several workers


def two(**more: Any) -> Any:
    return lambda: Workers(2, Formula(**more))


def same_candidates(outcome: Outcome) -> set[Candidate]:
    return {trial.candidate for trial in outcome.trials}


@pytest.mark.slow
def test_two_workers_share_a_search_and_train_each_epoch_once(tmp_path):
    log = tmp_path / "log"
    outcome = go(tmp_path, trials=12, crew=two(seconds=0.01, log=log))
    assert outcome.stopped is None
    assert len(same_candidates(outcome)) == 12
    assert len(epochs_done(log)) == len(set(epochs_done(log))) == outcome.epochs
    assert {span.worker for trial in outcome.trials for span in trial.spans} == {"here/0", "here/1"}
    for trial in outcome.trials:
        assert trial.curve == {epoch: curve(trial.candidate, epoch) for epoch in range(1, trial.epochs + 1)}


@dataclasses.dataclass(frozen=True)
class Deadly(Formula):
    """Kills its own process in some epoch of some trials: always, or the first time only."""

    numbers: tuple[int, ...] = ()
    epoch: int = 1
    always: bool = False
    folder: Path = Path()

    def _epoch(self, candidate: Candidate, run: Run, history: list[Any], seed: int) -> None:
        died = self.folder / f"died-{run.number}"
        if run.number in self.numbers and len(history) + 1 == self.epoch and (self.always or not died.exists()):
            died.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        super()._epoch(candidate, run, history, seed)


@pytest.mark.slow
def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(tmp_path):
    log, hears = tmp_path / "log", Hears()
    deadly = Deadly(seconds=0.01, log=log, numbers=(0, 1), epoch=3, folder=tmp_path)
    outcome = go(tmp_path, trials=8, crew=lambda: Workers(2, deadly), watcher=hears)
    assert (tmp_path / "died-0").exists()
    assert [t.status for t in outcome.trials if t.status == "failed"] == []
    assert len(epochs_done(log)) == len(set(epochs_done(log))) == outcome.epochs
    assert (
        "trial 0: its worker was killed by signal 9 (SIGKILL) in epoch 3; it goes on from its checkpoint" in hears.heard
    )


@pytest.mark.slow
def test_a_trial_that_kills_its_workers_again_and_again_has_failed(tmp_path):
    deadly = Deadly(seconds=0.01, numbers=(2,), always=True, folder=tmp_path)
    outcome = go(tmp_path, trials=6, crew=lambda: Workers(2, deadly))
    failed = [trial for trial in outcome.trials if trial.status == "failed"]
    assert [(t.number, t.reason) for t in failed] == [
        (2, "its worker was killed by signal 9 (SIGKILL) in epoch 1, 3 times")
    ]
    assert len(outcome.trials) == 6


class Lucky(Formula):
    """The seed of the search flatters the best candidates: each falls back where it is repeated."""

    def evaluators(self, changes: Any) -> Any:
        seed = changes.get("seed", 0)

        def evaluate(candidate: Candidate, run: Run) -> Result:
            made = Formula.evaluators(self, changes)(candidate, run)
            value = made.scores.mean_iou - (0.2 if seed else 0.0)
            return dataclasses.replace(made, scores=dataclasses.replace(made.scores, mean_iou=value))

        return evaluate


def test_the_front_is_repeated_until_all_of_it_has_its_seeds(tmp_path):
    outcome = go(tmp_path, trials=8, repeats=3, rungs=(9,), crew=lambda: Alone(Lucky().evaluators))
    on_front = front(outcome.trials, outcome.checks)
    again = repeated(outcome.checks)
    assert [len(again.get(trial.candidate, [])) for trial in on_front] == [2] * len(on_front)
    assert {trial.candidate for trial in front(outcome.trials)} < set(again)  # others came to it


def test_a_full_disk_stops_the_search_and_spoils_no_trial(tmp_path):
    def full(candidate: Candidate, run: Run) -> Result:
        if run.number == 3:
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise TrainingError("checkpoint.pt: must be a file that can be written") from error
        return Formula().evaluators({})(candidate, run)

    outcome = go(tmp_path / "cut", full, trials=6)
    assert outcome.stopped == "this machine cannot go on (No space left on device)"
    assert [trial.status for trial in outcome.trials].count("failed") == 0
    assert table(go(tmp_path / "cut", trials=6)) == table(go(tmp_path / "whole", trials=6))


def test_failures_are_alike_whatever_their_folders_are_called(tmp_path):
    def broken(candidate: Candidate, run: Run) -> Result:
        raise TrainingError(f"{run.folder}/weights: must be whole")

    outcome = go(tmp_path, broken, trials=20)
    assert len(outcome.trials) == 5
    assert outcome.stopped.startswith("5 trainings in a row failed alike")


def test_kills_of_the_search_are_not_counted_as_deaths_of_workers(tmp_path):
    """Two kills of the search, then one worker that dies: the trial has not failed."""
    known = go(tmp_path / "other", trials=1).trials[0]
    with closing(opening.opened(tmp_path / "search", {"seed": 0, "search": asked()}, space={}, restart=False)) as study:
        study.begin(known.candidate, images_per_second=known.images_per_second, target=1, origin="largest", worker="x")
        for _ in range(2):
            study.orphans()
            study.release(0, died=False, killed=True)
            study.resume(0, target=1, worker="x")
    deadly = Deadly(numbers=(0,), epoch=1, folder=tmp_path)
    outcome = go(tmp_path / "search", trials=2, crew=lambda: Workers(1, deadly))
    assert [trial.status for trial in outcome.trials] == ["done", "done"]


def asked() -> dict[str, Any]:
    return Asked(trials=1, rungs=(1, 3, 9)).record()


class StopsAtTheEnd(Silent):
    """Asks the search to stop as its last trial ends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ended = folder, 0

    def ends(self, trial: Trial, done: int, wanted: int) -> None:
        if trial.status == "done" and not self.ended:
            self.ended += 1
            opening.existing(self.folder).ask_to_stop()


def test_a_request_to_stop_between_the_race_and_its_checks_is_heard(tmp_path):
    outcome = go(tmp_path, trials=1, repeats=4, watcher=StopsAtTheEnd(tmp_path))
    assert (outcome.stopped, outcome.checks) == (STOPPED, ())
    assert len(go(tmp_path, trials=1, repeats=4).checks) == 3


def test_a_database_that_is_away_is_waited_for_once(tmp_path, monkeypatch):
    """With four workers, as with one: the first trial that cannot be handed back speaks for all."""
    waited = []

    def away(self: Database, work: Any) -> Any:
        waited.append(1)
        raise BudgetnetError("the database must be one that answers")

    class Interrupts(Hears):
        def begins(self, trial: Trial, done: int, wanted: int) -> None:
            if trial.number == 3:
                monkeypatch.setattr(Database, "write", away)
                raise KeyboardInterrupt

    hears = Interrupts()
    outcome = go(tmp_path, trials=8, crew=lambda: Workers(4, Formula(seconds=0.5)), watcher=hears, rungs=(9,))
    assert outcome.stopped == INTERRUPTED
    assert len(waited) == 1
    assert hears.heard == ["trials under way cannot be handed back: the database must be one that answers"]
    assert [trial.status for trial in outcome.trials] == ["paused"] * 4


def test_a_trial_is_told_while_it_is_there(tmp_path):
    """Whoever watches hears of every claim before its end."""
    told: list[tuple[str, int]] = []

    class Watches(Silent):
        def begins(self, trial: Trial, done: int, wanted: int) -> None:
            told.append(("begins", trial.number))

        def ends(self, trial: Trial, done: int, wanted: int) -> None:
            told.append(("ends", trial.number))

    go(tmp_path, trials=3, watcher=Watches())
    assert told[:4] == [("begins", 0), ("ends", 0), ("begins", 1), ("ends", 1)]
    assert len([each for each in told if each[0] == "begins"]) == len([each for each in told if each[0] == "ends"])
