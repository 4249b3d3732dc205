"""Millions of choices at once give the answers that one by one would give."""

from itertools import product
from math import nextafter
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
    assert together.lightest.memory_mb == one_by_one.lightest.memory_mb
    assert (together.nearest.broken, together.nearest.required) == (
        one_by_one.nearest.broken,
        one_by_one.nearest.required,
    )
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
        changed = asked.changed(budget_gops=float(exact.required + change * 10**-6) / 1e9)
        found = {each.candidates: each.fits for each in surveyed(changed, listed=100).listed}
        assert found[exact.candidates] is (changed.available >= exact.required)
        assert found == {each.candidates: each.fits for each in plan(changed).candidates}
        assert found[exact.candidates] is fits


@st.composite
def layouts(draw: st.DrawFn) -> list[list[tuple[int, ...]]]:
    """The shapes of the blocks of a network or two."""
    block = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    return draw(st.lists(st.lists(block, min_size=1, max_size=3), min_size=1, max_size=2))


@settings(max_examples=200)
@given(layouts(), st.integers(0, 2**32), st.floats(0, 1))
def test_maximal_choices(networks: list[list[tuple[int, ...]]], seed: int, share: float) -> None:
    """Against the definition: a choice is a block and a place in it for each network."""
    rows = [
        [(block, place) for block, shape in enumerate(blocks) for place in np.ndindex(shape)] for blocks in networks
    ]
    fits = np.random.default_rng(seed).random([len(row) for row in rows]) < share
    choices = list(product(*rows))
    fitting = [choice for choice, fit in zip(choices, fits.reshape(-1), strict=True) if fit]

    def beyond(one: Any, other: Any) -> bool:
        return one != other and all(
            mine[0] == theirs[0] and all(a >= b for a, b in zip(mine[1], theirs[1], strict=True))
            for mine, theirs in zip(one, other, strict=True)
        )

    expected = [choice in fitting and not any(beyond(other, choice) for other in fitting) for choice in choices]
    assert survey.maximal(fits, networks).reshape(-1).tolist() == expected
    if all(len(blocks) == 1 for blocks in networks):
        shape = [length for blocks in networks for length in blocks[0]]
        assert planning.maximal(fits.reshape(-1).tolist(), shape) == expected


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
    demand = Demand(large.scenario)
    spaces = [blocks(choice.family, choice.search_space) for choice in large.scenario.networks]
    everything = survey.survey(demand, spaces, listed=large.total).listed
    assert sum(each.fits and each.required > least_listed for each in everything) <= len(large.fitting)
    assert [each.required for each in large.fitting] == [each.required for each in everything[: len(large.fitting)]]
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


def test_numbers_that_64_bits_do_not_hold_are_decided_exactly_too() -> None:
    odd = {"fps": 29.970029970029973, "contention": 1.0000000000000002}
    asked = big(cameras=1, **odd, search_space={"depth_multiplier": [0.5], "classifier_depth": [1023, 1024]})
    exact = plan(asked).candidates[3]
    for budget in (float(exact.required / 10**9), nextafter(float(exact.required / 10**9), 0)):
        changed = asked.changed(budget_gops=budget)
        one_by_one, together = plan(changed), surveyed(changed, listed=100)
        assert {each.candidates: each.fits for each in together.listed} == {
            each.candidates: each.fits for each in one_by_one.candidates
        }


def test_many_blocks_of_many_networks_are_one_pass() -> None:
    """Combinations of blocks are not gone through one by one: six networks of 14 endpoints are 7.5 million choices."""
    space = {
        "depth_multiplier": [0.5],
        "classifier_kernel": [3],
        "classifier_depth": [8],
        "final_endpoint": [f"Conv2d_{row}_pointwise" for row in range(1, 14)],
    }
    groups = [{"name": f"g{number}", "network": "mobilenet-fcn", "search_space": space} for number in range(5)]
    made = plan(big(cameras=groups, input={"height": 64, "width": 64}))
    assert made.total == 13**5
    assert len({each.candidates for each in made.best}) == len(made.best)
