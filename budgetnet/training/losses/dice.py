"""The Dice loss: 1 minus the mean Dice coefficient of the probabilities, over the classes a batch holds.

Milletari, Navab and Ahmadi, "V-Net", 3DV 2016, here with plain sums in the denominator:
`2 sum(p t) / (sum(p) + sum(t))`, with probabilities `p` and truth `t` of 0 or 1.
"""

from torch import Tensor

from budgetnet.training.losses._regions import region_loss


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 - mean Dice coefficient of the probabilities over the batch; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). Class weights are not used: all classes present count alike.
    """
    return region_loss(scores, labels, _dice)


def _dice(hit: Tensor, claimed: Tensor, true: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    both = claimed + true
    score = 2 * hit / both
    return score, 2 / both, -score / both
