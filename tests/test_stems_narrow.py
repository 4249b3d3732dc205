"""A narrower stem keeps the same channels wherever they are written and read, and the ones that matter."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stem_files import random_stem
from torch import nn

from budgetnet.build import build
from budgetnet.networks import mobilenet_fcn
from budgetnet.stems import layout, narrow

WIDE = 0.5


@pytest.fixture(scope="module")
def wide():
    return random_stem(WIDE)


def features(state, depth_multiplier, images):
    model = build(mobilenet_fcn.stem(depth_multiplier=depth_multiplier, height=64, width=64), seed=0).double().eval()
    model.load_state_dict(state, strict=False)
    with torch.no_grad():
        return model(images)


def images(seed=0):
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def permuted(state, depth_multiplier, seed):
    """The same function, its channels in another order, but for the last row's; and those orders by row."""
    generator = torch.Generator().manual_seed(seed)
    made, before, orders = dict(state), None, []
    units = layout.units(depth_multiplier)
    for unit in units:
        if not unit.depthwise:
            read = before
            last = unit is units[-1]
            count = unit.size[0]
            before = torch.arange(count) if last else torch.randperm(count, generator=generator)
            orders.append(before)
        for name, _ in unit.sizes():
            made[name] = state[name][before]
        if not unit.depthwise and read is not None:
            made[unit.weight] = made[unit.weight][:, read]
    return made, orders


@given(seed=st.integers(0, 2**31))
@settings(max_examples=5)
def test_narrowing_commutes_with_any_order_of_channels(wide, seed):
    other, _ = permuted(wide, WIDE, seed)
    torch.testing.assert_close(features(other, WIDE, images()), features(wide, WIDE, images()))
    assert any(not torch.equal(wide[name], other[name]) for name in wide)
    first, second = (features(narrow.narrow(state, WIDE, 0.3), 0.3, images()) for state in (wide, other))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    assert first.std() > 0.01


@pytest.mark.parametrize("multiplier", [0.01, 0.1, 0.25, 0.3, 0.49, 0.5])
def test_every_tensor_has_the_size_of_its_network(wide, multiplier):
    made = narrow.narrow(wide, WIDE, multiplier)
    assert {name: tuple(tensor.shape) for name, tensor in made.items()} == layout.sizes(multiplier)
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in made.values())


def test_the_same_width_is_the_identity(wide):
    made = narrow.narrow(wide, WIDE, WIDE)
    assert all(torch.equal(made[name], wide[name]) for name in wide)


def test_channels_that_do_nothing_go_first_and_leave_the_function_alone(wide):
    """Half of each row's channels of a stem of 0.5 always give 0, and 0.7 after the depthwise convolution. A stem of
    0.25 without them must compute the same: the next batch norms make up for the constants.
    """
    state = {name: tensor.double().clone() for name, tensor in wide.items()}
    generator = torch.Generator().manual_seed(1)
    for unit, small in zip(layout.units(WIDE), layout.units(0.25), strict=True):
        if not unit.depthwise:
            off = torch.randperm(unit.size[0], generator=generator)[: unit.size[0] - small.size[0]]
            kept = [row for row in range(unit.size[0]) if row not in off.tolist()]
        state[unit.norm("weight")][off] = 0
        state[unit.norm("bias")][off] = 0.7 if unit.depthwise else 0
    made = narrow.narrow(state, WIDE, 0.25)
    expected = features(state, WIDE, images())[:, kept]
    torch.testing.assert_close(features(made, 0.25, images()), expected, rtol=1e-6, atol=1e-8)
    assert expected.std() > 0.01


def test_equals_are_decided_by_their_place():
    assert narrow.largest(torch.tensor([1.0, 3.0, 1.0, 3.0, 1.0]), 3).tolist() == [0, 1, 3]
    assert narrow.largest(torch.ones(64), 5).tolist() == [0, 1, 2, 3, 4]


def test_an_output_that_is_not_kept_makes_nothing_important():
    """By hand: two channels of equal spread, read with 1 and 2 by a kept output and with 9 and 0 by one that is not."""
    unit = layout.units(1.0)[2]
    state = {
        unit.weight: torch.tensor([[1.0, 2.0], [9.0, 0.0]], dtype=torch.float64)[:, :, None, None],
        unit.norm("weight"): torch.tensor([3.0, 1.0], dtype=torch.float64),
        unit.norm("running_var"): torch.tensor([0.999, 0.0], dtype=torch.float64),
    }
    # squared weights times gain^2 / (variance + epsilon) = 9 / (0.999 + 0.001)
    assert narrow._reading(state, unit, torch.tensor([0])).tolist() == pytest.approx([9.0, 36.0])


@pytest.mark.parametrize(
    ("gain", "shift"),
    [(1.0, 0.0), (-2.0, 1.0), (0.5, 5.8), (3.0, 3.0), (0.0, 2.0), (0.0, -1.0), (1.0, 9.0), (0.3, -2.0)],
)
def test_moments_are_those_of_relu6_of_a_normal(gain, shift):
    unit = layout.units(1.0)[0]
    state = {
        unit.norm("weight"): torch.tensor([gain], dtype=torch.float64),
        unit.norm("bias"): torch.tensor([shift], dtype=torch.float64),
        unit.norm("running_var"): torch.tensor([0.003], dtype=torch.float64),
    }
    mean, variance = (part.item() for part in narrow.activation(state, unit))
    spread = abs(gain) * math.sqrt(0.003 / 0.004)
    places = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-(places**2) / 2)
    density /= density.sum()
    values = nn.functional.relu6(shift + spread * places)
    expected = (density * values).sum().item()
    assert mean == pytest.approx(expected, abs=1e-5)
    assert variance == pytest.approx((density * (values - expected) ** 2).sum().item(), abs=1e-5)
