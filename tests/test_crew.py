"""Workers: what they tell, in which order; and that neither their death nor that of their coordinator costs more than
the epoch under way, or leaves anything behind.
"""

import json
import os
import pickle
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import crew_trainings
import pytest
from crew_trainings import EPOCHS, evaluators, evaluators_in, job, result, row

from budgetnet.bench.pinning import cores
from budgetnet.errors import BudgetnetError
from budgetnet.results import Result
from budgetnet.search import crew as crews
from budgetnet.search.crew import (
    Alone,
    Crew,
    Died,
    Done,
    EpochDone,
    Event,
    Failed,
    Paused,
    Resumed,
    Stepped,
    Stopped,
    Workers,
)
from budgetnet.search.process import Ended, Process, ending
from budgetnet.search.shares import gpus, listed, shares

ENDINGS = Paused | Done | Failed | Stopped | Died
HISTORY = [row(epoch) for epoch in range(1, EPOCHS + 1)]


@pytest.fixture(params=["alone", "workers"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Crew]:
    """One worker, of each kind."""
    kinds: dict[str, Callable[[], Crew]] = {
        "alone": lambda: Alone(evaluators),
        "workers": lambda: Workers(1, partial(evaluators_in, tmp_path)),
    }
    return kinds[request.param]


def told(crew: Crew, *jobs: crews.Job) -> list[Event]:
    """Every event of jobs that are done one after the other, but for the steps: when they are told depends on time."""
    events: list[Event] = []
    for each in jobs:
        crew.start(crew.idle[0], each)
        while crew.busy:
            crew.wait(events.append)
    return [event for event in events if not isinstance(event, Stepped)]


def until(
    crew: Crew, wanted: Callable[[list[Event]], bool], handle: Callable[[Event], None] = lambda event: None
) -> list[Event]:
    """The events until they are as wanted; fails after half a minute."""
    events: list[Event] = []

    def take(event: Event) -> None:
        events.append(event)
        handle(event)

    deadline = time.monotonic() + 30
    while not wanted(events):
        assert time.monotonic() < deadline, events
        crew.wait(take, 1)
    return events


def epochs(number: int, *which: int) -> list[Event]:
    return [EpochDone(number=number, row=row(epoch)) for epoch in which]


def workers_of(pid: int) -> list[int]:
    """The workers that a process has started and that are still in the table, zombies too."""
    table = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    found = [line.split(None, 2) for line in table.splitlines()]
    named = ("search.worker", "<defunct>")
    return [int(own) for own, parent, args in found if int(parent) == pid and any(name in args for name in named)]


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_events_come_in_order(make, tmp_path):
    with make() as crew:
        assert (crew.idle, crew.busy) == ((0,), ())
        events = told(crew, job(tmp_path, 7))
    assert events == [*epochs(7, 1, 2, 3, 4), Done(number=7, result=result(HISTORY))]


def test_a_training_pauses_at_its_target_and_goes_on_to_the_next_one(make, tmp_path):
    with make() as crew:
        events = told(
            crew, job(tmp_path, target=1), job(tmp_path, target=3, known=1), job(tmp_path, target=EPOCHS, known=3)
        )
    assert events == [
        *epochs(0, 1),
        Paused(number=0),
        Resumed(number=0, epochs=1),
        *epochs(0, 2, 3),
        Paused(number=0),
        Resumed(number=0, epochs=3),
        *epochs(0, 4),
        Done(number=0, result=result(HISTORY)),
    ]


def test_one_that_has_its_target_already_pauses_without_another_epoch(make, tmp_path):
    with make() as crew:
        told(crew, job(tmp_path, target=2))
        events = told(crew, job(tmp_path, target=2, known=2))
    assert events == [Resumed(number=0, epochs=2), Paused(number=0)]


def test_epochs_that_nobody_was_told_of_are_told_later(make, tmp_path):
    with make() as crew:
        told(crew, job(tmp_path, target=3))
        events = told(crew, job(tmp_path, target=3, known=1))
    assert events == [Resumed(number=0, epochs=3), *epochs(0, 2, 3), Paused(number=0)]


def test_a_result_that_nobody_was_told_of_is_told_without_training(make, tmp_path):
    with make() as crew:
        told(crew, job(tmp_path))
        (tmp_path / "0000" / "pid").unlink()
        events = told(crew, job(tmp_path, known=3))
    assert events == [Resumed(number=0, epochs=4), *epochs(0, 4), Done(number=0, result=result(HISTORY))]
    assert not (tmp_path / "0000" / "pid").exists()


def test_changes_of_the_training_reach_it(make, tmp_path):
    with make() as crew:
        events = told(crew, job(tmp_path, seed=1))
    assert events[0] == EpochDone(number=0, row=row(1, seed=1))


def test_a_training_that_cannot_go_on_says_why_and_the_next_one_can(make, tmp_path):
    with make() as crew:
        events = told(crew, job(tmp_path, does="fails", epoch=2), job(tmp_path, 1))
    assert events[:2] == [*epochs(0, 1), Failed(number=0, reason="loss must be finite, but got nan")]
    assert isinstance(events[-1], Done)
    assert not (tmp_path / "0000" / "error.txt").exists()


def test_a_training_that_cannot_be_made_fails_alone(make, tmp_path):
    with make() as crew:
        events = told(crew, job(tmp_path, does="cannot be made"), job(tmp_path, 1))
    assert events[0] == Failed(number=0, reason="teacher: must be a finished run, but is not")
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize(
    ("does", "reason", "trace"),
    [
        ("has a bug", "KeyError: 'fused'", "in _have_a_bug"),
        ("runs out of memory", "memory must hold a batch of 4, but ran out", "RuntimeError: CUDA error: out of memory"),
    ],
)
def test_what_nobody_foresaw_ends_one_training_and_leaves_its_trace(make, tmp_path, does, reason, trace):
    with make() as crew:
        events = told(crew, job(tmp_path, does=does, epoch=2), job(tmp_path, 1))
        assert events[:2] == [*epochs(0, 1), Failed(number=0, reason=reason)]
        assert isinstance(events[-1], Done)
        assert trace in (tmp_path / "0000" / "error.txt").read_text()
        pids = [(tmp_path / name / "pid").read_text() for name in ("0000", "0001")]
        assert (pids[0] == pids[1]) == isinstance(crew, Alone)  # a GPU's driver may be out of order: begun anew
        assert told(crew, job(tmp_path, known=1, does=does, epoch=2))[0] == Resumed(number=0, epochs=1)
        assert not (tmp_path / "0000" / "error.txt").exists()


def test_a_trace_that_cannot_be_written_costs_nothing_more(tmp_path):
    asked = job(tmp_path, does="has a bug", epoch=2)
    (asked.folder / "error.txt").mkdir()
    with Alone(evaluators) as crew:
        assert told(crew, asked)[-1] == Failed(number=0, reason="KeyError: 'fused'")


def test_an_error_without_words_is_told_by_its_type(tmp_path):
    def wordless(changes: Any) -> Any:
        def evaluate(*_: Any) -> Result:
            raise MemoryError

        return evaluate

    with Alone(wordless) as crew:
        assert told(crew, job(tmp_path)) == [Failed(number=0, reason="MemoryError")]


def test_stop_ends_trainings_after_their_epoch_for_good(make, tmp_path):
    events: list[Event] = []
    with make() as crew:

        def handle(event: Event) -> None:
            events.append(event)
            if isinstance(event, EpochDone):
                crew.stop()

        crew.start(0, job(tmp_path, seconds=0.2))
        while crew.busy:
            crew.wait(handle)
        assert events[-1] == Stopped(number=0)
        assert EPOCHS > sum(isinstance(event, EpochDone) for event in events) >= 1
        with pytest.raises(ValueError, match="start: must come before stop, but came after it"):
            crew.start(0, job(tmp_path))
    with Alone(evaluators) as another:
        assert told(another, job(tmp_path, known=1))[-1] == Done(number=0, result=result(HISTORY))


def test_stop_reaches_jobs_that_nobody_has_begun(make, tmp_path):
    with make() as crew:
        crew.start(0, job(tmp_path))
        crew.stop()
        crew.stop()
        assert until(crew, bool) == [Stopped(number=0)]
        assert crew.idle == (0,)
    assert not (tmp_path / "0000" / "pid").exists()


def test_steps_are_told_now_and_then(make, tmp_path):
    events: list[tuple[float, Event]] = []
    with make() as crew:
        crew.start(0, job(tmp_path, seconds=0.01))
        while crew.busy:
            crew.wait(lambda event: events.append((time.monotonic(), event)))
    steps = [event.step for _, event in events if isinstance(event, Stepped)]
    assert (steps[0].epoch, steps[0].batch) == (1, 1)
    lasted = events[-1][0] - events[0][0]
    assert len(steps) <= 2 + 5 * lasted  # of 12 in 0.12 seconds, or more on a machine that has other work


def test_misuse_is_refused(make, tmp_path):
    with make() as crew:
        crew.wait(lambda event: None, 0.5)  # a process gets ready, which is no event
        with pytest.raises(ValueError, match="seconds: must be given where no worker is busy, but got None"):
            crew.wait(lambda event: None)
        started = time.monotonic()
        crew.wait(lambda event: None, 0.1)
        assert time.monotonic() - started >= 0.1
        crew.start(0, job(tmp_path))
        with pytest.raises(ValueError, match=r"worker: must be an idle one, here of \[\], but got 0"):
            crew.start(0, job(tmp_path))


def test_what_the_handler_raises_goes_through_and_is_no_fault_of_the_training(make, tmp_path):
    def handle(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise ConnectionError("the database is gone")

    with make() as crew:
        crew.start(0, job(tmp_path))
        with pytest.raises(ConnectionError, match="the database is gone"):
            until(crew, lambda events: False, handle=handle)
    assert not (tmp_path / "0000" / "error.txt").exists()


def test_the_handler_of_an_ending_may_start_the_next(make, tmp_path):
    events: list[Event] = []
    with make() as crew:

        def handle(event: Event) -> None:
            events.append(event)
            if event == Paused(number=0):
                crew.start(crew.idle[0], job(tmp_path, 1, target=2))

        crew.start(0, job(tmp_path, target=1))
        while crew.busy:
            crew.wait(handle)
    endings = [event for event in events if isinstance(event, ENDINGS)]
    assert endings == [Paused(number=0), Paused(number=1)]


def test_alone_lets_ctrl_c_through_and_goes_on_afterwards(tmp_path):
    def handle(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    with Alone(evaluators) as crew:
        crew.start(0, job(tmp_path))
        with pytest.raises(KeyboardInterrupt):
            crew.wait(handle)
        assert crew.idle == (0,)
        assert told(crew, job(tmp_path, known=1))[0] == Resumed(number=0, epochs=1)


def test_alone_says_at_once_what_cannot_be_made():
    def broken(changes: Any) -> Any:
        raise BudgetnetError("teacher: must be a finished run, but is not")

    with pytest.raises(BudgetnetError, match="teacher: must be a finished run"), Alone(broken):
        pass


# --- processes


@pytest.mark.parametrize(
    ("does", "how"),
    [
        ("is killed", "killed by signal 9 (SIGKILL)"),
        ("crashes", "killed by signal 11 (SIGSEGV)"),
        ("exits", "ended with code 3"),
        ("exits orderly", "ended with code 0"),
    ],
)
def test_a_worker_that_dies_is_told_and_replaced_and_its_training_goes_on(tmp_path, does, how):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        events = told(crew, job(tmp_path, does=does, epoch=3), job(tmp_path, known=2, does=does, epoch=3))
    assert events == [
        *epochs(0, 1, 2),
        Died(number=0, how=how),
        Resumed(number=0, epochs=2),
        *epochs(0, 3, 4),
        Done(number=0, result=result(HISTORY)),
    ]


def test_a_worker_killed_between_its_checkpoint_and_telling_loses_nothing(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        asked = partial(job, tmp_path, target=2, does="waits to be killed", epoch=2)
        events = told(crew, asked(), asked(known=1))
    assert events == [
        *epochs(0, 1),
        Died(number=0, how="killed by signal 9 (SIGKILL)"),
        Resumed(number=0, epochs=2),
        *epochs(0, 2),
        Paused(number=0),
    ]


def test_a_worker_that_nobody_understands_is_replaced(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        events = told(crew, job(tmp_path, does="speaks in riddles", epoch=1), job(tmp_path, 1, target=1))
    assert events == [Died(number=0, how="killed by signal 9 (SIGKILL)"), *epochs(1, 1), Paused(number=1)]


def test_an_idle_worker_that_is_killed_is_replaced_without_a_word(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        told(crew, job(tmp_path, target=1))
        os.kill(int((tmp_path / "0000" / "pid").read_text()), signal.SIGKILL)
        crew.wait(lambda event: pytest.fail(str(event)), 0.5)
        events = told(crew, job(tmp_path, known=1))
    assert events[0] == Resumed(number=0, epochs=1)
    assert isinstance(events[-1], Done)


def test_alone_and_workers_tell_the_same(tmp_path):
    def jobs(folder: Path) -> list[crews.Job]:
        return [
            job(folder, 0, target=2),
            job(folder, 1, does="fails", epoch=3),
            job(folder, 0, target=3, known=1),
            job(folder, 2, does="has a bug", epoch=1),
            job(folder, 0, known=3),
            job(folder, 3, seed=2),
        ]

    with Alone(evaluators) as crew:
        alone = told(crew, *jobs(tmp_path / "alone"))
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        assert told(crew, *jobs(tmp_path / "workers")) == alone


def test_two_workers_are_at_work_at_the_same_time(tmp_path):
    with Workers(2, partial(evaluators_in, tmp_path)) as crew:
        jobs = [job(tmp_path / "runs", number, does="meets", epoch=1) for number in (0, 1)]
        for worker, each in enumerate(jobs):
            crew.start(worker, each)
        assert (crew.idle, crew.busy) == ((), (0, 1))
        events = until(crew, lambda events: sum(isinstance(event, ENDINGS) for event in events) == 2)
    assert [event for event in events if isinstance(event, Failed | Died)] == []
    for number in (0, 1):
        mine = [event for event in events if event.number == number and not isinstance(event, Stepped)]
        assert mine == [*epochs(number, 1, 2, 3, 4), Done(number=number, result=result(HISTORY))]


def test_signals_of_the_terminal_are_the_coordinators(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        crew.start(0, job(tmp_path, seconds=0.05))
        until(crew, bool)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(int((tmp_path / "0000" / "pid").read_text()), number)
        events = until(crew, lambda events: any(isinstance(event, ENDINGS) for event in events))
    assert events[-1] == Done(number=0, result=result(HISTORY))


@pytest.mark.parametrize("ends", [None, RuntimeError, KeyboardInterrupt])
def test_leaving_keeps_the_step_under_way_and_leaves_no_process(tmp_path, ends):
    def leave() -> None:
        with Workers(2, partial(evaluators_in, tmp_path)) as crew:
            crew.start(0, job(tmp_path, seconds=0.3))
            until(crew, bool)
            assert len(workers_of(os.getpid())) == 2
            if ends is not None:
                raise ends

    if ends is None:
        leave()
    else:
        with pytest.raises(ends):
            leave()
    assert workers_of(os.getpid()) == []
    history, batch = json.loads((tmp_path / "0000" / "checkpoint.json").read_text())
    assert len(history) * crew_trainings.BATCHES + batch >= 1


def test_ctrl_c_interrupts_waiting(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        crew.start(0, job(tmp_path, seconds=0.3))
        until(crew, bool)
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            until(crew, lambda events: False)
        crew.stop()
        events = until(crew, lambda events: any(isinstance(event, ENDINGS) for event in events))
    assert events[-1] == Stopped(number=0)


def test_leaving_does_not_wait_for_what_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(crews, "LEAVE_SECONDS", 0.5)
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        crew.start(0, job(tmp_path, does="holds the interpreter", epoch=1))
        until(crew, lambda events: (tmp_path / "0000" / "gone wrong").exists())
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert workers_of(os.getpid()) == []


COORDINATOR = """\
import sys
from functools import partial
from pathlib import Path
from crew_trainings import evaluators_in, job
from budgetnet.search.crew import Workers

folder = Path(sys.argv[1])
with Workers(2, partial(evaluators_in, folder)) as crew:  # a program that nothing protects from being read again
    crew.start(0, job(folder, 0, seconds=30))
    crew.start(1, job(folder, 1, does="holds the interpreter", epoch=1))
    while True:
        crew.wait(lambda event: None)
"""


def test_workers_end_with_their_coordinator_whatever_ends_it(tmp_path):
    program = tmp_path / "coordinator.py"
    program.write_text(COORDINATOR)
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(crews.__file__).parents[2])])
    process = subprocess.Popen([sys.executable, program, tmp_path], env={**os.environ, "PYTHONPATH": paths})
    pids: list[int] = []
    try:
        deadline = time.monotonic() + 20
        at_work = [tmp_path / "0000" / "pid", tmp_path / "0001" / "gone wrong"]
        while not all(path.exists() for path in at_work):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pids = workers_of(process.pid)
        assert len(pids) == 2
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 2
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not list(tmp_path.glob("*/error.txt"))


def test_a_worker_ends_where_nobody_speaks_to_it_any_more(tmp_path):
    heard: Any = queue.SimpleQueue()
    process = Process(pickle.dumps(partial(evaluators_in, tmp_path)), {}, heard)
    assert heard.get(timeout=20)[0] is process
    process.send(job(tmp_path, seconds=30))
    process._process.stdin.close()
    assert heard.get(timeout=2) == (process, Ended(code=1))
    assert not process.send(job(tmp_path))
    process.close()


def test_what_keeps_a_worker_from_getting_ready_is_told(tmp_path):
    with Workers(2, crew_trainings.refuses) as crew, pytest.raises(BudgetnetError) as caught:
        until(crew, lambda events: False)
    assert str(caught.value) == "images: must be a folder, but got 'nowhere'"
    with Workers(1, crew_trainings.has_a_bug) as crew:
        crew.start(0, job(tmp_path))
        with pytest.raises(BudgetnetError) as caught:
            crew.wait(lambda event: None)
    assert str(caught.value) == "a worker must be able to get ready, but got TypeError: unsupported operand"
    assert workers_of(os.getpid()) == []


def test_of_workers_of_which_one_cannot_get_ready_the_other_does_the_work(tmp_path):
    said = []
    with Workers(2, partial(crew_trainings.only_one, tmp_path), says=said.append) as crew:
        for number in crew.idle:
            crew.start(number, job(tmp_path, number, target=1))
        events = until(crew, lambda events: len({type(event) for event in events} & {Paused, Stopped}) == 2)
        (left_out,) = [event.number for event in events if isinstance(event, Stopped)]
        assert said == [f"worker {left_out}: left out: images: must fit into the memory that is left"]
        assert crew.idle == (1 - left_out,)
        assert crew.busy == ()
        crew.start(1 - left_out, job(tmp_path, left_out, target=1))
        assert until(crew, lambda events: bool(events) and isinstance(events[-1], Paused))[-1].number == left_out
    assert workers_of(os.getpid()) == []


def test_a_worker_that_dies_before_it_is_ready_is_tried_again_but_not_for_ever(tmp_path):
    with Workers(1, partial(crew_trainings.dies_early, tmp_path, 2)) as crew:
        assert told(crew, job(tmp_path, target=1)) == [*epochs(0, 1), Paused(number=0)]
    (tmp_path / "tries").unlink()
    with Workers(1, partial(crew_trainings.dies_early, tmp_path, 9)) as crew:
        crew.start(0, job(tmp_path))
        with pytest.raises(BudgetnetError) as caught:
            crew.wait(lambda event: None)
    rule = "workers: must be able to get ready, but 3 in a row did not (the last one: ended with code 3)"
    assert str(caught.value) == f"{rule}; it said:\nno room for the data"
    assert (tmp_path / "tries").read_text() == "3"


def test_a_process_that_cannot_be_started_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    rule = "workers: must be processes that can be started, but got No such file or directory"
    with pytest.raises(BudgetnetError, match=rule), Workers(1, crew_trainings.refuses):
        pass


def test_processes_that_are_replaced_leave_no_open_files(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        told(crew, job(tmp_path, 0))
        before = open_files()
        for number in range(1, 4):
            told(crew, job(tmp_path, number, does="is killed", epoch=1))
        told(crew, job(tmp_path, 4))
        assert open_files() == before


def test_ways_to_end_are_named():
    assert ending(0) == "ended with code 0"
    assert ending(-9) == "killed by signal 9 (SIGKILL)"
    assert ending(-40) == "killed by signal 40"


@pytest.mark.slow
def test_workers_that_are_killed_at_random_lose_nothing_but_the_epoch_under_way(tmp_path):
    drawn, known, waiting, kills = random.Random(3), {}, [*range(12)], 0
    finished: dict[int, Result] = {}
    jobs: dict[int, int] = {}

    def handle(event: Event) -> None:
        rows = known.setdefault(event.number, [])
        match event:
            case EpochDone(row=new):
                assert new["epoch"] == len(rows) + 1
                rows.append(new)
            case Resumed(epochs=done):
                assert done - len(rows) in (0, 1)
            case Died():
                waiting.append(event.number)
            case Done(result=found):
                finished[event.number] = found

    with Workers(2, partial(evaluators_in, tmp_path)) as crew:
        while len(finished) < 12:
            for worker in crew.idle:
                if waiting:
                    jobs[worker] = waiting.pop(0)
                    done = len(known.get(jobs[worker], []))
                    crew.start(worker, job(tmp_path, jobs[worker], seconds=0.05, known=done))
            crew.wait(handle, drawn.uniform(0, 0.2))
            running = [pid for pid in workers_of(os.getpid()) if (tmp_path / f"made-{pid}.json").exists()]
            if running and drawn.random() < 0.3:
                with suppress(ProcessLookupError):  # ended meanwhile
                    os.kill(drawn.choice(running), signal.SIGKILL)
                    kills += 1
    assert kills >= 20
    assert finished == {number: result(HISTORY) for number in range(12)}
    assert known == dict.fromkeys(range(12), HISTORY)


# --- what each gets of the machine


def test_workers_share_threads_and_gpus(monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5d3a")
    monkeypatch.setattr("budgetnet.search.shares.cores", lambda: 8)
    assert shares(3) == [
        {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": name}
        for name in ("2", "GPU-5d3a", "2")
    ]
    assert {share["OMP_NUM_THREADS"] for share in shares(20)} == {"1"}
    with Workers(2, partial(evaluators_in, tmp_path)) as crew:
        for worker in (0, 1):
            crew.start(worker, job(tmp_path, worker))
        until(crew, lambda events: sum(isinstance(event, Done) for event in events) == 2)
    seen = [json.loads(path.read_text())["environment"] for path in tmp_path.glob("made-*.json")]
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in seen) == ["2", "GPU-5d3a"]
    assert {each["OMP_NUM_THREADS"] for each in seen} == {"4"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2, GPU-5d3a"


@pytest.mark.parametrize(("given", "threads"), [("2", "2"), ("99", "8"), ("2,1", "8"), ("0", "1")])
def test_threads_are_at_most_what_is_set_already(monkeypatch, given, threads):
    monkeypatch.setattr("budgetnet.search.shares.cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert shares(1)[0]["OMP_NUM_THREADS"] == threads


def test_cores_are_those_that_this_process_may_use():
    assert cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("visible", "found"), [("", []), ("-1", []), ("0", ["0"]), ("3,1", ["3", "1"]), ("0,-1,1", ["0"])]
)
def test_gpus_are_those_that_are_visible(monkeypatch, visible, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == found


LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d3a)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7f1)
  MIG 3g.20gb     Device  1: (UUID: MIG-a012)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-77b0)
"""


def test_gpus_are_listed_by_nvidias_program(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)
    assert gpus() == []
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{LISTED}END\n")
    program.chmod(0o755)
    assert gpus() == ["MIG-c7f1", "MIG-a012", "1"]
    program.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert gpus() == []
    assert listed("No devices found.\n") == []


def test_workers_load_little(tmp_path):
    with Workers(1, partial(evaluators_in, tmp_path)) as crew:
        told(crew, job(tmp_path, target=1))
    modules = set(json.loads(next(tmp_path.glob("made-*.json")).read_text())["modules"])
    assert "budgetnet.search.worker" in modules
    heavy = {"torch", "numpy", "optuna", "pandas", "altair", "matplotlib", "pydantic", "pytest"}
    assert not modules & heavy
    asked = "import sys, budgetnet.search.crew; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert not [name for name in heavy if f"'{name}'" in loaded]
