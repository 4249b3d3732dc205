"""Progress bars on standard error, where somebody can see them: standard output is for what a command answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Watch: TypeAlias = Callable[[int, int | None], None]
"""Told how much is done of how much; None where nobody knows how much there is."""


@contextmanager
def bars(per_second: float = 10) -> Iterator[Callable[[str], Watch]]:
    """Bars that begin when they are named: `begin("reading")` gives what is told of it. They vanish at the end. They
    are drawn anew so many times `per_second`: seldom, where drawing would be in the way.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    quiet = not console.is_terminal
    with Progress(
        *columns, *left, console=console, transient=True, disable=quiet, refresh_per_second=per_second
    ) as shown:

        def begin(name: str) -> Watch:
            task = shown.add_task(name, total=None)
            return lambda done, total: shown.update(task, completed=done, total=total)

        yield begin
