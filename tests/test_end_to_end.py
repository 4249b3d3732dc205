"""The whole command on real trainings, small: reports written, killed and resumed, real images where there are some."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from budgetnet.search.report import TIME_COLUMNS

pytestmark = pytest.mark.slow

SCENARIO = """\
name: tiny
cameras: 4
fps: 30
budget_gops: 6
classes: 7
input: {height: 64, width: 96}
dataset: synthetic:train=12,val=4
search_space:
  depth_multiplier: [0.25, 0.5, 1.0]
  final_endpoint: [Conv2d_5_pointwise, Conv2d_11_pointwise]
  classifier_kernel: [3]
  classifier_depth: [32, 64]
training: {epochs: 3, batch_size: 4}
"""


def command(folder: Path, *words: str) -> list[str]:
    (folder / "tiny.yaml").write_text(SCENARIO)
    return [sys.executable, "-m", "budgetnet", "search", "tiny.yaml", "--trials", "4", *words]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *words), cwd=folder, check=False, capture_output=True, text=True)


def rows(folder: Path, name: str = "trials.csv") -> list[dict[str, str]]:
    """A table without the columns that tell how long something took."""
    with (folder / "reports" / "tiny" / name).open(newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


def test_a_search_writes_its_reports_and_ends(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "reports" / "tiny"
    for name in ("search.md", "search.json", "trials.csv", "pareto.csv", "pareto.png", "pareto.html", "study.db"):
        assert (folder / name).stat().st_size > 0
    record = json.loads((folder / "search.json").read_text())
    assert len(record["trials"]) == 4
    assert {trial["status"] for trial in record["trials"]} <= {"done", "paused"}
    assert record["pareto"]
    for trial in record["trials"]:
        result = trial["result"]
        if result is None:
            continue
        assert result["macs"] == result["fvcore_macs"]
        assert result["ops"] * 120 <= 6e9
        assert 0 < result["scores"]["mean_iou"] < 1
    markdown = (folder / "search.md").read_text()
    for number in record["pareto"]:
        picture = f"runs/{number:04d}/preview.png"
        assert picture in markdown
        assert (folder / picture).exists()
    assert {int(row["trial"]) for row in rows(tmp_path, "pareto.csv")} == set(record["pareto"])
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.yaml", "reports"}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_search_killed_in_a_training_and_resumed_ends_with_the_same_numbers(tmp_path, after):
    """`after` whole trainings and one epoch, then SIGKILL."""
    (tmp_path / "whole").mkdir()
    assert run(tmp_path / "whole").returncode == 0
    (tmp_path / "cut").mkdir()
    checkpoint = tmp_path / "cut" / "reports" / "tiny" / "runs" / f"{after:04d}" / "checkpoint.pt"
    process = subprocess.Popen(
        command(tmp_path / "cut"), cwd=tmp_path / "cut", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = run(tmp_path / "cut")
    assert resumed.returncode == 0, resumed.stderr
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_ctrl_c_writes_the_report_of_what_is_done_and_exits_130(tmp_path):
    process = subprocess.Popen(
        command(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    second = tmp_path / "reports" / "tiny" / "runs" / "0001"
    deadline = time.monotonic() + 300
    while not second.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "it was interrupted, the same command goes on" in " ".join(output.split())
    assert "Traceback" not in errors
    assert len(rows(tmp_path)) == 2


def about(folder: Path, word: str) -> str:
    """What is said of the search in the folder."""
    told = run(folder, word)
    assert told.returncode == 0, told.stderr
    return " ".join(told.stdout.split())


def test_a_search_under_way_is_shown_stopped_and_gone_on_with(tmp_path):
    longer = ("--epochs", "400", "--rungs", "none")
    process = subprocess.Popen(command(tmp_path, *longer), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "reports" / "tiny" / "runs" / "0000" / "checkpoint.pt"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    assert "1 trial begun: 1 under way." in about(tmp_path, "--status")
    assert about(tmp_path, "--stop") == "Asked to stop: 1 training will end after the epoch under way."
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "it was asked to stop" in " ".join(output.split())
    assert "1 trial begun: 1 cut off, to be resumed." in about(tmp_path, "--status")
    process = subprocess.Popen(command(tmp_path, *longer), cwd=tmp_path, stdout=subprocess.DEVNULL)
    while "1 under way" not in about(tmp_path, "--status"):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "1 trial begun: 1 cut off, to be resumed." in about(tmp_path, "--status")
    assert about(tmp_path, "--stop") == "Nothing is being trained there."


def test_first_rungs_on_smaller_images_end_as_whole_trainings_do(tmp_path):
    words = ("--set", "early_epochs=1", "--rungs", "1", "--repeats", "2")
    assert (done := run(tmp_path, *words)).returncode == 0, done.stderr
    reached = {row["status"] for row in rows(tmp_path)}
    assert reached == {"done", "paused"}
    assert all(row["mean_iou_epoch_1"] for row in rows(tmp_path))
    (best, *_) = rows(tmp_path, "pareto.csv")
    words = ["tiny.yaml", "--from", "reports/tiny/pareto.csv:0", "--set", "early_epochs=1", "-o", "again"]
    trained = subprocess.run([sys.executable, "-m", "budgetnet", "train", *words], cwd=tmp_path, capture_output=True)
    assert trained.returncode == 0, trained.stderr
    assert json.loads((tmp_path / "again" / "run.json").read_text())["result"]["scores"]["mean_iou"] == float(
        best["mean_iou"]
    )
    assert (tmp_path / "reports" / "tiny" / "checks.csv").exists()
    assert run(tmp_path, "--epochs", "1", "--rungs", "none", "--restart").returncode == 0
    assert not (tmp_path / "reports" / "tiny" / "checks.csv").exists()


@pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="BUDGETNET_CAMVID names no folder with CamVid")
def test_a_training_on_camvid_beats_guessing_by_far(tmp_path):
    words = ["--dataset", f"camvid:{os.environ['BUDGETNET_CAMVID']}", "--trials", "1", "--epochs", "8"]
    assert run(tmp_path, *words).returncode == 0
    record = json.loads((tmp_path / "reports" / "tiny" / "search.json").read_text())
    assert record["trials"][0]["result"]["scores"]["mean_iou"] > 3 * record["guess_mean_iou"]
