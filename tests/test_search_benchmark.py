"""The benchmark of searches: figures worked out by hand on a small table, what no strategy may do, what is printed."""

import importlib
import importlib.util
import json
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from budgetnet.errors import BudgetnetError
from budgetnet.plan import measure
from budgetnet.search import pareto
from budgetnet.training_settings import Training

FOLDER = Path(__file__).parents[1] / "benchmarks"
PARTS = ("flat", "ledger", "measures", "overhead", "plain", "report", "results", "strategies", "tables")
RECORDED = [FOLDER / "replays" / name for name in ("camvid.json", "synthetic.json")]

SPACE = """\
name: small
cameras: 1
fps: 30
budget_gops: 1.5
classes: lab7
input: {height: 48, width: 72}
search_space:
  depth_multiplier: [0.25, 0.5, 0.75, 1.0]
  final_endpoint: [Conv2d_11_pointwise]
  classifier_depth: [32]
  classifier_kernel: [1]
  head: [fcn]
  upsampling: [bilinear]
"""
PER_SECOND = (100.0, 50.0, 40.0, 20.0)
"""Of the candidates of the small space, at 30 frames per second: the last one does not fit."""
CURVES = (
    ((0.10, 0.15, 0.10), (0.10, 0.15, 0.30)),
    ((0.05, 0.20, 0.40), (0.05, 0.20, 0.40)),
    ((0.04, 0.20, 0.30), (0.04, 0.20, 0.30)),
    ((0.50, 0.80, 0.90), (0.50, 0.80, 0.90)),
)
"""By candidate, seed and epoch. On average the first one ends at 0.2, so the front is 100 x 0.2 + 50 x 0.2 = 30."""


@pytest.fixture(scope="module")
def parts():
    """The benchmark's modules; they are programs' parts, so they are found by path."""
    before = dict(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        found = {name: importlib.import_module(f"replays.{name}") for name in PARTS}
        spec = importlib.util.spec_from_file_location("search_benchmark", FOLDER / "search.py")
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        yield SimpleNamespace(main=program, **found)
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - set(before):
            if name.partition(".")[0] == "replays":
                del sys.modules[name]


def record_of(scenario, candidates):
    rows = [
        {"candidate": each.label, "parameters": each.parameters, "images_per_second": rate, "mean_iou": curves}
        for each, rate, curves in zip(candidates, PER_SECOND, CURVES, strict=True)
    ]
    training = Training(epochs=3).model_dump(mode="json", exclude={"stem", "seed"})
    return {"classes": "lab7", "budget_gops": scenario.budget_gops, "training": training, "candidates": rows}


@pytest.fixture
def small(parts, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SPACE)
    scenario = parts.tables.load(str(path))
    record = record_of(scenario, parts.tables.candidates(scenario))
    return parts.tables.made(record, name="small", digest="small", space=path)


def regrets(parts, small, name, *, seed=0, budget=9):
    found = parts.strategies.replay(name, small, seed=seed, budget=budget)
    return found, parts.ledger.regret(small, found, budget)


def test_a_table_by_hand(small):
    assert list(small.fits) == [True, True, True, False]
    assert list(small.truth) == pytest.approx([0.2, 0.4, 0.3, 0.9])
    assert small.best == pytest.approx(30)
    assert (small.seeds, small.epochs) == (2, 3)
    assert list(small.over) == pytest.approx([1.5 * -0.7, 1.5 * -0.4, 1.5 * -0.25, 1.5 * 0.5])
    assert sorted(small.rows) == [0, 1, 2]


def test_grid_order_by_hand(parts, small):
    found, curve = regrets(parts, small, "grid-fitting")
    assert (found.rows, found.epochs, found.spent, found.begun) == ((0, 1, 2), (3, 6, 9), 9, 3)
    assert list(curve) == pytest.approx([1, 1, 1, *[1 / 3] * 3, 0, 0, 0, 0])  # 100 x 0.2 of 30, then all of it


def test_the_whole_grid_pays_for_what_does_not_fit_and_gains_nothing_by_it(parts, small):
    found, curve = regrets(parts, small, "grid", budget=13)
    assert (found.rows, found.epochs, found.spent) == ((0, 1, 2, 3), (3, 6, 9, 12), 12)
    assert list(curve[9:]) == [0, 0, 0, 0, 0]


def test_ours_without_halving_by_hand(parts, small):
    """First the largest that fits: 40 x 0.3. Then the cheapest: 100 x 0.2 + 40 x 0.1. Then what is left."""
    found, curve = regrets(parts, small, "ours:exhaustive:none")
    assert (found.rows, found.epochs) == ((2, 0, 1), (3, 6, 9))
    assert list(curve) == pytest.approx([1, 1, 1, *[1 - 12 / 30] * 3, *[1 - 24 / 30] * 3, 0])


def test_ours_with_halving_by_hand(parts, small):
    """Two begin with an epoch each; the cheaper one is the better half and goes on to the end. The third stops."""
    found, curve = regrets(parts, small, "ours:exhaustive:1")
    assert (found.rows, found.epochs, found.spent, found.begun) == ((0,), (4,), 5, 3)
    assert list(curve) == pytest.approx([*[1] * 4, *[1 / 3] * 6])


def test_random_trains_what_fits_once_in_an_order_of_its_seed(parts, small):
    orders = {parts.strategies.replay("random", small, seed=seed, budget=99).rows for seed in range(20)}
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2)}
    assert len(orders) == 6


def test_seeds_take_the_recorded_ones_in_turn(parts, small):
    firsts = []
    for seed in range(4):
        ledger = parts.ledger.Ledger(small, seed=seed, budget=3)
        firsts.append(ledger.whole(0))
    assert firsts == [(0.1, 100.0), (0.3, 100.0), (0.1, 100.0), (0.3, 100.0)]


def test_the_best_epoch_counts_where_the_training_keeps_it(parts, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SPACE)
    scenario = parts.tables.load(str(path))
    record = record_of(scenario, parts.tables.candidates(scenario))
    record["training"]["keep"] = "best"
    small = parts.tables.made(record, name="small", digest="best", space=path)
    assert small.truth[0] == pytest.approx((0.15 + 0.3) / 2)
    assert parts.ledger.Ledger(small, seed=0, budget=3).whole(0)[0] == 0.15


@pytest.mark.parametrize("budget", [2, 8, 40])
def test_no_strategy_spends_more_than_it_has_and_regret_never_grows(parts, small, budget):
    for name in parts.strategies.names():
        found, curve = regrets(parts, small, name, seed=1, budget=budget)
        assert found.spent <= budget, name
        assert all(later <= earlier for earlier, later in pairwise(curve)), name
        assert list(found.epochs) == sorted(found.epochs), name
        if name.startswith("ours"):
            assert 3 not in found.rows, name
            assert len(set(found.rows)) == len(found.rows), name
    with pytest.raises(AssertionError, match="no more epochs than it has"):
        parts.ledger.Ledger(small, seed=0, budget=2).train(0)


@pytest.mark.parametrize("name", ["optuna-random", "optuna-tpe", "optuna-tpe-group", "optuna-nsga2"])
def test_optunas_strategies_are_plain(parts, small, name):
    """They train what does not fit and what they have trained, pay for it, and are the same for the same seed."""
    found, curve = regrets(parts, small, name, budget=60)
    assert (found.spent, found.begun, len(found.rows)) == (60, 20, 20)
    again, over = parts.measures.repeats(small, [found])
    assert again == 20 - len(set(found.rows)) >= 16
    assert over == found.rows.count(3)
    assert curve[-1] == pytest.approx(0)
    assert parts.strategies.replay(name, small, seed=0, budget=60).rows == found.rows


def test_optuna_is_told_the_constraint(parts, small, monkeypatch):
    import optuna

    kept = []
    create = optuna.create_study
    monkeypatch.setattr(optuna, "create_study", lambda **given: kept.append(create(**given)) or kept[-1])
    found = parts.strategies.replay("optuna-random", small, seed=0, budget=60)
    (study,) = kept
    told = [trial.system_attrs[f"constraints:{parts.plain.OVER}"] for trial in study.trials]
    assert told == pytest.approx([small.over[row] for row in found.rows])
    assert {trial.number for trial in study.best_trials} == {
        number for number, row in enumerate(found.rows) if row in (0, 1)
    }  # the last candidate has the best mean IoU, and does not fit


def test_optuna_can_name_every_candidate_of_the_recorded_space_once(parts):
    """Its own enumeration of what a trial is asked ends when every candidate was there, and none twice."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scenario = parts.tables.load(str(parts.tables.SPACE))
    parameters = tuple(each.parameters for each in parts.tables.candidates(scenario))
    asked, rows = parts.plain.Asked(parameters), []

    def objective(trial):
        rows.append(asked.row(trial))
        assert trial.params["head"] == parameters[rows[-1]]["head"]
        return 0.0

    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=0))
    study.optimize(objective, n_trials=2 * len(parameters))
    assert sorted(rows) == list(range(len(parameters)))


def test_an_estimate_holds_its_mean(parts):
    Estimate = parts.measures.Estimate  # noqa: N806
    flat = Estimate.of([0.25] * 5)
    assert (flat.mean, flat.low, flat.high) == (0.25, 0.25, 0.25)
    some = Estimate.of([0.0, 1.0] * 50)
    assert some.mean == 0.5
    assert some.low == pytest.approx(0.4, abs=0.02)  # 0.5 - 1.96 x 0.5 / 10
    assert some.high == pytest.approx(0.6, abs=0.02)
    assert flat.told(100, 1) == "25.0 (25.0 to 25.0)"


def test_who_reaches_what_another_one_has_by_hand(parts, small):
    """Grid order has all after 6 epochs. Ours without halving has it after 9, ours with halving never."""
    grid = parts.strategies.replay("grid-fitting", small, seed=0, budget=9)
    whole = parts.strategies.replay("ours:exhaustive:none", small, seed=0, budget=9)
    halved = parts.strategies.replay("ours:exhaustive:1", small, seed=0, budget=9)
    race = parts.measures.race(small, [whole, halved, grid], [grid] * 3, 9)
    assert list(race.epochs) == [9, 5, 6]  # the second: its whole run
    assert list(race.missed) == [False, True, False]
    assert list(race.itself) == [6, 6, 6]
    assert race.share.mean == pytest.approx(20 / 27)
    assert race.median == pytest.approx(6 / 9)
    assert not race.reached
    early = parts.measures.race(small, [grid], [whole], 9)
    assert early.share.high == pytest.approx(6 / 9)
    assert not early.reached
    assert parts.measures.race(small, [grid], [whole], 18).reached


def test_where_a_mean_curve_crosses_a_level(parts):
    curve = np.array([1.0, 0.5, 0.2, 0.2, 0.1])
    assert parts.measures.crossing(curve, 0.2) == 2
    assert parts.measures.crossing(curve, 0.05) is None


def test_a_replay_is_read_as_it_was_written(parts, small):
    ledger = parts.ledger.Ledger(small, seed=0, budget=9)
    ledger.whole(1)
    made = ledger.replay(0.084499999)
    assert (made.rows, made.spent, made.seconds) == ((1,), 3, 0.0845)
    assert parts.ledger.Replay.of(json.loads(json.dumps(made.record()))) == made


def test_what_a_strategy_may_be_called(parts):
    assert parts.strategies.told("ours") == "ours: tpe, halving"
    assert parts.strategies.told("ours:gp:2,5") == "ours: gp, rungs 2,5"
    assert parts.strategies.told(parts.strategies.WHOLE) == "ours: tpe, no halving"
    with pytest.raises(BudgetnetError, match="there is no strategy 'optuna-tp'; did you mean 'optuna-tpe'"):
        parts.strategies.strategy("optuna-tp")
    with pytest.raises(BudgetnetError, match="sampler must be one of the known ones, but got 'ttpe'"):
        parts.strategies.strategy("ours:ttpe")


def test_a_decision_of_the_large_replay_is_timed_by_thousands(parts):
    cost = parts.flat.measure("random", trials=60, window=20)
    assert len(cost.milliseconds) == 3
    assert all(each > 0 for each in cost.milliseconds)
    assert cost.growth == cost.milliseconds[2] / cost.milliseconds[1]
    told = parts.flat.report([parts.flat.Cost(sampler="random", milliseconds=(1.0, 2.0, 3.0))])
    assert "| random | 1.00 | 2.00 | 3.00 | 1.50: NOT flat |" in told
    assert "1.10: flat" in parts.flat.report([parts.flat.Cost(sampler="x", milliseconds=(9.0, 10.0, 11.0))])


def test_the_formula_of_the_large_replay_by_hand(parts):
    feasible = parts.flat.Feasible(parts.tables.load(str(parts.flat.SPACE)))
    formula = parts.flat.Formula(feasible)
    assert len(feasible) >= 20_000
    assert formula.used[0] == 1
    curve = formula.curve(0, 9)
    assert list(curve) == list(range(1, 10))
    assert curve[3] == pytest.approx(formula.limits[0] * (1 - 0.9 * np.exp(-3 / 3)))
    learnt = 0.25 + 0.4 * (1 - np.exp(-3))
    assert abs(formula.limits[0] - learnt) < 0.05 + 0.05


def test_a_searchs_own_share_by_hand(parts):
    """4 s of its own and 98 epochs of 2 s: 2 %."""
    found = parts.overhead.Overhead(trials=20, epochs=98, searching=3.0, reporting=1.0, busy=2.5)
    assert found.share(2.0) == pytest.approx(0.02)
    told = parts.overhead.report(found, 2.0)
    assert told.startswith("20 trials, 98 epochs: 3.0 s of sampling, storage and progress (30.6 ms an epoch), 1.0 s of")
    assert "2.5 s of all that a processor worked" in told
    assert "is 2.00 %, wanted at most 2 %: reached. It is 2 % where an epoch takes 2.00 s." in told
    assert "2.01 %, wanted at most 2 %: NOT reached" in parts.overhead.report(found, 1.99)


@pytest.mark.slow
def test_a_real_search_is_timed_around_trainings_that_take_no_time(parts):
    found = parts.overhead.measure(trials=4, batches=2)
    assert found.trials == 4
    assert 4 <= found.epochs <= 36
    assert min(found.searching, found.reporting, found.busy) > 0


@pytest.fixture
def recorded(parts, tmp_path):
    """A table of the recorded space with made-up figures, in a file."""
    scenario = parts.tables.load(str(parts.tables.SPACE))
    candidates = parts.tables.candidates(scenario)
    drawn = np.random.default_rng(0)
    rows = []
    for each in candidates:
        ends = drawn.uniform(0.2, 0.6, size=2)
        rows.append(
            {
                "candidate": each.label,
                "parameters": each.parameters,
                "images_per_second": measure(scenario, each).images_per_second,
                "mean_iou": [[round(end * part, 4) for part in (0.5, 0.8, 1.0)] for end in ends],
            }
        )
    training = Training(epochs=3).model_dump(mode="json", exclude={"stem", "seed"})
    record = {"classes": "lab7", "budget_gops": scenario.budget_gops, "training": training, "candidates": rows}
    path = tmp_path / "made-up.json"
    path.write_text(json.dumps(record))
    return path


def test_it_prints_its_tables_and_goes_on(parts, recorded, tmp_path, capsys, monkeypatch):
    given = ["--tables", str(recorded), "--seeds", "3", "--epochs", "60", "--workers", "1", "--results"]
    given += [str(tmp_path / "kept" / "results.jsonl"), "--plot", str(tmp_path / "curves.png")]
    given += ["--strategies", "ours", "ours:random", "optuna-tpe", "random"]
    parts.main.run(given)
    said = capsys.readouterr().out
    assert "## made-up" in said
    for name in ("ours: tpe, halving", "ours: random, halving", "Optuna TPE, budget a soft constraint"):
        assert f"| {name} |" in said
    assert "- made-up: 20 trials of plain TPE, 60 epochs: ours has its hypervolume after" in said
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0] == "table,strategy,epochs,regret"
    assert len(lines) == 1 + 4 * 61
    assert lines[1] == "made-up,ours,0,1.000000"

    def never(*given, **words):
        raise AssertionError("what was replayed is not replayed again")

    monkeypatch.setattr(parts.results.strategies, "replay", never)
    parts.main.run(given)
    assert capsys.readouterr().out == said


def test_what_a_kill_cut_short_is_made_again(parts, recorded, tmp_path, capsys):
    kept = tmp_path / "results.jsonl"
    given = ["--tables", str(recorded), "--seeds", "2", "--epochs", "9", "--workers", "1", "--results", str(kept)]
    given += ["--strategies", "random"]
    parts.main.run(given)
    whole = kept.read_text()
    kept.write_text(whole[: len(whole) - 20])
    assert len(parts.results.read(kept)) == 1
    parts.main.run(given)
    assert len(parts.results.read(kept)) == 2


def test_two_processes_bring_what_one_brings(parts, recorded, tmp_path):
    table = parts.tables.read(recorded)
    orders = parts.results.orders("random", table, seeds=21, budget=30, trials=None)
    one = parts.results.replayed(orders, recorded, workers=1, kept=None)
    two = parts.results.replayed(orders, recorded, workers=2, kept=None)
    assert [one[order].rows for order in orders] == [two[order].rows for order in orders]
    assert len({one[order].rows for order in orders}) == 21


def test_tables_that_are_none(parts, recorded, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"missing\.json cannot be read: No such file"):
        parts.main.run(["--tables", str(tmp_path / "missing.json")])
    other = tmp_path / "other.json"
    record = json.loads(recorded.read_text())
    other.write_text(json.dumps({**record, "candidates": record["candidates"][1:]}))
    with pytest.raises(SystemExit, match=r"a table that record\.py wrote, but got other candidates than those of"):
        parts.main.run(["--tables", str(other)])
    other.write_text("{}")
    with pytest.raises(SystemExit, match=r"must be a table that record\.py wrote, but got 'classes'"):
        parts.main.run(["--tables", str(other)])
    with pytest.raises(SystemExit):
        parts.main.run(["--seeds", "0"])
    assert "must be a number of 1 or more, but got '0'" in capsys.readouterr().err


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_is_whole_and_counted_as_it_is_counted_today(parts, path):
    record, table = json.loads(path.read_text()), parts.tables.read(path)
    candidates = parts.tables.candidates(table.scenario)
    assert len(candidates) >= 200
    assert table.curves.shape == (len(candidates), 3, 9)
    assert np.isfinite(table.curves).all()
    assert ((table.curves >= 0) & (table.curves <= 1)).all()
    assert list(table.labels) == [each.label for each in candidates]
    for candidate, row in zip(candidates, record["candidates"], strict=True):
        planned = measure(table.scenario, candidate)
        assert row["parameters"] == dict(candidate.parameters)
        assert (row["ops"], row["macs"], row["params"]) == (planned.cost.ops, planned.cost.macs, planned.cost.params)
        assert row["images_per_second"] == pytest.approx(planned.images_per_second, rel=1e-9)
        assert row["fits"] == planned.fits
    assert list(table.fits) == [row["fits"] for row in record["candidates"]]
    # whatever fits is among what a search may take, so the true front can be found
    assert pareto.hypervolume(table.points[table.rows]) == pytest.approx(table.best)
    assert table.best > 0
