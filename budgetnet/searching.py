"""A whole search as the command line runs it: data, training and search put together, progress shown, reports
written.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from budgetnet import files, formats, scenario_data, units
from budgetnet.data.reading import Dataset
from budgetnet.errors import BudgetnetError
from budgetnet.formats.table import show
from budgetnet.networks import Candidate
from budgetnet.plan import Plan
from budgetnet.plan.feasible import Feasible
from budgetnet.provenance import provenance
from budgetnet.report import Report, Text
from budgetnet.results import Evaluate, Scores, Step
from budgetnet.scenario import Scenario
from budgetnet.search import halving, samplers
from budgetnet.search import report as search_report
from budgetnet.search.checks import ORIGIN_AUDIT, ORIGIN_REPEAT, front
from budgetnet.search.crew import Alone, Crew, Workers
from budgetnet.search.run import STUDY, Asked, Outcome, Place, Storage, checks_of, search
from budgetnet.search.study import Study
from budgetnet.search.trial import Trial
from budgetnet.space import told_space

MOST_FIRST = 10
"""So many candidates of an earlier study are tried first, at most."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for. `rungs` is `auto`, `none` or epochs (`2,6`); `earlier` the folder of a search
    whose best candidates are tried first; `memory_limit` is in 10^9 bytes.
    """

    folder: Path
    trials: int
    epochs: int | None = None
    timeout: float | None = None
    sampler: str = samplers.DEFAULT
    rungs: str = halving.AUTOMATIC
    workers: int = 1
    storage: str | None = None
    study: str | None = None
    earlier: Path | None = None
    repeats: int = 1
    audit: int = 0
    restart: bool = False
    memory_limit: float | None = None


def run_search(plan: Plan, request: Request, *, screen: Console) -> Outcome:
    """Reads the data, races up to `trials` candidates, writes the reports. Raises BudgetnetError."""
    from budgetnet.training import checks
    from budgetnet.training.candidate import guess
    from budgetnet.training.machine import device, keep_memory

    keep_memory()  # before threads read images
    started = time.monotonic()
    scenario, folder = plan.scenario, request.folder
    require_one_network(plan)
    samplers.sampler(request.sampler)
    rungs = halving.rungs(request.rungs, scenario.training)
    feasible = Feasible(scenario)
    checks.require(scenario, feasible.one_of_each("depth_multiplier"))
    first = () if request.earlier is None else best_of(request.earlier)
    screen.print(plan.verdict, highlight=False, markup=False)
    limit = None if request.memory_limit is None else request.memory_limit / request.workers
    dataset = scenario_data.read(scenario, folder=folder, memory_limit=limit)
    checks.require_batches(scenario.training, len(dataset.train))
    guessed, settings = guess(dataset), settings_of(scenario, dataset)
    trainer = Trainer(
        scenario=scenario,
        folder=folder,
        memory_limit=limit,
        origin={**provenance(), "device": str(device()), "dataset": dataset.source},
    )

    def crew() -> Crew:
        if request.workers == 1:
            return Alone(trainer.with_data(dataset))
        return Workers(request.workers, trainer)

    left = None if request.timeout is None else max(request.timeout - (time.monotonic() - started), 0.0)
    asked = Asked(
        trials=request.trials,
        rungs=rungs,
        sampler=request.sampler,
        first=first,
        epochs=request.epochs,
        seconds=left,
        repeats=request.repeats,
        audit=request.audit,
    )
    with SearchProgress(Console()) as watcher:
        outcome = search(
            plan,
            crew,
            asked,
            place_of(scenario, request),
            settings=settings,
            watcher=watcher,
            restart=request.restart,
            feasible=feasible,
        )
    write(outcome, guessed, {**_asked(scenario, request), **settings}, folder, screen)
    return outcome


def place_of(scenario: Scenario, request: Request) -> Place:
    """Where a search works."""
    if request.storage is None:
        return Place(folder=request.folder)
    return Place(folder=request.folder, storage=Storage(url=request.storage, name=request.study or scenario.name))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """Makes what trains candidates, in whatever process it is called: it can be sent to workers."""

    scenario: Scenario
    folder: Path
    memory_limit: float | None
    origin: Mapping[str, str]

    def __call__(self) -> Callable[[Mapping[str, Any]], Evaluate]:
        """Reads the data here. Raises BudgetnetError."""
        from budgetnet.training.machine import keep_memory

        keep_memory()
        return self.with_data(scenario_data.read(self.scenario, folder=self.folder, memory_limit=self.memory_limit))

    def with_data(self, dataset: Dataset) -> Callable[[Mapping[str, Any]], Evaluate]:
        """For changes of the training a function that trains candidates so."""
        from budgetnet.training.candidate import evaluator

        def changed(changes: Mapping[str, Any]) -> Evaluate:
            scenario = self.scenario.changed(training=dict(changes)) if changes else self.scenario
            return evaluator(scenario, dataset, self.origin)

        return changed


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM ends the work as Ctrl-C does: trials are handed back, reports written."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def best_of(folder: Path) -> tuple[Candidate, ...]:
    """The candidates of an earlier search to try first: its front, then the others that were trained to the end, the
    best mean IoU first. Raises BudgetnetError where there is no such search.
    """
    trials = Study.existing(folder).trials()
    found = [trial.candidate for trial in front(trials)]
    done = sorted(
        (trial for trial in trials if trial.result is not None),
        key=lambda trial: (-trial.result.scores.mean_iou if trial.result else 0.0, trial.number),
    )
    found += [trial.candidate for trial in done if trial.candidate not in found]
    return tuple(found[:MOST_FIRST])


def require_one_network(plan: Plan) -> None:
    """Raises BudgetnetError where a plan is more than a search can go through."""
    networks = plan.scenario.networks
    if len(networks) > 1:
        rule = "search: must be of a scenario whose camera groups share one network"
        raise BudgetnetError(f"{rule}, but got {', '.join(choice.name for choice in networks)}")


def settings_of(scenario: Scenario, dataset: Dataset) -> dict[str, Any]:
    """All that a search's results depend on. A folder goes on only with a search of the same settings."""
    asked = scenario.model_dump(mode="json", exclude={"description", "dataset", "platform", "minimum_mean_iou"})
    data = scenario_data.described(dataset)
    return {**asked, "search_space": told_space(scenario.network, scenario.search_space), "dataset": data}


def write(outcome: Outcome, guess: Scores, settings: Mapping[str, Any], folder: Path, screen: Console) -> list[Path]:
    """Writes search.md, search.json, the tables as CSV, the pictures and the page, and shows the front. Raises
    BudgetnetError.
    """
    made, pictures = search_report.report(outcome, guess, settings)
    written = files.write_all(folder, {**pictures, **formats.files(made, "markdown", "csv", "json")})
    shown = [block for block in made.blocks if isinstance(block, Text) or getattr(block, "key", "") == "pareto"]
    show(Report(key=made.key, title=made.title, blocks=shown, tables=(), record={}), screen)
    screen.print("Written: " + ", ".join(str(path) for path in written), highlight=False, markup=False, soft_wrap=True)
    return written


def _asked(scenario: Scenario, request: Request) -> dict[str, Any]:
    """What was asked for besides what the results depend on."""
    named = {name: getattr(scenario, name) for name in ("description", "platform", "minimum_mean_iou")}
    given = {
        "trials": request.trials,
        "max_epochs": request.epochs,
        "timeout": request.timeout,
        "workers": request.workers,
        "repeats": request.repeats,
        "audit": request.audit,
    }
    return {name: value for name, value in {**named, **given}.items() if value not in (None, "")}


@final
class SearchProgress:
    """A bar for the trials of the search and one for each training under way. A line for each trial that ends."""

    def __init__(self, screen: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=screen)
        self._screen = screen
        self._trials = self._bars.add_task("search", total=None)
        self._trainings: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begins(self, trial: Trial, done: int, wanted: int) -> None:
        """Shows which candidate is trained."""
        self._bars.update(self._trials, completed=done, total=wanted, description="search, trials begun")
        self._drop(trial.number)
        self._trainings[trial.number] = self._bars.add_task(called(trial), total=None)

    def steps(self, trial: Trial, step: Step) -> None:
        """Moves the training's bar."""
        task = self._trainings.get(trial.number)
        if task is not None:
            self._bars.update(
                task,
                completed=(step.epoch - 1) * step.batches + step.batch,
                total=trial.target * step.batches,
                description=f"{called(trial)}: epoch {step.epoch} of {trial.target}, loss {step.loss:.3f}",
            )

    def ends(self, trial: Trial, done: int, wanted: int) -> None:
        """Says what came of a trial."""
        self._drop(trial.number)
        self._bars.update(self._trials, completed=done, total=wanted)
        self._say(f"{called(trial)}: {trial.candidate.label}: {came_of(trial)}")

    def says(self, text: str) -> None:
        """Shows a line."""
        self._say(text)

    def _say(self, text: str) -> None:
        self._screen.print(text, highlight=False, markup=False, soft_wrap=True)

    def _drop(self, number: int) -> None:
        task = self._trainings.pop(number, None)
        if task is not None:
            self._bars.remove_task(task)


def called(trial: Trial) -> str:
    """What a trial is called on the screen: repeats and audits have numbers of their own."""
    return f"{trial.origin if trial.origin in (ORIGIN_REPEAT, ORIGIN_AUDIT) else 'trial'} {trial.number}"


def came_of(trial: Trial) -> str:
    """What a trial's training brought, in a few words."""
    if trial.status == "failed":
        return f"failed: {trial.reason}"
    if trial.result is not None:
        took = units.duration(trial.result.seconds)
        return f"mean IoU {trial.result.scores.mean_iou:.3f}, {units.mega(trial.result.ops)} MOP, {took}"
    last = trial.curve.get(max(trial.curve, default=0))
    if trial.epochs < trial.target:
        return f"stopped after epoch {trial.epochs} of {trial.target}"
    return f"waits at epoch {trial.epochs}" + ("" if last is None else f", mean IoU {last:.3f}")


def status_of(folder: Path, storage: str | None, name: str) -> Report:
    """How the search of a folder, or of a shared database, stands. Raises BudgetnetError where there is none."""
    study = _there(folder, storage, name)
    checks = [trial for each in _checks(folder, storage, name) for trial in each.trials()]
    return search_report.status_report(study.trials(), study.settings, checks=checks)


def ask_to_stop(folder: Path, storage: str | None, name: str) -> str:
    """Asks the search of a folder, or of a shared database, to end; what was done, in a sentence. Raises
    BudgetnetError where there is none.
    """
    studies = [_there(folder, storage, name), *_checks(folder, storage, name)]
    running = sum(trial.status == "running" for study in studies for trial in study.trials())
    for study in studies:
        study.ask_to_stop()
    if not running:
        return "Nothing is being trained there."
    return f"Asked to stop: {units.counted(running, 'training', 'trainings')} will end after the epoch under way."


def _there(folder: Path, storage: str | None, name: str) -> Study:
    return Study.existing(folder) if storage is None else Study.existing(folder, storage=storage, name=name)


def _checks(folder: Path, storage: str | None, name: str) -> list[Study]:
    """The study of the trainings that check a search, where there is one."""
    try:
        return [Study.existing(folder, storage=storage, name=checks_of(STUDY if storage is None else name))]
    except BudgetnetError:
        return []
