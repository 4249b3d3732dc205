"""Searches whose throughput is predicted or measured: what is written down, what reports call it, and going on."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from formulas import scenario
from races import go

from budgetnet import formats, platforms
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.plan import measure, plan
from budgetnet.plan.latency import Clock
from budgetnet.plan.throughput import Throughput
from budgetnet.results import Scores
from budgetnet.roofline import roof
from budgetnet.search import report as search_report
from budgetnet.search.place import Place
from budgetnet.search.run import Outcome
from budgetnet.search.status import status_report

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


def told(outcome: Outcome) -> str:
    names = ("a", "b", "c")
    guess = Scores(mean_iou=0.1, pixel_accuracy=0.3, mean_dice=0.1, iou=dict.fromkeys(names, 0.1), dice={})
    made, _ = search_report.report(outcome, guess, {})
    return formats.text(made, "markdown")


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


def test_a_search_goes_on_with_the_axis_that_it_began_with(tmp_path: Path) -> None:
    go(tmp_path, trials=3, throughput=PREDICTED)
    with pytest.raises(BudgetnetError, match=re.escape("search.throughput")):
        go(tmp_path, trials=5)
    other = Throughput(kind="roofline", roof=roof(platforms.load("jetson-nano"), "fp32"), how=PREDICTED.how)
    with pytest.raises(BudgetnetError, match=re.escape("search.throughput.roof")):
        go(tmp_path, trials=5, throughput=other)
    assert len(go(tmp_path, trials=5, throughput=PREDICTED).trials) == 5
