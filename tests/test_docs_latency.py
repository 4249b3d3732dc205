"""docs/latency.md says what is so: its commands run or have such options, its table is what the benchmark finds."""

import csv
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from shell import Shell
from typer.main import get_command

from budgetnet.calibration.csv_file import NEEDED, OPTIONAL
from budgetnet.cli import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "latency.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition(" #")[0].partition("budgetnet ")[2])
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_options_exist(words: list[str]) -> None:
    known = {name for parameter in get_command(app).commands[words[0]].params for name in parameter.opts}  # type: ignore[attr-defined]
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "words", [c for c in COMMANDS if c[0] == "plan" and "reports/" not in " ".join(c)], ids=" ".join
)
def test_plans_run(shell: Shell, words: list[str]) -> None:
    done = shell(*words)
    assert done.code == 0
    assert "in nine of ten cases" in " ".join(done.out.split())


def test_the_table_of_efficiencies_is_what_the_benchmark_finds() -> None:
    spec = importlib.util.spec_from_file_location("efficiencies", ROOT / "benchmarks" / "efficiencies.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert "\n".join(program.summary(program.calibrations())) in TEXT


def test_the_columns_of_a_csv_are_those_that_are_read() -> None:
    (said,) = re.findall(r"columns (.*?) \(the time", " ".join(TEXT.split()))
    assert set(re.findall(r"`(\w+)`", said)) == {*NEEDED, *OPTIONAL}


def test_the_files_of_a_plan_in_time_are_named(shell: Shell, tmp_path: Path) -> None:
    shell("plan", "demo", "--platform", "jetson-tx2", "--output", str(tmp_path))
    for stem in ("plan-latency", "plan-layers", "plan-platforms"):
        assert f"`{stem}." in TEXT
        assert next(csv.reader((tmp_path / f"{stem}.csv").open()))
