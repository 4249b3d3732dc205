"""A whole search as the command line runs it: data, training and search put together, progress shown, reports
written.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console

from budgetnet import files, formats, scenario_data, units
from budgetnet.data.reading import Dataset
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.formats.table import show
from budgetnet.locks import held
from budgetnet.networks import Candidate
from budgetnet.plan import Plan
from budgetnet.plan.feasible import Feasible
from budgetnet.provenance import provenance
from budgetnet.report import Report, Text
from budgetnet.results import Evaluate, Scores
from budgetnet.scenario import Scenario
from budgetnet.search import halving, samplers
from budgetnet.search import report as search_report
from budgetnet.search.checks import front
from budgetnet.search.crew import Alone, Crew, Workers
from budgetnet.search.place import RUNS, Place, Storage
from budgetnet.search.run import Asked, Outcome, search
from budgetnet.search.storage import masked
from budgetnet.search.study import Study
from budgetnet.search_axis import Axis
from budgetnet.search_screen import SearchProgress
from budgetnet.space import told_space

BUDGET = Axis()
MOST_FIRST = 10
"""So many candidates of an earlier study are tried first, at most."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for. `rungs` is `auto`, `none` or epochs (`2,6`); `earlier` the folder of a search
    whose best candidates are tried first, or URL#STUDY; `memory_limit` is in 10^9 bytes.
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
    earlier: str | None = None
    repeats: int = 1
    audit: int = 0
    restart: bool = False
    memory_limit: float | None = None
    axis: Axis = BUDGET

    def place(self, scenario: Scenario) -> Place:
        """Where the search of a scenario works."""
        return place_of(self.folder, self.storage, self.study or scenario.name)


def place_of(folder: Path, storage: str | None, name: str) -> Place:
    """Where a search works: in its folder alone, or in a shared database under a name."""
    return Place(folder=folder) if storage is None else Place(folder=folder, storage=Storage(url=storage, name=name))


def run_search(plan: Plan, request: Request, *, screen: Console) -> Outcome:
    """Reads the data, races up to `trials` candidates, writes the reports. Raises BudgetnetError."""
    from budgetnet.training import checks
    from budgetnet.training.candidate import guess
    from budgetnet.training.machine import device, keep_memory

    keep_memory()  # before threads read images
    started = time.monotonic()
    scenario, folder, place = plan.scenario, request.folder, request.place(plan.scenario)
    require_one_network(plan)
    samplers.sampler(request.sampler)
    rungs = halving.rungs(request.rungs, scenario.training)
    throughput = request.axis.throughput(scenario, alone=request.workers == 1 and request.storage is None)
    feasible = Feasible(scenario, throughput.roof)
    checks.require(scenario, feasible.one_of_each("depth_multiplier"))
    files.make_folder(folder)
    first = first_of(scenario, request, place)
    if request.earlier is not None:
        here = sum(feasible.index(one) is not None for one in first)
        told = f"--warm-start: {here} of the {len(first)} best candidates of that search can be tried in this one"
        screen.print(told, highlight=False, markup=False, soft_wrap=True)
    screen.print(plan.verdict, highlight=False, markup=False)
    limit = None if request.memory_limit is None else request.memory_limit / request.workers
    dataset = scenario_data.read(scenario, folder=folder, memory_limit=limit)
    checks.require_batches(scenario.training, len(dataset.train))
    guessed, settings = guess(dataset), settings_of(scenario, scenario_data.described(dataset))
    trainer = Trainer(
        scenario=scenario,
        folder=folder,
        memory_limit=limit,
        origin={**provenance(), "device": str(device()), "dataset": dataset.source},
    )

    left = None if request.timeout is None else max(request.timeout - (time.monotonic() - started), 0.0)
    asked = Asked(
        trials=request.trials,
        rungs=rungs,
        sampler=request.sampler,
        first=first,
        earlier=None if request.earlier is None else told_earlier(request.earlier),
        epochs=request.epochs,
        seconds=left,
        repeats=request.repeats,
        audit=request.audit,
        throughput=throughput,
    )
    with SearchProgress(Console()) as watcher:

        def crew() -> Crew:
            if request.workers == 1:
                return Alone(trainer.with_data(dataset))
            return Workers(request.workers, trainer, says=watcher.says)

        outcome = search(
            plan,
            crew,
            asked,
            place,
            settings=settings,
            watcher=watcher,
            restart=request.restart,
            feasible=feasible,
        )
    write(outcome, guessed, {**_asked(scenario, request, rungs), **settings}, folder, screen)
    return outcome


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
        import torch

        from budgetnet.training.candidate import evaluator

        origin = {**self.origin, "threads": str(torch.get_num_threads())}

        def changed(changes: Mapping[str, Any]) -> Evaluate:
            scenario = self.scenario.changed(training=dict(changes)) if changes else self.scenario
            return evaluator(scenario, dataset, origin)

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


def first_of(scenario: Scenario, request: Request, place: Place) -> tuple[Candidate, ...]:
    """The candidates of an earlier search that are tried first: those that were, where the search has begun already,
    whatever the earlier one has found since.

    Raises BudgetnetError where the study that is there does not answer, or is of another search.
    """
    begun = None if request.restart else place.found(replaceable=True)
    if begun is not None:
        with closing(begun):
            begun.require(settings_of(scenario, None), place.where, some=True)
    if request.earlier is None:
        return ()
    if begun is not None and begun.settings["search"].get("warm_start") == told_earlier(request.earlier):
        return tuple(Candidate.of(one["network"], one["parameters"]) for one in begun.settings["search"]["first"])
    return best_of(request.earlier)


def _earlier(given: str) -> Place:
    """Where an earlier search is: its folder, or a database and, after a #, what the study is called."""
    if "://" not in given:
        return Place(folder=Path(given))
    storage, _, name = given.partition("#")
    if not name:
        raise BudgetnetError(f"--warm-start: must be a folder or URL#STUDY, but got {shorten(masked(storage))}")
    return Place(folder=Path(), storage=Storage(url=storage, name=name))


def told_earlier(given: str) -> str:
    """An earlier search as settings tell it: without a password."""
    if "://" not in given:
        return os.path.normpath(given)
    storage, _, name = given.partition("#")
    return f"{masked(storage)}#{name}"


def best_of(earlier: str) -> tuple[Candidate, ...]:
    """The candidates of an earlier search to try first: its front, then the others that were trained to the end, the
    best mean IoU first. Raises BudgetnetError where there is no such search.
    """
    with closing(_earlier(earlier).existing()) as study:
        trials = study.trials()
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


def settings_of(scenario: Scenario, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """All that a search's results depend on, but the data where they are not read yet. A folder goes on only with a
    search of the same settings.
    """
    asked = scenario.model_dump(mode="json", exclude={"description", "dataset", "platform", "minimum_mean_iou"})
    asked["search_space"] = told_space(scenario.network, scenario.search_space)
    return asked if data is None else {**asked, "dataset": data}


def write(outcome: Outcome, guess: Scores, settings: Mapping[str, Any], folder: Path, screen: Console) -> list[Path]:
    """Writes search.md, search.json, the tables as CSV, the pictures and the page, and shows the front. Raises
    BudgetnetError.
    """
    done = [trial.number for trial in outcome.trials if trial.result is not None]
    absent = [number for number in done if not (folder / RUNS / f"{number:04d}" / "run.json").exists()]
    made, pictures = search_report.report(outcome, guess, settings, absent=absent)
    contents = {**pictures, **formats.files(made, "markdown", "csv", "json")}
    written = files.write_all(folder, contents)
    for name in search_report.FILES:
        if name not in contents:
            files.remove(folder / name)
    shown = [block for block in made.blocks if isinstance(block, Text) or getattr(block, "key", "") == "pareto"]
    show(Report(key=made.key, title=made.title, blocks=shown, tables=(), record={}), screen)
    screen.print("Written: " + ", ".join(str(path) for path in written), highlight=False, markup=False, soft_wrap=True)
    return written


def _asked(scenario: Scenario, request: Request, rungs: Sequence[int]) -> dict[str, Any]:
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
    named |= {"sampler": request.sampler, "rungs": ", ".join(map(str, rungs))}
    named |= {"throughput": request.axis.told()}
    named |= {"warm_start": None if request.earlier is None else told_earlier(request.earlier)}
    last = {f"{name} (of the last call)": value for name, value in given.items()}
    return {name: value for name, value in {**named, **last}.items() if value not in (None, "")}


def status_of(place: Place) -> Report:
    """How a search stands. Raises BudgetnetError where there is none."""
    with _studies(place) as (study, checks):
        checked = [] if checks is None else place.standing(checks)
        return search_report.status_report(place.standing(study), study.settings, checks=checked)


def ask_to_stop(place: Place) -> str:
    """Asks a search to end, on all its machines; what was done, in a sentence. Raises BudgetnetError where there is
    none.
    """
    with _studies(place) as found:
        studies = [study for study in found if study is not None]
        running = sum(trial.status == "running" for study in studies for trial in place.standing(study))
        found[0].ask_to_stop()
    if not running and (place.shared or held(place.folder)):
        return "Asked to stop: no training is under way at this moment."
    if not running:
        return "Nothing is being trained there."
    return f"Asked to stop: {units.counted(running, 'training', 'trainings')} will end after the epoch under way."


@contextmanager
def _studies(place: Place) -> Iterator[tuple[Study, Study | None]]:
    """Inside, a search's study and that of its checks, where there is one."""
    with ExitStack() as stack:
        study = stack.enter_context(closing(place.existing()))
        checks = place.found(checks=True)
        if checks is not None:
            stack.enter_context(closing(checks))
        yield study, checks
