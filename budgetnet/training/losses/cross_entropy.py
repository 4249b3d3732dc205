"""Mean cross-entropy over the labelled pixels. Every pixel counts alike, so that frequent classes weigh most."""

from torch import Tensor
from torch.nn import functional

from budgetnet.classes import IGNORE
from budgetnet.training.losses._gradient import exact
from budgetnet.training.losses._pixels import logarithm, pixel_loss


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the labelled pixels; 0 where none is. Scores (n, classes, h, w), uint8 labels (n, h, w).

    Class weights are not its business: see `weighted_cross_entropy`.
    """
    if scores.shape[2:] != labels.shape[1:]:
        return pixel_loss(scores, labels, None, logarithm)
    # contiguous: the softmax is faster along planes than across them
    # and summed here, since the operator's own sum does not repeat on a GPU
    exactly = scores.contiguous().to(exact(scores))
    pixels = functional.cross_entropy(exactly, labels.long(), ignore_index=IGNORE, reduction="none")
    return pixels.sum() / (labels != IGNORE).sum().clamp(min=1)
