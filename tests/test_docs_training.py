"""docs/training.md says what is so: its commands are understood, its files load, its tables are the product's."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from budgetnet import arguments, heads, loss_spec, training_recipes
from budgetnet.cli import app
from budgetnet.count import count
from budgetnet.networks import Candidate
from budgetnet.scenario import load
from budgetnet.stems.sources import named_file
from budgetnet.training import schedules
from budgetnet.training_options import changes
from budgetnet.training_settings import ClassWeights, Training

TEXT = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("budgetnet ")[2])
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
TRAININGS = [words for words in COMMANDS if words[0] == "train"]
RECIPE, IN_SCENARIO = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a row of headings, their cells without blanks and marks."""
    rows = TEXT.partition(f"{heading}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_have_the_options_that_are_shown(words):
    command = get_command(app).commands[words[0]]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if re.match(r"--?[a-z]", word)} <= known


@pytest.mark.parametrize("words", TRAININGS, ids=" ".join)
def test_settings_and_candidates_of_the_commands_are_understood(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE)
    said = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    named = {name: option(words, f"--{name}") for name in ("recipe", "stem", "teacher")}
    settings = changes(said, **named)
    scenario = load(words[1]).changed(training=settings)
    assert (
        scenario.training.model_dump().items()
        >= {key: value for key, value in settings.items() if key not in ("recipe", "loss")}.items()
    )
    if "--candidate" in words:
        chosen = arguments.chosen(scenario, option(words, "--candidate"), None)
        assert f"{chosen.parameters['depth_multiplier']:g}" in option(words, "--candidate")


def test_the_recipe_and_the_scenarios_training_of_the_docs_load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RECIPE)
    Path("s.yaml").write_text(
        "name: s\ncameras: 1\nfps: 1\nbudget_gops: 9\nclasses: 7\ninput: {height: 320, width: 480}\n" + IN_SCENARIO
    )
    made = load("s.yaml").training
    assert (made.epochs, made.schedule, made.stem, made.crop) == (10, "one-cycle", "weights", 0.8)


def test_every_recipe_is_named():
    assert all(f"`{name}`" in TEXT for name in training_recipes.names())


def test_all_fields_are_there_with_their_defaults():
    shown: dict[str, str] = {}
    for names, defaults, _ in table("| field | without a recipe | what it does |"):
        shown.update(zip(names.replace("`", "").split(", "), defaults.replace("`", "").split(", "), strict=True))
    assert list(shown) == list(Training.model_fields)
    for name, value in Training().model_dump().items():
        words = {None: "none", True: "true", False: "false"}
        expected = words[value] if value is None or isinstance(value, bool) else value
        if isinstance(expected, str):
            assert shown[name] == expected
        else:
            assert float(shown[name]) == expected


def test_choices_are_named():
    rows = {row[0]: row[2] for row in table("| field | without a recipe | what it does |")}
    for field, known in (("`schedule`", schedules.NAMES), ("`class_weights`", get_args(ClassWeights))):
        assert set(re.findall(r"`([a-z-]+)`", rows[field])) == set(known)


def test_the_table_of_losses_is_complete():
    assert sorted(row[0].strip("`") for row in table("| loss | what |")) == sorted(loss_spec.names())


def test_the_table_of_heads_is_complete_and_counts_right():
    rows = table("| head | stride 32 | stride 16 | stride 8 | what it is |")
    assert sorted(row[0].strip("`") for row in rows) == sorted(heads.names())
    for name, *shown, _ in rows:
        for stride, told in zip((32, 16, 8), shown, strict=True):
            parameters = {"depth_multiplier": 0.5, "head": name.strip("`"), "output_stride": stride}
            graph = Candidate.of("mobilenet-fcn", parameters).graph(classes=11, height=320, width=480)
            assert told == f"{count(graph).total.ops / 1e6:,.0f}", (name, stride)


def test_names_of_stem_files_are_read_as_the_docs_say():
    for name, multiplier in re.findall(r"`(\S+\.(?:h5|safetensors))` is (\d\.\d+)", TEXT):
        assert named_file(Path(name)).depth_multiplier == float(multiplier)


def test_files_of_a_run_are_those_that_trainings_write():
    from budgetnet import full_training, training_log, training_report
    from budgetnet.training import candidate, finished, loop

    told = {name.strip("/") for row in table("| file | what |") for name in re.findall(r"`([^`]+)`", row[0])}
    assert told == {
        *training_report.FILES,
        full_training.ASKED,
        training_log.HISTORY,
        training_log.BOARD,
        candidate.PREVIEW,
        finished.RECORD,
        finished.WEIGHTS,
        loop.CHECKPOINT,
    }
