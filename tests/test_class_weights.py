import math

import numpy as np
import pytest
import torch

from budgetnet.classes import IGNORE
from budgetnet.training import losses
from budgetnet.training.losses import CLASS_WEIGHTS, class_weights


def labels(*images):
    """One image per text, a digit per pixel, `.` for void: uint8 (n, 1, pixels)."""
    return torch.tensor([[[IGNORE if c == "." else int(c) for c in image]] for image in images], dtype=torch.uint8)


SPLIT = labels("000000001.", "00000.1133", "0000001111")  # 0: 19, 1: 7, 2: none, 3: 2 pixels of 28

EXPECTED = {
    "inverse-log": [1 / math.log(1.02 + 19 / 28), 1 / math.log(1.02 + 7 / 28), 0, 1 / math.log(1.02 + 2 / 28)],
    "inverse-sqrt": [(19 / 28) ** -0.5, (7 / 28) ** -0.5, 0, (2 / 28) ** -0.5],
    # frequencies 19/28, 7/28 and 2/9: the class 3 is in an image of 9 labelled pixels only
    "median-frequency": [(7 / 28) / (19 / 28), 1, 0, (7 / 28) / (2 / 9)],
}


@pytest.mark.parametrize("name", sorted(CLASS_WEIGHTS))
def test_weights_are_those_of_their_formula_up_to_a_factor(name):
    found = class_weights(name, SPLIT, 4)
    assert found.dtype == torch.float32
    expected = np.array(EXPECTED[name])
    expected /= np.average(expected, weights=[19, 7, 0, 2])
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("name", sorted(CLASS_WEIGHTS))
def test_a_pixel_weighs_1_on_average_and_an_ignorant_network_loses_as_without(name):
    weights = class_weights(name, SPLIT, 4)
    known = SPLIT[SPLIT != IGNORE].long()
    assert weights[known].mean().item() == pytest.approx(1)
    assert weights[2] == 0
    scores = torch.zeros(3, 4, 1, 10)
    value = losses.build("weighted_cross_entropy", weights)(scores, SPLIT)
    assert value.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", sorted(CLASS_WEIGHTS))
def test_a_split_without_labels_weighs_nothing(name):
    assert class_weights(name, labels("...", "..."), 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", sorted(CLASS_WEIGHTS))
def test_rarer_classes_weigh_more(name):
    weights = class_weights(name, SPLIT, 4)
    assert weights[3] > weights[1] > weights[0] > 0


def test_none_is_none():
    assert class_weights("none", SPLIT, 4) is None


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="class weights must be one of the known ones, but got 'inverselog'; did you"):
        class_weights("inverselog", SPLIT, 4)
