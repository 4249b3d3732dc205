"""The search itself: propose, train, write down, until the trials are done. Training is a function that is passed in.

Everything is on disk before it is told; after a kill at any point the same call goes on where it was.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

from budgetnet.graph import Graph
from budgetnet.locks import alone
from budgetnet.networks import Candidate
from budgetnet.plan import Plan, measure
from budgetnet.results import Evaluate, Run, Step, TrainingError, UnfinishedError
from budgetnet.search.proposals import Choices, Finished, propose
from budgetnet.search.study import Study, Trial

RUNS = "runs"
INTERRUPTED = "it was interrupted"
TIME_UP = "the time was up"


class Watcher(Protocol):
    """Whom the search tells how far it is."""

    def begins(self, trial: Trial, done: int, total: int) -> None:
        """A candidate's training starts or goes on; `done` of `total` trials are finished."""
        ...

    def steps(self, step: Step) -> None:
        """A batch of the training under way is done."""
        ...

    def ends(self, trial: Trial, done: int, total: int) -> None:
        """A trial is finished, with a result or a reason."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A search as far as it has come: `wanted` trials were asked for, of `networks` different ones that fit.

    `stopped` tells why it ended before them, if it did.
    """

    plan: Plan
    trials: tuple[Trial, ...]
    networks: int
    wanted: int
    stopped: str | None

    @property
    def untried(self) -> int:
        """How many networks fit and have not been trained."""
        return self.networks - len(self.trials)


def throughput(plan: Plan, candidate: Candidate) -> float:
    """Images of all cameras per second that the scenario's whole budget allows with this candidate."""
    return measure(plan.scenario, candidate).images_per_second


def search(
    plan: Plan,
    evaluate: Evaluate,
    *,
    trials: int,
    folder: Path,
    seed: int,
    settings: Mapping[str, Any],
    watcher: Watcher,
    timeout: float | None = None,
    restart: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Trains up to `trials` candidates that fit, each once, in `folder`; goes on from what is there.

    `settings` is everything that the results depend on: a folder with a search of other settings is refused. After
    `timeout` seconds the training under way stops at its next epoch, to be resumed by the same call. Raises
    BudgetnetError.
    """
    space = plan.scenario.space
    choices = Choices(space=space, feasible=different(plan))
    wanted = min(trials, len(choices.feasible))
    deadline = None if timeout is None else clock() + timeout

    def expired() -> bool:
        return deadline is not None and clock() >= deadline

    with alone(folder, "search"):
        study = Study.open(folder, settings, restart=restart)
        if restart:
            _remove_runs(folder)
        stopped = None
        while True:
            before = study.trials
            done = sum(trial.finished for trial in before)
            if done >= wanted and len(before) == done:
                break
            if expired():
                stopped = TIME_UP
                break
            trial = _unfinished(before) or study.begin(_next(plan, choices, before, seed), space)
            watcher.begins(trial, done, wanted)
            run = Run(
                number=trial.number,
                folder=folder / RUNS / f"{trial.number:04d}",
                progress=watcher.steps,
                expired=expired,
            )
            try:
                _train(plan, study, trial, evaluate, run)
            except UnfinishedError:
                stopped = TIME_UP
                break
            except KeyboardInterrupt:
                stopped = INTERRUPTED
                break
            watcher.ends(study.trials[trial.number], done + 1, wanted)
        trained = tuple(study.trials)
        networks = len(choices.feasible)
        return Outcome(plan=plan, trials=trained, networks=networks, wanted=max(wanted, len(trained)), stopped=stopped)


def different(plan: Plan) -> list[Candidate]:
    """The candidates that fit, but of those that are one network (narrow stems have a least width) only the first."""
    scenario, kept = plan.scenario, list[Candidate]()
    seen: dict[tuple[int, int], list[Graph]] = {}
    for planned in plan.fitting:
        graph = planned.candidate.graph(
            classes=scenario.class_count, height=scenario.image.height, width=scenario.image.width
        )
        alike = seen.setdefault((planned.cost.ops, planned.cost.params), [])
        if graph not in alike:
            alike.append(graph)
            kept.append(planned.candidate)
    return kept


def _train(plan: Plan, study: Study, trial: Trial, evaluate: Evaluate, run: Run) -> None:
    try:
        result = evaluate(trial.candidate, run)
    except TrainingError as error:
        study.fail(trial, str(error))
        return
    study.complete(trial, result, throughput(plan, trial.candidate))


def _unfinished(trials: list[Trial]) -> Trial | None:
    """A trial that an earlier search was stopped in."""
    return next((trial for trial in trials if not trial.finished), None)


def _next(plan: Plan, choices: Choices, trials: list[Trial], seed: int) -> Candidate:
    finished = [Finished(candidate=trial.candidate, values=objectives(plan, trial)) for trial in trials]
    candidate = propose(choices, finished, seed)
    assert candidate is not None, "there are fewer trials than candidates that fit"
    return candidate


def objectives(plan: Plan, trial: Trial) -> tuple[float, float] | None:
    """A trial's mean IoU and images per second under the budget; None where it has no result."""
    if trial.result is None:
        return None
    return trial.result.scores.mean_iou, throughput(plan, trial.candidate)


def _remove_runs(folder: Path) -> None:
    """Removes what an earlier search's trainings left, and nothing else that may lie there."""
    for run in (folder / RUNS).glob("[0-9][0-9][0-9][0-9]*"):
        if (run / "run.json").exists() or (run / "checkpoint.pt").exists():
            shutil.rmtree(run)
