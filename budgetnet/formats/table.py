"""Tables for the terminal, drawn by rich."""

import io

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text as RichText

from budgetnet.report import Block, Picture, Report, Table, Text

SUFFIX = ".txt"


def render(report: Report) -> dict[str, str]:
    """The report as plain text, 120 columns wide."""
    console = Console(file=io.StringIO(), width=120, color_system=None)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return {report.key: console.file.getvalue()}


def show(report: Report, console: Console) -> None:
    """Prints the report. A table wider than the window goes over its edge; cropped, it would lose figures."""
    console.print(_renderable(report), crop=False)


def _renderable(report: Report) -> RenderableType:
    """The report for a rich console."""
    blocks = [part for block in report.blocks for part in ("", _block(block))]
    return Group(RichText(report.title, style="bold"), *blocks)


def _block(block: Block) -> RenderableType:
    match block:
        case Text():
            return RichText(block.text)
        case Picture():
            return RichText(f"{block.title}: {block.path}")
        case Table():
            # a line of its own: as rich's title it would be broken at the width of a narrow table
            return Group(RichText(block.title, style="italic"), _table(block))


def _table(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns:
        cells = [column.text(row) for row in table.rows]
        if column.right:  # headings are broken over lines, figures never
            width = max(map(cell_len, [*column.heading.split(), *cells]), default=0)
            drawn.add_column(RichText(column.heading), justify="right", min_width=width, max_width=width)
        else:
            width = max((cell_len(word) for text in [column.heading, *cells] for word in text.split()), default=0)
            drawn.add_column(RichText(column.heading), min_width=width)
    for row in table.rows:
        style = "bold green" if table.marked(row) else None
        drawn.add_row(*(RichText(column.text(row)) for column in table.columns), style=style)
    return drawn
