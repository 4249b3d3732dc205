"""Two plans side by side: what differs, and that every figure is that of the plans themselves."""

import json
from typing import Any

import pytest

from budgetnet import formats, scenario
from budgetnet.plan import measure, plan, versus
from budgetnet.plan.versus import Versus
from budgetnet.report import Table


def compared(before: str, **fields: Any) -> Versus:
    old = scenario.load(before)
    return Versus(before=plan(old), after=plan(old.changed(**fields)))


def test_what_was_changed_is_told() -> None:
    held = Versus(before=plan(scenario.load("parking")), after=plan(scenario.load("urban")))
    assert held.changes == [
        ("budget_gops", "70", "300"),
        ("cameras", "4 x 15 fps, 320 x 480", "4 x 30 fps, 320 x 480"),
    ]


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


def test_networks_that_are_not_the_same_are_not_compared() -> None:
    held = compared("parking", cameras=[{"name": "front", "network": "mobilenet-fcn"}, {"name": "side"}])
    assert not held.comparable
    assert held.pairs() == []
    report = versus.report(held)
    assert {"front network", "shared network", "front", "side"} <= {change[0] for change in held.changes}
    assert json.loads(formats.text(report, "json"))["candidates"] == []


@pytest.mark.parametrize("name", ["markdown", "csv", "json", "table"])
def test_report_in_every_format(name: str) -> None:
    held = compared("urban", budget_gops=150)
    text = formats.text(versus.report(held), name)
    assert text
    if name == "table":
        assert max(map(len, text.splitlines())) <= 120
