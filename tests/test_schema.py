"""The JSON schema of scenario files: current, complete, and of one mind with the reader."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_cameras import BROKEN_GROUPS, BROKEN_LIMITS, HEAD
from test_scenario import BROKEN, SHORTEST, with_line

from budgetnet import networks, platforms, plugins, scenario, schema
from budgetnet.scenario import Scenario
from budgetnet.training_settings import Training
from budgetnet.yaml_source import parse

ROOT = Path(__file__).parents[1]
MADE = schema.schema()
VALIDATOR = Draft202012Validator(MADE)
SIZE = {"height": 320, "width": 480}

# What the reader refuses and a schema has no words for.
WITHOUT_WORDS = {
    # a whole number written with a point is a whole number in JSON
    "cameras: 4.0",
    "classes: 7.0",
    "search_space: {classifier_kernel: 7.0}",
    # JSON has no such number
    "fps: .nan",
    # the file must exist
    "platform: none.yaml",
    # one field held against another, or against all that are listed
    "cameras:\n  - {name: a}\n  - {name: a}",
    "cameras:\n  - name: a\n    input: {height: 100, width: 100}\n    crop: {height: 101, width: 100}",
}


def value(text: str) -> dict[str, Any]:
    """What a file holds. No scenario of these tests is at fault as YAML."""
    source = parse(text.encode(), "x.yaml")
    assert not source.problems
    return source.value


def accepts(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


def reads(document: Any) -> bool:
    try:
        Scenario.model_validate(document)
    except ValueError:
        return False
    return True


def test_committed_copy_is_current() -> None:
    assert (ROOT / "scenarios" / schema.FILE_NAME).read_text() == schema.text(), "write it again: make schema"


def test_is_a_schema_of_its_draft() -> None:
    assert MADE["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(MADE)
    assert json.loads(schema.text()) == MADE


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_built_in_scenarios_are_accepted(path: Path) -> None:
    assert not list(VALIDATOR.iter_errors(value(path.read_text())))


def test_scenario_that_says_everything_is_accepted() -> None:
    readme = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert accepts(value(readme[0] + readme[1]))


def test_every_field_is_explained() -> None:
    def fields(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, field in node.get("properties", {}).items():
            yield f"{path}.{name}", field
        for key in ("anyOf", "allOf"):
            for each in node.get(key, []):
                yield from fields(each, path)

    conditions = {"properties", "then", "if"}
    parts = {"scenario": MADE, **MADE["$defs"]}
    found = {where: field for path, part in parts.items() for where, field in fields(part, path)}
    assert set(parts) == {"scenario", "CameraGroup", "InputSize", "Training", *networks.names()}
    assert [
        where for where, field in found.items() if not field.get("description") and not conditions & field.keys()
    ] == []
    assert {f"scenario.{name}" for name in Scenario.model_fields} <= found.keys()
    assert {f"Training.{name}" for name in Training.model_fields} <= found.keys()


@pytest.mark.parametrize("network", networks.names())
def test_every_parameter_is_there_with_its_proposal(network: str) -> None:
    declared = {each.name: list(each.space) for each in networks.family(network).parameters}
    assert {name: field["default"] for name, field in MADE["$defs"][network]["properties"].items()} == declared
    assert accepts(value(SHORTEST) | {"network": network, "search_space": declared})


def test_known_names_are_offered() -> None:
    def offered(field: str) -> list[str]:
        return [each["const"] for each in MADE["properties"][field]["anyOf"] if "const" in each]

    assert offered("platform") == platforms.names()
    assert offered("dataset") == plugins.module_names("budgetnet.datasets")
    assert offered("network") == networks.names()
    assert {"lab7", "road2"} <= set(offered("classes"))
    for field in ("platform", "dataset", "network", "classes"):
        assert all(each["description"] for each in MADE["properties"][field]["anyOf"] if "const" in each)


# --- what the reader refuses


@pytest.mark.parametrize("line", [line for line, _ in BROKEN])
def test_broken_rule_is_refused(line: str) -> None:
    assert accepts(value(with_line(line))) is (line in WITHOUT_WORDS)


@pytest.mark.parametrize("groups", [cameras for cameras, _ in BROKEN_GROUPS])
def test_broken_rule_of_a_group_is_refused(groups: str) -> None:
    document = value(f"{HEAD}{groups}\nfps: 15\ninput: {{height: 320, width: 480}}\n")
    assert accepts(document) is (groups in WITHOUT_WORDS)


@pytest.mark.parametrize("fields", [fields for fields, _ in BROKEN_LIMITS])
def test_broken_rule_of_a_limit_is_refused(fields: dict[str, Any]) -> None:
    assert not accepts(value(SHORTEST) | fields)


@pytest.mark.parametrize("field", ["name", "cameras", "fps", "budget_gops", "classes", "input"])
def test_missing_field_is_refused(field: str) -> None:
    assert not accepts({name: each for name, each in value(SHORTEST).items() if name != field})


def test_list_of_what_has_no_words_is_no_longer_than_it_must_be() -> None:
    assert {line for line, _ in [*BROKEN, *BROKEN_GROUPS]} >= WITHOUT_WORDS


# --- of one mind with the reader


LABELS = st.sampled_from(
    ["road", "a b", "é", " a", "a ", "", "x" * 64, "x" * 65, "shared", "a\nb", "a:b", "a;", 3, None]
)
FRACTIONS = [0, 1, -1, 0.5, 1e-5, 29.97, 1e-9, 1e-10, 1e9, 1e10, 10_000, 10_001, "4", True, None, [], {}]
NUMBERS = st.sampled_from(FRACTIONS)
WHOLE = st.sampled_from([0, 1, 2, 7, 31, 32, 254, 255, 1000, 1001, 8192, 8193, 70_000, 0.5, "7", False, None, []])
SIZES = st.one_of(
    st.just(SIZE), st.none(), WHOLE, st.dictionaries(st.sampled_from(["height", "width", "depth"]), WHOLE, max_size=3)
)
# A range's `to` below `from`, or a last value above the maximum, are rules that hold two fields against each other.
RANGES = st.dictionaries(st.sampled_from(["from", "to", "step", "by"]), st.sampled_from([1, 2, 0, -1, "x"]), max_size=4)
ENDPOINTS = st.sampled_from(["Conv2d_13_pointwise", "Conv2d_11_pointwise", "Conv2d_14", 3])
SPACES = st.dictionaries(
    st.sampled_from(["depth_multiplier", "classifier_kernel", "classifier_depth", "final_endpoint", "head", "kernel"]),
    st.one_of(NUMBERS, WHOLE, ENDPOINTS, st.just("fcn"), st.lists(st.one_of(NUMBERS, ENDPOINTS), max_size=3), RANGES),
    max_size=2,
)
SEVERAL = st.one_of(SPACES, st.lists(st.one_of(SPACES, NUMBERS), max_size=2))
NETWORKS = st.sampled_from(["mobilenet-fcn", "mobilenet", None, 3])
GROUPS = st.fixed_dictionaries(
    {"name": LABELS},
    optional={
        "count": WHOLE,
        "fps": NUMBERS,
        "input": SIZES,
        "crop": st.sampled_from([None, {"height": 32, "width": 32}, {"height": 31, "width": 32}, {}]),
        "network": NETWORKS,
        "search_space": SEVERAL,
        "colour": WHOLE,
    },
)
TRAININGS = st.dictionaries(
    st.sampled_from([*Training.model_fields, "rate"]), st.one_of(NUMBERS, WHOLE, st.just(2**32)), max_size=3
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(
        ["a", "A-1.b_c", "a.", "aux", "CON.x", "com1", "cons", "é", "", "-a", "x" * 64, "x" * 65, 7]
    ),
    "description": st.sampled_from(["", "x: y\n", None, 3]),
    "cameras": st.one_of(WHOLE, st.lists(GROUPS, max_size=3), NUMBERS),
    "fps": NUMBERS,
    "input": SIZES,
    "budget_gops": NUMBERS,
    "contention": NUMBERS,
    "reserve": NUMBERS,
    "budget_mb": NUMBERS,
    "precision": st.sampled_from(["fp32", "int8", "int4", 8, None]),
    "classes": st.one_of(WHOLE, NUMBERS, st.lists(LABELS, max_size=4), st.sampled_from(["lab7", "lab8", ""])),
    "minimum_mean_iou": NUMBERS,
    "platform": st.sampled_from(["jetson-tx2", "jetson-tx3", "", None, 3]),
    "dataset": st.sampled_from(["synthetic", "camvid:/x", "camvid:", "camvid:a\nb", "camvid: é", "x", "", None, 3]),
    "network": NETWORKS,
    "search_space": st.one_of(SEVERAL, NUMBERS),
    "training": st.one_of(TRAININGS, NUMBERS),
    "camras": NUMBERS,
}
DOCUMENTS = st.builds(
    lambda base, changes, dropped: {k: v for k, v in (base | changes).items() if k != dropped},
    st.sampled_from([value(SHORTEST), {**value(HEAD), "cameras": [{"name": "a", "fps": 15, "input": SIZE}]}]),
    st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})
    ),
    st.sampled_from(["", "", "fps", "input", "cameras", "name"]),
)


# A whole number written with a point; a crop of a smaller input; a range that ends before it begins.
BEYOND_WORDS = re.compile(r'\d\.0\b|"crop": {"height": 32|"from": 2, .*"to": 1|"to": 1, .*"from": 2')


def has_words(document: dict[str, Any]) -> bool:
    """Whether a schema can tell every rule that such a document may break."""
    groups = document["cameras"] if isinstance(document.get("cameras"), list) else []
    names = [repr(group["name"]) for group in groups]
    spaces = [each.get("search_space") for each in [document, *groups]]
    if any(isinstance(space, list) and len(space) > 1 for space in spaces):  # none may share a candidate with another
        return False
    return len(names) == len(set(names)) and not BEYOND_WORDS.search(json.dumps(document))


@settings(max_examples=600, deadline=None)
@given(DOCUMENTS)
@example({**value(HEAD), "cameras": [{"name": "a", "fps": 15}], "input": SIZE})
@example({**value(HEAD), "cameras": [{"name": "a", "fps": None, "input": SIZE}], "fps": None})
@example({**value(SHORTEST), "search_space": {"depth_multiplier": [1, 1.0]}})
@example({**value(SHORTEST), "search_space": {"classifier_kernel": {"from": 1, "to": 300, "step": 300}}})
def test_schema_accepts_what_the_reader_reads_and_little_else(document: dict[str, Any]) -> None:
    if reads(document):
        assert not list(VALIDATOR.iter_errors(document))
    elif has_words(document):
        assert not accepts(document)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("aAcon1.-_ é\t/:")),
    st.sampled_from(["name", "platform", "dataset", "classes", "precision"]),
)
def test_words_are_judged_alike(word: str, field: str) -> None:
    document = value(SHORTEST) | {field: word}
    if field != "platform" or not plugins.is_path(word):  # a file would have to be there
        assert accepts(document) is reads(document)


def test_schema_names_what_scenarios_name() -> None:
    assert set(MADE["properties"]) == set(Scenario.model_fields)
    assert {path.stem for path in (ROOT / "scenarios").glob("*.yaml")} == set(scenario.names())
