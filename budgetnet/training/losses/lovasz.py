"""The Lovász-softmax loss: a convex stand-in for 1 minus the mean IoU, over the classes a batch holds.

Berman, Rannen Triki and Blaschko, "The Lovász-softmax loss", CVPR 2018. Per class, the errors of all labelled pixels of
the batch (`1 - p` where the class is true, `p` elsewhere) are summed, each times what the IoU loses when the pixels
with the greatest errors up to this one are mistaken instead of those before it only. With `T` pixels of the class, and
`t` of them and `f` others before a pixel, that is

    1 / (T + f) where the class is true,  (T - t) / ((T + f)(T + f + 1)) elsewhere,

which needs no differences of nearly equal numbers.
"""

import torch
from torch import Tensor

from budgetnet.training.losses._gradient import exact, known, rows_at_a_time
from budgetnet.training.losses._pixels import pixels_of

_ONE = 0x3F800000
"""The bits of 1.0 in float32. Those of smaller positive numbers, read as whole numbers, are in their order."""


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The Lovász-softmax of a batch taken as one; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). Class weights are not used: all classes present count alike.
    A label that is no class counts as void.
    """
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        soft = torch.softmax(scores.to(exact(scores), memory_format=torch.contiguous_format), dim=1)
        gradient = torch.zeros_like(soft)
        value = torch.zeros((), dtype=soft.dtype, device=soft.device)
        void = labels >= soft.shape[1]
        pixels = pixels_of(labels, soft.shape[1])
        present = int(pixels.count_nonzero())
        for label, count in enumerate(pixels.tolist()):
            if count > 0:
                part, by_soft = _of_class(soft[:, label], labels == label, void, count)
                value += part / present
                torch.div(by_soft, present, out=gradient[:, label])
        _through_softmax(soft, gradient)
    return known(scores, value, gradient.to(scores.dtype))


def _of_class(soft: Tensor, true: Tensor, void: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The loss of one class with `count` pixels, and its gradient by the probabilities `soft` (n, h, w)."""
    errors, others, order = _ranked(soft, true, void)
    # float32 counts without fault up to 2^24
    counter = soft.dtype if soft.numel() <= 2**24 else torch.float64
    before = torch.cumsum(others, dim=0, dtype=counter).sub_(others.to(counter))  # others with greater errors
    size = before + count
    ours = torch.arange(len(before), dtype=counter, device=soft.device).sub_(before)
    left = ours.neg_().add_(count)  # pixels of the class that are still to come; none once void is reached
    weight = torch.where(others, left / size / (size + 1), 1 / size).to(soft.dtype)
    value = torch.dot(errors, weight)
    signed = torch.where(others, weight, -weight)
    return value, torch.empty_like(signed).scatter_(0, order, signed).view(soft.shape)


def _ranked(soft: Tensor, true: Tensor, void: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Errors in falling order with void at the end as errors of 0, whether each is of another class, and the places.

    Of equal errors those of the class come first, then the order of the pixels decides. Whole numbers sort several
    times faster than floating-point ones, so float32 is sorted by its bits.
    """
    errors = torch.where(true, 1 - soft, soft).clamp_(0, 1).flatten()
    others, void = ~true.flatten(), void.flatten()
    if errors.dtype != torch.float32:
        keys, order = errors.masked_fill_(void, -1).sort(descending=True, stable=True)
        return keys.clamp_(min=0), others[order], order
    bits = errors.view(torch.int32).masked_fill_(void, -1)
    keys, order = others.to(torch.int32).add_(2 * _ONE).sub_(bits, alpha=2).sort(stable=True)
    bits = keys.bitwise_right_shift(1).neg_().add_(_ONE).clamp_(min=0)
    return bits.view(torch.float32), keys.bitwise_and_(1).bool(), order


def _through_softmax(soft: Tensor, gradient: Tensor) -> None:
    """The gradient by the softmax (n, classes, h, w) becomes that by the scores, where it stands."""
    count, classes, height, width = soft.shape
    rows = rows_at_a_time(soft.device, height, width, classes)
    for image in range(count):
        for top in range(0, height, rows):
            here = slice(top, top + rows)
            p, g = soft[image, :, here], gradient[image, :, here]
            g -= (p * g).sum(dim=0)
            g *= p
