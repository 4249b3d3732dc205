"""Pictures of an evaluation: the confusion matrix, and single images with what is wrong in them."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from budgetnet.classes import IGNORE, ClassList
from budgetnet.evaluation.figures import Counts
from budgetnet.pictures import IGNORED, Pixels, below, beside, colourise, key, png, strip

WIDEST = 640
"""Pixels of an image in a picture of several; larger ones are scaled down."""

LEAST = 320
"""The same at least; smaller ones are scaled up, so that a pixel is a square."""

WRONG = (230, 0, 120)
"""The colour of pixels that were called something else than their class: none of the usual classes has it."""

_DARK = 0.55
"""Cells from this share on are dark, and their figures white."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One image, uint8 (height, width, 3), its labels and its predictions (height, width), and a line about it."""

    image: Pixels
    labels: Pixels
    predictions: Pixels
    caption: str


def examples_png(shown: Sequence[Shown], classes: ClassList) -> bytes:
    """A PNG: for each image a line and a row of image, label, prediction and mistakes; the colour key below.

    Predictions where there is no label are left black: they count for nothing.
    """
    rows = [_row(each, classes) for each in shown]
    width = rows[0].shape[1]
    lines = [strip(width, [(each.caption, None)], columns=1) for each in shown]
    heading = strip(width, [("image", None), ("label", None), ("prediction", None), ("mistakes", WRONG)], columns=4)
    body = [np.concatenate([line, row]) for line, row in zip(lines, rows, strict=True)]
    return png(np.concatenate([heading, below(body), key(width, classes)]))


def confusion_png(confusion: Counts, classes: ClassList, title: str) -> bytes:
    """A PNG of counts (classes + 1, classes): what share of each class, by rows, was called what, in percent.

    Pixels without a class are in the row of the void class, or in one of their own where there is none and there are
    any. Rows without a pixel are grey.
    """
    from matplotlib.figure import Figure  # loaded here: it takes as long as a whole plan

    rows, counts = _rows(confusion, classes)
    shares = _shares(counts)
    size = 3.5 + 0.45 * len(classes)
    figure = Figure(figsize=(size, size * 0.95), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    colours = _colours()
    axes.imshow(np.ma.masked_invalid(shares), cmap=colours, vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes.names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="predicted", ylabel="labelled")
    axes.set_title(title, fontsize=9)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, _cell(share), ha="center", va="center", color=_ink(share), fontsize=8)
    texts = [axes.title, *axes.get_xticklabels(), *axes.get_yticklabels()]
    for text in texts:
        text.set_parse_math(False)  # a class may be called $\alpha
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as boxes
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _row(shown: Shown, classes: ClassList) -> Pixels:
    step = -(-shown.image.shape[1] // WIDEST)
    image = np.asarray(Image.fromarray(np.ascontiguousarray(shown.image)).reduce(step))
    height, width = image.shape[:2]
    middle = step // 2  # of each block that the image is averaged over
    labels, predictions = (
        np.pad(each, (0, step), mode="edge")[middle::step, middle::step][:height, :width]
        for each in (shown.labels, shown.predictions)
    )
    labelled = labels != IGNORE
    answered = np.where(labelled, predictions, IGNORE).astype(np.uint8)
    parts = [image, colourise(labels, classes), colourise(answered, classes), _mistakes(image, labels, answered)]
    times = -(-LEAST // width)
    return beside([part.repeat(times, axis=0).repeat(times, axis=1) for part in parts])


def _mistakes(image: Pixels, labels: Pixels, predictions: Pixels) -> Pixels:
    """The image in pale grey with the wrong pixels in colour; those without a label are black."""
    grey = 128 + image.mean(axis=2) / 2
    made: Pixels = np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)
    made[labels != predictions] = WRONG
    made[labels == IGNORE] = 0
    return made


def _rows(confusion: Counts, classes: ClassList) -> tuple[list[str], Counts]:
    """Names and counts of the rows: (classes or one more, classes)."""
    if classes.void is not None:
        counts = confusion[:-1].copy()
        counts[classes.void] += confusion[-1]
        return [
            f"{name} ({IGNORED})" if index == classes.void else name for index, name in enumerate(classes.names)
        ], counts
    last = len(classes) + bool(confusion[-1].any())
    return [*classes.names, IGNORED][:last], confusion[:last]


def _shares(counts: Counts) -> NDArray[np.float64]:
    """Rows as shares of 1; NaN where there is no pixel."""
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def _cell(share: float) -> str:
    """A share in whole percent, as narrow as can be: the smallest are dots, none at all is empty."""
    if np.isnan(share) or share == 0:
        return ""
    return "·" if share < 0.005 else f"{100 * share:.0f}"


def _ink(share: float) -> str:
    return "white" if share > _DARK else "black"


def _colours() -> Any:
    from matplotlib import colormaps

    return colormaps["Blues"].with_extremes(bad="lightgrey")
