"""One search on several "machines": processes that run the same command with one real PostgreSQL between them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from formulas import Formula, curve, result
from postgresql import PASSWORD, Server, server
from races import go

from budgetnet.search import opening
from budgetnet.search.crew import Alone
from budgetnet.search.place import Storage
from budgetnet.search.run import Outcome
from budgetnet.search.study import Study

pytestmark = pytest.mark.slow

TRIALS = 16

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from formulas import Formula
from races import Silent, go
from budgetnet.search.crew import Alone, Workers
from budgetnet.search.place import Storage

class Says(Silent):
    def says(self, text):
        print(text, flush=True)

formula = Formula(seconds={seconds}, log=Path({log!r}))
crew = (lambda: Workers({workers}, formula)) if {workers} > 1 else (lambda: Alone(formula.evaluators))
storage = Storage(url={url!r}, name={name!r}, heartbeat=1, grace=4)
outcome = go(Path({folder!r}), trials={trials}, repeats=2, crew=crew, storage=storage, watcher=Says(), host={host!r})
print(outcome.stopped, flush=True)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as started:
        yield started


def machine(running: Server, folder: Path, host: str, *, workers: int = 1, seconds: float = 0.05) -> subprocess.Popen:
    """A machine that takes part; `folder` is shared."""
    program = PROGRAM.format(
        tests=str(Path(__file__).parent),
        seconds=seconds,
        log=str(folder / f"{host}.log"),
        workers=workers,
        url=running.url,
        name=folder.name,
        folder=str(folder / "search"),
        trials=TRIALS,
        host=host,
    )
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)


def study(running: Server, folder: Path) -> Study:
    return opening.existing(folder / "search", storage=running.url, name=folder.name)


def until(running: Server, folder: Path, begun: int) -> None:
    """Waits until so many trials were begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if len(study(running, folder).trials()) >= begun:
                return
        except Exception:  # it is not there yet
            time.sleep(0.2)
        time.sleep(0.1)
    raise AssertionError("no trials in two minutes")


def outcome_of(running: Server, folder: Path) -> Outcome:
    """What is there in the end; nothing may be left to train."""
    log = folder / "again.log"
    made = go(
        folder / "search",
        trials=TRIALS,
        repeats=2,
        crew=lambda: Alone(Formula(log=log).evaluators),
        storage=Storage(url=running.url, name=folder.name, heartbeat=1, grace=4),
    )
    assert not log.exists()
    return made


def require_whole(outcome: Outcome) -> None:
    """Every trial is there once, with what its training gives."""
    assert outcome.stopped is None
    assert len({trial.candidate for trial in outcome.trials}) == len(outcome.trials) == TRIALS
    for trial in outcome.trials:
        assert trial.status in ("done", "paused")
        assert trial.curve == {epoch: curve(trial.candidate, epoch) for epoch in range(1, trial.epochs + 1)}
        assert trial.result == (result(trial.candidate) if trial.status == "done" else None)
    assert all(check.result == result(check.candidate, seed=1) for check in outcome.checks)


def epochs_of(folder: Path) -> Counter[str]:
    return Counter(line for log in folder.glob("*.log") for line in log.read_text().splitlines())


def test_two_machines_share_a_search(running, tmp_path):
    machines = [machine(running, tmp_path, host) for host in ("a", "b")]
    assert [each.wait(300) for each in machines] == [0, 0]
    epochs = epochs_of(tmp_path)
    outcome = outcome_of(running, tmp_path)
    require_whole(outcome)
    assert set(epochs.values()) == {1}
    hosts = {span.worker.partition("/")[0] for trial in outcome.trials for span in trial.spans}
    assert hosts == {"a", "b"}


def test_of_two_machines_one_is_killed_and_the_other_takes_over(running, tmp_path):
    killed, lives = (
        machine(running, tmp_path, "a", workers=2, seconds=0.2),
        machine(running, tmp_path, "b", seconds=0.2),
    )
    until(running, tmp_path, begun=6)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    output, _ = lives.communicate(timeout=300)
    assert lives.returncode == 0
    assert "its machine was not heard of for too long; another one goes on" in output
    epochs = epochs_of(tmp_path)
    require_whole(outcome_of(running, tmp_path))
    assert sum(number - 1 for number in epochs.values()) <= 2  # the epochs that two workers had under way


def test_a_database_that_is_away_for_a_while_costs_nothing(running, tmp_path):
    both = [machine(running, tmp_path, host, seconds=0.2) for host in ("a", "b")]
    until(running, tmp_path, begun=4)
    running.stop("immediate")
    time.sleep(3)
    running.start()
    outputs = [each.communicate(timeout=300)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert all("does not answer" in output for output in outputs), outputs
    assert all(PASSWORD not in output for output in outputs)
    require_whole(outcome_of(running, tmp_path))


def test_who_interrupts_it_does_not_wait_for_a_database_that_is_away(running, tmp_path):
    one = machine(running, tmp_path, "a", seconds=0.2)
    until(running, tmp_path, begun=4)
    running.stop("immediate")
    try:
        time.sleep(2)
        one.send_signal(signal.SIGINT)
        output, _ = one.communicate(timeout=60)
    finally:
        running.start()
    assert one.returncode == 0
    assert "cannot be handed back" in output
    assert output.splitlines()[-1] == "it was interrupted"
    time.sleep(5)  # its trial is free after the grace
    assert machine(running, tmp_path, "a").wait(300) == 0
    require_whole(outcome_of(running, tmp_path))


def test_asked_to_stop_all_machines_end_and_the_search_goes_on_later(running, tmp_path):
    both = [machine(running, tmp_path, host, seconds=0.3) for host in ("a", "b")]
    until(running, tmp_path, begun=4)
    study(running, tmp_path).ask_to_stop()
    outputs = [each.communicate(timeout=60)[0] for each in both]
    assert [output.splitlines()[-1] for output in outputs] == ["it was asked to stop"] * 2
    assert len(study(running, tmp_path).trials()) < TRIALS
    assert machine(running, tmp_path, "a").wait(300) == 0
    require_whole(outcome_of(running, tmp_path))


def test_a_machine_that_would_search_something_else_is_refused(running, tmp_path):
    assert machine(running, tmp_path, "a").wait(300) == 0
    program = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from pathlib import Path
    from races import go
    from budgetnet.errors import BudgetnetError
    from budgetnet.search.place import Storage
    try:
        storage = Storage(url={running.url!r}, name={tmp_path.name!r})
        go(Path({str(tmp_path / "other")!r}), settings={{"seed": 5}}, storage=storage)
    except BudgetnetError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert "holds a search with other settings (seed 0, now 5" in done.stdout
    assert PASSWORD not in done.stdout
