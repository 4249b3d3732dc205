"""What both Lovász losses share: a loss whose derivatives by the probabilities are weights of errors.

Berman, Rannen Triki and Blaschko, "The Lovász-softmax loss", CVPR 2018. Per class, the errors of all labelled pixels of
the batch (`1 - p` where the class is true, `p` elsewhere) are summed, each times what the IoU loses when the pixels
with the greatest errors up to this one are mistaken instead of those before it only. With `T` pixels of the class, and
`t` of them and `f` others before a pixel, that is

    1 / (T + f) where the class is true,  (T - t) / ((T + f)(T + f + 1)) elsewhere,

which needs no differences of nearly equal numbers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from budgetnet.training.losses._gradient import exact, known, rows_at_a_time
from budgetnet.training.losses._pixels import pixels_of
from budgetnet.training.losses._stretch import full_size

Weigh = Callable[[Tensor, Tensor, list[int], Tensor], None]
"""(probabilities (n, classes, h, w), uint8 labels (n, h, w), pixels of each class, out): writes the derivatives by the
probabilities, summed over the classes, to all of `out`: 0 for void and for classes without a pixel."""


def lovasz_loss(scores: Tensor, labels: Tensor, weigh: Weigh, *, every: int = 1) -> Tensor:
    """Mean over the classes that the labels hold; 0 where no pixel is labelled. Labels that are no class are void.

    Only each `every`-th row and column is looked at.
    """
    scores = full_size(scores, labels, every)
    labels = labels[:, every // 2 :: every, every // 2 :: every].contiguous()
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        soft = torch.softmax(scores.to(exact(scores), memory_format=torch.contiguous_format), dim=1)
        gradient = torch.empty_like(soft)
        pixels = pixels_of(labels, soft.shape[1]).tolist()
        present = sum(count > 0 for count in pixels)
        weigh(soft, labels, pixels, gradient)
        value = _through_softmax(soft, labels, gradient, 1 / max(present, 1))
    return known(scores, value, gradient.to(scores.dtype))


def _through_softmax(soft: Tensor, labels: Tensor, gradient: Tensor, share: float) -> Tensor:
    """The gradient by the softmax, times `share`, becomes that by the scores where it stands; the value of the loss.

    With derivatives `g`, an error counts `g p` where another class is true, and `-g (1 - p)` for the true one.
    """
    count, classes, height, width = soft.shape
    rows = rows_at_a_time(soft.device, height, width, classes)
    value = torch.zeros((), dtype=soft.dtype, device=soft.device)
    for image in range(count):
        for top in range(0, height, rows):
            here = slice(top, top + rows)
            p, g = soft[image, :, here], gradient[image, :, here]
            mean = (p * g).sum(dim=0)
            true = labels[image, here].clamp(max=classes - 1).long().unsqueeze(0)
            labelled = labels[image, here] < classes
            value += (mean - torch.where(labelled, g.gather(0, true)[0], 0)).sum()
            g.sub_(mean).mul_(p).mul_(share)
    return value * share
