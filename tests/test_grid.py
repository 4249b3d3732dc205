"""Whole grids are counted to the last operation as their candidates are one by one."""

import random
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import heads, networks
from budgetnet.count import Cost, count
from budgetnet.errors import BudgetnetError
from budgetnet.grid import Block, Grid, blocks, count_block, count_each
from budgetnet.networks import Candidate, family, mobilenet_fcn
from budgetnet.parameters import Parameter, Value
from budgetnet.space import complete_space

FIGURES = ("macs", "bias_adds", "params", "ops")


def drawn(parameter: Parameter, chance: random.Random) -> Value:
    """Any value that a user might give: a word, a whole number, a width with digits that no float holds exactly."""
    if parameter.choices:
        return chance.choice(parameter.choices)
    if parameter.kind is float:
        return round(chance.uniform(0.05, 4), chance.randint(1, 4))
    return chance.randint(int(parameter.minimum or 1), min(int(parameter.maximum or 64), 300))


def random_candidates(number: int, seed: int) -> list[Candidate]:
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        network = chance.choice(networks.names())
        chosen = family(network)
        own = {p.name: drawn(p, chance) for p in chosen.declaration.PARAMETERS}
        if "head" in own:
            own |= {p.name: drawn(p, chance) for p in chosen.head_parameters(str(own["head"]))}
        found.append(Candidate.of(network, own))
    return found


def test_listed_candidates_count_as_they_do_one_by_one() -> None:
    chance = random.Random(7)
    asked = random_candidates(1_000, seed=3)
    sizes = [(chance.randint(32, 700), chance.randint(32, 1300)) for _ in asked]
    classes = [chance.randint(2, 254) for _ in asked]
    together = count_each(asked, sizes=sizes, classes=classes)
    for index, candidate in enumerate(asked):
        height, width = sizes[index]
        alone = count(candidate.graph(classes=classes[index], height=height, width=width)).total
        assert {name: int(getattr(together, name)[index]) for name in FIGURES} == {
            name: getattr(alone, name) for name in FIGURES
        }, candidate.label


def test_ten_thousand_random_candidates_of_a_grid_count_as_they_do_one_by_one() -> None:
    """Out of 14 blocks of more than a million networks each, at odd sizes and class counts."""
    chance = random.Random(11)
    space: dict[str, tuple[Value, ...]] = {
        "depth_multiplier": tuple(number / 97 for number in range(3, 200)),
        "final_endpoint": mobilenet_fcn.ENDPOINTS,
        "classifier_kernel": tuple(range(1, 60, 3)),
        "classifier_depth": tuple(range(1, 2000, 53)),
    }
    sizes, classes = ((97, 131), (320, 480), (641, 963)), (2, 7, 33)
    several = blocks("mobilenet-fcn", space)
    for block in several:
        grid = count_block(block, sizes=sizes, classes=classes)
        counted = {name: grid.full(getattr(grid.count.total, name)) for name in FIGURES}
        for _ in range(10_000 // len(several) + 1):
            index, at_size, at_classes = chance.randrange(len(block)), chance.randrange(3), chance.randrange(3)
            height, width = sizes[at_size]
            alone = count(block.candidate(index).graph(classes=classes[at_classes], height=height, width=width)).total
            place = (*np.unravel_index(index, block.shape), at_size, at_classes)
            assert {name: counted[name][place] for name in FIGURES} == {name: getattr(alone, name) for name in FIGURES}


@st.composite
def spaces(draw: st.DrawFn) -> tuple[str, dict[str, tuple[Value, ...]]]:
    """A search space of any family: a few values for some of its parameters, in any order."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    network = draw(st.sampled_from(networks.names()))
    space = {}
    for parameter in family(network).parameters:
        if chance.random() < 0.7:
            space[parameter.name] = tuple(dict.fromkeys(drawn(parameter, chance) for _ in range(chance.randint(1, 3))))
    return network, space


MOST = 40
"""Of larger blocks so many candidates are counted one by one."""


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    spaces(),
    st.lists(st.tuples(st.integers(32, 200), st.integers(32, 200)), min_size=1, max_size=3),
    st.lists(st.integers(2, 254), min_size=1, max_size=3),
)
def test_grid_counts_combinations_as_one_by_one(
    space: tuple[str, dict[str, tuple[Value, ...]]], sizes: list[tuple[int, int]], classes: list[int]
) -> None:
    for block in blocks(*space):
        grid = count_block(block, sizes=sizes, classes=classes)
        assert grid.shape == (*block.shape, len(sizes), len(classes))
        every = range(len(block))
        for index in every if len(block) <= MOST else random.Random(len(block)).sample(every, MOST):
            for at_size, (height, width) in enumerate(sizes):
                for at_classes, number in enumerate(classes):
                    alone = count(block.candidate(index).graph(classes=number, height=height, width=width))
                    place = (*np.unravel_index(index, block.shape), at_size, at_classes)
                    for part in ("stem", "head"):
                        assert_equal(grid, grid.count.part(part), place, alone.part(part))
                    assert_equal(grid, grid.count.total, place, alone.total)


def assert_equal(grid: Grid, figures: Cost, place: Sequence[int], alone: Cost) -> None:
    for name in FIGURES:
        assert grid.full(getattr(figures, name))[tuple(place)] == getattr(alone, name)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(spaces())
def test_blocks_hold_every_candidate_of_the_space_once(space: tuple[str, dict[str, tuple[Value, ...]]]) -> None:
    network, given_values = space
    listed = [block.candidate(index) for block in blocks(*space) for index in range(len(block))]
    assert len(listed) == len(set(listed))
    full = complete_space(network, given_values)
    combinations = (dict(zip(full, values, strict=True)) for values in product(*full.values()))
    assert set(listed) == {Candidate.of(network, values) for values in combinations}


def test_block_knows_its_axes_in_ascending_order() -> None:
    (block,) = blocks(
        "mobilenet-fcn",
        {"depth_multiplier": (1.0, 0.25), "final_endpoint": ("Conv2d_11_pointwise",), "classifier_depth": (8,)},
    )
    words = {
        "final_endpoint": "Conv2d_11_pointwise",
        "output_stride": 32,
        "input_scale": 1.0,
        "head": "fcn",
        "upsampling": "transposed",
    }
    assert block.words == words
    assert block.axes["depth_multiplier"] == (0.25, 1.0)
    assert block.shape == (2, 3, 1)
    assert block.candidate(0).parameters["depth_multiplier"] == 0.25
    numbers = {"depth_multiplier": 1.0, "classifier_kernel": 7, "classifier_depth": 8}
    assert block.candidate(5).parameters == words | numbers


def test_memory_of_a_figure_grows_with_what_it_depends_on_only() -> None:
    block = Block(
        network="mobilenet-fcn",
        words={"final_endpoint": "Conv2d_13_pointwise", "head": "fcn"},
        axes={
            "depth_multiplier": (0.25, 0.5, 1.0),
            "classifier_kernel": tuple(range(1, 50)),
            "classifier_depth": tuple(range(1, 200)),
        },
    )
    grid = count_block(block, sizes=[(320, 480), (640, 960)], classes=[2, 7, 19])
    assert grid.count.part("stem").ops.size == 3 * 2
    assert grid.count.part("stem").params.size == 3
    assert grid.count.total.params.size == len(block) * 3
    assert grid.full(grid.count.part("stem").ops).strides.count(0) == 3  # spread without being copied


@pytest.mark.parametrize("head", heads.names())
def test_grid_too_large_for_64_bits_is_refused(head: str) -> None:
    (block, *_) = blocks("mobilenet-fcn", {"depth_multiplier": (0.5, 64.0), "head": (head,)})
    count_block(block, sizes=[(8192, 8192)], classes=[254])
    rule = r"networks of a grid must take 4,611,686,018,427,387,904 operations per image or fewer, but got \d"
    with pytest.raises(BudgetnetError, match=rule):
        count_block(block, sizes=[(2**24, 2**24)], classes=[254])
