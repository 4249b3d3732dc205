"""The feasible set: exactly the candidates that the plan lets through, each network once, found again by index."""

import numpy as np
import pytest
from formulas import scenario

from budgetnet.networks import Candidate
from budgetnet.plan import measure, plan
from budgetnet.plan.feasible import NOWHERE, Feasible
from budgetnet.scenario import Scenario, load

SPACES = {
    "lab": {},
    "heads": {"head": ["fcn", "fcn16s", "light-decoder", "context"], "output_stride": [16, 32]},
    "narrow": {"depth_multiplier": [0.001, 0.002, 0.1, 0.25]},
    "several": [
        {"head": ["fcn"], "classifier_depth": [64, 128]},
        {"head": ["light-decoder"], "final_endpoint": ["Conv2d_11_pointwise"], "decoder_stride": [4, 8]},
    ],
}


def one_by_one(made: Scenario) -> list[Candidate]:
    """The different networks that fit, by comparing whole graphs."""
    size, kept, seen = made.image, [], []
    for planned in plan(made).fitting:
        graph = planned.candidate.graph(classes=made.class_count, height=size.height, width=size.width)
        if graph not in seen:
            seen.append(graph)
            kept.append(planned.candidate)
    return kept


@pytest.mark.parametrize("name", SPACES)
def test_it_holds_what_the_plan_lets_through_and_each_network_once(name):
    made = scenario(search_space=SPACES[name])
    found, known = Feasible(made), plan(made)
    assert (found.total, found.fit) == (known.total, known.fit)
    assert {limit: number for limit, number in found.over.items() if number} == dict(known.over)
    held = [found.candidate(index) for index in range(len(found))]
    expected = one_by_one(made)
    size = made.image
    graphs = [c.graph(classes=made.class_count, height=size.height, width=size.width) for c in held]
    assert len(held) == len(expected) == len(set(held))
    assert all(c.graph(classes=made.class_count, height=size.height, width=size.width) in graphs for c in expected)
    assert found.record()["same_network"] == known.fit - len(expected)


@pytest.mark.parametrize("name", SPACES)
def test_candidates_places_and_throughput_agree(name):
    made = scenario(search_space=SPACES[name])
    found = Feasible(made)
    for index in range(0, len(found), max(len(found) // 40, 1)):
        candidate = found.candidate(index)
        assert found.index(candidate) == index
        assert found.images_per_second[index] == pytest.approx(measure(made, candidate).images_per_second, rel=1e-12)
        given = candidate.parameters
        for axis, place in zip(found.axes, found.places[index], strict=True):
            assert (axis.values[place] == given[axis.name]) if place != NOWHERE else axis.name not in given
    assert (np.diff(found.images_per_second) >= -1e-9).all()


def test_millions_are_enumerated_exactly():
    space = {
        "depth_multiplier": {"from": 0.0025, "to": 1, "step": 0.0025},
        "classifier_kernel": {"from": 1, "to": 21, "step": 2},
        "classifier_depth": {"from": 8, "to": 4096, "step": 8},
    }
    made = load("parking").changed(search_space=space)
    found = Feasible(made)
    assert found.total == 4_505_600
    assert found.fit + found.over["budget_gops"] == found.total
    rng = np.random.default_rng(0)
    for index in rng.integers(len(found), size=50).tolist():
        planned = measure(made, found.candidate(index))
        assert planned.fits
        assert found.index(planned.candidate) == index


def test_memory_is_a_limit_like_any_other():
    made = scenario(budget_mb=15)
    found = Feasible(made)
    assert found.over["budget_mb"] > 0
    assert all(measure(made, found.candidate(index)).fits for index in range(len(found)))


def test_what_is_not_in_it_has_no_index():
    found = Feasible(scenario())
    assert found.index(Candidate.of("mobilenet-fcn", {"depth_multiplier": 1.0})) is None  # over budget
    assert found.index(Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.3})) is None  # not searched
    assert found.index(Candidate.of("mobilenet-fcn", {"head": "fcn8s"})) is None


def test_one_of_each_has_every_width_that_fits():
    found = Feasible(scenario())
    widths = [candidate.parameters["depth_multiplier"] for candidate in found.one_of_each("depth_multiplier")]
    assert sorted(widths) == [0.25, 0.5]
    assert found.one_of_each("head") == [found.candidate(0)]
