"""The README says what is so: commands, files and scenarios in it exist and run."""

import csv
import re
import shlex
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from budgetnet import datasets
from budgetnet.classes import IGNORE
from budgetnet.cli import app
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.plan import plan
from budgetnet.scenario import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("#")[0])[1:]
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("budgetnet ")
]
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
HEAVY = ("search", "train", "data", "evaluate", "predict", "bench", "calibrate", "export")
YAML = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_every_command_is_in_the_readme():
    assert {command[0] for command in COMMANDS} == set(get_command(app).commands)


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] in ("ops", "plan", "platforms")], ids=" ".join)
def test_light_commands_of_the_readme_run(words, tmp_path):
    if words[0] == "plan":
        words = [str(ROOT / word) if word.endswith(".yaml") else word for word in words] + ["--output", str(tmp_path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout


def test_commands_about_scenario_files_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [words for words in COMMANDS if words[0] == "scenario"]
    assert [words[1] for words in commands] == ["new", "new", "validate", "schema"]
    for words in commands:
        words, file = (words[:-2], words[-1]) if ">" in words else (words, None)
        answers = ["--defaults"] if words == ["scenario", "new"] else []  # nobody can be asked here
        result = CliRunner().invoke(app, [*words, *answers], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        if file:
            Path(file).write_text(result.stdout)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "car.yaml", "scenario.schema.json"}
    assert [group.name for group in load("car.yaml").groups] == ["front", "surround"]
    (line,) = re.findall(r"`# yaml-language-server: \$schema=(.+)`", README)
    assert line in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[0] in HEAVY], ids=" ".join)
def test_options_of_heavy_commands_exist(words):
    command = get_command(app).commands[words[0]]
    if words[0] == "data":
        command = command.commands[words[1]]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_command_about_data_is_in_the_readme():
    assert {words[1] for words in COMMANDS if words[0] == "data"} == set(get_command(app).commands["data"].commands)


# --- docs/data.md


def test_data_sets_of_the_table_are_there():
    shown = re.findall(r"^\| `([a-z0-9-]+)` \|", DATA, re.MULTILINE)
    assert len(shown) > 5
    assert set(shown) <= set(datasets.names())


def test_the_folder_of_the_docs_reads(tmp_path):
    classes = re.findall(r"```yaml\n(.*?)```", DATA, re.DOTALL)[0]
    for split in ("images", "masks"):
        (tmp_path / split / "night").mkdir(parents=True)
    (tmp_path / "classes.yaml").write_text(classes)
    for index, name in enumerate(("a", "night/b")):
        Image.fromarray(np.full((32, 32, 3), 50, np.uint8)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(np.full((32, 32), index, np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    read = keeping.load(f"folder:{tmp_path},val=0.5", classes=["road", "kerb", "other"], height=32, width=32)
    assert (len(read.train), len(read.val)) == (1, 1)
    assert {value for part in (read.train, read.val) for value in np.unique(part.labels)} == {0, IGNORE}


def test_the_class_map_of_the_docs_reduces(tmp_path):
    (tmp_path / "drivable.yaml").write_text(re.findall(r"```yaml\n(.*?)```", DATA, re.DOTALL)[1])
    layouts.make("kitti-road", tmp_path / "kitti")
    named = layouts.class_list(f"kitti-road:{tmp_path / 'kitti'},map={tmp_path / 'drivable.yaml'}", "drivable")
    assert named.names == ("drivable", "not drivable")


def test_the_augmentation_of_the_docs_is_a_scenarios(tmp_path):
    asked = re.findall(r"```yaml\n(.*?)```", DATA, re.DOTALL)[2]
    (tmp_path / "mine.yaml").write_text(YAML[0] + asked)
    assert load(str(tmp_path / "mine.yaml")).training.photometric == 0.2


@pytest.mark.parametrize("spec", re.findall(r"^([a-z0-9-]+:/\S+,\S+)", DATA, re.MULTILINE))
def test_settings_of_the_docs_are_understood(spec):
    with pytest.raises(BudgetnetError) as caught:  # the folders are nowhere; the settings come first
        datasets.find(spec)
    assert "setting" not in str(caught.value)
    assert "must be a folder" in str(caught.value) or "must hold" in str(caught.value)


def test_the_readmes_scenarios_load(tmp_path: Path) -> None:
    shortest, rest, spaces, groups, *_ = YAML
    read = {}
    several = shortest + spaces
    for name, text in (("short", shortest), ("long", shortest + rest), ("several", several), ("groups", groups)):
        (tmp_path / f"{name}.yaml").write_text(text)
        read[name] = load(str(tmp_path / f"{name}.yaml"))
    assert read["short"].name == read["long"].name == "urban"
    assert [group.name for group in read["groups"].groups] == ["front", "surround", "driver"]
    assert plan(read["groups"]).fit
    assert len(read["several"].search_space) == 3
    assert plan(read["several"]).fit


def test_the_readmes_errors_are_what_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    lines = [
        "name: mine",
        "cameras: 4",
        "fps: -15",
        "classes: 7",
        "input: {height: 320, width: 480}",
        "budget_gops: 70",
        "budget_gop: 70",
    ]
    Path("scenarios/mine.yaml").write_text("\n".join(lines))
    with pytest.raises(Exception, match="must be greater than 0") as caught:
        load("scenarios/mine.yaml")
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert str(caught.value) == shown.strip()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_links_of_the_readme_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_the_makefiles_two_commands_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readmes_table_of_trials_is_the_recorded_one():
    with (ROOT / "docs" / "trials-camvid.csv").open(newline="") as file:
        recorded = {row["trial"]: row for row in csv.DictReader(file)}
    shown = re.findall(r"^\| \**(\d+)\** \|(.*)\|$", README, re.MULTILINE)
    assert len(shown) == len(recorded) == 12
    for trial, cells in shown:
        row, cells = recorded[trial], [cell.strip(" *") for cell in cells.split("|")]
        names = ("depth_multiplier", "final_endpoint", "classifier_kernel", "classifier_depth")
        assert cells[:4] == [row[name].removesuffix(".0") for name in names]
        figures = (float(row["mean_iou"]), float(row["ops"]) / 1e6, float(row["images_per_second"]))
        assert cells[4:] == [f"{figures[0]:.3f}", f"{figures[1]:,.1f}", f"{figures[2]:,.1f}"]
