"""The command line as people use it: what comes out, where the files go, and one clear message for every mistake."""

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runs import trained
from shell import IMPOSSIBLE, PARKING, PLANNED, Done, Shell, program, words_of

from budgetnet import cli, scenario
from budgetnet.frames.video import Writer
from budgetnet.search import samplers

PUBLISHED = ["mobilenet-fcn", "depth_multiplier=0.5", "classifier_kernel=7", "classifier_depth=1024"]
COMMANDS = {command.callback.__name__: command.callback for command in cli.app.registered_commands if command.callback}


# --- ops


def test_ops_as_json(shell: Shell) -> None:
    done = shell("ops", *PUBLISHED, "--classes", "7", "--size", "320x480", "--format", "json")
    assert (done.code, done.err) == (0, "")
    read = json.loads(done.out)
    assert list(read) == ["network", "parameters", "input", "layers", "total"]
    assert read["network"] == "mobilenet-fcn"
    assert read["parameters"].items() >= {
        ("depth_multiplier", 0.5),
        ("final_endpoint", "Conv2d_13_pointwise"),
        ("classifier_kernel", 7),
        ("classifier_depth", 1024),
        ("classes", 7),
    }
    assert read["input"] == {"channels": 3, "height": 320, "width": 480}
    figures = ["macs", "bias_adds", "ops", "params"]
    for layer in read["layers"]:
        assert list(layer) == ["name", "op", "output_shape", *figures]
        assert len(layer["output_shape"]) == 3
        assert all(type(value) is int for value in [*layer["output_shape"], *(layer[key] for key in figures)])
        assert layer["ops"] == 2 * layer["macs"] + layer["bias_adds"]
    assert read["total"] == {key: sum(layer[key] for layer in read["layers"]) for key in figures}
    assert (read["total"]["ops"], 2 * read["total"]["macs"]) == (1_139_482_650, 1_139_328_000)
    assert read["layers"][-1]["output_shape"] == [7, 320, 480]


def test_ops_as_csv_holds_what_json_holds(shell: Shell) -> None:
    layers = json.loads(shell("ops", *PUBLISHED, "--format", "json").out)["layers"]
    rows = list(csv.DictReader(io.StringIO(shell("ops", *PUBLISHED, "--format", "csv").out)))
    assert [{**row, "output_shape": None} for row in rows] == [
        {
            **{key: str(value) for key, value in layer.items() if key != "output_shape"},
            **dict(zip(("channels", "height", "width"), map(str, layer["output_shape"]), strict=True)),
            "output_shape": None,
        }
        for layer in layers
    ]


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_ops_for_people(shell: Shell, format: str) -> None:
    done = shell("ops", *PUBLISHED, "--format", format)
    assert (done.code, done.err) == (0, "")
    text = " ".join(done.out.split())
    assert "1,139,482,650 operations (1,139,328,000 of them in convolutions)" in text
    (row,) = [line for line in done.out.splitlines() if "conv1_pointwise/convolution" in line]
    assert re.findall(r"[\d,.]+", row.partition("convolution")[2]) == [
        "1024", "10", "15", "78,643,200", "157.3", "13.8", "524,288",
    ]  # fmt: skip


def test_ops_summary_as_json_adds_to_what_is_there(shell: Shell) -> None:
    plain = json.loads(shell("ops", *PUBLISHED, "--format", "json").out)
    done = shell("ops", *PUBLISHED, "--summary", "--format", "json")
    assert (done.code, done.err) == (0, "")
    read = json.loads(done.out)
    assert list(read) == [*plain, "memory", "kinds", "leading"]
    assert all(read[key] == plain[key] for key in ("network", "parameters", "input", "total"))
    added = ["kind", "share", "receptive_field", "stride"]
    for layer, before in zip(read["layers"], plain["layers"], strict=True):
        assert list(layer) == [*before, *added]
        assert layer.items() >= {key: value for key, value in before.items() if key != "output_shape"}.items()
    assert read["memory"]["peak_bytes"] == {"fp32": 7_372_800, "fp16": 3_686_400, "int8": 1_843_200}


def test_ops_summary_as_csv_holds_the_layers_that_json_holds(shell: Shell) -> None:
    layers = json.loads(shell("ops", "--summary", "--format", "json").out)["layers"]
    rows = list(csv.DictReader(io.StringIO(shell("ops", "--summary", "--format", "csv").out)))
    for row, layer in zip(rows, layers, strict=True):
        assert [row.pop(side) for side in ("channels", "height", "width")] == [
            str(n) for n in layer.pop("output_shape")
        ]
        assert row == {key: str(value) for key, value in layer.items()}


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_ops_summary_for_people(shell: Shell, format: str) -> None:
    done = shell("ops", *PUBLISHED, "--summary", "--format", format)
    assert (done.code, done.err) == (0, "")
    (row,) = [line for line in done.out.splitlines() if "conv1_pointwise/convolution" in line and "524,288" in line]
    assert re.findall(r"[\d,.]+", row.partition("convolution")[2]) == [
        "1024", "10", "15", "507", "32", "78.6", "157.3", "13.8", "524,288",
    ]  # fmt: skip
    assert "12 of 33 layers make 80 % of the operations" in done.out


def test_ops_summary_with_verify_does_both(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = SimpleNamespace(agrees=True, summary=lambda: "both figures")
    verify = SimpleNamespace(verify_candidate=lambda candidate, **given: checked)
    monkeypatch.setitem(sys.modules, "budgetnet.verify", verify)
    done = shell("ops", "--summary", "--verify")
    assert (done.code, done.err) == (0, "both figures\n")
    assert "layers make 80 % of the operations" in done.out


def test_ops_without_a_word_takes_the_published_task(shell: Shell) -> None:
    assert shell("ops").out.startswith("mobilenet-fcn for 320 x 480 images, 7 classes\n")
    assert shell("ops").out == shell("ops", "mobilenet-fcn", "--classes", "7", "--size", "320x480").out


def test_ops_writes_no_files(shell: Shell) -> None:
    shell("ops")
    assert shell.files() == []


@pytest.mark.parametrize("size", ["32x32", "33x8191", "321x479"])
def test_ops_of_odd_sizes(shell: Shell, size: str) -> None:
    read = json.loads(shell("ops", "mobilenet-fcn", "depth_multiplier=0.3", "--size", size, "--format", "json").out)
    assert read["layers"][-1]["output_shape"] == [7, *map(int, size.split("x"))]


@pytest.mark.parametrize(("agrees", "code"), [(True, 0), (False, 1)])
def test_ops_verify_ends_with_what_the_check_says(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, agrees: bool, code: int
) -> None:
    asked: dict[str, Any] = {}

    def verify_candidate(candidate: Any, **given: int) -> Any:
        asked.update(given, **candidate.parameters)
        return SimpleNamespace(agrees=agrees, summary=lambda: "both figures")

    monkeypatch.setitem(sys.modules, "budgetnet.verify", SimpleNamespace(verify_candidate=verify_candidate))
    done = shell("ops", *PUBLISHED, "--classes", "3", "--size", "64x96", "--verify")
    assert (done.code, done.err) == (code, "both figures\n")
    assert asked.items() >= {("classes", 3), ("height", 64), ("width", 96), ("classifier_depth", 1024)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["ops", "mobilenet"],
            "Error: network must be one of the known ones, but got 'mobilenet'; did you mean 'mobilenet-fcn'?",
        ),
        (
            ["ops", "mobilenet-fcn", "depth_multiplier=-1"],
            "Error: depth_multiplier: must be greater than 0, but got '-1'",
        ),
        (["ops", "mobilenet-fcn", "7"], "Error: parameters must be given as NAME=VALUE, but got '7'"),
        (
            ["ops", "mobilenet-fcn", "clasifier_kernel=7"],
            "Error: mobilenet-fcn has no parameter 'clasifier_kernel'; did you mean 'classifier_kernel'?",
        ),
        (["ops", "--size", "320"], "Error: --size: must be HEIGHTxWIDTH, such as 320x480, but got '320'"),
        (["ops", "--summary", "depth_multiplier=0"], "Error: depth_multiplier: must be greater than 0, but got '0'"),
        (["ops", "--size", "31x480"], "Error: --size: sides must be 32 to 8192, but got '31x480'"),
        (
            ["plan", "urbn"],
            "Error: scenario: must be a YAML file or a built-in scenario, but got 'urbn'; did you mean 'urban'?",
        ),
        (["plan", "nosuch.yaml"], "nosuch.yaml:1: (file): must exist, but got no such file"),
        (
            ["search", "parking", "--dataset", "camvit:x"],
            "Error: dataset: must be a known data set, or one and its argument (name:argument), but got 'camvit'; "
            "did you mean 'camvid'?",
        ),
        (
            ["search", "parking", "--epochs", "0", "--seed", "-1"],
            "Error: training.epochs: must be 1 or more, but got 0\ntraining.seed: must be 0 or more, but got -1",
        ),
    ],
)
def test_mistake_ends_with_its_message(shell: Shell, words: list[str], message: str) -> None:
    assert shell.refused(*words) == message
    assert shell.files() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["ops", "--frobnicate"], "No such option: --frobnicate"),
        (["ops", "--classes", "0"], "Invalid value for '--classes'"),
        (["ops", "--classes", "many"], "Invalid value for '--classes'"),
        (["ops", "--format", "yaml"], "Invalid value for '--format'"),
        (["plan", "urban", "--format", "xlsx"], "'xlsx' is not one of 'table', 'markdown', 'csv', 'json'"),
        (["plan"], "Missing argument 'SCENARIO'"),
        (["plan", "urban", "rural"], "Got unexpected extra argument"),
        (["search", "--trials", "0"], "Invalid value for '--trials'"),
        (["search", "--timeout", "-1"], "Invalid value for '--timeout'"),
        (["search", "--timeout", "nan"], "Invalid value for '--timeout'"),
    ],
)
def test_misuse_ends_with_its_message(shell: Shell, words: list[str], message: str) -> None:
    assert message in words_of(shell.refused(*words))
    assert shell.files() == []


# --- scenario files


@pytest.mark.parametrize("command", ["plan", "search"])
def test_faulty_scenario_file_is_told_line_by_line(shell: Shell, command: str) -> None:
    Path("bad.yaml").write_text(PARKING.replace("fps: 15", "fps: -15").replace("cameras", "camera"))
    assert shell.refused(command, "bad.yaml").splitlines() == [
        "bad.yaml:1: cameras: must be given, but got nothing",
        "bad.yaml:2: camera: unknown field; did you mean 'cameras'?",
        "bad.yaml:3: fps: must be greater than 0, but got -15",
    ]
    assert shell.files() == ["bad.yaml"]


# --- search, without its training


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command hands to the search, which is not run."""
    asked: list[dict[str, Any]] = []

    def run_search(plan: Any, request: dict[str, Any], screen: Any) -> Any:
        asked.append({"scenario": plan.scenario, **request})
        return SimpleNamespace(interrupted=request["trials"] == 13, all_failed=request["trials"] == 14)

    monkeypatch.setitem(
        sys.modules,
        "budgetnet.searching",
        SimpleNamespace(run_search=run_search, Request=dict, terminated_like_interrupted=nullcontext),
    )
    return asked


def test_search_takes_the_urban_scenario_and_synthetic_data_when_none_are_named(
    shell: Shell, searches: list[dict[str, Any]]
) -> None:
    assert shell("search", "--trials", "50").code == 0
    (asked,) = searches
    assert asked["scenario"] == scenario.load("urban").changed(dataset="synthetic")
    assert asked["folder"] == Path("reports/urban")
    assert (asked["trials"], asked["timeout"], asked["restart"]) == (50, None, False)


def test_search_hands_every_option_on(shell: Shell, searches: list[dict[str, Any]]) -> None:
    words = (
        "search parking --dataset camvid:some/folder --trials 12 --epochs 3 --seed 5 --timeout 60 --restart -o here "
        "--sampler gp --rungs 1,2 --workers 2 --max-epochs 90 --repeats 3 --audit 4 --warm-start earlier "
        "--storage postgresql://me@there/all --study mine --memory-limit 3"
    )
    assert shell(*words.split()).code == 0
    (asked,) = searches
    made = asked["scenario"]
    assert (made.name, made.dataset, made.training.epochs, made.training.seed) == (
        "parking",
        "camvid:some/folder",
        3,
        5,
    )
    assert made.training.batch_size == scenario.load("parking").training.batch_size
    assert asked["folder"] == Path("here")
    assert (asked["trials"], asked["timeout"], asked["restart"]) == (12, 60, True)
    assert (asked["sampler"], asked["rungs"], asked["workers"], asked["epochs"]) == ("gp", "1,2", 2, 90)
    assert (asked["repeats"], asked["audit"], asked["earlier"]) == (3, 4, "earlier")
    assert (asked["storage"], asked["study"], asked["memory_limit"]) == ("postgresql://me@there/all", "mine", 3)


def test_a_timeout_is_a_number_of_seconds(shell: Shell, searches: list[dict[str, Any]]) -> None:
    said = shell.refused("search", "--timeout", "inf")
    assert said == "Error: --timeout: must be a number of seconds, but got inf"


def test_search_takes_the_scenarios_own_data_set(shell: Shell, searches: list[dict[str, Any]]) -> None:
    Path("mine.yaml").write_text(f"{PARKING}dataset: camvid:its/own\n")
    shell("search", "mine.yaml")
    assert searches[0]["scenario"].dataset == "camvid:its/own"


def test_interrupted_search_ends_with_130(shell: Shell, searches: list[dict[str, Any]]) -> None:
    assert shell("search", "--trials", "13").code == 130


def test_search_of_which_every_training_failed_ends_with_1(shell: Shell, searches: list[dict[str, Any]]) -> None:
    assert shell("search", "--trials", "14").code == 1


def test_help_of_search_names_every_sampler(shell: Shell) -> None:
    said = " ".join(shell("search", "--help").out.replace("│", " ").split())
    assert f"What proposes candidates: {', '.join(sorted(samplers.names(), key=ORDER.index))}." in said


ORDER = ["tpe", "gp", "nsga2", "nsga3", "random", "quasi-random", "exhaustive"]


def test_a_studys_name_is_for_a_shared_database(shell: Shell, searches: list[dict[str, Any]]) -> None:
    assert shell.refused("search", "--study", "mine") == "Error: --study: must come with --storage, but got it alone"
    said = "Error: --status and --stop: must be given one at a time, but got both"
    assert shell.refused("search", "--status", "--stop") == said
    assert shell.refused("search", "--status", "--restart") == said.replace("stop", "restart")
    said = "Error: --study: must be a name, but got nothing"
    assert shell.refused("search", "--storage", "sqlite:///all.db", "--study", " ") == said
    assert searches == []


def test_search_of_an_impossible_scenario_ends_at_once(
    shell: Shell, searches: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    done = shell("search", "impossible.yaml")
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("Nothing fits: none of 72 candidates fits 0.001 GOPS")
    assert "The binding limit is budget_gops" in done.out
    assert (searches, shell.files()) == ([], ["impossible.yaml"])


# --- help


def test_version(shell: Shell) -> None:
    assert re.fullmatch(r"budgetnet \d+\.\d+\.\d+\S*\n", shell("--version").out)


def test_help_names_every_command(shell: Shell) -> None:
    done = shell("--help")
    assert done.code == 0
    assert {"ops", "plan", "search"} <= COMMANDS.keys()
    for name, callback in COMMANDS.items():
        first = (callback.__doc__ or "").splitlines()[0]
        assert f"{name} {first}" in words_of(done.out)


def test_no_command_shows_the_help(shell: Shell) -> None:
    done = shell()
    assert done.code == 2
    assert words_of(done.out + done.err) == words_of(shell("-h").out)


def example_of(name: str) -> list[str]:
    (line,) = re.findall(r"Example: budgetnet (.+)", " ".join((COMMANDS[name].__doc__ or "").split()))
    return shlex.split(line)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches(shell: Shell, name: str) -> None:
    for flag in ("--help", "-h"):
        done = shell(name, flag)
        shown = words_of(done.out)
        assert done.code == 0
        assert f"Usage: budgetnet {name}" in shown
        assert f"Example: budgetnet {' '.join(example_of(name))}" in shown
    if name in ("plan", "search"):
        assert "reports/<scenario>" in shown.partition("Arguments")[0]
        assert "parking, urban, rural, surround" in shown


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is not worth much, and a film for it."""
    folder = trained(tmp_path_factory.mktemp("runs") / "0000", "synthetic:train=4,val=2", classes="lab7")
    film = Writer(folder / "drive.mp4", Fraction(5), "drive.mp4")
    for shade in range(3):
        film.add(np.full((64, 96, 3), 80 * shade, np.uint8))
    film.close()
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_example_of_a_command_runs(
    shell: Shell, searches: list[dict[str, Any]], name: str, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings: list[Any] = []
    monkeypatch.setattr("budgetnet.full_training.run_training", lambda request, screen: trainings.append(request))
    Path("reports/parking").mkdir(parents=True)
    Path("reports/parking/pareto.csv").write_text("depth_multiplier,head\n0.5,fcn\n")
    words = example_of(name)
    assert words[0] == name
    for folder in ("runs/0000", "runs/0003", "train"):
        shutil.copytree(trained_run, Path("reports/urban") / folder)
    shutil.copy(trained_run / "drive.mp4", "drive.mp4")
    Image.new("RGB", (6, 4), (10, 20, 30)).save("street.png")
    assert shell(*words).code == 0
    assert [request.folder for request in trainings] == ([Path("reports/parking/train")] if name == "train" else [])


def test_help_names_the_built_in_scenarios() -> None:
    (help_text,) = re.findall(r"built-in one: (.*)\.", str(cli.ScenarioArgument.__metadata__[0].help))  # type: ignore[attr-defined]
    assert sorted(help_text.split(", ")) == scenario.names()


# --- as a program


def test_program_in_a_narrow_window_without_colour(tmp_path: Path) -> None:
    done = program("plan", "parking", folder=tmp_path, COLUMNS="60", NO_COLOR="1")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "68.4 97.7 1.6 15.3 13.7 yes" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 120


def test_program_where_only_ascii_can_be_printed(tmp_path: Path) -> None:
    done = program("ops", folder=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.code == 0
    assert done.out.isascii()
    assert "3,867,956,250 operations" in done.out


def test_program_refuses_with_one_message(tmp_path: Path) -> None:
    done = program("ops", "mobilenet-fcn", "depth_multiplier=\udcff", folder=tmp_path)
    assert done == Done(code=2, out="", err="Error: depth_multiplier: must be a number, but got '\\udcff'\n")


@pytest.mark.parametrize("format", ["table", "csv"])
def test_program_whose_reader_has_gone_is_quiet_and_has_written_its_files(tmp_path: Path, format: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "budgetnet", "plan", "parking", "--format", format],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    assert len(list((tmp_path / "reports/parking").iterdir())) == len(PLANNED)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["table", "json"])
def test_program_whose_output_cannot_be_written_says_so(tmp_path: Path, format: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "budgetnet", "ops", "--format", format],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "Error: standard output: must be writable, but got No space left on device\n"
