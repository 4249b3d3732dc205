"""A search from its beginning to its end: what fits is enumerated, candidates race, the front is checked.

Training is a function that is passed in. Everything is in the study before it is told; after a kill at any point the
same call goes on where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Any, final

from budgetnet.errors import BudgetnetError
from budgetnet.locks import alone
from budgetnet.networks import Candidate
from budgetnet.plan import Plan
from budgetnet.plan.feasible import Feasible
from budgetnet.plan.throughput import OPS, Throughput
from budgetnet.search import opening, samplers
from budgetnet.search.checks import Checks, wanted
from budgetnet.search.coordinator import Coordinator
from budgetnet.search.crew import Crew
from budgetnet.search.decisions import Decider, Measured
from budgetnet.search.endings import EPOCHS_UP, INTERRUPTED
from budgetnet.search.halving import REDUCTION
from budgetnet.search.place import CHECKS, RUNS, Place, checks_of, make_own
from budgetnet.search.race import Limits, Race
from budgetnet.search.study import Study
from budgetnet.search.trial import Trial
from budgetnet.search.watching import Clocks, Watcher


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is searched for, and how. `rungs` are epochs, the last a whole training; `first` are candidates to begin
    with, after the largest, the cheapest and the widest: those of the search that is called `earlier`. `epochs` limits
    the epochs trained in all, `seconds` the time. The front is trained from `repeats` seeds in all, `audit` candidates
    are trained longer.
    """

    trials: int
    rungs: Sequence[int]
    sampler: str = samplers.DEFAULT
    first: Sequence[Candidate] = ()
    epochs: int | None = None
    seconds: float | None = None
    repeats: int = 1
    audit: int = 0
    earlier: str | None = None
    throughput: Throughput = OPS

    def record(self) -> dict[str, Any]:
        """What the order of a search depends on, besides its seed: a folder goes on only with the same."""
        first = [{"network": each.network, "parameters": dict(each.parameters)} for each in self.first]
        return {
            "sampler": self.sampler,
            "rungs": list(self.rungs),
            "reduction": REDUCTION,
            **({"warm_start": self.earlier} if self.earlier is not None else {}),
            "first": first,
            **self.throughput.record(),
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A search as far as it has come. `feasible` tells how many candidates there are and what became of the others;
    `trials` are those that were begun, of `wanted`, out of `networks` different ones that fit; `checks` the trainings
    that tell how far to trust it. `stopped` says why it ended before its end, if it did, `throughput` what its images
    per second are.
    """

    plan: Plan
    feasible: Mapping[str, Any]
    trials: tuple[Trial, ...]
    rungs: tuple[int, ...]
    sampler: str
    networks: int
    wanted: int
    checks: tuple[Trial, ...] = ()
    stopped: str | None = None
    throughput: Throughput = OPS

    @property
    def untried(self) -> int:
        """How many networks fit and have not been begun."""
        return self.networks - len(self.trials)

    @property
    def interrupted(self) -> bool:
        """Whether somebody interrupted it."""
        return self.stopped == INTERRUPTED

    @property
    def all_failed(self) -> bool:
        """Whether trials were begun and every one of them failed."""
        return bool(self.trials) and all(trial.status == "failed" for trial in self.trials)

    @property
    def epochs(self) -> int:
        """Epochs trained in all, checks left out."""
        return sum(trial.epochs for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Wall time in which anything was trained, over all sessions and workers, checks left out."""
        total, until = 0.0, float("-inf")
        for span in sorted((span for trial in self.trials for span in trial.spans), key=lambda span: span.began):
            total += max(span.ended - max(span.began, until), 0.0)
            until = max(until, span.ended)
        return total


def search(
    plan: Plan,
    crew: Callable[[], Crew],
    asked: Asked,
    place: Place,
    *,
    settings: Mapping[str, Any],
    watcher: Watcher,
    restart: bool = False,
    feasible: Feasible | None = None,
    clocks: Clocks | None = None,
) -> Outcome:
    """Goes on with the search that `place` holds, or begins it. Raises BudgetnetError.

    `settings` is everything that the results depend on: a search of other settings is refused. `crew` makes the
    workers. After `asked.seconds` trainings stop at their next epoch, to be resumed by the same call.
    """
    clocks = clocks or Clocks()
    feasible = feasible or Feasible(plan.scenario, asked.throughput.roof)
    work = _Work(
        plan=plan,
        asked=asked,
        place=place,
        settings={**settings, "search": asked.record()},
        watcher=watcher,
        deadline=None if asked.seconds is None else clocks.steady() + asked.seconds,
        clocks=clocks,
        stops=_Stops(),
    )
    only = nullcontext() if place.shared else alone(place.folder, "search")
    with only, closing(work.begin(restart=restart)) as study, crew() as workers:
        race, trials, stopped = work.race(feasible, study, workers)
        checks, stopped = work.check(trials, stopped, workers)
    return Outcome(
        plan=plan,
        feasible=feasible.record(),
        trials=trials,
        rungs=tuple(asked.rungs),
        sampler=asked.sampler,
        networks=len(feasible),
        wanted=max(race.wanted, len(trials)),
        checks=checks,
        stopped=EPOCHS_UP if stopped is None and race.used_up else stopped,
        throughput=asked.throughput,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the two halves of a search share."""

    plan: Plan
    asked: Asked
    place: Place
    settings: Mapping[str, Any]
    watcher: Watcher
    deadline: float | None
    clocks: Clocks
    stops: "_Stops"

    def begin(self, *, restart: bool) -> Study:
        """The search's study; where it is to `restart`, without an earlier search, its checks, and what its trainings
        left.
        """
        study = self._study(self.place.name, restart=restart)
        try:
            if restart:
                self._study(checks_of(self.place.name), restart=True).close()
            make_own(self.place.folder, study.identity or "", clear=restart)
        except BaseException:
            study.close()
            raise
        return study

    def race(self, feasible: Feasible, study: Study, crew: Crew) -> tuple[Race, tuple[Trial, ...], str | None]:
        """The search itself: its race, its trials, and why it ended before its end."""
        asked, training = self.asked, self.plan.scenario.training
        race = Race(
            feasible,
            training,
            rungs=asked.rungs,
            sampler=asked.sampler,
            seed=training.seed,
            limits=Limits(trials=asked.trials, epochs=asked.epochs),
            first=asked.first,
        )
        self.stops.watch(study)
        measure = asked.throughput.measure
        racing = self._coordinator(study, race if measure is None else Measured(race, measure), RUNS, crew)
        racing.run()
        return race, racing.trials, racing.stopped

    def check(self, trials: Sequence[Trial], stopped: str | None, crew: Crew) -> tuple[tuple[Trial, ...], str | None]:
        """Repeats and audits, and why they ended; those of earlier calls alone where the search was `stopped`, or none
        are asked for.
        """
        asked = self.asked
        if stopped is not None or (asked.repeats == 1 and not asked.audit):
            return self._earlier_checks(stopped), stopped
        training, known = self.plan.scenario.training, tuple[Trial, ...]()
        with closing(self._study(checks_of(self.place.name))) as study:
            while True:  # what was repeated may leave the front to others, which then are
                several = wanted(trials, training, repeats=asked.repeats, audit=asked.audit, checks=known)
                checking = self._coordinator(study, Checks(several), CHECKS, crew)
                checking.run()
                known = checking.trials
                again = wanted(trials, training, repeats=asked.repeats, audit=asked.audit, checks=known)
                if checking.stopped or {each.key for each in again} <= {each.key for each in several}:
                    return known, checking.stopped

    def _earlier_checks(self, stopped: str | None) -> tuple[Trial, ...]:
        """What was checked before, if anything."""
        try:
            found = self.place.found(checks=True)
            if found is None:
                return ()
            with closing(found):
                return tuple(self.place.settled(found))
        except BudgetnetError:
            if stopped != INTERRUPTED:
                raise
            return ()  # the database is away, and somebody waits for the end

    def _study(self, name: str, *, restart: bool = False) -> Study:
        return opening.opened(
            self.place.folder,
            self.settings,
            space=self.plan.scenario.space,
            restart=restart,
            storage=self.place.storage.url,
            name=name,
            heartbeat=self.place.storage.heartbeat,
            grace=self.place.storage.grace,
            away=self.watcher.says,
        )

    def _coordinator(self, study: Study, decider: Decider, folder: str, crew: Crew) -> Coordinator:
        return Coordinator(
            study,
            decider,
            crew,
            folder=self.place.folder / folder,
            epochs=self.plan.scenario.training.epochs,
            shared=self.place.shared,
            host=self.place.host,
            watcher=self.watcher,
            asked_to_stop=self.stops.asked,
            deadline=self.deadline,
            clocks=self.clocks,
        )


@final
class _Stops:
    """Requests to stop, of the whole search: its own study counts them, for the trainings that check it as well."""

    def __init__(self) -> None:
        self._study: Study | None = None
        self._before = 0

    def watch(self, study: Study) -> None:
        """From now on requests count."""
        self._study, self._before = study, study.stop_requests

    def asked(self) -> bool:
        """Whether anybody has asked the search to stop."""
        return self._study is not None and self._study.stop_requests != self._before
