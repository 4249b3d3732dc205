"""How a workbook looks: cell styles, the colours that follow its figures, column widths."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from budgetnet.report import Column, Table, Tone

# Two hues that the colour-blind tell apart as well, dark on light; the words and signs say the same without colour.
GOOD: Final = {"bg_color": "#CFEBDD", "font_color": "#05573A"}
BAD: Final = {"bg_color": "#FBD0C4", "font_color": "#A01408", "bold": True}
GIVEN: Final = {"bg_color": "#FFF6CC", "font_color": "#0B3D91", "border": 1, "border_color": "#C9A227"}
HEADING: Final = {"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "vcenter"}
LINE: Final = {"bottom": 1, "bottom_color": "#DDE2E8"}
TITLE: Final = {"bold": True, "font_size": 14, "font_color": "#1F3A5F"}
PALE: Final = {"font_color": "#66707A"}
CHANGED: Final = {"bold": True, "font_color": "#B45309"}
LIVE: Final = {**HEADING, "bg_color": "#1B6B57"}
"""Headings of columns that calculate."""

_ROUNDING: Final = 1e-9
"""Of figures that a limit is met by exactly: less is no alarm."""

_SCALE: Final = (("min", 0, "#F7FAFD"), ("mid", 1, "#8DB8E4"), ("max", 1 + _ROUNDING, BAD["bg_color"]))
"""Of shares: the darker the more, and another colour from where it is too much."""

_SAMPLE: Final = 200
"""Rows that are looked at to find a column's width."""

_NARROWEST, _WIDEST = 8, 48


class Styles:
    """The styles of a workbook, each made once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[tuple[str, Any], ...], Any] = {}

    def of(self, *parts: dict[str, Any], **more: Any) -> Any:
        """The style with all these properties."""
        properties: dict[str, Any] = {}
        for part in (*parts, more):
            properties |= part
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format(properties)
        return self._made[key]


def rules(tone: Tone, styles: Styles) -> list[dict[str, Any]]:
    """The conditional formats of a column."""
    good, bad = styles.of(GOOD), styles.of(BAD)
    scale: dict[str, Any] = {"type": "3_color_scale"}
    for point, value, color in _SCALE:
        scale |= {f"{point}_type": "num", f"{point}_value": value, f"{point}_color": color}
    known: dict[Tone, list[dict[str, Any]]] = {
        "plain": [],
        "verdict": [
            {"type": "cell", "criteria": "==", "value": '"yes"', "format": good},
            {"type": "cell", "criteria": "==", "value": '"no"', "format": bad},
        ],
        "share": [{"type": "cell", "criteria": ">", "value": f"{1 + _ROUNDING:.9f}", "format": bad}, scale],
        "margin": [{"type": "cell", "criteria": "<", "value": f"{-_ROUNDING:.9f}", "format": bad}],
    }
    return known[tone]


def alarm(formula: str, styles: Styles) -> dict[str, Any]:
    """The conditional format of what is too much by a formula."""
    return {"type": "formula", "criteria": f"={formula}", "format": styles.of(BAD)}


def width(column: Column, table: Table) -> float:
    """The width of a column in characters, from its heading's longest word and a sample of its cells."""
    step = max(1, len(table.rows) // _SAMPLE)
    cells = [_shown(column, table.rows[place].get(column.key)) for place in range(0, len(table.rows), step)]
    words = [word + "MM" for word in column.heading.split()]  # room for the filter's arrow
    return min(max(_NARROWEST, *map(len, [*words, *cells])) + (1.5 if column.right else 2.5), _WIDEST)


def side(column: Column) -> dict[str, Any]:
    """Where the column's cells stand; text keeps its distance from the figures on its left."""
    return {"align": "right"} if column.right else {"align": "left", "indent": 1}


def height(columns: Sequence[Column], widths: Sequence[float]) -> float:
    """The height of the row of headings, in points: as many lines as the longest one takes."""
    pairs = zip(columns, widths, strict=True)
    lines = (len(textwrap.wrap(column.heading, max(1, int(width - 2)))) for column, width in pairs)
    return 8 + 15 * min(5, max(lines, default=1))


def _shown(column: Column, value: Any) -> str:
    """About as long as the spreadsheet shows it."""
    if isinstance(value, float) and column.number:
        return f"{100 * value:.1f}%" if "%" in column.number else f"{value:,.{len(column.number.partition('.')[2])}f}"
    return f"{value:,}" if type(value) is int else "" if value is None else str(value)
