"""The Lovász-softmax loss: a convex stand-in for 1 minus the mean IoU, over the classes a batch holds.

Berman, Rannen Triki and Blaschko, "The Lovász-softmax loss", CVPR 2018, with all pixels of each class in their exact
order; `binned_lovasz` is the same several times faster.
"""

import torch
from torch import Tensor

from budgetnet.training.losses._gradient import MOST
from budgetnet.training.losses._lovasz import lovasz_loss

_ONE = 0x3F800000
"""The bits of 1.0 in float32. Those of smaller positive numbers, read as whole numbers, are in their order."""


def loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The Lovász-softmax of a batch taken as one; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). Class weights are not used: all classes present count alike.
    A label that is no class counts as void.
    """
    return lovasz_loss(scores, labels, _weigh)


def _weigh(soft: Tensor, labels: Tensor, pixels: list[int], out: Tensor) -> None:
    void = labels >= soft.shape[1]
    for label, count in enumerate(pixels):
        out[:, label] = 0
        if count:
            others, order = _ranked(soft[:, label], labels == label, void)
            signed = _weights(others[: sum(pixels)], count, soft.dtype)
            found = torch.zeros(labels.numel(), dtype=soft.dtype, device=soft.device)
            out[:, label] = found.scatter_(0, order[: sum(pixels)], signed).view(labels.shape)


def _weights(others: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    """Derivatives by the probabilities of a class with `count` pixels, of the labelled pixels by falling error.

    `others` tells those of other classes: 1, else 0.
    """
    counter = dtype if len(others) <= 2**24 else torch.float64  # float32 counts without fault up to there
    size = len(others)
    step = MOST // 4 if others.is_cpu else size
    result = torch.empty(size, dtype=dtype, device=others.device)
    places = torch.arange(step, dtype=counter, device=others.device)
    before = torch.full((), count, dtype=counter, device=others.device)
    for start in range(0, size, step):
        other = others[start : start + step].to(counter)
        # whole numbers add up alike in any order, but a GPU's operator for others warns that it does not repeat
        counts = torch.cumsum(other if other.is_cpu else other.long(), dim=0).to(counter)
        union = counts.add_(before)  # the class and the others before, this one counted
        before = union[-1].clone()
        union -= other
        left = union - places[: len(other)] - start  # pixels of the class still to come
        left /= union + 1
        result[start : start + step] = torch.where(other > 0, left, -1).div_(union)
    return result


def _ranked(soft: Tensor, true: Tensor, void: Tensor) -> tuple[Tensor, Tensor]:
    """By falling error with void at the end: whether each pixel is of another class, 1 or 0, and the places.

    Of equal errors those of the class come first, then the order of the pixels decides. Whole numbers sort several
    times faster than floating-point ones, so float32 is sorted by its bits.
    """
    if soft.dtype != torch.float32:
        errors = torch.where(true, 1 - soft, soft).masked_fill_(void, -1).flatten()
        order = errors.argsort(descending=True, stable=True)
        return (~true).flatten()[order], order
    keys = torch.empty(soft.shape, dtype=torch.int32, device=soft.device)
    for image, key in enumerate(keys):  # one by one they stay in the cache
        errors = torch.where(true[image], 1 - soft[image], soft[image]).clamp_(0, 1)
        bits = errors.view(torch.int32).masked_fill_(void[image], -1)
        torch.sub((~true[image]).to(torch.int32).add_(2 * _ONE), bits, alpha=2, out=key)
    found, order = keys.flatten().sort(stable=True)
    return found.bitwise_and_(1), order
