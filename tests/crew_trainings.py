"""Trainings for tests of the crew: formulas instead of networks, with a checkpoint, and with everything that can go
wrong. `changes` say what a training does; workers find it all by its name.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.results import Evaluate, Result, Run, Scores, Step, TrainingError, UnfinishedError
from budgetnet.search.crew import Evaluators, Job

SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})
EPOCHS = 4
BATCHES = 3


def job(folder: Path, number: int = 0, *, target: int = EPOCHS, known: int = 0, **changes: Any) -> Job:
    where = folder / f"{number:04d}"
    where.mkdir(parents=True, exist_ok=True)
    return Job(
        number=number,
        candidate=SMALL,
        folder=where,
        target=target,
        epochs=EPOCHS,
        changes=changes,
        known_epochs=known,
    )


def row(epoch: int, seed: int = 0) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 1 / epoch, "mean_iou": 0.1 * epoch + 0.01 * seed}


def result(history: list[dict[str, Any]]) -> Result:
    scores = Scores(mean_iou=history[-1]["mean_iou"], pixel_accuracy=0.5, mean_dice=0.5, iou={"sky": None}, dice={})
    return Result(
        network=SMALL.network,
        parameters=SMALL.parameters,
        macs=1,
        ops=2,
        params=3,
        fvcore_macs=1,
        scores=scores,
        epochs=len(history),
        seconds=1.0,
        history=tuple(history),
        made_by={"formula": "tests"},
    )


def evaluators(changes: Mapping[str, Any]) -> Evaluate:
    if changes.get("does") == "cannot be made":
        raise BudgetnetError("teacher: must be a finished run, but is not")
    return partial(_train, dict(changes))


def evaluators_in(folder: Path) -> Evaluators:
    """Leaves what a worker sees of the world."""
    seen = {"environment": dict(os.environ), "modules": sorted(sys.modules), "pid": os.getpid()}
    (folder / f"made-{os.getpid()}.json").write_text(json.dumps(seen))
    print("a library says something on standard output")
    return evaluators


def only_one(folder: Path) -> Evaluators:
    """There is room for one worker."""
    try:
        (folder / "one").touch(exist_ok=False)
    except FileExistsError:
        raise BudgetnetError("images: must fit into the memory that is left") from None
    return evaluators


def refuses() -> Evaluators:
    raise BudgetnetError("images: must be a folder, but got 'nowhere'")


def has_a_bug() -> Evaluators:
    raise TypeError("unsupported operand\nand a second line")


def dies_early(folder: Path, times: int) -> Evaluators:
    tries = folder / "tries"
    count = int(tries.read_text()) if tries.exists() else 0
    tries.write_text(str(count + 1))
    if count < times:
        print("no room for the data", file=sys.stderr, flush=True)
        os._exit(3)
    return evaluators


def _train(changes: Mapping[str, Any], candidate: Candidate, run: Run) -> Result:
    kept = run.folder / "checkpoint.json"
    history, begun = json.loads(kept.read_text()) if kept.exists() else ([], 0)
    if (run.folder / "run.json").exists():
        return result(history)
    (run.folder / "pid").write_text(str(os.getpid()))
    if history:
        run.resumed(history)
    while len(history) < EPOCHS:
        if history and run.expired():
            raise UnfinishedError
        epoch = len(history) + 1
        for batch in range(begun + 1, BATCHES + 1):
            time.sleep(changes.get("seconds", 0.0))
            run.progress(Step(epoch=epoch, epochs=EPOCHS, batch=batch, batches=BATCHES, loss=1 / batch))
            if run.interrupted():
                kept.write_text(json.dumps([history, batch]))
                raise UnfinishedError
        begun = 0
        if epoch == changes.get("epoch"):
            _go_wrong(changes["does"], run)
        history.append(row(epoch, changes.get("seed", 0)))
        kept.write_text(json.dumps([history, 0]))
        if epoch == changes.get("epoch"):
            _go_wrong(f"{changes['does']} once the checkpoint is there", run)
        run.epoch(history)
    (run.folder / "run.json").write_text("{}")
    return result(history)


def _go_wrong(how: str, run: Run) -> None:
    """Once in each folder."""
    once = run.folder / "gone wrong"
    if not once.exists() and how in _WRONGS:
        once.touch()
        _WRONGS[how](run)


def _fail(run: Run) -> None:
    raise TrainingError("loss must be finite, but got nan")


def _run_out_of_memory(run: Run) -> None:
    try:
        raise RuntimeError("CUDA error: out of memory")
    except RuntimeError as error:
        raise TrainingError("memory must hold a batch of 4, but ran out") from error


def _have_a_bug(run: Run) -> None:
    raise KeyError("fused")


def _meet(run: Run) -> None:
    """Waits for the others of this folder: goes on only where all of them are at work at the same time."""
    others = [folder for folder in run.folder.parent.iterdir() if folder.is_dir()]
    deadline = time.monotonic() + 20
    while not all((folder / "gone wrong").exists() for folder in others):
        if time.monotonic() > deadline:
            raise TrainingError("nobody else came")
        time.sleep(0.01)


def _hold_the_interpreter(run: Run) -> None:
    """Minutes in a library that lets no other thread of Python go on."""
    re.match(r"(a+)+$", "a" * 40 + "b")


class Riddle:
    """What can be told, but not understood."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("a riddle",))


_WRONGS = {
    "speaks in riddles": lambda run: run.epoch([{"epoch": Riddle()}, {"epoch": 2}]),
    "fails": _fail,
    "runs out of memory": _run_out_of_memory,
    "has a bug": _have_a_bug,
    "is killed": lambda run: os.kill(os.getpid(), signal.SIGKILL),
    "waits to be killed once the checkpoint is there": lambda run: os.kill(os.getpid(), signal.SIGKILL),
    "crashes": lambda run: os.kill(os.getpid(), signal.SIGSEGV),
    "exits": lambda run: os._exit(3),
    "exits orderly": lambda run: sys.exit(0),
    "meets": _meet,
    "holds the interpreter": _hold_the_interpreter,
}
