"""Scenarios: defaults, arithmetic, finding them, and one matched message for every rule."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from budgetnet import networks, plugins, scenario, units
from budgetnet.errors import MOST_TOLD, BudgetnetError, FileError
from budgetnet.plan import plan
from budgetnet.scenario import Scenario
from budgetnet.space import LARGEST
from budgetnet.training_settings import Training

SHORTEST = """\
name: urban
cameras: 4
fps: 30
budget_gops: 300
classes: 7
input: {height: 320, width: 480}
"""


PLAIN_NAME = "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"


def load(folder: Path, content: str) -> Scenario:
    path = folder / "x.yaml"
    path.write_text(content)
    return scenario.load(str(path))


def messages(folder: Path, content: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        load(folder, content)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{folder}/x.yaml:") for line in lines)
    return [line.removeprefix(f"{folder}/x.yaml:") for line in lines]


def with_line(line: str) -> str:
    """The shortest scenario with this line in the place of the one that gives the same field, or after the others."""
    field = line.partition(":")[0]
    kept = [old for old in SHORTEST.splitlines() if not old.startswith(f"{field}:")]
    return "\n".join([*kept, line, ""])


# --- what is read


def test_shortest_scenario(tmp_path: Path) -> None:
    made = load(tmp_path, SHORTEST)
    assert made == Scenario(
        name="urban",
        cameras=4,
        fps=30,
        budget_gops=300,
        classes=7,
        input=scenario.InputSize(height=320, width=480),
        description="",
        minimum_mean_iou=None,
        platform=None,
        dataset=None,
        network="mobilenet-fcn",
        search_space={},
        training=Training(epochs=10, batch_size=16, learning_rate=0.001, weight_decay=1e-6, seed=0),
    )


def test_everything_given(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        """\
name: X-1.b_c
description: |
  Two
  lines
cameras: 1
fps: 29.97
budget_gops: 1.5
classes: [road, everything else]
input: {height: 32, width: 8192}
minimum_mean_iou: 1
platform: jetson-tx2
dataset: camvid:../some folder
network: mobilenet-fcn
search_space:
  depth_multiplier: [0.5, 1]
  classifier_kernel: 7
training: {epochs: 1, batch_size: 1, learning_rate: 1, weight_decay: 0, seed: 4294967295}
""",
    )
    assert made.description == "Two\nlines\n"
    assert made.classes == ("road", "everything else")
    assert made.class_count == 2
    assert made.minimum_mean_iou == 1.0
    assert made.dataset == "camvid:../some folder"
    assert made.search_space == {"depth_multiplier": (0.5, 1.0), "classifier_kernel": (7,)}
    assert [type(value) for value in made.search_space["depth_multiplier"]] == [float, float]
    assert made.training.seed == 2**32 - 1


def test_space_is_the_networks_proposal_where_the_scenario_says_nothing(tmp_path: Path) -> None:
    made = load(tmp_path, with_line("search_space: {classifier_kernel: [9, 11]}"))
    known = networks.family("mobilenet-fcn")
    proposed = {p.name: p.space for p in (*known.declaration.PARAMETERS, *known.head_parameters("fcn"))}
    assert made.space == {**proposed, "classifier_kernel": (9, 11)}
    assert list(made.space) == list(proposed)


def test_class_lists_by_name(tmp_path: Path) -> None:
    known = {}
    for entry in plugins.data_files("budgetnet.classmaps").values():
        lines = entry.read_text().splitlines()
        name = next(line.split()[1] for line in lines if line.startswith("classes_name:"))
        known[name] = sum("colour:" in line for line in lines)
    assert known["lab7"] == 7
    for name, count in known.items():
        assert load(tmp_path, with_line(f"classes: {name}")).class_count == count


@pytest.mark.parametrize(
    ("fps", "images_per_second"), [("30", Fraction(120)), ("29.97", Fraction(2997, 25)), ("1e-3", Fraction(1, 250))]
)
def test_images_per_second_is_exact(tmp_path: Path, fps: str, images_per_second: Fraction) -> None:
    assert load(tmp_path, with_line(f"fps: {fps}")).images_per_second == images_per_second


@pytest.mark.parametrize(
    ("budget", "limit"),
    [("300", 2_500_000_000), ("70", 583_333_333), ("0.3", 2_500_000), ("1e9", 8_333_333_333_333_333), ("1e-9", 0)],
)
def test_operations_limit_is_the_largest_whole_number_within_the_budget(
    tmp_path: Path, budget: str, limit: int
) -> None:
    made = load(tmp_path, with_line(f"budget_gops: {budget}"))
    assert made.operations_limit == limit
    assert made.operations_limit * made.images_per_second <= Fraction(budget) * 10**9
    assert (made.operations_limit + 1) * made.images_per_second > Fraction(budget) * 10**9


# --- every rule and its words


BROKEN = [
    ("name: a/b", f"name: {PLAIN_NAME}, but got 'a/b'"),
    ("name: ..", f"name: {PLAIN_NAME}, but got '..'"),
    ("name: ''", f"name: {PLAIN_NAME}, but got ''"),
    ("name: aux.x", "name: must be a name that every system takes for a folder, but got 'aux.x'"),
    ("name: a.", "name: must be a name that every system takes for a folder, but got 'a.'"),
    ("name: 7", "name: must be a text, but got 7"),
    ("description: [a]", "description: must be a text, but got ['a']"),
    ("cameras: four", "cameras: must be a whole number or a list of camera groups, but got 'four'"),
    ("cameras: '4'", "cameras: must be a whole number or a list of camera groups, but got '4'"),
    ("cameras: 4.0", "cameras: must be a whole number or a list of camera groups, but got 4.0"),
    ("cameras: true", "cameras: must be a whole number or a list of camera groups, but got true"),
    ("cameras:", "cameras: must be a whole number or a list of camera groups, but got nothing"),
    ("cameras: 0", "cameras: must be 1 or more, but got 0"),
    ("cameras: 1001", "cameras: must be 1000 or less, but got 1001"),
    ("fps: 0", "fps: must be greater than 0, but got 0"),
    ("fps: 10001", "fps: must be 10000 or less, but got 10001"),
    ("fps: .nan", "fps: must be a finite number, but got nan"),
    ("budget_gops: -3", "budget_gops: must be greater than 0, but got -3"),
    ("budget_gops: 1e10", "budget_gops: must be 1000000000 or less, but got 10000000000.0"),
    ("budget_gops: .inf", "budget_gops: must be a finite number, but got inf"),
    ("budget_gops: 70 GOPS", "budget_gops: must be a number, but got '70 GOPS'"),
    ("classes: 1", "classes: must be 2 to 254, but got 1"),
    ("classes: 255", "classes: must be 2 to 254, but got 255"),
    (
        "classes: 7.0",
        "classes: must be a whole number, the name of a class list, or a list of class names, but got 7.0",
    ),
    (
        "classes: lab8",
        "classes: must be a count, a list of names, or a known class list, but got 'lab8'; did you mean 'lab7'?",
    ),
    ("classes: [road]", "classes: must name 2 to 254 classes, but got 1"),
    ("classes: [road, road]", "classes[1]: must be named once, but got 'road'"),
    ("classes: [road, 2]", "classes[1]: must be a text of 1 to 64 characters, no blanks around, but got 2"),
    ("input: 320x480", "input: must be a mapping, but got '320x480'"),
    ("input: {height: 320}", "input.width: must be given, but got nothing"),
    ("input: {height: 31, width: 32}", "input.height: must be 32 or more, but got 31"),
    ("input: {height: 32, width: 8193}", "input.width: must be 8192 or less, but got 8193"),
    ("input: {height: 32, width: 32, cs: 3}", "input.cs: unknown field; known: height, width"),
    ("minimum_mean_iou: 1.1", "minimum_mean_iou: must be 1 or less, but got 1.1"),
    ("minimum_mean_iou: -1", "minimum_mean_iou: must be 0 or more, but got -1"),
    (
        "platform: jetson-tx3",
        "platform: must be a known platform or the path of a platform file, but got 'jetson-tx3'; "
        "did you mean 'jetson-tx2'?",
    ),
    (
        "platform: none.yaml",
        "platform: must be the path of a platform file without errors, but got 'none.yaml' "
        "(none.yaml:1: (file): must exist, but got no such file)",
    ),
    (
        "dataset: camvit:x",
        "dataset: must be a known data set, or one and its argument (name:argument), but got 'camvit'; "
        "did you mean 'camvid'?",
    ),
    ("dataset: 'camvid:'", "dataset: must have a text on one line after camvid:, but got 'camvid:'"),
    ('dataset: "camvid:a\\nb"', "dataset: must have a text on one line after camvid:, but got 'camvid:a\\nb'"),
    (
        "network: mobilenet",
        "network: must be a known network, but got 'mobilenet'; did you mean 'mobilenet-fcn'?",
    ),
    ("search_space: 1", "search_space: must be a mapping of parameters to values, or a list of such, but got 1"),
    ("search_space: [1]", "search_space[0]: must be a mapping of parameters to values, but got 1"),
    (
        "search_space: []",
        "search_space: must be a mapping of parameters to values, or a list of 1 to 100 such, but got an empty list",
    ),
    (
        "search_space: {sharpness: [1]}",
        "search_space.sharpness: unknown parameter; known: depth_multiplier, ",
    ),
    (
        "search_space: {depth_multipler: [1]}",
        "search_space.depth_multipler: unknown parameter; did you mean 'depth_multiplier'?",
    ),
    (
        "search_space: {classifier_kernel: []}",
        "search_space.classifier_kernel: must hold one value or more, but got an empty list",
    ),
    (
        "search_space: {classifier_kernel: 7.0}",
        "search_space.classifier_kernel: must be a whole number, but got 7.0",
    ),
    (
        "search_space: {classifier_kernel: [7, [7]]}",
        "search_space.classifier_kernel[1]: must be a whole number, but got [7]",
    ),
    (
        "search_space: {depth_multiplier: [1, 0]}",
        "search_space.depth_multiplier[1]: must be greater than 0, but got 0",
    ),
    (
        "search_space: {depth_multiplier: [1, 1.0]}",
        "search_space.depth_multiplier[1]: must be listed once, but got 1.0",
    ),
    ("training: 5", "training: must be a mapping, but got 5"),
    ("training: {epochs: 0}", "training.epochs: must be 1 or more, but got 0"),
    ("training: {epochs: 10001}", "training.epochs: must be 10000 or less, but got 10001"),
    ("training: {batch_size: 4097}", "training.batch_size: must be 4096 or less, but got 4097"),
    ("training: {learning_rate: 0}", "training.learning_rate: must be greater than 0, but got 0"),
    ("training: {learning_rate: 11}", "training.learning_rate: must be 10 or less, but got 11"),
    ("training: {weight_decay: -1}", "training.weight_decay: must be 0 or more, but got -1"),
    ("training: {seed: 4294967296}", "training.seed: must be less than 4294967296, but got 4294967296"),
    ("training: {epoch: 1}", "training.epoch: unknown field; did you mean 'epochs'?"),
    ("camras: 4", "camras: unknown field; did you mean 'cameras'?"),
    ("Budget-GOPS: 4", "Budget-GOPS: unknown field; did you mean 'budget_gops'?"),
]


@pytest.mark.parametrize(("line", "expected"), BROKEN)
def test_broken_rule(tmp_path: Path, line: str, expected: str) -> None:
    content = with_line(line)
    number = content.splitlines().index(line) + 1
    found = messages(tmp_path, content)
    assert [message for message in found if message.startswith(f"{number}: {expected}")]
    assert len(found) == 1


def test_search_space_that_is_too_large(tmp_path: Path) -> None:
    ranges = "classifier_kernel: {from: 1, to: 255, step: 1}, classifier_depth: {from: 1, to: 9999, step: 1}"
    line = f"search_space: {{{ranges}}}"
    (message,) = messages(tmp_path, with_line(line))
    assert f"search_space: must hold {LARGEST:,} candidates or fewer, but got " in message


def test_thousands_of_wrong_values_are_not_all_told(tmp_path: Path) -> None:
    found = messages(tmp_path, with_line("search_space:\n  classifier_depth:" + "\n  - 0.5" * 3000))
    assert len(found) == MOST_TOLD + 1
    assert "search_space.classifier_depth[99]: must be a whole number, but got 0.5" in found[-2]
    assert found[-1].endswith(": (file): and 2,900 more from here on")


def test_search_space_is_not_judged_by_the_rules_of_an_unknown_network(tmp_path: Path) -> None:
    (message,) = messages(tmp_path, with_line("network: none\nsearch_space: {anything: 1}"))
    assert "network: must be a known network" in message


@pytest.mark.parametrize("field", ["name", "cameras", "fps", "budget_gops", "classes", "input"])
def test_missing_field_has_the_line_where_the_fields_begin(tmp_path: Path, field: str) -> None:
    kept = [line for line in SHORTEST.splitlines() if not line.startswith(f"{field}:")]
    assert messages(tmp_path, "\n".join(["# comment", *kept])) == [f"2: {field}: must be given, but got nothing"]


def test_all_faults_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    found = messages(
        tmp_path,
        """\
name: a/b
camras: 4
cameras: 'four'
fps: -3
fps: 4
classes: [a, a]
input:
  height: 3
  wdth: 480
budget_gops: .nan
training: {seed: &a 1}
minimum_mean_iou: *a
""",
    )
    assert [message.rpartition(", but got ")[0] or message for message in found] == [
        f"1: name: {PLAIN_NAME}",
        "2: camras: unknown field; did you mean 'cameras'?",
        "3: cameras: must be a whole number or a list of camera groups",
        "4: fps: must be greater than 0",
        "5: fps: must be given once",
        "6: classes[1]: must be named once",
        "7: input.width: must be given",
        "8: input.height: must be 32 or more",
        "9: input.wdth: unknown field; did you mean 'width'?",
        "10: budget_gops: must be a finite number",
        "11: training.seed: must be written out, without anchors and aliases",
        "12: minimum_mean_iou: must be written out, without anchors and aliases",
    ]


# --- changing


def test_changed(tmp_path: Path) -> None:
    made = load(tmp_path, with_line("training: {batch_size: 8}"))
    changed = made.changed(dataset="camvid:x", training={"epochs": 3}, search_space={"depth_multiplier": [1]})
    assert changed.dataset == "camvid:x"
    assert (changed.training.epochs, changed.training.batch_size) == (3, 8)
    assert changed.search_space == {"depth_multiplier": (1.0,)}
    assert made.training.epochs == 10
    assert made.changed() == made


def test_scenario_goes_to_json_and_back(tmp_path: Path) -> None:
    made = load(tmp_path, with_line("classes: [a, b]\nsearch_space: {depth_multiplier: 1, classifier_kernel: [3, 5]}"))
    assert Scenario.model_validate(json.loads(made.model_dump_json())) == made


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"training": {"epochs": 0}}, "training.epochs: must be 1 or more, but got 0"),
        ({"training": 3}, "training: must be a mapping, but got 3"),
        ({"camras": 3}, "camras: unknown field; did you mean 'cameras'?"),
        ({"fps": 0, "cameras": 0}, "cameras: must be 1 or more, but got 0\nfps: must be greater than 0, but got 0"),
    ],
)
def test_changes_are_checked(tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        load(tmp_path, SHORTEST).changed(**fields)
    assert str(caught.value) == expected


# --- finding, and the built-in ones


def test_built_in_scenarios_are_the_three_published_tasks() -> None:
    tasks = {
        name: (made.class_count, made.cameras, made.fps, made.budget_gops, made.input.height, made.input.width)
        for name, made in ((name, scenario.load(name)) for name in ("parking", "urban", "rural"))
        if made.input
    }
    assert tasks["parking"] == (7, 4, 15, 70, 320, 480)
    assert tasks["urban"] == (7, 4, 30, 300, 320, 480)
    assert tasks["rural"] == (2, 1, 30, 120, 320, 480)


@pytest.mark.parametrize("name", scenario.names())
def test_built_in_scenario_opens_with_its_command_and_what_comes_out(name: str) -> None:
    made = scenario.load(name)
    text = (Path(__file__).parents[1] / "scenarios" / f"{name}.yaml").read_text()
    comment = text[: text.index(f"name: {name}")]
    assert f"\n#     budgetnet plan {name} " in comment
    planned = plan(made)
    count = f"{len(planned.fitting)} of {len(planned.candidates)}"
    assert f"finds that {count} candidates fit" in comment.replace("all 72", "72 of 72")
    assert f"{planned.fitting[0].required_gops:.1f} of the {float(made.available / units.GIGA):g} GOPS" in comment


def test_surround_shows_camera_groups() -> None:
    made = scenario.load("surround")
    assert [(group.name, group.count, group.fps, group.height, group.width) for group in made.groups] == [
        ("front", 1, 30, 640, 960),
        ("surround", 4, 15, 320, 480),
    ]
    assert len(made.networks) == 1
    front, _ = plan(made).candidates[0].loads
    assert front.required / plan(made).candidates[0].required == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("name", scenario.names())
def test_built_in_scenario_points_editors_to_the_schema(name: str) -> None:
    folder = Path(__file__).parents[1] / "scenarios"
    (path,) = re.findall(
        r"^# yaml-language-server: \$schema=(.+)$", (folder / f"{name}.yaml").read_text(), re.MULTILINE
    )
    assert (folder / path).is_file()


def test_file_goes_before_the_built_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert scenario.load("urban").cameras == 4
    (tmp_path / "urban").mkdir()
    assert scenario.load("urban").cameras == 4
    (tmp_path / "urban").rmdir()
    (tmp_path / "urban").write_text(SHORTEST.replace("cameras: 4", "cameras: 5"))
    assert scenario.load("urban").cameras == 5


def test_package_goes_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, name in (("package", "mine"), ("checkout", "theirs")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.yaml").write_text(SHORTEST)
    monkeypatch.setattr(scenario, "_FOLDERS", (tmp_path / "package", tmp_path / "checkout"))
    assert scenario.names() == ["mine"]
    monkeypatch.setattr(scenario, "_FOLDERS", (tmp_path / "none", tmp_path / "checkout"))
    assert scenario.names() == ["theirs"]
    monkeypatch.setattr(scenario, "_FOLDERS", (tmp_path / "none",))
    assert scenario.names() == []


def test_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(BudgetnetError) as caught:
        scenario.load("urbn")
    expected = "scenario: must be a YAML file or a built-in scenario, but got 'urbn'; did you mean 'urban'?"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("none.yaml", "must exist"),
        ("none.yml", "must exist"),
        ("none/urban", "must exist"),
        ("", "must be a regular file"),
        ("a\0", "must be readable"),
        ("a" * 5000, "must be readable"),
    ],
)
def test_path_that_leads_to_no_file(source: str, rule: str) -> None:
    with pytest.raises(FileError, match=rf":1: \(file\): {rule}, but got "):
        scenario.load(source)
