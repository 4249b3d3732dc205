"""What every command prints the same way."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import typer
from rich.console import Console

from budgetnet.errors import BudgetnetError, FileError

WIDTH = 120
"""Columns a table may count on; in a narrower window its lines wrap, so that no figure is ever cut."""


def wide_console() -> Console:
    """Standard output for tables."""
    console = Console()
    if console.width < WIDTH:
        console.width = WIDTH
    return console


class Format(StrEnum):
    """Output formats of the screen."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"


def complain(error: BudgetnetError) -> None:
    """Prints what is wrong with the input."""
    # lines of a FileError begin with file and line, so that editors can jump to them
    typer.secho(str(error) if isinstance(error, FileError) else f"Error: {error}", fg="red", err=True)


@contextmanager
def printing() -> Iterator[None]:
    """Around all that goes to standard output. Raises BudgetnetError where that cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has seen enough
            raise
        raise BudgetnetError(f"standard output: must be writable, but got {error.strerror}") from error
