"""Metrics against cases worked by hand, against scikit-learn, and against NumPy one class at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import by_numpy, by_scikit_learn

from budgetnet.classes import IGNORE, ClassList
from budgetnet.evaluation import figures
from budgetnet.training.metrics import Tally, confusion_matrices, guess, scores

pytestmark = pytest.mark.filterwarnings("ignore:A single label was found")

CPU = torch.device("cpu")
PLAIN = ("pixel_accuracy", "mean_iou", "mean_dice", "mean_precision", "mean_recall")
WEIGHTED = ("weighted_iou", "weighted_dice", "weighted_precision")
PER_CLASS = ("iou", "dice", "precision", "recall")


def classes(count: int, void: int | None = None) -> ClassList:
    names = tuple(f"class {index}" if count > 8 else "abcdefgh"[index] for index in range(count))
    return ClassList(name="test", names=names, colours=((0, 0, 0),) * count, void=void)


def tallied(labels, predictions, count: int, batch: int = 2) -> Tally:
    tally = Tally(count, CPU)
    pairs = (torch.as_tensor(np.asarray(each)) for each in (labels, predictions))
    for some, others in zip(*(torch.split(each, batch) for each in pairs), strict=True):
        tally.add(some, others)
    return tally


def test_confusion_matrix_by_hand():
    labels = torch.tensor([[[0, 0, 1], [1, 2, IGNORE]], [[2, 2, 2], [2, 2, 2]]], dtype=torch.uint8)
    predictions = torch.tensor([[[0, 1, 1], [1, 0, 2]], [[2, 2, 2], [2, 2, 1]]])
    first, second = confusion_matrices(labels, predictions, 3).tolist()
    assert first == [[1, 1, 0], [0, 2, 0], [1, 0, 0], [0, 0, 1]]
    assert second == [[0, 0, 0], [0, 0, 0], [0, 1, 5], [0, 0, 0]]


@pytest.mark.parametrize(("label", "prediction"), [(3, 0), (254, 0), (-1, 0), (0, 3), (0, -1), (0, IGNORE)])
def test_values_that_are_no_class_are_not_counted_as_another(label, prediction):
    with pytest.raises(ValueError, match="labels must be below 3 or 255, predictions below 3, but got others"):
        confusion_matrices(torch.tensor([[label, 0]]), torch.tensor([[prediction, 0]]), 3)


def test_scores_by_hand():
    # class a: 1 hit, 1 missed, 1 too many; class b: 2 hits, 1 too many; class c: 1 missed
    found = scores(torch.tensor([[1, 1, 0], [0, 2, 0], [1, 0, 0], [0, 0, 0]]), classes(3))
    assert found.iou == {"a": pytest.approx(1 / 3), "b": pytest.approx(2 / 3), "c": 0.0}
    assert found.dice == {"a": pytest.approx(1 / 2), "b": pytest.approx(4 / 5), "c": 0.0}
    assert found.mean_iou == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert found.mean_dice == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    assert found.pixel_accuracy == pytest.approx(3 / 5)


def test_void_is_left_out_of_the_means_but_predicting_it_is_a_miss():
    # two pixels of a, one of them called void (c)
    confusion = torch.tensor([[1, 0, 1], [0, 2, 0], [0, 0, 0], [3, 0, 5]])
    found = scores(confusion, classes(3, void=2))
    assert found.iou == {"a": 0.5, "b": 1.0}
    assert found.mean_iou == 0.75
    assert found.pixel_accuracy == 0.75
    counted = figures.with_void(confusion.numpy(), classes(3, void=2))
    assert counted is not None
    assert [each.iou for each in counted.classes] == [1 / 5, 1.0, 5 / 9]
    assert counted.pixel_accuracy == 8 / 12


def test_where_no_class_is_void_there_are_no_figures_with_it():
    assert figures.with_void(np.ones((4, 3), np.int64), classes(3)) is None


def test_a_class_that_never_occurs_has_no_score():
    found = scores(torch.tensor([[3, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]), classes(3))
    assert found.iou == {"a": 1.0, "b": 1.0, "c": None}
    assert found.mean_iou == found.mean_dice == 1.0


def test_a_class_without_a_label_stays_out_of_the_means_whatever_is_predicted():
    found = scores(torch.tensor([[3, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 0]]), classes(3))
    assert found.iou == {"a": 0.75, "b": 1.0, "c": None}
    assert found.mean_iou == 0.875


def test_without_a_labelled_pixel_the_means_are_zero():
    confusion = torch.tensor([[0, 0], [0, 0], [7, 9]])
    found = scores(confusion, classes(2))
    assert (found.mean_iou, found.pixel_accuracy, found.iou) == (0.0, 0.0, {"a": None, "b": None})
    everything = figures.without_void(confusion.numpy(), classes(2))
    assert {getattr(everything, name) for name in (*PLAIN, *WEIGHTED)} == {0.0}
    assert figures.most_frequent(everything) is None
    assert figures.mistakes(confusion.numpy(), classes(2)) == ()


def test_the_weighted_recall_is_the_pixel_accuracy_so_it_has_no_figure_of_its_own():
    rng = np.random.default_rng(1)
    cells = rng.integers(0, 50, (6, 5))
    found = figures.without_void(cells, classes(5))
    weighted = sum(each.share * (each.recall or 0) for each in found.classes)
    assert weighted == pytest.approx(found.pixel_accuracy, abs=1e-12)


@st.composite
def labelled(draw):
    """Labels and predictions with all that can be missing: classes, labels, agreement."""
    count = draw(st.integers(1, 34))
    void = draw(st.none() | st.integers(0, count - 1)) if count > 1 else None
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scored = [index for index in range(count) if index != void]
    there = rng.choice(scored, size=rng.integers(1, len(scored) + 1), replace=False)
    answered = rng.choice(count, size=rng.integers(1, count + 1), replace=False)
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    labels = rng.choice(there, size=shape)
    agreeing = rng.random(shape) < draw(st.sampled_from([0, 0.5, 0.9]))
    predictions = np.where(agreeing, labels, rng.choice(answered, size=shape))
    labels[rng.random(shape) < draw(st.sampled_from([0, 0.1, 0.9]))] = IGNORE
    labels[0, 0, 0] = there[0]
    return labels.astype(np.uint8), predictions, count, void


@settings(max_examples=150)
@given(labelled())
def test_all_figures_equal_scikit_learns_and_those_of_numpy(drawn):
    labels, predictions, count, void = drawn
    tally = tallied(labels, predictions, count)
    confusion, known = tally.confusion.numpy(), classes(count, void)
    found = {False: figures.without_void(confusion, known), True: figures.with_void(confusion, known)}
    assert (found[True] is None) is (void is None)
    for with_void, ours in found.items():
        for reference in (by_scikit_learn, by_numpy):
            if ours is not None:
                theirs = reference(labels, predictions, count, void, with_void)
                assert_equal(ours, theirs)
                if not with_void:
                    assert (confusion[:-1] == theirs["confusion"]).all()


def assert_equal(ours: figures.Figures, theirs: dict) -> None:
    for name in (*PLAIN, *WEIGHTED):
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=1e-9), name
    for name in PER_CLASS:
        assert [getattr(each, name) for each in ours.classes] == [
            None if value is None else pytest.approx(value, abs=1e-9) for value in theirs[f"{name}_per_class"]
        ]


@settings(max_examples=50)
@given(labelled())
def test_an_images_figures_are_those_of_the_image_alone(drawn):
    labels, predictions, count, void = drawn
    known = classes(count, void)
    tally = tallied(labels, predictions, count)
    names = [f"image {index}" for index in range(len(labels))]
    per_image = figures.of_images(names, tally.marginals.numpy(), known)
    assert [each.name for each in per_image] == names
    assert sum(each.labelled for each in per_image) == tally.confusion[:-1].sum()
    for index, ours in enumerate(per_image):
        alone = figures.without_void(tallied(labels[[index]], predictions[[index]], count).confusion.numpy(), known)
        assert ours.labelled == alone.pixels
        assert ours.iou == {each.name: each.iou for each in alone.classes}
        if alone.pixels:
            theirs = by_scikit_learn(labels[index], predictions[index], count, void)
            assert ours.mean_iou == pytest.approx(theirs["mean_iou"], abs=1e-9)
            assert ours.pixel_accuracy == pytest.approx(theirs["pixel_accuracy"], abs=1e-9)
        else:
            assert (ours.mean_iou, ours.pixel_accuracy) == (None, None)


@settings(max_examples=30)
@given(labelled(), st.integers(1, 6))
def test_how_images_are_batched_changes_nothing(drawn, batch):
    labels, predictions, count, _ = drawn
    one, other = tallied(labels, predictions, count, 1), tallied(labels, predictions, count, batch)
    assert torch.equal(one.confusion, other.confusion)
    assert torch.equal(one.marginals, other.marginals)
    assert int(one.confusion.sum()) == labels.size


def test_mistakes_are_told_from_the_most_frequent_on():
    confusion = np.array([[5, 3, 0], [0, 4, 1], [3, 0, 0], [9, 9, 9]])
    told = [
        (each.label, each.prediction, each.pixels, each.share_of_label, each.share_of_mistakes)
        for each in figures.mistakes(confusion, classes(3))
    ]
    assert told == [("a", "b", 3, 3 / 8, 3 / 7), ("c", "a", 3, 1.0, 3 / 7), ("b", "c", 1, 1 / 5, 1 / 7)]


def test_guessing_calls_every_pixel_the_most_frequent_training_class():
    train = torch.tensor([[[1, 1, 0], [1, IGNORE, IGNORE]]], dtype=torch.uint8)
    val = torch.tensor([[[0, 1, 1], [0, 1, IGNORE]]], dtype=torch.uint8)
    found = guess(train, val, classes(2))
    assert found.iou == {"a": 0.0, "b": pytest.approx(3 / 5)}
    assert found.pixel_accuracy == pytest.approx(3 / 5)


@given(labelled())
def test_calling_everything_the_most_frequent_class_scores_what_guessing_that_does(drawn):
    labels, predictions, count, void = drawn
    found = figures.without_void(tallied(labels, predictions, count).confusion.numpy(), classes(count, void))
    name, score = figures.most_frequent(found)
    always = np.full(labels.shape, classes(count).names.index(name))
    guessed = figures.without_void(tallied(labels, always, count).confusion.numpy(), classes(count, void))
    assert guessed.mean_iou == pytest.approx(score, abs=1e-12)
