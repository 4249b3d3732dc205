"""Segmentation figures by other hands: scikit-learn's, and NumPy one class at a time. They know nothing of ours."""

import numpy as np
from sklearn import metrics

IGNORED = 255


def by_scikit_learn(labels, predictions, count, void=None, with_void=False):
    """All figures of labels and predictions of any one shape, from scikit-learn."""
    y, p, counted = _pixels(labels, predictions, count, void, with_void)
    present = [index for index in counted if (y == index).any()]
    per_class = {
        name: dict(zip(present, score(y, p, labels=present, average=None, zero_division=0), strict=True))
        for name, score in _SCORES.items()
    }
    found = {f"{name}_per_class": [per_class[name].get(index) for index in counted] for name in _SCORES}
    found |= {
        f"mean_{name}": score(y, p, labels=present, average="macro", zero_division=0) for name, score in _SCORES.items()
    }
    found |= {
        f"weighted_{name}": score(y, p, labels=present, average="weighted", zero_division=0)
        for name, score in _SCORES.items()
    }
    found["pixel_accuracy"] = metrics.accuracy_score(y, p)
    found["confusion"] = metrics.confusion_matrix(y, p, labels=range(count))
    return found


def by_numpy(labels, predictions, count, void=None, with_void=False):
    """The same, class by class, from sets of pixels."""
    y, p, counted = _pixels(labels, predictions, count, void, with_void)
    rows = {"iou": [], "dice": [], "precision": [], "recall": []}
    weights = []
    for index in counted:
        truth, called = y == index, p == index
        both = (truth & called).sum()
        weights.append(truth.sum())
        rows["iou"].append(both / (truth | called).sum() if truth.any() else None)
        rows["dice"].append(2 * both / (truth.sum() + called.sum()) if truth.any() else None)
        rows["precision"].append((both / called.sum() if called.any() else 0.0) if truth.any() else None)
        rows["recall"].append(both / truth.sum() if truth.any() else None)
    found = {f"{name}_per_class": values for name, values in rows.items()}
    there = [place for place, weight in enumerate(weights) if weight]
    for name, values in rows.items():
        present = [values[place] for place in there]
        found[f"mean_{name}"] = np.mean(present)
        found[f"weighted_{name}"] = np.average(present, weights=[weights[place] for place in there])
    found["pixel_accuracy"] = (y == p).mean()
    found["confusion"] = np.array([[((y == t) & (p == c)).sum() for c in range(count)] for t in range(count)])
    return found


_SCORES = {
    "iou": metrics.jaccard_score,
    "dice": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}


def _pixels(labels, predictions, count, void, with_void):
    y, p = np.asarray(labels).ravel().astype(int), np.asarray(predictions).ravel().astype(int)
    if with_void:
        return np.where(y == IGNORED, void, y), p, list(range(count))
    return y[y != IGNORED], p[y != IGNORED], [index for index in range(count) if index != void]
