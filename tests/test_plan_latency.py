"""A plan in time: busy shares by hand, who keeps up, platforms ranked, the command and what it refuses."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from budgetnet import platforms
from budgetnet.cli import app
from budgetnet.errors import BudgetnetError
from budgetnet.plan import measure, plan
from budgetnet.plan.feasible import Feasible
from budgetnet.plan.latency import Clock, InTime, cheapest, ranked
from budgetnet.plan.latency_report import report, verdict
from budgetnet.plan.throughput import OPS, Throughput
from budgetnet.roofline import roof
from budgetnet.scenario import Scenario, load
from budgetnet.search_axis import Axis

NANO = roof(platforms.load("jetson-nano"), "fp16")
XAVIER = roof(platforms.load("jetson-agx-xavier"), "int8")


def scenario(**more: Any) -> Scenario:
    return load("parking").model_copy(update=more)


# --- one choice of networks


def test_busy_is_rate_times_seconds_and_what_follows_from_it() -> None:
    asked = load("parking")
    one = plan(asked).candidates[0]
    timed = Clock().time(one, NANO)
    (prediction,) = timed.predictions
    assert timed.busy == pytest.approx(60 * prediction.seconds)
    assert timed.headroom == pytest.approx(1 - timed.busy)
    assert timed.keeps_up is (timed.busy <= 1)
    assert timed.images_per_second == pytest.approx(60 / timed.busy)
    assert timed.busy_at_most == pytest.approx(60 * prediction.band[1])
    assert timed.energy == pytest.approx(10 * prediction.seconds)


def test_reserve_and_contention_count() -> None:
    plain, loaded = load("parking"), scenario(reserve=0.25, contention=1.5)
    candidate = plan(plain).candidates[-1].candidate
    one, other = (Clock().time(measure(each, candidate), NANO) for each in (plain, loaded))
    assert other.busy == pytest.approx(1.5 * one.busy)
    assert other.available == 0.75
    assert other.headroom == pytest.approx(0.75 - other.busy)
    assert other.images_per_second == pytest.approx(one.images_per_second * 0.75 / 1.5)


def test_camera_groups_add_up() -> None:
    asked = load("surround")
    one = plan(asked).candidates[0]
    timed = Clock().time(one, XAVIER)
    assert len(timed.predictions) == len(asked.groups)
    rates = [float(group.images_per_second) for group in asked.groups]
    each = [rate * made.seconds for rate, made in zip(rates, timed.predictions, strict=True)]
    assert timed.busy == pytest.approx(sum(each) * asked.contention)
    assert timed.longest.seconds == max(made.seconds for made in timed.predictions)


def test_engines_side_by_side_share_the_work() -> None:
    one = plan(load("parking")).candidates[0]
    board = roof(platforms.load("drive-px2-autochauffeur"), "fp32")
    timed = Clock().time(one, board)
    assert timed.busy == pytest.approx(60 * timed.predictions[0].seconds / 2)


def test_a_batch_is_quicker_by_the_image() -> None:
    one = plan(load("parking")).candidates[0]
    assert Clock(8).time(one, NANO).busy < Clock(1).time(one, NANO).busy


# --- platforms


def test_platforms_are_ranked_by_power_and_those_left_out_told() -> None:
    one = plan(load("parking")).candidates[0]
    found, without = ranked(one, Clock(), "int8")
    assert {each.key for each in found} | set(without) == set(platforms.names())
    assert without["jetson-nano"] == "no int8 peak is known"
    suiting = [each for each in found if each.suits]
    assert found[: len(suiting)] == suiting
    watts = [each.watts for each in suiting if each.watts is not None]
    assert watts == sorted(watts)
    best = cheapest(found)
    assert best["least power"].watts == watts[0]
    assert best["smallest peak"].peak == min(each.peak for each in suiting)


def test_the_platform_that_was_asked_for_is_ranked_as_it_was_asked_for(tmp_path: Path) -> None:
    one = plan(load("parking")).candidates[0]
    vulkan = roof(platforms.load("jetson-nano"), "fp16", efficiency="vulkan")
    path = str(tmp_path / "mine.yaml")
    Path(path).write_text(
        "name: Mine\npower_watts: {value: 1, source: s}\n"
        "engines: [{name: NPU, kind: npu, peak: {fp16: {value: 90, source: s}}}]\n"
    )
    mine = roof(platforms.load(path), "fp16")
    for key, on in (("jetson-nano", vulkan), (path, mine)):
        found, _ = ranked(one, Clock(), "fp16", (key, on))
        rows = {each.key: each.timed for each in found}
        assert rows[key].roof == on
        assert rows[key].busy == pytest.approx(Clock().time(one, on).busy)
    assert cheapest(found)["least power"].key == path


def test_the_sure_choices_keep_up_at_the_long_end() -> None:
    one = plan(load("urban")).candidates[0]
    found, _ = ranked(one, Clock(), "fp16")
    best = cheapest(found)
    assert best["least power surely"].timed.keeps_up_surely
    assert (best["least power surely"].watts or 0) >= (best["least power"].watts or 0)
    assert best["smallest peak surely"].peak >= best["smallest peak"].peak


def test_where_none_keeps_up_nothing_is_cheapest() -> None:
    asked = load("parking").model_copy(update={"fps": 100_000.0})
    one = measure(asked, plan(load("parking")).candidates[0].candidate)
    found, _ = ranked(one, Clock(), "fp16")
    assert not cheapest(found)


# --- the report


def test_layers_add_up_to_the_network_and_shares_to_one() -> None:
    made = report(InTime.of(plan(load("parking")), NANO))
    _, layers, _ = made.tables
    assert sum(row["share"] for row in layers.rows) == pytest.approx(1)
    first = made.record["candidates"][0]
    assert made.record["layers_of"] in {each["label"] for each in made.record["candidates"]}
    assert first["band_milliseconds"][0][0] < first["milliseconds"][0] < first["band_milliseconds"][0][1]
    assert {row["bound"] for row in layers.rows} <= {"compute", "memory", "launch"}


def test_the_verdict_names_the_largest_that_keeps_up() -> None:
    found = InTime.of(plan(load("parking")), XAVIER)
    said = verdict(found)
    able = [each for each in found.timed if each.planned.fits and each.keeps_up]
    best = max(able, key=lambda each: each.planned.required)
    assert f"The largest that does, {best.planned.label}, takes" in said
    assert "in nine of ten cases" in said


def test_where_nothing_keeps_up_the_quickest_is_told_and_stands_first() -> None:
    asked = load("parking").model_copy(update={"fps": 10_000.0, "budget_gops": 1e6})
    found = InTime.of(plan(asked), NANO)
    assert verdict(found).startswith("On NVIDIA Jetson Nano (Maxwell GPU, fp16) 0 of ")
    quickest = min(found.timed, key=lambda each: each.busy)
    assert f"The quickest, {quickest.planned.label}, takes" in verdict(found)
    assert report(found).tables[0].rows[0]["label"] == quickest.planned.label


# --- the command


def run(*words: str, folder: Path | None = None) -> str:
    given = ["plan", *words, *(["--output", str(folder)] if folder else ["--no-files"])]
    result = CliRunner().invoke(app, given, catch_exceptions=False, standalone_mode=False)
    return result.output


def test_plan_on_a_platform_writes_time_beside_the_plan(tmp_path: Path) -> None:
    said = run("urban", "--platform", "jetson-agx-xavier", "--precision", "int8", folder=tmp_path)
    assert "Scenario urban on NVIDIA Jetson AGX Xavier, int8" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert {"plan.md", "plan-latency.md", "plan-latency.csv", "plan-layers.csv", "plan-platforms.csv"} <= names
    rows = list(csv.DictReader((tmp_path / "plan-latency.csv").open()))
    timed = InTime.of(plan(load("urban")), XAVIER)
    known = {each.planned.label: each for each in timed.timed}
    assert len(rows) == len(known)
    for row in rows:
        assert float(row["ms"]) == pytest.approx(1000 * known[row["label"]].longest.seconds)
        assert float(row["busy"]) == pytest.approx(known[row["label"]].busy)
    record = json.loads((tmp_path / "plan-latency.json").read_text())
    assert record["efficiency"]["error"]["p90"] > 0
    run("urban", folder=tmp_path)  # an ordinary plan takes them away: they would be taken for its
    assert not (tmp_path / "plan-latency.md").exists()


def test_the_scenarios_own_platform_and_precision_are_taken() -> None:
    said = run("parking", "--batch", "4")  # parking names DRIVE PX 2, in fp32
    assert "Scenario parking on NVIDIA DRIVE PX 2 AutoChauffeur, fp32" in said
    assert "batches of 4" in said


def test_a_named_candidate_is_looked_into_layer_by_layer() -> None:
    said = run("urban", "--platform", "jetson-nano", "--precision", "fp16", "--candidate", "depth_multiplier=0.25")
    assert "The named, 0.25 / Conv2d_13_pointwise / fcn / 7 / 1024, takes" in " ".join(said.split())
    assert "Asked for by name" in said


@pytest.mark.parametrize("key", ["csv", "json", "markdown"])
def test_other_formats(key: str) -> None:
    said = run("demo", "--platform", "jetson-tx2", "--precision", "fp16", "--format", key)
    assert "Conv2d_13_pointwise" in said
    if key == "json":
        assert json.loads(said)["platform"] == "NVIDIA Jetson TX2"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["demo", "--precision", "int8"], "--platform: must be given where the scenario names none, but got none"),
        (["demo", "--platform", "jetson-xavier"], "platform: must be a known platform or the path of a platform file"),
        (
            ["demo", "--platform", "tda4vm"],
            "precision: must be one that Texas Instruments TDA4VM has",
        ),
        (["demo", "--platform", "jetson-nano", "--efficiency", "cpus"], "efficiency: must be one of"),
        (["demo", "--platform", "jetson-nano", "--solve", "fps"], "must be given one at a time, but got both"),
        (["demo", "--platform", "jetson-nano", "--against", "urban"], "must be given one at a time, but got both"),
        (["demo", "--platform", "absent.yaml"], "absent.yaml"),
    ],
)
def test_what_cannot_be_timed_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(BudgetnetError, match=re.escape(told)):
        run(*words)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["parking", "--platform", "jetson-nano", "--precision", "fp16"],
            "Check failed: no candidate that fits the budget",
        ),
        (
            ["urban", "--platform", "myriad-x", "--precision", "int8", "--candidate", "depth_multiplier=0.75"],
            "Check failed: 0.75 / Conv2d_13_pointwise / fcn / 7 / 1024 keeps Intel",
        ),
    ],
)
def test_a_gate_in_time_fails_where_frames_are_late(words: list[str], reason: str) -> None:
    given = ["plan", *words, "--check", "--no-files"]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 1
    assert reason in done.stderr
    kept = CliRunner().invoke(app, ["plan", "urban", "--platform", "jetson-agx-orin-64", "--check", "--no-files"])
    assert kept.exit_code == 0


def test_a_batch_tells_what_it_waits_for() -> None:
    said = " ".join(run("parking", "--platform", "jetson-nano", "--batch", "7").split())
    assert "A batch of 7 gathers the frames of 100 ms at 60 images per second" in said
    assert "gathers" not in run("parking", "--platform", "jetson-nano")


def test_camera_groups_have_times_of_their_own() -> None:
    found = InTime.of(plan(load("surround")), XAVIER)
    made = report(found)
    first = made.tables[0].rows[0]
    timed = next(each for each in found.timed if each.planned.label == first["label"])
    for group, each in zip(load("surround").groups, timed.predictions, strict=True):
        assert first[f"ms:{group.name}"] == pytest.approx(1000 * each.seconds)
    longest = load("surround").groups[found.chosen.predictions.index(found.chosen.longest)].name
    assert f"ms for an image of group {longest}, the longest, (" in verdict(found)
    assert any(
        f"Energy of an image of group {longest}: " in block.text for block in made.blocks if hasattr(block, "text")
    )


def test_nothing_is_said_of_a_memory_that_is_not_there() -> None:
    said = " ".join(run("demo", "--platform", "hailo-8", "--precision", "int8").split())
    assert "Energy of an image: " in said
    assert "DRAM" not in said


def test_files_hold_the_ends_of_bands_as_numbers(tmp_path: Path) -> None:
    run("demo", "--platform", "jetson-tx2", folder=tmp_path)
    for name in ("plan-latency.csv", "plan-platforms.csv"):
        for row in csv.DictReader((tmp_path / name).open()):
            assert float(row["least_ms"]) < float(row["ms"]) < float(row["most_ms"])


# --- the axis of a search


def test_a_search_sees_what_the_plan_predicts() -> None:
    asked = load("urban")
    feasible = Feasible(asked, NANO)
    clock = Clock()
    for index in range(0, len(feasible), 7):
        timed = clock.time(measure(asked, feasible.candidate(index)), NANO)
        assert feasible.images_per_second[index] == pytest.approx(timed.images_per_second, rel=1e-12)


def test_groups_reserve_and_contention_count_in_a_search_too() -> None:
    asked = load("urban").model_copy(update={"reserve": 0.2, "contention": 1.25})
    feasible = Feasible(asked, XAVIER)
    timed = Clock().time(measure(asked, feasible.candidate(0)), XAVIER)
    assert feasible.images_per_second[0] == pytest.approx(timed.images_per_second, rel=1e-12)


def test_axes_by_their_words() -> None:
    asked = load("parking")
    assert Axis().throughput(asked, alone=False) is OPS
    assert OPS.record() == {}
    predicted = Axis(kind="roofline", platform="jetson-nano", precision="fp16").throughput(asked, alone=False)
    assert predicted.roof == NANO
    assert predicted.title == "images per second as predicted on NVIDIA Jetson Nano, fp16"
    assert set(predicted.record()["throughput"]) == {"kind", "how", "roof"}
    other = Axis(kind="roofline", platform="jetson-nano", precision="fp32").throughput(asked, alone=False)
    assert other.record() != predicted.record()


@pytest.mark.parametrize(
    ("axis", "alone", "told"),
    [
        (Axis(kind="speed"), True, "--throughput: must be ops, roofline or measured, but got 'speed'"),
        (Axis(kind="measured"), False, "--throughput measured: must come with one worker of one machine"),
        (Axis(kind="measured", runtime="tensort"), True, "runtime must be one of the known ones, but got 'tensort'"),
        (
            Axis(platform="jetson-nano"),
            True,
            "--platform: must come with --throughput roofline, but got",
        ),
        (Axis(kind="roofline", runtime="torch"), True, "--runtime: must come with --throughput measured"),
        (Axis(kind="roofline", platform="jetson-nano", precision="int8"), True, "precision: must be one"),
    ],
)
def test_axes_that_cannot_be(axis: Axis, alone: bool, told: str) -> None:
    with pytest.raises(BudgetnetError, match=re.escape(told)):
        axis.throughput(load("parking"), alone=alone)


def test_a_roofline_without_a_platform_is_refused() -> None:
    with pytest.raises(BudgetnetError, match="--platform: must be given where the scenario names none"):
        Axis(kind="roofline").throughput(load("demo"), alone=True)


def test_what_is_measured_is_images_per_second_of_all_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    from budgetnet.bench import measuring

    asked = load("parking").model_copy(update={"reserve": 0.5, "contention": 2.0})
    monkeypatch.setattr(measuring, "measured_seconds", lambda network, **how: 0.01)
    found = Axis(kind="measured").throughput(asked, alone=True)
    assert found.measure is not None
    candidate = plan(asked).candidates[-1].candidate
    assert found.measure(candidate) == pytest.approx(100 * 0.5 / 2)


def test_a_real_measurement_is_a_rate() -> None:
    asked = load("demo")
    found = Axis(kind="measured").throughput(asked, alone=True)
    assert found.measure is not None
    assert 1 < found.measure(plan(asked).smallest.candidate) < 1e5
    assert found.title.startswith("images per second as measured with onnxruntime on ")
    assert isinstance(found, Throughput)
