"""Searches whose throughput is predicted or measured: what is written down, what reports call it, and going on."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from formulas import scenario
from races import go

from budgetnet import formats, platforms, units
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.plan import measure, plan
from budgetnet.plan.latency import Clock
from budgetnet.plan.throughput import Throughput
from budgetnet.report import Report, Table
from budgetnet.results import Scores
from budgetnet.roofline import roof
from budgetnet.search import report as search_report
from budgetnet.search.place import Place
from budgetnet.search.run import Outcome
from budgetnet.search.status import status_report
from budgetnet.search_axis import measured

NANO = roof(platforms.load("jetson-nano"), "fp16")
PREDICTED = Throughput(kind="roofline", roof=NANO, how="on NVIDIA Jetson Nano, fp16")


class Stopwatch:
    """Says how quick a candidate is, and remembers what it was asked."""

    def __init__(self, factor: float = 1.0) -> None:
        self.asked: list[Candidate] = []
        self.factor = factor

    def __call__(self, candidate: Candidate) -> float:
        self.asked.append(candidate)
        return self.factor * (100 + len(candidate.label))

    @property
    def axis(self) -> Throughput:
        return Throughput(kind="measured", measure=self, how="with a stopwatch")


def reported(outcome: Outcome) -> Report:
    names = ("a", "b", "c")
    guess = Scores(mean_iou=0.1, pixel_accuracy=0.3, mean_dice=0.1, iou=dict.fromkeys(names, 0.1), dice={})
    made, _ = search_report.report(outcome, guess, {})
    return made


def told(outcome: Outcome) -> str:
    return formats.text(reported(outcome), "markdown")


def tables(outcome: Outcome) -> list[Table]:
    return [table for table in reported(outcome).tables if table.key in ("trials", "pareto")]


def test_trials_have_the_rate_that_the_plan_predicts(tmp_path: Path) -> None:
    outcome = go(tmp_path, trials=8, throughput=PREDICTED)
    clock = Clock()
    for trial in outcome.trials:
        timed = clock.time(measure(outcome.plan.scenario, trial.candidate), NANO)
        assert trial.images_per_second == pytest.approx(timed.images_per_second, rel=1e-12)
    budget = {trial.candidate: trial.images_per_second for trial in go(tmp_path / "budget", trials=8).trials}
    assert all(budget.get(trial.candidate) != trial.images_per_second for trial in outcome.trials)


def test_every_candidate_is_measured_once_when_it_begins(tmp_path: Path) -> None:
    watch = Stopwatch()
    outcome = go(tmp_path, trials=6, throughput=watch.axis)
    begun = [trial.candidate for trial in sorted(outcome.trials, key=lambda trial: trial.number)]
    assert watch.asked[: len(begun)] == begun
    assert len(watch.asked) == len(set(watch.asked))
    for trial in outcome.trials:
        assert trial.images_per_second == 100 + len(trial.candidate.label)


def test_what_was_measured_before_is_not_measured_again(tmp_path: Path) -> None:
    first = go(tmp_path, trials=4, throughput=Stopwatch().axis)
    later = Stopwatch(factor=10)
    outcome = go(tmp_path, trials=6, throughput=later.axis)
    before = {trial.candidate: trial.images_per_second for trial in first.trials}
    for trial in outcome.trials:
        if trial.candidate in before:
            assert trial.images_per_second == before[trial.candidate]
            assert trial.candidate not in later.asked


def test_the_front_follows_the_axis(tmp_path: Path) -> None:
    """Where small networks are measured to be slow, they are not on the front for being quick."""
    made = plan(scenario())
    slow = Throughput(kind="measured", measure=lambda candidate: measure(made.scenario, candidate).cost.ops / 1e6)
    outcome = go(tmp_path, trials=10, made=made, throughput=slow)
    best = max(outcome.trials, key=lambda trial: trial.images_per_second)
    assert best.origin == "largest"


@pytest.mark.parametrize(
    ("axis", "heading"),
    [(PREDICTED, "img/s predicted"), (Stopwatch().axis, "img/s measured"), (None, "img/s in budget")],
)
def test_reports_say_what_their_images_per_second_are(tmp_path: Path, axis: Throughput | None, heading: str) -> None:
    outcome = go(tmp_path, trials=5, **({} if axis is None else {"throughput": axis}))
    headings = {"img/s predicted", "img/s measured", "img/s in budget"}
    assert {each for each in headings if each in told(outcome)} == {heading}
    with closing(Place(folder=tmp_path).existing()) as study:
        shown = formats.text(status_report(study.trials(), study.settings), "markdown")
    assert {each for each in headings if each in shown} == {heading}


def test_what_is_measured_is_told_to_be_one_image_at_a_time() -> None:
    assert measured(scenario(), "torch").how.endswith(" threads, one image at a time")


def test_reports_say_who_keeps_up_and_how_far_predictions_are_trusted(tmp_path: Path) -> None:
    words = told(go(tmp_path / "predicted", trials=5, throughput=PREDICTED))
    error = NANO.efficiency.error
    assert (
        f"Images per second are as predicted on NVIDIA Jetson Nano, fp16. Predictions of what was not measured were "
        f"off by {units.percent(error.median, 0)} % at the median, nine of ten within a factor of {error.factor:.2f} "
        f"(efficiency {NANO.efficiency.name}). The scenario needs 60: "
    ) in words
    outcome = go(tmp_path / "measured", trials=5, throughput=Stopwatch().axis)
    (found,) = re.findall(r"as measured with a stopwatch\. The scenario needs 60: (\d+) of (\d+) cand", told(outcome))
    assert found[0] == found[1], "all take less than a hundredth of a second"
    slow = told(go(tmp_path / "slow", trials=5, throughput=Stopwatch(factor=0.1).axis))
    assert "The scenario needs 60: 0 of " in slow
    assert "The scenario needs" not in told(go(tmp_path / "ops", trials=5))


def test_exact_tables_say_what_their_images_per_second_are(tmp_path: Path) -> None:
    for name, given in (("roofline", {"throughput": PREDICTED}), ("measured", {"throughput": Stopwatch().axis})):
        for table in tables(go(tmp_path / name, trials=3, **given)):
            assert {row["throughput"] for row in table.rows} == {name}
            assert "throughput" in [column.key for column in table.columns]
    for table in tables(go(tmp_path / "ops", trials=3)):
        assert "throughput" not in [column.key for column in table.columns]


def test_a_search_goes_on_with_the_axis_that_it_began_with(tmp_path: Path) -> None:
    go(tmp_path, trials=3, throughput=PREDICTED)
    with pytest.raises(BudgetnetError, match=re.escape("search.throughput")):
        go(tmp_path, trials=5)
    other = Throughput(kind="roofline", roof=roof(platforms.load("jetson-nano"), "fp32"), how=PREDICTED.how)
    with pytest.raises(BudgetnetError, match=re.escape("search.throughput.roof")):
        go(tmp_path, trials=5, throughput=other)
    assert len(go(tmp_path, trials=5, throughput=PREDICTED).trials) == 5
