"""How far a ranking can be trusted: against SciPy, against counting every draw, and in what the report says."""

import itertools
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from search_outcomes import GUESS, many_heads, result, searched

from budgetnet.search.checks import wanted
from budgetnet.search.findings import Findings
from budgetnet.search.pareto import front
from budgetnet.search.trust import Spread, agreement, front_shares, pooled_deviations
from budgetnet.search.trust_tables import trust_blocks
from budgetnet.search.verdict import audit_text, verdict

grid = st.integers(0, 4)
candidates = st.lists(st.tuples(st.lists(grid, min_size=1, max_size=3), grid), min_size=1, max_size=5)


@given(candidates)
@settings(max_examples=150)
def test_shares_of_draws_are_those_of_all_draws_counted_one_by_one(given_candidates):
    draws, rates = zip(*given_candidates, strict=True)
    counted, total = np.zeros(len(draws)), 0
    for drawn in itertools.product(*draws):
        counted[front(list(zip(drawn, rates, strict=True)))] += 1
        total += 1
    assert front_shares(draws, rates) == pytest.approx((counted / total).tolist())


def test_no_candidates_have_no_shares():
    assert front_shares([], []) == []


def test_spread_of_several_seeds_and_of_one():
    assert Spread.of([0.5, 0.6, 0.7]) == Spread(
        seeds=3, mean=pytest.approx(0.6), least=0.5, most=0.7, deviation=pytest.approx(0.1)
    )
    assert Spread.of([0.5]).deviation is None


def test_deviations_are_pooled_and_widened_and_single_trainings_have_none():
    assert pooled_deviations([[0.4, 0.6], [0.5]]) == pytest.approx([-0.1 * sqrt(2), 0.1 * sqrt(2)])
    rng = np.random.default_rng(1)
    pooled = pooled_deviations(rng.normal(0, 2, size=(4000, 3)).tolist())
    assert np.std(pooled) == pytest.approx(2, rel=0.03)


def test_agreement_is_scipys_with_ties_and_its_intervals_hold_it():
    rng = np.random.default_rng(3)
    short = rng.integers(0, 8, 20)
    long = short + rng.normal(0, 2, 20)
    found = agreement(list(zip(short.tolist(), long.tolist(), strict=True)), short=1, long=27)
    kendall = stats.kendalltau(short, long)
    assert (found.tau, found.tau_p) == pytest.approx((kendall.statistic, kendall.pvalue))
    assert found.rho == pytest.approx(stats.spearmanr(short, long).statistic)
    resampled = []
    for _ in range(400):
        drawn = rng.integers(20, size=20)
        resampled.append(stats.kendalltau(short[drawn], long[drawn]).statistic)
    assert found.tau_interval == pytest.approx(np.quantile(resampled, (0.025, 0.975)), abs=0.08)
    assert found.tau_interval[0] < found.tau < found.tau_interval[1]
    assert found.rho_interval[0] < found.rho < found.rho_interval[1]


@pytest.mark.parametrize(
    ("pairs", "tau", "interval"),
    [
        ([], None, False),
        ([(0.1, 0.2), (0.2, 0.3)], None, False),
        ([(0.1, 0.2), (0.1, 0.3), (0.1, 0.4)], None, False),
        ([(0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5)], 1.0, False),
        ([(0.1, 0.6), (0.2, 0.5), (0.3, 0.4), (0.4, 0.3), (0.5, 0.2)], -1.0, True),
    ],
)
def test_few_candidates_have_no_interval_and_fewer_no_coefficient(pairs, tau, interval):
    found = agreement(pairs, short=1, long=9)
    assert found.candidates == len(pairs)
    assert found.tau == (None if tau is None else pytest.approx(tau))
    assert (found.tau_interval is not None) == interval
    assert (found.rho is None) == (tau is None)


def table(blocks, key):
    return next(block for block in blocks if getattr(block, "key", None) == key)


def test_repeats_give_mean_spread_and_how_sure_the_front_is():
    findings = Findings(searched(many_heads(), trials=40, rungs=(1, 3, 9), repeats=3), GUESS)
    outcome = findings.outcome
    assert findings.repeated
    repeated = {check.candidate for check in outcome.checks}
    for trial in findings.done:
        own = [c.result.scores.mean_iou for c in outcome.checks if c.candidate == trial.candidate]
        assert findings.seeds(trial) == [trial.result.scores.mean_iou, *own]
        assert len(own) == (2 if trial.candidate in repeated else 0)
    points = [(np.mean(findings.seeds(trial)), trial.images_per_second) for trial in findings.done]
    assert findings.front == [findings.done[index] for index in front(points)]
    rows = table(trust_blocks(findings), "seeds").rows
    assert {trial.number for trial in findings.front} <= {row["trial"] for row in rows}
    shares = [row["front_share"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    said = verdict(findings)
    assert f"{len(repeated)} candidates were trained from several seeds, which moved mean IoU by" in said
    assert f"of the {len(findings.front)} on the front stay there in 95 % of all draws of seeds" in said
    several = len(findings.seeds(findings.front[0])) > 1
    assert ("on average over 3 seeds (guessing" in said) == several
    assert f"with mean IoU {np.mean(findings.seeds(findings.front[0])):.3f}" in said


def test_a_lucky_candidate_loses_its_place_to_one_that_was_trained_once():
    outcome = searched(trials=6)
    best, other = outcome.trials[:2]

    def reaching(trial, iou, **fields):
        return replace(trial, images_per_second=9.0, result=result(trial.candidate, 1, iou), **fields)

    bad = reaching(best, 0.3, number=0, changes={"seed": 1}, origin="repeat")
    trials = (reaching(best, 0.52), reaching(other, 0.5))
    findings = Findings(replace(outcome, trials=trials, checks=(bad,)), GUESS)
    assert [trial.number for trial in findings.front] == [other.number]
    assert findings.reason(trials[0]) == f"dominated by trial {other.number}"
    assert "1 of them were trained from one seed so far" in verdict(findings)
    assert [each.candidate for each in wanted(trials, findings.scenario.training, repeats=2, audit=0)] == [
        best.candidate
    ]
    known = wanted(trials, findings.scenario.training, repeats=2, audit=0, checks=[bad])
    assert [each.candidate for each in known] == [other.candidate]
    assert 0 < findings.front_share[best.number] < 1


def test_an_audit_compares_every_rung_with_the_longer_training():
    findings = Findings(searched(many_heads(), trials=40, rungs=(1, 3, 9), audit=10), GUESS)
    audited = {check.candidate: check.result.scores.mean_iou for check in findings.audits}
    first, *_ = findings.agreements
    assert (first.short, first.long, first.candidates) == (1, 27, 10)
    pairs = [(trial.curve[1], audited[trial.candidate]) for trial in findings.trials if trial.candidate in audited]
    assert first.tau == pytest.approx(stats.kendalltau(*zip(*pairs, strict=True)).statistic)
    blocks = trust_blocks(findings)
    assert next(row["short"] for row in table(blocks, "audit").rows) == 1
    rows = table(blocks, "audited").rows
    assert sorted(row["mean_iou"] for row in rows) == pytest.approx(sorted(audited.values()))
    assert all(row["mean_iou_epoch_1"] is not None for row in rows)
    assert "After 1 epoch, 10 audited candidates are ordered" in verdict(findings)
    assert audit_text(findings) == ""


def test_what_was_not_measured_is_said():
    none = Findings(searched(trials=4), GUESS)
    assert audit_text(none) == "Whether longer trainings would order the candidates alike was not audited (--audit K)."
    texts = [block.text for block in trust_blocks(none)]
    assert texts == ["What the seed alone changes was not measured (--repeats N).", audit_text(none)]
    audited = searched(trials=4, audit=2)
    assert "The audit has fewer than 3 different candidates at a rung" in audit_text(Findings(audited, GUESS))
    begun = tuple(replace(check, status="running", result=None, curve={}, epochs=0) for check in audited.checks)
    waiting = Findings(replace(audited, checks=begun), GUESS)
    assert audit_text(waiting) == "No longer training of the audit is finished yet."


@pytest.mark.parametrize(
    ("noise", "how"),
    [(0.0, "ordered well as after 27"), (0.02, "ordered roughly as"), (0.5, "ordered not reliably as")],
)
def test_the_verdict_trusts_an_audit_no_more_than_its_interval(noise, how):
    outcome = searched(many_heads(), trials=40, rungs=(1, 3, 9), audit=20)
    rng = np.random.default_rng(0)
    own = {trial.candidate: trial.curve[1] for trial in outcome.trials if trial.curve}
    checks = tuple(
        replace(check, result=result(check.candidate, 27, own[check.candidate] + noise * rng.normal()))
        for check in outcome.checks
    )
    findings = Findings(replace(outcome, checks=checks), GUESS)
    assert f"After 1 epoch, 20 audited candidates are {how}" in verdict(findings)
    few = Findings(replace(outcome, checks=checks[:4]), GUESS)
    assert "audited" not in verdict(few)
