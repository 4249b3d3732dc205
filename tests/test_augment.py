"""Augmentation: image and label move together, labels stay whole, the same seed draws the same."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from budgetnet.classes import IGNORE
from budgetnet.training.augment import Augmentation, _rarer, shrunk
from budgetnet.training.samples import Samples
from budgetnet.training_settings import Training

CPU = torch.device("cpu")


def coded(count: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth labels of 6 classes, and images whose colour says the label: red is 40 times it."""
    coarse = torch.randint(0, 6, (count, 1, 3, 3), generator=torch.Generator().manual_seed(seed)).float()
    labels = torch.nn.functional.interpolate(coarse, (height, width), mode="nearest")[:, 0].byte()
    images = torch.stack([labels * 40, labels * 20, 250 - labels * 40], dim=1)
    return images.contiguous(memory_format=torch.channels_last), labels


ALL = Augmentation(flip=True, smallest_scale=0.5, largest_scale=2.0, photometric=0.3, fill=(10, 20, 30))
MOVES = Augmentation(flip=True, smallest_scale=0.5, largest_scale=2.0, fill=(10, 20, 30))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**40),
    sides=st.tuples(st.integers(9, 40), st.integers(9, 40)),
    smallest=st.floats(0.1, 1),
    largest=st.floats(1, 4),
    flip=st.booleans(),
)
def test_image_and_label_move_together(seed, sides, smallest, largest, flip):
    images, labels = coded(2, *sides)
    how = Augmentation(flip=flip, smallest_scale=smallest, largest_scale=largest, fill=(10, 20, 30))
    moved, followed = how(images, labels, seed)
    assert (moved.shape, moved.dtype, followed.shape, followed.dtype) == (
        images.shape,
        images.dtype,
        labels.shape,
        labels.dtype,
    )
    assert moved.is_contiguous(memory_format=torch.channels_last)
    assert set(followed.unique().tolist()) <= {*labels.unique().tolist(), IGNORE}
    for image, label in zip(moved, followed, strict=True):
        unlabelled = label == IGNORE
        assert (torch.tensor([10, 20, 30], dtype=torch.uint8) == image[:, unlabelled].T).all()
        # away from the seams between classes a pixel has exactly the colour of its label
        same = torch.nn.functional.max_pool2d(label[None].float(), 13, 1, 6) == -torch.nn.functional.max_pool2d(
            -label[None].float(), 13, 1, 6
        )
        inner = same[0] & ~unlabelled
        assert ((image[0][inner].int() - 40 * label[inner].int()).abs() <= 1).all()


def test_a_flip_is_a_mirror_and_happens_half_of_the_time():
    images, labels = coded(200, 9, 12)
    moved, followed = Augmentation(flip=True)(images, labels, 3)
    mirrored = 0
    for index in range(200):
        if torch.equal(moved[index], images[index].flip(2)) and torch.equal(followed[index], labels[index].flip(1)):
            mirrored += 1
        else:
            assert torch.equal(moved[index], images[index])
            assert torch.equal(followed[index], labels[index])
    assert 70 <= mirrored <= 130


def test_scales_are_drawn_over_the_whole_range():
    images, labels = coded(100, 64, 64)
    _, followed = Augmentation(smallest_scale=0.5)(images, labels, 0)
    sides = sorted(((label != IGNORE).sum().item() ** 0.5) / 64 for label in followed)
    assert 0.49 <= sides[0] < 0.55
    assert 0.95 < sides[-1] <= 1


def test_doubling_shows_a_part_at_twice_the_size():
    labels = torch.arange(32 * 32).reshape(1, 32, 32).remainder(251).byte()
    images = labels[:, None].repeat(1, 3, 1, 1)
    _, followed = Augmentation(smallest_scale=1.0, largest_scale=2.0)._moved(images, labels, [[0.9, 1.0, 0.5, 0.25]])
    top, left = int(0.5 * 17), int(0.25 * 17)
    part = labels[0, top : top + 16, left : left + 16]
    assert torch.equal(followed[0], part.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_colours_follow_brightness_contrast_and_saturation():
    """Held against the three steps done one after another, in double precision."""
    images = torch.randint(0, 256, (4, 3, 8, 8), generator=torch.Generator().manual_seed(1)).byte()
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(4, 8, 8, dtype=torch.uint8)
    made, kept = Augmentation(photometric=0.4)(images, labels, 7)
    assert torch.equal(kept, labels)
    draws = torch.rand(4, 7, generator=torch.Generator().manual_seed(7), dtype=torch.float64)[:, 4:]
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    for index in range(4):
        brightness, contrast, saturation = (1 + 0.4 * (2 * draws[index] - 1)).tolist()
        image = images[index].double()
        grey = (image * weights[:, None, None]).sum(0)
        image = grey + saturation * (image - grey)
        image = grey.mean() + contrast * (image - grey.mean())
        expected = (brightness * image).clamp(0, 255)
        assert (made[index].double() - expected).abs().max() <= 0.51


def squares() -> tuple[Tensor, Tensor]:
    """Three images of one colour, each with 16, 9 and 5 pixels of three classes of its own, and 2 without a class."""
    labels = torch.tensor([0] * 16 + [1] * 9 + [2] * 5 + [IGNORE] * 2, dtype=torch.uint8).repeat(3, 1)
    rolled = [labels[index].roll(11 * index) for index in range(3)]
    labels = torch.stack([each + 3 * index * (each < 3) for index, each in enumerate(rolled)])
    images = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 4, 8)
    return images, labels.reshape(3, 4, 8)


def test_pasting_lays_the_rarer_half_of_the_next_images_classes_over():
    """Of three classes the rarest one: 2 of the first image, 5 of the second, 8 of the third."""
    images, labels = squares()
    made, followed = Augmentation(paste=1.0)(images, labels, 0)
    for index, (following, rare) in enumerate([(1, 5), (2, 8), (0, 2)]):
        over = labels[following] == rare
        assert over.sum() == 5
        assert torch.equal(followed[index][over], labels[following][over])
        assert torch.equal(followed[index][~over], labels[index][~over])
        assert torch.equal(made[index][:, over], images[following][:, over])
        assert torch.equal(made[index][:, ~over], images[index][:, ~over])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [([], set()), ([7], set()), ([7, 3], {1}), ([5, 0, 1], {2}), ([9, 1, 8, 2], {1, 3}), ([4, 4, 4, 4], {0, 1})],
)
def test_rarer_half_is_rounded_down(pixels, expected):
    """So that an image of one class gives nothing; of classes alike the first go first."""
    assert set(_rarer(torch.tensor(pixels, dtype=torch.int64)).tolist()) == expected


def test_so_many_images_are_pasted_on_and_all_else_is_drawn_as_without():
    images, labels = squares()
    images, labels = images.repeat(100, 1, 1, 1), labels.repeat(100, 1, 1)
    _, followed = Augmentation(paste=0.25)(images, labels, 0)
    assert 50 <= (followed != labels).flatten(1).any(1).sum() <= 100
    images, labels = coded(5, 24, 36)
    _, moved = MOVES(images, labels, 4)
    _, both = replace(MOVES, paste=1.0)(images, labels, 4)
    assert (both == moved).float().mean() > 0.5


@pytest.mark.parametrize("how", [Augmentation(), MOVES, replace(ALL, paste=0.6, crop=(16, 32))])
@pytest.mark.parametrize("places", [[0, 1, 4, 5], [2, 3, 6], [0], [6], list(range(7))])
def test_some_places_of_a_batch_are_as_in_the_whole(how, places):
    """So that processes make their own parts of a batch alone."""
    images, labels = coded(21, 24, 36)
    samples = Samples(images=images, labels=labels)
    whole = list(samples.shuffled(7, 5, how, CPU))
    for batch, part in zip(whole, samples.shuffled(7, 5, how, CPU, places=lambda count: places), strict=True):
        assert part.numbers == batch.numbers
        assert part.images.shape == batch.images.shape
        assert part.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(part.images[places], batch.images[places])
        assert torch.equal(part.labels[places], batch.labels[places])


def test_only_what_is_wanted_is_made():
    images, labels = coded(8, 9, 12)
    seen = []

    class Watched(Augmentation):
        def some(self, images, labels, seed, places, count):
            seen.append((len(images), list(places), count))
            return super().some(images, labels, seed, places, count)

    samples = Samples(images=images, labels=labels)
    for how in (Watched(flip=True), Watched(flip=True, paste=0.5)):
        list(samples.shuffled(8, 5, how, CPU, places=lambda count: [2, 3]))
    assert seen == [(2, [2, 3], 8), (3, [2, 3, 4], 8)]


def test_there_is_nothing_to_paste_from_in_a_batch_of_one():
    images, labels = coded(1, 9, 9)
    made, followed = Augmentation(paste=1.0)(images, labels, 0)
    assert torch.equal(made, images)
    assert torch.equal(followed, labels)


@pytest.mark.parametrize("how", [ALL, MOVES, replace(ALL, paste=0.7), Augmentation(photometric=0.5)])
def test_the_same_seed_draws_the_same_and_the_originals_stay(how):
    images, labels = coded(5, 24, 36)
    before = images.clone(), labels.clone()
    first, again, other = (how(images, labels, seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])


def test_nothing_asked_nothing_done():
    images, labels = coded(2, 9, 9)
    made = Augmentation()(images, labels, 1)
    assert made[0] is images
    assert made[1] is labels
    assert not Augmentation.of(Training(), (0.5, 0.5, 0.5), 64, 96).changes


def test_settings_come_from_the_scenario_and_the_fill_is_the_mean_pixel():
    asked = Training(flip=True, smallest_scale=0.5, largest_scale=1.5, paste=0.4, photometric=0.1)
    found = Augmentation.of(asked, (0.0, 0.5, 1.0), 64, 96)
    same = {"flip": True, "smallest_scale": 0.5, "largest_scale": 1.5, "paste": 0.4, "photometric": 0.1}
    assert found == Augmentation(**same, fill=(0, 128, 255))


@pytest.mark.parametrize("size", [(64, 96), (40, 200)])
def test_early_images_are_the_whole_ones_made_smaller(size):
    asked = Training(early_epochs=1, early_scale=0.5)
    images, labels = coded(3, *size)
    images = images.contiguous(memory_format=torch.channels_last)
    made = Augmentation.of(asked, (0.5, 0.5, 0.5), *size, early=True)(images, labels, 0)
    wanted = shrunk(images, labels, *asked.early(*size))
    assert made[0].shape[2:] == wanted[0].shape[2:] == (size[0] // 2, size[1] // 2)
    assert torch.equal(made[0], wanted[0])
    assert torch.equal(made[1], wanted[1])
    assert not Augmentation.of(asked, (0.5, 0.5, 0.5), *size).changes


def test_batches_are_the_same_whenever_they_are_drawn():
    images, labels = coded(7, 16, 16)
    samples = Samples(images=images, labels=labels)
    first, again = (list(samples.shuffled(3, 5, ALL, CPU)) for _ in range(2))
    assert [len(batch[0]) for batch in first] == [3, 2, 2]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_fault_while_a_batch_is_made_reaches_the_training():
    images, labels = coded(4, 16, 16)
    samples = Samples(images=images, labels=labels[:3])
    with pytest.raises(IndexError):
        list(samples.shuffled(2, 5, MOVES, CPU))
