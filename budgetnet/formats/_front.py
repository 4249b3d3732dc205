"""A workbook's first sheet: what is given and may be changed, what follows from it, and what the report says."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from budgetnet.formats import _styles
from budgetnet.formats._cells import Look, Sheet, put, put_formula
from budgetnet.formats._formulas import Words
from budgetnet.formats._styles import Styles
from budgetnet.report import Input, Picture, Report, Table, Text

NOW: Final = "$B$"
"""The column of the figures as they are now."""

FIRST: Final = 4
"""The row of the first figure that is given, counted from 0."""

_WIDTHS: Final = (36, 18, 44, 20, 16)
_LINE: Final = 130
"""Characters of a text that fit on a line."""

_PART: Final = 20 * _LINE
"""Characters of a text in one cell: a row is 409 points high at most."""

_HINT: Final = "Change a yellow cell: what follows, the columns under green headings and all colours follow at once."
_FROZEN: Final = "As written when it was planned (these words follow no change)"


def places(inputs: Sequence[Input]) -> dict[str, int]:
    """The row of every figure, counted from 0: those that are given, room for headings, those that follow."""
    given = [each.name for each in inputs if not each.formula]
    derived = [each.name for each in inputs if each.formula]
    rows = [*range(FIRST, FIRST + len(given)), *range(FIRST + len(given) + 2, FIRST + len(inputs) + 2)]
    return dict(zip([*given, *derived], rows, strict=True))


def fill(sheet: Sheet, report: Report, words: Words, styles: Styles) -> None:
    """Writes the sheet."""
    sheet.hide_gridlines(2)
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    sheet.set_row(0, 28)
    put(sheet, 0, 0, report.title, Look.of(styles, _styles.TITLE, font_size=18))
    row = 2
    if report.inputs:
        put(sheet, 1, 0, _HINT, Look.of(styles, _styles.PALE))
        _figures(sheet, report.inputs, words, styles)
        row = max(places(report.inputs).values()) + 2
        put(sheet, row, 0, _FROZEN, Look.of(styles, _styles.TITLE, font_size=12))
        row += 1
    for part in _parts(report):
        _paragraph(sheet, row, part, styles)
        row += 1


def _figures(sheet: Sheet, inputs: Sequence[Input], words: Words, styles: Styles) -> None:
    rows = places(inputs)
    for title, several in (
        ("Given", [each for each in inputs if not each.formula]),
        ("What follows", [each for each in inputs if each.formula]),
    ):
        if several:
            _headings(sheet, rows[several[0].name] - 1, title, styles)
        for each in several:
            _figure(sheet, rows[each.name], each, words, styles)


def _headings(sheet: Sheet, row: int, title: str, styles: Styles) -> None:
    left, right = Look.of(styles, _styles.HEADING), Look.of(styles, _styles.HEADING, align="right")
    for column, (text, look) in enumerate(
        ((title, left), ("now", right), ("", left), ("as planned", right), ("", left))
    ):
        put(sheet, row, column, text, look)


def _figure(sheet: Sheet, row: int, given: Input, words: Words, styles: Styles) -> None:
    """What it is, its value now, its unit, its value when it was planned, and whether it was changed."""
    align = "left" if isinstance(given.value, str) else "right"
    shape = {**_styles.LINE, "num_format": given.number or "General", "align": align}
    put(sheet, row, 0, given.heading, Look.of(styles, _styles.LINE))
    if given.formula:
        look = Look.of(styles, shape, bold=True)
        put_formula(sheet, row, 1, words.translate(given.formula), given.value, look)
        put(sheet, row, 4, "", Look.of(styles, _styles.LINE))
    else:
        put(sheet, row, 1, given.value, Look.of(styles, shape, _styles.GIVEN))
        sheet.data_validation(row, 1, row, 1, _validation(given))
        changed = f'IF(B{row + 1}=D{row + 1},"","changed")'
        put_formula(sheet, row, 4, changed, "", Look.of(styles, _styles.LINE, _styles.CHANGED, indent=1))
    put(sheet, row, 2, given.unit, Look.of(styles, _styles.LINE, _styles.PALE, indent=1))
    put(sheet, row, 3, given.value, Look.of(styles, shape, _styles.PALE))


def _validation(given: Input) -> dict[str, Any]:
    """What the cell takes, said when it is selected and again when something else is entered."""
    kind = "a whole number" if given.whole else "a number"
    rule = f"{kind} from {given.least:,.10g} to {given.most:,.10g}{', or nothing' if given.optional else ''}"
    return {
        "validate": "integer" if given.whole else "decimal",
        "criteria": "between",
        "minimum": f"{given.least:.15G}",
        "maximum": f"{given.most:.15G}",
        "ignore_blank": given.optional,
        "input_title": "May be changed",
        "input_message": f"{rule[0].upper()}{rule[1:]}.",
        "error_title": "Out of range",
        "error_message": f"It must be {rule}.",
    }


def _parts(report: Report) -> list[str]:
    """Texts and pictures' titles, in parts that a cell can show."""
    told = [_told(block) for block in report.blocks if not isinstance(block, Table)]
    return [part for text in told for part in textwrap.wrap(text, _PART)]


def _told(block: Text | Picture) -> str:
    return block.text if isinstance(block, Text) else f"{block.title}: {block.path}"


def _paragraph(sheet: Sheet, row: int, text: str, styles: Styles) -> None:
    look = Look.of(styles, text_wrap=True, valign="top")
    sheet.merge_range(row, 0, row, len(_WIDTHS) - 1, "", look.style)
    put(sheet, row, 0, text, look)
    sheet.set_row(row, 15.5 * len(textwrap.wrap(text, _LINE)) + 4)
