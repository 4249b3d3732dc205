"""One machine's part in a search: decides under the study's lock, hands trainings to its crew, writes down what comes
back before anybody is told.

Nothing of a search lives here alone: whatever dies, the study says what is done, and the runs' folders hold how far
each training is.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Final, final

from budgetnet.errors import BudgetnetError, printable
from budgetnet.search import jobs as said
from budgetnet.search.crew import AbandonedError, Crew
from budgetnet.search.decisions import Begin, Decider, Resume
from budgetnet.search.endings import INTERRUPTED, STOPPED, TIME_UP
from budgetnet.search.jobs import Job
from budgetnet.search.study import LostClaimError, Study
from budgetnet.search.trial import Span, Trial
from budgetnet.search.watching import Clocks, Watcher

LOOK: Final = 1.0
"""Seconds between two looks at what other machines did, at the clock, and for a request to stop."""

MOST_DEATHS: Final = 3
"""A trial whose worker, or whose machine, died so often within one epoch has failed."""

MOST_ENDS: Final = 6
"""The same where it is the whole search that was killed: by people, most of the time."""

ALIKE: Final = 5
"""So many failures in a row for one reason are a fault of the machine: the search stops before it spoils the rest."""


@final
class Coordinator:
    """Runs one study's trials with one crew until there is nothing more to do, or it has to stop.

    `shared` says that other machines may work in the study as well; alone, it is never read again. `epochs` is a whole
    training's. `folder` holds the runs. `asked_to_stop` says whether anybody has asked the search to end.
    """

    def __init__(
        self,
        study: Study,
        decider: Decider,
        crew: Crew,
        *,
        folder: Path,
        epochs: int,
        shared: bool,
        host: str,
        watcher: Watcher,
        asked_to_stop: Callable[[], bool],
        deadline: float | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self._study, self._decider, self._crew = study, decider, crew
        self._folder, self._epochs, self._shared, self._host = folder, epochs, shared, host
        self._watcher, self._deadline, self._clocks = watcher, deadline, clocks or Clocks()
        self._asked_to_stop = asked_to_stop
        self._trials: dict[int, Trial] = {}
        self._mine: dict[int, tuple[int, float, int]] = {}
        """Trial -> worker that has it, when it began, and the epochs that it had."""
        self._again: set[int] = set()
        """Trials whose epochs are trained again."""
        self._looked = self._asked = self._clocks.steady() - LOOK
        self._news = True
        self._waits = False
        self._reasons: list[str] = []
        self.stopped: str | None = None

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials as last known, by number."""
        return tuple(self._trials[number] for number in sorted(self._trials))

    def run(self) -> None:
        """Works until nothing is left to do, or says in `stopped` why it ended before."""
        self._read()
        if not self._shared:
            for number in self._study.orphans():  # of an earlier process, which is no more: this one is alone
                self._free(number, killed=True)
        try:
            with self._beating():
                self._work()
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
            self._hand_back(hurried=True)
        except BudgetnetError:  # the database stayed away, say: it was waited for already
            self._hand_back(hurried=True)
            raise
        finally:
            self._hand_back(hurried=False)
        if self._shared and self.stopped != INTERRUPTED:
            self._read()
        if self.stopped == TIME_UP and not self._others and self._decider.ask() is None:
            self.stopped = None  # the time was up after all was done

    def _work(self) -> None:
        while True:
            if self.stopped is None:
                self._look()
            if self.stopped is None:
                self._hand_out()
            if self._crew.busy:
                with suppress(AbandonedError):
                    self._crew.wait(self._handle, LOOK)
            elif self.stopped is not None or not (self._news or (self._shared and self._others)):
                return
            elif not self._news:
                if not self._waits:
                    self._waits = True
                    self._watcher.says("nothing to do here: waits for what other machines are training")
                time.sleep(LOOK)  # others are still at work, and what they find may be gone on with

    @property
    def _others(self) -> int:
        return self._decider.running

    def _hand_out(self) -> None:
        """Gives every idle worker something to do, as long as there is something. What can be done changes with news
        alone; those of other machines are looked for now and then.
        """
        now = self._clocks.steady()
        if not self._news and now - self._asked < LOOK:
            return
        self._asked, self._news = now, False
        for worker in self._crew.idle:
            trial = self._claim(worker)
            if trial is None:
                return
            self._mine[trial.number] = (worker, self._clocks.wall(), trial.epochs)
            self._watcher.begins(trial, self._done, self._decider.wanted)
            self._crew.start(worker, self._job(trial))

    def _claim(self, worker: int) -> Trial | None:
        """Decides what a worker does, and writes it down, while nobody else does so."""
        with self._study.deciding():
            if self._shared:
                self._read()
                self._take_back()
            asked = self._decider.ask()
            if asked is None:
                return None
            try:
                trial = self._claimed(asked, f"{self._host}/{worker}")
            except LostClaimError:  # the database was away meanwhile, and another machine has decided
                trial = None
        if trial is None:
            self._news = True  # to be decided anew
        else:
            self._know(trial)
        return trial

    def _claimed(self, asked: Begin | Resume, worker: str) -> Trial | None:
        """The trial, claimed for a worker; None where another one was faster."""
        if isinstance(asked, Resume):
            if not self._study.resume(asked.number, target=asked.target, worker=worker):
                return None
            return replace(self._trials[asked.number], status="running", target=asked.target, worker=worker)
        return self._study.begin(
            asked.candidate,
            images_per_second=asked.images_per_second,
            target=asked.target,
            origin=asked.origin,
            worker=worker,
            changes=asked.changes,
        )

    def _take_back(self) -> None:
        """Frees trials of machines that were not heard of for too long."""
        for number in self._study.stale():
            if number not in self._mine and number in self._trials:
                self._free(number, killed=False)
                self._watcher.says(f"trial {number}: its machine was not heard of for too long; another one goes on")

    def _free(self, number: int, *, killed: bool) -> None:
        """Frees a trial whose whole search was `killed`, or whose machine is gone; one that takes one after the other
        along has failed.
        """
        trial = self._trials[number]
        deaths, kills = trial.deaths + (not killed), trial.kills + killed
        freed = replace(trial, status="paused", worker=None, deaths=deaths, kills=kills)
        if not self._study.release(number, died=not killed, killed=killed):
            return
        times, most = (kills, MOST_ENDS) if killed else (deaths, MOST_DEATHS)
        if times >= most and self._study.resume(number, target=trial.target, worker=self._host):
            how = "its search was killed" if killed else "its machine was not heard of any more"
            reason = f"{how} in epoch {trial.epochs + 1}, {times} times"
            self._study.fail(number, reason)
            freed = replace(freed, status="failed", reason=reason)
        self._know(freed)

    def _job(self, trial: Trial) -> Job:
        return Job(
            number=trial.number,
            candidate=trial.candidate,
            folder=self._folder / f"{trial.number:04d}",
            target=trial.target,
            epochs=int(trial.changes.get("epochs", self._epochs)),
            changes=dict(trial.changes),
            known_epochs=trial.epochs,
        )

    # --- what comes back

    def _handle(self, event: said.Event) -> None:
        """Writes down what a worker reported."""
        if event.number not in self._mine:
            return  # of a trial that somebody else has now
        try:
            self._take(event)
        except LostClaimError:
            worker, *_ = self._mine.pop(event.number)
            self._watcher.says(f"trial {event.number}: taken over by another machine; what was done here is dropped")
            if worker in self._crew.busy:  # it must not write to a run that is another's now
                self._crew.abandon(worker)
        if self.stopped is None:
            self._look()

    def _take(self, event: said.Event) -> None:
        trial = self._trials[event.number]
        match event:
            case said.Stepped(step=step):
                self._look_back(trial, step.epoch)
                self._watcher.steps(trial, step)
            case said.EpochDone(row=row):
                self._look_back(trial, int(row["epoch"]))
                self._epoch(trial, row)
            case said.Paused() | said.Stopped() | said.Halted():
                self._reasons.clear()
                span = self._span(trial)
                self._study.pause(trial.number, span)
                self._ends(replace(trial, status="paused", spans=_with(trial, span), worker=None))
                if isinstance(event, said.Halted) and self.stopped is None:
                    self._stop(f"this machine cannot go on ({printable(event.reason)})")
            case said.Done(result=result):
                for row in result.history:  # epochs that nobody told of: the worker was killed right after them
                    self._epoch(self._trials[event.number], row)
                trial = self._trials[event.number]
                span = self._span(trial)
                self._study.complete(trial.number, result, trial.images_per_second, span)
                self._reasons.clear()
                self._ends(replace(trial, status="done", spans=_with(trial, span), worker=None, result=result))
            case said.Failed(reason=reason):
                self._fail(trial, reason)
            case said.Died(how=how):
                self._died(trial, how)
            case _:
                pass

    def _epoch(self, trial: Trial, row: Mapping[str, Any]) -> None:
        epoch, value = int(row["epoch"]), row["mean_iou"]
        if epoch <= trial.epochs:
            return
        self._study.epoch(trial.number, epoch, value)
        curve = {**trial.curve, **({} if value is None else {epoch: float(value)})}
        self._know(replace(trial, epochs=epoch, curve=curve, deaths=0, kills=0))

    def _look_back(self, trial: Trial, epoch: int) -> None:
        """Says so where an epoch is trained that was trained before."""
        if epoch <= trial.epochs and trial.number not in self._again:
            self._again.add(trial.number)
            lost = "its checkpoint is not here or cannot be read"
            self._watcher.says(f"trial {trial.number}: {lost}; trained again from epoch {epoch}")

    def _fail(self, trial: Trial, reason: str) -> None:
        span = self._span(trial)
        self._study.fail(trial.number, reason, span)
        self._ends(replace(trial, status="failed", spans=_with(trial, span), worker=None, reason=reason))
        self._reasons.append(reason.replace(str(self._folder / f"{trial.number:04d}"), "..."))
        last = self._reasons[-ALIKE:]
        if len(last) == ALIKE and len(set(last)) == 1 and self.stopped is None:
            self._stop(f"{ALIKE} trainings in a row failed alike ({printable(reason)})")

    def _died(self, trial: Trial, how: str) -> None:
        deaths = trial.deaths + 1
        where = f"in epoch {min(trial.epochs + 1, trial.target)}"
        if deaths >= MOST_DEATHS:
            self._fail(trial, f"its worker {_was(how)} {where}, {deaths} times")
            return
        self._study.release(trial.number, died=True)
        self._forget(trial.number)
        self._know(replace(trial, status="paused", worker=None, deaths=deaths))
        told = f"its worker {_was(printable(how))} {where}; it goes on from its checkpoint"
        self._watcher.says(f"trial {trial.number}: {told}")

    def _span(self, trial: Trial) -> Span | None:
        """What its worker trained since it has it; None where that is not a whole epoch."""
        worker, began, epochs = self._mine[trial.number]
        if trial.epochs <= epochs:
            return None
        return Span(
            first_epoch=epochs + 1,
            last_epoch=trial.epochs,
            began=began,
            ended=self._clocks.wall(),
            worker=f"{self._host}/{worker}",
        )

    def _ends(self, trial: Trial) -> None:
        self._forget(trial.number)
        self._know(trial)
        self._watcher.ends(trial, self._done, self._decider.wanted)

    # --- what is known

    @property
    def _done(self) -> int:
        return sum(trial.status != "running" for trial in self._trials.values())

    def _know(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        self._news = True
        self._decider.tell(trial)

    def _forget(self, number: int) -> None:
        self._mine.pop(number, None)
        self._again.discard(number)

    def _read(self) -> None:
        """Takes in what the study holds, but of trials that are trained here: nobody knows these better."""
        for trial in self._study.trials():
            if trial.number not in self._mine and self._trials.get(trial.number) != trial:
                self._know(trial)

    # --- stopping, and being alive

    def _look(self) -> None:
        """Now and then: whether it is time to stop."""
        now = self._clocks.steady()
        if self._deadline is not None and now >= self._deadline:
            self._stop(TIME_UP)
        elif now - self._looked >= LOOK:
            self._looked = now
            if self._asked_to_stop():
                self._stop(STOPPED)

    def _stop(self, why: str) -> None:
        self.stopped = why
        self._crew.stop()

    def _hand_back(self, *, hurried: bool) -> None:
        """Trials that were under way when something ended the search wait for whoever goes on with it. Nobody waits
        long for a database that is away: others free them once they were not heard of for a while.
        """
        if not self._mine:
            return
        self._crew.leave()  # nobody else may have a trial before its worker is gone
        if hurried:
            self._study.hurry()
        away: BudgetnetError | None = None
        for number in list(self._mine):
            trial = self._trials[number]
            span = self._span(trial)
            self._forget(number)
            try:
                if away is None:
                    self._study.pause(number, span)
            except LostClaimError:
                continue
            except BudgetnetError as error:
                away = error
            self._know(replace(trial, status="paused", spans=_with(trial, span), worker=None))
        if away is not None:
            self._watcher.says(f"trials under way cannot be handed back: {away}")

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Inside, other machines see that the trials of this one are alive."""
        if not self._shared:
            yield
            return
        enough = Flag()

        def beat() -> None:
            while not enough.wait(self._study.heartbeat):
                with suppress(BudgetnetError):  # the database stays away: whoever works with it says so
                    self._study.beat(list(self._mine))

        thread = Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            enough.set()


def _was(how: str) -> str:
    return f"was {how}" if how.startswith("killed") else how


def _with(trial: Trial, span: Span | None) -> tuple[Span, ...]:
    return trial.spans if span is None else (*trial.spans, span)
