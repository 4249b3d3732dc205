"""Values into cells of a workbook: numbers as numbers where they stay exact, text as text whatever it begins with."""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, final

from xlsxwriter.worksheet import Worksheet

from budgetnet.formats._styles import Styles

EXACT: Final = 10**15
"""Spreadsheets keep 15 digits. Whole numbers from here on are written as text, with all of theirs."""

LONGEST: Final = 16_000
"""Characters of one cell's text: half the limit of 32,767, as some count twice."""

_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@final
class Sheet(Worksheet):  # type: ignore[misc]  # the library has no types
    """A sheet that takes formulas as they are: looking for functions of later spreadsheets, which no formula of ours
    uses, takes the library longer than all the rest.
    """

    def _prepare_formula(self, formula: str, *_: Any, **__: Any) -> str:
        return formula.removeprefix("=")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A style of cells; `quoted` tells the spreadsheet besides to keep text as text when somebody edits it."""

    style: Any
    quoted: Any

    @classmethod
    def of(cls, styles: Styles, *parts: dict[str, Any], **more: Any) -> "Look":
        """The look with all these properties."""
        return cls(style=styles.of(*parts, **more), quoted=styles.of(*parts, **more, quote_prefix=True))


def clean(text: str) -> str:
    """The text as a workbook can hold it."""
    text = _NO_XML.sub("\ufffd", text)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    # the library would take this for its own markup
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text


def put(sheet: Sheet, row: int, column: int, value: Any, look: Look) -> None:
    """Writes one value."""
    if value is None or value == "":
        sheet.write_blank(row, column, None, look.style)
    elif isinstance(value, int | float) and _is_exact(value):
        sheet.write_number(row, column, value, look.style)
    else:
        text = str(value)
        sheet.write_string(row, column, clean(text), look.quoted if text.startswith(_RISKY) else look.style)


def put_formula(sheet: Sheet, row: int, column: int, formula: str, value: Any, look: Look) -> None:
    """Writes a formula with the value that it has now."""
    held = clean(value) if isinstance(value, str) else value
    sheet.write_formula(row, column, formula, look.style, "" if held is None else held)


def _is_exact(value: float) -> bool:
    return abs(value) < EXACT if isinstance(value, int) else isfinite(value)
