"""Report formats: a report -> text or bytes. One file each, its name is its key.

A format file holds

- `SUFFIX`: the ending of its files;
- `render(report)`: file stem -> text, or bytes where the format is no text. The first text is what goes to the screen.
"""

from collections.abc import Mapping
from typing import Protocol, cast

import typer
from rich.console import Console

from budgetnet import terminal
from budgetnet.errors import BudgetnetError
from budgetnet.plugins import load_module, module_names
from budgetnet.report import Report


class Format(Protocol):
    """A format file, as its users see it."""

    SUFFIX: str

    def render(self, report: Report) -> Mapping[str, str | bytes]:
        """File stem -> content."""
        ...


def names() -> list[str]:
    """Keys of all formats."""
    return module_names(__name__)


def load(name: str) -> Format:
    """The format `name`. Raises BudgetnetError naming the known ones when there is none."""
    return cast(Format, load_module(__name__, name, "format"))


def text(report: Report, name: str) -> str:
    """The report in one format, for the screen or a pipe. Raises BudgetnetError where that format is no text."""
    first = next(iter(load(name).render(report).values()))
    if isinstance(first, bytes):
        raise BudgetnetError(f"format: must be one of text to go to the screen, but got {name!r}")
    return first


def show(report: Report, format: terminal.Format, console: Console) -> None:
    """Prints the report. Raises BudgetnetError where standard output cannot be written."""
    with terminal.printing():
        if format is terminal.Format.table:
            from budgetnet.formats import table

            table.show(report, console)
        else:
            typer.echo(text(report, format.value), nl=False)


def files(report: Report, *formats: str) -> dict[str, bytes]:
    """File name -> content, in the given formats."""
    written: dict[str, bytes] = {}
    for name in formats:
        chosen = load(name)
        for stem, content in chosen.render(report).items():
            written[f"{stem}{chosen.SUFFIX}"] = content if isinstance(content, bytes) else content.encode()
    return written
