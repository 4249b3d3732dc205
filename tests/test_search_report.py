"""What a search's report says, on searches whose training is a formula."""

import csv
import dataclasses
import io
import json

import pytest
from PIL import Image
from test_search import formula, go, quality, result, scenario

from budgetnet import formats
from budgetnet.plan import plan
from budgetnet.results import Scores, TrainingError
from budgetnet.search import report as reporting
from budgetnet.training_settings import Training

GUESS = Scores(mean_iou=0.05, pixel_accuracy=0.3, mean_dice=0.1, iou={"a": 0.05, "b": None}, dice={"a": 0.1, "b": None})


def made(outcome, guess=GUESS):
    return reporting.report(outcome, guess, {"training": {"epochs": 1}, "dataset": {"fingerprint": "=1+1"}})


def table(report, title):
    return next(block for block in report.blocks if getattr(block, "title", None) == title)


def test_the_front_is_marked_and_the_rest_says_what_dominates_it(tmp_path):
    outcome = go(tmp_path, formula, trials=12)
    report, pictures = made(outcome)
    rows = table(report, "All trials").rows
    front = {row["trial"] for row in table(report, "Pareto front").rows}
    assert len(rows) == 12
    assert {row["trial"] for row in rows if not row["left_out"]} == front
    by_number = {row["trial"]: row for row in rows}
    for row in rows:
        if row["left_out"]:
            other = by_number[int(row["left_out"].removeprefix("dominated by trial "))]
            assert other["mean_iou"] >= row["mean_iou"]
            assert other["images_per_second"] >= row["images_per_second"]
    assert Image.open(io.BytesIO(pictures["pareto.png"])).format == "PNG"


def test_every_candidate_of_the_space_is_accounted_for(tmp_path):
    def evaluate(candidate, run):
        if run.number == 3:
            raise TrainingError("loss must be finite, but got nan in batch 1 of epoch 1")
        return result(candidate)

    report, _ = made(go(tmp_path, evaluate, trials=7))
    *reasons, whole = table(report, "Where the candidates went").rows
    assert sum(row["candidates"] for row in reasons) == whole["candidates"] == 72
    failed = next(row for row in table(report, "All trials").rows if row["trial"] == 3)
    assert failed["left_out"] == "failed: loss must be finite, but got nan in batch 1 of epoch 1"


def test_numbers_in_every_format_are_those_of_the_results(tmp_path):
    outcome = go(tmp_path, formula, trials=5)
    report, _ = made(outcome)
    files = formats.files(report, "markdown", "csv", "json")
    assert set(files) == {"search.md", "search.json", "trials.csv", "pareto.csv"}
    rows = list(csv.DictReader(io.StringIO(files["trials.csv"].decode())))
    record = json.loads(files["search.json"])
    for trial, row, told in zip(outcome.trials, rows, record["trials"], strict=True):
        assert float(row["mean_iou"]) == quality(trial.candidate) == told["result"]["scores"]["mean_iou"]
        assert int(row["ops"]) == trial.result.ops == told["result"]["ops"]
        assert float(row["images_per_second"]) == told["images_per_second"] == pytest.approx(70e9 / trial.result.ops)
        assert float(row["utilisation"]) == pytest.approx(60 * trial.result.ops / 70e9)
    markdown = files["search.md"].decode()
    assert all(f"runs/{number:04d}/preview.png" in markdown for number in record["pareto"])


def test_the_verdict_says_what_was_reached_and_how_far_to_trust_it(tmp_path):
    def evaluate(candidate, run):
        first = {"epoch": 1, "loss": 1.0, "mean_iou": quality(candidate) - 0.02, "seconds": 1.0}
        base = result(candidate)
        return type(base)(**{**base.record(), "scores": base.scores, "history": (first, *base.history)})

    wanted = plan(scenario(minimum_mean_iou=0.2))
    report, _ = made(go(tmp_path / "a", evaluate, trials=6, made=wanted))
    verdict = report.blocks[0].text
    assert verdict.startswith(
        "6 of 6 trials done, 6 trained. Best: 0.5 / Conv2d_13_pointwise / fcn / 7 / 1024 with mean IoU"
    )
    assert "mean IoU moved by 0.020 on average: smaller differences say nothing" in verdict
    assert "of them reach the wanted mean IoU of 0.2" in verdict
    hopeless = plan(scenario(minimum_mean_iou=0.99))
    report, _ = made(go(tmp_path / "b", evaluate, trials=3, made=hopeless))
    assert "None reaches the wanted mean IoU of 0.99 in this short training." in report.blocks[0].text


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"epochs": 4}, "mean IoU moved by 0.100 on average"),
        ({"epochs": 4, "early_epochs": 2}, "mean IoU moved by 0.100 on average"),
        ({"epochs": 4, "early_epochs": 3}, "the order is a hint at most"),
    ],
)
def test_only_validations_on_whole_images_are_held_against_each_other(tmp_path, training, said):
    reached = (0.5, None, 0.2, 0.3)

    def evaluate(candidate, run):
        rows = [{"epoch": at, "loss": 1.0, "mean_iou": iou, "seconds": 1.0} for at, iou in enumerate(reached, start=1)]
        base = result(candidate)
        return type(base)(**{**base.record(), "scores": base.scores, "history": tuple(rows)})

    report, _ = made(go(tmp_path, evaluate, trials=2, made=plan(scenario(training=Training(**training)))))
    assert said in report.blocks[0].text


@pytest.mark.parametrize(("reserve", "heading"), [(0, "% of budget"), (0.1, "% of available")])
def test_shares_are_named_after_what_they_are_shares_of(tmp_path, reserve, heading):
    report, _ = made(go(tmp_path, formula, trials=2, made=plan(scenario(reserve=reserve))))
    headings = {column.key: column.heading for column in report.tables[0].columns}
    assert headings["utilisation"] == heading


def test_the_verdict_says_when_training_did_no_better_than_guessing(tmp_path):
    report, _ = made(go(tmp_path, lambda candidate, run: result(candidate, iou=0.05), trials=2))
    assert "That is no better than guessing" in report.blocks[0].text


def test_the_verdict_says_that_all_were_tried_and_that_nothing_has_a_result_yet(tmp_path):
    few = plan(scenario(budget=20))
    assert 0 < len(few.fitting) < 6
    report, _ = made(go(tmp_path / "few", formula, trials=50, made=few))
    assert "fit the budget, so all of them are tried." in report.blocks[0].text

    def interrupted(candidate, run):
        raise KeyboardInterrupt

    report, pictures = made(go(tmp_path / "none", interrupted, trials=3))
    assert "it was interrupted, the same command goes on." in report.blocks[0].text
    assert "No candidate has a result yet." in report.blocks[0].text
    assert pictures == {}


def test_trials_made_by_different_versions_are_told_apart(tmp_path):
    def evaluate(candidate, run):
        base = result(candidate)
        versions = {"torch": "2.12" if run.number < 2 else "2.13", "device": "cpu"}
        return type(base)(**{**base.record(), "scores": base.scores, "history": base.history, "made_by": versions})

    report, _ = made(go(tmp_path, evaluate, trials=4))
    rows = {row["name"]: row["value"] for row in table(report, "Made by").rows}
    assert rows == {"torch": "2.12 (trials 0, 1); 2.13 (trials 2, 3)", "device": "cpu"}


def test_the_verdict_says_that_trainings_failed(tmp_path):
    def evaluate(candidate, run):
        raise TrainingError("memory must hold a batch of 16, but ran out")

    report, _ = made(go(tmp_path, evaluate, trials=2))
    assert report.blocks[0].text == (
        "2 of 2 trials done, 0 trained. 2 trainings failed; the table of all trials says why. "
        "No candidate has a result."
    )


def test_the_verdict_names_classes_that_are_not_found(tmp_path):
    def evaluate(candidate, run):
        base = result(candidate)
        scores = dataclasses.replace(base.scores, iou={"road": 0.9, "people": 0.01, "void": None})
        return dataclasses.replace(base, scores=scores)

    report, _ = made(go(tmp_path, evaluate, trials=2))
    assert "It does not find people (IoU below 0.05)." in report.blocks[0].text
    assert "Each was trained and validated once: the order is a hint at most." in report.blocks[0].text
