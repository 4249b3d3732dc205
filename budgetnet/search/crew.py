"""The workers of one machine: the coordinator gives them jobs and is told what happens, in its own thread.

`Alone` trains in this very process, `Workers` in processes of their own: a worker that dies takes nothing along but the
epoch under way, and is replaced. The processes share out what the machine has.
"""

import pickle
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self, final

from budgetnet.errors import BudgetnetError
from budgetnet.search.jobs import (
    Died,
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
    Stop,
    Stopped,
    Tell,
    Unable,
)
from budgetnet.search.process import Ended, Heard, Process, ending
from budgetnet.search.shares import shares
from budgetnet.search.worker import Trainer

__all__ = [
    "Alone",
    "Crew",
    "Died",
    "Done",
    "EpochDone",
    "Evaluators",
    "Event",
    "Failed",
    "Job",
    "Make",
    "Paused",
    "Resumed",
    "Stepped",
    "Stopped",
    "Workers",
]

STARTS: Final = 3
"""A worker that ends so often, one after the other, before it is ready will not get ready any more."""

LEAVE_SECONDS: Final = 5.0
"""How long trainings have to keep their state once the crew is left; then their processes are killed."""


_ENDLESS: Final = "seconds: must be given where no worker is busy, but got None"


class Crew(Protocol):
    """Workers by number, from 0. Inside the context they are there, after it they are gone."""

    @property
    def idle(self) -> tuple[int, ...]:
        """Numbers of the workers without a job."""
        ...

    @property
    def busy(self) -> tuple[int, ...]:
        """Numbers of the workers with a job."""
        ...

    def start(self, worker: int, job: Job) -> None:
        """Gives an idle worker a job. Raises ValueError where it has one, or after `stop`."""
        ...

    def wait(self, handle: Tell, seconds: float | None = None) -> None:
        """Returns once at least one event was handled, or the seconds are over. An event that ends a job finds its
        worker idle. What `handle` raises goes through. Raises BudgetnetError where workers cannot get ready, ValueError
        where it would wait for ever.
        """
        ...

    def stop(self) -> None:
        """Every training stops after its epoch, for good; its last event follows: mostly `Stopped`."""
        ...

    def leave(self) -> None:
        """Every training stops after its step and keeps its state, as far as it soon can; then nobody works any more,
        and no events follow.
        """
        ...

    def abandon(self, worker: int) -> None:
        """Ends a busy worker's training at once: what it does is nobody's any more. No event follows. May be called
        while an event is handled, and may raise AbandonedError there, which `wait` lets through.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class AbandonedError(Exception):
    """The training in this very process was abandoned."""


class _HandlingError(BaseException):
    """What `handle` raised, on its way through a training that takes every Exception for its own."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


@final
class Alone:
    """One worker, in this very process: waiting for it is training. A KeyboardInterrupt goes through, too."""

    def __init__(self, evaluators: Evaluators) -> None:
        self._trainer = Trainer(evaluators)
        self._job: Job | None = None

    def __enter__(self) -> Self:
        self._trainer.evaluate({})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._job = None

    @property
    def idle(self) -> tuple[int, ...]:
        """Its number, 0, while it has no job."""
        return (0,) if self._job is None else ()

    @property
    def busy(self) -> tuple[int, ...]:
        """Its number, 0, while it has a job."""
        return () if self._job is None else (0,)

    def start(self, worker: int, job: Job) -> None:
        """Keeps the job for `wait`. Raises ValueError where it has one, or after `stop`."""
        _require_idle(self, worker, stopped=self._trainer.stopping.is_set())
        self._job = job

    def wait(self, handle: Tell, seconds: float | None = None) -> None:
        """Trains the job it has, however long that takes; without one it waits for so many seconds."""
        if self._job is None:
            if seconds is None:
                raise ValueError(_ENDLESS)
            time.sleep(seconds)
            return

        def tell(event: Event) -> None:
            try:
                handle(event)
            except Exception as error:
                raise _HandlingError(error) from error

        try:
            event, _ = self._trainer.train(self._job, tell)
        except _HandlingError as error:
            raise error.cause from error.cause.__cause__
        finally:
            self._job = None
        handle(event)

    def stop(self) -> None:
        """The training stops after its epoch, for good."""
        self._trainer.stopping.set()

    def leave(self) -> None:
        """It has left already: whoever calls this is not training."""
        self._job = None

    def abandon(self, worker: int) -> None:
        """Ends the training at once: raises AbandonedError, through whatever handles its event."""
        raise AbandonedError


@final
@dataclass(slots=True, kw_only=True)
class _Worker:
    """A worker as the coordinator sees it, whatever process it is at the moment. `sent`: its job has reached that;
    `unable`: why it will not get ready.
    """

    environment: Mapping[str, str]
    process: Process
    job: Job | None = None
    sent: bool = False
    ready: bool = False
    starts: int = 1
    unable: str | None = None


@final
class Workers:
    """So many processes, each with its share of the machine. They end with this process, whatever ends it.

    `make` is called once in each. One that cannot get ready is told of (`says`) and left out: the others do its work.
    Use it from one thread, which must live as long: on Linux a process ends with the thread that started it.
    """

    def __init__(self, count: int, make: Make, *, says: Callable[[str], None] = lambda text: None) -> None:
        self._make = pickle.dumps(make)
        self._says = says
        self._count = count
        self._heard: Heard = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._processes: list[Process] = []
        self._stopped = False

    def __enter__(self) -> Self:
        try:
            for environment in shares(self._count):
                self._workers.append(_Worker(environment=environment, process=self._begun(environment)))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def idle(self) -> tuple[int, ...]:
        """Numbers of the workers without a job, but those that cannot get ready."""
        found = enumerate(self._workers)
        return tuple(number for number, worker in found if worker.job is None and worker.unable is None)

    @property
    def busy(self) -> tuple[int, ...]:
        """Numbers of the workers with a job."""
        return tuple(number for number, worker in enumerate(self._workers) if worker.job is not None)

    def start(self, worker: int, job: Job) -> None:
        """Gives an idle worker a job, which it begins once it is ready. Raises ValueError where it has one, or after
        `stop`.
        """
        _require_idle(self, worker, stopped=self._stopped)
        chosen = self._workers[worker]
        chosen.job = job
        self._send_job(chosen)

    def wait(self, handle: Tell, seconds: float | None = None) -> None:
        """Handles the next event, for which it waits until the seconds are over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            if deadline is None and not self.busy and self._heard.empty():
                raise ValueError(_ENDLESS)
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                process, message = self._heard.get(timeout=left)
            except queue.Empty:
                return
            event = self._take(process, message)
            if event is not None:
                handle(event)
                return

    def stop(self) -> None:
        """Every training stops after its epoch, for good; jobs that no process has begun do not begin."""
        if self._stopped:
            return
        self._stopped = True
        for worker in self._workers:
            worker.process.send(Stop())
            if worker.job is not None and not worker.sent:
                self._heard.put((worker.process, Stopped(number=worker.job.number)))

    def leave(self) -> None:
        """Asks all processes to leave, and ends those that do not."""
        self._stopped = True
        self._end()

    def abandon(self, worker: int) -> None:
        """Kills the worker's process at once; another one takes its place. What it said is not told any more."""
        chosen = self._workers[worker]
        gone, chosen.job = chosen.process, None
        self._replace(chosen)
        chosen.starts = 1
        gone.kill()

    def _take(self, process: Process, message: Message | Ended) -> Event | None:
        """Brings the books up to date with what a process said; the event that the coordinator is to know."""
        worker = next((worker for worker in self._workers if worker.process is process), None)
        match message:
            case Ended(code=code):
                event = None if worker is None else self._mourn(worker, code)
                self._processes.remove(process)
                process.close()
                return event
            case _ if worker is None:  # the last words of one that has been replaced
                return None
            case Ready():
                worker.ready, worker.starts = True, 0
                self._send_job(worker)
                return None
            case Unable(reason=reason):
                return self._give_up(worker, reason)
            case Last(event=event):
                worker.job = None
                self._replace(worker)
                return event
            case _:
                if isinstance(message, Paused | Done | Failed | Halted | Stopped):
                    worker.job = None
                return message

    def _mourn(self, worker: _Worker, code: int) -> Event | None:
        """A process has ended that nobody told to: another one takes its place, and its job where it has none of it."""
        if worker.unable is not None:
            return None
        if not worker.ready and worker.starts >= STARTS:
            rule = f"workers: must be able to get ready, but {STARTS} in a row did not (the last one: {ending(code)})"
            return self._give_up(worker, f"{rule}; it said:\n{worker.process.last_words()}")
        self._replace(worker)
        if worker.job is None or not worker.sent:
            return None
        number, worker.job = worker.job.number, None
        return Died(number=number, how=ending(code))

    def _give_up(self, worker: _Worker, reason: str) -> Event | None:
        """One that will not get ready: its job is free again. Raises BudgetnetError where it was the last one."""
        if self._stopped:
            return None  # its job was given back before
        worker.unable = reason
        if all(each.unable is not None for each in self._workers):
            raise BudgetnetError(reason)
        self._says(f"worker {self._workers.index(worker)}: left out: {reason}")
        number, worker.job = None if worker.job is None else worker.job.number, None
        return None if number is None else Stopped(number=number)

    def _replace(self, worker: _Worker) -> None:
        """After `stop` nobody is needed any more."""
        if not self._stopped:
            worker.process = self._begun(worker.environment)
            worker.ready = False
            worker.starts += 1

    def _begun(self, environment: Mapping[str, str]) -> Process:
        process = Process(self._make, environment, self._heard)
        self._processes.append(process)
        return process

    def _send_job(self, worker: _Worker) -> None:
        worker.sent = False
        if worker.ready and worker.job is not None and not self._stopped:
            worker.sent = worker.process.send(worker.job)

    def _end(self) -> None:
        """Asks all processes to leave, and ends those that do not."""
        try:
            for process in self._processes:
                process.send(Leave())
            deadline = time.monotonic() + LEAVE_SECONDS
            for process in self._processes:
                process.await_end(max(deadline - time.monotonic(), 0.0))
        finally:
            for process in self._processes:
                process.kill()
            for process in self._processes:
                process.close()
            self._workers.clear()
            self._processes.clear()


def _require_idle(crew: Crew, worker: int, *, stopped: bool) -> None:
    if stopped:
        raise ValueError("start: must come before stop, but came after it")
    if worker not in crew.idle:
        raise ValueError(f"worker: must be an idle one, here of {list(crew.idle)}, but got {worker}")
