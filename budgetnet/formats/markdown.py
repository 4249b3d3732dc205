"""Markdown, as GitHub renders it."""

import re

from budgetnet.report import Block, Picture, Report, Table, Text

SUFFIX = ".md"


def render(report: Report) -> dict[str, str]:
    """One file with the whole report."""
    parts = [f"# {_escape(report.title)}", *(_block(block) for block in report.blocks)]
    return {report.key: "\n\n".join(parts) + "\n"}


def _block(block: Block) -> str:
    match block:
        case Text():
            return _paragraph(block.text)
        case Picture():
            return f"![{_escape(block.title)}]({block.path})"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    heading = line([_escape(column.heading) for column in table.columns])
    rule = line(["---:" if column.right else ":---" for column in table.columns])
    rows = []
    for row in table.rows:
        cells = [_escape(column.text(row)) for column in table.columns]
        rows.append(line([f"**{cell}**" if cell else "" for cell in cells] if table.marked(row) else cells))
    return "\n".join([f"## {_escape(table.title)}", "", heading, rule, *rows])


def _paragraph(text: str) -> str:
    """Keeps a paragraph a paragraph: one that begins like a heading, a list or a rule is none."""
    return re.sub(r"^(?=[-+#=])|^(\d+)(?=[.)])", r"\1\\", _escape(text))


def _escape(text: str) -> str:
    """Keeps text text: no table bars, tags, links or line breaks come out of a name that a user chose."""
    for character in "\\|<>`*[]~&":
        text = text.replace(character, f"\\{character}")
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # inside a word it is no emphasis
    return " ".join(text.split())
