"""What the losses of regions share: of every class they ask how much of it is found, over the whole batch.

With `p` the softmax of the scores, three sums over the labelled pixels tell all, per class: `hit`, the probabilities of
the class where it is the true one; `claimed`, its probabilities anywhere; `true`, its pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from budgetnet.classes import IGNORE
from budgetnet.training.losses._gradient import exact, known, rows_at_a_time
from budgetnet.training.losses._pixels import pixels_of, subtract_at
from budgetnet.training.losses._stretch import full_size

Measure = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(hit, claimed, true), (classes,) each -> the score of every class, and its derivatives by `hit` and by `claimed`."""


def region_loss(scores: Tensor, labels: Tensor, measure: Measure) -> Tensor:
    """1 - the mean of `measure` over the classes that the batch's labels hold; 0 where no pixel is labelled.

    Scores (n, classes, h, w), uint8 labels (n, h, w). A label that is no class counts as void.
    """
    scores = full_size(scores, labels)
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        soft = torch.empty(scores.shape, dtype=exact(scores), device=scores.device)
        hit, claimed = _sums(scores, labels, soft)
        true = pixels_of(labels, scores.shape[1]).to(soft.dtype)
        score, by_hit, by_claimed = measure(hit, claimed, true.clamp(min=1))
        present = (true > 0).to(soft.dtype)
        share = present / present.sum().clamp(min=1)
        value = (share * (1 - score)).sum()
        _turn_into_gradient(soft, labels, -share * by_hit, -share * by_claimed)
    return known(scores, value, soft.to(scores.dtype))


def _sums(scores: Tensor, labels: Tensor, soft: Tensor) -> tuple[Tensor, Tensor]:
    """`hit` and `claimed` of every class; the softmax of the scores is written to `soft`."""
    classes = scores.shape[1]
    hit, claimed = torch.zeros(2, classes, dtype=soft.dtype, device=soft.device)
    for image, here in _bands(scores):
        band = scores[image, :, here].to(soft.dtype, memory_format=torch.contiguous_format)
        part = labels[image, here].unsqueeze(0)
        band = band - band.amax(dim=0)
        band /= band.exp_().sum(dim=0)
        soft[image, :, here] = band
        claimed += torch.mv(band.view(classes, -1), (part < classes).to(band.dtype).view(-1))
        hit += _sums_by_label(band.gather(0, part.clamp(max=classes - 1).long()), part, classes)
    return hit, claimed


def _sums_by_label(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The sum of the values at every label, (classes,). Off the processor, adding up by label does not repeat."""
    if values.is_cpu:
        return torch.bincount(labels.flatten(), weights=values.flatten(), minlength=IGNORE + 1)[:classes]
    return torch.stack([torch.where(labels == label, values, 0).sum() for label in range(classes)])


def _turn_into_gradient(soft: Tensor, labels: Tensor, by_hit: Tensor, by_claimed: Tensor) -> None:
    """`soft` becomes the gradient by the scores of a loss with these derivatives, (classes,) each.

    By the probabilities it is `by_claimed`, and `by_hit` more for the true class; the softmax turns `g` into
    `p (g - sum(p g))`.
    """
    classes = soft.shape[1]
    for image, here in _bands(soft):
        band, part = soft[image, :, here], labels[image, here].unsqueeze(0)
        true = part.clamp(max=classes - 1).long()
        labelled = (part < classes).to(soft.dtype)
        extra = band.gather(0, true) * torch.take(by_hit, true) * labelled
        slope = by_claimed.view(-1, 1, 1) * labelled
        band.mul_(slope.sub_((band * slope).sum(dim=0) + extra))
        subtract_at(band, true, -extra, dim=0)


def _bands(scores: Tensor) -> list[tuple[int, slice]]:
    """(image, rows) of every band of scores (n, classes, h, w)."""
    count, classes, height, width = scores.shape
    rows = rows_at_a_time(scores.device, height, width, classes)
    return [(image, slice(top, top + rows)) for image in range(count) for top in range(0, height, rows)]
