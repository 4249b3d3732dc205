"""Drawn street scenes: any size, repeatable, varied, labelled as they are drawn."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from budgetnet.data import keeping
from budgetnet.datasets import synthetic
from budgetnet.errors import BudgetnetError


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["train", "val"]),
    st.integers(0, 10**5),
    st.integers(32, 150),
    st.integers(32, 150),
)
@example(0, "train", 0, 32, 32)
@example(0, "train", 1, 32, 400)
@example(0, "train", 2, 400, 32)
@example(2**32 - 1, "val", 99_999, 33, 47)
def test_any_seed_and_size_gives_an_image_with_labels(seed, split, index, height, width):
    image, labels = synthetic.draw(seed, split, index, height, width)
    assert (image.shape, image.dtype) == ((height, width, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((height, width), np.uint8)
    assert set(np.unique(labels)) <= set(synthetic.SOURCE_CLASSES)
    again, labels_again = synthetic.draw(seed, split, index, height, width)
    np.testing.assert_array_equal(again, image)
    np.testing.assert_array_equal(labels_again, labels)


def test_every_image_is_another():
    keys = [(seed, split, index) for seed in (0, 1) for split in ("train", "val") for index in range(4)]
    images = {synthetic.draw(*key, 32, 48)[0].tobytes() for key in keys}
    assert len(images) == len(keys)


def test_the_number_of_images_changes_none_of_them():
    few = keeping.load("synthetic:train=2,val=1", classes=7, height=32, width=48)
    many = keeping.load("synthetic:train=5,val=3", classes=7, height=32, width=48)
    np.testing.assert_array_equal(few.train.images, many.train.images[:2])
    np.testing.assert_array_equal(few.val.labels, many.val.labels[:1])
    assert few.fingerprint != many.fingerprint
    assert few.train.names == ("train-00000", "train-00001")


def test_another_process_draws_the_same():
    code = (
        "from hashlib import sha256; from budgetnet.datasets import synthetic; "
        "print(sha256(b''.join(part.tobytes() for part in synthetic.draw(3, 'val', 4, 64, 96))).hexdigest())"
    )
    told = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(told) == 1


def test_a_scene_at_two_sizes_is_the_same_scene():
    agreement = []
    for index in range(8):
        small, large = (synthetic.draw(0, "train", index, *size)[1] for size in ((80, 120), (160, 240)))
        agreement.append((large[1::2, 1::2] == small).mean())
    assert min(agreement) > 0.85
    assert np.mean(agreement) > 0.93


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*(synthetic.draw(0, "train", index, 64, 96) for index in range(60)), strict=True)
    return np.stack(images), np.stack(labels)


def test_scenes_hold_all_classes_in_shares_like_those_of_streets(drawn):
    shares = np.bincount(drawn[1].ravel(), minlength=7) / drawn[1].size
    limits = [(0.06, 0.25), (0.2, 0.5), (0.25, 0.5), (0.03, 0.15), (0.04, 0.15), (0.005, 0.05), (0.005, 0.08)]
    assert all(low < share < high for share, (low, high) in zip(shares, limits, strict=True)), shares


def test_colour_does_not_give_the_class_away(drawn):
    """The best answer that a pixel's colour alone allows is far from good: classes share their colours."""
    images, labels = drawn
    cells = images // 32 @ np.array([64, 8, 1])
    counts = np.zeros((512, 7), int)
    np.add.at(counts, (cells.ravel(), labels.ravel()), 1)
    assert counts.max(axis=1).sum() / counts.sum() < 0.65


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("train", "settings must read name=number; did you mean 'train'?, but got 'train'"),
        ("trian=3", "settings must read name=number; did you mean 'train'?, but got 'trian=3'"),
        ("size=3", "settings must read name=number; known: train, val, seed, but got 'size=3'"),
        ("train=", "train must be a whole number from 1 to 100000, but got ''"),
        ("train=0", "train must be a whole number from 1 to 100000, but got '0'"),
        ("val=1e3", "val must be a whole number from 1 to 100000, but got '1e3'"),
        ("val=100001", "val must be a whole number from 1 to 100000, but got '100001'"),
        ("seed=-1", "seed must be a whole number from 0 to 4294967295, but got '-1'"),
        ("seed=" + "9" * 5000, "seed must be a whole number from 0 to 4294967295, but got '9999"),
        ("seed=\u0663", "seed must be a whole number from 0 to 4294967295, but got '\\u0663'"),
        ("seed=1,seed=2", "seed must be given once, but got 'seed=1' and another"),
        (",", "settings must read name=number; known: train, val, seed, but got ''"),
    ],
)
def test_a_fault_in_the_settings_is_told(argument, message):
    with pytest.raises(BudgetnetError) as caught:
        synthetic.find(argument)
    assert str(caught.value).startswith(f"synthetic: {message}")


def test_all_faults_in_the_settings_are_told_at_once():
    with pytest.raises(BudgetnetError) as caught:
        synthetic.find("train=x,val=y,seed=z")
    assert len(str(caught.value).splitlines()) == 3


def test_without_settings_there_are_256_and_64():
    assert {split: len(listing.samples) for split, listing in synthetic.find("").splits.items()} == {
        "train": 256,
        "val": 64,
    }
