"""docs/platforms.md says what is so: its commands run, its file loads and has every field."""

import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from shell import Shell

from budgetnet import platforms
from budgetnet.platforms import Engine, Figure, Kind, Memory, OnChip, Peak, Platform

TEXT = (Path(__file__).parents[1] / "docs" / "platforms.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("#")[0].partition("budgetnet ")[2])
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
(FILE,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def board(tmp_path: Path) -> Platform:
    path = tmp_path / "my-board.yaml"
    path.write_text(FILE)
    return platforms.load(path)


def given(value: Any) -> set[tuple[type[BaseModel], str]]:
    """Each model's fields that are given somewhere in a platform."""
    if isinstance(value, tuple):
        return set().union(*map(given, value))
    if not isinstance(value, BaseModel):
        return set()
    inner = set().union(*(given(each) for _, each in value))
    return inner | {(type(value), name) for name in value.model_fields_set}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_run(shell: Shell, words: list[str]) -> None:
    Path("my-board.yaml").write_text(FILE)
    done = shell(*words)
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) > 5


def test_the_file_has_every_field(board: Platform) -> None:
    every = {(each, name) for each in (Platform, Engine, Memory, OnChip, Figure) for name in each.model_fields}
    others = {(Peak, name) for name in ("fp32", "fp16", "int8", "int8_sparse")}
    assert every | others <= given(board)
    assert re.findall(r"^(\w+):", FILE, re.MULTILINE) == list(Platform.model_fields)


def test_what_the_file_says_of_itself_is_so(board: Platform) -> None:
    gpu, accelerator = board.engines
    assert board.peak_ops_per_second("int8") == 48e12 == 16e12 + 2 * 16e12
    assert gpu.peak.fp16 is not None
    assert gpu.peak.fp16.value == pytest.approx(2 * 500 * 8 * 1e9 / 1e12)
    assert (board.bandwidth(gpu), board.bandwidth(accelerator)) == (102.4e9, 25.6e9)
    assert board.engines_for("int8") == [gpu, accelerator]


def test_every_kind_and_precision_is_explained() -> None:
    for name in (*get_args(Kind), *Peak.model_fields):
        assert f"`{name}`" in TEXT


def test_fields_of_the_table_are_there() -> None:
    models: dict[str, type[BaseModel]] = {"memory": Memory, "on_chip": OnChip, "engines[]": Engine, "": Platform}
    named = re.findall(r"^\| `([\w.\[\]]+)` \|", TEXT, re.MULTILINE)
    assert len(named) == 10
    for name in named:
        section, _, field = name.rpartition(".")
        assert field in models[section].model_fields


def test_what_is_missing_is_missing() -> None:
    for key in ("tda4vm", "am62a", "am69a", "rk3588"):
        board = platforms.load(key)
        assert board.bandwidth(board.engines[0]) is None
    for key in ("drive-agx-orin", "jetson-thor-t5000"):
        assert platforms.load(key).total_peak("int8") is None
    assert {engine.kind for engine in platforms.load("jetson-xavier-nx").engines} == {"gpu"}
    for key in ("jetson-tx1", "jetson-tx2", "jetson-nano", "tesla-k80"):
        assert platforms.load(key).total_peak("int8") is None
