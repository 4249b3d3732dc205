"""Searches that are killed at random moments, again and again: nothing is lost but the epoch under way.

SIGKILL to the whole search, and to single workers. With one worker the table in the end is that of a search that nobody
killed; with several every result is the one that its training gives, and no candidate is trained twice.
"""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from formulas import Formula, curve, result
from races import go, table

from budgetnet.search.crew import Workers

pytestmark = pytest.mark.slow

TRIALS, SECONDS = 14, 0.03
KILLS = 24

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from formulas import Formula
from races import go
from budgetnet.search.crew import Alone, Workers
formula = Formula(seconds={seconds}, log=Path({log!r}))
crew = (lambda: Workers({workers}, formula)) if {workers} > 1 else (lambda: Alone(formula.evaluators))
go(Path({folder!r}), trials={trials}, repeats=2, audit=2, crew=crew)
"""


def begin(folder: Path, workers: int, seconds: float = SECONDS) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(
        tests=str(Path(__file__).parent),
        seconds=seconds,
        log=str(folder / "log"),
        workers=workers,
        folder=str(folder / "search"),
        trials=TRIALS,
    )
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=dict(os.environ))


def kill_until_done(folder: Path, workers: int, drawn: random.Random) -> int:
    """Kills a search at random moments until it has ended by itself; how often. Three in four are kills in a training:
    the moment is counted from its first epoch on; the others may hit the search while it begins.
    """
    kills = 0
    while True:
        before = len(trained(folder / "log"))
        process = begin(folder, workers)
        if kills % 4:
            while process.poll() is None and len(trained(folder / "log")) == before:
                time.sleep(0.01)
        moment = drawn.uniform(0.0, 3.0 / workers**2) if kills < KILLS else 600
        try:
            assert process.wait(moment) == 0
            return kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1


def trained(log: Path) -> list[str]:
    """The epochs so far."""
    return log.read_text().splitlines() if log.exists() else []


def again(log: Path) -> int:
    """How many epochs were trained more than once."""
    return sum(number - 1 for number in Counter(log.read_text().splitlines()).values())


def gone(folder: Path) -> bool:
    """Whether no process of the search is left."""
    for _ in range(50):
        left = [
            each
            for each in Path("/proc").glob("[0-9]*/cmdline")
            if str(folder).encode() in _read(each) and each.parent.name != str(os.getpid())
        ]
        if not left:
            return True
        time.sleep(0.1)
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_one_worker_killed_at_random_moments_ends_as_one_that_nobody_killed(tmp_path):
    kills, seed = 0, 0
    whole = table(go(tmp_path / "whole", trials=TRIALS, repeats=2, audit=2))
    while kills < KILLS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        some = kill_until_done(folder, 1, random.Random(seed))
        assert table(go(folder / "search", trials=TRIALS, repeats=2, audit=2)) == whole
        assert again(folder / "log") <= some  # at most the epoch under way, each time
        kills, seed = kills + some, seed + 1


def test_two_workers_killed_with_their_search_at_random_moments_lose_nothing(tmp_path):
    some = kill_until_done(tmp_path, 2, random.Random(1))
    assert some >= 3
    outcome = go(tmp_path / "search", trials=TRIALS, repeats=2, audit=2)
    assert len({trial.candidate for trial in outcome.trials}) == len(outcome.trials) == TRIALS
    for trial in outcome.trials:
        assert trial.status in ("done", "paused")
        assert trial.curve == {epoch: curve(trial.candidate, epoch) for epoch in range(1, trial.epochs + 1)}
        assert trial.result == (result(trial.candidate) if trial.status == "done" else None)
    assert again(tmp_path / "log") <= 2 * some
    assert gone(tmp_path / "search")


def test_single_workers_killed_at_random_moments_lose_nothing(tmp_path):
    """The search itself goes on all the time."""
    process = begin(tmp_path, 2, seconds=0.15)
    drawn, kills = random.Random(5), 0
    while process.poll() is None:
        time.sleep(drawn.uniform(1.5, 2.5))  # three within one epoch would be a trial that kills its workers
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = _read(children).split()
        # the older one, which is at work: one that is killed again and again before it is ready is a fault to be told
        if len(workers) == 2 and kills < KILLS:
            try:
                os.kill(int(workers[0]), signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                continue
    assert process.returncode == 0
    assert kills >= 5
    outcome = go(tmp_path / "search", trials=TRIALS, repeats=2, audit=2)
    assert len({trial.candidate for trial in outcome.trials}) == TRIALS
    assert [trial.reason for trial in outcome.trials if trial.status == "failed"] == []
    for trial in outcome.trials:
        assert trial.curve == {epoch: curve(trial.candidate, epoch) for epoch in range(1, trial.epochs + 1)}
    assert again(tmp_path / "log") <= kills


def test_a_search_of_two_workers_goes_on_with_one(tmp_path):
    process = begin(tmp_path, 2)
    time.sleep(2.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    outcome = go(tmp_path / "search", trials=TRIALS, repeats=2, audit=2)
    assert len({trial.candidate for trial in outcome.trials}) == TRIALS
    more = go(tmp_path / "search", trials=TRIALS + 4, repeats=2, audit=2, crew=lambda: Workers(2, Formula()))
    assert len({trial.candidate for trial in more.trials}) == TRIALS + 4
