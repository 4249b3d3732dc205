"""One training as the command line runs it: a candidate of a scenario, trained to the end, watched, and reported.

The folder holds `training.json` (what was asked for) and `checkpoint.pt` while it is under way, `history.csv` and
TensorBoard's files after every epoch, and what every finished run holds at the end. The same command goes on.
"""

import csv
import io
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self, final

from rich.console import Console

from budgetnet import files, formats, plan, records, scenario_data, training_report, units
from budgetnet.errors import BudgetnetError, printable
from budgetnet.formats.table import show
from budgetnet.locks import alone
from budgetnet.networks import Candidate
from budgetnet.plan.demand import Planned
from budgetnet.provenance import provenance
from budgetnet.report import Picture, Report
from budgetnet.results import Result, Run, TrainingError, UnfinishedError
from budgetnet.scenario import Scenario
from budgetnet.training_watch import Watcher

ASKED: Final = "training.json"
"""What was asked for; a folder goes on only with the same."""

HISTORY: Final = "history.csv"
LOGS: Final = "tensorboard"


class InterruptedTrainingError(Exception):
    """A training was asked to stop (Ctrl-C, SIGTERM); the same command goes on."""


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
    """Trains, writes reports, shows what came of it. Raises BudgetnetError, InterruptedTrainingError."""
    from budgetnet.training import ranks

    with ranks.together(), ExitStack() as stack:
        leads = ranks.leads()
        quiet = screen if leads else Console(quiet=True)
        planned = plan.measure(request.scenario, request.candidate)
        quiet.print(_verdict(planned, request), highlight=False, markup=False, soft_wrap=True)
        if leads:
            stack.enter_context(alone(request.folder, "training"))
        result = _train(request, quiet, leads)
        if leads:
            _report(request, planned, result, screen)
        return result


def _verdict(planned: Planned, request: Request) -> str:
    """Whether the candidate fits the scenario, and the figures it is quoted with."""
    label, ops = request.candidate.label, units.mega(planned.cost.ops)
    image = request.scenario.image
    told = f"{label}: {ops} MOP per image at {image.height} x {image.width}, {plan.share(planned)}"
    if request.size and request.size != (image.height, image.width):
        told += f"; trained and scored at {request.size[0]} x {request.size[1]}"
    return told + ("." if planned.fits else f". It does NOT fit {request.scenario.name}: trained all the same.")


def _train(request: Request, screen: Console, leads: bool) -> Result:
    from budgetnet.training import ranks
    from budgetnet.training.candidate import evaluator
    from budgetnet.training.machine import device

    scenario, folder = request.scenario, request.folder
    place = folder if leads else folder / f"process{ranks.rank()}"  # mapped data have one writer
    dataset = scenario_data.read(scenario, folder=place, memory_limit=request.memory_limit, size=request.size)
    asked = _asked(request, scenario_data.described(dataset))
    if leads:
        _open(folder, asked, restart=request.restart)
    ranks.agree(False)  # nobody looks into the folder before it is ready
    origin = {**provenance(), "device": str(device()), "processes": str(ranks.world()), "dataset": dataset.source}
    evaluate = evaluator(scenario, dataset, origin, size=request.size)
    stop = _Stop()
    with ExitStack() as stack:
        watched = Console(stderr=True) if leads else Console(quiet=True)
        watcher = stack.enter_context(Watcher(watched, scenario.training.batch_size))
        stack.enter_context(stop.listening())
        kept = stack.enter_context(_Kept(folder, watcher)) if leads else None
        run = Run(
            number=0,
            folder=folder,
            progress=watcher.steps,
            interrupted=lambda: stop.asked,
            epoch=kept.epoch if kept else lambda history: None,
        )
        try:
            return evaluate(request.candidate, run)
        except UnfinishedError:
            told = f"Stopped: the state is kept in {printable(str(folder))}; the same command goes on."
            raise InterruptedTrainingError(told) from None
        except TrainingError as error:
            raise BudgetnetError(f"training: {error}") from None


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


def _open(folder: Path, asked: Mapping[str, Any], *, restart: bool) -> None:
    """Makes the folder that of this training. Raises BudgetnetError where it is that of another."""
    from budgetnet.training.finished import RECORD, WEIGHTS
    from budgetnet.training.loop import CHECKPOINT

    path = folder / ASKED
    if restart:
        for name in (CHECKPOINT, RECORD, WEIGHTS, HISTORY, ASKED):
            files.remove(folder / name)
    elif path.exists():
        differing = records.differing(records.read(path), json.loads(json.dumps(asked)))
        if differing:
            where = printable(str(folder))
            told = printable("; ".join(differing[:5]))
            rule = "must be a folder of its own for each training, but holds another one"
            raise BudgetnetError(f"{where}: {rule} ({told}); choose another --output, or --restart throws it away")
    elif (folder / RECORD).exists():
        where = printable(str(folder))
        raise BudgetnetError(f"{where}: must be a folder of its own for each training, but holds a finished run")
    files.write(path, (json.dumps(asked, indent=2, ensure_ascii=False) + "\n").encode())


def _report(request: Request, planned: Planned, result: Result, screen: Console) -> None:
    made, pictures = training_report.report(request.scenario, planned, result, request.size)
    written = files.write_all(request.folder, {**pictures, **formats.files(made, "markdown", "json")})
    blocks = [block for block in made.blocks if not isinstance(block, Picture) and getattr(block, "key", "") != "facts"]
    show(Report(key=made.key, title=made.title, blocks=blocks, tables=(), record={}), screen)
    told = ", ".join(printable(str(path)) for path in [request.folder / HISTORY, *written])
    screen.print(f"Written: {told}", highlight=False, markup=False, soft_wrap=True)


@final
class _Kept:
    """Writes what each epoch brought: a row of history.csv, TensorBoard's figures. A context: it holds files."""

    def __init__(self, folder: Path, watcher: Watcher) -> None:
        self._folder, self._watcher = folder, watcher
        self._board: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Told the whole history after every epoch."""
        self._watcher.epoch(history[-1])
        out = io.StringIO()
        writer = csv.DictWriter(out, fieldnames=list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        files.write(self._folder / HISTORY, out.getvalue().encode())
        self._show_on_board(history[-1])

    def _show_on_board(self, row: Mapping[str, Any]) -> None:
        """Adds an epoch's figures for TensorBoard; what an earlier try wrote of the same epochs is superseded."""
        if self._board is None:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(str(self._folder / LOGS), purge_step=row["epoch"])
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self._board.add_scalar(name, value, row["epoch"])
        self._board.flush()


@final
@dataclass(slots=True)
class _Stop:
    """Whether somebody asked the training to stop."""

    asked: bool = False
    _before: dict[int, Any] = field(default_factory=dict)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the first Ctrl-C or SIGTERM asks the training to stop after its step; the next one ends it at
        once.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        try:
            yield
        finally:
            self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
