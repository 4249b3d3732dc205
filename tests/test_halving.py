"""Rungs: where candidates pause, and what counts there."""

import re

import pytest

from budgetnet.errors import BudgetnetError
from budgetnet.search import halving
from budgetnet.search.halving import automatic, reached, rungs
from budgetnet.training import schedules
from budgetnet.training_settings import Training


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 3)), (6, (1, 2, 6)), (9, (1, 3, 9)), (10, (2, 4, 10)), (27, (3, 9, 27))],
)
def test_automatic_rungs_are_a_ninth_and_a_third(epochs, expected):
    assert automatic(Training(epochs=epochs)) == expected


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"recipe": "short", "epochs": 9}, (3, 9)),
        ({"recipe": "short", "epochs": 27}, (9, 27)),
        ({"schedule": "one-cycle", "epochs": 9}, (3, 9)),
        ({"schedule": "one-cycle", "epochs": 9, "warm_up": 0.1}, (1, 3, 9)),
        ({"warm_up": 0.5, "epochs": 9}, (9,)),
    ],
)
def test_no_automatic_rung_lies_within_the_warm_up(training, expected):
    assert automatic(Training.model_validate(training)) == expected


def test_one_cycle_rises_as_long_as_its_schedule_says():
    assert halving.ONE_CYCLE_RISE == schedules.RISE


@pytest.mark.parametrize("epochs", range(1, 60))
@pytest.mark.parametrize("every", [1, 2, 5])
def test_every_rung_has_a_validation_and_the_last_is_a_whole_training(epochs, every):
    found = rungs("auto", Training(epochs=epochs, validate_every=every))
    assert found[-1] == epochs
    assert list(found) == sorted(set(found))
    assert all(rung % every == 0 for rung in found[:-1])


def test_rungs_can_be_said():
    training = Training(epochs=9)
    assert rungs("none", training) == (9,)
    assert rungs("2,6", training) == (2, 6, 9)
    assert rungs("2,6,9", training) == (2, 6, 9)


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("", "must be auto, none, or epochs such as 2,6, but got ''"),
        ("all", "must be auto, none, or epochs such as 2,6, but got 'all'"),
        ("3,3", "must be epochs from 1 on, each more than the one before, but got '3,3'"),
        ("0,3", "must be epochs from 1 on, each more than the one before, but got '0,3'"),
        ("3,12", "must be at most the 10 epochs of a whole training, but got '3,12'"),
        ("3,6", "must be multiples of validate_every, 2, where there is a validation, but got '3,6'"),
    ],
)
def test_rungs_that_cannot_be_are_refused(spec, rule):
    with pytest.raises(BudgetnetError, match=re.escape(f"--rungs: {rule}")):
        rungs(spec, Training(epochs=10, validate_every=2))


def test_what_counts_at_a_rung_is_what_would_be_kept():
    curve = {1: 0.2, 2: 0.5, 3: 0.4}
    assert reached(Training(), curve, 3) == 0.4
    assert reached(Training(keep="best"), curve, 3) == 0.5
    assert reached(Training(keep="best", early_epochs=2), curve, 3) == 0.4  # early ones are of another kind
    assert reached(Training(), {2: 0.5}, 3) == 0.5
    assert reached(Training(), {}, 3) is None
