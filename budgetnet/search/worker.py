"""One training of a search, told event by event; and the program of a worker, a process that does nothing else.

The coordinator decides and writes down, a worker trains. What trains is handed over, so this knows no torch, and
imports little: a worker is there in the time that Python takes to start.
"""

import errno
import json
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn, final

from budgetnet import files
from budgetnet.errors import BudgetnetError
from budgetnet.results import Evaluate, Result, Run, Step, TrainingError, UnfinishedError
from budgetnet.search.jobs import (
    Done,
    EpochDone,
    Evaluators,
    Event,
    Failed,
    Halted,
    Job,
    Last,
    Leave,
    Make,
    Message,
    Paused,
    Ready,
    Resumed,
    Stepped,
    Stopped,
    Tell,
    Unable,
)

ERROR = "error.txt"
"""Where in a run's folder the traceback of a training lies that failed in a way that nobody foresaw."""

STEP_SECONDS: Final = 0.2
"""Steps are told this often at most: somebody watches them, nothing depends on them."""

_PR_SET_PDEATHSIG: Final = 1

_FAULTS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""Errors of the system that no training is to blame for."""


def first_line(error: BaseException) -> str:
    """`TypeError: unsupported operand` of an exception, on one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@final
class Trainer:
    """Trains jobs one after the other, and tells of them. `stopping` ends a training after its epoch, `leaving` after
    its step.
    """

    def __init__(self, evaluators: Evaluators) -> None:
        self._evaluators = evaluators
        self._known: dict[str, Evaluate] = {}
        self.stopping = threading.Event()
        self.leaving = threading.Event()

    def evaluate(self, changes: Mapping[str, Any]) -> Evaluate:
        """What trains with these changes, made once. Raises what making it raises."""
        key = json.dumps(dict(changes), sort_keys=True, default=repr)
        if key not in self._known:
            self._known[key] = self._evaluators(changes)
        return self._known[key]

    def train(self, job: Job, tell: Tell) -> tuple[Event, bool]:
        """Trains a job, tells what happens on the way and returns how it ended; and whether this process is as good as
        new: after an error of the machine (its memory, a GPU's driver) the next training may suffer from it.
        """
        if self.stopping.is_set():
            return Stopped(number=job.number), True
        account = _Account(job, tell)
        run = Run(
            number=job.number,
            folder=job.folder,
            progress=account.step,
            expired=lambda: account.target_reached or self.stopping.is_set(),
            interrupted=self.leaving.is_set,
            epoch=account.epoch,
            resumed=account.resumed,
        )
        try:
            files.remove(job.folder / ERROR)
            result = self.evaluate(job.changes)(job.candidate, run)
        except UnfinishedError:
            return (Paused if account.target_reached else Stopped)(number=job.number), True
        except (TrainingError, BudgetnetError) as error:
            fault = machine_fault(error)
            if fault is not None:
                return Halted(number=job.number, reason=fault), True
            foreseen = error.__cause__ is None or isinstance(error.__cause__, BudgetnetError)
            if not foreseen:
                _keep_traceback(job.folder, error)
            return Failed(number=job.number, reason=str(error)), foreseen
        except Exception as error:  # a bug in one training must not end a search
            _keep_traceback(job.folder, error)
            return Failed(number=job.number, reason=first_line(error)), False
        account.finished(result)
        return Done(number=job.number, result=result), True


def machine_fault(error: BaseException | None) -> str | None:
    """What is wrong with the machine, where that is behind an error: no room on a disk, one that cannot be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FAULTS:
            return error.strerror
        error = error.__cause__
    return None


def _keep_traceback(folder: Path, error: Exception) -> None:
    with suppress(BudgetnetError):  # no room on the disk, say: then the reason is all there is
        files.write(files.make_folder(folder) / ERROR, "".join(traceback.format_exception(error)).encode())


@final
class _Account:
    """What of a training has been told."""

    def __init__(self, job: Job, tell: Tell) -> None:
        self._job = job
        self._tell = tell
        self._done = 0
        self._stepped = -STEP_SECONDS

    @property
    def target_reached(self) -> bool:
        return self._job.pauses and self._done >= self._job.target

    def step(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._stepped >= STEP_SECONDS:
            self._stepped = now
            self._tell(Stepped(number=self._job.number, step=step))

    def epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        self._tell_rows(history[self._done :])
        self._done = len(history)

    def resumed(self, history: Sequence[Mapping[str, Any]]) -> None:
        self._done = len(history)
        self._tell(Resumed(number=self._job.number, epochs=len(history)))
        self._tell_rows(history[self._job.known_epochs :])

    def finished(self, result: Result) -> None:
        """A result that was there already comes without a training, so nothing has been told of it."""
        if result.history and not self._done:
            self.resumed(result.history)

    def _tell_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            self._tell(EpochDone(number=self._job.number, row=dict(row)))


@final
class _Line:
    """The line to the coordinator. Where that is gone, so is this process, at once."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    @classmethod
    def open(cls) -> "_Line":
        """Takes standard input and output for itself: whatever else is printed goes to standard error."""
        incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        return cls(incoming, outgoing)

    def hear(self) -> Any:
        """The next message; waits for it."""
        try:
            return pickle.load(self._incoming)  # noqa: S301 (from the process that started this one)
        except EOFError:
            os._exit(1)
        except Exception:  # cut short, because the coordinator was killed while it spoke
            traceback.print_exc()
            _end(1)

    def say(self, message: Message) -> None:
        """Tells the coordinator."""
        content = pickle.dumps(message)
        try:
            self._outgoing.write(content)
            self._outgoing.flush()
        except OSError:
            os._exit(1)


def main() -> NoReturn:
    """The program of a worker: hears how its evaluators are made, makes them, and trains the jobs that come."""
    _leave_signals_to_the_coordinator()
    _end_with(os.getppid())
    line = _Line.open()
    made: bytes = line.hear()
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    ears = _Ears(line, jobs)
    threading.Thread(target=ears.listen, daemon=True).start()
    try:
        make: Make = pickle.loads(made)  # noqa: S301 (from the process that started this one)
        trainer = ears.trainer = Trainer(make())
        trainer.evaluate({})
    except Exception as error:
        traceback.print_exc()
        rule = "a worker must be able to get ready"
        told = str(error) if isinstance(error, BudgetnetError) else f"{rule}, but got {first_line(error)}"
        line.say(Unable(reason=told))
        _end(1)
    line.say(Ready())
    while (job := jobs.get()) is not None:
        ears.busy = True
        event, sound = trainer.train(job, line.say)
        line.say(event if sound else Last(event=event))
        ears.busy = False
        if not sound:
            break
    _end(0)


@final
@dataclass(slots=True)
class _Ears:
    """Hears what the coordinator says while the training is busy, and notices its end."""

    line: _Line
    jobs: queue.SimpleQueue[Job | None]
    trainer: Trainer | None = None
    busy: bool = False

    def listen(self) -> None:
        while True:
            message = self.line.hear()
            if isinstance(message, Job):
                self.jobs.put(message)
                continue
            if self.trainer is None or (isinstance(message, Leave) and not self.busy):
                _end(0)  # there is nothing that could be lost
            self.trainer.stopping.set()
            if isinstance(message, Leave):
                self.trainer.leaving.set()
                self.jobs.put(None)


def _end(code: int) -> NoReturn:
    """Ends this process without waiting for its threads: one of them waits for the coordinator."""
    sys.stderr.flush()
    os._exit(code)


def _leave_signals_to_the_coordinator() -> None:
    """A terminal's Ctrl-C, and a system that shuts down, tell all processes: the coordinator hears it, too."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _end_with(parent: int) -> None:
    """On Linux the kernel ends this process with the one that started it, even where Python cannot: it is busy in a
    library that lets no other thread go on.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)
