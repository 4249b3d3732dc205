"""A network's predictions on a split, and what they are worth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from budgetnet.build import quickly
from budgetnet.results import Scores
from budgetnet.training import ranks
from budgetnet.training.machine import deterministic
from budgetnet.training.material import Material
from budgetnet.training.metrics import Tally, scores
from budgetnet.training.samples import Samples, Scaling


def evaluate(model: nn.Module, material: Material, batch_size: int) -> Scores:
    """Scores on the validation split, from one confusion matrix. Several processes share the images out."""
    share = material.val.share(ranks.rank(), ranks.world())
    counted = tally(model, share, material.scaling, len(material.classes), batch_size)
    ranks.add_up([counted.total])
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
    with quickly(model):
        classes: Tensor = model(scaling(images.to(device))).argmax(dim=1)
    model.train(training)
    return classes
