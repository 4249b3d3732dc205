"""Platform files: found and read, and the words for those that are at fault."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_platforms import SMALLEST, write

from budgetnet import platforms, yaml_model
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.platforms import Platform
from budgetnet.yaml_source import Source


def test_platform_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    for found in (platforms.load(path), platforms.load(str(path))):
        assert found.name == "Board"
        assert found.peak_ops_per_second("fp32") == 2e12


def test_unknown_key() -> None:
    with pytest.raises(BudgetnetError) as caught:
        platforms.load("jetson-tx3")
    assert str(caught.value) == (
        "platform: must be a known platform or the path of a platform file, but got 'jetson-tx3'; "
        "did you mean 'jetson-tx2'?"
    )


def test_missing_file() -> None:
    with pytest.raises(FileError, match=r"^none\.yaml:1: \(file\): must exist, but got no such file$"):
        platforms.load("none.yaml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: Board", "1: engines: must be given, but got nothing"),
        ("engines: []\nname: B", "1: engines: must hold 1 or more, but got []"),
        (SMALLEST + "year: 2016", "3: year: must be a mapping, but got 2016"),
        (SMALLEST + "year: {value: 1970, source: x}", "3: year.value: must be 1990 or more, but got 1970"),
        (SMALLEST + "power_watts: {value: 0, source: x}", "3: power_watts.value: must be greater than 0, but got 0"),
        (SMALLEST + "power_watts: {value: 5}", "3: power_watts.source: must be given, but got nothing"),
        (SMALLEST + "power_wats: {value: 5}", "3: power_wats: unknown field; did you mean 'power_watts'?"),
        (SMALLEST + "peak: {}", "3: peak: must hold one figure or more, but got {}"),
        (SMALLEST.replace("fp32", "fp31"), "2: engines[0].peak.fp31: unknown field; did you mean 'fp32'?"),
        (SMALLEST.replace("its data sheet", "''"), "must be a text on one line, and not empty, but got ''"),
        (SMALLEST.replace("Board", '"a\\nb"'), "1: name: must be a text on one line, and not empty, but got 'a\\nb'"),
        (SMALLEST.replace("value: 2", "value: 2, derived: 1"), "derived: must be true or false, but got 1"),
        (SMALLEST.replace("kind: gpu, ", ""), "2: engines[0].kind: must be given, but got nothing"),
        (SMALLEST.replace("gpu", "tpu"), "kind: must be 'gpu', 'dla', 'npu', 'dataflow' or 'cpu', but got 'tpu'"),
        (SMALLEST.replace("gpu", "GPU"), "kind: must be 'gpu', 'dla', 'npu', 'dataflow' or 'cpu', but got 'GPU'"),
        (SMALLEST.replace("kind: gpu", "kind: gpu, count: 0"), "engines[0].count: must be 1 or more, but got 0"),
        (
            SMALLEST.replace("kind: gpu", "kind: gpu, count: 2.0"),
            "engines[0].count: must be a whole number, but got 2.0",
        ),
        (SMALLEST.replace("value: 2", "value: .nan"), "fp32.value: must be a finite number, but got nan"),
        (SMALLEST.replace("value: 2", "value: .inf"), "fp32.value: must be a finite number, but got inf"),
        (SMALLEST.replace("value: 2", "value: -2"), "fp32.value: must be greater than 0, but got -2"),
        (SMALLEST.replace("value: 2", "value: 1e-10"), "fp32.value: must be 1e-09 or more, but got 1e-10"),
        (SMALLEST.replace("value: 2", "value: 1e7"), "fp32.value: must be 1,000,000 or less, but got 10000000.0"),
        (SMALLEST.replace("value: 2", "value: '2'"), "fp32.value: must be a number, but got '2'"),
        (SMALLEST.replace("value: 2", "value: true"), "fp32.value: must be a number, but got true"),
        (SMALLEST.replace("value: 2", "value: [2]"), "fp32.value: must be a number, but got [2]"),
        (SMALLEST.replace("{value: 2, source: its data sheet}", "2"), "peak.fp32: must be a mapping, but got 2"),
        (SMALLEST.replace("Board", "x" * 501), "1: name: must be a text of at most 500 characters, but got 'xxx"),
        (SMALLEST + "description: 3", "3: description: must be a text, but got 3"),
        (SMALLEST + "description: |\n  a\n  b\n", "3: description: must be a text on one line, but got"),
        (SMALLEST.replace("value: 2", 'value: 2, note: "a\\nb"'), "fp32.note: must be a text on one line"),
        (SMALLEST + "power_watts: {value: 1e6, source: x}", "power_watts.value: must be 100,000 or less"),
        (
            SMALLEST + "memory: {kind: DDR, gigabytes: {value: 1e7, source: x}}",
            "memory.gigabytes.value: must be 1,000,000",
        ),
        (SMALLEST + "memory: {gigabytes: {value: 1, source: x}}", "3: memory.kind: must be given, but got nothing"),
        (SMALLEST + "on_chip: {}", "3: on_chip: must hold a figure or a note, but got {}"),
        (SMALLEST + "on_chip: {megabytes: {value: 8}}", "on_chip.megabytes.source: must be given, but got nothing"),
        (
            SMALLEST + "peak: {int8: {value: 9, source: x}, int8_sparse: {value: 8, source: x}}",
            "3: peak.int8_sparse.value: must be that of int8 (9) or more, but got 8.0",
        ),
        (
            "name: B\nengines:\n" + 2 * "  - {name: A, kind: npu, peak: {int8: {value: 1, source: x}}}\n",
            "4: engines[1].name: must be a name that no other engine has, but got 'A'",
        ),
    ],
)
def test_faults_of_a_platform_file(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(FileError) as caught:
        platforms.load(write(tmp_path, content))
    assert expected in str(caught.value)


def test_all_faults_of_a_platform_file_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST.replace("gpu", "tpu") + "yeer: 2\npower_watts: {value: -1}\nname: again\n")
    with pytest.raises(FileError) as caught:
        platforms.load(path)
    assert str(caught.value).splitlines() == [
        f"{path}:2: engines[0].kind: must be 'gpu', 'dla', 'npu', 'dataflow' or 'cpu', but got 'tpu'",
        f"{path}:3: yeer: unknown field; did you mean 'year'?",
        f"{path}:4: power_watts.source: must be given, but got nothing",
        f"{path}:4: power_watts.value: must be greater than 0, but got -1",
        f"{path}:5: name: must be given once, but got it again (first in line 1)",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "must be a mapping of fields, but got an empty file"),
        (b"\0\1\2", "must be text without control characters"),
        (b"name: stra\xdfe", "must be UTF-8 text, but got byte 0xdf"),
        (SMALLEST.encode("utf-16"), "must be UTF-8 text, but got UTF-16"),
        (b"- name: Board", "must be a mapping of fields, but got a list"),
        (b"name: &a x\ndescription: *a", "must be written out, without anchors and aliases, but got '*a'"),
        (b"name: !!python/object:os.system x", "must be written without a tag"),
        (b"name: [", "must be YAML"),
        (b"name: x\n---\nname: y", "must hold one document, but got a second one"),
        (b"name: " + b"[" * 50, "must be nested at most 16 deep"),
        (b"#" * 70_000, "must be at most 64 KiB, but got a larger file"),
        (b"name: " + b"9" * 5000, "must be a number of at most 100 digits"),
    ],
)
def test_whatever_a_file_holds_people_are_told(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "board.yaml"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        platforms.load(str(path))
    assert expected in str(caught.value)
    assert all(line.startswith(f"{path}:") for line in str(caught.value).splitlines())


SCALARS = st.sampled_from([None, True, 0, -1, 2, 10**80, 0.5, 1e-300, "", "GPU", "a\nb", "x" * 600, "\udcff"])
WORDS = [
    "name",
    "kind",
    "count",
    "peak",
    "engines",
    "memory",
    "on_chip",
    "fp32",
    "int8_sparse",
    "value",
    "source",
    "note",
]
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "x"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Platform.model_fields, VALUES)))
def test_whatever_the_fields_hold_is_refused_in_words(fields: dict[str, Any]) -> None:
    try:
        told = [engine.name for engine in yaml_model.validate(Source("board.yaml", fields), Platform).engines]
    except FileError as error:
        told = [problem.rule for problem in error.problems]
    assert told
    assert all(told)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".", "must be a regular file, but got a folder"),
        ("/dev/null", "must be a regular file, but got a device or pipe"),
        ("./nothing.yaml", "must exist, but got no such file"),
        ("a\0b.yaml", "must be readable, but got an error"),
        ("x" * 5000 + ".yaml", "must be readable, but got an error"),
    ],
)
def test_whatever_a_path_names_people_are_told(path: str, expected: str) -> None:
    with pytest.raises(FileError) as caught:
        platforms.load(path)
    assert expected in str(caught.value)
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "x" * 5000, "\0", "TX2\n"])
def test_whatever_a_key_is_people_are_told(key: str) -> None:
    with pytest.raises(BudgetnetError, match="must be a known platform or the path of a platform file") as caught:
        platforms.load(key)
    assert str(caught.value).isprintable()


def test_platforms_are_frozen() -> None:
    board = platforms.load("tda4vm")
    with pytest.raises(ValidationError, match="frozen"):
        board.name = "another"
