"""Cross-entropy of scores at low resolution against labels at full size, without the full-size scores.

A map of 11 scores of 360 x 480 pixels takes 7.6 mega-bytes per image, and resizing, softmax and their gradients each
go through all of it. Here a band of rows is resized, compared and its gradient shrunk again while it is in the cache.
"""

import torch
from torch import Tensor

from budgetnet.training.losses._gradient import exact, known, rows_at_a_time
from budgetnet.training.losses._pixels import Rule, band_loss, logarithm, share_table
from budgetnet.training.losses._stretch import Band, bands

COLUMNS = 64
"""Outputs made at a time in a row: few enough that the matrices hold few zeros, enough for quick products."""


def resized_cross_entropy(
    scores: Tensor, labels: Tensor, weights: Tensor | None = None, rule: Rule = logarithm
) -> Tensor:
    """`weighted_cross_entropy` of scores (n, classes, h, w) resized bilinearly to the labels' (n, height, width).

    The same, up to rounding, as `interpolate(scores, (height, width), mode="bilinear")` and then the loss. Another
    rule gives another loss of its kind.
    """
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        dtype, device = exact(scores), scores.device
        count, classes, small_height, small_width = scores.shape
        height, width = labels.shape[1:]
        rows = bands(small_height, height, rows_at_a_time(device, height, width, classes), dtype, device)
        columns = bands(small_width, width, COLUMNS, dtype, device)
        table = share_table(labels, weights, classes, dtype)
        value = torch.zeros((), dtype=dtype, device=device)
        gradient = torch.empty_like(scores)
        for image in range(count):
            # rows first, so that a band is one block of memory and one product makes it
            narrow = scores[image].transpose(0, 1).to(dtype, memory_format=torch.contiguous_format)
            wide = _widened(narrow, columns, width)
            upstream = torch.zeros_like(wide)
            for row in rows:
                band = torch.mm(row.matrix, wide[row.source].flatten(1)).view(-1, classes, width)
                value += band_loss(band, labels[image, row.out], table, rule)
                upstream[row.source].flatten(1).addmm_(row.matrix.t(), band.flatten(1))
            gradient[image] = _narrowed(upstream, columns, small_width).transpose(0, 1)
    return known(scores, value, gradient)


def _widened(narrow: Tensor, columns: tuple[Band, ...], width: int) -> Tensor:
    """(rows, classes, w) -> (rows, classes, width)."""
    wide = narrow.new_empty(*narrow.shape[:2], width)
    for column in columns:
        torch.mm(narrow.flatten(0, 1)[:, column.source], column.matrix.t(), out=wide.flatten(0, 1)[:, column.out])
    return wide


def _narrowed(wide: Tensor, columns: tuple[Band, ...], width: int) -> Tensor:
    """(rows, classes, width) -> (rows, classes, w): the adjoint of `_widened`."""
    narrow = wide.new_zeros(*wide.shape[:2], width)
    for column in columns:
        narrow.flatten(0, 1)[:, column.source].addmm_(wide.flatten(0, 1)[:, column.out], column.matrix)
    return narrow
