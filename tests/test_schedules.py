import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from budgetnet.training import schedules
from budgetnet.training.schedules import NAMES, factor


def validated(history, every=1):
    return [(every * done, quality) for done, quality in enumerate(history, start=1)]


def rates(name, steps, warm_up_steps=0, history=(), patience=3):
    return [
        factor(
            name, step=step, steps=steps, warm_up_steps=warm_up_steps, validations=validated(history), patience=patience
        )
        for step in range(steps)
    ]


def reference(make, steps):
    """The rates of one of torch's schedulers, for an optimiser at rate 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("steps", [10, 37, 1000])
def test_poly_and_cosine_and_one_cycle_are_those_of_torch(steps):
    found = {name: rates(name, steps) for name in ("poly", "cosine", "one-cycle")}
    assert found["poly"] == pytest.approx(
        reference(lambda o: lr_scheduler.PolynomialLR(o, total_iters=steps, power=0.9), steps), rel=1e-9
    )
    assert found["cosine"] == pytest.approx(
        reference(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=steps), steps), rel=1e-9
    )
    assert found["one-cycle"] == pytest.approx(
        reference(lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=steps), steps), rel=1e-9
    )


def test_one_cycle_rises_as_long_as_it_is_told():
    found = rates("one-cycle", 200, warm_up_steps=20)
    assert found == pytest.approx(
        reference(lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=200, pct_start=0.1), 200), rel=1e-9
    )
    assert found.index(max(found)) == 19
    assert (found[0], found[-1]) == (pytest.approx(1 / 25), pytest.approx(1e-4 / 25))


@pytest.mark.parametrize("name", sorted({*NAMES} - {"one-cycle"}))
def test_warm_up_rises_evenly_and_meets_the_schedule(name):
    found = rates(name, 50, warm_up_steps=4)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[4:] == rates(name, 46)


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, math.nan]), max_size=60),
    st.integers(1, 6),
)
def test_plateau_is_that_of_torch(history, patience):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    # torch counts the epochs it bears; the next one lowers the rate
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=patience - 1, threshold=0, threshold_mode="abs", eps=0
    )
    for done, quality in enumerate(history, start=1):
        scheduler.step(quality)
        found = factor(
            "plateau", step=0, steps=9, warm_up_steps=0, validations=validated(history[:done]), patience=patience
        )
        assert found == optimizer.param_groups[0]["lr"]


def test_plateau_halves_after_its_patience_and_again():
    history = [0.5, 0.6, 0.6, 0.5, 0.55, 0.4, 0.7]
    found = [
        factor("plateau", step=0, steps=9, warm_up_steps=0, validations=validated(history[:done]), patience=2)
        for done in range(len(history) + 1)
    ]
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("every", "patience", "expected"),
    [(5, 10, [1, 1, 0.5, 0.5, 0.25]), (5, 12, [1, 1, 1, 0.5, 0.5]), (5, 3, [1, 0.5, 0.25, 0.125, 0.0625])],
)
def test_patience_counts_epochs_and_not_validations(every, patience, expected):
    validations = validated([0.5] * 5, every=every)
    found = [
        factor("plateau", step=0, steps=9, warm_up_steps=0, validations=validations[:done], patience=patience)
        for done in range(1, 6)
    ]
    assert found == expected


@given(st.sampled_from(NAMES), st.integers(1, 300), st.integers(0, 400), st.data())
def test_a_factor_is_above_0_and_at_most_1(name, steps, warm_up_steps, data):
    step = data.draw(st.integers(0, steps - 1))
    found = factor(
        name, step=step, steps=steps, warm_up_steps=warm_up_steps, validations=validated([0.5] * 9), patience=3
    )
    assert 0 < found <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "cosin"}, "schedule must be one of the known ones, but got 'cosin'; did you mean 'cosine'?"),
        ({"step": 10}, "step must be at least 0 and below the 10 steps, but got 10"),
        ({"step": -1}, "step must be at least 0 and below the 10 steps, but got -1"),
        ({"warm_up_steps": -1}, "warm-up must be 0 steps or more, but got -1"),
        ({"name": "plateau", "patience": 0}, "patience must be 1 epoch or more, but got 0"),
    ],
)
def test_what_is_no_schedule_is_told(change, message):
    asked = {"name": "cosine", "step": 0, "steps": 10, "warm_up_steps": 0, "validations": [], "patience": 1, **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        factor(asked.pop("name"), **asked)


def test_schedules_need_no_torch():
    assert not {"torch", "nn", "Tensor"} & set(vars(schedules))
