"""Images and labels at one size: exact area means, nearest labels, central crops; held against slow oracles."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet.data.form import Form, Window
from budgetnet.errors import BudgetnetError

SIDES = st.integers(32, 48)


def area_means(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Every old pixel cut into height x width parts, each of which belongs to one new pixel whole; rounded half up."""
    fine = np.repeat(np.repeat(image.astype(np.int64), height, axis=0), width, axis=1)
    old_height, old_width, channels = image.shape
    blocks = fine.reshape(height, old_height, width, old_width, channels)
    area = old_height * old_width
    return (2 * blocks.sum(axis=(1, 3)) + area) // (2 * area)


@settings(max_examples=15)
@given(new=st.tuples(SIDES, SIDES), more=st.tuples(st.integers(0, 40), st.integers(0, 40)), seed=st.integers(0, 999))
def test_shrinking_is_the_exact_mean_over_the_area(new, more, seed):
    (height, width), (old_height, old_width) = new, (new[0] + more[0], new[1] + more[1])
    image = np.random.default_rng(seed).integers(0, 256, (old_height, old_width, 3), np.uint8)
    made = Form(height=height, width=width, crop=(old_height, old_width)).image(image)
    assert made.shape == (height, width, 3)
    np.testing.assert_array_equal(made, area_means(image, height, width))


@settings(max_examples=60)
@given(old=st.tuples(st.integers(1, 90), st.integers(1, 90)), new=st.tuples(SIDES, SIDES))
def test_labels_are_of_the_pixel_whose_centre_is_nearest(old, new):
    labels = (np.arange(old[0] * old[1]) % 251).astype(np.uint8).reshape(old)
    made = Form(height=new[0], width=new[1], crop=old).labels(labels)

    def nearest(place: int, size: int, length: int) -> int:
        centre = Fraction(2 * place + 1, 2 * size) * length
        return min(range(length), key=lambda other: (abs(Fraction(2 * other + 1, 2) - centre), -other))

    rows = [nearest(row, new[0], old[0]) for row in range(new[0])]
    columns = [nearest(column, new[1], old[1]) for column in range(new[1])]
    np.testing.assert_array_equal(made, labels[np.ix_(rows, columns)])


@given(height=st.integers(1, 300), width=st.integers(1, 300), new=st.tuples(SIDES, SIDES))
def test_the_window_is_central_and_the_largest_of_its_shape(height, width, new):
    window = Form(height=new[0], width=new[1]).window(height, width)
    assert window.height == height or window.width == width
    assert 0 <= height - window.height - 2 * window.top <= 1
    assert 0 <= width - window.width - 2 * window.left <= 1
    wanted = window.width * new[0] / new[1] if window.width == width else window.height * new[1] / new[0]
    assert abs((window.height if window.width == width else window.width) - max(wanted, 1)) <= 0.5


def test_the_labs_crop():
    form = Form(height=320, width=480, crop=(768, 1152))
    assert form.window(1024, 2048) == Window(top=128, left=448, height=768, width=1152)


def test_the_same_size_is_left_alone():
    rng = np.random.default_rng(3)
    image, labels = rng.integers(0, 256, (40, 50, 3), np.uint8), rng.integers(0, 256, (40, 50), np.uint8)
    form = Form(height=40, width=50)
    np.testing.assert_array_equal(form.image(image), image)
    np.testing.assert_array_equal(form.labels(labels), labels)


def test_white_stays_white():
    assert (Form(height=37, width=41).image(np.full((97, 113, 3), 255, np.uint8)) == 255).all()


def test_an_image_smaller_than_the_crop():
    with pytest.raises(ValueError, match=r"^must be 768 x 1152 pixels or more to be cropped, but is 700 x 2048$"):
        Form(height=320, width=480, crop=(768, 1152)).window(700, 2048)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"height": 31, "width": 48}, r"^height must be from 32 to 16384 pixels, but got 31$"),
        ({"height": 32, "width": 16385}, r"^width must be from 32 to 16384 pixels, but got 16385$"),
        ({"height": 32, "width": 32, "crop": (0, 9)}, r"^crop must be from 1 to 16384 pixels a side, but got 0 x 9$"),
    ],
)
def test_sizes_out_of_range(size, message):
    with pytest.raises(BudgetnetError, match=message):
        Form(**size)
