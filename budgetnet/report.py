"""What a report is made of: texts, tables and pictures, whatever format it is written in later.

A column holds plain numbers and knows how people want to read them; formats for machines write the numbers themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

Row: TypeAlias = Mapping[str, Any]


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `key` in the rows and in CSV, `heading` for people, `show` how people read a value.

    `formula` says how the value follows from others, for formats that calculate (see `Input`): `[ops]` is the row's
    value under that key, `{fps}` an input, the rest as in a spreadsheet. `number` is the spreadsheet's number format.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = _plain
    right: bool = True
    formula: str = ""
    number: str = ""

    def text(self, row: Row) -> str:
        """The cell as people read it; empty where the row has no such value."""
        value = row.get(self.key)
        return "" if value is None else self.show(value)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns. `key` names the file of a table that is written by itself; `marked` rows are shown in
    bold.
    """

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    marked: Callable[[Row], bool] = lambda row: False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture beside the report: `path` relative to the report's folder."""

    title: str
    path: str


Block: TypeAlias = Text | Table | Picture


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A figure that the tables follow from, for formats that calculate: `name` is a word for formulas.

    Without a `formula` it is given, and its reader may change it; with one (as in `Column`, with `{table:key}` for all
    values of a table's column) it follows from others. `least` and `most` bound what makes sense.
    """

    name: str
    heading: str
    value: float | int | str | None
    formula: str = ""
    least: float = 0
    most: float = 1e12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`blocks` are for people to read, `tables` hold every row for machines (the first is the main one), `record` is
    both as plain data for JSON. `key` names the report's files. `inputs` are what formulas in the tables start from.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    tables: Sequence[Table]
    record: Mapping[str, Any]
    inputs: Sequence[Input] = ()
