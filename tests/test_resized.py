"""Losses at full size out of scores at low resolution: what `interpolate` and the loss give, in every loss file."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from budgetnet.classes import IGNORE
from budgetnet.training import losses
from budgetnet.training.losses import _gradient, _pixels, _stretch
from budgetnet.training.losses.weighted_cross_entropy import loss as resized_cross_entropy

WEIGHTS = torch.tensor([0.5, 2.0, 1.0])


def case(seed, small, large, count=2, classes=3):
    random = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(count, classes, *small, generator=random)
    labels = torch.randint(classes, (count, *large), generator=random, dtype=torch.uint8)
    labels[torch.rand(labels.shape, generator=random) < 0.2] = IGNORE
    return scores, labels


def value_and_gradient(loss, scores, *others):
    leaf = scores.detach().requires_grad_()
    value = loss(leaf, *others)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def plain(scores, labels, weights=None):
    size = labels.shape[1:]
    full = functional.interpolate(scores.float(), size=size, mode="bilinear", align_corners=False)
    return functional.cross_entropy(full, labels.long(), weight=weights, ignore_index=IGNORE)


def assert_the_same(found, expected):
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    largest = expected[1].abs().max().item()
    torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=max(1e-5 * largest, 1e-9))


SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60)
@given(
    small=SIZES, large=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 99), weigh=st.booleans()
)
def test_it_is_interpolation_and_cross_entropy(small, large, seed, weigh):
    scores, labels = case(seed, small, large)
    labels[0, 0, 0] = 1
    weights = WEIGHTS if weigh else None
    found = value_and_gradient(resized_cross_entropy, scores, labels, weights)
    assert_the_same(found, value_and_gradient(plain, scores, labels, weights))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_of_many_bands_are_the_same(layout, monkeypatch):
    scores, labels = case(1, (24, 40), (96, 157))
    monkeypatch.setattr(_gradient, "MOST", 5 * 3 * 157)
    monkeypatch.setattr(_stretch, "COLUMNS", 13)
    scores = scores.contiguous(memory_format=layout)
    found = value_and_gradient(resized_cross_entropy, scores, labels, WEIGHTS)
    assert_the_same(found, value_and_gradient(plain, scores, labels, WEIGHTS))
    assert found[1].stride() == scores.stride()


def test_at_full_size_it_is_the_loss_itself(monkeypatch):
    scores, labels = case(2, (13, 17), (13, 17))
    expected = value_and_gradient(resized_cross_entropy, scores, labels, WEIGHTS)
    monkeypatch.setattr(_pixels, "_as_large", _pixels._smaller)
    assert_the_same(value_and_gradient(resized_cross_entropy, scores, labels, WEIGHTS), expected)


def test_its_gradient_is_that_of_its_value():
    scores, labels = case(3, (3, 2), (7, 5))
    assert torch.autograd.gradcheck(
        lambda z: resized_cross_entropy(z, labels, WEIGHTS), scores.double().requires_grad_(), nondet_tol=0.0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_batch_without_labelled_pixels_gives_0(dtype):
    scores, labels = case(4, (3, 4), (12, 16))
    value, gradient = value_and_gradient(resized_cross_entropy, scores.to(dtype), torch.full_like(labels, IGNORE), None)
    assert value == 0
    assert not gradient.any()


@settings(max_examples=10)
@given(seed=st.integers(0, 99))
def test_void_changes_neither_value_nor_gradient(seed):
    """The right half is void: what is scored beyond the pixels that reach into the left half does not matter."""
    scores, labels = case(seed, (4, 8), (16, 32))
    labels[:, :, 16:] = IGNORE
    others = scores.clone()
    others[..., 5:] = 50 * case(seed + 1, (4, 3), (1, 1))[0]
    found = value_and_gradient(resized_cross_entropy, scores, labels, WEIGHTS)
    again = value_and_gradient(resized_cross_entropy, others, labels, WEIGHTS)
    assert torch.equal(found[0], again[0])
    assert torch.equal(found[1], again[1])
    assert not found[1][..., 5:].any()


def test_scores_in_bfloat16_are_worked_out_in_float32_even_under_autocast():
    scores, labels = case(5, (12, 16), (48, 64))
    coarse = scores.bfloat16()
    expected = value_and_gradient(plain, coarse.float(), labels, WEIGHTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = value_and_gradient(resized_cross_entropy, coarse, labels, WEIGHTS)
    torch.testing.assert_close(value, expected[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient.float(), expected[1], rtol=2**-7, atol=1e-8)


def test_extreme_scores_give_finite_losses():
    scores, labels = case(6, (6, 8), (24, 32))
    value, gradient = value_and_gradient(resized_cross_entropy, 1e4 * scores, labels, None)
    assert_the_same((value, gradient), value_and_gradient(plain, 1e4 * scores, labels, None))


@pytest.mark.parametrize("name", losses.names())
@pytest.mark.parametrize(("small", "large"), [((6, 8), (24, 32)), ((7, 5), (20, 31)), ((9, 9), (4, 5))])
def test_every_loss_takes_scores_of_another_size(name, small, large):
    scores, labels = case(7, small, large)
    loss = losses.loss(name).loss
    scores = scores.double()  # where Lovász would not mind which of two nearly equal errors comes first

    def wanted(z, labels, weights):
        return loss(functional.interpolate(z, size=large, mode="bilinear", align_corners=False), labels, weights)

    found = value_and_gradient(loss, scores, labels, WEIGHTS)
    expected = value_and_gradient(wanted, scores, labels, WEIGHTS)
    if name == "binned_lovasz":  # an error at the edge of two bins may fall into either
        assert found[0].item() == pytest.approx(expected[0].item(), abs=2**-16)
    else:
        assert_the_same(found, expected)


@pytest.mark.parametrize("name", losses.names())
def test_every_loss_of_scores_in_bfloat16_gives_their_gradient_in_it(name):
    scores, labels = case(8, (6, 8), (24, 32))
    coarse = scores.bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = value_and_gradient(losses.loss(name).loss, coarse, labels, WEIGHTS)
    exact, wanted = value_and_gradient(losses.loss(name).loss, coarse.double(), labels, WEIGHTS)
    assert (value.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    torch.testing.assert_close(gradient.double(), wanted, rtol=2**-6, atol=1e-5)
