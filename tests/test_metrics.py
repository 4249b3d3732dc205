"""Metrics against cases worked by hand and against a slow reference that loops over classes."""

import numpy as np
import pytest
import torch

from budgetnet.classes import IGNORE, ClassList
from budgetnet.training.metrics import confusion_matrix, guess, scores


def classes(count: int, void: int | None = None) -> ClassList:
    names = tuple("abcdefgh"[:count])
    return ClassList(name="test", names=names, colours=((0, 0, 0),) * count, void=void)


def test_confusion_matrix_by_hand():
    labels = torch.tensor([[0, 0, 1], [1, 2, IGNORE]], dtype=torch.uint8)
    predictions = torch.tensor([[0, 1, 1], [1, 0, 2]])
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert confusion_matrix(labels, predictions, 3).tolist() == expected


def test_scores_by_hand():
    # class a: 1 hit, 1 missed, 1 too many; class b: 2 hits, 1 too many; class c: 1 missed
    found = scores(torch.tensor([[1, 1, 0], [0, 2, 0], [1, 0, 0]]), classes(3))
    assert found.iou == {"a": pytest.approx(1 / 3), "b": pytest.approx(2 / 3), "c": 0.0}
    assert found.dice == {"a": pytest.approx(1 / 2), "b": pytest.approx(4 / 5), "c": 0.0}
    assert found.mean_iou == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert found.mean_dice == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    assert found.pixel_accuracy == pytest.approx(3 / 5)


def test_void_is_left_out_of_the_means_but_predicting_it_is_a_miss():
    # two pixels of a, one of them called void (c)
    found = scores(torch.tensor([[1, 0, 1], [0, 2, 0], [0, 0, 0]]), classes(3, void=2))
    assert found.iou == {"a": 0.5, "b": 1.0}
    assert found.mean_iou == 0.75
    assert found.pixel_accuracy == 0.75


def test_a_class_that_never_occurs_has_no_score():
    found = scores(torch.tensor([[3, 0, 0], [0, 1, 0], [0, 0, 0]]), classes(3))
    assert found.iou == {"a": 1.0, "b": 1.0, "c": None}
    assert found.mean_iou == found.mean_dice == 1.0


def test_a_class_without_a_label_stays_out_of_the_means_whatever_is_predicted():
    found = scores(torch.tensor([[3, 0, 1], [0, 1, 0], [0, 0, 0]]), classes(3))
    assert found.iou == {"a": 0.75, "b": 1.0, "c": None}
    assert found.mean_iou == 0.875


def test_without_a_labelled_pixel_the_means_are_zero():
    found = scores(torch.zeros(2, 2, dtype=torch.int64), classes(2))
    assert (found.mean_iou, found.pixel_accuracy, found.iou) == (0.0, 0.0, {"a": None, "b": None})


def test_scores_equal_a_reference_that_looks_at_every_class_by_itself():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 4, IGNORE], size=(3, 20, 30)).astype(np.uint8)
    predictions = np.where(rng.random(labels.shape) < 0.6, labels, rng.integers(0, 5, labels.shape)) % 5
    found = scores(confusion_matrix(torch.from_numpy(labels), torch.from_numpy(predictions), 5), classes(5))
    valid = labels != IGNORE
    for index, name in enumerate("abcde"):
        truth, called = (labels == index) & valid, (predictions == index) & valid
        assert found.iou[name] == pytest.approx((truth & called).sum() / (truth | called).sum(), abs=1e-12)
        assert found.dice[name] == pytest.approx(2 * (truth & called).sum() / (truth.sum() + called.sum()), abs=1e-12)
    assert found.pixel_accuracy == pytest.approx((labels == predictions)[valid].mean(), abs=1e-12)


def test_guessing_calls_every_pixel_the_most_frequent_training_class():
    train = torch.tensor([[[1, 1, 0], [1, IGNORE, IGNORE]]], dtype=torch.uint8)
    val = torch.tensor([[[0, 1, 1], [0, 1, IGNORE]]], dtype=torch.uint8)
    found = guess(train, val, classes(2))
    assert found.iou == {"a": 0.0, "b": pytest.approx(3 / 5)}
    assert found.pixel_accuracy == pytest.approx(3 / 5)
