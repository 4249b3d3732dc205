"""Trainings that are formulas: quick, repeatable, with a state on disk as real ones have."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import exp
from pathlib import Path
from typing import Any

from budgetnet import files
from budgetnet.networks import Candidate
from budgetnet.plan import measure
from budgetnet.results import Evaluate, Result, Run, Scores, Step, UnfinishedError
from budgetnet.scenario import InputSize, Scenario

STATE = "checkpoint.pt"
"""As real trainings call it, so that --restart knows the folder."""


def scenario(budget: float = 70, *, epochs: int = 9, **fields: Any) -> Scenario:
    size = InputSize(height=320, width=480)
    training = {"epochs": epochs, **fields.pop("training", {})}
    return Scenario(
        name="test", cameras=4, fps=15, budget_gops=budget, classes=7, input=size, training=training, **fields
    )


def drawn(*words: object) -> float:
    """A number from 0 to 1 that follows from the words."""
    return int.from_bytes(sha256(repr(words).encode()).digest()[:4]) / 2**32


def quality(candidate: Candidate, seed: int = 0) -> float:
    """A stand-in for a mean IoU after a long training: wide networks are better, with falling returns and noise."""
    given = candidate.parameters
    wide = 0.4 * float(given["depth_multiplier"]) ** 0.3
    deep = 0.02 if given["final_endpoint"] == "Conv2d_13_pointwise" else 0.0
    head = 0.01 * float(given.get("classifier_kernel", 1)) + 0.00002 * float(given.get("classifier_depth", 0))
    return wide + deep + head + 0.02 * drawn(candidate.label, seed)


def curve(candidate: Candidate, epoch: int, seed: int = 0) -> float:
    """Mean IoU after an epoch."""
    return quality(candidate, seed) * (1 - exp(-epoch / 3)) + 0.005 * drawn(candidate.label, seed, epoch)


def result(candidate: Candidate, epochs: int = 9, seed: int = 0) -> Result:
    cost = measure(scenario(), candidate).cost
    value = curve(candidate, epochs, seed)
    rows = tuple(row(candidate, epoch, seed) for epoch in range(1, epochs + 1))
    return Result(
        network=candidate.network,
        parameters=candidate.parameters,
        macs=cost.macs,
        ops=cost.ops,
        params=cost.params,
        fvcore_macs=cost.macs,
        scores=Scores(
            mean_iou=value, pixel_accuracy=value, mean_dice=value, iou={"a": value, "b": None}, dice={"a": value}
        ),
        epochs=epochs,
        seconds=0.0,
        history=rows,
        made_by={"torch": "none"},
    )


def row(candidate: Candidate, epoch: int, seed: int = 0) -> dict[str, float]:
    return {"epoch": epoch, "loss": 1.0, "mean_iou": curve(candidate, epoch, seed), "seconds": 0.0}


@dataclass(frozen=True)
class Formula:
    """Makes what "trains": each epoch takes `seconds` and is noted in `log`. It can be sent to workers."""

    epochs: int = 9
    seconds: float = 0.0
    log: Path | None = None

    def __call__(self) -> Callable[[Mapping[str, Any]], Evaluate]:
        return self.evaluators

    def evaluators(self, changes: Mapping[str, Any]) -> Evaluate:
        epochs, seed = changes.get("epochs", self.epochs), changes.get("seed", 0)

        def evaluate(candidate: Candidate, run: Run) -> Result:
            files.make_folder(run.folder)
            history = self._kept(candidate, run.folder, seed)
            if history:
                run.resumed(history)
            while len(history) < epochs:
                if history and run.expired():
                    raise UnfinishedError
                self._epoch(candidate, run, history, seed)
            time.sleep(self.seconds)  # real ones take a while between the last epoch and the result
            return result(candidate, epochs, seed)

        return evaluate

    def _epoch(self, candidate: Candidate, run: Run, history: list[Any], seed: int) -> None:
        epoch = len(history) + 1
        run.progress(Step(epoch=epoch, epochs=self.epochs, batch=1, batches=1, loss=1.0))
        time.sleep(self.seconds)
        history.append(row(candidate, epoch, seed))
        kept = {"candidate": candidate.label, "seed": seed, "history": history}
        files.write(run.folder / STATE, json.dumps(kept).encode())
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{run.folder.parent.name}, {candidate.label}, seed {seed}, epoch {epoch}\n")
        run.epoch(history)

    def _kept(self, candidate: Candidate, folder: Path, seed: int) -> list[Any]:
        try:
            kept = json.loads((folder / STATE).read_text())
        except OSError:
            return []
        return kept["history"] if (kept["candidate"], kept["seed"]) == (candidate.label, seed) else []
