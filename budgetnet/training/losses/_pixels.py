"""What cross-entropy and its relatives share: the loss of a pixel depends on the probability of its true class only.

With `p` the softmax of the scores `z` and `y` the true class, any loss `f(log p_y)` has the gradient

    df/dz = s (p - one_hot(y)),  s = -f'(log p_y),

so one softmax per pixel serves value and gradient, and a band of rows is done with while it is in the cache.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from budgetnet.classes import IGNORE
from budgetnet.training.losses._gradient import exact, known, rows_at_a_time
from budgetnet.training.losses._stretch import stretch

Rule = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(log p_y, weight) of every pixel -> its loss `f` and its slope `s` as above."""


def logarithm(log_p: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rule of cross-entropy: `-weight log p`."""
    return -weight * log_p, weight


def pixel_loss(scores: Tensor, labels: Tensor, weights: Tensor | None, rule: Rule) -> Tensor:
    """Mean of `rule` over the labelled pixels, each counting by the weight of its class; 0 where none counts.

    Scores (n, classes, h, w) are resized bilinearly to their labels, uint8 (n, height, width), where those are of
    another size: band by band, so that no full-size map is ever made. Weights are (classes,). A label that is no class
    gives no number.
    """
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        table = _shares(labels, weights, scores.shape[1], exact(scores))
        gradient = torch.empty_like(scores)
        work = _as_large if scores.shape[2:] == labels.shape[1:] else _smaller
        value = work(scores, labels, table, rule, gradient)
    return known(scores, value, gradient)


def _as_large(scores: Tensor, labels: Tensor, table: Tensor, rule: Rule, gradient: Tensor) -> Tensor:
    """The loss of scores as large as their labels; writes the gradient."""
    count, classes, height, width = scores.shape
    rows = rows_at_a_time(scores.device, height, width, classes)
    value = table.new_zeros(())
    for image in range(count):
        for top in range(0, height, rows):
            here = slice(top, top + rows)
            band = scores[image, :, here].transpose(0, 1)
            band = band.to(table.dtype, memory_format=torch.contiguous_format, copy=True)
            value += _of_band(band, labels[image, here], table, rule)
            gradient[image, :, here] = band.transpose(0, 1)
    return value


def _smaller(scores: Tensor, labels: Tensor, table: Tensor, rule: Rule, gradient: Tensor) -> Tensor:
    """The loss of scores that are resized to their labels; writes the gradient."""
    how = stretch(scores, *labels.shape[1:])
    value = table.new_zeros(())
    for image, part in enumerate(scores):
        wide = how.widened(part, table.dtype)
        upstream = torch.zeros_like(wide)
        for row in how.rows:
            band = how.band(wide, row)
            value += _of_band(band, labels[image, row.out], table, rule)
            how.give_back(band, row, upstream)
        gradient[image] = how.narrowed(upstream)
    return value


def _shares(labels: Tensor, weights: Tensor | None, classes: int, dtype: torch.dtype) -> Tensor:
    """What one pixel of each label has to do with the mean over a batch: (256,), 0 for `IGNORE`, all 0 where no pixel
    counts.

    Labels that are no class get no number, so that a loss tells of them.
    """
    table = torch.full((IGNORE + 1,), torch.nan, dtype=dtype, device=labels.device)
    table[:classes] = 1 if weights is None else weights.to(table)
    table[IGNORE] = 0
    total = (pixels_of(labels, classes) * table[:classes]).sum()
    return table / torch.where(total > 0, total, 1) * (total > 0)


def pixels_of(labels: Tensor, classes: int) -> Tensor:
    """How many pixels of each class uint8 labels hold, int64 (classes,)."""
    return torch.bincount(labels.flatten(), minlength=IGNORE + 1)[:classes]


def _of_band(band: Tensor, labels: Tensor, table: Tensor, rule: Rule) -> Tensor:
    """Sum of a rule over a band of scores (rows, classes, width), which it turns into the gradient where it stands.

    Labels (rows, width) are uint8; `table` holds the share of a pixel by its label.
    """
    classes = band.shape[1]
    label = labels.long().unsqueeze(1)
    true, weight = label.clamp(max=classes - 1), torch.take(table, label)
    band -= band.amax(dim=1, keepdim=True)
    log_p = band.gather(1, true)
    total = band.exp_().sum(dim=1, keepdim=True)
    log_p -= total.log()
    loss, slope = rule(log_p, weight)
    band *= slope / total
    subtract_at(band, true, slope, dim=1)
    return loss.sum()


def subtract_at(scores: Tensor, true: Tensor, amount: Tensor, dim: int) -> None:
    """Subtracts `amount` from the scores of the classes `true`; both are of size 1 in the dimension `dim` of classes.

    Every place is met once, but off the processor the scattering operators that repeat are slow: there all are
    compared.
    """
    if scores.is_cpu:
        scores.scatter_add_(dim, true, -amount)
    else:
        every = torch.arange(scores.shape[dim], device=scores.device)
        scores -= amount * (true == every.view([-1 if place == dim else 1 for place in range(scores.dim())]))
