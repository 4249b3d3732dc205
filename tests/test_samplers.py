"""Every sampler answers with an open candidate, whatever it is shown; and each does what it is there for."""

from typing import Any, Final

import numpy as np
import pytest
from formulas import scenario
from numpy.typing import NDArray

from budgetnet.plan.feasible import NOWHERE, Feasible
from budgetnet.scenario import load
from budgetnet.search.pareto import hypervolume
from budgetnet.search.samplers import DEFAULT, View, gp, names, nsga2, nsga3, quasi_random, sampler, told, tpe
from budgetnet.search.samplers import _evolution as evolution
from budgetnet.search.samplers import _gain as gain
from budgetnet.search.samplers import _pool as pool
from budgetnet.search.samplers import _start as start
from budgetnet.search.samplers import _trend as trend
from budgetnet.search.samplers._nearest import nearest
from budgetnet.search.samplers._telling import telling

HEADS: Final = [
    {
        "depth_multiplier": [0.25, 0.35, 0.5],
        "final_endpoint": ["Conv2d_11_pointwise", "Conv2d_13_pointwise"],
        "head": ["fcn", "fcn8s"],
        "classifier_kernel": [3, 7],
        "classifier_depth": [64, 128],
    },
    {
        "depth_multiplier": [0.25, 0.35, 0.5],
        "final_endpoint": ["Conv2d_11_pointwise", "Conv2d_13_pointwise"],
        "head": ["light-decoder"],
        "decoder_channels": [32, 64, 96],
        "decoder_stride": [4, 8],
    },
]
LEARNING: Final = ("gp", "nsga2", "nsga3", "tpe")


@pytest.fixture(scope="module")
def feasible() -> Feasible:
    """Some eighty candidates, with parameters that only some heads have."""
    found = Feasible(scenario(search_space=HEADS))
    assert 60 < len(found) < 200
    assert (found.places == NOWHERE).any()
    return found


@pytest.fixture(scope="module")
def large() -> Feasible:
    """More candidates than any sampler looks at."""
    space = {
        "depth_multiplier": {"from": 0.01, "to": 1, "step": 0.01},
        "classifier_kernel": {"from": 1, "to": 21, "step": 2},
        "classifier_depth": {"from": 8, "to": 4096, "step": 16},
    }
    found = Feasible(load("parking").changed(search_space=space))
    assert len(found) > 3 * max(pool.MOST, 32_768)
    return found


def view(feasible: Feasible, seen: Any = (), mean_iou: Any = (), **changes: Any) -> View:
    """What a sampler is shown after these trials."""
    made: dict[str, Any] = {
        "rungs": np.full(len(seen), 3),
        "last_rung": 3,
        "pending": np.zeros(0, dtype=np.int64),
        "failed": np.zeros(0, dtype=np.int64),
        "number": len(seen),
        "seed": 0,
    } | changes
    known = np.asarray(seen, dtype=np.int64)
    made["pending"], made["failed"] = (np.asarray(made[key], dtype=np.int64) for key in ("pending", "failed"))
    if "open" not in made:
        made["open"] = np.ones(len(feasible), dtype=np.bool_)
        made["open"][np.concatenate([known, made["pending"], made["failed"]])] = False
    return View(feasible=feasible, seen=known, mean_iou=np.asarray(mean_iou, dtype=np.float64), **made)


def quality(feasible: Feasible) -> NDArray[np.float64]:
    """A mean IoU for each candidate: what its parts add, a pair of parts that get on, and chance."""
    names = [axis.name for axis in feasible.axes]
    heads = feasible.axes[names.index("head")].values
    share = np.maximum(feasible.places, 0) / [len(axis.values) - 1 for axis in feasible.axes]
    wide, early = share[:, names.index("depth_multiplier")], 1 - share[:, names.index("final_endpoint")]
    decoder = feasible.places[:, names.index("head")] == heads.index("light-decoder")
    found = 0.3 + 0.1 * wide + 0.05 * early + 0.03 * share[:, names.index("decoder_channels")]
    found += 0.05 * decoder * early - 0.02 * share[:, names.index("classifier_kernel")]
    return np.asarray(found + np.random.default_rng(0).normal(0, 0.01, len(feasible)), dtype=np.float64)


def search(name: str, feasible: Feasible, trials: int, seed: int) -> list[int]:
    """What a sampler proposes, one trial after the other."""
    iou, seen = quality(feasible), []
    for number in range(trials):
        seen.append(sampler(name).propose(view(feasible, seen, iou[seen], seed=seed), rng(seed, number)))
    return seen


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


# every sampler


def test_the_default_is_one_of_them():
    assert DEFAULT in names()
    assert {"exhaustive", "gp", "nsga2", "nsga3", "quasi-random", "random", "tpe"} <= set(names())


@pytest.mark.parametrize("name", names())
def test_it_says_what_it_does_in_a_line(name):
    assert 20 < len(told(name)) < 120


@pytest.mark.parametrize("name", names())
def test_it_goes_through_a_whole_set_without_repeating(name, feasible):
    small = Feasible(scenario(search_space=[HEADS[0], {**HEADS[1], "decoder_channels": [32, 64]}]))
    found = search(name, small, len(small), seed=1)
    assert sorted(found) == list(range(len(small)))
    assert {type(index) for index in found} == {int}


@pytest.mark.parametrize("name", names())
def test_the_answer_follows_from_view_and_generator(name, feasible):
    seen = [0, 5, 9, 14, 20, 28, 33, 41, 50, len(feasible) - 1]
    shown = view(feasible, seen, quality(feasible)[seen], pending=[3], failed=[4])
    before = [each.copy() for each in (shown.open, shown.seen, shown.mean_iou)]
    assert sampler(name).propose(shown, rng(7)) == sampler(name).propose(shown, rng(7))
    after = (shown.open, shown.seen, shown.mean_iou)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", names())
def test_it_answers_whatever_is_known(name, feasible):
    few = [0, 1, 2]
    many = np.arange(0, len(feasible), 2)
    shown = {
        "nothing": view(feasible),
        "one": view(feasible, [4], [0.3]),
        "failed": view(feasible, failed=range(20)),
        "pending": view(feasible, pending=range(20)),
        "all alike": view(feasible, many, np.full(len(many), 0.25)),
        "nothing learnt": view(feasible, many, np.zeros(len(many))),
        "first rungs": view(feasible, many, quality(feasible)[many], rungs=1 + many % 3),
        "everything": view(feasible, many, quality(feasible)[many], pending=[1, 3, 5], failed=[7, 9, 11, 13]),
        "most failed": view(feasible, few, [0.1, 0.2, 0.3], failed=range(3, len(feasible) - 2)),
    }
    for what, each in shown.items():
        answer = sampler(name).propose(each, rng(3))
        assert type(answer) is int, what
        assert each.open[answer], what


@pytest.mark.parametrize("name", names())
def test_the_only_open_one_is_the_answer(name, feasible):
    for left in (0, 17, len(feasible) - 1):
        seen = np.delete(np.arange(len(feasible)), left)
        assert sampler(name).propose(view(feasible, seen, quality(feasible)[seen]), rng(1)) == left
        assert sampler(name).propose(view(feasible, failed=seen), rng(1)) == left


@pytest.mark.parametrize("name", names())
def test_one_candidate_and_no_axes(name):
    alone = Feasible(
        scenario(search_space={"depth_multiplier": [0.25], "classifier_kernel": [3]}).changed(
            search_space={
                "depth_multiplier": [0.25],
                "final_endpoint": ["Conv2d_11_pointwise"],
                "classifier_kernel": [3],
                "classifier_depth": [64],
            }
        )
    )
    assert len(alone) == 1
    assert sampler(name).propose(view(alone), rng(1)) == 0


@pytest.mark.parametrize("name", names())
def test_a_large_set_is_not_looked_at_whole(name, large, monkeypatch):
    """No array of models is as long as the set; of what is as long as it there are places and flags alone."""
    asked: list[int] = []
    drawn = pool.candidates

    def watched(*arguments: Any) -> Any:
        found = drawn(*arguments)
        asked.append(len(found))
        return found

    for module in (gain, __import__("budgetnet.search.samplers._nearest", fromlist=["nearest"])):
        monkeypatch.setattr(module, "candidates", watched)
    seen = np.linspace(0, len(large) - 1, 512).astype(np.int64)
    iou = 0.4 - 0.2 * np.arange(512) / 512 + 0.01 * np.sin(np.arange(512))
    shown = view(large, seen, iou, pending=[1, 2, 3], failed=[4, 5, 6])
    assert shown.open[sampler(name).propose(shown, rng(2))]
    assert all(length <= (pool.MOST if name in ("tpe", "gp") else 32_768) for length in asked)
    assert len(asked) == (1 if name in LEARNING else 0)


# what each is there for


def test_exhaustive_goes_in_order(feasible):
    assert search("exhaustive", feasible, 12, seed=0) == list(range(12))


def test_random_draws_each_open_one_as_often():
    space = {"depth_multiplier": [0.25, 0.5], "final_endpoint": ["Conv2d_13_pointwise"], "classifier_depth": [64]}
    few = Feasible(scenario(search_space=space))
    shown = view(few, [1], [0.3])
    draws = 200 * (len(few) - 1)
    counts = np.bincount([sampler("random").propose(shown, rng(each)) for each in range(draws)], minlength=len(few))
    assert counts[1] == 0
    assert (np.abs(np.delete(counts, 1) - 200) < 70).all()


def unevenness(feasible: Feasible, chosen: list[int]) -> float:
    """How far shares among the chosen are from those in the set, over every pair of places: a discrepancy."""
    places = feasible.places + 1
    total = 0.0
    for one in range(places.shape[1]):
        for other in range(one):
            pair = places[:, one] * 100 + places[:, other]
            for value in np.unique(pair):
                total += abs((pair == value).mean() - (pair[chosen] == value).mean())
    return total


def test_quasi_random_covers_better_than_random(feasible):
    mean = {
        name: np.mean([unevenness(feasible, search(name, feasible, 24, seed)) for seed in range(8)])
        for name in ("quasi-random", "random")
    }
    assert mean["quasi-random"] < 0.85 * mean["random"]


def test_quasi_random_points_are_candidates_in_proportion(feasible):
    shown = view(feasible)
    found = [quasi_random.candidate_at(shown, point) for point in rng(1).random((3_000, len(feasible.axes)))]
    counts = np.bincount(found, minlength=len(feasible))
    mean = 3_000 / len(feasible)
    assert (np.abs(counts - mean) < 5 * np.sqrt(mean)).all()


def test_quasi_random_is_one_sequence_per_search(feasible):
    one, other = (search("quasi-random", feasible, 10, seed) for seed in (1, 2))
    assert one != other
    assert one == search("quasi-random", feasible, 10, 1)


@pytest.mark.parametrize(("name", "trials"), [("tpe", 25), ("gp", 25), ("nsga2", 40), ("nsga3", 40)])
def test_what_learns_comes_nearer_to_the_front_than_chance(name, trials, feasible):
    points = np.stack([quality(feasible), np.log(feasible.images_per_second / feasible.images_per_second[0])], axis=1)
    whole = hypervolume(points)

    def missing(which: str) -> float:
        return float(
            np.mean([1 - hypervolume(points[search(which, feasible, trials, seed)]) / whole for seed in range(6)])
        )

    assert missing(name) < (0.35 if name in ("tpe", "gp") else 0.9) * missing("random")


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_workers_do_not_crowd_at_one_place(name, feasible):
    """Four proposals before any of them is trained do not all lie at one end of the front."""
    iou = quality(feasible)
    seen = search("quasi-random", feasible, 12, seed=3)
    pending: list[int] = []
    for number in range(4):
        pending.append(sampler(name).propose(view(feasible, seen, iou[seen], pending=pending), rng(5, number)))
    rates = np.log(feasible.images_per_second)
    assert np.ptp(rates[pending]) > 0.25 * np.ptp(rates)


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_where_trainings_fail_no_more_are_begun(name, feasible):
    """The best head by far fails whenever it is trained: another one is tried."""
    column = [axis.name for axis in feasible.axes].index("head")
    word = feasible.axes[column].values.index("light-decoder")
    of_it = np.flatnonzero(feasible.places[:, column] == word)
    seen = np.flatnonzero(feasible.places[:, column] != word)[::4]
    iou = quality(feasible)[seen]
    answer = sampler(name).propose(view(feasible, seen, iou, failed=of_it[::2]), rng(1))
    assert feasible.places[answer, column] != word


# the start


def test_the_start_is_spread_over_space_and_throughput(feasible):
    spread, drawn = [], []
    rates = np.log(feasible.images_per_second)
    for seed in range(12):
        for chosen, name in ((spread, "tpe"), (drawn, "random")):
            begun = search(name, feasible, 6, seed)
            gaps = np.diff(np.sort(np.concatenate([[rates[0], rates[-1]], rates[begun]])))
            chosen.append(gaps.max())
    assert np.mean(spread) < np.mean(drawn)


def test_the_start_is_a_share_of_a_small_set():
    space = {"depth_multiplier": [0.25, 0.5], "final_endpoint": ["Conv2d_13_pointwise"], "classifier_depth": [64]}
    small = Feasible(scenario(search_space=space))
    assert 4 <= len(small) < 12
    assert start.starting(view(small, [0], [0.3]))
    assert not start.starting(view(small, [0, 1], [0.3, 0.2]))


def test_the_start_goes_on_while_too_few_have_a_result(feasible):
    assert start.starting(view(feasible, failed=range(30)))
    assert start.starting(view(feasible, [40], [0.3], pending=range(30)))
    assert not start.starting(view(feasible, [40, 41], [0.3, 0.2], pending=range(30)))


# what they are made of


def test_expected_gain_is_what_drawing_gives():
    generator = rng(4)
    iou, rate = generator.uniform(0.2, 0.6, 7), generator.uniform(0.1, 1.1, 7)
    asked, mean, deviation = np.array([0.05, 0.5, 1.3]), np.array([0.5, 0.45, 0.1]), np.array([0.1, 0.05, 0.02])
    exact = gain.expected_gain(iou, rate, asked, mean, deviation)
    before = hypervolume(np.stack([iou, rate], axis=1))
    for index in range(3):
        drawn = generator.normal(mean[index], deviation[index], 1_000)
        after = [hypervolume(np.append(np.stack([iou, rate], axis=1), [[y, asked[index]]], axis=0)) for y in drawn]
        assert np.mean(after) - before == pytest.approx(exact[index], rel=0.15, abs=1e-5)


def test_the_stair_is_the_front():
    rates, heights = gain.stair(np.array([0.5, 0.3, 0.4, 0.5, 0.2]), np.array([1.0, 3.0, 2.0, 0.5, 2.5]))
    assert rates.tolist() == [3.0, 2.0, 1.0]
    assert heights.tolist() == [0.3, 0.4, 0.5]


def test_the_trend_finds_what_each_part_adds(feasible):
    columns = trend.columns(feasible, np.arange(len(feasible)))
    truth = columns @ rng(2).normal(size=columns.shape[1])
    truth = (truth - truth.mean()) / truth.std()
    seen = rng(3).choice(len(feasible), 40, replace=False)
    fitted = trend.fit(feasible, seen, truth[seen], np.ones(40))
    others = np.setdiff1d(np.arange(len(feasible)), seen)
    assert np.corrcoef(fitted.at(feasible, others)[0], truth[others])[0, 1] > 0.98
    assert (np.abs(fitted.left_alone) >= np.abs(fitted.left)).all()


@pytest.mark.parametrize("estimate", [tpe.estimate, gp.estimate])
def test_a_guess_is_surer_of_what_was_seen_and_trusts_whole_trainings_more(estimate, feasible):
    iou = quality(feasible)
    seen = np.arange(0, len(feasible), 3)
    others = np.setdiff1d(np.arange(len(feasible)), seen)
    whole = np.ones(len(seen))
    at_seen, sure = estimate(feasible, seen, iou[seen], whole, seen)
    guessed, unsure = estimate(feasible, seen, iou[seen], whole, others)
    assert np.median(sure) < np.median(unsure)
    assert np.corrcoef(guessed, iou[others])[0, 1] > 0.8
    early = np.arange(len(seen)) % 2 == 0
    mixed, _ = estimate(feasible, seen, iou[seen], np.where(early, 1 / 9, 1.0), seen)
    assert np.abs(at_seen - iou[seen])[early].mean() < np.abs(mixed - iou[seen])[early].mean()


def test_what_a_model_takes_is_bounded_and_holds_the_front(large):
    seen = np.linspace(0, len(large) - 1, 512).astype(np.int64)
    iou = 0.4 - 0.2 * np.arange(512) / 512 - 0.01 * (np.arange(512) % 20 > 0)
    kept = telling(large, seen, iou, 160)
    assert len(kept) == len(set(kept)) == 160
    assert telling(large, seen, iou, 512).tolist() == list(range(512))
    assert set(range(0, 512, 20)) <= set(kept.tolist())


def test_neighbours_are_one_step_away(feasible, large):
    for made, index in ((feasible, 20), (large, 70_000)):
        found = pool.neighbours(made, np.array([index]))
        apart = np.abs(made.places[found].astype(int) - made.places[index])
        assert len(found) > 2
        assert ((apart > 0).sum(axis=1) == 1).all()
        numeric = [axis.numeric for axis in made.axes]
        assert (apart[:, numeric].max(axis=1) <= 1).all()
        steps = np.abs(made.places.astype(int) - made.places[index])
        steps[:, [not each for each in numeric]] = np.minimum(steps[:, [not each for each in numeric]], 1)
        somewhere = (made.places >= 0) == (made.places[index] >= 0)
        assert set(np.flatnonzero((steps.sum(axis=1) == 1) & somewhere.all(axis=1))) == set(found)


def test_places_are_found_and_others_are_not(feasible):
    everywhere = np.arange(len(feasible))
    assert pool.find(feasible, feasible.places).tolist() == everywhere.tolist()
    assert (pool.find(feasible, feasible.places + np.int16(100)) == -1).all()


def test_a_bounded_pool_is_open_and_holds_open_neighbours(large):
    shown = view(large, [500], [0.3], pending=pool.neighbours(large, np.array([500]))[:2])
    found = pool.candidates(shown, rng(1), np.array([500]))
    assert len(found) <= pool.MOST
    assert (np.diff(found) > 0).all()
    assert shown.open[found].all()
    assert set(pool.neighbours(large, np.array([500]))[2:]) <= set(found)


def test_a_large_set_of_which_little_is_open_is_looked_at_whole(large):
    left = np.arange(7, len(large), len(large) // 90)
    shown = view(large, open=np.isin(np.arange(len(large)), left))
    assert pool.candidates(shown, rng(1), left[:1]).tolist() == left.tolist()
    assert pool.drawn(shown, rng(1), 1_000).tolist() == left.tolist()


def test_nearest_is_the_place_itself_where_it_is_open(feasible, large):
    for made, index in ((feasible, 20), (large, 70_000)):
        around = np.array([index - 1])
        if made is feasible:
            assert nearest(view(made), rng(1), made.places[index], around) == index
        one_closed = view(made, [index], [0.3])
        other = nearest(one_closed, rng(1), made.places[index], np.array([index]))
        assert other != index
        assert other in pool.neighbours(made, np.array([index]))


def test_nearest_keeps_the_head_and_minds_only_its_parameters(feasible):
    column = [axis.name for axis in feasible.axes].index("head")
    word = feasible.axes[column].values.index("light-decoder")
    mine = np.flatnonzero(feasible.places[:, column] == word)
    place = feasible.places[mine[4]].copy()
    place[place == NOWHERE] = 1  # as a child has them: what means nothing to its head
    assert nearest(view(feasible), rng(1), place, mine[:1]) == mine[4]


def test_a_child_has_a_place_along_every_axis(feasible):
    seeds = rng(5)
    for _ in range(200):
        parents = feasible.places[seeds.integers(len(feasible), size=2)]
        made = evolution.child(feasible.axes, parents, seeds)
        assert all(0 <= place < len(axis.values) for place, axis in zip(made, feasible.axes, strict=True))


def test_children_of_one_parent_are_near_it(feasible):
    seeds, parent = rng(5), feasible.places[20]
    moved = [
        int(((evolution.child(feasible.axes, np.stack([parent, parent]), seeds) != parent) & (parent >= 0)).sum())
        for _ in range(300)
    ]
    assert 0.4 < np.mean(moved) < 1.2
    assert min(moved) == 0


FRONT: Final = np.array([[1.0, 0.0], [0.9, 0.1], [0.88, 0.12], [0.5, 0.5], [0.1, 0.9], [0.0, 1.0], [0.05, 0.05]])


def test_crowded_ones_of_a_front_give_way():
    assert set(nsga2.survivors(FRONT, 4, rng(1)).tolist()) == {0, 3, 4, 5}
    assert nsga2.survivors(FRONT, 7, rng(1))[-1] == 6


def test_directions_that_nobody_serves_are_served_first():
    crowd = np.stack([np.linspace(0.98, 0.96, 15), np.linspace(0.1, 0.12, 15)], axis=1)
    points = np.concatenate([crowd, [[1.0, 0.0], [0.5, 0.5], [0.1, 0.9], [0.0, 1.0], [0.05, 0.05]]])
    for seed in range(5):
        kept = nsga3.survivors(points, 6, rng(seed)).tolist()
        assert len(set(kept)) == 6
        assert {15, 16, 17, 18} <= set(kept)
        assert 19 not in kept
    assert sorted(nsga3.survivors(points, 20, rng(1)).tolist()) == list(range(20))
    assert nsga3.survivors(points, 20, rng(1))[-1] == 19


def test_a_front_of_one_point_is_scaled_by_the_others():
    direction, distance = nsga3.directions(np.array([[1.0, 1.0], [0.5, 1.0], [1.0, 0.5]]), np.array([0, 1, 1]))
    assert direction[1] != direction[2]
    assert distance == pytest.approx(0.0, abs=1e-9)
