"""How a search went: hypervolume, time, timeline, which parameters mattered, and how it stands while it runs."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from search_outcomes import EPOCH, GUESS, many_heads, searched

from budgetnet.formats import markdown
from budgetnet.search.findings import Findings
from budgetnet.search.importance import common_rung, importance, importance_png
from budgetnet.search.pareto import hypervolume
from budgetnet.search.progress_curves import ActiveClock, hypervolume_png, time_unit
from budgetnet.search.status import status_report
from budgetnet.search.timeline import lanes, timeline_png
from budgetnet.search.trial import Span

SETTINGS = {"name": "replays", "search": {"rungs": [1, 3, 9], "sampler": "random"}}


def span(began, ended, first=1, last=1, worker="host/0"):
    return Span(first_epoch=first, last_epoch=last, began=began, ended=ended, worker=worker)


def test_the_clock_leaves_out_what_nobody_trained_in():
    clock = ActiveClock([span(100, 110), span(105, 120), span(1000, 1005)])
    assert [clock(moment) for moment in (0, 100, 104, 115, 120, 500, 1000, 1003, 9999)] == [
        0,
        0,
        4,
        15,
        20,
        20,
        20,
        23,
        25,
    ]
    assert clock.total == 25
    assert ActiveClock([]).total == ActiveClock([])(5) == 0


@pytest.mark.parametrize(("seconds", "unit"), [(0, "seconds"), (179, "seconds"), (181, "minutes"), (20_000, "hours")])
def test_times_are_told_in_units_that_people_read(seconds, unit):
    assert time_unit(seconds)[0] == unit


def test_the_hypervolume_grows_with_every_done_trial_against_trials_epochs_and_seconds():
    findings = Findings(searched(many_heads(), trials=20, rungs=(1, 3, 9)), GUESS)
    first, *told, end = findings.curve
    assert (first.trials, first.epochs, first.seconds, first.hypervolume) == (0, 0, 0, 0)
    points: list[tuple[float, float]] = []
    for each in told:
        trial = findings.trials[each.trial]
        points.append((trial.result.scores.mean_iou, trial.images_per_second))
        assert each.hypervolume == hypervolume(np.array(points))
        assert each.seconds == pytest.approx(each.epochs * EPOCH)  # one worker, and nothing but epochs takes time
    assert (end.trials, end.epochs, end.hypervolume) == (20, findings.outcome.epochs, told[-1].hypervolume)
    assert end.seconds == pytest.approx(findings.outcome.seconds)
    assert Image.open(io.BytesIO(hypervolume_png(findings.curve, title="t"))).format == "PNG"


def test_epochs_under_way_count_in_part():
    outcome = searched(trials=2, rungs=(4,), workers=2)
    late = replace(outcome.trials[1], spans=(replace(outcome.trials[1].spans[0], ended=1e9 + 8 * EPOCH),))
    curve = Findings(replace(outcome, trials=(outcome.trials[0], late)), GUESS).curve
    assert [each.epochs for each in curve] == pytest.approx([0, 4 + 2, 8, 8])
    assert [each.trials for each in curve] == [0, 2, 2, 2]


def test_bars_are_cut_at_rungs_and_checks_have_their_own_colours():
    outcome = searched(many_heads(), trials=12, rungs=(1, 3, 9), workers=2, repeats=2, audit=2)
    findings = Findings(outcome, GUESS)
    for trial in findings.trials:
        mine = [bar for bar in findings.bars if bar.kind == "search" and bar.trial == trial.number]
        assert [(bar.first_epoch, bar.last_epoch) for bar in mine] == [(1, 1), (2, 3), (4, 9)][: len(mine)]
        assert sum(bar.ended_second - bar.began_second for bar in mine) == pytest.approx(trial.epochs * EPOCH)
    assert {bar.phase for bar in findings.bars} == {"epoch 1", "epochs 2-3", "epochs 4-9", "repeats", "audits"}
    assert lanes(findings.bars) == {"host/0": "worker 0", "host/1": "worker 1"}
    png = timeline_png(findings.bars, findings.rungs, title="t")
    assert png == timeline_png(findings.bars, findings.rungs, title="t")
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_machines_are_named_where_there_are_several_and_workers_are_in_the_order_of_their_numbers():
    (trial,) = searched(trials=1).trials
    workers = ("b/0", "a/10", "a/2")
    spans = tuple(span(place, place + 1, worker=worker) for place, worker in enumerate(workers))
    outcome = searched(trials=1)
    bars = Findings(replace(outcome, trials=(replace(trial, spans=spans),)), GUESS).bars
    assert list(lanes(bars)) == ["a/2", "a/10", "b/0"]
    assert list(lanes(bars).values()) == ["a/2", "a/10", "b/0"]


def test_what_decides_is_important_and_what_does_not_is_within_chance():
    rng = np.random.default_rng(0)
    trials = []
    for _ in range(120):
        given = {"wide": float(rng.integers(4)), "idle": str(rng.choice(["x", "y", "z"]))}
        if given["idle"] == "x":
            given["only with x"] = int(rng.integers(2))
        trials.append((given, given["wide"] + rng.normal(0, 0.3)))
    found = importance(trials, rung=3)
    by_name = {each.name: each for each in found.parameters}
    assert found.parameters[0].name == "wide"
    assert by_name["wide"].importance > 0.8 > by_name["wide"].by_chance
    assert by_name["idle"].importance < 0.2
    assert by_name["only with x"].trials == sum("only with x" in given for given, _ in trials)
    assert sum(each.importance for each in found.parameters) == pytest.approx(1)
    assert found == importance(trials, rung=3)
    assert Image.open(io.BytesIO(importance_png(found, title="t"))).format == "PNG"


def test_importance_needs_trials_that_differ():
    assert importance([({"a": place % 2}, float(place)) for place in range(19)], rung=1) is None
    assert importance([({"a": place % 2}, 0.5) for place in range(30)], rung=1) is None
    assert importance([({"a": 1}, float(place)) for place in range(30)], rung=1) is None


@pytest.mark.parametrize(
    ("reached", "rung"),
    [({1: 40, 3: 13, 9: 5}, 1), ({1: 40, 3: 25, 9: 5}, 3), ({9: 30}, 9), ({1: 19, 9: 19}, None), ({}, None)],
)
def test_trials_are_compared_at_the_highest_rung_that_is_a_fair_sample(reached, rung):
    assert common_rung(reached) == rung


def test_status_of_a_search_that_runs():
    outcome = searched(many_heads(), trials=12, rungs=(1, 3, 9), fails=(3,))
    ended = max(s.ended for trial in outcome.trials for s in trial.spans)
    stopped = next(trial for trial in outcome.trials if trial.status == "paused")
    running = replace(stopped, status="running", target=3, worker="host/1", heard=ended - 30)
    trials = [running if trial is stopped else trial for trial in outcome.trials]
    cut_off = replace(trials[-1], status="paused", epochs=2, target=3, result=None)
    trials[-1] = cut_off
    report = status_report(trials, SETTINGS, now=ended + 90)
    tables = {table.key: table for table in report.tables}
    (worker,) = tables["workers"].rows
    assert (worker["worker"], worker["trial"], worker["epochs"]) == ("host/1", running.number, f"{running.epochs} of 3")
    assert worker["heard"] == pytest.approx(120)
    first, *_ = tables["rungs"].rows
    assert first["reached"] == sum(trial.epochs >= 1 for trial in trials)
    assert tables["failures"].rows[0]["reason"].startswith("loss must be finite")
    done = [trial for trial in trials if trial.status == "done"]
    best = max(done, key=lambda trial: trial.result.scores.mean_iou)
    counts, reached, *_ = report.blocks
    assert f"{len(done)} trained to the end" in counts.text
    assert ", 1 under way, 1 cut off, to be resumed, 1 failed. " in counts.text
    assert reached.text.startswith(f"Best so far: {best.candidate.label} (trial {best.number}) with mean IoU")
    assert "Last failures" in markdown.render(report)["status"]
    assert report.record["trials"] == {"done": len(done), "paused": 10 - len(done), "running": 1, "failed": 1}


def test_status_of_a_search_that_has_nothing_yet():
    report = status_report([], SETTINGS)
    assert [block.text for block in report.blocks] == ["No trial was begun yet.", "None is trained to the end yet."]
    assert report.title == "Search for scenario replays"


def test_status_is_cheap():
    program = "import sys, budgetnet.search.status; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "matplotlib", "altair", "optuna", "torch", "scipy"} & set(loaded)
