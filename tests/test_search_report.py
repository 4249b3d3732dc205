"""What a search's report says, on searches whose training is a formula."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image
from races import go
from search_outcomes import GUESS, many_heads, result, scenario, searched

from budgetnet import formats
from budgetnet.plan import measure
from budgetnet.search import report as reporting
from budgetnet.search.board import best
from budgetnet.search.findings import Findings
from budgetnet.search.space_tables import reasons, values
from budgetnet.search.trial_table import TIME_COLUMNS
from budgetnet.search.verdict import verdict
from budgetnet.training_settings import Training


def made(outcome, guess=GUESS):
    return reporting.report(outcome, guess, {"training": {"epochs": 1}, "dataset": {"fingerprint": "=1+1"}})


def table(report, title):
    return next(block for block in report.blocks if getattr(block, "title", None) == title)


def with_results(outcome, change):
    """The outcome with other results: `change(trial, result)`."""
    trials = [
        trial if trial.result is None else dataclasses.replace(trial, result=change(trial, trial.result))
        for trial in outcome.trials
    ]
    return dataclasses.replace(outcome, trials=tuple(trials))


def said(outcome, guess=GUESS):
    return verdict(Findings(outcome, guess))


@pytest.fixture(scope="module")
def race():
    """40 candidates in three rungs, on two workers; one fails."""
    outcome = searched(many_heads(), trials=40, rungs=(1, 3, 9), workers=2, fails=(3,), repeats=2, audit=6)
    return outcome, *made(outcome)


def test_the_front_is_marked_and_the_rest_says_what_became_of_it(race):
    outcome, report, _ = race
    rows = table(report, "All trials").rows
    front = {row["trial"] for row in table(report, "Pareto front").rows}
    by_number = {row["trial"]: row for row in rows}
    assert list(by_number) == list(range(40))
    assert {row["trial"] for row in rows if row["reason"] == "on the front"} == front
    assert {row["trial"] for row in rows if table(report, "All trials").marked(row)} == front
    dominated = [row for row in rows if row["reason"].startswith("dominated by trial ")]
    assert len(dominated) == sum(trial.status == "done" for trial in outcome.trials) - len(front) > 0
    for row in dominated:
        other = by_number[int(row["reason"].removeprefix("dominated by trial "))]
        assert other["trial"] in front
        assert other["seeds_mean_iou"] >= row["seeds_mean_iou"]
        assert other["images_per_second"] >= row["images_per_second"]
    assert by_number[3]["reason"] == "failed: loss must be finite, but got nan in batch 1 of epoch 1"


def test_a_stopped_trial_says_how_it_stood_at_its_rung(race):
    outcome, report, _ = race
    rows = {row["trial"]: row for row in table(report, "All trials").rows}
    there = [trial for trial in outcome.trials if trial.curve]
    points = np.array([(trial.curve[1], trial.images_per_second) for trial in there])
    order = [there[place].number for place in best(points, len(there), whole_front=False)]
    stopped = [trial for trial in outcome.trials if trial.status == "paused" and trial.epochs == 1]
    assert stopped
    for trial in stopped:
        place = order.index(trial.number) + 1
        told = f"stopped at epoch 1 of 9: number {place} of 39 at that rung"
        assert rows[trial.number]["reason"].startswith(told)
        assert ("behind the better half" in rows[trial.number]["reason"]) == (place > 39 // 2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "running", "epochs": 2}, "under way: 2 of 9 epochs done"),
        ({"status": "paused", "epochs": 2}, "not finished: 2 of 9 epochs done"),
        ({"status": "paused", "epochs": 0, "curve": {}}, "not finished: 0 of 9 epochs done"),
        (
            {"status": "paused", "epochs": 3, "target": 3, "curve": {}},
            "stopped at epoch 3 of 9: it has no mean IoU there",
        ),
        ({"status": "paused", "epochs": 3, "target": 9}, "not finished: 3 of 9 epochs done"),
        (
            {"status": "paused", "epochs": 3, "target": 3, "curve": {3: 0.99}},
            "stopped at epoch 3 of 9: number 1 of 1 at that rung, but could not come to the front of whole trainings "
            "even with the largest gain seen, or waits",
        ),
        ({"status": "failed", "reason": None}, "failed: unknown"),
    ],
)
def test_what_became_of_a_trial_without_a_result(fields, reason):
    outcome = searched(trials=1, rungs=(1, 3, 9))
    trial = dataclasses.replace(outcome.trials[0], **{"result": None, **fields})
    findings = Findings(dataclasses.replace(outcome, trials=(trial,)), GUESS)
    assert findings.reason(trial) == reason


def test_every_candidate_of_the_space_is_accounted_for(race):
    outcome, report, _ = race
    *rows, whole = table(report, "Where the candidates went").rows
    counted = {row["reason"]: row["candidates"] for row in rows}
    assert sum(counted.values()) == whole["candidates"] == 208
    assert counted["the same network as another one that fits"] == 18
    assert counted["over the budget of 0.5 GOPS, never built"] == 57
    assert counted["training failed"] == 1
    for rung in (1, 3):
        paused = sum(trial.status == "paused" and trial.epochs == rung for trial in outcome.trials)
        assert counted[f"stopped at epoch {rung} of 9"] == paused > 0


def test_each_limit_tells_how_many_it_removed():
    rows = reasons(Findings(searched(scenario(budget=30, budget_mb=10), trials=1), GUESS)).rows
    (over,) = [row["reason"] for row in rows if row["reason"].startswith("over the budget of 30 GOPS or 10 MB")]
    assert "over budget_gops, " in over
    assert over.endswith(" over budget_mb)")
    assert sum(row["candidates"] for row in rows[:-1]) == rows[-1]["candidates"]


def test_numbers_in_every_format_are_those_of_the_results(race):
    outcome, report, pictures = race
    files = formats.files(report, "markdown", "csv", "json")
    assert set(files) == {"search.md", "search.json", "trials.csv", "pareto.csv", "hypervolume.csv", "checks.csv"}
    assert set(pictures) == {"pareto.png", "pareto.html", "hypervolume.png", "timeline.png", "importance.png"}
    rows = list(csv.DictReader(io.StringIO(files["trials.csv"].decode())))
    record = json.loads(files["search.json"])
    for trial, row, told in zip(outcome.trials, rows, record["trials"], strict=True):
        planned = measure(outcome.plan.scenario, trial.candidate)
        assert row["status"] == told["status"] == trial.status
        assert row["reason"] == told["reason"]
        assert int(row["epochs"]) == told["epochs"] == trial.epochs
        assert int(row["ops"]) == planned.cost.ops
        assert float(row["images_per_second"]) == told["images_per_second"] == trial.images_per_second
        assert float(row["utilisation"]) == pytest.approx(planned.utilisation)
        for rung in (1, 3):
            at = float(row[f"mean_iou_epoch_{rung}"]) if row[f"mean_iou_epoch_{rung}"] else None
            assert at == told["rungs"][str(rung)] == trial.curve.get(rung)
        if trial.result is not None:
            assert float(row["mean_iou"]) == told["result"]["scores"]["mean_iou"] == trial.result.scores.mean_iou
        else:
            assert (row["mean_iou"], told["result"]) == ("", None)
    markdown = files["search.md"].decode()
    assert all(f"runs/{number:04d}/preview.png" in markdown for number in record["pareto"])
    assert record["feasible"] == outcome.feasible
    assert [each["trial"] for each in record["hypervolume"]][1:-1] != []
    assert len(record["checks"]) == len(outcome.checks)
    assert Image.open(io.BytesIO(pictures["pareto.png"])).format == "PNG"


def written(outcome):
    """What is written as CSV and JSON, without the pictures."""
    parts = reporting.Parts(outcome, GUESS)
    tables = {each.key: [dict(row) for row in each.rows] for each in reporting.csv_tables(parts)}
    return tables, reporting.record(parts, {})


def test_two_runs_of_one_search_are_equal_but_for_the_time_columns(tmp_path):
    (first, _), (second, _) = (written(go(tmp_path / folder, trials=6, repeats=2)) for folder in "ab")
    assert set(first) == {"trials", "pareto", "hypervolume", "checks"}
    assert first != second
    for rows in (*first.values(), *second.values()):
        for row in rows:
            assert any(row.pop(name, None) is not None for name in TIME_COLUMNS)
            for name in TIME_COLUMNS:
                row.pop(name, None)
    assert first == second


def test_the_report_is_the_same_for_the_same_search_begun_later():
    outcome, later = (searched(many_heads(), trials=6, rungs=(1, 3), start=start) for start in (1e9, 1.1e9))
    assert written(outcome) == written(later)


def test_the_verdict_says_what_was_reached_and_how_far_to_trust_it():
    wanted = scenario(minimum_mean_iou=0.2)

    def twice(trial, known):
        first = {**known.history[0], "mean_iou": known.scores.mean_iou - 0.02, "epoch": 1}
        last = {**known.history[0], "epoch": 2}
        return dataclasses.replace(known, history=(first, last))

    text = said(with_results(searched(wanted, trials=6), twice))
    assert text.startswith("6 of 6 trials done, 6 trained. Best: ")
    assert "mean IoU moved by 0.020 on average: smaller differences say nothing" in text
    assert "of them reach the wanted mean IoU of 0.2" in text
    text = said(searched(scenario(minimum_mean_iou=0.99), trials=3))
    assert "None reaches the wanted mean IoU of 0.99 in this short training." in text


def test_the_verdict_of_a_race_says_how_many_were_stopped(race):
    outcome, report, _ = race
    done = sum(trial.status == "done" for trial in outcome.trials)
    text = report.blocks[0].text
    assert text.startswith(
        f"40 of 40 trials done, {done} trained to the end, {39 - done} stopped at a rung. 1 training"
    )


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"epochs": 4}, "mean IoU moved by 0.100 on average"),
        ({"epochs": 4, "early_epochs": 2}, "mean IoU moved by 0.100 on average"),
        ({"epochs": 4, "early_epochs": 3}, "the order is a hint at most"),
    ],
)
def test_only_validations_on_whole_images_are_held_against_each_other(training, words):
    reached = (0.5, None, 0.2, 0.3)
    rows = tuple({"epoch": at, "loss": 1.0, "mean_iou": iou, "seconds": 1.0} for at, iou in enumerate(reached, start=1))
    outcome = searched(scenario(training=Training(**training)), trials=2, rungs=(4,))
    assert words in said(with_results(outcome, lambda trial, known: dataclasses.replace(known, history=rows)))


@pytest.mark.parametrize(("reserve", "heading"), [(0, "% of budget"), (0.1, "% of available")])
def test_shares_are_named_after_what_they_are_shares_of(reserve, heading):
    findings = Findings(searched(scenario(reserve=reserve), trials=2), GUESS)
    shown = reporting.trial_table.shown_trials(findings, [])
    assert {column.key: column.heading for column in shown.columns}["utilisation"] == heading


def test_the_verdict_says_when_training_did_no_better_than_guessing():
    outcome = with_results(searched(trials=2), lambda trial, known: result(trial.candidate, 1, 0.05))
    assert "That is no better than guessing" in said(outcome)


def test_the_verdict_says_that_all_were_tried():
    assert "fit the budget, so all of them are tried." in said(searched(scenario(budget=20), trials=50))


def test_nothing_has_a_result_yet_where_the_first_training_was_interrupted():
    whole = searched(trials=1)
    begun = dataclasses.replace(whole.trials[0], status="paused", epochs=0, curve={}, spans=(), result=None)
    report, pictures = made(dataclasses.replace(whole, trials=(begun,), stopped="it was interrupted", wanted=3))
    text = report.blocks[0].text
    assert (
        text
        == "0 of 3 trials done, 0 trained; it was interrupted, the same command goes on. No candidate has a result yet."
    )
    assert pictures == {}
    assert set(formats.files(report, "csv")) == {"trials.csv", "pareto.csv"}


def test_trials_made_by_different_versions_are_told_apart():
    def versions(trial, known):
        told = {"torch": "2.12" if trial.number < 2 else "2.13", "device": "cpu"}
        return dataclasses.replace(known, made_by=told)

    findings = Findings(with_results(searched(trials=4), versions), GUESS)
    assert reporting._origins(findings) == {
        "torch": "2.12 (trial 0, trial 1); 2.13 (trial 2, trial 3)",
        "device": "cpu",
    }


def test_the_verdict_says_that_trainings_failed():
    assert said(searched(trials=2, fails=(0, 1))) == (
        "2 of 2 trials done, 0 trained. 2 trainings failed; the table of all trials says why. "
        "No candidate has a result."
    )


def test_the_verdict_names_classes_that_are_not_found():
    def people(trial, known):
        scores = dataclasses.replace(known.scores, iou={"road": 0.9, "people": 0.01, "void": None})
        return dataclasses.replace(known, scores=scores)

    text = said(with_results(searched(trials=2), people))
    assert "It does not find people (IoU below 0.05)." in text
    assert "Each was trained and validated once: the order is a hint at most." in text


def test_what_each_value_reached_is_over_the_trials_that_have_it():
    findings = Findings(searched(many_heads(), trials=30), GUESS)
    (found,) = values(findings)
    rows = {row["value"]: row for row in found.rows}
    mine = [
        trial.result.scores.mean_iou
        for trial in findings.done
        if trial.candidate.parameters.get("decoder_channels") == 64
    ]
    row = rows["decoder channels 64"]
    assert (row["trials"], row["best"], row["mean"]) == (len(mine), max(mine), pytest.approx(sum(mine) / len(mine)))


def test_too_few_trials_tell_nothing_of_parameters():
    findings = Findings(searched(trials=5), GUESS)
    assert reporting._importance(findings) == (
        None,
        "Which parameters mattered is told from 20 trials at one rung on; there are 5.",
    )
