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
    """A column: `key` in the rows and in CSV, `heading` for people, `show` how people read a value."""

    key: str
    heading: str
    show: Callable[[Any], str] = _plain
    right: bool = True

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
class Report:
    """`blocks` are for people to read, `tables` hold every row for machines (the first is the main one), `record` is
    both as plain data for JSON. `key` names the report's files.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    tables: Sequence[Table]
    record: Mapping[str, Any]
