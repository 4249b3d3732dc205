"""Cross-entropy of the hard pixels of a batch only: those whose true class gets a probability below 0.7.

Online hard example mining: Shrivastava, Gupta and Girshick, "Training region-based object detectors with online hard
example mining", CVPR 2016. As usual with dense labels, the hard ones are told by a bound, and are at least a 16th of
all labelled pixels: the hardest.
"""

import math

import torch
from torch import Tensor

from budgetnet.classes import IGNORE
from budgetnet.training.losses._gradient import exact, rows_at_a_time
from budgetnet.training.losses._pixels import logarithm, pixel_loss
from budgetnet.training.losses._stretch import full_size

HARD = 0.7
LEAST = 16


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the hard pixels, all alike; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). Pixels as hard as the easiest of the 16th belong to it.
    """
    scores = full_size(scores, labels)
    labelled = labels != IGNORE
    log_p = torch.where(labelled, _log_probabilities(scores, labels), torch.inf)
    least = int(labelled.sum()) // LEAST
    bound: Tensor | float = math.log(HARD)
    if int((log_p < bound).sum()) < least:
        hardest = log_p.flatten().topk(least, largest=False, sorted=False).values
        bound = hardest.max().nextafter(log_p.new_tensor(torch.inf))
    hard = torch.where(log_p < bound, labels, IGNORE)
    return pixel_loss(scores, hard, None, logarithm)


@torch.no_grad()
def _log_probabilities(scores: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of the true class of every pixel, (n, h, w); of void, that of another."""
    count, classes, height, width = scores.shape
    rows = rows_at_a_time(scores.device, height, width, classes)
    result = torch.empty(labels.shape, dtype=exact(scores), device=scores.device)
    for image in range(count):
        for top in range(0, height, rows):
            here = slice(top, top + rows)
            band = scores[image, :, here].to(result.dtype, memory_format=torch.contiguous_format)
            true = labels[image, here].clamp(max=classes - 1).long()
            result[image, here] = band.gather(0, true.unsqueeze(0))[0] - band.logsumexp(dim=0)
    return result
