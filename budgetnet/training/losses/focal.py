"""Focal loss: cross-entropy in which a pixel counts the less, the surer the network is of its true class.

Lin, Goyal, Girshick, He and Dollar, "Focal loss for dense object detection", ICCV 2017: `-(1 - p)^2 log p`.
"""

from torch import Tensor

from budgetnet.training.losses._pixels import pixel_loss

GAMMA = 2
"""The power of `1 - p`; the paper's best."""


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the labelled pixels, by the weights of their classes where given; 0 where none counts.

    Scores (n, classes, h, w), uint8 labels (n, h, w), weights (classes,).
    """
    return pixel_loss(scores, labels, weights, rule)


def rule(log_p: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rule of focal loss (see `_pixels`)."""
    p, rest = log_p.exp(), -log_p.expm1()  # expm1: for a sure pixel 1 - p would lose its digits
    easing = weight * rest ** (GAMMA - 1)
    return -easing * rest * log_p, easing * (rest - GAMMA * p * log_p)
