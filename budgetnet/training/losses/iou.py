"""The intersection-over-union loss: 1 minus the mean IoU of the probabilities, over the classes a batch holds.

Rahman and Wang, "Optimizing intersection-over-union in deep neural networks for image segmentation", ISVC 2016:
intersection `sum(p t)`, union `sum(p + t - p t)`, with probabilities `p` and truth `t` of 0 or 1.
"""

from torch import Tensor

from budgetnet.training.losses._regions import region_loss


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 - mean IoU of the probabilities over the batch; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). Class weights are not used: all classes present count alike.
    """
    return region_loss(scores, labels, _iou)


def _iou(hit: Tensor, claimed: Tensor, true: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    union = claimed + true - hit
    score = hit / union
    return score, (1 + score) / union, -score / union
