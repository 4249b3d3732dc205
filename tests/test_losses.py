"""Every loss file is found and held to the same contract; each is compared with its formula written out in NumPy."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional

from budgetnet import loss_spec
from budgetnet.classes import IGNORE
from budgetnet.errors import BudgetnetError
from budgetnet.training import losses
from budgetnet.training.losses import _gradient, _pixels

NAMES = losses.names()
WEIGHTS = [0.5, 2.0, 1.0, 0.25]
CLASSES = len(WEIGHTS)

every_loss = pytest.mark.parametrize("name", NAMES)


def case(seed, shape=(2, 5, 7), void=0.2, classes=CLASSES, spread=3.0):
    """Float64 scores (n, classes, h, w), uint8 labels (n, h, w), weights."""
    random = torch.Generator().manual_seed(seed)
    count, height, width = shape
    scores = spread * torch.randn(count, classes, height, width, generator=random, dtype=torch.float64)
    labels = torch.randint(classes, shape, generator=random, dtype=torch.uint8)
    labels[torch.rand(shape, generator=random) < void] = IGNORE
    return scores, labels, torch.tensor((WEIGHTS * classes)[:classes])


def value_and_gradient(name, scores, labels, weights=None):
    leaf = scores.detach().requires_grad_()
    value = losses.loss(name).loss(leaf, labels, weights)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, leaf)
    assert (gradient.shape, gradient.dtype) == (scores.shape, scores.dtype)
    return value.detach(), gradient


# What each loss is, written out: (labelled pixels, classes) probabilities, labels, weights -> value


def per_class(p, labels, score):
    return float(np.mean([score(p[:, k], labels == k) for k in np.unique(labels)]))


def cross_entropy(p, labels, weights):
    return -np.log(p[np.arange(len(labels)), labels]).mean()


def weighted_cross_entropy(p, labels, weights):
    each = -np.log(p[np.arange(len(labels)), labels])
    return np.average(each, weights=weights[labels])


def focal(p, labels, weights):
    true = p[np.arange(len(labels)), labels]
    return np.average(-((1 - true) ** 2) * np.log(true), weights=weights[labels])


def ohem(p, labels, weights):
    true = np.sort(p[np.arange(len(labels)), labels])
    hard = true[: max(int((true < 0.7).sum()), len(true) // 16)]
    return -np.log(hard).mean() if len(hard) else 0.0


def iou(p, labels, weights):
    return 1 - per_class(p, labels, lambda q, t: (q * t).sum() / (q + t - q * t).sum())


def dice(p, labels, weights):
    return 1 - per_class(p, labels, lambda q, t: 2 * (q * t).sum() / (q.sum() + t.sum()))


def lovasz(p, labels, weights):
    def of_class(q, t):
        errors = np.where(t, 1 - q, q)
        worst_first = np.argsort(-errors, kind="stable")
        total, lost = 0.0, 0.0
        for many in range(1, len(errors) + 1):
            wrong = np.zeros(len(errors), dtype=bool)
            wrong[worst_first[:many]] = True
            found = (t & ~wrong).sum() / (t | wrong).sum()
            total += errors[worst_first[many - 1]] * ((1 - found) - lost)
            lost = 1 - found
        return total

    return per_class(p, labels, of_class)


REFERENCES = {f.__name__: f for f in (cross_entropy, weighted_cross_entropy, focal, ohem, iou, dice, lovasz)}
SMOOTH = ["cross_entropy", "weighted_cross_entropy", "focal", "iou", "dice"]


def reference(name, scores, labels, weights):
    z = np.moveaxis(scores.numpy(), 1, -1).reshape(-1, scores.shape[1])
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    flat = labels.numpy().reshape(-1)
    return REFERENCES[name](p[flat != IGNORE], flat[flat != IGNORE], weights.double().numpy())


@pytest.mark.parametrize("name", sorted(REFERENCES))
@pytest.mark.parametrize("seed", range(4))
def test_a_loss_is_its_formula(name, seed):
    scores, labels, weights = case(seed, void=0.1 * seed, spread=1 + 2 * seed)
    expected = reference(name, scores, labels, weights)
    value, gradient = value_and_gradient(name, scores, labels, weights)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    single, rough = value_and_gradient(name, scores.float(), labels, weights)
    assert single.item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(rough.double(), gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_that_of_the_value(name):
    scores, labels, weights = case(5, shape=(2, 3, 4))
    assert torch.autograd.gradcheck(
        lambda z: losses.loss(name).loss(z, labels, weights), scores.requires_grad_(), nondet_tol=0.0
    )


@pytest.mark.parametrize("name", ["ohem", "lovasz"])
def test_the_gradient_is_that_of_the_value_away_from_kinks(name):
    scores, labels, weights = case(6, shape=(1, 3, 4))
    assert torch.autograd.gradcheck(lambda z: losses.loss(name).loss(z, labels, weights), scores.requires_grad_())


@every_loss
@settings(max_examples=20)
@given(
    labels=arrays.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([0, 1, 2, 3, IGNORE])),
    noise=st.integers(0, 99),
)
def test_void_changes_neither_value_nor_gradient(name, labels, noise):
    scores, _, weights = case(1, shape=labels.shape)
    labels = torch.from_numpy(labels)
    void = (labels == IGNORE).unsqueeze(1)
    others = torch.where(void, case(noise + 2, shape=labels.shape, spread=40.0)[0], scores)
    for dtype in (torch.float64, torch.float32):
        value, gradient = value_and_gradient(name, scores.to(dtype), labels, weights)
        value_too, gradient_too = value_and_gradient(name, others.to(dtype), labels, weights)
        assert torch.equal(value, value_too)
        assert torch.equal(gradient, gradient_too)
        assert not (gradient * void).any()
    if void.all():
        assert value == 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_batch_without_labelled_pixels_gives_0(name, dtype):
    scores, labels, weights = case(3)
    value, gradient = value_and_gradient(name, scores.to(dtype), torch.full_like(labels, IGNORE), weights)
    assert value == 0
    assert not gradient.any()


@every_loss
@pytest.mark.parametrize("spread", [1.0, 200.0])
def test_scores_in_bfloat16_are_worked_out_in_float32(name, spread):
    scores, labels, weights = case(7, shape=(2, 16, 24), spread=spread)
    coarse = scores.bfloat16()
    value, gradient = value_and_gradient(name, coarse, labels, weights)
    exact, wanted = value_and_gradient(name, coarse.double(), labels, weights)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-5, abs=1e-7)
    torch.testing.assert_close(gradient.double(), wanted, rtol=2**-7, atol=1e-7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, gradient_inside = value_and_gradient(name, coarse, labels, weights)
    assert torch.equal(inside, value)
    assert torch.equal(gradient_inside, gradient)


@every_loss
def test_extreme_scores_give_finite_losses(name):
    scores, labels, weights = case(8, spread=1e4)
    for dtype in (torch.float32, torch.bfloat16):
        value, gradient = value_and_gradient(name, scores.to(dtype), labels, weights)
        assert value.isfinite()
        assert gradient.isfinite().all()


@every_loss
def test_memory_format_and_bands_and_threads_do_not_matter(name, monkeypatch):
    scores, labels, weights = case(9, shape=(2, 40, 48))
    scores = scores.float()
    value, gradient = value_and_gradient(name, scores, labels, weights)
    again, gradient_again = value_and_gradient(name, scores, labels, weights)
    assert torch.equal(value, again)
    assert torch.equal(gradient, gradient_again)
    last = scores.contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(_gradient, "MOST", 3 * 48 * CLASSES)  # bands of 3 rows, and one of 1
    value_too, gradient_too = value_and_gradient(name, last, labels, weights)
    torch.testing.assert_close(value, value_too, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, gradient_too, rtol=1e-4, atol=1e-9)


@every_loss
def test_a_loss_can_be_scaled_and_asked_twice(name):
    scores, labels, weights = case(10)
    _, gradient = value_and_gradient(name, scores, labels, weights)
    leaf = scores.detach().requires_grad_()
    loss = losses.loss(name).loss(leaf, labels, weights)
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    torch.testing.assert_close(leaf.grad, 2 * gradient)
    leaf.grad = None
    (3 * loss).backward()
    torch.testing.assert_close(leaf.grad, 3 * gradient)


@every_loss
def test_a_step_along_the_gradient_lowers_the_loss(name):
    scores, labels, weights = case(11, shape=(2, 16, 16))
    value, gradient = value_and_gradient(name, scores, labels, weights)
    smaller, _ = value_and_gradient(name, scores - 0.1 * gradient / gradient.norm(), labels, weights)
    assert smaller < value


def test_cross_entropy_is_to_the_last_bit_what_it_was():
    scores, labels, _ = case(12, shape=(3, 33, 47), classes=7)
    leaf = scores.float().requires_grad_()
    pixels = functional.cross_entropy(leaf, labels.long(), ignore_index=IGNORE, reduction="none")
    before = pixels.sum() / (labels != IGNORE).sum()
    (gradient_before,) = torch.autograd.grad(before, leaf)
    value, gradient = value_and_gradient("cross_entropy", scores.float(), labels)
    assert torch.equal(value, before.detach())
    assert torch.equal(gradient, gradient_before)


@pytest.mark.parametrize("name", loss_spec.names())
def test_losses_that_heed_class_weights_are_known(name):
    """So that settings can refuse what would be ignored, without importing a loss."""
    scores, labels, weights = case(13)
    plain, weighted = (value_and_gradient(name, scores, labels, given)[0] for given in (None, weights))
    assert bool(plain != weighted) == (name in loss_spec.TAKE_WEIGHTS)
    if name in loss_spec.NEED_WEIGHTS:
        assert plain == value_and_gradient("cross_entropy", scores, labels, None)[0]


@pytest.mark.parametrize("name", ["weighted_cross_entropy", "focal"])
def test_without_weights_all_classes_count_alike(name):
    scores, labels, weights = case(13)
    plain, _ = value_and_gradient(name, scores, labels, None)
    assert torch.equal(plain, value_and_gradient(name, scores, labels, torch.ones_like(weights))[0])
    assert plain != value_and_gradient(name, scores, labels, weights)[0]


@pytest.mark.parametrize("name", ["weighted_cross_entropy", "focal"])
def test_classes_of_weight_0_are_left_out(name):
    scores, labels, _ = case(14)
    weights = torch.tensor([1.0, 0.0, 1.0, 0.0])
    left = torch.where((labels == 1) | (labels == 3), IGNORE, labels)
    value, gradient = value_and_gradient(name, scores, labels, weights)
    expected, expected_gradient = value_and_gradient(name, scores, left, None)
    torch.testing.assert_close((value, gradient), (expected, expected_gradient))
    assert value_and_gradient(name, scores, labels, torch.zeros(CLASSES))[0] == 0


@pytest.mark.parametrize("name", ["weighted_cross_entropy", "focal", "ohem"])
def test_a_label_that_is_no_class_gives_no_number(name):
    scores, labels, weights = case(15)
    labels[0, 0, 0] = CLASSES
    assert losses.loss(name).loss(scores, labels, weights).isnan()


def test_ohem_takes_a_16th_where_hardly_any_pixel_is_hard():
    scores = torch.zeros(1, 2, 8, 8, dtype=torch.float64)
    scores[0, 0] = torch.linspace(2, 6, 64, dtype=torch.float64).view(8, 8)  # all right, and surer and surer
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    value, gradient = value_and_gradient("ohem", scores, labels)
    assert (gradient[0, 0] != 0).sum() == 64 // 16
    hardest = torch.linspace(2, 6, 64, dtype=torch.float64)[:4]
    assert value.item() == pytest.approx((1 + (-hardest).exp()).log().mean().item())


def test_focal_of_an_even_chance_by_hand():
    labels = torch.zeros(1, 1, 1, dtype=torch.uint8)
    value, _ = value_and_gradient("focal", torch.zeros(1, 2, 1, 1), labels)
    assert value.item() == pytest.approx(0.25 * math.log(2))


@pytest.mark.parametrize("name", ["iou", "dice", "lovasz"])
def test_certain_and_right_is_0_and_certain_and_wrong_is_1(name):
    labels = torch.tensor([[[0, 0, 1], [1, 2, IGNORE]]], dtype=torch.uint8)
    right = 200 * functional.one_hot(labels.long().clamp(max=2), 3).permute(0, 3, 1, 2).float()
    assert value_and_gradient(name, right, labels)[0].item() == pytest.approx(0, abs=1e-6)
    assert value_and_gradient(name, right.roll(1, dims=1), labels)[0].item() == pytest.approx(1)


def test_lovasz_of_equal_errors_is_their_size():
    """All weights of a class add up to 1, in whatever order equal errors come."""
    labels = torch.tensor([[[0, 1, 1, 0, 1, IGNORE]]], dtype=torch.uint8)
    assert value_and_gradient("lovasz", torch.zeros(1, 2, 1, 6), labels)[0].item() == pytest.approx(0.5)


def test_both_ways_to_subtract_are_one():
    """The one for devices whose scattering is slow, and the one for processors."""
    scores, labels, _ = case(16, shape=(5, 1, 7), void=0)
    band, true = scores[:, :, 0].contiguous(), labels.long()
    amount = torch.rand(5, 1, 7, dtype=torch.float64)
    compared = band - amount * (true == torch.arange(CLASSES).view(1, -1, 1))
    _pixels.subtract_at(band, true, amount, dim=1)
    assert torch.equal(band, compared)


def test_a_sum_is_the_sum_of_its_parts():
    scores, labels, weights = case(17)
    total = losses.build("weighted_cross_entropy + 0.5 * lovasz + 2 * dice", weights)
    leaf = scores.detach().requires_grad_()
    value = total(leaf, labels)
    (gradient,) = torch.autograd.grad(value, leaf)
    parts = [
        (factor, *value_and_gradient(name, scores, labels, weights))
        for factor, name in [(1, "weighted_cross_entropy"), (0.5, "lovasz"), (2, "dice")]
    ]
    torch.testing.assert_close(value.detach(), sum(factor * part for factor, part, _ in parts))
    torch.testing.assert_close(gradient, sum(factor * part for factor, _, part in parts))
    assert torch.equal(losses.build("dice", None)(scores, labels), parts[2][1])


def test_an_unknown_loss_is_told():
    with pytest.raises(BudgetnetError, match="loss must be one of the known ones, but got 'lovas'"):
        losses.loss("lovas")
    with pytest.raises(ValueError, match=re.escape("'lovas' is none; did you mean 'lovasz'?")):
        losses.build("lovas", None)


@settings(max_examples=30)
@given(seed=st.integers(0, 999), spread=st.sampled_from([0.001, 1.0, 5.0, 30.0]), void=st.sampled_from([0.0, 0.5]))
def test_binned_lovasz_is_at_most_a_bin_below_the_exact_one(seed, spread, void):
    scores, labels, _ = case(seed, shape=(2, 9, 11), void=void, spread=spread)
    for dtype, slack in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        exact, _ = value_and_gradient("lovasz", scores.to(dtype), labels)
        binned, _ = value_and_gradient("binned_lovasz", scores.to(dtype), labels)
        assert exact - 2**-16 - slack <= binned <= exact + slack


@pytest.mark.parametrize("seed", range(3))
def test_binned_lovasz_is_the_exact_one_where_no_two_errors_are_near(seed):
    scores, labels, _ = case(seed, shape=(1, 4, 5), spread=1.0)
    torch.testing.assert_close(
        value_and_gradient("binned_lovasz", scores, labels), value_and_gradient("lovasz", scores, labels)
    )


def test_binned_lovasz_treats_equal_errors_alike():
    labels = torch.tensor([[[0, 1, 1, 0, 1, IGNORE]]], dtype=torch.uint8)
    value, gradient = value_and_gradient("binned_lovasz", torch.zeros(1, 2, 1, 6, dtype=torch.float64), labels)
    assert value.item() == pytest.approx(0.5)
    for label in (0, 1):
        of_class = gradient[0, :, 0, (labels == label).flatten()]
        assert torch.equal(of_class, of_class[:, :1].expand_as(of_class))
    # class 0, 2 of 5 pixels: (1/2 + 1/5) / 2 each, against (2 - 1) / (2 * 5) for the others; class 1 likewise
    zero, one = (1 / 2 + 1 / 5) / 2, (1 / 3 + 1 / 5) / 2
    zero_others, one_others = (2 - 1) / (2 * 5), (3 - 1.5) / (3 * 5)
    # the mean over 2 classes, and the slope of the softmax at an even chance, 1/4
    assert gradient[0, 0, 0, 0].item() == pytest.approx((-zero - one_others) / 2 / 4, rel=1e-9)
    assert gradient[0, 1, 0, 1].item() == pytest.approx((-one - zero_others) / 2 / 4, rel=1e-9)


@pytest.mark.parametrize(("height", "width"), [(9, 14), (10, 13), (1, 2)])
def test_sparse_lovasz_is_the_binned_one_of_every_second_pixel(height, width):
    draw = torch.Generator().manual_seed(height)
    scores = torch.randn(2, 4, height, width, generator=draw)
    labels = torch.randint(0, 4, (2, height, width), generator=draw).to(torch.uint8)
    labels[:, :, ::3] = IGNORE
    value, gradient = value_and_gradient("sparse_lovasz", scores, labels)
    expected, of_quarter = value_and_gradient("binned_lovasz", scores[..., 1::2, 1::2], labels[:, 1::2, 1::2])
    assert value == pytest.approx(expected)
    torch.testing.assert_close(gradient[..., 1::2, 1::2], of_quarter)
    assert gradient[..., ::2, :].count_nonzero() == gradient[..., ::2].count_nonzero() == 0


@pytest.mark.parametrize(("small", "height", "width"), [((3, 4), 12, 16), ((5, 4), 37, 29)])
def test_sparse_lovasz_resizes_as_the_others_and_thins_then(small, height, width):
    draw = torch.Generator().manual_seed(height)
    scores = torch.randn(2, 4, *small, generator=draw, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, height, width), generator=draw).to(torch.uint8)
    value, gradient = value_and_gradient("sparse_lovasz", scores, labels)
    given = scores.clone().requires_grad_()
    resized = functional.interpolate(given, (height, width), mode="bilinear", align_corners=False)
    expected = losses.loss("binned_lovasz").loss(resized[..., 1::2, 1::2], labels[:, 1::2, 1::2], None)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(gradient, given.grad)
