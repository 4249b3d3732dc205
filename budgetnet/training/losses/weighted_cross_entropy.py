"""Cross-entropy in which a pixel counts by the weight of its class, so that rare classes are learnt as well."""

from torch import Tensor

from budgetnet.training.losses._pixels import logarithm, pixel_loss


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The weighted sum over the labelled pixels, divided by the sum of their weights; 0 where that is 0.

    Scores (n, classes, h, w), uint8 labels (n, h, w), weights (classes,); without weights, plain cross-entropy.
    """
    return pixel_loss(scores, labels, weights, logarithm)
