"""The published recipe: Adam at a fixed rate, cross-entropy without void, L2 on all weights, dropout, no augmentation
unless a scenario asks for it.

Source of its figures: the published training of MobileNet-FCN on Cityscapes (see `scenario.Training`). Adam's
`weight_decay` adds `weight_decay * w` to the gradient, which is what an L2 term of `weight_decay / 2 * w^2` in the
loss does.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from budgetnet.classes import IGNORE, ClassList
from budgetnet.results import Run, Scores, Step, TrainingError, UnfinishedError
from budgetnet.scenario import Training
from budgetnet.training import checkpoint
from budgetnet.training.augment import Augmentation
from budgetnet.training.machine import deterministic
from budgetnet.training.metrics import Tally, scores
from budgetnet.training.samples import Samples, Scaling

CHECKPOINT = "checkpoint.pt"
SEEDS = 2**63


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What every candidate is trained on: two splits, their classes and fingerprint, the scaling of the images.

    `digests` are those of the splits, by name, for whoever wants to know later whether data are the same.
    """

    train: Samples
    val: Samples
    classes: ClassList
    scaling: Scaling
    fingerprint: str
    digests: Mapping[str, str] = field(default_factory=dict)


def fit(
    model: nn.Module, material: Material, settings: Training, run: Run, *, identity: str
) -> tuple[list[dict[str, float]], Scores]:
    """Trains `model` where it stands, on its device; returns one row per epoch, and the scores after the last.

    Goes on from the run's checkpoint where that is of the same training, by `identity`.

    Raises TrainingError when the loss is not finite, UnfinishedError when the run's time is up.
    """
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    path = run.folder / CHECKPOINT
    quality: Scores | None = None
    history = checkpoint.restore(path, identity=identity, model=model, optimizer=optimizer)
    for epoch in range(len(history) + 1, settings.epochs + 1):
        if epoch > 1 and run.expired():
            raise UnfinishedError
        started = time.perf_counter()
        with deterministic(_mix(settings.seed, epoch)):
            loss = _epoch(model, optimizer, material, settings, run, epoch)
        quality = evaluate(model, material, settings.batch_size)
        seconds = time.perf_counter() - started
        history.append({"epoch": epoch, "loss": loss, "mean_iou": quality.mean_iou, "seconds": seconds})
        checkpoint.save(path, identity=identity, model=model, optimizer=optimizer, history=history)
    return history, quality or evaluate(model, material, settings.batch_size)


def evaluate(model: nn.Module, material: Material, batch_size: int) -> Scores:
    """Scores on the validation split, from one confusion matrix."""
    counted = tally(model, material.val, material.scaling, len(material.classes), batch_size)
    return scores(counted.confusion, material.classes)


def tally(
    model: nn.Module,
    samples: Samples,
    scaling: Scaling,
    classes: int,
    batch_size: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """One pass over a split: every pixel predicted and counted. `progress(done)` is told the images done so far."""
    counted, done = Tally(classes, next(model.parameters()).device), 0
    with deterministic(0):
        for images, labels in samples.in_order(batch_size):
            counted.add(labels, predict(model, images, scaling))
            done += len(images)
            progress(done)
    return counted


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, scaling: Scaling) -> Tensor:
    """Uint8 images (n, 3, height, width) -> class indices (n, height, width) on the model's device."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    classes: Tensor = model(scaling(images.to(device))).argmax(dim=1)
    model.train(training)
    return classes


def _epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, material: Material, settings: Training, run: Run, epoch: int
) -> float:
    """One pass over the training split; the mean loss of its batches."""
    model.train()
    device = next(model.parameters()).device
    batches, losses = material.train.batches(settings.batch_size), []
    augmentation = Augmentation.of(settings, material.scaling.mean)
    drawn = material.train.shuffled(settings.batch_size, _mix(settings.seed, epoch), augmentation, device)
    with closing(drawn):  # whatever ends the epoch also ends the thread that makes its batches
        for batch, (images, labels) in enumerate(drawn, start=1):
            losses.append(train_step(model, optimizer, material.scaling, images, labels))
            if not math.isfinite(losses[-1]):
                raise TrainingError(f"loss must be finite, but got {losses[-1]} in batch {batch} of epoch {epoch}")
            run.progress(Step(epoch=epoch, epochs=settings.epochs, batch=batch, batches=batches, loss=losses[-1]))
    return sum(losses) / len(losses)


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, scaling: Scaling, images: Tensor, labels: Tensor
) -> float:
    """One step on uint8 images (n, 3, h, w) and labels (n, h, w) on the model's device; its loss."""
    loss = cross_entropy(model(scaling(images)), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labelled pixels; 0 where none is. Scores (n, classes, h, w), uint8 labels (n, h,
    w).
    """
    # contiguous: the softmax is faster along planes than across them
    # and summed here, since the operator's own sum does not repeat on a GPU
    pixels = functional.cross_entropy(scores.contiguous(), labels.long(), ignore_index=IGNORE, reduction="none")
    return pixels.sum() / (labels != IGNORE).sum().clamp(min=1)


def _mix(seed: int, epoch: int) -> int:
    """One seed out of two numbers: neighbouring seeds share no epoch."""
    return (seed * 1_000_003 + epoch) % SEEDS


def remove_checkpoint(folder: Path) -> None:
    """A finished run needs its checkpoint no more."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
