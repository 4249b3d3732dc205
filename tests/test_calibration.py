"""Efficiencies out of measurements: planted ones are found again, files are read, this machine is measured."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from budgetnet import efficiencies, formats, platforms
from budgetnet.bench.profiling import given_to, node_times, typical
from budgetnet.calibrating import Profiled, Request, run_calibration
from budgetnet.calibration import csv_file, machine, platform_file, sampling, trtexec_file
from budgetnet.calibration import report as calibration_report
from budgetnet.calibration.crossed import calibrate
from budgetnet.calibration.fit import PARAMETERS, Quality, Table, fitted, logarithms
from budgetnet.calibration.machine import Case
from budgetnet.calibration.measured import Hardware, Measurement
from budgetnet.cli import app
from budgetnet.errors import BudgetnetError
from budgetnet.kernels import Kernel, kernels
from budgetnet.networks import Candidate
from budgetnet.roofline import roof

HARDWARE = Hardware(peak=1e11, bandwidth=2e10)
PRIOR = efficiencies.load("cpu")
SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "final_endpoint": "Conv2d_3_pointwise"})


def planted(count: int = 12, *, noise: float = 0.0, layers: bool = True) -> tuple[list[Measurement], dict[str, float]]:
    """Measurements that a roofline with known parameters made."""
    truth = {"dense": 0.4, "pointwise": 0.8, "depthwise": 0.3, "transposed": 0.07, "elementwise": 0.02}
    truth |= {"bandwidth": 0.6, "floor_us": 7.0}
    values = np.log([truth[name] for name in PARAMETERS])
    drawn = np.random.default_rng(0)
    made: list[Measurement] = []

    def add(name: str, steps: tuple[Kernel, ...], *, whole: bool) -> None:
        common: dict[str, Any] = {"case": "", "whole": whole, "hardware": HARDWARE, "precision": "fp32"}
        one = Measurement(network=name, kernels=steps, seconds=1.0, **common)
        seconds = float(Table.of([one]).predicted(values)[0]) * float(np.exp(noise * drawn.standard_normal()))
        made.append(Measurement(network=name, kernels=steps, seconds=seconds, **common))

    for candidate in sampling.candidates(count, 3):
        steps = kernels(candidate.graph(classes=7, height=160, width=240))
        add(candidate.label, steps, whole=True)
        for kernel in steps if layers else ():
            add(candidate.label, (kernel,), whole=False)
    return made, truth


# --- the fit


def test_planted_efficiencies_are_found_again() -> None:
    measured, truth = planted()
    found = fitted(measured, PRIOR)
    for name, value in zip(PARAMETERS, np.exp(found), strict=True):
        weak = name in ("depthwise", "floor_us")  # most of these kernels wait for memory, and launches are short
        assert value == pytest.approx(truth[name], rel=0.25 if weak else 0.08), name
    table = Table.of(measured)
    assert np.median(abs(table.predicted(found) / table.seconds - 1)) < 0.02


def test_noise_moves_them_little_and_is_told_as_error() -> None:
    measured, truth = planted(noise=0.1)
    made = calibrate(measured, PRIOR, name="n", source="s")
    assert made.efficiency.pointwise == pytest.approx(truth["pointwise"], rel=0.1)
    assert 0.02 < made.quality.median < 0.2
    assert made.layers is not None
    assert 0.03 < made.layers.median < 0.15  # the noise itself: its median is 0.067
    assert made.efficiency.error.median == pytest.approx(made.quality.median, rel=1e-3)
    assert made.quality.spearman is not None
    assert made.quality.spearman > 0.95


def test_whole_networks_alone_predict_others() -> None:
    measured, _ = planted(24, layers=False)
    made = calibrate(measured, PRIOR, name="n", source="s")
    assert made.layers is None
    assert made.quality.median < 0.05
    assert len(made.held) == len(made.fitted) == made.quality.measurements == 24


def test_no_network_is_predicted_by_a_fit_that_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from budgetnet.calibration import crossed

    measured, _ = planted(12)
    seen: list[set[str]] = []

    def spy(given: list[Measurement], prior: Any, most: float) -> Any:
        seen.append({each.network for each in given})
        return fitted(given, prior, most)

    monkeypatch.setattr(crossed, "fitted", spy)
    calibrate(measured, PRIOR, name="n", source="s")
    everything = {each.network for each in measured}
    *parts, last = seen
    assert last == everything
    assert len(parts) == 5
    left_out = [everything - part for part in parts]
    assert set().union(*left_out) == everything
    assert sum(map(len, left_out)) == len(everything)


def test_a_class_that_no_measurement_tells_of_stays_as_shipped() -> None:
    steps = kernels(SMALL.graph(classes=7, height=64, width=64))
    dense = [step for step in steps if step.kind == "dense"]
    given = [
        Measurement(
            network=f"{n}", case="", kernels=(step,), seconds=1e-4, whole=False, hardware=HARDWARE, precision="fp32"
        )
        for n, step in enumerate(dense * 3)
    ]
    found = np.exp(fitted(given, PRIOR))
    at = dict(zip(PARAMETERS, found, strict=True))
    assert at["transposed"] == pytest.approx(PRIOR.transposed, rel=0.01)


def test_the_same_measurements_give_the_same_calibration() -> None:
    measured, _ = planted(6, noise=0.05)
    one, other = (calibrate(measured, PRIOR, name="n", source="s") for _ in range(2))
    assert one == other


def test_two_measurements_are_dealt_one_by_one() -> None:
    measured, _ = planted(1, layers=True)
    made = calibrate(measured, PRIOR, name="n", source="s")
    assert {each.name for each in made.held} == {each.name for each in measured if not each.whole}
    assert "networks that the fit has seen" in made.efficiency.error.how
    assert "Fewer than three networks were measured" in calibration_report.verdict(made)
    many, _ = planted(4)
    whole = calibrate(many, PRIOR, name="n", source="s")
    assert whole.efficiency.error.how.startswith("whole networks in 4 parts")
    assert "Fewer than three" not in calibration_report.verdict(whole)


def test_a_network_in_several_sizes_is_one_network() -> None:
    measured, _ = planted(4, layers=False)
    larger = [replace(each, case="at 2 x 2", seconds=4 * each.seconds) for each in measured]
    made = calibrate([*measured, *larger], PRIOR, name="n", source="s")
    assert made.efficiency.error.how.startswith("whole networks in 4 parts")
    assert len(made.held) == 8


def test_nine_of_ten_lie_within_the_factor() -> None:
    measured = [1, 1, 1, 1, 1, 1, 1, 1, 4, 20]
    factor = Quality.of([1.0] * 10, measured).factor
    assert factor == 20  # nine of ten at least: of so few, all
    assert Quality.of([1.0] * 20, [*measured, *([1] * 10)]).factor == 4
    assert Quality.of([4.0, 1.0, 1.0], [1.0, 1.0, 1.0]).factor == 4  # too long counts as too short does


def test_quality_by_hand() -> None:
    made = Quality.of([1.1, 2.0, 2.7], [1.0, 2.0, 3.0])
    assert made.median == pytest.approx(0.1)
    assert made.spearman == pytest.approx(1.0)
    assert Quality.of([1.0], [2.0]).spearman is None
    assert Quality.of([1.0, 1.0, 1.0], [2.0, 3.0, 4.0]).spearman is None  # nothing is ranked


# --- CSV files

ROW = "0.25 / Conv2d_3_pointwise / fcn / 7 / 1024,64,96,"


def test_a_csv_of_networks_and_layers(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text(
        "candidate,height,width,milliseconds,layer,batch,classes\n"
        f"{ROW}3.5,,,\n"
        f"{ROW}0.5,MobilenetV1/Conv2d_0/convolution,4,3\n"
        f"{ROW}0.25,MobilenetV1/Conv2d_0/Relu6,,\n"
    )
    whole, layer, by_activation = csv_file.read(path, HARDWARE, "fp16")
    assert (whole.whole, whole.seconds, whole.batch, whole.precision) == (True, 0.0035, 1, "fp16")
    assert whole.kernels == kernels(SMALL.graph(classes=7, height=64, width=96))
    assert (layer.whole, layer.batch, [k.name for k in layer.kernels]) == (
        False,
        4,
        ["MobilenetV1/Conv2d_0/convolution"],
    )
    assert by_activation.kernels[0].name == "MobilenetV1/Conv2d_0/convolution"
    assert whole.network == layer.network


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "must have a column candidate, but has"),
        ("candidate,height,width\n", "must have a column milliseconds"),
        ("candidate,height,width,milliseconds\n", "must hold a row of headings and one for each measurement"),
        (f"candidate,height,width,milliseconds\n{ROW}fast\n", "line 2: milliseconds: must be a number above 0"),
        (f"candidate,height,width,milliseconds\n{ROW}-1\n", "line 2: milliseconds: must be a number above 0"),
        (f"candidate,height,width,milliseconds\n{ROW}nan\n", "line 2: milliseconds: must be a number above 0"),
        (f"candidate,height,width,milliseconds\n{ROW}inf\n", "line 2: milliseconds: must be a number above 0"),
        ("candidate,height,width,milliseconds\ndepth=3,64,64,1\n", "line 2: mobilenet-fcn has no parameter 'depth'"),
        ("candidate,height,width,milliseconds\n,64,64,1\n", "line 2: candidate: must name parameters"),
        ("candidate,height,width,milliseconds\nfoo,64,64,1\n", "line 2: "),
        (
            f"candidate,height,width,milliseconds\n{ROW.replace('64', '8')}1\n",
            "line 2: height, width: sides must be",
        ),
        (f"candidate,height,width,milliseconds,layer\n{ROW}1,conv9\n", "line 2: layer: must be one of the network"),
        (f"candidate,height,width,milliseconds,batch\n{ROW}1,0\n", "line 2: batch: must be a whole number from 1"),
        (f"candidate,height,width,milliseconds,classes\n{ROW}1,1\n", "line 2: classes: must be a whole number from 2"),
        (f"candidate,height,width,milliseconds,network\n{ROW}1,unett\n", "line 2: "),
        ('candidate,height,width,milliseconds\n"0.25,64\n', "must be a CSV file, but has unexpected end of data"),
        (f"candidate,height,width,milliseconds\n{ROW}3,4\n", "line 2: must hold 4 values, but holds more"),
        ("candidate,height,width,milliseconds\n\0,64,96,1\n", "must be a CSV file, but holds bytes that are no text"),
    ],
)
def test_a_faulty_csv_is_told(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "times.csv"
    path.write_text(content)
    with pytest.raises(BudgetnetError, match=re.escape(words)) as raised:
        csv_file.read(path, HARDWARE, "fp32")
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(("between", "point"), [(";", ","), ("\t", "."), (";", ".")])
def test_a_csv_as_spreadsheets_write_it(tmp_path: Path, between: str, point: str) -> None:
    path = tmp_path / "times.csv"
    rows = [["candidate", "height", "width", "milliseconds"], ["depth_multiplier=0.25", "64", "96", f"3{point}5"]]
    path.write_text("\ufeff" + "\r\n".join(between.join(row) for row in rows))
    (one,) = csv_file.read(path, HARDWARE, "fp16")
    assert one.seconds == 0.0035


def test_networks_of_other_families(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text(
        "network,candidate,height,width,milliseconds\nenet,,64,96,3\n,enet,64,96,3\nunet,base_width=8,64,96,3\n"
    )
    found = csv_file.read(path, HARDWARE, "fp32")
    assert [each.network for each in found] == ["enet 1", "enet 1", "unet 8 / 4"]


def test_all_faulty_rows_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text(f"candidate,height,width,milliseconds\n{ROW}-1\n{ROW}2\n0.25,64,,3\n{ROW}x\n")
    with pytest.raises(BudgetnetError) as raised:
        csv_file.read(path, HARDWARE, "fp32")
    first, second, third = str(raised.value).splitlines()
    assert first.startswith(f"{path}, line 2: milliseconds: must be a number above 0")
    assert second == f"{path}, line 4: width: must be given, but is blank"
    assert third.startswith(f"{path}, line 5: milliseconds: must be a number above 0")


def test_a_csv_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BudgetnetError, match="must be a file that can be read"):
        csv_file.read(tmp_path / "absent.csv", HARDWARE, "fp32")
    with pytest.raises(BudgetnetError, match="must be a file that can be read"):
        csv_file.read(tmp_path, HARDWARE, "fp32")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BudgetnetError, match="must be a CSV file in UTF-8, but is not"):
        csv_file.read(path, HARDWARE, "fp32")


# --- trtexec's profiles

STEPS = kernels(SMALL.graph(classes=7, height=64, width=96))
FIRST, SECOND = STEPS[0], STEPS[1]


def profile(tmp_path: Path, entries: Any) -> Path:
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(entries))
    return path


def test_a_profile_of_trtexec(tmp_path: Path) -> None:
    names = [node.name for node in FIRST.nodes]
    entries = [
        {"count": 100},
        {"name": f"Reformatting CopyNode for Input Tensor 0 to {names[0]}", "timeMs": 5, "averageMs": 0.05},
        {"name": f"{names[0]} + {names[-1]}", "timeMs": 100, "averageMs": 1.1, "medianMs": 1.0, "percentage": 50},
        {"name": f"{SECOND.name} + PWN({SECOND.nodes[-1].name})", "averageMs": 0.5},
        {"name": "Reformatting CopyNode for Output Tensor 0", "averageMs": 0.25},
        {"name": f"{{ForeignNode[{STEPS[2].name}...{STEPS[-1].result}]}}", "averageMs": 2.0},
    ]
    whole, first, second, rest = trtexec_file.read(
        profile(tmp_path, entries), "net", "at 64 x 96", STEPS, HARDWARE, "int8", 4
    )
    assert whole.whole
    assert whole.seconds == pytest.approx(3.8e-3)
    assert (first.kernels, first.seconds) == ((FIRST,), pytest.approx(1.05e-3))
    assert (second.kernels, second.seconds) == ((SECOND,), pytest.approx(0.75e-3))  # with the copy behind it
    assert rest.kernels == STEPS[2:]
    assert {each.batch for each in (whole, first, second, rest)} == {4}


def test_kernels_that_trtexec_ran_as_one_are_one_measurement(tmp_path: Path) -> None:
    entries = [
        {"name": "Cast of the images", "averageMs": 0.25},  # before any layer that is known
        {"name": f"{FIRST.name} + {SECOND.name}", "averageMs": 1.0},
        {"name": SECOND.nodes[-1].name, "averageMs": 0.5},
        {"name": f"{{ForeignNode[{STEPS[2].name}...{STEPS[-1].result}]}}", "averageMs": 2.0},
    ]
    whole, both, _ = trtexec_file.read(profile(tmp_path, entries), "net", "at 64 x 96", STEPS, HARDWARE, "fp16")
    assert both.kernels == (FIRST, SECOND)
    assert both.seconds == pytest.approx(1.75e-3)
    assert whole.seconds == pytest.approx(3.75e-3)


def test_a_profile_of_little_of_the_network_is_refused(tmp_path: Path) -> None:
    entries = [{"name": FIRST.name, "averageMs": 1.0}]
    with pytest.raises(
        BudgetnetError, match=r"must name layers that make 90% of the work of net at 64 x 96, but names \d+%"
    ):
        trtexec_file.read(profile(tmp_path, entries), "net", "at 64 x 96", STEPS, HARDWARE, "fp16")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"layers": []}, "must be a list of layers, as trtexec --exportProfile writes it, but is not"),
        ([{"name": FIRST.name}], "entry 0: must hold medianMs or averageMs"),
        ([{"name": FIRST.name, "averageMs": "fast"}], "entry 0: averageMs: must be a number from 0"),
        ([{"name": 3, "averageMs": 1}], "entry 0: name: must be a text"),
        (
            [{"name": "conv_of_another_network", "averageMs": 1}],
            "of net at 64 x 96, but names 0% of it",
        ),
        ([], "of net at 64 x 96, but names 0% of it"),
    ],
)
def test_a_faulty_profile_is_told(tmp_path: Path, entries: Any, words: str) -> None:
    with pytest.raises(BudgetnetError, match=re.escape(words)):
        trtexec_file.read(profile(tmp_path, entries), "net", "at 64 x 96", STEPS, HARDWARE, "fp16")


def test_a_profile_of_another_network_is_refused(tmp_path: Path) -> None:
    entries = [{"name": step.name, "averageMs": 1.0} for step in STEPS]
    entries += [{"name": f"other/layer_{number}", "averageMs": 1.0} for number in range(len(STEPS))]
    told = r"must spend 75% of its time in layers of net at 64 x 96, but \d+ of \d+, 50% of the time, are none of them"
    with pytest.raises(BudgetnetError, match=told):
        trtexec_file.read(profile(tmp_path, entries), "net", "at 64 x 96", STEPS, HARDWARE, "fp16")


# --- this machine


def test_sampled_networks_differ_repeat_and_have_every_head() -> None:
    found = sampling.candidates(40, 1)
    assert len(set(found)) == 40
    assert found == sampling.candidates(40, 1) != sampling.candidates(40, 2)
    from budgetnet import heads

    assert {each.parameters["head"] for each in found} == set(heads.names())
    assert {each.parameters["output_stride"] for each in found} == {16, 32}


def test_node_times_go_to_the_kernels_that_they_are_of() -> None:
    def event(name: str, microseconds: int) -> dict[str, Any]:
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds}

    first, last = FIRST.nodes[-1].name, STEPS[-1]
    events = []
    for scale in (100, 1, 2):  # the first pass is to warm up
        events += [event(f"{first}_nchwc", 10 * scale), event("ReorderOutput", 3 * scale), event("scores", 5 * scale)]
    events.append({"cat": "Session", "name": "model_run", "dur": 99})
    times = node_times(events, skip=1)
    assert times["ReorderOutput"] == pytest.approx([3e-6, 6e-6])
    found = given_to(STEPS, times)
    assert found[FIRST.name] == pytest.approx((13e-6, 26e-6))
    assert found[last.name] == pytest.approx((5e-6, 10e-6))
    assert typical([4.0, 1.0, 2.0, 3.0, 50.0]) == 2.0
    assert typical([3.0]) == 3.0


def test_networks_are_measured_whole_and_kernel_by_kernel() -> None:
    case = Case(candidate=SMALL, height=64, width=96)
    told: list[tuple[int, int]] = []
    found = list(
        machine.measurements(
            [case], HARDWARE, threads=1, readings=4, progress=lambda done, total: told.append((done, total))
        )
    )
    whole, *layers = found
    assert whole.whole
    assert whole.name == "0.25 / Conv2d_3_pointwise / fcn / 7 / 1024 at 64 x 96"
    assert {each.kernels[0].name for each in layers} == {step.name for step in whole.kernels}
    assert all(each.seconds > 0 for each in found)
    assert told[-1] == (machine.ROUNDS, machine.ROUNDS)


def test_the_hardware_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0.05)
    found = machine.hardware(1)
    assert found.peak > 1e8
    assert found.bandwidth is not None
    assert found.bandwidth > 1e8


# --- platform files


@pytest.mark.parametrize("key", platforms.names())
def test_a_calibrated_platform_is_read_back_as_it_was(tmp_path: Path, key: str) -> None:
    platform = platforms.load(key)
    engine = platform.engines[-1]
    precision = next(each for each in ("fp32", "fp16", "int8") if engine.peak_ops_per_second(each))  # type: ignore[arg-type]
    made = platform_file.calibrated(platform, engine, precision, PRIOR)  # type: ignore[arg-type]
    path = tmp_path / "platform.yaml"
    path.write_text(platform_file.written(made, ["a comment"]))
    assert platforms.load(path) == made
    assert made.engines[-1].efficiency[precision] == PRIOR  # type: ignore[index]


# --- the command


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["calibrate", *words], catch_exceptions=False, standalone_mode=False)


def test_calibrate_measures_this_machine_and_a_plan_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "PATIENCE", 0.05)
    result = run("--networks", "3", "--size", "32x32", "--threads", "1")
    assert "Predictions of what was not seen are off by" in result.output
    folder = tmp_path / "reports" / "calibrations" / "this-machine"
    assert {path.name for path in folder.iterdir()} == {
        "platform.yaml",
        "measurements.csv",
        "calibration.md",
        "calibration.csv",
        "calibration.json",
    }
    mine = roof(platforms.load(folder / "platform.yaml"), "fp32")
    assert mine.efficiency.error.measurements == 3
    assert mine.bandwidth is not None
    words = ["plan", "demo", "--platform", str(folder / "platform.yaml"), "--no-files"]
    planned = CliRunner().invoke(app, words, catch_exceptions=False)
    assert planned.exit_code == 0
    assert "calibrated 1 threads of the processor" in planned.output.replace("\n", "")


def test_what_was_measured_can_be_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0.05)
    size = (32, 32)
    first = run_calibration(Request(networks=4, size=size, threads=1, folder=tmp_path / "one"))
    again = run_calibration(
        Request(
            platform=str(first.platform), measurements=[tmp_path / "one" / "measurements.csv"], folder=tmp_path / "two"
        )
    )
    one, two = (roof(platforms.load(done.platform), "fp32").efficiency for done in (first, again))
    for name in PARAMETERS:
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=0.02), name
    assert not (tmp_path / "two" / "measurements.csv").exists()


def test_calibrate_reads_a_profile_of_trtexec(tmp_path: Path) -> None:
    values = np.log([0.5, 0.01, 0.001, 0.1, 0.02, 0.5, 20.0])
    on = roof(platforms.load("jetson-agx-xavier"), "int8")
    hardware = Hardware(peak=on.peak, bandwidth=on.bandwidth)
    steps = kernels(SMALL.graph(classes=7, height=320, width=480))
    each = [
        Measurement(network="n", case="", kernels=(step,), seconds=1, whole=False, hardware=hardware, precision="int8")
        for step in steps
    ]
    seconds = Table.of(each).predicted(values).tolist()
    path = profile(
        tmp_path, [{"name": step.name, "averageMs": 1000 * took} for step, took in zip(steps, seconds, strict=True)]
    )
    done = run_calibration(
        Request(
            platform="jetson-agx-xavier",
            measurements=[path],
            precision="int8",
            profiled=Profiled(candidate=SMALL, height=320, width=480, classes=7, batch=1),
            folder=tmp_path / "out",
        )
    )
    found = roof(platforms.load(done.platform), "int8").efficiency
    assert found.pointwise == pytest.approx(0.01, rel=0.15)
    assert found.depthwise == pytest.approx(0.001, rel=0.15)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--precision", "int8"], "--precision: must be fp32 where this machine is measured"),
        (["--measurements", "times.csv"], "--platform: must name what the measurements are of, but got none"),
        (["--measurements", "layers.json", "--platform", "jetson-nano"], "--candidate: must name the network that"),
        (["--candidate", "depth_multiplier=0.5"], "--size: must be given with --candidate, but got none"),
        (["--platform", "jetson-nana", "--measurements", "t.csv"], "did you mean 'jetson-nano'?"),
        (
            ["--platform", "jetson-nano", "--precision", "int8", "--measurements", "t.csv"],
            "precision: must be one that",
        ),
        (["--platform", "tda4vm"], "precision: must be one that Texas Instruments TDA4VM has"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(BudgetnetError, match=re.escape(told)):
        run(*words)


def test_times_that_no_roofline_explains_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    rows = [f"{ROW}{value}" for value in ("1000", "0.00001", "0.001")]
    path.write_text("\n".join(["candidate,height,width,milliseconds", *rows]))
    with pytest.raises(BudgetnetError, match=r"measurements: must be such that .* \(are these milliseconds"):
        run_calibration(Request(platform="jetson-nano", measurements=[path], precision="fp16", folder=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_more_threads_than_cores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BudgetnetError, match=r"--threads: must be \d+ or fewer, the cores of this"):
        run_calibration(Request(threads=1024, folder=tmp_path))


def test_few_measurements_and_a_busy_machine_are_told() -> None:
    measured, _ = planted(4)
    made = calibrate(measured, PRIOR, name="n", source="s")
    assert "From fewer than 10 what holds for nine of ten is a guess." in calibration_report.verdict(made)
    about = {"platform": "here", calibration_report.OTHERS: 2.5}
    busy = calibration_report.report(made, about, {})
    assert "Busy: 2.5 threads were at work on this machine in the minute before" in formats.text(busy, "markdown")
    idle = calibration_report.report(made, {**about, calibration_report.OTHERS: 0.1}, {})
    assert "Busy" not in formats.text(idle, "markdown")
    many, _ = planted(12)
    assert "guess" not in calibration_report.verdict(calibrate(many, PRIOR, name="n", source="s"))


def test_an_interrupt_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine, "hardware", interrupted)
    done = CliRunner().invoke(app, ["calibrate", "--output", str(tmp_path / "out")])
    assert (done.exit_code, done.stderr.strip()) == (130, "Interrupted: nothing is written.")
    assert not (tmp_path / "out").exists()


def test_one_measurement_is_too_few(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text(f"candidate,height,width,milliseconds\n{ROW}1\n")
    with pytest.raises(BudgetnetError, match="measurements: must be 2 or more, but got 1"):
        run_calibration(Request(platform="jetson-nano", measurements=[path], precision="fp16", folder=tmp_path))
    logarithms(PRIOR)
