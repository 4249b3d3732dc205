"""Our search, replayed: `budgetnet.search.race` decides, recorded curves answer."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from budgetnet.results import Result, Scores
from budgetnet.search import halving
from budgetnet.search.decisions import Begin
from budgetnet.search.race import Limits, Race
from budgetnet.search.trial import Trial
from budgetnet.training_settings import Training
from replays.ledger import Ledger

COMMAND: Final = {"command": "benchmarks/search.py"}

Curve = Mapping[int, float]


def play(ledger: Ledger, *, seed: int, sampler: str, rungs: str, trials: int | None) -> None:
    """Searches until the epochs are spent or nothing is left to do. No `trials`: as many as there are networks."""
    table = ledger.table
    training = table.scenario.training
    race = Race(
        table.feasible,
        training,
        rungs=halving.rungs(rungs, training),
        sampler=sampler,
        seed=seed,
        limits=Limits(trials=len(table.rows) if trials is None else trials, epochs=ledger.budget),
    )
    rows = {table.labels[row]: int(row) for row in table.rows}

    def trained(trial: Trial) -> Curve:
        return ledger.train(rows[trial.candidate.label], since=trial.epochs, until=trial.target)

    for _ in decisions(race, training, trained):
        pass


def decisions(race: Race, training: Training, trained: Callable[[Trial], Curve]) -> Iterator[tuple[float, Trial]]:
    """Does what a race asks for, one after the other, until it asks for nothing more.

    `trained` trains a trial from its `epochs` to its `target` and gives its whole curve. Yields each trial after it,
    with the seconds that the race took to decide and to take it in.
    """
    known: list[Trial] = []
    while True:
        began = time.perf_counter()
        job = race.ask()
        seconds = time.perf_counter() - began
        if job is None:
            return
        before = _begun(job, len(known)) if isinstance(job, Begin) else replace(known[job.number], target=job.target)
        after = _after(before, training, trained(before))
        known[after.number : after.number + 1] = [after]
        began = time.perf_counter()
        race.tell(after)
        yield seconds + time.perf_counter() - began, after


def _begun(job: Begin, number: int) -> Trial:
    return Trial(
        number=number,
        candidate=job.candidate,
        images_per_second=job.images_per_second,
        status="paused",
        target=job.target,
        origin=job.origin,
    )


def _after(trial: Trial, training: Training, curve: Curve) -> Trial:
    """A trial that was trained until its target."""
    known = replace(trial, epochs=trial.target, curve=curve)
    return replace(known, status="done", result=_result(known, training)) if known.epochs == training.epochs else known


def _result(trial: Trial, training: Training) -> Result:
    """The result of a whole training: of all that it says, a search looks at the mean IoU alone."""
    mean_iou = halving.reached(training, trial.curve, training.epochs)
    assert mean_iou is not None
    return Result(
        network=trial.candidate.network,
        parameters=trial.candidate.parameters,
        macs=0,
        ops=0,
        params=0,
        fvcore_macs=0,
        scores=Scores(mean_iou=mean_iou, pixel_accuracy=0.0, mean_dice=0.0, iou={}, dice={}),
        epochs=training.epochs,
        seconds=0.0,
        history=(),
        made_by=COMMAND,
    )
