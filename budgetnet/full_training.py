"""One training as the command line runs it: a candidate of a scenario, trained to the end, watched, and reported.

The folder holds `training.json` (what was asked for) and `checkpoint.pt` while it is under way, `history.csv` and
TensorBoard's files after every epoch, and what every finished run holds at the end. The same command goes on.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from rich.console import Console

from budgetnet import files, formats, plan, records, scenario_data, training_log, training_report, units
from budgetnet.data.keeping import SHARE, free_memory
from budgetnet.data.reading import Dataset
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.formats.table import show
from budgetnet.locks import alone
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Planned
from budgetnet.provenance import provenance
from budgetnet.report import Picture, Report
from budgetnet.results import Result, Run, TrainingError, UnfinishedError
from budgetnet.scenario import Scenario
from budgetnet.stopping import Stop
from budgetnet.training_log import Log
from budgetnet.training_settings import completed
from budgetnet.training_watch import Watcher

ASKED: Final = "training.json"
"""What was asked for; a folder goes on only with the same."""


class InterruptedTrainingError(Exception):
    """A training was asked to stop (Ctrl-C, SIGTERM); the same command goes on."""


class FailedTrainingError(Exception):
    """A training that cannot go on, with the reason: its loss is not finite, its memory ran out."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A training: a scenario with its data set and settings, the candidate, the folder; `size` (height, width) of the
    images where it is not the scenario's own; `memory_limit` in 10^9 bytes.
    """

    scenario: Scenario
    candidate: Candidate
    folder: Path
    size: tuple[int, int] | None = None
    memory_limit: float | None = None
    restart: bool = False


def run_training(request: Request, screen: Console) -> Result:
    """Trains, writes reports, shows what came of it. In several processes the first one alone writes and speaks.

    Raises BudgetnetError, InterruptedTrainingError, FailedTrainingError.
    """
    from budgetnet.training import checks, ranks

    with ranks.together(), ExitStack() as stack:
        planned = plan.measure(request.scenario, request.candidate)
        checks.require(request.scenario, [request.candidate], processes=ranks.world())
        if ranks.leads():
            told = training_report.verdict(request.scenario, planned, request.size)
            screen.print(told, highlight=False, markup=False, soft_wrap=True)
        ranks.first(lambda: stack.enter_context(alone(request.folder, "training")))
        dataset = _data(request)
        checks.require_batches(request.scenario.training, len(dataset.train))
        if ranks.leads():
            screen.print(_plan_of(request, dataset), highlight=False, markup=False, soft_wrap=True)
        asked = _asked(request, scenario_data.described(dataset))
        if request.restart:
            _require_elsewhere(request)
        ranks.first(lambda: _open(request.folder, asked, restart=request.restart))
        result = _train(request, dataset, screen)
        if ranks.leads():
            _report(request, planned, result, asked, screen)
        return result


def _plan_of(request: Request, dataset: Dataset) -> str:
    """What is trained on what, and from what it starts."""
    from budgetnet import stems

    training = request.scenario.training
    batches = -(-len(dataset.train) // training.batch_size)
    begins = "random numbers"
    if training.stem is not None:
        begins = stems.of(training.stem, request.candidate).story
    taught = "" if training.teacher is None else f", taught by {training.teacher}"
    told = (
        f"{dataset.source}: {units.counted(len(dataset.train), 'training image', 'training images')}, "
        f"{len(dataset.val):,} for validation, {len(dataset.classes)} classes. Recipe {training.recipe}: "
        f"{units.counted(training.epochs, 'epoch', 'epochs')} of {units.counted(batches, 'batch', 'batches')}, "
        f"the stem from {begins}{taught}."
    )
    return printable(told)


def _data(request: Request) -> Dataset:
    """The data set. Several processes on a machine share its memory; what is larger is mapped by all of them from the
    files that the first one writes.
    """
    from budgetnet.training import ranks
    from budgetnet.training.machine import keep_memory

    keep_memory()  # before threads read images
    limit = request.memory_limit
    if ranks.world() > 1:
        limit = ranks.gather(free_memory() * SHARE / 1e9 if limit is None else limit)[0] / ranks.world()
    read = []

    def load() -> None:
        read.append(scenario_data.read(request.scenario, folder=request.folder, memory_limit=limit, size=request.size))

    ranks.first(load)
    if not read:
        load()
    return read[0]


def _train(request: Request, dataset: Dataset, screen: Console) -> Result:
    from budgetnet.training import ranks
    from budgetnet.training.candidate import evaluator

    scenario, folder = request.scenario, request.folder
    origin = {**provenance(), **_machine(scenario), "dataset": dataset.source}
    evaluate = evaluator(scenario, dataset, origin, size=request.size)
    watched = Console(stderr=True) if ranks.leads() else Console(quiet=True)
    with ExitStack() as stack:
        watcher = stack.enter_context(Watcher(watched, scenario.training, len(dataset.train)))
        watcher.remember(training_log.qualities(folder, scenario.training))
        single = ranks.world() == 1
        stop = Stop(told=lambda: watcher.stops(again=single), alone=single)
        stack.enter_context(stop.listening())
        log = stack.enter_context(Log(folder)) if ranks.leads() else None

        def ends_epoch(history: Any) -> None:
            if log is not None:
                log.bring(history)
            watcher.epoch(history)

        run = Run(
            number=0,
            folder=folder,
            replaces=False,
            progress=watcher.steps,
            expired=lambda: stop.asked,
            interrupted=lambda: stop.asked,
            epoch=ends_epoch,
        )
        try:
            result = evaluate(request.candidate, run)
        except UnfinishedError:
            told = f"Stopped: the state is kept in {printable(str(folder))}; the same command goes on."
            raise InterruptedTrainingError(told) from None
        except TrainingError as error:
            if isinstance(error.__cause__, BudgetnetError):
                raise BudgetnetError(str(error)) from None
            raise FailedTrainingError(f"training: {error}") from None
        if log is not None:
            log.bring(result.history)
    if not watcher.begun and ranks.leads():
        screen.print("Nothing to train: the folder holds this very training, finished.", highlight=False)
    return result


def _machine(scenario: Scenario) -> dict[str, str]:
    """What the training runs on, and what that means for its arithmetic."""
    import torch

    from budgetnet.training import ranks
    from budgetnet.training.machine import computes_bfloat16, device

    here = device()
    mixed = scenario.training.arithmetic == "mixed" and computes_bfloat16(here)
    name = f" ({torch.cuda.get_device_name(here)})" if here.type == "cuda" else ""
    return {
        "device": f"{here}{name}",
        "threads": str(torch.get_num_threads()),
        "processes": str(ranks.world()),
        "computed in": "bfloat16 where it bears it" if mixed else "fp32",
    }


def _asked(request: Request, data: Mapping[str, Any]) -> dict[str, Any]:
    """All that the result depends on."""
    image = request.scenario.image
    height, width = request.size or (image.height, image.width)
    return {
        "network": request.candidate.network,
        "parameters": dict(request.candidate.parameters),
        "input": {"height": height, "width": width},
        "training": request.scenario.training.model_dump(mode="json"),
        "dataset": dict(data),
    }


def _require_elsewhere(request: Request) -> None:
    """Raises BudgetnetError where a training would throw away what it is to start from."""
    training, folder = request.scenario.training, request.folder.resolve()
    for name, given in (("stem", training.stem), ("teacher", training.teacher)):
        if given is not None and Path(given).resolve().is_relative_to(folder):
            rule = f"{name}: must lie outside the folder that --restart throws away"
            raise BudgetnetError(f"{rule}, but got {shorten(given)}")


def _open(folder: Path, asked: Mapping[str, Any], *, restart: bool) -> None:
    """Makes the folder that of this training. Raises BudgetnetError where something has come of another one there."""
    from budgetnet.training.candidate import PREVIEW
    from budgetnet.training.finished import RECORD, WEIGHTS
    from budgetnet.training.loop import CHECKPOINT

    path, where = folder / ASKED, printable(str(folder))
    if not path.exists() and (folder / RECORD).exists():
        raise BudgetnetError(f"{where}: must be a folder of its own for each training, but holds a finished run")
    begun = any((folder / name).exists() for name in (CHECKPOINT, RECORD, training_log.HISTORY))
    if restart:
        training_log.remove(folder)
        for name in (CHECKPOINT, RECORD, WEIGHTS, PREVIEW, *training_report.FILES, ASKED):
            files.remove(folder / name)
        for report in folder.glob("evaluation-*/evaluation.md"):  # of the network that is thrown away
            shutil.rmtree(report.parent)
    elif path.exists() and begun:
        differing = records.differing(completed(records.read(path)), json.loads(json.dumps(asked)))
        if differing:
            told = printable("; ".join(differing[:5]))
            rule = "must be a folder of its own for each training, but holds another one"
            raise BudgetnetError(f"{where}: {rule} ({told}); choose another --output, or --restart throws it away")
    files.write(path, (json.dumps(asked, indent=2, ensure_ascii=False) + "\n").encode())


def _report(request: Request, planned: Planned, result: Result, asked: Mapping[str, Any], screen: Console) -> None:
    from budgetnet.training.finished import RECORD, WEIGHTS

    record = records.read(request.folder / RECORD)
    about = {name: record.get(name) for name in ("stem", "teacher", "weights_sha256")} | {"dataset": asked["dataset"]}
    made, pictures = training_report.report(request.scenario, planned, result, request.size, about)
    written = files.write_all(request.folder, {**pictures, **formats.files(made, "markdown", "json")})
    blocks = [block for block in made.blocks if not isinstance(block, Picture) and getattr(block, "key", "") != "facts"]
    show(Report(key=made.key, title=made.title, blocks=blocks, tables=(), record={}), screen)
    there = [request.folder / name for name in (WEIGHTS, RECORD, training_log.HISTORY, training_log.BOARD)]
    told = ", ".join(printable(str(path)) for path in [*written, *there])
    screen.print(f"Written: {told}", highlight=False, markup=False, soft_wrap=True)
