"""The race: who goes on, who is begun, and that both follow from the trials alone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from formulas import curve, result, scenario

from budgetnet.networks import Candidate
from budgetnet.plan.feasible import Feasible
from budgetnet.search.decisions import Begin, Resume
from budgetnet.search.race import Limits, Race
from budgetnet.search.trial import Trial

RUNGS = (1, 3, 9)
FEASIBLE = Feasible(scenario())


def race(trials: int = 20, *, feasible: Feasible = FEASIBLE, **more) -> Race:
    limits = Limits(trials=trials, epochs=more.pop("epochs", None))
    return Race(feasible, scenario().training, limits=limits, **{"rungs": RUNGS, "sampler": "random", **more})


def claimed(job: Begin | Resume, trials: dict[int, Trial], number: int) -> Trial:
    """The trial of a job, as running."""
    if isinstance(job, Resume):
        return replace(trials[job.number], status="running", target=job.target)
    return Trial(
        number=number,
        candidate=job.candidate,
        images_per_second=job.images_per_second,
        status="running",
        target=job.target,
        origin=job.origin,
    )


def trained(trial: Trial, value: Callable[[Candidate, int], float] = curve) -> Trial:
    """The trial once its worker is done with it."""
    values = {epoch: value(trial.candidate, epoch) for epoch in range(1, trial.target + 1)}
    done = replace(trial, status="paused", epochs=trial.target, curve=values)
    if trial.target < RUNGS[-1]:
        return done
    made = result(trial.candidate)
    scores = replace(made.scores, mean_iou=values[RUNGS[-1]])
    return replace(done, status="done", result=replace(made, scores=scores))


def ended(run: Race, value: Callable[[Candidate, int], float] = curve, workers: int = 1) -> list[Trial]:
    """All trials of a race with so many workers, which take turns in an order that is drawn."""
    trials: dict[int, Trial] = {}
    busy: list[int] = []
    rng = np.random.default_rng(7)
    while True:
        while len(busy) < workers and (job := run.ask()) is not None:
            trial = claimed(job, trials, len(trials))
            trials[trial.number] = trial
            run.tell(trial)
            busy.append(trial.number)
        if not busy:
            return [trials[number] for number in sorted(trials)]
        number = busy.pop(int(rng.integers(len(busy))))
        trials[number] = trained(trials[number], value)
        run.tell(trials[number])


def test_every_trial_fits_and_none_is_begun_twice():
    trials = ended(race(trials=100))
    assert len(trials) == len({trial.candidate for trial in trials}) == len(FEASIBLE)
    assert all(FEASIBLE.index(trial.candidate) is not None for trial in trials)


def test_the_largest_the_cheapest_and_the_widest_come_first_then_those_of_an_earlier_study():
    earlier = [FEASIBLE.candidate(5), Candidate.of("mobilenet-fcn", {"depth_multiplier": 1.0}), FEASIBLE.candidate(0)]
    trials = ended(race(trials=5, first=earlier))
    assert [trial.origin for trial in trials] == ["largest", "cheapest", "earlier study", "random", "random"]
    assert [trial.candidate for trial in trials[:3]] == [
        FEASIBLE.candidate(0),
        FEASIBLE.candidate(len(FEASIBLE) - 1),
        FEASIBLE.candidate(5),
    ]


def test_the_widest_is_begun_too_where_it_is_not_the_largest():
    feasible = Feasible(
        scenario(search_space={"depth_multiplier": [0.25, 0.5, 0.75, 1.0], "classifier_depth": [64, 9000]})
    )
    widths = [feasible.candidate(index).parameters["depth_multiplier"] for index in range(len(feasible))]
    assert feasible.widest == widths.index(max(widths)) > 0
    trials = ended(race(trials=4, feasible=feasible))
    assert [trial.origin for trial in trials] == ["largest", "cheapest", "widest", "random"]
    assert trials[2].candidate == feasible.candidate(feasible.widest)
    assert Feasible(scenario(search_space={"depth_multiplier": [0.25]})).widest is None


@pytest.mark.parametrize("workers", [1, 4])
def test_most_candidates_stop_early_and_the_front_is_trained_to_the_end(workers):
    trials = ended(race(trials=33), workers=workers)
    ends = Counter(trial.epochs for trial in trials)
    assert sum(epochs * number for epochs, number in ends.items()) < 0.65 * 9 * len(trials)
    assert set(ends) <= set(RUNGS)
    for level, rung in enumerate(RUNGS[:-1]):  # whoever nobody at its rung dominates has gone on
        there = [trial for trial in trials if trial.epochs >= rung]
        for trial in there:
            better = [
                other
                for other in there
                if other.curve[rung] >= trial.curve[rung]
                and other.images_per_second >= trial.images_per_second
                and other is not trial
            ]
            assert better or trial.epochs > rung or hopeless(trial, trials, level)


def hopeless(trial: Trial, trials: list[Trial], level: int) -> bool:
    """Whether a whole training is as fast and better than this one could be with the largest gain seen."""
    rung, done = RUNGS[level], [other for other in trials if other.status == "done"]
    hoped = trial.curve[rung] + max(other.curve[9] - other.curve[rung] for other in done)
    return any(o.images_per_second >= trial.images_per_second and o.curve[9] >= hoped for o in done)


def test_one_that_cannot_reach_the_front_goes_no_further():
    """Candidate 0 is the slowest; with equal curves everywhere the fastest dominates all others."""
    trials = ended(race(trials=20), value=lambda candidate, epoch: 0.1 * epoch)
    done = [trial for trial in trials if trial.status == "done"]
    fastest = max(trials, key=lambda trial: trial.images_per_second)
    assert fastest in done
    assert len(done) <= 1 + len(trials) // 9 + 2


def test_the_answer_follows_from_the_trials_whatever_order_they_come_in():
    whole = race(trials=25, sampler="tpe")
    trials = ended(whole)
    rng = np.random.default_rng(3)
    for cut in (4, 9, 16, 24):
        part = race(trials=25, sampler="tpe")
        kept = [trial for trial in trials if trial.number < cut]
        for place in rng.permutation(len(kept)):
            part.tell(kept[place])
        again = race(trials=25, sampler="tpe")
        for trial in kept:
            again.tell(trial)
            again.tell(trial)
        assert part.ask() == again.ask()


def test_a_trial_that_was_cut_off_goes_on_first_with_the_same_target():
    run = race()
    first = claimed(run.ask(), {}, 0)
    run.tell(trained(first))
    cut = replace(claimed(run.ask(), {}, 1), status="paused", target=3, epochs=2, curve={1: 0.1, 2: 0.2})
    run.tell(cut)
    assert run.ask() == Resume(number=1, target=3)


def test_a_trial_whose_epochs_are_all_done_goes_on_until_its_result_is_there():
    run = race(rungs=(9,))
    first = claimed(run.ask(), {}, 0)
    run.tell(replace(first, status="paused", epochs=9, curve={9: 0.5}))
    assert run.ask() == Resume(number=0, target=9)


def test_where_epochs_are_limited_the_fronts_are_trained_to_the_end():
    for most in (60, 77, 100):
        run = race(trials=33, epochs=most)
        trials = ended(run)
        done = [trial for trial in trials if trial.status == "done"]
        assert len(done) >= most // 18
        assert run.used_up
        assert [run._board.waiting_front(level) for level in (1, 2)] == [[], []]
    free = race(trials=5)
    ended(free)
    assert not free.used_up


def test_a_failed_trial_is_not_begun_again_and_never_goes_on():
    run = race(trials=33)
    trials: dict[int, Trial] = {}
    while (job := run.ask()) is not None:
        trial = claimed(job, trials, len(trials))
        broken = trial.number in (0, 3, 7)
        trials[trial.number] = (
            replace(trial, status="failed", reason="loss must be finite") if broken else trained(trial)
        )
        run.tell(trials[trial.number])
    assert [number for number, trial in trials.items() if trial.status == "failed"] == [0, 3, 7]
    assert len(trials) == 33


@pytest.mark.parametrize("most", [1, 5, 30, 77])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_epochs_of_all_trials_stay_within_their_limit(most, workers):
    trials = ended(race(trials=33, epochs=most), workers=workers)
    spent = sum(trial.epochs for trial in trials)
    assert max(most - 9, min(most, 1)) <= spent <= most


def test_without_rungs_every_trial_is_trained_to_the_end():
    trials = ended(race(trials=12, rungs=(9,)))
    assert [trial.status for trial in trials] == ["done"] * 12


def test_a_sampler_sees_what_is_expected_at_the_end():
    """A candidate at its first rung counts as what others gained on average from there."""
    run = race(trials=12)
    for number, (epochs, values) in enumerate([(9, (0.1, 0.2, 0.5)), (3, (0.2, 0.4, 0)), (1, (0.3, 0, 0))]):
        reached = dict(zip(RUNGS, values, strict=True))
        trial = Trial(
            number=number,
            candidate=FEASIBLE.candidate(number),
            images_per_second=float(FEASIBLE.images_per_second[number]),
            status="done" if epochs == 9 else "paused",
            target=epochs,
            origin="random",
            epochs=epochs,
            curve={epoch: value for epoch, value in reached.items() if epoch <= epochs},
            result=result(FEASIBLE.candidate(number)) if epochs == 9 else None,
        )
        if trial.result is not None:
            scores = replace(trial.result.scores, mean_iou=0.5)
            trial = replace(trial, result=replace(trial.result, scores=scores))
        run.tell(trial)
    view = run.view()
    assert view.rungs.tolist() == [3, 2, 1]
    # from rung 1 to 2 the two that did it gained 0.1 and 0.2, from 2 to 3 the one that did it 0.3
    assert view.mean_iou.tolist() == pytest.approx([0.5, 0.4 + 0.3, 0.3 + 0.15 + 0.3])
    assert view.open.sum() == len(FEASIBLE) - 3


def test_what_a_sampler_is_shown_does_not_grow_without_end():
    space = {"classifier_depth": {"from": 8, "to": 1024, "step": 8}, "depth_multiplier": [0.25, 0.3, 0.35]}
    feasible = Feasible(scenario(search_space=space))
    run = race(trials=700, feasible=feasible, rungs=(1,))
    for number in range(600):
        made = Trial(
            number=number,
            candidate=feasible.candidate(number),
            images_per_second=float(feasible.images_per_second[number]),
            status="done",
            target=1,
            origin="random",
            epochs=1,
            curve={1: 0.5},
            result=result(feasible.candidate(number)),
        )
        run.tell(made)
    view = run.view()
    assert len(view.seen) == 512
    assert int((~view.open).sum()) == 600
    assert view.number == 600
