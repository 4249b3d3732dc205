"""Two plans side by side: what differs, and that every figure is that of the plans themselves."""

import json
from fractions import Fraction
from typing import Any

import pytest

from budgetnet import formats, scenario
from budgetnet.plan import measure, plan
from budgetnet.plan import versus_report as versus
from budgetnet.plan.versus import Versus
from budgetnet.report import Report, Table


def compared(before: str, **fields: Any) -> Versus:
    old = scenario.load(before)
    return Versus(before=plan(old), after=plan(old.changed(**fields)))


def between(before: dict[str, Any], after: dict[str, Any]) -> Report:
    """What is said of two scenarios that differ from parking by these fields."""
    old, new = (plan(scenario.load("parking").changed(**fields)) for fields in (before, after))
    return versus.report(Versus(before=old, after=new))


def told(report: Report, key: str) -> list[tuple[str, ...]]:
    """The rows of a table as people read them."""
    (table,) = [block for block in report.blocks if isinstance(block, Table) and block.key == key]
    return [tuple(column.text(row) for column in table.columns) for row in table.rows]


def test_what_was_changed_is_told() -> None:
    held = Versus(before=plan(scenario.load("parking")), after=plan(scenario.load("urban")))
    assert told(versus.report(held), "changes") == [
        ("budget_gops", "70", "300"),
        ("cameras", "4 x 15 fps, 320 x 480", "4 x 30 fps, 320 x 480"),
    ]


def test_changes_are_plain_data_for_programs() -> None:
    space = {"depth_multiplier": [0.5]}
    record = json.loads(formats.text(between({}, {"fps": 30, "budget_mb": 9, "search_space": space}), "json"))
    cameras = {"count": 4, "fps": 15.0, "height": 320, "width": 480}
    assert record["changes"] == [
        {"field": "budget_mb", "before": None, "after": 9.0},
        {"field": "cameras", "before": cameras, "after": {**cameras, "fps": 30.0}},
        {"field": "search_space.depth_multiplier", "before": [0.25, 0.5, 0.75, 1.0], "after": [0.5]},
    ]
    figures = {figure.pop("what"): figure for figure in record["figures"]}
    assert figures["images per second"] == {"before": 60.0, "after": 120.0, "change": 60.0}
    assert figures["candidates that fit"]["change"] < 0
    values = [value for name, figure in figures.items() if "largest" not in name for value in figure.values()]
    assert {type(value) for value in values} == {int, float}


def test_groups_named_like_fields_hide_no_change() -> None:
    groups = [{"name": "budget_gops"}, {"name": "precision"}]
    report = between({"cameras": groups, "budget_mb": 30}, {"cameras": groups, "budget_mb": 30, "budget_gops": 300})
    assert told(report, "changes") == [("budget_gops", "70", "300")]
    report = between({"cameras": groups}, {"cameras": [groups[0], {"name": "precision", "count": 2}]})
    one = "1 x 15 fps, 320 x 480"
    assert told(report, "changes") == [("group precision", one, one.replace("1", "2", 1))]


@pytest.mark.parametrize(
    ("field", "before", "after", "rows"),
    [
        ("budget_gops", 100000.1, 100000.4, ("100,000.1", "100,000.4")),
        ("budget_mb", 9.00000001, 9.00000002, ("9.00000001", "9.00000002")),
        ("fps", 29.9700001, 29.97, ("4 x 29.9700001 fps, 320 x 480", "4 x 29.97 fps, 320 x 480")),
        ("search_space", {"depth_multiplier": 0.5}, {"depth_multiplier": 0.50000001}, ("0.5", "0.50000001")),
    ],
)
def test_values_that_nearly_are_the_same_are_told_apart(
    field: str, before: Any, after: Any, rows: tuple[str, str]
) -> None:
    report = between({field: before}, {field: after})
    assert [row[1:] for row in told(report, "changes")] == [rows]


def test_figures_that_nearly_are_the_same_are_told_apart() -> None:
    report = between({"budget_gops": 100000.00001}, {"budget_gops": 100000.00004})
    assert ("available GOPS", "100,000.00001", "100,000.00004", "+0.00003") in told(report, "figures")


def test_long_lists_of_values_are_compared_value_by_value() -> None:
    values = [*range(1, 20)]
    others = [7 if value == 8 else value for value in values if value != 7]

    def depths(values: list[int]) -> dict[str, Any]:
        return {"search_space": {"classifier_depth": values, "depth_multiplier": 0.5, "classifier_kernel": 3}}

    ((_, before, after),) = told(between(depths(values), depths(others)), "changes")
    assert before == "1, 2, 3, ... 19 (19 values; only here 8)"
    assert after == "1, 2, 3, ... 19 (18 values)"
    ((_, before, after),) = told(between(depths([*values, 40, 41]), depths([*values[:-1], 39, 40, 41])), "changes")
    assert before == "1, 2, 3, ... 41 (21 values; only here 19)"
    assert after == "1, 2, 3, ... 41 (21 values; only here 39)"
    ((_, before, after),) = told(between(depths(values), depths([1, 2, 3, 5, 4, *values[5:]])), "changes")
    assert after == before == "1, 2, 3, ... 19 (19 values; in another order)"


def test_whole_numbers_stay_whole() -> None:
    held = Versus(before=plan(scenario.load("parking")), after=plan(scenario.load("urban")))
    report = versus.report(held)
    rows = {what: values for what, *values in told(report, "figures")}
    assert rows["parameters of the largest that fits"] == ["1,576,871", "2,849,527", "+1,272,656"]
    assert rows["candidates"] == ["72", "72", "0"]
    assert rows["GOPS of the largest that fits"] == ["68.369", "275.674", "+207.305"]
    figures = {figure["what"]: figure for figure in report.record["figures"]}
    assert figures["parameters of the largest that fits"]["after"] == 2_849_527
    assert figures["GOPS of the smallest"]["change"] == pytest.approx(19.34, abs=0.01)


def test_nothing_that_fits_is_told() -> None:
    report = between({}, {"budget_gops": 0.001})
    rows = {what: values for what, *values in told(report, "figures")}
    assert rows["parameters of the largest that fits"] == ["1,576,871", "none", ""]
    assert rows["available GOPS"] == ["70", "0.001", "-69.999"]
    figures = {figure["what"]: figure for figure in report.record["figures"]}
    assert figures["GOPS of the largest that fits"]["after"] is None
    assert "The largest that fits now is" not in report.record["verdict"]
    assert "The largest that fits now is 0.5 / " in between({"budget_gops": 0.001}, {}).record["verdict"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (1, 1, ("1", "1")),
        (1_000_000, 1_000_001, ("1,000,000", "1,000,001")),
        (None, 3, ("none", "3")),
        (Fraction(1, 3), Fraction(1, 3), ("0.333", "0.333")),
        (Fraction(1, 3), Fraction(10001, 30000), ("0.3333", "0.3334")),
        (Fraction(-1, 3), Fraction(-1, 3) - Fraction(1, 10**19), ("-0." + "3" * 19, "-0." + "3" * 18 + "4")),
        (Fraction(0), Fraction(-1, 2000000), ("0", "-0.0000005")),
        (Fraction(1, 10**7), Fraction(123456, 10**12), ("0.0000001", "0.000000123")),
        (Fraction(10**9), Fraction(10**9) + Fraction(1, 1000), ("1,000,000,000", "1,000,000,000.001")),
    ],
)
def test_numbers_are_shown_with_enough_digits_to_tell_them_apart(
    before: Any, after: Any, said: tuple[str, str]
) -> None:
    assert versus.apart(before, after) == said


def test_nothing_changed() -> None:
    held = compared("parking")
    assert held.changes == []
    assert versus.verdict(held, held.pairs()).endswith("and still fits.")
    assert "Of those that both plan, 0 fit no longer, 0 do only now." in versus.verdict(held, held.pairs())


def test_lost_and_gained_are_counted() -> None:
    held = compared("parking", fps=30)
    before = {each.candidates for each in held.before.fitting}
    after = {each.candidates for each in held.after.fitting}
    assert after < before
    assert f"{len(before - after)} fit no longer, 0 do only now" in versus.verdict(held, held.pairs())
    assert "instead of 68.4 (+100.0 %) and no longer fits (budget_gops)." in versus.verdict(held, held.pairs())


@pytest.mark.parametrize(
    "fields",
    [
        {"fps": 29.97},
        {"classes": 19},
        {"input": {"height": 640}},
        {"contention": 1.2, "reserve": 0.1},
        {"budget_mb": 9, "precision": "fp16"},
        {"search_space": {"depth_multiplier": [0.5, 0.6]}},
    ],
)
def test_every_figure_is_that_of_the_two_plans(fields: dict[str, Any]) -> None:
    held = compared("parking", **fields)
    pairs = held.pairs()
    assert {new.candidates for _, new in pairs} >= {each.candidates for each in (*held.before.best, *held.after.best)}
    rows = versus.report(held).tables[0].rows
    assert len(rows) == len(pairs)
    for (old, new), row in zip(pairs, rows, strict=True):
        assert old.candidates == new.candidates
        assert old.record() == measure(held.before.scenario, *old.candidates).record()
        assert new.record() == measure(held.after.scenario, *new.candidates).record()
        assert row["change_gops"] == new.required_gops - old.required_gops
        assert (row["fits_before"], row["fits_after"]) == (old.fits, new.fits)


def test_named_candidates_are_shown() -> None:
    before, after = (plan(scenario.load(name)) for name in ("parking", "urban"))
    named = after.candidates[-1]
    report = versus.report(Versus(before=before, after=after, named=[named]))
    (shown,) = [block for block in report.blocks if isinstance(block, Table) and block.key == "plan-against"]
    assert named.label in [row["candidate"] for row in shown.rows]
    assert len({column.text(row) for row in shown.rows for column in shown.columns[:1]}) > 1


def test_networks_that_are_not_the_same_are_not_compared() -> None:
    held = compared("parking", cameras=[{"name": "front", "network": "mobilenet-fcn"}, {"name": "side"}])
    assert not held.comparable
    assert held.pairs() == []
    report = versus.report(held)
    changed = {change.field for change in held.changes}
    assert {"network of front", "network of shared", "group front", "group side", "cameras"} <= changed
    assert (
        "The networks are not the same (mobilenet-fcn before, shared mobilenet-fcn, front mobilenet-fcn now), "
        "so no candidate of one can be measured in the other."
    ) in report.record["verdict"]
    assert json.loads(formats.text(report, "json"))["candidates"] == []


@pytest.mark.parametrize("name", ["markdown", "csv", "json", "table"])
def test_report_in_every_format(name: str) -> None:
    held = compared("urban", budget_gops=1500, fps=300)
    text = formats.text(versus.report(held), name)
    assert text
    if name == "table":
        assert max(map(len, text.splitlines())) <= 120
        title, *lines = text.partition("The same candidates before and after; ")[2].splitlines()
        assert title.startswith("head fcn, classifier kernel 7")
        rows = [line.split() for line in lines if "─" not in line and "_pointwise" in line]
        assert len(rows) == len({each.candidates for each in held.notable()})
        assert {(len(row), row[-1] in ("yes", "no")) for row in rows} == {(len(rows[0]), True)}  # each on one line


def test_memory_is_told_where_it_is_what_changes() -> None:
    held = compared("parking", budget_mb=9, precision="fp16")
    figures = {row["what"]: row for row in json.loads(formats.text(versus.report(held), "json"))["figures"]}
    lightest = figures["MB of the one of the least memory"]
    assert lightest["before"] == pytest.approx(held.before.lightest.memory_mb)
    assert lightest["after"] == pytest.approx(held.after.lightest.memory_mb)
    assert lightest["after"] < lightest["before"]
