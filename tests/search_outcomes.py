"""Searches as reports see them, without training: the real race decides, a formula says what each epoch reaches, and
workers take turns on a clock of their own.
"""

import dataclasses
import zlib
from typing import Any

import numpy as np

from budgetnet.networks import Candidate
from budgetnet.plan import Plan, plan
from budgetnet.plan.feasible import Feasible
from budgetnet.results import Result, Scores
from budgetnet.scenario import InputSize, Scenario
from budgetnet.search.checks import wanted
from budgetnet.search.decisions import Begin
from budgetnet.search.race import Limits, Race
from budgetnet.search.run import Outcome
from budgetnet.search.trial import Span, Trial
from budgetnet.training_settings import Training

GUESS = Scores(mean_iou=0.05, pixel_accuracy=0.3, mean_dice=0.1, iou={"a": 0.05, "b": None}, dice={"a": 0.1, "b": None})
EPOCH = 10.0
"""Seconds that an epoch takes."""

STEM = {"depth_multiplier": (0.2, 0.25, 0.35, 0.5), "final_endpoint": ("Conv2d_11_pointwise", "Conv2d_13_pointwise")}
SPACES = (
    {**STEM, "head": ("fcn", "fcn16s", "fcn8s"), "classifier_kernel": (3, 7), "classifier_depth": (64, 128)},
    {
        **STEM,
        "head": ("light-decoder",),
        "decoder_channels": (32, 64),
        "detail_channels": (32, 64),
        "context": ("pool",),
    },
    {**STEM, "head": ("context",), "decoder_channels": (32, 64, 96), "context": ("pool", "large-kernel")},
)
"""Five heads, most parameters of which the others do not have."""


def scenario(budget: float = 70, **fields: Any) -> Scenario:
    """72 candidates, 33 of which fit."""
    size = InputSize(height=320, width=480)
    known = {"name": "test", "cameras": 4, "fps": 15, "budget_gops": budget, "classes": 7, "input": size}
    return Scenario(**{**known, **fields})


def many_heads(**fields: Any) -> Scenario:
    """208 candidates with five heads, conditional parameters among them, for small images."""
    size = InputSize(height=48, width=72)
    known = {"name": "heads", "cameras": 1, "fps": 30, "budget_gops": 0.5, "classes": 11, "input": size}
    return Scenario(**{**known, "search_space": SPACES, **fields})


def quality(candidate: Candidate, epoch: int, seed: int = 0) -> float:
    """Mean IoU after an epoch: wider is better, longer is better, and the seed tells a little."""
    given = candidate.parameters
    heads = {"fcn": 0.0, "fcn16s": 0.03, "fcn8s": 0.05, "light-decoder": 0.08, "context": 0.1}
    best = 0.3 + 0.25 * given["depth_multiplier"] ** 0.4 + heads[given["head"]]
    drawn = np.random.default_rng([zlib.crc32(candidate.label.encode()), seed, epoch]).normal(0, 0.012)
    return float(best * (1 - 0.7 * 0.8**epoch) + drawn)


def result(candidate: Candidate, epochs: int, iou: float, **fields: Any) -> Result:
    """A whole training's."""
    known: dict[str, Any] = {
        "network": candidate.network,
        "parameters": candidate.parameters,
        "macs": 100,
        "ops": 200,
        "params": 10,
        "fvcore_macs": 100,
        "scores": Scores(
            mean_iou=iou, pixel_accuracy=iou, mean_dice=iou, iou={"a": iou, "b": None}, dice={"a": iou, "b": None}
        ),
        "epochs": epochs,
        "seconds": epochs * EPOCH,
        "history": ({"epoch": epochs, "loss": 1.0, "mean_iou": iou, "seconds": EPOCH},),
        "made_by": {"torch": "none"},
    }
    return Result(**{**known, **fields})


def trained(trial: Trial, until: int, began: float, worker: str, *, last: int, seed: int = 0) -> Trial:
    """The trial after epoch `until`, of `last` in all."""
    span = Span(
        first_epoch=trial.epochs + 1,
        last_epoch=until,
        began=began,
        ended=began + (until - trial.epochs) * EPOCH,
        worker=worker,
    )
    curve = {epoch: quality(trial.candidate, epoch, seed) for epoch in range(1, until + 1)}
    done = until == last
    return dataclasses.replace(
        trial,
        status="done" if done else "paused",
        epochs=until,
        curve=curve,
        spans=(*trial.spans, span),
        result=result(trial.candidate, until, curve[until]) if done else None,
        worker=None,
    )


def searched(
    of: Scenario | Plan | None = None,
    *,
    trials: int = 12,
    rungs: tuple[int, ...] = (1,),
    workers: int = 1,
    fails: tuple[int, ...] = (),
    repeats: int = 1,
    audit: int = 0,
    start: float = 1e9,
    sampler: str = "random",
) -> Outcome:
    """A search to its end: trials whose number is in `fails` fail in their first epoch."""
    made = of if isinstance(of, Plan) else plan(of or scenario())
    training = made.scenario.training.model_copy(update={"epochs": rungs[-1]})
    made = dataclasses.replace(made, scenario=made.scenario.model_copy(update={"training": training}))
    feasible = Feasible(made.scenario)
    race = Race(feasible, training, rungs=rungs, sampler=sampler, limits=Limits(trials=trials))
    known: dict[int, Trial] = {}
    free = [start] * workers
    waiting: list[tuple[float, int, Trial]] = []
    while True:
        now = min(free)
        worker = free.index(now)
        for item in sorted(item for item in waiting if item[0] <= now):
            waiting.remove(item)
            race.tell(item[2])
            known[item[1]] = item[2]
        job = race.ask()
        if job is None:
            if not waiting:
                break
            free[worker] = min(item[0] for item in waiting)
            continue
        if isinstance(job, Begin):
            trial = Trial(
                number=len(known),
                candidate=job.candidate,
                images_per_second=job.images_per_second,
                status="running",
                target=job.target,
                origin=job.origin,
            )
        else:
            trial = dataclasses.replace(known[job.number], status="running", target=job.target)
        race.tell(trial)
        known[trial.number] = trial
        ready = trained(trial, trial.target, now, f"host/{worker}", last=rungs[-1])
        if trial.number in fails:
            reason = "loss must be finite, but got nan in batch 1 of epoch 1"
            ready = dataclasses.replace(ready, status="failed", result=None, reason=reason, curve={}, epochs=0)
        free[worker] = ready.spans[-1].ended
        waiting.append((free[worker], trial.number, ready))
    found = tuple(known[number] for number in sorted(known))
    return Outcome(
        plan=made,
        feasible=feasible.record(),
        trials=found,
        rungs=rungs,
        sampler=sampler,
        networks=len(feasible),
        wanted=max(race.wanted, len(found)),
        checks=checked(found, training, max(free), repeats=repeats, audit=audit),
    )


def checked(
    trials: tuple[Trial, ...], training: Training, began: float, *, repeats: int, audit: int
) -> tuple[Trial, ...]:
    """What checks a search, one after the other."""
    found: list[Trial] = []
    for each in wanted(trials, training, repeats=repeats, audit=audit):
        begun = Trial(
            number=len(found),
            candidate=each.candidate,
            images_per_second=each.images_per_second,
            status="running",
            target=each.epochs,
            origin=each.origin,
            changes=each.changes,
        )
        seed = each.changes.get("seed", training.seed)
        found.append(trained(begun, each.epochs, began, "host/0", last=each.epochs, seed=seed))
        began = found[-1].spans[-1].ended
    return tuple(found)
