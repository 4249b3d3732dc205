"""Millions of choices at once give the answers that one by one would give."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import plan as planning
from budgetnet.errors import BudgetnetError
from budgetnet.grid import blocks
from budgetnet.plan import Plan, plan, survey
from budgetnet.plan.demand import Demand
from budgetnet.scenario import Scenario

OWN = {"network": "mobilenet-fcn", "search_space": {"depth_multiplier": [0.5, 0.25], "classifier_kernel": [3]}}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Tasks with one group or two, one network or two, with and without a limit of memory."""
    space = {
        "depth_multiplier": draw(st.lists(st.sampled_from([0.25, 0.3, 0.5, 1.0]), min_size=1, max_size=3, unique=True)),
        "classifier_kernel": draw(st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True)),
        "classifier_depth": draw(st.lists(st.integers(1, 512), min_size=1, max_size=3, unique=True)),
    }
    groups: list[dict[str, Any]] = [{"name": "a", "fps": draw(st.sampled_from([7.5, 29.97, 30]))}]
    if draw(st.booleans()):
        groups.append(
            {"name": "b", "count": 3, "input": {"height": 40, "width": 60}, **draw(st.sampled_from([OWN, {}]))}
        )
    return Scenario.model_validate(
        {
            "name": "made",
            "cameras": groups,
            "fps": 15,
            "input": {"height": draw(st.integers(32, 100)), "width": 64},
            "budget_gops": draw(st.floats(0.5, 20)),
            "budget_mb": draw(st.none() | st.floats(0.5, 20)),
            "precision": draw(st.sampled_from(["fp32", "fp16", "int8"])),
            "contention": draw(st.sampled_from([1.0, 1.1])),
            "classes": draw(st.integers(2, 20)),
            "search_space": space,
        }
    )


def surveyed(asked: Scenario, listed: int) -> survey.Survey:
    spaces = [blocks(choice.family, choice.search_space) for choice in asked.networks]
    return survey.survey(Demand(asked), spaces, listed=listed)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(scenarios())
def test_survey_finds_what_one_by_one_finds(asked: Scenario) -> None:
    one_by_one, together = plan(asked), surveyed(asked, listed=10_000)
    assert (together.total, together.fit, together.over) == (one_by_one.total, one_by_one.fit, one_by_one.over)
    assert {each.candidates for each in together.best} == {each.candidates for each in one_by_one.best}
    assert together.smallest.required == one_by_one.smallest.required
    assert together.smallest.broken == one_by_one.smallest.broken
    assert [each.required for each in together.listed] == [each.required for each in one_by_one.candidates]
    same = {each.candidates: each for each in one_by_one.candidates}
    assert len(together.listed) == len(same)
    for each in together.listed:
        assert each.record() == same[each.candidates].record()
        assert each.figures == same[each.candidates].figures


@settings(max_examples=15, deadline=None, derandomize=True)
@given(scenarios(), st.integers(1, 30))
def test_those_nearest_to_the_limits_are_listed(asked: Scenario, listed: int) -> None:
    one_by_one, together = plan(asked), surveyed(asked, listed=listed)
    assert len(together.listed) == min(listed, together.total)
    fitting = [each.required for each in together.listed if each.fits]
    over = [each.required for each in together.listed if not each.fits]
    assert fitting == [each.required for each in one_by_one.fitting[: len(fitting)]]
    assert (
        over
        == sorted((each.required for each in one_by_one.candidates if not each.fits), reverse=True)[-len(over) :][
            : len(over)
        ]
    )


def test_budget_met_exactly_is_decided_exactly() -> None:
    asked = Scenario.model_validate(
        {"name": "made", "cameras": 3, "fps": 0.1, "budget_gops": 1, "classes": 7, "input": {"height": 64, "width": 64}}
    )
    exact = plan(asked).candidates[5]
    for change, fits in ((0, True), (-1, False)):
        changed = asked.changed(budget_gops=float(exact.required + change) / 1e9)
        found = {each.candidates: each.fits for each in surveyed(changed, listed=100).listed}
        assert found[exact.candidates] is (changed.available >= exact.required)
        assert found == {each.candidates: each.fits for each in plan(changed).candidates}
        assert fits or found[exact.candidates] is fits


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32), st.floats(0, 1))
def test_maximal_places_of_a_grid(shape: list[int], seed: int, share: float) -> None:
    fits = np.random.default_rng(seed).random(shape) < share
    places = list(product(*map(range, shape)))

    def beyond(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    fitting = [place for place in places if fits[place]]
    expected = [place in fitting and not any(beyond(other, place) for other in fitting) for place in places]
    assert planning.maximal([bool(fits[place]) for place in places], shape) == expected
    assert survey.maximal(fits).reshape(-1).tolist() == expected


def big(**fields: Any) -> Scenario:
    space = {
        "depth_multiplier": {"from": 0.1, "to": 1, "step": 0.01},
        "classifier_kernel": {"from": 1, "to": 15, "step": 2},
        "classifier_depth": {"from": 32, "to": 1024, "step": 32},
    }
    given_ones = {"cameras": 4, "fps": 15, "budget_gops": 70, "classes": 7, "input": {"height": 320, "width": 480}}
    return Scenario.model_validate({"name": "big", "search_space": space, **given_ones, **fields})


@pytest.fixture(scope="module")
def large() -> Plan:
    return plan(big())


def test_large_plan_lists_those_nearest_to_the_limit(large: Plan) -> None:
    assert large.total == 91 * 8 * 32 * 2
    assert not large.complete
    assert len(large.candidates) == planning.LISTED
    assert 0 < large.fit < large.total
    assert large.over == {"budget_gops": large.total - large.fit}
    assert all(each.fits for each in large.candidates[: len(large.fitting)])
    least_listed = large.fitting[-1].required
    assert sum(each.required > least_listed for each in large.fitting) <= len(large.fitting)
    assert f"{large.fit:,} of 46,592 candidates fit 70 GOPS" in large.verdict


def test_large_plan_is_exact(large: Plan) -> None:
    demand = Demand(large.scenario)
    for each in (*large.candidates[::997], *large.best[::97], large.smallest):
        again = demand.measure(each.candidates)
        assert again.record() == each.record()
        assert again.figures == each.figures


def test_too_many_choices_are_refused() -> None:
    own = {"network": "mobilenet-fcn", "search_space": big().search_space}
    groups = [{"name": "a", **own}, {"name": "b", **own}]
    with pytest.raises(
        BudgetnetError, match="must hold 10,000,000 choices of networks or fewer, but got 2,170,814,464"
    ):
        plan(big(cameras=groups))
