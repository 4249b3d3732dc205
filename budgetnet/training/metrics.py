"""Counting pixels on the device: one confusion matrix for every figure there is.

A confusion matrix here has a row per class and one more, the last, for pixels labelled `IGNORE`; `confusion[t, p]` is
the number of pixels of row `t` that were predicted as class `p`. What follows from it is in `evaluation.figures`.
"""

import torch
from torch import Tensor

from budgetnet.classes import IGNORE, ClassList
from budgetnet.evaluation import figures
from budgetnet.results import Scores


class Tally:
    """Counts batches on one device, all of them and image by image. Little memory: 24 bytes per image and class.

    `total` is the confusion matrix so far, int64 (classes + 1, classes), on the device.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self._classes = classes
        self.total = torch.zeros(classes + 1, classes, dtype=torch.int64, device=device)
        self._marginals: list[Tensor] = []

    def add(self, labels: Tensor, predictions: Tensor) -> None:
        """Counts a batch: class indices (n, height, width), in the labels `IGNORE` too."""
        matrices = confusion_matrices(labels.to(self.total.device), predictions, self._classes)
        self.total += matrices.sum(dim=0)
        known = matrices[:, :-1]
        parts = [known.diagonal(dim1=1, dim2=2), known.sum(dim=2), known.sum(dim=1)]
        self._marginals.append(torch.stack(parts, dim=1))

    @property
    def confusion(self) -> Tensor:
        """All that was counted: int64 (classes + 1, classes), on the CPU."""
        return self.total.cpu()

    @property
    def marginals(self) -> Tensor:
        """Per image its hits, labelled and predicted pixels per class: int64 (n, 3, classes), on the CPU."""
        none = torch.zeros(0, 3, self._classes, dtype=torch.int64)
        return torch.cat([none, *(part.cpu() for part in self._marginals)])


def confusion_matrices(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """Int64 (n, classes + 1, classes) from integer labels and predictions (n, ...), in one count on their device.

    Raises ValueError for values that are no class nor, in labels, `IGNORE`: they would be counted as others.
    """
    count = len(labels)
    rows, predicted = labels.reshape(count, -1).long(), predictions.reshape(count, -1)
    known = (rows >= 0) & (rows < classes)
    if not bool((known | (rows == IGNORE)).all()) or not bool(((predicted >= 0) & (predicted < classes)).all()):
        raise ValueError(f"labels must be below {classes} or {IGNORE}, predictions below {classes}, but got others")
    cells = torch.where(known, rows, classes).mul_(classes).add_(predicted)
    size = (classes + 1) * classes
    cells += torch.arange(count, device=labels.device)[:, None] * size
    return torch.bincount(cells.flatten(), minlength=count * size).reshape(count, classes + 1, classes)


def scores(confusion: Tensor, classes: ClassList) -> Scores:
    """The figures that a search compares, of a confusion matrix (classes + 1, classes)."""
    found = figures.without_void(confusion.cpu().numpy(), classes)
    return Scores(
        mean_iou=found.mean_iou,
        pixel_accuracy=found.pixel_accuracy,
        mean_dice=found.mean_dice,
        iou={each.name: each.iou for each in found.classes},
        dice={each.name: each.dice for each in found.classes},
    )


def guess(train_labels: Tensor, labels: Tensor, classes: ClassList) -> Scores:
    """The scores of guessing: every pixel of `labels` called the class that is most frequent in `train_labels`."""
    counts = torch.bincount(train_labels[train_labels != IGNORE].flatten().long(), minlength=len(classes))
    tally = Tally(len(classes), labels.device)
    always = int(counts.argmax())
    for part in torch.split(labels, 16):  # 8 bytes per pixel are in the making
        tally.add(part, torch.full_like(part, always))
    return scores(tally.confusion, classes)
