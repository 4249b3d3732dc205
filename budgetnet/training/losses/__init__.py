"""Losses: what a training makes small. One file each, its name is how it is written in a sum (see `loss_spec`).

A loss file holds

- `loss(scores, labels, weights) -> Tensor`: a scalar out of scores (n, classes, h, w) in any floating-point type, uint8
  labels (n, height, width) and class weights (classes,), or None where none are given, on one device. Scores at another
  size than that of their labels are resized bilinearly, which costs least inside a loss.

Pixels labelled `IGNORE` change neither value nor gradient, a batch without labelled pixels gives 0 and a gradient of
zeros, and all is worked out in float32 (float64 for such scores) and repeats to the last bit.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import torch
from torch import Tensor

from budgetnet import loss_spec
from budgetnet.classes import IGNORE
from budgetnet.errors import did_you_mean
from budgetnet.plugins import load_module


class Loss(Protocol):
    """A loss file, as its users see it."""

    def loss(self, scores: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Scores (n, classes, h, w), uint8 labels (n, height, width), class weights (classes,) -> a scalar."""
        ...


def names() -> list[str]:
    """All losses, as they are written in a sum."""
    return loss_spec.names()


def loss(name: str) -> Loss:
    """The loss `name`. Raises BudgetnetError naming the known ones when there is none."""
    return cast(Loss, load_module(__name__, name.replace("_", "-"), "loss"))


def build(spec: str, weights: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """(scores, labels) -> the sum that `spec` says. Raises ValueError where it says none."""
    terms = [(term.weight, loss(term.name)) for term in loss_spec.parse(spec).terms]

    def total(scores: Tensor, labels: Tensor) -> Tensor:
        parts = [part.loss(scores, labels, weights) for _, part in terms]
        weighted = [part if weight == 1 else weight * part for (weight, _), part in zip(terms, parts, strict=True)]
        return weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()

    return total


def class_weights(name: str, labels: Tensor, classes: int) -> Tensor | None:
    """Weights of the classes by how often uint8 labels (n, h, w) hold them: float32 (classes,), None for `none`.

    They are scaled so that a pixel weighs 1 on average: the loss of an ignorant network, and with it what a learning
    rate means, stays as without weights. A class without a pixel gets 0: nothing is known of it, and no pixel asks.

    Raises ValueError for a name that is not known.
    """
    if name == "none":
        return None
    if name not in CLASS_WEIGHTS:
        known = ["none", *CLASS_WEIGHTS]
        raise ValueError(f"class weights must be one of the known ones, but got {name!r}{did_you_mean(name, known)}")
    held = torch.stack([torch.bincount(image.flatten(), minlength=IGNORE + 1)[:classes] for image in labels.cpu()])
    pixels = held.double()
    total = pixels.sum(dim=0)
    raw = torch.where(total > 0, CLASS_WEIGHTS[name](pixels), 0)
    pixel = (raw * total).sum() / total.sum()
    return (raw / torch.where(pixel > 0, pixel, 1)).nan_to_num(0).float()


def _inverse_log(pixels: Tensor) -> Tensor:
    """`1 / ln(1.02 + share)`: Paszke, Chaurasia, Kim and Culurciello, "ENet", arXiv:1606.02147."""
    return 1 / torch.log(1.02 + _share(pixels))


def _inverse_sqrt(pixels: Tensor) -> Tensor:
    """`1 / sqrt(share)`: half way, on a logarithmic scale, between no weights and all classes alike."""
    return _share(pixels).rsqrt()


def _median_frequency(pixels: Tensor) -> Tensor:
    """The median frequency over a class's own, which is its share of the pixels of images that hold it.

    Eigen and Fergus, "Predicting depth, surface normals and semantic labels with a common multi-scale convolutional
    architecture", ICCV 2015.
    """
    where_held = (pixels.sum(dim=1, keepdim=True) * (pixels > 0)).sum(dim=0)
    frequency = pixels.sum(dim=0) / where_held
    return frequency.nanquantile(0.5) / frequency


def _share(pixels: Tensor) -> Tensor:
    return pixels.sum(dim=0) / pixels.sum()


CLASS_WEIGHTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "inverse-log": _inverse_log,
    "median-frequency": _median_frequency,
    "inverse-sqrt": _inverse_sqrt,
}
"""Labelled pixels per image and class, float64 (n, classes) -> weights up to a factor, of classes that occur."""
