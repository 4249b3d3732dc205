"""What a plan promises, and that its tables say the same."""

import json
import re
from fractions import Fraction
from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import formats, scenario, units
from budgetnet.count import count
from budgetnet.networks import Candidate
from budgetnet.plan import Plan, plan
from budgetnet.plan import report as plan_report
from budgetnet.plan.demand import Planned
from budgetnet.report import Column, Report, Table, Text
from budgetnet.scenario import InputSize, Scenario

BUILT_IN = ["parking", "rural", "urban"]


def make(**fields: Any) -> Scenario:
    given_ones = {
        "cameras": 4,
        "fps": 15,
        "budget_gops": 70,
        "classes": 7,
        "input": {"height": 64, "width": 96},
        **fields,
    }
    return Scenario.model_validate({"name": "made", **given_ones})


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Tasks of every size: for some everything fits, for some nothing, for most it is close."""
    small_space = {
        "depth_multiplier": draw(st.lists(st.sampled_from([0.25, 0.3, 0.5, 1.0]), min_size=1, max_size=2, unique=True)),
        "final_endpoint": [draw(st.sampled_from(["Conv2d_3_pointwise", "Conv2d_11_pointwise", "Conv2d_13_pointwise"]))],
        "classifier_kernel": draw(st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True)),
        "classifier_depth": draw(st.lists(st.integers(1, 1024), min_size=1, max_size=2, unique=True)),
    }
    return make(
        cameras=draw(st.integers(1, 16)),
        fps=draw(st.sampled_from([0.1, 7.5, 15, 29.97, 30, 59.94]) | st.floats(1e-3, 1e4)),
        budget_gops=draw(st.floats(1e-3, 500)),
        classes=draw(st.integers(2, 20)),
        input={"height": draw(st.integers(32, 100)), "width": draw(st.integers(32, 100))},
        search_space=small_space,
    )


@pytest.fixture(scope="module", params=BUILT_IN)
def made(request: pytest.FixtureRequest) -> Plan:
    return plan(scenario.load(request.param))


@pytest.fixture(scope="module")
def parking() -> Plan:
    return plan(scenario.load("parking"))


@pytest.fixture(scope="module")
def impossible() -> Plan:
    return plan(make(cameras=8, fps=60, budget_gops=0.5))


# --- what a plan promises


@settings(max_examples=40, deadline=None, derandomize=True)
@given(scenarios())
def test_figures_of_a_candidate_agree(asked: Scenario) -> None:
    budget = asked.available
    for planned in plan(asked).candidates:
        required = planned.cost.ops * asked.images_per_second
        assert planned.fits == (planned.cost.ops <= asked.operations_limit) == (required <= budget)
        (figures,) = planned.figures
        assert planned.cost.ops == figures.stem.ops + figures.head.ops
        assert planned.cost.ops == 2 * planned.cost.macs + planned.cost.bias_adds
        assert planned.params == figures.stem.params + figures.head.params
        assert planned.required_gops == float(required / units.GIGA)
        assert planned.headroom_gops + planned.required_gops == pytest.approx(asked.budget_gops)
        assert planned.utilisation == pytest.approx(planned.required_gops / asked.budget_gops)
        assert planned.utilisation <= 1 if planned.fits else planned.utilisation >= 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(scenarios())
def test_highest_frame_rate_fits_and_none_above_does(asked: Scenario) -> None:
    budget = asked.available
    for planned in plan(asked).candidates:
        per_frame = planned.cost.ops * asked.cameras
        assert Fraction(planned.max_fps) * per_frame <= budget
        assert Fraction(nextafter(planned.max_fps, inf)) * per_frame > budget
        shown = Fraction(units.at_most(planned.max_fps).replace(",", ""))
        assert shown * per_frame <= budget


@settings(max_examples=40, deadline=None, derandomize=True)
@given(scenarios())
def test_best_are_those_that_no_other_one_exceeds(asked: Scenario) -> None:
    made = plan(asked)

    def covers(one: Planned, other: Planned) -> bool:
        mine, theirs = one.candidate.parameters, other.candidate.parameters
        return all(
            mine[name] == theirs[name] if isinstance(mine[name], str) else mine[name] >= theirs[name]  # type: ignore[operator]
            for name in mine
        )

    assert bool(made.best) == bool(made.fitting)
    for best in made.best:
        assert best.fits
        assert [other for other in made.fitting if covers(other, best)] == [best]
    assert all(any(covers(best, planned) for best in made.best) for planned in made.fitting)


def test_order_is_what_fits_first_then_from_the_most_operations_to_the_fewest(made: Plan) -> None:
    fitting = [planned for planned in made.candidates if planned.fits]
    over = [planned for planned in made.candidates if not planned.fits]
    assert made.candidates == (*fitting, *over)
    assert made.fitting == tuple(fitting)
    for group in (fitting, over):
        ops = [planned.cost.ops for planned in group]
        assert ops == sorted(ops, reverse=True)


def test_budget_that_is_met_exactly_fits_and_one_operation_less_does_not() -> None:
    space = {"depth_multiplier": [0.5], "final_endpoint": ["Conv2d_13_pointwise"], "classifier_kernel": [7]}
    asked = {"fps": 20, "search_space": {**space, "classifier_depth": [1024]}, "input": {"height": 320, "width": 480}}
    exact = 1_139_482_650 * 80
    for ops, fits in ((exact + 1, True), (exact, True), (exact - 1, False)):
        (only,) = plan(make(budget_gops=ops / 1e9, **asked)).candidates
        assert make(budget_gops=ops / 1e9).available == ops
        assert only.fits is fits
        assert (only.max_fps >= 20) is fits


def test_frame_rates_are_taken_as_written() -> None:
    asked = make(cameras=3, fps=29.97, budget_gops=0.1)
    assert asked.images_per_second == Fraction(8991, 100)
    assert asked.operations_limit == 10**8 * 100 // 8991


# --- the verdict


def test_verdict_of_parking(parking: Plan) -> None:
    assert parking.verdict == (
        "33 of 72 candidates fit 70 GOPS at 60 images per second (1,166,666,666 operations per image). The largest is "
        "0.5 / Conv2d_13_pointwise / fcn / 7 / 1024 with 68.4 GOPS, 97.7 % of the budget."
    )


def test_verdict_of_an_impossible_task_names_the_limit_and_what_would_fit(impossible: Plan) -> None:
    assert impossible.fitting == impossible.best == ()
    assert impossible.verdict.startswith(
        "Nothing fits: none of 72 candidates fits 0.5 GOPS at 480 images per second (1,041,666 operations per image). "
        "The binding limit is budget_gops: the smallest candidate, 0.25 / "
    )


@pytest.mark.parametrize(("cameras", "fps"), [(8, 60), (1000, 10), (3, 9999.5), (1, 29.97)])
def test_what_the_verdict_says_would_fit_does(cameras: int, fps: float) -> None:
    asked = make(cameras=cameras, fps=fps, budget_gops=0.2)
    verdict = plan(asked).verdict
    promised = re.search(r"would fit (?:(\d+) cameras? at \S+ fps, or )?(\d+) cameras? at ([\d,.]+) fps\.$", verdict)
    assert promised, verdict
    fewer, same, slower = promised.groups()
    assert int(same) == cameras
    rate = float(slower.replace(",", ""))
    assert plan(make(cameras=cameras, fps=rate, budget_gops=0.2)).fitting
    if fewer:
        assert plan(make(cameras=int(fewer), fps=fps, budget_gops=0.2)).fitting
        assert not plan(make(cameras=int(fewer) + 1, fps=fps, budget_gops=0.2)).fitting


def test_verdict_promises_no_frame_rate_of_zero() -> None:
    asked = make(cameras=1000, fps=1000, budget_gops=1e-9)
    assert plan(asked).verdict.endswith(" It would fit 1000 cameras at 0.00000000007 fps.")


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (15.3578, 1, "15.3"),
        (15.3578, 2, "15.35"),
        (0.999, 1, "0.9"),
        (0.0042, 1, "0.004"),
        (5e-324, 1, f"0.{'0' * 323}5"),
        (1234567.89, 1, "1,234,567.8"),
        (30.0, 1, "30.0"),
        (0.3, 1, "0.3"),
    ],
)
def test_rounding_down(value: float, digits: int, text: str) -> None:
    assert units.at_most(value, digits) == text
    assert float(units.at_most(value, digits).replace(",", "")) <= value


# --- the tables


def table(report: Report, key: str) -> Table:
    (found,) = [each for each in report.tables if each.key == key]
    return found


def column(found: Table, key: str) -> Column:
    (only,) = [each for each in found.columns if each.key == key]
    return only


def test_blocks_come_in_order(made: Plan) -> None:
    report = plan_report.report(made)
    shown = [block.key if isinstance(block, Table) else "text" for block in report.blocks]
    assert [key for key in shown if key != "text"] == [
        "plan-stem",
        "plan-head",
        "plan-candidates",
        "plan-best",
        "plan-memory",
        "plan-answers",
    ]
    assert report.blocks[0] == Text(text=f"Verdict: {made.verdict}")
    assert [each.key for each in report.tables] == [
        "plan-candidates",
        "plan-stem",
        "plan-head",
        "plan-memory",
        "plan-answers",
    ]
    assert report.title == f"Plan of scenario {made.scenario.name}"


def test_candidate_table_for_machines_holds_every_candidate_exactly(made: Plan) -> None:
    found = table(plan_report.report(made, rows=plan_report.SHORT), "plan-candidates")
    assert len(found.rows) == len(made.candidates)
    for row, planned in zip(found.rows, made.candidates, strict=True):
        assert {name: row[name] for name in planned.candidate.parameters} == planned.candidate.parameters
        shared = row.keys() & planned.record().keys()
        assert shared >= {"macs", "ops", "params", "required_gops", "utilisation", "headroom_gops", "max_fps", "fits"}
        assert all(row[key] == planned.record()[key] for key in shared)
        assert row["memory_mb"] == (planned.weight_bytes + planned.peak_bytes) / 1e6
    keys = {each.key for each in found.columns}
    named = {"output_stride", "input_scale", "upsampling"}  # told only where not all have the default
    parameters = made.candidates[0].candidate.parameters.keys() - named
    assert keys >= {*parameters, "macs", "ops", "params", "max_fps", "fits"}


def test_stem_and_head_of_every_candidate_stand_in_their_tables(made: Plan) -> None:
    report = plan_report.report(made)
    stems, heads = table(report, "plan-stem").rows, table(report, "plan-head").rows
    stem_names = ["depth_multiplier", "final_endpoint"]
    head_names = ["final_endpoint", "head", "classifier_kernel", "classifier_depth"]
    for planned in made.candidates:
        chosen = {**planned.candidate.parameters, "classes": made.scenario.class_count}
        (stem,) = [row for row in stems if all(row[name] == chosen[name] for name in stem_names)]
        (head,) = [row for row in heads if all(row[name] == chosen[name] for name in [*head_names, "classes"])]
        assert stem["ops"] + head[f"ops_at_{chosen['depth_multiplier']}"] == planned.cost.ops
        assert stem["required_gops"] == pytest.approx(stem["ops"] * made.scenario.images_per_second / 1e9)
        assert stem["utilisation"] == pytest.approx(stem["required_gops"] / made.scenario.budget_gops)
    listed = [planned.candidate.parameters for planned in made.candidates]
    assert len(stems) == len({tuple(chosen[name] for name in stem_names) for chosen in listed})
    counts = {row["classes"] for row in heads}
    assert counts >= {2, 7, 11, 19, made.scenario.class_count}
    different = {tuple(chosen[name] for name in head_names) for chosen in listed}
    assert len(heads) == len(different) * len(counts)


def test_head_table_counts_heads_for_each_number_of_classes(parking: Plan) -> None:
    for row in table(plan_report.report(parking), "plan-head").rows[::7]:
        values = {name: row[name] for name in ("final_endpoint", "head", "classifier_kernel", "classifier_depth")}
        candidate = Candidate.of("mobilenet-fcn", {**values, "depth_multiplier": 0.75})
        assert (
            row["ops_at_0.75"] == count(candidate.graph(classes=row["classes"], height=320, width=480)).part("head").ops
        )


def test_short_table_holds_those_nearest_to_the_limit(parking: Plan) -> None:
    (short,) = [
        block
        for block in plan_report.report(parking, rows=plan_report.SHORT).blocks
        if isinstance(block, Table) and block.key == "plan-candidates"
    ]
    assert short.title == "Candidates nearest to the limit (60 more in the report)"
    fits = [row["fits"] for row in short.rows]
    assert fits == [True] * 8 + [False] * 4
    assert [row["ops"] for row in short.rows if row["fits"]] == [planned.cost.ops for planned in parking.fitting[:8]]
    over = sorted(planned.cost.ops for planned in parking.candidates if not planned.fits)
    assert sorted(row["ops"] for row in short.rows if not row["fits"]) == over[:4]


def test_best_candidates_are_marked(parking: Plan) -> None:
    found = table(plan_report.report(parking), "plan-candidates")
    assert [row for row in found.rows if found.marked(row)] == [row for row in found.rows if row["best"]]
    assert sum(row["best"] for row in found.rows) == len(parking.best)


def test_candidate_table_for_machines_tells_the_best(parking: Plan) -> None:
    found = table(plan_report.report(parking), "plan-candidates")
    assert column(found, "best").text(found.rows[0]) == "yes"
    header, *lines = formats.text(plan_report.report(parking), "csv").splitlines()
    assert header.endswith(",fits,best")
    assert sum(line.endswith(",true,true") for line in lines) == len(parking.best)


def test_named_candidates_have_a_table_for_machines_where_there_are_any(parking: Plan) -> None:
    named = [parking.candidates[40], parking.candidates[2]]
    report = plan_report.report(parking, named=named)
    found = table(report, "plan-named")
    assert [row["ops"] for row in found.rows] == [planned.cost.ops for planned in named]
    assert [each.key for each in found.columns] == [each.key for each in table(report, "plan-candidates").columns]
    assert "plan-named" not in {each.key for each in plan_report.report(parking).tables}


def test_answers_for_machines_hold_plain_values(parking: Plan) -> None:
    rows = {row["question"]: row for row in table(plan_report.report(parking), "plan-answers").rows}
    assert (rows["fps"]["answer_value"], rows["fps"]["next_value"]) == (15.35, 15.36)
    assert (rows["cameras"]["answer_value"], rows["cameras"]["next_value"]) == (4, 5)
    assert re.fullmatch(r"\d+x\d+", rows["size"]["answer_value"])
    for row in rows.values():
        number = str(row["answer_value"]).replace("x", " x ")
        assert row["answer"].replace(",", "").startswith(number)


GROUP = {"count": 2, "fps": 10, "input": {"height": 64, "width": 96}}
SEVERAL = {"cameras": [{**GROUP, "name": "front"}, {**GROUP, "name": "rear"}], "budget_gops": 70, "classes": 7}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("reserve", "right", "wrong"), [(0.0, "% of budget", "% of available"), (0.2, "% of available", "% of budget")]
)
def test_shares_are_named_after_what_they_are_shares_of(several: bool, reserve: float, right: str, wrong: str) -> None:
    made = plan(
        Scenario.model_validate({"name": "made", **SEVERAL, "reserve": reserve}) if several else make(reserve=reserve)
    )
    report = plan_report.report(made, named=made.candidates[-1:])
    tables = [*report.tables, *(block for block in report.blocks if isinstance(block, Table))]
    shares = [each.heading for found in tables for each in found.columns if each.key.endswith("utilisation")]
    assert len(shares) >= 9
    assert set(shares) == {right}
    for name in ("markdown", "table"):
        assert wrong not in " ".join(formats.text(report, name).split())


def test_memory_is_told_in_plain_words(parking: Plan) -> None:
    headings = [each.heading for each in table(plan_report.report(parking), "plan-memory").columns]
    assert headings == ["precision", "weights", "activations", "peak activations", "total"]


def test_cells_as_people_read_them(parking: Plan) -> None:
    found = table(plan_report.report(parking), "plan-candidates")
    largest = found.rows[0]
    shown = {each.key: each.text(largest) for each in found.columns}
    assert shown["depth_multiplier"] == "0.5"
    assert shown["ops"] == "1,139,482,650"
    assert (shown["required_gops"], shown["utilisation"], shown["headroom_gops"]) == ("68.4", "97.7", "1.6")
    assert (shown["max_fps"], shown["fits"]) == ("15.3", "yes")
    assert column(found, "fits").text(found.rows[-1]) == "no"
    heads = table(plan_report.report(parking), "plan-head")
    assert [each.heading for each in heads.columns[-4:]] == [
        f"operations at {value}" for value in ("0.25", "0.5", "0.75", "1")
    ]


def test_impossible_plan_is_reported_too(impossible: Plan) -> None:
    report = plan_report.report(impossible, rows=plan_report.SHORT)
    assert all(block.key != "plan-best" for block in report.blocks if isinstance(block, Table))
    assert "The binding limit is budget_gops" in formats.text(report, "markdown")


def test_scenario_is_introduced(parking: Plan) -> None:
    texts = [block.text for block in plan_report.report(parking).blocks if isinstance(block, Text)]
    assert texts[1] == parking.scenario.description
    assert texts[2].startswith(
        "4 cameras x 15 fps = 60 images per second of 320 x 480 pixels, 7 classes, mobilenet-fcn. "
        "Budget 70 GOPS = 1,166,666,666 operations per image."
    )
    assert "DRIVE PX 2" in texts[3]
    rural = plan_report.report(plan(make(cameras=1, input=InputSize(height=64, width=64).model_dump())))
    assert isinstance(rural.blocks[1], Text)
    assert rural.blocks[1].text.startswith("1 camera x 15 fps")


@pytest.mark.parametrize("name", formats.names())
def test_plan_in_every_format_the_same_twice(parking: Plan, name: str) -> None:
    again = plan(scenario.load("parking"))
    assert formats.files(plan_report.report(parking), name) == formats.files(plan_report.report(again), name)


def test_record_goes_to_json_and_back(made: Plan) -> None:
    record = plan_report.report(made).record
    assert json.loads(formats.text(plan_report.report(made), "json")) == record
    assert record["fitting"] == sum(each["fits"] for each in record["candidates"])
    assert record["best"] == [planned.candidate.parameters for planned in made.best]
