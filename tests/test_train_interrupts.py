"""Trainings stopped in every way, as programs of their own: the same command goes on to the very same weights."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event
from test_training_log import events

pytestmark = pytest.mark.slow

SCENARIO = """\
name: tiny
cameras: 1
fps: 10
budget_gops: 6
classes: 7
input: {height: 64, width: 96}
dataset: synthetic:train=24,val=8
training:
  {epochs: 6, batch_size: 4, parts: 2, optimizer: adamw, schedule: one-cycle, warm_up: 0.3, averaging: 0.9,
   flip: true, smallest_scale: 0.5, largest_scale: 2, photometric: 0.3, keep: best}
"""
CANDIDATE = "depth_multiplier=0.25 classifier_kernel=3 classifier_depth=32"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def begin(folder: Path, *launcher: str, **streams: int) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(SCENARIO)
    words = [sys.executable, *launcher, "-m", "budgetnet", "train", "tiny.yaml", "--candidate", CANDIDATE, "-o", "run"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=folder, text=True, env=environment, start_new_session=True, **piped)


def finish(folder: Path, *launcher: str) -> str:
    """Runs to the end; what it said of its progress."""
    process = begin(folder, *launcher)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


def wait_for(process: subprocess.Popen[str], path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "run" / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    finish(folder)
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    names = ("weights.safetensors", "preview.png")
    assert all((folder / "run" / name).read_bytes() == (whole / "run" / name).read_bytes() for name in names)
    assert history(folder) == history(whole)
    found: list[Event] = events(folder / "run")
    assert [event.step for event in found] == [1, 2, 3, 4, 5, 6]
    left = {path.name for path in (folder / "run").iterdir()}
    assert left == {path.name for path in (whole / "run").iterdir()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_asked_to_stop_keeps_its_step_and_goes_on(tmp_path, whole, number):
    process = begin(tmp_path)
    wait_for(process, tmp_path / "run" / "history.csv")
    time.sleep(random.Random(number).uniform(0, 0.5))
    process.send_signal(number)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert errors.endswith("Stopped: the state is kept in run; the same command goes on.\n")
    assert "Stopping after the step under way; a second signal stops at once." in errors
    assert "Traceback" not in output + errors
    done = len(history(tmp_path))
    assert 1 <= done < 6
    again = finish(tmp_path)
    assert f"Going on after epoch {done} of 6" in again
    assert f"epoch {done + 1}/6" in again
    assert f"epoch {done}/6" not in again
    assert_same(tmp_path, whole)


def test_one_that_is_killed_again_and_again_loses_the_epoch_under_way_at_most(tmp_path, whole):
    drawn, done = random.Random(5), 0
    for _ in range(4):
        process = begin(tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(process, tmp_path / "run" / "training.json")
        deadline = time.monotonic() + 100
        while not done and not (tmp_path / "run" / "history.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(drawn.uniform(0, 3 if done else 0.3))
        process.kill()
        process.wait()
        if (tmp_path / "run" / "run.json").exists():
            break
        assert len(history(tmp_path)) >= done
        done = len(history(tmp_path))
    finish(tmp_path)
    assert_same(tmp_path, whole)


def test_a_second_one_in_the_same_folder_is_refused(tmp_path):
    process = begin(tmp_path)
    wait_for(process, tmp_path / "run" / "training.json")
    second = begin(tmp_path)
    _, errors = second.communicate(timeout=100)
    assert second.returncode == 2
    told = "must be used by one training at a time, but another one is running there"
    assert errors == f"Error: run: {told}\n"
    process.kill()
    process.wait()


def test_two_processes_train_as_one_and_can_be_stopped(tmp_path, whole):
    told = finish(tmp_path / "two", *TORCHRUN)
    assert_same(tmp_path / "two", whole)
    assert [line.partition(":")[0] for line in told.splitlines() if line.startswith("epoch")] == [
        f"epoch {number}/6" for number in range(1, 7)
    ]
    process = begin(tmp_path / "stopped", *TORCHRUN)
    wait_for(process, tmp_path / "stopped" / "run" / "history.csv")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert errors.count("Stopped: the state is kept in run; the same command goes on.") == 1
    assert (tmp_path / "stopped" / "run" / "checkpoint.pt").exists()
    assert "Going on after epoch" in finish(tmp_path / "stopped")  # and one process goes on where two were
    assert_same(tmp_path / "stopped", whole)


def test_of_two_processes_the_first_alone_says_what_is_wrong(tmp_path, whole):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    process = begin(tmp_path, *TORCHRUN)
    output, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert output.count("an image of 64 x 96 takes") == 1
    assert errors.count("must be a folder of its own for each training, but holds a finished run") == 1
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "run.json"}
