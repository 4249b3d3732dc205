"""Training a network where it stands: epochs of steps, validation, what is kept, and going on after an interruption.

What a recipe asks for comes from elsewhere: losses and teacher from `objective`, steps from `optimizing` and
`schedules`, parts and processes from `team`, batches from `samples`.
"""

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch

from budgetnet.build import GraphModule
from budgetnet.results import Run, Scores, Step, TrainingError, UnfinishedError
from budgetnet.training import checkpoint, optimizing, ranks, schedules
from budgetnet.training.augment import Augmentation
from budgetnet.training.checkpoint import State
from budgetnet.training.machine import deterministic
from budgetnet.training.material import Material
from budgetnet.training.objective import Objective, Teacher
from budgetnet.training.samples import Batch
from budgetnet.training.scoring import evaluate
from budgetnet.training.team import Team
from budgetnet.training_settings import Training

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SECONDS: Final = 300.0
"""Within long epochs the state is kept this often."""

SEEDS = 2**63


@final
@dataclass(slots=True, kw_only=True)
class _Training:
    """What the functions below share. `early` is what early epochs are validated on."""

    state: State
    team: Team
    material: Material
    early: Material
    settings: Training
    run: Run
    identity: str
    device: torch.device

    @property
    def batches(self) -> int:
        """Steps of an epoch."""
        return self.material.train.batches(self.settings.batch_size)

    @property
    def validations(self) -> list[tuple[int, float]]:
        """Epoch and mean IoU of each validation on whole images so far."""
        return [(row["epoch"], row["mean_iou"]) for row in self.settings.validated(self.state.history)]

    def validated(self) -> Scores:
        """Scores of the weights as they are, on the images of the epoch under way."""
        material = self.early if self.state.epoch <= self.settings.early_epochs else self.material
        return evaluate(self.state.scored, material, self.settings.batch_size)

    def save(self) -> None:
        """Keeps the state on disk. Raises TrainingError where it is not worth it, and leaves what is there."""
        if not optimizing.finite(
            tensor for model in {self.state.model, self.state.scored} for tensor in optimizing.floats(model)
        ):
            epoch = self.state.epoch if self.state.losses else len(self.state.history)  # under way, or just done
            raise TrainingError(f"weights must be finite, but are not in epoch {epoch}; {_left(self)}")
        if ranks.leads():
            checkpoint.save(self.run.folder / CHECKPOINT, self.state, identity=self.identity)


def fit(
    model: GraphModule,
    material: Material,
    settings: Training,
    run: Run,
    *,
    identity: str,
    teacher: Teacher | None = None,
) -> tuple[list[dict[str, Any]], Scores]:
    """Trains `model` where it stands, on its device; returns one row per epoch, and the scores of the weights that are
    kept, which are in `model` then.

    Goes on from the run's checkpoint where that is of the same training, by `identity`. Raises TrainingError when the
    loss is not finite, UnfinishedError when the run's time is up.
    """
    _require_parts(material, settings)
    device = next(model.parameters()).device
    if settings.stem_rate == 0:
        for parameter in model.part_parameters("stem"):
            parameter.requires_grad_(False)
    state = State(
        model=model,
        optimizer=optimizing.optimizer(model, settings),
        average=optimizing.Average(model, settings.averaging) if settings.averaging else None,
    )
    if checkpoint.restore(run.folder / CHECKPOINT, state, identity=identity) and state.history:
        run.resumed(state.history)
    objective = Objective.of(settings, material, teacher, device)
    quality: Scores | None = None
    with Team(model, objective, settings.parts) as team:
        training = _Training(
            state=state,
            team=team,
            material=material,
            early=material.early(settings) if state.epoch <= settings.early_epochs else material,
            settings=settings,
            run=run,
            identity=identity,
            device=device,
        )
        while state.epoch <= settings.epochs and not _waits_in_vain(training):
            if len(state.history) and ranks.agree(run.expired()):
                raise UnfinishedError
            quality = _epoch(training)
            run.epoch(state.history)
    if state.best is not None:
        model.load_state_dict(state.best)
        quality = None
    elif state.average is not None:
        model.load_state_dict(state.average.model.state_dict())
    return state.history, quality or evaluate(model, material, settings.batch_size)


def _require_parts(material: Material, settings: Training) -> None:
    smallest = len(material.train) // material.train.batches(settings.batch_size)
    if settings.parts > smallest:
        rule = f"parts must be at most the images of each batch, here {smallest}"
        raise TrainingError(f"{rule}, but got {settings.parts}")
    if settings.parts % ranks.world():
        rule = f"parts must be a multiple of the processes, here {ranks.world()}"
        raise TrainingError(f"{rule}, but got {settings.parts}")


def _waits_in_vain(training: _Training) -> bool:
    """Whether the best validation lies longer back than the settings wait."""
    wait = training.settings.early_stop
    validations = training.validations
    if not wait or not validations:
        return False
    best, _ = max(validations, key=lambda validation: validation[1])
    last, _ = validations[-1]
    return last - best >= wait


def _epoch(training: _Training) -> Scores | None:
    """One epoch, or what is left of it; then validation where it is due, and the state on disk."""
    state, settings = training.state, training.settings
    epoch, started = state.epoch, time.perf_counter()
    seed = _mix(settings.seed, epoch)
    training.team.begin(seed)
    with deterministic(seed):
        if state.losses:
            training.team.go_on(state.places)
        rate = _steps(training, epoch, seed, started)
        training.team.gather()
        if state.average is not None:
            ranks.follow(state.average.tensors)  # that of each process has seen its own parts' statistics
    quality = None
    if epoch % settings.validate_every == 0 or epoch == settings.epochs:
        quality = training.validated()
        best = max((earlier for _, earlier in training.validations), default=-1.0)
        if settings.keep == "best" and epoch > settings.early_epochs and quality.mean_iou > best:
            state.best = checkpoint.weights_of(state.scored)
    row = {
        "epoch": epoch,
        "loss": sum(state.losses) / len(state.losses),
        "mean_iou": None if quality is None else quality.mean_iou,
        "learning_rate": rate,
        "seconds": state.seconds + time.perf_counter() - started,
    }
    state.history.append(row)
    state.losses, state.places, state.seconds = [], [], 0.0
    training.save()
    return quality


def _steps(training: _Training, epoch: int, seed: int, started: float) -> float:
    """The steps of an epoch that are still to do. Returns the last learning rate."""
    state, settings, run = training.state, training.settings, training.run
    batches, rate, kept, before = training.batches, 0.0, started, state.seconds
    with closing(_drawn(training, seed)) as drawn:  # whatever ends the epoch also ends the thread that makes batches
        for batch in drawn:
            number = len(state.losses) + 1
            rate = _rate(training, (epoch - 1) * batches + number - 1)
            optimizing.set_rate(state.optimizer, rate)
            loss = training.team.step(batch.images, batch.labels)
            _require_finite(training, loss, number, batch)
            state.optimizer.step()
            state.losses.append(loss)
            if state.average is not None:
                state.average.update(state.model, (epoch - 1) * batches + number)
            run.progress(Step(epoch=epoch, epochs=settings.epochs, batch=number, batches=batches, loss=loss))
            interrupted = ranks.agree(run.interrupted())
            if number < batches and (interrupted or time.perf_counter() - kept > CHECKPOINT_SECONDS):
                kept = time.perf_counter()
                state.places, state.seconds = training.team.places(), before + kept - started
                training.save()
                if interrupted:
                    raise UnfinishedError
    return rate


def _drawn(training: _Training, seed: int) -> Generator[Batch, None, None]:
    """The batches of an epoch that are still to do, made ahead."""
    settings, material = training.settings, training.material
    early = training.state.epoch <= settings.early_epochs
    augmentation = Augmentation.of(settings, material.scaling.mean, *material.train.images.shape[2:], early=early)
    return material.train.shuffled(
        settings.batch_size,
        seed,
        augmentation,
        training.device,
        skip=len(training.state.losses),
        places=lambda count: ranks.places(count, settings.parts),
    )


def _rate(training: _Training, step: int) -> float:
    settings = training.settings
    steps = settings.epochs * training.batches
    factor = schedules.factor(
        settings.schedule,
        step=step,
        steps=steps,
        warm_up_steps=round(settings.warm_up * steps),
        validations=training.validations,
        patience=settings.patience,
    )
    return settings.learning_rate * factor


def _require_finite(training: _Training, loss: float, number: int, batch: Batch) -> None:
    """Raises TrainingError where a step would ruin the weights: its loss or one of its gradients is not finite."""
    if not math.isfinite(loss):
        broken = f"loss must be finite, but got {loss}"
    elif not optimizing.finite(each.grad for each in training.state.model.parameters() if each.grad is not None):
        broken = f"gradients must be finite, but are not (the loss is {loss:.4g})"
    else:
        return
    images = ", ".join(map(str, batch.numbers[:16]))
    where = f"in batch {number} of epoch {training.state.epoch} (training images {images})"
    raise TrainingError(f"{broken} {where}; {_left(training)}")


def _left(training: _Training) -> str:
    """What a training that cannot go on leaves."""
    return "the last good state is kept" if (training.run.folder / CHECKPOINT).exists() else "nothing is kept yet"


def _mix(seed: int, epoch: int) -> int:
    """One seed out of two numbers: neighbouring seeds share no epoch."""
    return (seed * 1_000_003 + epoch) % SEEDS


def remove_checkpoint(folder: Path) -> None:
    """A finished run needs its checkpoint no more."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
