"""Parts of an evaluation by themselves: the time per image, and the pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnet.classes import IGNORE, ClassList
from budgetnet.evaluation.pictures import WRONG, Shown, confusion_png, examples_png
from budgetnet.evaluation.record import Timing
from budgetnet.training import timing as timed
from budgetnet.training.samples import Samples, Scaling

# --- time


def test_the_time_is_of_one_image_after_warming_up():
    seen: list[tuple[tuple[int, ...], bool]] = []

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, images):
            seen.append((tuple(images.shape), self.training))
            return images * self.weight

    samples = Samples(
        images=torch.zeros(3, 3, 32, 40, dtype=torch.uint8), labels=torch.zeros(3, 32, 40, dtype=torch.uint8)
    )
    found = timed.timing(Network(), samples, Scaling(mean=(0.5, 0.5, 0.5)))
    assert set(seen) == {((1, 3, 32, 40), False)}
    assert len(seen) == timed.WARM_UP + timed.READINGS
    assert len(found.milliseconds) == timed.READINGS
    assert all(0 < value < 1000 for value in found.milliseconds)
    assert (found.height, found.width, found.threads) == (32, 40, torch.get_num_threads())
    assert found.device


def test_a_slow_network_is_read_fewer_times(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(timed.time, "perf_counter", lambda: next(ticks))  # a second for whatever is done
    samples = Samples(
        images=torch.zeros(1, 3, 32, 32, dtype=torch.uint8), labels=torch.zeros(1, 32, 32, dtype=torch.uint8)
    )
    found = timed.timing(torch.nn.Conv2d(3, 2, 1), samples, Scaling(mean=(0.5, 0.5, 0.5)))
    assert found.milliseconds == (1000.0,) * timed.FEWEST


def test_median_and_middle_half_by_hand():
    timing = Timing(milliseconds=(5, 1, 2, 100, 3), warm_up=5, height=1, width=1, device="x", threads=1)
    assert (timing.median, timing.middle_half) == (3, (2, 5))


# --- pictures

COLOURS = ClassList(name="test", names=("a", "b"), colours=((10, 20, 30), (200, 100, 50)), void=None)


def test_mistakes_are_marked_where_label_and_prediction_differ_and_nowhere_else():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    labels = rng.choice([0, 1, IGNORE], (40, 60)).astype(np.uint8)
    predictions = rng.integers(0, 2, (40, 60)).astype(np.uint8)
    shown = Shown(image=image, labels=labels, predictions=predictions, caption="x")
    picture = np.asarray(Image.open(io.BytesIO(examples_png([shown], COLOURS))))
    times = 6  # the fewest that make 60 pixels 320 or more
    scaled = image.repeat(times, axis=0).repeat(times, axis=1)
    tops = range(len(picture) - 240)
    top = next(row for row in tops if (picture[row : row + 240, :360] == scaled).all())
    picture = picture[top : top + 240]
    columns = [picture[:, start : start + 360] for start in range(0, 4 * 366, 366)]
    for column in columns:
        squares = column.reshape(40, times, 60, times, 3)
        assert (squares == squares[:, :1, :, :1]).all()
    mistakes, answered = columns[3][::times, ::times], columns[2][::times, ::times]
    wrong = (labels != predictions) & (labels != IGNORE)
    assert ((mistakes == WRONG).all(axis=2) == wrong).all()
    assert ((mistakes == 0).all(axis=2) == (labels == IGNORE)).all()
    colours = np.array(COLOURS.colours)
    assert (answered[labels != IGNORE] == colours[predictions[labels != IGNORE]]).all()


@pytest.mark.parametrize(("width", "shown"), [(1, 320), (128, 384), (319, 638), (320, 320), (321, 321), (640, 640)])
def test_columns_of_small_images_are_wide_enough_to_see_something(width, shown):
    image, labels = np.zeros((9, width, 3), np.uint8), np.zeros((9, width), np.uint8)
    example = Shown(image=image, labels=labels, predictions=labels, caption="x")
    picture = np.asarray(Image.open(io.BytesIO(examples_png([example], COLOURS))))
    assert picture.shape[1] == 4 * shown + 18


@pytest.mark.parametrize(("height", "width"), [(33, 641), (700, 1281), (720, 1280)])
def test_large_images_are_shown_smaller_labels_with_no_new_colour(height, width):
    image = np.full((height, width, 3), 77, np.uint8)
    labels = np.indices((height, width)).sum(axis=0).astype(np.uint8) % 2
    shown = Shown(image=image, labels=labels, predictions=labels, caption="x")
    picture = np.asarray(Image.open(io.BytesIO(examples_png([shown], COLOURS))))
    step = -(-width // 640)
    high, wide = -(-height // step), -(-width // step)
    assert picture.shape[1] == 4 * wide + 18
    top = next(row for row in range(len(picture)) if (picture[row : row + high, :wide] == 77).all())
    label = picture[top : top + high, wide + 6 : 2 * wide + 6]
    assert {tuple(colour) for colour in np.unique(label.reshape(-1, 3), axis=0).tolist()} <= set(COLOURS.colours)


@pytest.mark.parametrize(("count", "void"), [(1, None), (2, 0), (11, None), (34, 3)])
@pytest.mark.filterwarnings("error")
def test_the_confusion_picture_takes_any_number_of_classes_and_any_names(count, void):
    names = tuple(f"class {index} $\\frac$ 漢 <b>" for index in range(count))
    classes = ClassList(name="test", names=names, colours=((0, 0, 0),) * count, void=void)
    confusion = np.zeros((count + 1, count), np.int64)
    confusion[0, 0] = 1000
    picture = np.asarray(Image.open(io.BytesIO(confusion_png(confusion, classes, "$title$"))).convert("RGB"))
    assert picture.shape[1] > 30 * count  # room for a figure in each cell
    dark, grey = ((picture == colour).all(axis=2).sum() for colour in ((8, 48, 107), (211, 211, 211)))
    assert dark > 500
    assert grey > 500 or count == 1  # classes without a pixel
