"""The workbook: what it holds, that it calculates as budgetnet does, that no text in it becomes a formula."""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from io import BytesIO
from typing import Any

import pytest
from workbooks import Cells, book, calculated, formula_values, given, needs_libreoffice, values

from budgetnet import formats, scenario
from budgetnet.errors import BudgetnetError
from budgetnet.formats import _formulas, _front
from budgetnet.plan import Plan, measure, plan
from budgetnet.plan import groups as plan_groups
from budgetnet.plan import report as plan_report
from budgetnet.plan.inputs import inputs
from budgetnet.plan.memory_table import memory_table
from budgetnet.report import Column, Input, Report, Row, Table, Text, of_row
from budgetnet.scenario import Scenario

RISKY = ["=1+1", "+x", "-x", "@x", "=cmd|' /C calc'!A0", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://a.b","c")']
AWKWARD = [
    *RISKY,
    "<r><b/></r>",
    "_x0041_",
    "a\x00b\x1fc",
    "\ud800",
    "\ufffe\uffff",
    "http://a.b",
    "007",
    "{=A1}",
    "漢\U0001f697",
]
SMALL = {"depth_multiplier": [0.25, 0.5], "classifier_kernel": [3, 7], "classifier_depth": [256]}
FRONT = {"name": "front", "count": 1, "fps": 29.97, "input": {"height": 64, "width": 96}}
SIDE = {"name": "side", "count": 4, "fps": 15, "input": {"height": 32, "width": 48}}
OWN = {"network": "mobilenet-fcn", "search_space": {**SMALL, "depth_multiplier": [0.5, 1.0]}}


def make(cameras: Any = 4, **fields: Any) -> Scenario:
    alike = {"fps": 29.97, "input": {"height": 64, "width": 96}} if isinstance(cameras, int) else {}
    values = {"cameras": cameras, "budget_gops": 5, "classes": 7, "search_space": SMALL, **alike, **fields}
    return Scenario.model_validate({"name": "made", **values})


def written(made: Plan) -> bytes:
    return formats.files(plan_report.report(made), "xlsx")["plan.xlsx"]


def render(*tables: Table, title: str = "Title") -> bytes:
    report = Report(key="report", title=title, blocks=(), tables=tables, record={})
    return formats.files(report, "xlsx")["report.xlsx"]


def one(rows: Any, *columns: Column, title: str = "Title") -> bytes:
    return render(Table(key="main", title="Rows", columns=columns, rows=rows), title=title)


@pytest.fixture(scope="module")
def urban() -> Plan:
    return plan(scenario.load("urban"))


@pytest.fixture(scope="module")
def content(urban: Plan) -> bytes:
    return written(urban)


def cell(column: Column, row: Row) -> Any:
    """What the workbook must hold: yes and no in words, promises rounded down."""
    value = row.get(column.key)
    if column.promise is not None:
        return float(Decimal(value * (1 + 1e-12)).quantize(Decimal("0.001"), ROUND_FLOOR))
    return column.text(row) if isinstance(value, bool) else value


def columns_of(sheet: Any) -> dict[str, int]:
    """Heading -> number of the column, counted from 1."""
    return {cell.value: cell.column for cell in sheet[2]}


# --- what it holds


def test_sheets_are_the_scenario_and_the_tables(content: bytes) -> None:
    assert book(content).sheetnames == ["Scenario", "Candidates", "Stem", "Head", "Memory", "Answers"]
    several = written(plan(make([FRONT, SIDE])))
    assert book(several).sheetnames == ["Scenario", "Candidates", "Groups", "Stem", "Head", "Memory", "Answers"]


def test_every_value_of_every_table_is_there(urban: Plan, content: bytes) -> None:
    report, read = plan_report.report(urban), values(content)
    for table, rows in zip(report.tables, list(read.values())[1:], strict=True):
        assert rows[0][0] == table.title
        assert sorted(rows[1]) == sorted(column.heading for column in table.columns)
        assert len(rows) == 2 + len(table.rows)
        for row, cells in zip(table.rows, rows[2:], strict=True):
            shown = dict(zip(rows[1], cells, strict=True))
            for column in table.columns:
                value = cell(column, row)
                expected = None if value == "" else value
                assert shown[column.heading] == (
                    pytest.approx(expected, rel=1e-15) if isinstance(expected, float) else expected
                )


def test_report_is_told_on_the_first_sheet(urban: Plan, content: bytes) -> None:
    cells = [value for row in values(content)["Scenario"] for value in row if value is not None]
    assert cells[0] == "Plan of scenario urban"
    texts = [block.text for block in plan_report.report(urban).blocks if isinstance(block, Text)]
    assert f"Verdict: {urban.verdict}" in texts
    assert cells[-len(texts) :] == texts
    assert cells[-len(texts) - 1].startswith("As written when it was planned")


def test_figures_have_names(urban: Plan, content: bytes) -> None:
    read, names = values(content)["Scenario"], book(content).defined_names
    figures = {each.name: each for each in inputs(urban)}
    assert {"cameras_1", "fps_1", "budget_gops", "reserve", "contention", "budget_mb", "fitting"} <= figures.keys()
    assert names.keys() == figures.keys()
    for name, figure in figures.items():
        row = int(re.fullmatch(r"'Scenario'!\$B\$(\d+)", names[name].attr_text).group(1))  # type: ignore[union-attr]
        heading, value, unit, planned, _ = read[row - 1]
        assert (heading, value, unit or "", planned) == (figure.heading, figure.value, figure.unit, figure.value)


def test_list_that_is_not_complete_says_so() -> None:
    part = replace(plan(make()), total=1_000_000)
    units = {each.name: each.unit for each in inputs(part)}
    assert units["fitting"] == f"of the {len(part.candidates)} listed (1,000,000 in all)"
    assert units["largest_gops"] == "GOPS; others that fit may be larger, once figures are changed"
    (title,) = [table.title for table in plan_report.report(part).tables if table.key == "plan-candidates"]
    assert title.startswith(f"Candidates: the {len(part.candidates)} of 1,000,000 nearest to the limits;")


def test_what_is_given_may_be_changed_within_bounds(content: bytes) -> None:
    read = book(content)
    rules = {str(rule.sqref): rule for rule in read["Scenario"].data_validations.dataValidation}
    cells = {
        name: read.defined_names[name].attr_text.rpartition("!")[2].replace("$", "") for name in read.defined_names
    }
    found = {name: rules[cell] for name, cell in cells.items() if cell in rules}
    assert {name: (rule.type, float(rule.formula1), float(rule.formula2)) for name, rule in found.items()} == {
        "cameras_1": ("whole", 1, 1000),
        "fps_1": ("decimal", 1e-9, 10_000),
        "budget_gops": ("decimal", 1e-9, 1e9),
        "reserve": ("decimal", 0, 0.99),
        "contention": ("decimal", 1, 100),
        "budget_mb": ("decimal", 1e-9, 1e9),
    }
    assert [name for name, rule in found.items() if rule.allow_blank] == ["budget_mb"]
    assert found["cameras_1"].error == "It must be a whole number from 1 to 1,000."
    assert found["budget_mb"].prompt == "A number from 1e-09 to 1,000,000,000, or nothing."
    yellow = {read["Scenario"][cells[name]].fill.start_color.rgb for name in found}
    assert yellow == {"FFFFF6CC"}
    for name in cells.keys() - found.keys():
        assert read["Scenario"][cells[name]].data_type == "f"


def test_what_follows_is_a_formula_with_its_value(urban: Plan, content: bytes) -> None:
    live = {"GOPS", "% of budget", "headroom GOPS", "max fps", "fits"}
    candidates = book(content)["Candidates"]
    for heading, column in columns_of(candidates).items():
        kinds = {candidates.cell(row, column).data_type for row in range(3, 3 + len(urban.candidates))}
        assert (kinds == {"f"}) == (heading in live)
    assert candidates.cell(3, columns_of(candidates)["% of budget"]).value == "=J3/available_gops"
    assert all(None not in found for sheet, found in formula_values(content).items() if sheet != "Scenario")


def test_headings_stay_in_sight_and_filter(urban: Plan, content: bytes) -> None:
    read = book(content)
    assert read["Candidates"].freeze_panes == "B3"  # whether it fits stays in sight too
    assert read["Candidates"]["A2"].value == "fits"
    assert read["Stem"].freeze_panes == "A3"
    assert read["Candidates"].auto_filter.ref == f"A2:Q{2 + len(urban.candidates)}"
    for sheet in read.worksheets[1:]:
        assert sheet.print_title_rows == "$1:$2"


def test_numbers_read_like_their_units(content: bytes) -> None:
    sheet = book(content)["Candidates"]
    shown = {heading: sheet.cell(3, column).number_format for heading, column in columns_of(sheet).items()}
    assert (shown["operations"], shown["GOPS"], shown["% of budget"]) == ("#,##0", "#,##0.000", "0.0%")
    assert shown["depth multiplier"] == shown["classifier depth"] == "General"


def test_highest_frame_rate_that_is_shown_fits(urban: Plan, content: bytes) -> None:
    headings, *rows = values(content)["Candidates"][1:]
    for planned, row in zip(urban.candidates[::5], rows[::5], strict=True):
        shown = row[headings.index("max fps")]
        assert measure(urban.scenario.changed(fps=shown), *planned.candidates).fits
        assert not measure(urban.scenario.changed(fps=shown + 0.0011), *planned.candidates).fits


def test_best_candidates_are_bold(urban: Plan, content: bytes) -> None:
    sheet = book(content)["Candidates"]
    bold = [bool(sheet.cell(3 + place, 2).font.bold) for place in range(len(urban.candidates))]
    best = {planned.candidates for planned in urban.best}
    assert bold == [planned.candidates in best for planned in urban.candidates]


def test_colours_follow_the_figures(content: bytes) -> None:
    sheet = book(content)["Candidates"]
    letters = {heading: sheet.cell(2, number).column_letter for heading, number in columns_of(sheet).items()}
    fits, share, left, memory = (letters[each] for each in ("fits", "% of budget", "headroom GOPS", "memory MB"))
    rules = {
        str(found.sqref): [(rule.type, rule.operator, rule.formula) for rule in found.rules]
        for found in sheet.conditional_formatting
    }
    assert rules == {
        f"{fits}3:{fits}74": [("cellIs", "equal", ['"yes"']), ("cellIs", "equal", ['"no"'])],
        f"{share}3:{share}74": [("cellIs", "greaterThan", ["1.000000001"]), ("colorScale", None, [])],
        f"{left}3:{left}74": [("cellIs", "lessThan", ["-0.000000001"])],
        f"{memory}3:{memory}74": [("expression", None, [f'AND(budget_mb<>"",{memory}3>budget_mb*(1+1E-12))'])],
    }
    (scale,) = [rule.colorScale for found in sheet.conditional_formatting for rule in found.rules if rule.colorScale]
    assert [float(point.val) for point in scale.cfvo] == pytest.approx([0, 1, 1])
    assert scale.color[-1].rgb == "FFFBD0C4"


def test_same_report_gives_the_same_bytes(urban: Plan, content: bytes) -> None:
    assert written(plan(scenario.load("urban"))) == content
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_report_without_figures_or_rows() -> None:
    read = book(one([], Column(key="a", heading="a"), title="Nothing"))
    assert read.sheetnames == ["Scenario", "Main"]
    assert [cell.value for cell in read["Main"][2]] == ["a"]
    assert [row[0].value for row in read["Scenario"].iter_rows()] == ["Nothing"]
    assert book(one([])).sheetnames == ["Scenario", "Main"]


# --- text stays text


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_text_stays_text_wherever_it_stands(text: str) -> None:
    column = Column(key=text, heading=text, right=False)
    table = Table(key="main", title=text, columns=[column], rows=[{text: text}])
    figures = (
        Input(name="given", heading=text, value=1, unit=text),
        Input(name="words", heading=text, value=text, formula='"x"'),
    )
    report = Report(key="r", title=text, blocks=[Text(text=f"{text}.")], tables=[table], record={}, inputs=figures)
    read = book(formats.files(report, "xlsx")["r.xlsx"])
    cells = [*(row[0] for row in read["Main"].iter_rows()), read["Scenario"]["A1"], read["Scenario"]["A5"]]
    held = re.sub("[\x00\x1f\ud800\ufffe\uffff]", "\ufffd", text)
    assert [cell.data_type for cell in cells] == ["s"] * 5
    assert {cell.value.replace("_x000D_", "\r") for cell in cells} == {f"{held} " if held.startswith("<r>") else held}
    assert [cell.hyperlink for cell in cells] == [None] * 5
    assert [bool(cell.quotePrefix) for cell in cells] == [text in RISKY] * 5
    formulas = [cell.coordinate for sheet in read for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert formulas == ["E5", "B8"]


@pytest.mark.parametrize("text", [text.replace(":", "") for text in RISKY if text == text.strip()], ids=ascii)
def test_camera_group_with_a_risky_name_stays_text(text: str) -> None:
    name = f"{text}]}}[ops]{{fps_1}}\"&'"
    made = plan(make([{**FRONT, "name": name}, {**SIDE, **OWN, "name": text}]))
    read = book(written(made))
    assert read.sheetnames == ["Scenario", "Candidates", "Groups", "Stem", "Head", "Memory", "Answers"]
    formulas = "".join(
        cell.value for sheet in read for row in sheet.iter_rows() for cell in row if cell.data_type == "f"
    )
    assert not re.search(r"[\[\]{}|@\0]|calc'|HYPERLINK", formulas)
    headings = [cell.value for cell in read["Candidates"][2]]
    assert {f"GOPS {name}", f"{text} depth multiplier"} <= set(headings)
    assert {cell.data_type for cell in read["Candidates"][2]} == {"s"}


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["report-stem", "other"], ["Stem", "Other"]),
        (["a", "A", "a"], ["A", "A 2", "A 3"]),
        (["history", "scenario"], ["History 2", "Scenario 2"]),
        (["=[x]:*?/\\'", "''", "", "\ud800"], ["X", "Table", "Table 2", "Table 3"]),
        (["k" * 40, "k" * 41], [f"K{'k' * 23}", f"K{'k' * 23} 2"]),
    ],
)
def test_sheet_names(keys: list[str], names: list[str]) -> None:
    tables = [Table(key=key, title="", columns=[Column(key="a", heading="a")], rows=[{"a": 1}]) for key in keys]
    assert book(render(*tables)).sheetnames == ["Scenario", *names]


def test_numbers_that_no_cell_holds_are_text() -> None:
    found = [10**15 - 1, 10**15, -(10**15), float("inf"), float("nan"), -0.1]
    read = values(one([{"a": value} for value in found], Column(key="a", heading="a")))
    assert [row[0] for row in read["Main"][2:]] == [10**15 - 1, str(10**15), str(-(10**15)), "inf", "nan", -0.1]


def test_long_texts() -> None:
    paragraph = " ".join(["word"] * 10_000)
    report = Report(key="r", title="\U0001f697" * 40_000, blocks=[Text(text=paragraph)], tables=[], record={})
    cells = [row[0] for row in values(formats.files(report, "xlsx")["r.xlsx"])["Scenario"] if row[0]]
    assert cells[0] == "\U0001f697" * 15_999 + "…"
    assert " ".join(cells[1:]) == paragraph


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (1_048_575, 1, "table 'Long': must have 1,048,574 rows or fewer, but got 1,048,575"),
        (1, 16_385, "table 'Long': must have 16,384 columns or fewer, but got 16,385"),
    ],
)
def test_table_that_no_sheet_holds_is_refused(rows: int, columns: int, message: str) -> None:
    table = Table(key="t", title="Long", columns=[Column(key="a", heading="a")] * columns, rows=range(rows))  # type: ignore[arg-type]
    with pytest.raises(BudgetnetError, match=f"^{re.escape(message)}$"):
        render(table)


# --- formulas


def test_words_of_formulas_become_cells_and_names() -> None:
    words = _formulas.Words(names=frozenset({"fps"}), ranges={"t:a": "'T'!$A$3:$A$9"})
    columns = {"a": "B", "ops:x]y": "C"}
    assert words.translate(f'[a]*{{fps}}+{of_row("ops:x]y")}&"[a]{{fps}}""{{"', columns) == (
        'B\0*fps+C\0&"[a]{fps}""{"'
    )
    assert words.translate("SUM({t:a})") == "SUM('T'!$A$3:$A$9)"


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("1+[b]", "formula '1+[b]': 'b' must be one of a"),
        ("{fpz}", "formula '{fpz}': 'fpz' must be one of t:a"),
    ],
)
def test_word_that_means_nothing_is_refused(formula: str, message: str) -> None:
    words = _formulas.Words(names=frozenset({"fps"}), ranges={"t:a": ""})
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        words.translate(formula, {"a": "B"})


def test_rows_may_have_formulas_of_their_own() -> None:
    column = Column(key="a", heading="a", formula=lambda row: row["how"])
    read = book(one([{"a": 1, "how": "1+0"}, {"a": 2, "how": ""}], column))
    assert [cell.value for cell in read["Main"]["A"]][2:] == ["=1+0", 2]


# --- LibreOffice calculates it as budgetnet does

GROUPS = [FRONT, SIDE]
CASES: dict[str, tuple[Scenario, dict[str, Any]]] = {
    "as_it_is": (make(), {}),
    "cameras_and_rate": (make(), {"cameras": 7, "fps": 59.94}),
    "less_budget": (make(), {"budget_gops": 1.75}),
    "nothing_fits": (make(), {"budget_gops": 0.01}),
    "all_limits": (
        make(reserve=0.25, contention=1.2, budget_mb=3),
        {"reserve": 0.1, "contention": 1.7, "budget_mb": 2.1},
    ),
    "no_memory_limit": (make(budget_mb=0.5), {"budget_mb": None}),
    "groups_as_they_are": (make(GROUPS, reserve=0.2, contention=1.15, budget_mb=3), {}),
    "groups": (make(GROUPS), {"cameras": [{**FRONT, "fps": 12.5}, {**SIDE, "count": 9}], "reserve": 0.3}),
    "own_networks": (
        make([{**FRONT, **OWN}, SIDE, {**SIDE, "name": "=1+1]", "fps": 10}], budget_mb=20),
        {"cameras": [{**FRONT, **OWN, "count": 2}, SIDE, {**SIDE, "name": "=1+1]", "fps": 40}], "budget_mb": 11.5},
    ),
    "two_own_networks": (make([{**FRONT, **OWN}, {**SIDE, **OWN}]), {"contention": 3, "budget_gops": 9}),
}


def exactly(asked: Scenario, change: int) -> dict[str, Any]:
    """The budget that a candidate in the middle meets to the operation, and `change` operations per second more."""
    middle = plan(asked).candidates[3]
    return {"budget_gops": float(middle.required + change) / 1e9}


CASES |= {f"met_exactly_{change}": (make(3, fps=0.1), exactly(make(3, fps=0.1), change)) for change in (0, -1)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Cells]:
    """What LibreOffice makes of every case, once what is given has been changed in the workbook."""
    contents = {}
    for name, (asked, changes) in CASES.items():
        figures = inputs(plan(asked.changed(**changes)))
        contents[name] = given(written(plan(asked)), {each.name: each.value for each in figures if not each.formula})
    return calculated(tmp_path_factory.mktemp("libreoffice"), contents)


def expected(made: Plan, changed: Scenario) -> dict[str, Table]:
    """Heading of a sheet -> the table that it must show: same candidates, other limits and rates."""
    shown = measure(changed, *(made.candidates[0] if made.fit else made.smallest).candidates)
    tables = {table.key: table for table in plan_report.report(plan(changed)).tables}
    if "plan-groups" in tables:
        tables["plan-groups"] = replace(tables["plan-groups"], rows=plan_groups.shares(shown))
    tables["plan-memory"] = memory_table(shown)
    return {key.removeprefix("plan-").capitalize(): table for key, table in tables.items()}


@needs_libreoffice
@pytest.mark.parametrize("name", CASES)
def test_libreoffice_calculates_every_table_as_budgetnet_does(results: Mapping[str, Cells], name: str) -> None:
    asked, changes = CASES[name]
    made, changed = plan(asked), asked.changed(**changes)
    tables, close = expected(made, changed), {"rel": 1e-9, "abs": 1e-12 * float(changed.available) / 1e9}
    compared = 0
    live = [table for table in plan_report.report(made).tables if any(column.formula for column in table.columns)]
    for table in live:
        sheet = table.key.removeprefix("plan-").capitalize()
        first, *rows = results[name][sheet][1:]
        columns = {column.heading: column for column in table.columns}
        headings = [heading for heading in first if heading != "best"]  # that stays as it was planned
        still = [heading for heading in headings if not columns[heading].formula]
        known = {tuple(cell(columns[heading], row) for heading in still): row for row in tables[sheet].rows}
        assert len(known) == len(rows) == len(table.rows)
        for found in (dict(zip(first, row, strict=True)) for row in rows):
            row = known[tuple(found[heading] for heading in still)]
            for heading in headings:
                value = cell(columns[heading], row)
                assert found[heading] == (value if isinstance(value, str | None) else pytest.approx(value, **close))
                compared += bool(columns[heading].formula_of(row))
    formulas = [kind for kind, found in formula_values(written(made)).items() if kind != "Scenario" for _ in found]
    assert compared == len(formulas)


@needs_libreoffice
@pytest.mark.parametrize("name", CASES)
def test_libreoffice_finds_the_same_candidates(results: Mapping[str, Cells], name: str) -> None:
    asked, changes = CASES[name]
    made, changed = plan(asked), plan(asked.changed(**changes))
    rows = list(_front.places(inputs(made)).items())
    found = {figure: results[name]["Scenario"][row] for figure, row in rows}
    for figure in inputs(changed):
        value, mark = found[figure.name][1], found[figure.name][4]
        if figure.name == "largest_place":
            listed = made.candidates[int(value) - 1].candidates if changed.fit else None
            assert listed == (changed.candidates[0].candidates if changed.fit else None)
        elif isinstance(figure.value, str | None):
            assert value == figure.value
        else:
            assert value == pytest.approx(figure.value, rel=1e-9)
        if not figure.formula:
            (before,) = [each.value for each in inputs(made) if each.name == figure.name]
            assert (mark or "") == ("" if before == figure.value else "changed")
    verdicts = [row[0] for row in results[name]["Candidates"][2:]]
    assert verdicts.count("yes") == changed.fit
    assert verdicts.count("no") == changed.total - changed.fit
