"""What people see of a plan: no wider than the screen in usual cases, no longer than they read, and nothing cut."""

import re
from functools import cache
from typing import Any

import pytest

from budgetnet import formats
from budgetnet.formats.table import least_width
from budgetnet.plan import LISTED, Plan, parts, people, plan
from budgetnet.plan import report as plan_report
from budgetnet.plan.parts import nearest, stem_table
from budgetnet.plan.tables import Tables
from budgetnet.report import Column, Report, Table, Text
from budgetnet.scenario import Scenario

SMALL = {"depth_multiplier": [0.25, 0.5], "classifier_kernel": [3, 7], "classifier_depth": [256]}
TINY = {**SMALL, "depth_multiplier": [0.25], "classifier_kernel": [3], "final_endpoint": ["Conv2d_13_pointwise"]}
SIZE = {"height": 64, "width": 96}
MANY = {"depth_multiplier": {"from": 0.1, "to": 1, "step": 0.01}}


def make(cameras: Any = 4, **fields: Any) -> Scenario:
    alike = {"fps": 15, "input": SIZE} if isinstance(cameras, int) else {}
    values = {"cameras": cameras, "budget_gops": 20, "classes": 7, "search_space": SMALL, **alike, **fields}
    return Scenario.model_validate({"name": "made", **values})


def groups(number: int, own: Any = None) -> list[dict[str, Any]]:
    names = ["front", "surround", "rear", "interior", *(f"camera{place}" for place in range(5, 40))]
    more = {"network": "mobilenet-fcn", "search_space": own} if own else {}
    return [{"name": name, "count": 2, "fps": 29.97, "input": SIZE, **more} for name in names[:number]]


USUAL = {
    "one_network": make(),
    **{f"{number}_groups": make(groups(number)) for number in (2, 3, 4)},
    **{f"{number}_networks": make(groups(number, SMALL if number < 3 else TINY)) for number in (2, 3, 4)},
    "many_cameras": make([{**each, "count": 64, "fps": 1000} for each in groups(4)], budget_gops=1e6),
    "memory": make(groups(3, TINY), budget_mb=30, reserve=0.2),
}
WIDE = {
    "32_groups": make(groups(32)),
    "32_networks": make(groups(32, TINY)),
    "many_multipliers": make(search_space=MANY),
}


@cache
def planned(name: str) -> tuple[Plan, Tables]:
    made = plan({**USUAL, **WIDE}[name])
    return made, Tables.of(made, made.candidates[:1])


def screen(made: Plan, rows: int | None = people.SHORT, tables: Tables | None = None) -> Report:
    return plan_report.report(made, rows=rows, named=made.candidates[:1], tables=tables)


def reported(name: str, rows: int | None = people.SHORT) -> Report:
    made, tables = planned(name)
    return screen(made, rows, tables)


@pytest.mark.parametrize("name", USUAL)
def test_usual_plans_fit_the_screen(name: str) -> None:
    text = formats.text(reported(name), "table")
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.usefixtures("another_head")
def test_plan_of_two_heads_fits_the_screen() -> None:
    made = plan(make(search_space={"head": ["fcn", "wide"]}, input={"height": 320, "width": 480}))
    text = formats.text(screen(made), "table")
    assert max(map(len, text.splitlines())) <= 120
    assert {"fcn", "wide"} <= set(text.split())


@pytest.mark.parametrize("rows", [people.SHORT, people.LONG, None])
@pytest.mark.parametrize("name", [*USUAL, *WIDE])
def test_every_figure_of_every_table_is_on_the_screen(name: str, rows: int | None) -> None:
    report = reported(name, rows)
    for block in report.blocks:
        if isinstance(block, Table):
            alone = Report(key="r", title="", blocks=[block], tables=[], record={})
            words = formats.text(alone, "table").split()
            for column in block.columns:
                assert set(" ".join(column.text(row) for row in block.rows).split()) <= set(words)
                assert set(column.heading.split()) <= set(words)


def test_plan_of_many_groups_and_networks_fits_the_screen_too() -> None:
    blocks = {block.key: block for block in reported("32_networks").blocks if isinstance(block, Table)}
    assert least_width(blocks["plan-candidates"]) <= people.SCREEN
    assert [column.heading for column in blocks["plan-candidates"].columns][:2] == ["networks", "GOPS"]
    assert blocks["plan-candidates"].rows[0]["label"].startswith("front 0.25 / ")
    assert least_width(blocks["plan-memory"]) <= people.SCREEN
    assert blocks["plan-memory"].title.endswith("; more columns in the report")


def test_what_is_needed_least_leaves_first() -> None:
    columns = [Column(key=key, heading=key * 10) for key in ("a:1", "b", "a:2", "c")]
    table = Table(key="t", title="T", columns=columns, rows=[])
    assert people.narrow(table, "a:", "b") is table
    wide = Table(key="t", title="T", columns=[*columns, Column(key="d", heading="d" * 60)], rows=[])
    assert [each.key for each in people.narrow(wide, "a:", "b").columns] == ["b", "c", "d"]
    assert people.narrow(wide, "a:", "b").title == "T; more columns in the report"


def test_report_on_paper_keeps_every_column() -> None:
    report = reported("32_networks", people.LONG)
    (shown,) = [block for block in report.blocks if isinstance(block, Table) and block.key == "plan-candidates"]
    assert sum(column.key.startswith("gops:") for column in shown.columns) == 32


# --- rows


def test_stems_for_people_are_those_nearest_to_the_limit() -> None:
    made = plan(make(search_space=MANY, input={"height": 320, "width": 480}, budget_gops=70))
    full = stem_table(made)
    assert len(full.rows) == 182
    shown = people.stems(full, people.SHORT)
    assert shown.title == "Stem: operations per image; nearest to the limit (158 more in plan-stem.csv)"
    shares = [row["utilisation"] for row in shown.rows]
    assert (len(shares), sum(share <= 1 for share in shares)) == (24, 16)
    others = [row["utilisation"] for row in full.rows if row not in shown.rows]
    assert not [share for share in others if min(shares) < share < max(shares)]
    assert people.stems(full, None) is people.stems(full, people.LONG) is full


@pytest.mark.parametrize(
    ("shares", "most", "expected"),
    [
        ([0.5, 2, 0.9, 1, 1.1], 3, [2, 3, 4]),
        ([0.5, 2, 0.9, 1, 1.1], 5, [0, 1, 2, 3, 4]),
        ([0.1, 0.2, 0.3], 2, [1, 2]),
        ([4, 3, 2], 2, [1, 2]),
        ([4, 3, 2, 1], 3, [1, 2, 3]),
        ([], 3, []),
    ],
)
def test_nearest(shares: list[float], most: int, expected: list[int]) -> None:
    assert nearest(shares, most) == expected


def test_stems_for_machines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = planned("many_multipliers")
    whole = stem_table(made).rows
    monkeypatch.setattr(parts, "LISTED", 30)
    some = stem_table(made)
    assert some.title == "Stem: operations per image; the 30 of 182 nearest to the limit"
    assert len(some.rows) == 30
    assert all(row in whole for row in some.rows)


def test_plan_of_very_many_multipliers_is_no_longer_than_people_read() -> None:
    made = plan(
        make(
            search_space={
                **TINY,
                "depth_multiplier": {"from": 0.0001, "to": 2, "step": 0.0001},
            }
        )
    )
    assert made.total == 2 * LISTED
    assert len(stem_table(made).rows) == LISTED
    assert formats.text(screen(made), "table").count("\n") < 150
    assert len(formats.text(plan_report.report(made), "markdown")) < 300_000
    told = [block.text for block in screen(made).blocks if isinstance(block, Text)]
    assert "Heads: no table, it would hold more than 40,000 figures." in told


# --- heads


@pytest.mark.parametrize("rows", [people.SHORT, people.LONG, None])
def test_heads_that_are_too_wide_are_told_where_they_are(rows: int | None) -> None:
    report = reported("many_multipliers", rows)
    (told,) = [block.text for block in report.blocks if isinstance(block, Text) and block.text.startswith("Head: ")]
    assert re.fullmatch(
        r"Head: operations per image, by depth multiplier: too many columns .* plan-head\.csv and plan\.xlsx\.", told
    )
    assert "plan-head" not in {block.key for block in report.blocks if isinstance(block, Table)}
    assert len(next(table for table in report.tables if table.key == "plan-head").columns) > 91


def test_more_heads_than_people_read_are_counted() -> None:
    report = screen(plan(make(search_space={**SMALL, "classifier_depth": {"from": 1, "to": 40, "step": 1}})))
    (shown,) = [block for block in report.blocks if isinstance(block, Table) and block.key == "plan-head"]
    assert len(shown.rows) == 24
    assert shown.title == ("Head: mega-operations per image, by depth multiplier (136 more rows in plan-head.csv)")


def test_heads_are_limited_by_their_figures_not_by_their_rows() -> None:
    """One row may hold thousands of them."""
    values = {"from": 0.0001, "to": 1.5, "step": 0.0001}
    asked = make(search_space={**TINY, "depth_multiplier": values})
    assert parts.head_table(plan(asked)) is None


def test_candidates_of_many_heads_are_told_by_their_labels_where_columns_do_not_fit() -> None:
    heads = {"head": ["fcn", "fcn8s", "light-decoder", "context"], "output_stride": [16, 32]}
    made = plan(make(search_space=heads))
    shown = people.candidates("plan-candidates", "Candidates", made, made.candidates[:50], people.SHORT)
    assert least_width(shown) <= people.SCREEN
    first, *_ = shown.columns
    assert (first.heading, [first.text(row) for row in shown.rows]) == (
        "candidate",
        [planned.label for planned in made.candidates[:50]],
    )
