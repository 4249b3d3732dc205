"""Every figure of a segmentation, from nothing but counted pixels.

`cells[t][p]` is the number of pixels of class `t` that were predicted as `p`. With hits `TP`, pixels wrongly called the
class `FP` and pixels of it that were called something else `FN`:

    IoU = TP / (TP + FP + FN)       Dice (F1) = 2 TP / (2 TP + FP + FN)
    precision = TP / (TP + FP)      recall = TP / (TP + FN)

A class without a labelled pixel has no figures and is in no mean, whatever is predicted, so that the means of two
networks on the same labels are over the same classes. A class that has pixels and is never predicted has precision 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from budgetnet.classes import ClassList

Counts = NDArray[np.int64]
Cells = Sequence[Sequence[int]]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class: its pixels in the labels, those predicted as it, those that are both, its share of all labelled ones.

    The rest is None where the labels hold none of it.
    """

    name: str
    labelled: int
    predicted: int
    hits: int
    share: float
    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures over all labelled pixels. `mean_*` count every class that occurs alike, `weighted_*` by its labelled
    pixels (the weighted recall is the pixel accuracy). All are 0 where no pixel is labelled.
    """

    pixels: int
    pixel_accuracy: float
    mean_iou: float
    mean_dice: float
    mean_precision: float
    mean_recall: float
    weighted_iou: float
    weighted_dice: float
    weighted_precision: float
    classes: tuple[ClassFigures, ...]

    @property
    def present(self) -> tuple[ClassFigures, ...]:
        """The classes that the labels hold: those in the means."""
        return tuple(each for each in self.classes if each.labelled)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFigures:
    """One image: its labelled pixels, and the mean IoU over the classes in its own labels; None where it has none."""

    name: str
    labelled: int
    pixel_accuracy: float | None
    mean_iou: float | None
    iou: Mapping[str, float | None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Pixels of one class that were called another: how many, and their share of the class and of all mistakes."""

    label: str
    prediction: str
    pixels: int
    share_of_label: float
    share_of_mistakes: float


def figures(cells: Cells, classes: ClassList, counted: Sequence[int]) -> Figures:
    """The figures of (classes, classes) counts over the classes with the indices `counted`."""
    labelled = [sum(row) for row in cells]
    predicted = [sum(column) for column in zip(*cells, strict=True)]
    hits = [cells[index][index] for index in range(len(classes))]
    total = sum(labelled)
    found = tuple(
        _of_class(classes.names[index], labelled[index], predicted[index], hits[index], total) for index in counted
    )
    return Figures(
        pixels=total,
        pixel_accuracy=sum(hits) / total if total else 0.0,
        mean_iou=_mean([each.iou for each in found]),
        mean_dice=_mean([each.dice for each in found]),
        mean_precision=_mean([each.precision for each in found]),
        mean_recall=_mean([each.recall for each in found]),
        weighted_iou=_weighted([(each.labelled, each.iou) for each in found]),
        weighted_dice=_weighted([(each.labelled, each.dice) for each in found]),
        weighted_precision=_weighted([(each.labelled, each.precision) for each in found]),
        classes=found,
    )


def without_void(confusion: Counts, classes: ClassList) -> Figures:
    """The figures of (classes + 1, classes) counts with the last row, pixels without a class, left out."""
    return figures(confusion[:-1].tolist(), classes, classes.scored)


def with_void(confusion: Counts, classes: ClassList) -> Figures | None:
    """The figures of (classes + 1, classes) counts with pixels without a class as pixels of the void class.

    None where the list of classes has no void class: then no answer would be right for them.
    """
    if classes.void is None:
        return None
    cells = confusion[:-1].copy()
    cells[classes.void] += confusion[-1]
    return figures(cells.tolist(), classes, range(len(classes)))


def of_images(names: Sequence[str], marginals: Counts, classes: ClassList) -> tuple[ImageFigures, ...]:
    """Figures per image, from its hits, labelled and predicted pixels per class: (n, 3, classes)."""
    counted = list(classes.scored)
    hits, labelled, predicted = np.moveaxis(marginals[:, :, counted], 1, 0)
    there = labelled > 0
    iou = np.divide(hits, labelled + predicted - hits, out=np.zeros(hits.shape), where=there)
    pixels, present = labelled.sum(axis=1), np.maximum(there.sum(axis=1), 1)
    accuracy, mean = hits.sum(axis=1) / np.maximum(pixels, 1), iou.sum(axis=1) / present
    words = [classes.names[index] for index in counted]
    return tuple(
        ImageFigures(
            name=name,
            labelled=int(pixels[index]),
            pixel_accuracy=float(accuracy[index]) if pixels[index] else None,
            mean_iou=float(mean[index]) if pixels[index] else None,
            iou={
                word: float(value) if known else None
                for word, value, known in zip(words, iou[index], there[index], strict=True)
            },
        )
        for index, name in enumerate(names)
    )


def mistakes(confusion: Counts, classes: ClassList) -> tuple[Mistake, ...]:
    """What was called what instead, most pixels first; of (classes + 1, classes) counts without the last row."""
    cells = confusion[:-1].copy()
    labelled = cells.sum(axis=1)
    np.fill_diagonal(cells, 0)
    total = int(cells.sum())
    order = np.argsort(-cells, axis=None, kind="stable")[: np.count_nonzero(cells)]
    places = (divmod(int(place), len(classes)) for place in order)
    return tuple(
        Mistake(
            label=classes.names[label],
            prediction=classes.names[prediction],
            pixels=int(cells[label, prediction]),
            share_of_label=int(cells[label, prediction]) / int(labelled[label]),
            share_of_mistakes=int(cells[label, prediction]) / total,
        )
        for label, prediction in places
    )


def most_frequent(found: Figures) -> tuple[str, float] | None:
    """The class with the most labelled pixels, and the mean IoU of calling every pixel that; None without labels."""
    if not found.pixels:
        return None
    largest = max(found.present, key=lambda each: each.labelled)
    return largest.name, largest.labelled / found.pixels / len(found.present)


def _of_class(name: str, labelled: int, predicted: int, hits: int, total: int) -> ClassFigures:
    there = labelled > 0
    return ClassFigures(
        name=name,
        labelled=labelled,
        predicted=predicted,
        hits=hits,
        share=labelled / total if total else 0.0,
        iou=hits / (labelled + predicted - hits) if there else None,
        dice=2 * hits / (labelled + predicted) if there else None,
        precision=(hits / predicted if predicted else 0.0) if there else None,
        recall=hits / labelled if there else None,
    )


def _mean(values: Sequence[float | None]) -> float:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else 0.0


def _weighted(values: Sequence[tuple[int, float | None]]) -> float:
    """The mean of values by their weights."""
    present = [(weight, value) for weight, value in values if value is not None]
    total = sum(weight for weight, _ in present)
    return sum(weight * value for weight, value in present) / total if total else 0.0
