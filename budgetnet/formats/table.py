"""Tables for the terminal, drawn by rich."""

import io

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text as RichText

from budgetnet.report import Block, Column, Picture, Report, Table, Text

SUFFIX = ".txt"


def render(report: Report) -> dict[str, str]:
    """The report as plain text, 120 columns wide."""
    console = Console(file=io.StringIO(), width=120, color_system=None)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return {report.key: console.file.getvalue()}


def show(report: Report, console: Console) -> None:
    """Prints the report. A table wider than the window goes over its edge; cropped, it would lose figures."""
    console.print(_renderable(report, console.width), crop=False)


def least_width(table: Table) -> int:
    """How many characters a table needs at least: headings and texts broken between words, figures never."""
    return sum(_least_width(column, table) + 2 for column in table.columns) - 1


def _renderable(report: Report, window: int) -> RenderableType:
    """The report for a rich console."""
    blocks = [part for block in report.blocks for part in ("", _block(block, window))]
    return Group(RichText(report.title, style="bold"), *blocks)


def _block(block: Block, window: int) -> RenderableType:
    match block:
        case Text():
            return RichText(block.text)
        case Picture():
            return RichText(f"{block.title}: {block.path}")
        case Table():
            # a line of its own: as rich's title it would be broken at the width of a narrow table
            return Group(RichText(block.title, style="italic"), _table(block, window))


def _table(table: Table, window: int) -> RichTable:
    needed = least_width(table)
    # rich takes whole columns out of a table that is too wide, unless it is told the width
    drawn = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), width=needed if needed > window else None
    )
    for column in table.columns:
        least = _least_width(column, table)
        if column.right:
            drawn.add_column(RichText(column.heading), justify="right", min_width=least, max_width=least)
        else:
            drawn.add_column(RichText(column.heading), min_width=least)
    for row in table.rows:
        style = "bold green" if table.marked(row) else None
        drawn.add_row(*(RichText(column.text(row)) for column in table.columns), style=style)
    return drawn


def _least_width(column: Column, table: Table) -> int:
    cells = [column.text(row) for row in table.rows]
    words = column.heading.split() + (cells if column.right else [word for cell in cells for word in cell.split()])
    return max(map(cell_len, words), default=0)
