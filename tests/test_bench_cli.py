"""`budgetnet bench` on very small networks: what it takes, what it writes, what it refuses. No figure is judged."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import trained
from shell import Shell, words_of

from budgetnet import benching
from budgetnet.bench.network import untrained
from budgetnet.bench.readings import Readings
from budgetnet.bench.replayed import Replayed
from budgetnet.deploy.emit import emit
from budgetnet.deploy.writer import Form
from budgetnet.networks import Candidate

TINY = "depth_multiplier=0.25 final_endpoint=Conv2d_3_pointwise classifier_kernel=1 classifier_depth=4"
LABEL = "0.25 / Conv2d_3_pointwise / fcn / 1 / 4"
QUICK = ("--size", "32x32", "--readings", "3", "--batch", "1", "--threads", "1")
SCENARIO = """\
name: {name}
cameras:
  - {{name: front, count: 1, fps: 20, input: {{height: 64, width: 64}}}}
  - {{name: near, count: 2, fps: 10{own}}}
budget_gops: 10
classes: 3
input: {{height: 32, width: 32}}
"""
WRITTEN = ["reports/bench/bench.csv", "reports/bench/bench.json", "reports/bench/bench.md"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("run"), "synthetic:train=4,val=2")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_all_runtimes_and_batches(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # too late to have an effect, but it is set
    done = shell("bench", TINY, "depth_multiplier=0.25", "--size", "32x32", "--readings", "6")
    assert done.code == 0, done.err
    assert shell.files() == WRITTEN
    record = json.loads((shell.folder / WRITTEN[1]).read_text())
    assert [(each["network"], each["runtime"], each["batch"]) for each in record["readings"]] == [
        (label, runtime, batch)
        for label in (LABEL, "0.25 / Conv2d_13_pointwise / fcn / 7 / 1024")
        for runtime in ("onnxruntime", "openvino", "torch")
        for batch in (1, 8)
    ]
    read = [Readings.from_record(each) for each in record["readings"]]
    rows = rows_of((shell.folder / WRITTEN[0]).read_text())
    for each, row, told in zip(read, rows, record["readings"], strict=True):
        assert len(each.seconds) == 6
        assert float(row["ms"]) == told["ms"] == 1000 * each.median
        assert float(row["images_per_second"]) == each.images_per_second
        assert float(row["times_the_first"]) == each.against(read[0])[0]
    assert record["networks"][LABEL] == "random weights, seed 0, 7 classes"
    assert {"onnxruntime", "openvino", "torch", "processor", "commit"} <= set(record["made_by"])
    assert record["settings"]["OMP_WAIT_POLICY"] == "passive"
    assert len(record["pinned_to"]) == record["threads"] == len(os.sched_getaffinity(0))
    report = (shell.folder / WRITTEN[2]).read_text()
    assert "Of one image" in report
    assert "random weights, seed 0" in report
    assert words_of(done.out).endswith("they say nothing of the hardware in the car.")
    assert done.err.startswith("Written: reports/bench/bench.md")


def test_formats_and_no_files(shell: Shell) -> None:
    for name in ("csv", "json", "markdown"):
        done = shell("bench", TINY, *QUICK, "--runtime", "onnxruntime", "--no-files", "--format", name)
        assert (done.code, done.err, shell.files()) == (0, "", [])
        if name == "csv":
            (row,) = rows_of(done.out)
            assert (row["network"], row["runtime"], row["height"]) == (LABEL, "ONNX Runtime", "32")
        if name == "json":
            assert len(json.loads(done.out)["readings"]) == 1
        if name == "markdown":
            assert done.out.startswith("# What networks take on this machine")


def test_a_finished_run_at_its_size_and_another(shell: Shell, run: Path) -> None:
    for more, size in (((), (64, 96)), (("--size", "32x48"), (32, 48))):
        words = ("--readings", "3", "--batch", "2", "--runtime", "torch", "--format", "json", *more)
        done = shell("bench", str(run), *words)
        assert done.code == 0, done.err
        record = json.loads(done.out)
        (each,) = record["readings"]
        assert (each["network"], each["height"], each["width"]) == (str(run), *size)
        assert record["networks"][str(run)] == "0.25 / Conv2d_13_pointwise / fcn / 3 / 32, trained, 7 classes"


def test_an_onnx_file(shell: Shell) -> None:
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=3, height=32, width=32)
    (shell.folder / "model.onnx").write_bytes(untrained("m", graph).onnx())
    done = shell("bench", "model.onnx", "--readings", "3", "--batch", "1", "--format", "json", "--no-files")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert [each["runtime"] for each in record["readings"]] == ["onnxruntime", "openvino"]
    assert record["notes"] == [
        "Left out: runtime torch: must be given a network that budgetnet knows, but got model.onnx"
    ]
    said = shell.refused("bench", "model.onnx", *QUICK, "--runtime", "torch")
    assert said == "Error: runtime torch: must be given a network that budgetnet knows, but got model.onnx"
    (shell.folder / "model.onnx").write_bytes(b"\x08")
    assert "model.onnx: must be a whole ONNX model" in shell.refused("bench", "model.onnx", *QUICK)
    assert "no.onnx: must be a file that can be read" in shell.refused("bench", "no.onnx", *QUICK)


def test_rows_that_differ_are_told(shell: Shell) -> None:
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=3, height=32, width=64)
    network = untrained("m", graph)
    assert network.graph is not None
    assert network.weights is not None
    form = Form(scaling=((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), argmax=True)
    (shell.folder / "scores.onnx").write_bytes(network.onnx())
    (shell.folder / "classes.onnx").write_bytes(emit(network.graph, network.weights, form).SerializeToString())
    words = ("--readings", "3", "--batch", "1", "--runtime", "onnxruntime")
    done = shell("bench", TINY, "scores.onnx", "classes.onnx", *words)
    assert done.code == 0, done.err
    assert (
        "Rows differ in images: 320 x 480 and 32 x 64; in classes: 7 and 3; in what goes in: float32 and uint8; in "
        "what comes out: scores and classes."
    ) in words_of(done.out)


def test_a_network_that_a_runtime_does_not_have_is_left_out(shell: Shell) -> None:
    done = shell("bench", "enet", *QUICK, "--format", "json", "--no-files")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert [each["runtime"] for each in record["readings"]] == ["onnxruntime", "torch"]
    (note,) = record["notes"]
    assert note.startswith("Left out: enet 1: must be a model that OpenVINO takes")
    assert "MaxUnpool" in shell.refused("bench", "enet", *QUICK, "--runtime", "openvino")


def test_without_openvino_the_others_are_measured(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    done = shell("bench", TINY, *QUICK, "--format", "json", "--no-files")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert [each["runtime"] for each in record["readings"]] == ["onnxruntime", "torch"]
    assert record["notes"] == ["Left out: openvino is not installed (pip install 'budgetnet[openvino]')."]
    said = shell.refused("bench", TINY, *QUICK, "--runtime", "openvino")
    assert said == "Error: runtime openvino: must be installed (pip install 'budgetnet[openvino]'), but is not"


# --- scenarios


def test_a_scenario_is_replayed(shell: Shell) -> None:
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="two-kinds", own=""))
    words = ("bench", TINY, "--scenario", "s.yaml", "--replay", "0.5", "--readings", "3", "--runtime", "onnxruntime")
    done = shell(*words)
    assert done.code == 0, done.err
    assert shell.files() == ["reports/bench/bench-replay.csv", *WRITTEN, "s.yaml"]
    record = json.loads((shell.folder / WRITTEN[1]).read_text())
    assert [each["network"] for each in record["readings"] if each["batch"] == 1] == [
        f"{LABEL} at 64x64",
        f"{LABEL} at 32x32",
    ]
    (told,) = record["replays"]
    replayed = Replayed.from_record(told)
    front, near = replayed.by_group
    assert (front.name, front.taken, near.name, near.taken) == ("front", 10, "near", 10)
    for each in (front, near, replayed.total):
        assert each.on_time + each.late + each.dropped == each.taken
        assert len(each.latencies) == each.taken - each.dropped
    rows = rows_of((shell.folder / "reports/bench/bench-replay.csv").read_text())
    assert [(row["group"], row["taken"]) for row in rows] == [("front", "10"), ("near", "10"), ("all", "20")]
    assert "Replayed for 0.5 s of scenario two-kinds" in words_of(done.out)
    # of the next bench, which replays nothing, no replay is left
    assert shell("bench", TINY, *QUICK, "--runtime", "torch").code == 0
    assert shell.files() == [*WRITTEN, "s.yaml"]


def test_groups_with_networks_of_their_own(shell: Shell) -> None:
    own = ", network: mobilenet-fcn, search_space: {depth_multiplier: [0.25]}"
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="own", own=own))
    words = ("--scenario", "s.yaml", "--simulate", "--replay", "2", "--deadline", "0.001", "--stagger")
    both = f"shared: {TINY}; near: depth_multiplier=0.25 classifier_depth=8"
    done = shell("bench", both, *words, "--readings", "3", "--batch", "1", "--runtime", "torch", "--format", "json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    other = "0.25 / Conv2d_13_pointwise / fcn / 7 / 8"
    assert [each["network"] for each in record["readings"]] == [
        f"shared: {LABEL} at 64x64",
        f"near: {other} at 32x32",
    ]
    (told,) = record["replays"]
    assert told["network"] == f"shared: {LABEL}; near: {other}"
    assert (told["simulated"], told["staggered"]) == (True, True)
    replayed = Replayed.from_record(told)
    assert (replayed.total.taken, replayed.total.on_time) == (80, 0), "nothing is done in a microsecond"
    assert shell.refused("bench", TINY, *words).startswith(
        "Error: candidate: must be shared: NAME=VALUE ...; near: NAME=VALUE ..., but got"
    )


def test_a_run_has_one_network_for_all_groups(shell: Shell, run: Path) -> None:
    own = ", network: mobilenet-fcn"
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="own", own=own).replace("classes: 3", "classes: 7"))
    said = shell.refused("bench", str(run), "--scenario", "s.yaml")
    assert said.endswith("scenario: must be one whose camera groups share one network, but got shared, near")
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="own", own="").replace("classes: 3", "classes: 7"))
    words = ("--scenario", "s.yaml", "--simulate", "--readings", "3", "--runtime", "onnxruntime", "--format", "json")
    record = json.loads(shell("bench", str(run), *words).out)
    assert [each["network"] for each in record["replays"]] == [str(run)]
    assert {(each["height"], each["width"]) for each in record["readings"]} == {(64, 64), (32, 32)}
    assert not [each for each in record["doubts"] if each.startswith("Rows differ")], "groups have their sizes"


def test_a_run_of_other_classes_than_the_scenario_is_refused(shell: Shell, run: Path) -> None:
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="three", own=""))
    said = shell.refused("bench", str(run), "--scenario", "s.yaml")
    assert said == "Error: --scenario: must have as many classes as the run, 7, but 'three' has 3"


def test_a_scenario_of_another_family_names_networks_as_plans_do(shell: Shell) -> None:
    (shell.folder / "s.yaml").write_text(SCENARIO.format(name="u", own="") + "network: unet\n")
    words = ("--scenario", "s.yaml", "--simulate", "--readings", "1", "--batch", "1", "--runtime", "torch")
    for label in ("base_width=4 depth=1", "4 / 1"):
        done = shell("bench", label, *words, "--format", "json", "--no-files")
        assert done.code == 0, done.err
        assert [each["network"] for each in json.loads(done.out)["replays"]] == ["4 / 1"]


def test_a_scenario_may_be_left_unreplayed(shell: Shell) -> None:
    done = shell("bench", TINY, "--scenario", "parking", "--replay", "0", "--readings", "1", "--batch", "2",
                 "--runtime", "onnxruntime", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (record["replays"], record["readings"][0]["height"]) == ([], 320)


# --- refusals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((TINY, "--runtime", "onnx-runtime"), "runtime must be one of the known ones, but got 'onnx-runtime'; did you "
         "mean 'onnxruntime'?"),
        ((TINY, "--threads", "4096"), "--threads: must be 1 to {cores}, the cores of this process, but got 4096"),
        ((TINY, TINY), f"{LABEL}: must be named once, but got it again"),
        ((TINY, "--size", "32x32", "--scenario", "parking"), "--size: must be left to the scenario's camera groups, "
         "but got one with --scenario"),
        ((TINY, "--deadline", "5", "--stagger"), "--scenario: must be given to replay, but got --deadline, --stagger "
         "without it"),
        ((TINY, "--scenario", "parking", "--batch", "2"), "--batch: must hold 1 to replay a scenario, which computes "
         "single images, but does not"),
        (("mobilenet-fnc",), "'mobilenet-fnc': must be a finished run's folder, an .onnx file, or a network with its "
         "parameters as NAME=VALUE, but is none; did you mean 'mobilenet-fcn'?"),
        (("unet bas_width=8",), "unet has no parameter 'bas_width'; did you mean 'base_width'?"),
        (("0.5 / fcn",), "candidate: must be depth_multiplier / final_endpoint / head, but got '0.5 / fcn'"),
    ],
    ids=lambda given: given[-1] if isinstance(given, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_is_refused(shell: Shell, words: tuple[str, ...], message: str) -> None:
    assert shell.refused("bench", *words) == f"Error: {message.format(cores=len(os.sched_getaffinity(0)))}"
    assert shell.files() == []


@pytest.mark.parametrize("words", [("--seconds", "nan"), ("--replay", "nan"), ("--deadline", "0"), ("--readings", "0")])
def test_numbers_that_cannot_be_are_refused(shell: Shell, words: tuple[str, str]) -> None:
    assert f"Invalid value for '{words[0]}'" in words_of(shell.refused("bench", TINY, "--scenario", "parking", *words))


def test_a_folder_without_a_run_is_refused(shell: Shell) -> None:
    (shell.folder / "empty").mkdir()
    assert "empty/run.json: must be a file that can be read" in shell.refused("bench", "empty")


def test_a_model_of_one_batch(shell: Shell) -> None:
    network = untrained(
        "m", Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=3, height=32, width=32)
    )
    (shell.folder / "two.onnx").write_bytes(emit(network.graph, network.weights, Form(batch=2)).SerializeToString())
    done = shell("bench", "two.onnx", "--readings", "3", "--no-files", "--format", "json", "--runtime", "onnxruntime")
    assert [each["batch"] for each in json.loads(done.out)["readings"]] == [2]
    said = shell.refused("bench", "two.onnx", "--batch", "8", "--runtime", "onnxruntime")
    assert said == "Error: --batch: must be 2, the only one that two.onnx takes, but got 8"


def test_memory_that_runs_out_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **how: object) -> None:
        raise MemoryError

    monkeypatch.setattr(benching, "measure", full)
    assert shell.refused("bench", TINY, *QUICK).startswith("Error: --batch: must fit in memory")


def test_an_interrupt_ends_it_and_writes_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "budgetnet", "bench", TINY, "--size", "32x32", "--readings", "100000"]
    with subprocess.Popen([*words, "--seconds", "1000"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while "openvino" not in Path(f"/proc/{process.pid}/maps").read_text() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert words_of(error).endswith("Interrupted: nothing is written.")
    assert list(tmp_path.iterdir()) == []
