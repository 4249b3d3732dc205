"""Segmentation metrics, all from one confusion matrix.

`confusion[t, p]` is the number of pixels of class `t` that were predicted as `p`. Pixels labelled `IGNORE` are in none
of the cells; a labelled pixel that is predicted as void counts against its class.
"""

import torch
from torch import Tensor

from budgetnet.classes import IGNORE, ClassList
from budgetnet.results import Scores


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """(classes, classes) int64 from integer labels and predictions of any one shape, on their device."""
    labelled = labels != IGNORE
    cells = labels[labelled].long() * classes + predictions[labelled].long()
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def scores(confusion: Tensor, classes: ClassList) -> Scores:
    """Pixel accuracy, IoU and Dice of a (classes, classes) confusion matrix.

    IoU = TP / (TP + FP + FN); Dice = 2 TP / (2 TP + FP + FN). A class without a labelled
    pixel has no score and is left out of the means, whatever is predicted, so that the means of two networks on the
    same labels are over the same classes; with no labelled pixel at all every mean is 0.
    """
    cells = confusion.double().cpu()
    hits, labelled, predicted = cells.diagonal(), cells.sum(dim=1), cells.sum(dim=0)
    iou, dice = {}, {}
    for index in classes.scored:
        union = float(labelled[index] + predicted[index] - hits[index])
        both = float(labelled[index] + predicted[index])
        iou[classes.names[index]] = float(hits[index]) / union if labelled[index] else None
        dice[classes.names[index]] = 2 * float(hits[index]) / both if labelled[index] else None
    total = float(cells.sum())
    return Scores(
        mean_iou=_mean(iou),
        pixel_accuracy=float(hits.sum()) / total if total else 0.0,
        mean_dice=_mean(dice),
        iou=iou,
        dice=dice,
    )


def guess(train_labels: Tensor, labels: Tensor, classes: ClassList) -> Scores:
    """The scores of guessing: every pixel of `labels` called the class that is most frequent in `train_labels`."""
    counts = torch.bincount(train_labels[train_labels != IGNORE].flatten().long(), minlength=len(classes))
    always = torch.full_like(labels, int(counts.argmax()))
    return scores(confusion_matrix(labels, always, len(classes)), classes)


def _mean(per_class: dict[str, float | None]) -> float:
    present = [value for value in per_class.values() if value is not None]
    return sum(present) / len(present) if present else 0.0
