"""Report formats: one contract for all of them, and what each does with awkward text and large numbers."""

import csv
import io
import json
import re
from itertools import pairwise
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from workbooks import as_text

from budgetnet import formats, ops_report, scenario
from budgetnet.errors import BudgetnetError
from budgetnet.formats import table as terminal
from budgetnet.networks import Candidate
from budgetnet.plan import plan
from budgetnet.plan import report as plan_report
from budgetnet.report import Block, Column, Picture, Report, Table, Text

BEYOND_FLOAT = 2**63 + 1
AWKWARD = [
    "plain",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\n=1",
    "a|b",
    "a\\|b",
    "two\nlines",
    "<script>alert(1)</script>",
    "`code`",
    "``",
    "**bold** __bold__ _it_ *it*",
    "[link](https://example.org)",
    "![picture](x.png)",
    "~~gone~~",
    "&lt;&amp;&#35;",
    'say "so", twice',
    "snake_case_name",
    "[bold red]rich[/]",
    ":smile:",
    "ümlaut 漢字 \U0001f697",
]
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_report(rows: list[dict[str, Any]], columns: list[Column], *blocks: Block, title: str = "Title") -> Report:
    table = Table(key="main", title="Rows", columns=columns, rows=rows, marked=lambda row: bool(row.get("best")))
    return Report(
        key="report", title=title, blocks=[*blocks, table], tables=[table], record={"title": title, "rows": rows}
    )


COLUMNS = [
    Column(key="text", heading="text | heading", right=False),
    Column(key="whole", heading="whole"),
    Column(key="share", heading="share", show=lambda value: f"{100 * value:.1f}"),
    Column(key="fits", heading="fits", right=False),
]
ROWS = [
    {"text": text, "whole": BEYOND_FLOAT + number, "share": 1 / 3, "fits": number % 2 == 0, "best": number == 3}
    for number, text in enumerate(AWKWARD)
]
NASTY = as_report(
    ROWS, COLUMNS, *(Text(text=text) for text in AWKWARD), Picture(title="p", path="p.png"), title="# <T>"
)


# --- the contract


def test_known_formats() -> None:
    assert {"csv", "json", "markdown", "table", "xlsx"} <= set(formats.names())


def test_unknown_format_is_told_with_the_nearest() -> None:
    with pytest.raises(
        BudgetnetError, match=r"^format must be one of the known ones, but got 'jsn'; did you mean 'json'"
    ):
        formats.load("jsn")


def test_every_format_has_its_own_suffix() -> None:
    suffixes = [formats.load(name).SUFFIX for name in formats.names()]
    assert len(set(suffixes)) == len(suffixes)
    assert all(re.fullmatch(r"\.[a-z]+", suffix) for suffix in suffixes)


@pytest.mark.parametrize("name", formats.names())
def test_format_renders_text_that_ends_its_last_line_or_bytes(name: str) -> None:
    rendered = formats.load(name).render(NASTY)
    first = next(iter(rendered.values()))
    if isinstance(first, bytes):
        assert all(isinstance(content, bytes) for content in rendered.values())
        with pytest.raises(
            BudgetnetError, match=f"^format: must be one of text to go to the screen, but got '{name}'$"
        ):
            formats.text(NASTY, name)
        return
    assert formats.text(NASTY, name) == first
    for text in rendered.values():
        assert isinstance(text, str)
        assert text.endswith("\n")
        assert text.encode().decode() == text


@pytest.mark.parametrize("name", formats.names())
def test_format_holds_whole_numbers_exactly(name: str) -> None:
    digits = as_text(NASTY, name).replace(",", "") if name in ("markdown", "table") else as_text(NASTY, name)
    for row in ROWS:
        assert str(row["whole"]) in digits


@pytest.mark.parametrize("name", formats.names())
def test_format_renders_the_same_twice(name: str) -> None:
    assert formats.load(name).render(NASTY) == formats.load(name).render(NASTY)


@pytest.mark.parametrize("name", formats.names())
def test_format_takes_a_report_without_rows(name: str) -> None:
    assert as_text(as_report([], COLUMNS), name)


def test_files_are_named_by_stem_and_suffix() -> None:
    written = ["main.csv", "report.json", "report.md", "report.txt", "report.xlsx"]
    assert list(formats.files(NASTY, *formats.names())) == written
    assert formats.files(NASTY, "json") == {"report.json": formats.text(NASTY, "json").encode()}


# --- csv


def read_csv(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(formats.text(report, "csv"), newline="")))


def test_csv_keeps_every_text_and_lets_none_be_a_formula() -> None:
    read = read_csv(NASTY)
    assert [row["text"] for row in read] == [f"'{text}" if text.startswith(FORMULAS) else text for text in AWKWARD]
    assert not any(cell.startswith(FORMULAS) for row in read for cell in row.values())


def test_csv_lets_no_heading_be_a_formula() -> None:
    columns = [Column(key=f"{text}.kernel", heading="") for text in AWKWARD]
    (headings,) = csv.reader(io.StringIO(formats.text(as_report([], columns), "csv"), newline=""))
    assert not any(heading.startswith(FORMULAS) for heading in headings)
    assert [heading.removeprefix("'") for heading in headings] == [column.key for column in columns]


def test_csv_keeps_numbers_as_they_are() -> None:
    columns = [Column(key=key, heading=key, show=lambda value: "shown") for key in ("a", "b", "c", "d", "e")]
    row = {"a": BEYOND_FLOAT, "b": -1.5, "c": 1 / 3, "d": True, "e": None}
    assert formats.text(as_report([row, {}], columns), "csv") == (
        f"a,b,c,d,e\n{BEYOND_FLOAT},-1.5,{1 / 3!r},true,\n,,,,\n"
    )


def test_csv_is_one_file_per_table_the_main_one_first() -> None:
    tables = [Table(key=key, title="", columns=COLUMNS, rows=ROWS[:1]) for key in ("main", "other")]
    report = Report(key="report", title="", blocks=[], tables=tables, record={})
    assert list(formats.files(report, "csv")) == ["main.csv", "other.csv"]
    assert formats.text(report, "csv").startswith("text,whole,share,fits\nplain,")


# --- json


def test_json_round_trip() -> None:
    assert json.loads(formats.text(NASTY, "json")) == NASTY.record


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_never_holds_what_is_no_json(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        formats.text(as_report([{"text": value}], COLUMNS), "json")


# --- markdown


def parsed(report: Report) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parser.parse(formats.text(report, "markdown"))


def plain(inline: Token) -> str:
    """The text of an inline token; what is no text (a tag, a link, a picture, emphasis) shows by its type."""
    children = [child for child in inline.children or [] if child.content or child.type not in ("text",)]
    return "".join(child.content if child.type in ("text", "text_special") else f"<{child.type}>" for child in children)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", AWKWARD)
def test_markdown_text_stays_text(text: str) -> None:
    opening, inline, closing = parsed(Report(key="r", title="t", blocks=[Text(text=text)], tables=[], record={}))[3:]
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert plain(inline) == flat(text)


@pytest.mark.parametrize(
    "text", ["# head", "- item", "+ item", "* item", "1. item", "1) item", "> quote", "---", "==="]
)
def test_markdown_paragraph_stays_a_paragraph(text: str) -> None:
    tokens = parsed(Report(key="r", title="t", blocks=[Text(text="before"), Text(text=text)], tables=[], record={}))
    assert [token.type for token in tokens[3:]] == ["paragraph_open", "inline", "paragraph_close"] * 2
    assert plain(tokens[-2]) == text


@pytest.mark.parametrize("text", AWKWARD)
def test_markdown_cell_stays_one_cell_of_text(text: str) -> None:
    columns = [Column(key="a", heading=text), Column(key="b", heading="b")]
    tokens = parsed(as_report([{"a": text, "b": 1}, {"a": text, "b": 2}], columns))
    assert sum(token.type == "tr_open" for token in tokens) == 3
    cells = [plain(after) for token, after in pairwise(tokens) if token.type in ("td_open", "th_open")]
    assert cells == [flat(text), "b", flat(text), "1", flat(text), "2"]


def test_markdown_marks_rows_and_aligns_figures() -> None:
    columns = [Column(key="a", heading="a", right=False), Column(key="b", heading="b"), Column(key="c", heading="c")]
    lines = formats.text(as_report([{"a": "x", "b": 1000, "best": True}, {"a": "y", "b": 2}], columns), "markdown")
    assert (
        lines == "# Title\n\n## Rows\n\n| a | b | c |\n| :--- | ---: | ---: |\n| **x** | **1,000** |  |\n| y | 2 |  |\n"
    )


def test_markdown_shows_pictures() -> None:
    report = Report(key="r", title="t", blocks=[Picture(title="IoU [%]", path="pareto.png")], tables=[], record={})
    assert formats.text(report, "markdown") == "# t\n\n![IoU \\[%\\]](pareto.png)\n"


# --- the terminal


def wide(columns: int) -> Report:
    row = {f"c{number}": 10**12 + number for number in range(columns)}
    return as_report(
        [row, {key: -value for key, value in row.items()}],
        [Column(key=key, heading=f"a rather long heading {key}") for key in row],
    )


@pytest.mark.parametrize("columns", [1, 4, 6, 7, 12, 40, 91, 300])
def test_table_never_cuts_a_figure(columns: int) -> None:
    report = wide(columns)
    text = formats.text(report, "table")
    assert "…" not in text
    cells = [[f"{value:,}" for value in row.values()] for row in report.tables[0].rows]
    assert [line.split() for line in text.splitlines()][-2:] == cells


@pytest.mark.parametrize("columns", [3, 30, 200])
def test_table_never_cuts_a_text(columns: int) -> None:
    row = {f"c{number}": f"{'long' * 3}{number} word{number}" for number in range(columns)}
    text = formats.text(as_report([row], [Column(key=key, heading=key, right=False) for key in row]), "table")
    assert set(" ".join(row.values()).split()) <= set(text.split())


@pytest.mark.parametrize("columns", [0, 1, 9, 30])
def test_least_width_is_that_of_a_table_in_a_narrow_window(columns: int) -> None:
    report = wide(columns)
    console = Console(file=io.StringIO(), width=10, color_system=None)
    terminal.show(report, console)
    assert isinstance(console.file, io.StringIO)
    drawn = max(len(line) for line in console.file.getvalue().splitlines()[3:]) if columns else -1
    assert terminal.least_width(report.tables[0]) == drawn


def test_table_breaks_headings_before_it_leaves_the_window() -> None:
    lines = formats.text(wide(6), "table").splitlines()
    assert max(map(len, lines)) <= 120
    assert " ".join(f"heading c{number}" for number in range(6)) in [" ".join(line.split()) for line in lines]


def test_table_shows_awkward_text_as_it_is() -> None:
    words = formats.text(NASTY, "table").split()
    for text in AWKWARD:
        assert all(word in words for word in text.split())


def every_figure(table: Table) -> list[list[str]]:
    return [[cell for column in table.columns for cell in column.text(row).split()] for row in table.rows]


@pytest.mark.parametrize("width", [40, 60, 120, 200])
def test_every_figure_of_a_plan_is_on_the_screen(width: int) -> None:
    report = plan_report.report(plan(scenario.load("parking")), rows=plan_report.SHORT)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(report, console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    for block in report.blocks:
        if isinstance(block, Table) and block.key != "plan-answers":
            assert all(row in lines for row in every_figure(block))
        elif isinstance(block, Table):  # its texts may take several lines in a narrow window
            words = {word for line in lines for word in line}
            assert all(word in words for row in every_figure(block) for word in row)


@pytest.mark.parametrize("size", [32, 320, 8192])
def test_operation_table_fits_the_screen(size: int) -> None:
    report = ops_report.report(Candidate.of("mobilenet-fcn", {}), classes=7, height=size, width=size)
    text = formats.text(report, "table")
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    assert text.splitlines()[-1].split()[0] == "total"
