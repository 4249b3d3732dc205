"""The search with a training that is a formula: what is proposed, what is written down, and what a kill leaves
behind.
"""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from filelock import FileLock

from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.plan import Plan, plan
from budgetnet.results import Result, Run, Scores, Step, TrainingError, UnfinishedError
from budgetnet.scenario import InputSize, Scenario
from budgetnet.search import run as searching
from budgetnet.search.proposals import Choices, Finished, propose
from budgetnet.search.run import Outcome, search
from budgetnet.search.study import FILE, Study, Trial
from budgetnet.training_settings import Training


class Silent:
    def begins(self, trial: Trial, done: int, total: int) -> None: ...

    def steps(self, step: Step) -> None: ...

    def ends(self, trial: Trial, done: int, total: int) -> None: ...


def scenario(budget: float = 70, **fields) -> Scenario:
    size = InputSize(height=320, width=480)
    return Scenario(name="test", cameras=4, fps=15, budget_gops=budget, classes=7, input=size, **fields)


def quality(candidate: Candidate) -> float:
    """A smooth stand-in for a trained IoU: wider and deeper is better, with falling returns."""
    given = candidate.parameters
    deep = given["final_endpoint"] == "Conv2d_13_pointwise"
    return (
        0.5 * given["depth_multiplier"] ** 0.3
        + 0.01 * given["classifier_kernel"]
        + 0.00002 * given["classifier_depth"]
        + (0.02 if deep else 0.0)
    ) / 2


def result(candidate: Candidate, iou: float | None = None) -> Result:
    cost = searching_plan().by_candidate[candidate].cost
    value = quality(candidate) if iou is None else iou
    return Result(
        network=candidate.network,
        parameters=candidate.parameters,
        macs=cost.macs,
        ops=cost.ops,
        params=cost.params,
        fvcore_macs=cost.macs,
        scores=Scores(
            mean_iou=value, pixel_accuracy=value, mean_dice=value, iou={"a": value, "b": None}, dice={"a": value}
        ),
        epochs=1,
        seconds=0.0,
        history=({"epoch": 1, "loss": 1.0, "mean_iou": value, "seconds": 0.0},),
        made_by={"torch": "none"},
    )


class Costs:
    def __init__(self, made: Plan) -> None:
        self.by_candidate = {planned.candidate: planned for planned in made.candidates}


def searching_plan(_cache: list[Costs] = []) -> Costs:  # noqa: B006 (counted once for all tests)
    if not _cache:
        _cache.append(Costs(plan(scenario())))
    return _cache[0]


def go(folder: Path, evaluate, *, trials: int = 10, seed: int = 0, made: Plan | None = None, **options) -> Outcome:
    return search(
        made or plan(scenario()),
        evaluate,
        trials=trials,
        folder=folder,
        seed=seed,
        settings={"seed": seed},
        watcher=Silent(),
        **options,
    )


def table(outcome: Outcome) -> list[tuple[str, float | None, str | None]]:
    return [(t.candidate.label, t.result and t.result.scores.mean_iou, t.reason) for t in outcome.trials]


def formula(candidate: Candidate, run: Run) -> Result:
    return result(candidate)


def test_no_candidate_is_over_budget_and_none_is_trained_twice(tmp_path):
    trained: list[Candidate] = []

    def evaluate(candidate: Candidate, run: Run) -> Result:
        trained.append(candidate)
        return result(candidate)

    made = plan(scenario())
    outcome = go(tmp_path, evaluate, trials=25, made=made)
    assert len(trained) == len(set(trained)) == 25
    assert set(trained) <= {planned.candidate for planned in made.fitting}
    assert [trial.candidate for trial in outcome.trials] == trained
    assert [trial.number for trial in outcome.trials] == list(range(25))


def test_the_widest_and_the_cheapest_candidate_come_first(tmp_path):
    made = plan(scenario())
    outcome = go(tmp_path, formula, trials=2, made=made)
    assert [trial.candidate for trial in outcome.trials] == [made.fitting[0].candidate, made.fitting[-1].candidate]


def test_when_fewer_fit_than_trials_are_asked_all_are_tried(tmp_path):
    made = plan(scenario(budget=24))
    assert 0 < len(made.fitting) < 30
    outcome = go(tmp_path, formula, trials=1000, made=made)
    assert {trial.candidate for trial in outcome.trials} == {planned.candidate for planned in made.fitting}
    assert (outcome.wanted, outcome.untried, outcome.stopped) == (len(made.fitting), 0, None)


def test_a_seed_gives_the_same_search_and_another_seed_another(tmp_path):
    tables = [
        table(go(tmp_path / name, formula, trials=14, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


@pytest.mark.parametrize("stops_at", [0, 1, 5, 11])
def test_an_interrupted_search_resumed_ends_as_an_uninterrupted_one(tmp_path, stops_at):
    whole = go(tmp_path / "whole", formula, trials=12)

    def evaluate(candidate: Candidate, run: Run) -> Result:
        if run.number == stops_at:
            raise KeyboardInterrupt
        return result(candidate)

    first = go(tmp_path / "cut", evaluate, trials=12)
    assert first.stopped == searching.INTERRUPTED
    assert sum(trial.finished for trial in first.trials) == stops_at
    second = go(tmp_path / "cut", formula, trials=12)
    assert (table(second), second.stopped) == (table(whole), None)


def test_a_finished_search_trains_nothing_more_and_more_trials_extend_it(tmp_path):
    first = go(tmp_path, formula, trials=6)

    def never(candidate: Candidate, run: Run) -> Result:
        raise AssertionError("trained again")

    assert table(go(tmp_path, never, trials=6)) == table(first)
    assert table(go(tmp_path, formula, trials=9))[:6] == table(first)


@pytest.mark.parametrize("moment", [3, 7])
def test_a_search_killed_outright_loses_nothing_but_the_training_under_way(tmp_path, moment):
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_search import go, result
        def evaluate(candidate, run):
            if run.number == {moment}:
                os.kill(os.getpid(), signal.SIGKILL)
            return result(candidate)
        go(Path({str(tmp_path / "killed")!r}), evaluate, trials=9)
        """
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    whole = go(tmp_path / "whole", formula, trials=9)
    trained: list[int] = []

    def evaluate(candidate: Candidate, run: Run) -> Result:
        trained.append(run.number)
        return result(candidate)

    assert table(go(tmp_path / "killed", evaluate, trials=9)) == table(whole)
    assert trained == list(range(moment, 9))


def test_a_failed_training_is_written_down_with_its_reason_and_the_rest_goes_on(tmp_path):
    def evaluate(candidate: Candidate, run: Run) -> Result:
        if run.number == 2:
            raise TrainingError("loss must be finite, but got nan in batch 3 of epoch 1")
        return result(candidate)

    outcome = go(tmp_path, evaluate, trials=6)
    assert [trial.reason for trial in outcome.trials if trial.result is None] == [
        "loss must be finite, but got nan in batch 3 of epoch 1"
    ]
    assert sum(trial.result is not None for trial in outcome.trials) == 5
    assert len({trial.candidate for trial in outcome.trials}) == 6


def test_when_the_time_is_up_the_training_stops_and_goes_on_later(tmp_path):
    ticks = iter(range(1000))
    runs: list[Run] = []

    def evaluate(candidate: Candidate, run: Run) -> Result:
        runs.append(run)
        if run.expired():
            raise UnfinishedError
        return result(candidate)

    outcome = go(tmp_path, evaluate, trials=10, timeout=5.0, clock=lambda: float(next(ticks)))
    assert outcome.stopped == searching.TIME_UP
    assert 0 < len(outcome.trials) < 10
    resumed = go(tmp_path, formula, trials=10)
    assert table(resumed) == table(go(tmp_path / "whole", formula, trials=10))


def test_results_go_to_json_and_back(tmp_path):
    outcome = go(tmp_path, formula, trials=2)
    for trial in go(tmp_path, formula, trials=2).trials:
        assert trial.result == result(trial.candidate)
        assert Result.from_record(trial.result.record()) == trial.result
    assert outcome.trials[0].result.candidate == outcome.trials[0].candidate


def test_a_folder_with_a_search_of_other_settings_is_refused_unless_restarted(tmp_path):
    go(tmp_path, formula, trials=2, seed=0)
    with pytest.raises(BudgetnetError, match=r"holds a search with other settings \(seed 0, now 1\).*--restart"):
        go(tmp_path, formula, trials=2, seed=1)
    assert len(go(tmp_path, formula, trials=3, seed=1, restart=True).trials) == 3


def test_a_search_of_a_version_that_knew_fewer_fields_goes_on(tmp_path):
    settings = {"seed": 0, "training": Training().model_dump(mode="json")}
    older = {"seed": 0, "training": {name: value for name, value in settings["training"].items() if name != "paste"}}
    Study.open(tmp_path, older, restart=False)
    Study.open(tmp_path, settings, restart=False)
    with pytest.raises(BudgetnetError, match=r"with other settings \(training.epochs 10, now 11\)"):
        Study.open(tmp_path, {**settings, "training": {**settings["training"], "epochs": 11}}, restart=False)


def test_a_study_that_is_no_study_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is not a database, and long enough to be looked at" * 20)
    with pytest.raises(
        BudgetnetError, match="must be the study of a search, but got: file is not a database; --restart replaces it"
    ):
        go(tmp_path, formula, trials=2)
    assert len(go(tmp_path, formula, trials=2, restart=True).trials) == 2


@pytest.mark.parametrize("pages", [1, 20, 27, 31])
def test_a_full_disk_is_told_in_sqlites_own_words(pages, tmp_path, monkeypatch):
    """SQLite itself refuses to grow the file: while the study is made, or some trials later."""
    connect = sqlite3.dbapi2.connect

    def full(*args, **more):
        made = connect(*args, **more)
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    monkeypatch.setattr(sqlite3.dbapi2, "connect", full)
    with pytest.raises(BudgetnetError) as caught:
        go(tmp_path, formula, trials=12)
    rule = "must be a file that SQLite can write, but got"
    assert str(caught.value) == f"{tmp_path / FILE}: {rule}: database or disk is full"


def test_a_search_for_another_scenario_in_the_same_folder_is_refused(tmp_path):
    go(tmp_path, formula, trials=2)
    with pytest.raises(BudgetnetError, match="holds a search with other settings"):
        search(
            plan(scenario(budget=60)),
            formula,
            trials=2,
            folder=tmp_path,
            seed=0,
            settings={"seed": 0, "name": "other"},
            watcher=Silent(),
        )


def test_restarting_removes_runs_of_a_search_and_nothing_else(tmp_path):
    go(tmp_path, formula, trials=1)
    for name, file in (("0000", "run.json"), ("0001", "checkpoint.pt"), ("0002", "events.out"), ("exp", "run.json")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / file).write_text("{}")
    go(tmp_path, formula, trials=1, restart=True)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["0002", "exp"]


def test_a_kill_between_a_result_and_its_trials_end_costs_no_trial(tmp_path, monkeypatch):
    whole = go(tmp_path / "whole", formula, trials=5)
    tell = Study.complete

    def killed(self, trial, result, images_per_second):
        self._attribute(trial, "result", result.record())
        raise SystemExit(9)

    monkeypatch.setattr(Study, "complete", killed)
    with pytest.raises(SystemExit):
        go(tmp_path / "cut", formula, trials=5)
    monkeypatch.setattr(Study, "complete", tell)
    assert table(go(tmp_path / "cut", formula, trials=5)) == table(whole)


def test_fewer_trials_than_are_done_keeps_them_all(tmp_path):
    go(tmp_path, formula, trials=4)
    outcome = go(tmp_path, formula, trials=2)
    assert (len(outcome.trials), outcome.wanted) == (4, 4)


def test_a_folder_that_sqlite_cannot_name_is_refused(tmp_path):
    with pytest.raises(BudgetnetError, match="path must be without"):
        go(tmp_path / "a?b", formula, trials=1)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    with pytest.raises(BudgetnetError, match="must be a folder that can be written, but got Permission denied"):
        go(tmp_path, formula, trials=1)


def test_two_candidates_that_are_one_network_are_trained_once(tmp_path):
    narrow = {"depth_multiplier": [0.001, 0.002, 0.25], "classifier_kernel": [3], "classifier_depth": [256]}
    made = plan(scenario(search_space={**narrow, "final_endpoint": ["Conv2d_5_pointwise"]}))
    assert len(made.fitting) == 3
    trained = []

    def evaluate(candidate: Candidate, run: Run) -> Result:
        trained.append(candidate.parameters["depth_multiplier"])
        cost = next(planned.cost for planned in made.candidates if planned.candidate == candidate)
        return dataclasses.replace(
            result(made_known), parameters=candidate.parameters, macs=cost.macs, ops=cost.ops, params=cost.params
        )

    made_known = next(iter(searching_plan().by_candidate))
    outcome = go(tmp_path, evaluate, trials=10, made=made)
    assert len(trained) == 2
    assert 0.25 in trained
    assert (outcome.networks, outcome.wanted, outcome.untried) == (2, 2, 0)


def test_two_searches_cannot_share_a_folder(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(BudgetnetError, match="must be used by one search at a time"):
        go(tmp_path, formula, trials=2)


def test_a_proposal_over_budget_moves_to_the_nearest_candidate_that_fits():
    made = plan(scenario(budget=30))
    choices = Choices(space=made.scenario.space, feasible=[planned.candidate for planned in made.fitting])
    finished: list[Finished] = []
    for _ in choices.feasible:
        candidate = propose(choices, finished, seed=4)
        assert candidate in choices.feasible
        assert candidate not in {each.candidate for each in finished}
        assert candidate is not None
        finished.append(Finished(candidate=candidate, values=(quality(candidate), 1.0)))
    assert propose(choices, finished, seed=4) is None


def test_a_place_over_budget_leads_to_the_candidate_the_fewest_steps_away():
    made = plan(scenario(budget=30))
    choices = Choices(space=made.scenario.space, feasible=[planned.candidate for planned in made.fitting])
    wide = Candidate.of("mobilenet-fcn", {"depth_multiplier": 1.0, "classifier_kernel": 5, "classifier_depth": 512})
    assert wide not in choices.feasible
    place = choices.place(wide)
    nearest = min(choices.feasible, key=lambda candidate: choices.distance(place, candidate))
    assert nearest.parameters == {**wide.parameters, "depth_multiplier": 0.25}
    assert choices.distance(place, nearest) == pytest.approx(1.0)  # from one end of the multipliers to the other
