"""The light commands start at once: they load none of the heavy packages, whatever is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "optuna", "pandas", "fvcore", "numpy", "matplotlib", "PIL", "safetensors", "sqlalchemy")

PROGRAM = """
import atexit, sys

def report():
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("LOADED", *sorted(loaded), file=sys.stderr)

atexit.register(report)
from budgetnet.__main__ import main
sys.argv[0] = "budgetnet"
main()
"""

IMPOSSIBLE = """\
name: impossible
cameras: 8
fps: 60
budget_gops: 0.001
classes: 7
input: {height: 320, width: 480}
"""


def loaded_by(folder: Path, *words: str, code: int = 0) -> set[str]:
    (folder / "impossible.yaml").write_text(IMPOSSIBLE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    last = done.stderr.splitlines()[-1].split()
    assert last[0] == "LOADED"
    assert "budgetnet" in last
    return set(last[1:])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--version"], 0),
        (["search", "--help"], 0),
        (["bench", "--help"], 0),
        (["ops"], 0),
        (["ops", "--summary"], 0),
        (["plan", "parking", "--format", "json"], 0),
        (["plan", "urban"], 0),
        (["search", "impossible.yaml"], 1),
        (["search", "nosuch"], 2),
        (["train", "--help"], 0),
        (["export", "--help"], 0),
        (["train", "urban", "--candidate", "depth_multiplier=-1"], 2),
        (["scenario", "new", "--defaults"], 0),
        (["scenario", "validate", "urban", "surround"], 0),
        (["scenario", "schema"], 0),
        (["platforms"], 0),
        (["platforms", "jetson-tx2", "--format", "json"], 0),
        (["platforms", "nosuch"], 2),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_light_command_loads_nothing_heavy(tmp_path: Path, words: list[str], code: int) -> None:
    assert loaded_by(tmp_path, *words, code=code).isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["ops"], ["ops", "--summary"]], ids=" ".join)
def test_only_what_writes_a_workbook_loads_its_library(tmp_path: Path, words: list[str]) -> None:
    assert "xlsxwriter" not in loaded_by(tmp_path, *words)


def test_help_does_not_even_load_the_networks(tmp_path: Path) -> None:
    program = "import sys, budgetnet.cli; print(*(name for name in sys.modules if name.startswith('budgetnet')))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        "budgetnet",
        "budgetnet.bench_cli",
        "budgetnet.calibrate_cli",
        "budgetnet.cli",
        "budgetnet.compare_cli",
        "budgetnet.options",
        "budgetnet.platforms_cli",
        "budgetnet.data_cli",
        "budgetnet.export_cli",
        "budgetnet.scenario_cli",
        "budgetnet.search_cli",
        "budgetnet.terminal",
        "budgetnet.train_cli",
        "budgetnet.training_options",
        "budgetnet.errors",
    }
