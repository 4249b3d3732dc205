"""A table on a sheet of a workbook."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, Final, final

from xlsxwriter.utility import xl_col_to_name

from budgetnet.formats import _styles
from budgetnet.formats._cells import Look, Sheet, put, put_formula
from budgetnet.formats._formulas import ROW, Words
from budgetnet.formats._styles import Styles
from budgetnet.report import Column, Row, Table, plain

_ROUNDING: Final = 1e-12
"""Relative error that floating-point arithmetic may have made."""

FIRST: Final = 2
"""The row of a table's first values, counted from 0: a title and headings go before."""


def letters(table: Table) -> dict[str, str]:
    """Key -> letters of its column."""
    return {column.key: xl_col_to_name(place) for place, column in enumerate(table.columns)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableSheet:
    """A table on its sheet: a title, headings that stay in sight and filter, a row for each row."""

    sheet: Sheet
    table: Table
    words: Words
    styles: Styles

    def fill(self) -> None:
        """Writes the sheet."""
        self._headings()
        cells = letters(self.table)
        for place, column in enumerate(self.table.columns):
            self._values(place, column, cells)
            self._colours(place, column, cells)

    def _headings(self) -> None:
        columns = self.table.columns
        put(self.sheet, 0, 0, self.table.title, Look.of(self.styles, _styles.TITLE))
        self.sheet.set_row(0, 24)
        widths = [_styles.width(column, self.table) for column in columns]
        for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
            heading = _styles.LIVE if column.formula else _styles.HEADING
            look = Look.of(self.styles, heading, _styles.side(column), text_wrap=True)
            put(self.sheet, FIRST - 1, place, column.heading, look)
            self.sheet.set_column(place, place, width)
        self.sheet.set_row(FIRST - 1, _styles.height(columns, widths))
        self.sheet.freeze_panes(FIRST, sum(column.tone == "verdict" for column in columns))
        self.sheet.repeat_rows(0, FIRST - 1)
        if columns:
            self.sheet.autofilter(FIRST - 1, 0, FIRST - 1 + len(self.table.rows), len(columns) - 1)

    def _values(self, place: int, column: Column, cells: Mapping[str, str]) -> None:
        looks: dict[tuple[bool, type], Look] = {}
        translated: dict[str, str] = {"": ""}
        for number, row in enumerate(self.table.rows, start=FIRST):
            value = _value(column, row)
            kind = bool(self.table.marked(row)), type(value)
            look = looks.get(kind) or looks.setdefault(kind, self._look(column, *kind))
            formula = column.formula_of(row)
            if formula not in translated:
                translated[formula] = _promised(column, self.words.translate(formula, cells))
            if formula:
                live = translated[formula].replace(ROW, str(number + 1))
                put_formula(self.sheet, number, place, live, value, look)
            else:
                put(self.sheet, number, place, value, look)

    def _look(self, column: Column, marked: bool, kind: type) -> Look:
        thousands = "#,##0" if column.show is plain and kind is int else "General"
        parts = _styles.LINE, _styles.side(column), {"bold": True} if marked else {}
        return Look.of(self.styles, *parts, num_format=column.number or thousands)

    def _colours(self, place: int, column: Column, cells: Mapping[str, str]) -> None:
        rules = _styles.rules(column.tone, self.styles)
        if column.alarm:
            alarm = self.words.translate(column.alarm, cells).replace(ROW, str(FIRST + 1))
            rules.append(_styles.alarm(alarm, self.styles))
        last = FIRST + len(self.table.rows) - 1
        for rule in rules if self.table.rows else ():
            self.sheet.conditional_format(FIRST, place, last, place, rule)


def _value(column: Column, row: Row) -> Any:
    """What the cell holds: yes and no as people read them, promises rounded down."""
    value = row.get(column.key)
    if isinstance(value, bool):
        return column.text(row)
    if column.promise is None or value is None:
        return value
    return floor(value * (1 + _ROUNDING) * 10**column.promise) / 10**column.promise


def _promised(column: Column, formula: str) -> str:
    """The formula with its result rounded down where it promises something; not below a result that is even."""
    return formula if column.promise is None else f"ROUNDDOWN(({formula})*(1+{_ROUNDING:.0E}),{column.promise})"
