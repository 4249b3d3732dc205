"""A workbook (Office Open XML) that calculates: change what is given, and whatever follows from it follows.

The first sheet has what is given and what follows at once, then comes a sheet for each table. Values that follow are
also there as budgetnet calculated them, for viewers that do not calculate. Text stays text, whatever it begins with.
"""

import io
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from xlsxwriter import Workbook

from budgetnet.errors import BudgetnetError, shorten
from budgetnet.formats import _front
from budgetnet.formats._cells import Sheet, clean
from budgetnet.formats._formulas import Words
from budgetnet.formats._sheet import FIRST, TableSheet, letters
from budgetnet.formats._styles import Styles
from budgetnet.report import Report, Table

SUFFIX = ".xlsx"

MOST_ROWS: Final = 2**20
MOST_COLUMNS: Final = 2**14
"""Of a sheet, as in the file format."""

FRONT: Final = "Scenario"
"""The first sheet."""

_OPTIONS: Final = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_CREATED: Final = datetime(1980, 1, 1)
"""The earliest date that the container knows: the same report gives the same bytes."""


def render(report: Report) -> dict[str, bytes]:
    """One file with the whole report. Raises BudgetnetError where a table is too large for a sheet."""
    tables = _named(report)
    words = Words(names=frozenset(each.name for each in report.inputs), ranges=_ranges(tables))
    out = io.BytesIO()
    book = Workbook(out, _OPTIONS)
    book.set_properties({"title": clean(report.title), "comments": "Made by budgetnet.", "created": _CREATED})
    styles = Styles(book)
    _front.fill(book.add_worksheet(FRONT, Sheet), report, words, styles)
    for name, row in _front.places(report.inputs).items():
        book.define_name(name, f"='{FRONT}'!{_front.NOW}{row + 1}")
    for name, table in tables.items():
        TableSheet(sheet=book.add_worksheet(name, Sheet), table=table, words=words, styles=styles).fill()
    for sheet in book.worksheets():
        _lay_out_for_paper(sheet)
    book.close()
    return {report.key: out.getvalue()}


def _named(report: Report) -> dict[str, Table]:
    """The tables by the names of their sheets, verdicts in front, where they stay in sight."""
    named: dict[str, Table] = {}
    taken = {FRONT.lower(), "history"}  # the second is the spreadsheet's own
    for table in report.tables:
        _refuse_large(table)
        words = _words(table.key.removeprefix(f"{report.key}-"))
        name = next(name for name in _numbered(words) if name.lower() not in taken)
        taken.add(name.lower())
        named[name] = replace(table, columns=sorted(table.columns, key=lambda column: column.tone != "verdict"))
    return named


def _words(key: str) -> str:
    """A key as the name of a sheet, short enough for a number after it: `plan-stem` of `plan` is `Stem`."""
    words = re.sub(r"[^A-Za-z0-9_ ]", " ", key).strip()[:24].strip()
    return f"{words[:1].upper()}{words[1:]}" or "Table"


def _numbered(words: str) -> Iterator[str]:
    yield words
    yield from (f"{words} {number}" for number in itertools.count(2))


def _refuse_large(table: Table) -> None:
    for what, most, has in (
        ("rows", MOST_ROWS - FIRST, len(table.rows)),
        ("columns", MOST_COLUMNS, len(table.columns)),
    ):
        if has > most:
            raise BudgetnetError(f"table {shorten(table.title)}: must have {most:,} {what} or fewer, but got {has:,}")


def _ranges(tables: Mapping[str, Table]) -> dict[str, str]:
    """`table:key` -> the cells of that column."""
    return {
        f"{table.key}:{key}": f"'{name}'!${column}${FIRST + 1}:${column}${FIRST + max(1, len(table.rows))}"
        for name, table in tables.items()
        for key, column in letters(table).items()
    }


def _lay_out_for_paper(sheet: Sheet) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&L&8&F  &A&R&8&P / &N")
