"""What a report is made of: texts, tables and pictures, whatever format it is written in later.

A column holds plain numbers and knows how people want to read them; formats for machines write the numbers themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

from budgetnet.errors import printable

Row: TypeAlias = Mapping[str, Any]

Formula: TypeAlias = str | Callable[[Row], str]
"""How a value follows from others, for formats that calculate; row by row where rows differ, empty where it does not.

`[ops]` is the row's value under that key (see `of_row`), `{fps}` an input, `{table:key}` all values of a table's
column, the rest as in a spreadsheet.
"""

Tone: TypeAlias = Literal["plain", "verdict", "share", "margin"]
"""What figures say of a limit: a verdict is yes or no, more than a share of 1 is too much, less than a margin of 0 too
little.
"""


def plain(value: Any) -> str:
    """A value as people read it where its column knows nothing better."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def of_row(key: str) -> str:
    """The row's value under a key, as formulas say it, whatever characters the key holds: `[ops]`."""
    return f"[{key.replace(']', ']]')}]"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `key` in the rows and in CSV, `heading` for people, `show` how people read a value.

    For workbooks `number` is the number format, `tone` what to colour, `alarm` a formula like `formula` that is true
    where a value is too much, and `promise` to how many digits a value is rounded down that must not promise too much.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = plain
    right: bool = True
    formula: Formula = ""
    number: str = ""
    tone: Tone = "plain"
    alarm: str = ""
    promise: int | None = None

    def text(self, row: Row) -> str:
        """The cell as people read it; empty where the row has no such value."""
        value = row.get(self.key)
        return "" if value is None else self.show(value)

    def formula_of(self, row: Row) -> str:
        """The formula of the row's value."""
        return self.formula if isinstance(self.formula, str) else self.formula(row)


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

    Without a `formula` it is given, and its reader may change it to another from `least` to `most` (a `whole` one
    where that is so, or none at all where it is `optional`); with one it follows from others. `number` is a
    spreadsheet's number format.
    """

    name: str
    heading: str
    value: float | int | str | None
    unit: str = ""
    formula: str = ""
    least: float = 0
    most: float = 1e12
    whole: bool = False
    optional: bool = False
    number: str = ""


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


def facts(title: str, named: Mapping[str, Any]) -> Table:
    """Settings, origins and the like: what and value, as they are."""
    rows = [{"name": printable(str(name)), "value": printable(str(value))} for name, value in named.items()]
    columns = [Column(key="name", heading="what", right=False), Column(key="value", heading="value", right=False)]
    return Table(key="facts", title=title, columns=columns, rows=rows)
