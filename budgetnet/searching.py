"""A whole search as the command line runs it: data, training and search put together, progress shown, reports
written.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from budgetnet import files, formats, scenario_data, units
from budgetnet.data.reading import Dataset
from budgetnet.errors import BudgetnetError
from budgetnet.formats.table import show
from budgetnet.plan import LISTED, Plan
from budgetnet.provenance import provenance
from budgetnet.report import Report, Text
from budgetnet.results import Scores, Step
from budgetnet.scenario import Scenario
from budgetnet.search import report as search_report
from budgetnet.search.run import Outcome, search
from budgetnet.search.study import Trial


def run_search(
    plan: Plan,
    *,
    trials: int,
    folder: Path,
    timeout: float | None,
    restart: bool,
    screen: Console,
    memory_limit: float | None = None,
) -> Outcome:
    """Reads the data, trains up to `trials` candidates, writes the reports. Raises BudgetnetError.

    `memory_limit` is how many 10^9 bytes images and labels may take; half of what is free by default.
    """
    from budgetnet.training import checks
    from budgetnet.training.candidate import evaluator, guess
    from budgetnet.training.machine import device, keep_memory

    keep_memory()  # before threads read images
    scenario = plan.scenario
    require_one_network(plan)
    checks.require(scenario, (planned.candidate for planned in plan.fitting))
    deadline = None if timeout is None else time.monotonic() + timeout
    screen.print(plan.verdict, highlight=False, markup=False)
    dataset = scenario_data.read(scenario, folder=folder, memory_limit=memory_limit)
    checks.require_batches(scenario.training, len(dataset.train))
    settings = settings_of(scenario, dataset)
    origin = {**provenance(), "device": str(device()), "dataset": dataset.source}
    with SearchProgress(Console()) as watcher:
        outcome = search(
            plan,
            evaluator(scenario, dataset, origin),
            trials=trials,
            folder=folder,
            seed=scenario.training.seed,
            settings=settings,
            watcher=watcher,
            timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0),
            restart=restart,
        )
    write(outcome, guess(dataset), {**_asked(scenario, trials, timeout), **settings}, folder, screen)
    return outcome


def require_one_network(plan: Plan) -> None:
    """Raises BudgetnetError where a plan is more than a search can go through."""
    networks = plan.scenario.networks
    if len(networks) > 1:
        rule = "search: must be of a scenario whose camera groups share one network"
        raise BudgetnetError(f"{rule}, but got {', '.join(choice.name for choice in networks)}")
    if not plan.complete:
        rule = f"search: search_space must hold {LISTED:,} candidates or fewer"
        raise BudgetnetError(f"{rule}, but got {plan.total:,}; plan tells which of them matter")


def settings_of(scenario: Scenario, dataset: Dataset) -> dict[str, Any]:
    """All that a search's results depend on. A folder goes on only with a search of the same settings."""
    asked = scenario.model_dump(mode="json", exclude={"description", "dataset", "platform", "minimum_mean_iou"})
    data = scenario_data.described(dataset)
    return {**asked, "search_space": {name: list(values) for name, values in scenario.space.items()}, "dataset": data}


def write(outcome: Outcome, guess: Scores, settings: Mapping[str, Any], folder: Path, screen: Console) -> list[Path]:
    """Writes search.md, search.json, trials.csv, pareto.csv and pareto.png, and shows the front. Raises
    BudgetnetError.
    """
    made, pictures = search_report.report(outcome, guess, settings)
    written = files.write_all(folder, {**pictures, **formats.files(made, "markdown", "csv", "json")})
    shown = [block for block in made.blocks if isinstance(block, Text) or getattr(block, "key", "") == "pareto"]
    show(Report(key=made.key, title=made.title, blocks=shown, tables=(), record={}), screen)
    screen.print("Written: " + ", ".join(str(path) for path in written), highlight=False, markup=False, soft_wrap=True)
    return written


def _asked(scenario: Scenario, trials: int, timeout: float | None) -> dict[str, Any]:
    """What was asked for besides what the results depend on."""
    named = ("description", "platform", "minimum_mean_iou")
    return {
        **{name: getattr(scenario, name) for name in named if getattr(scenario, name) not in (None, "")},
        "trials": trials,
        **({} if timeout is None else {"timeout": timeout}),
    }


def _bars(screen: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # a trial lasts minutes: with the default of 30 s nothing would be left to estimate from
    left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, *left, console=screen, speed_estimate_period=6 * 3600)


@final
class SearchProgress:
    """Two bars: the trials of the search, and the batches of the training under way. A line for each trial that
    ends.
    """

    def __init__(self, screen: Console) -> None:
        self._bars = _bars(screen)
        self._screen = screen
        self._trials = self._bars.add_task("search", total=None)
        self._training = self._bars.add_task("training", total=None, visible=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begins(self, trial: Trial, done: int, total: int) -> None:
        """Shows which candidate is trained."""
        self._bars.update(self._trials, completed=done, total=total, description=f"search, trial {trial.number}")
        self._bars.reset(self._training, visible=True, description=trial.candidate.label)

    def steps(self, step: Step) -> None:
        """Moves the training's bar."""
        self._bars.update(
            self._training,
            completed=(step.epoch - 1) * step.batches + step.batch,
            total=step.epochs * step.batches,
            description=f"epoch {step.epoch} of {step.epochs}, loss {step.loss:.3f}",
        )

    def ends(self, trial: Trial, done: int, total: int) -> None:
        """Says what came of a trial."""
        self._bars.update(self._trials, completed=done, total=total)
        if trial.result is None:
            self._screen.print(
                f"trial {trial.number}: {trial.candidate.label}: failed: {trial.reason}", highlight=False
            )
            return
        quality, took = trial.result.scores.mean_iou, units.duration(trial.result.seconds)
        line = (
            f"trial {trial.number}: {trial.candidate.label}: mean IoU {quality:.3f}, {units.mega(trial.result.ops)} MOP"
        )
        self._screen.print(f"{line}, {took}", highlight=False, markup=False, soft_wrap=True)
