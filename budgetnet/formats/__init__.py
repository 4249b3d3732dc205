"""Report formats: a report -> text. One file each, its name is its key.

A format file holds

- `SUFFIX`: the ending of its files;
- `render(report) -> dict[str, str]`: file stem -> text. The first entry is what goes to the screen.
"""

from typing import Protocol, cast

from budgetnet.plugins import load_module, module_names
from budgetnet.report import Report


class Format(Protocol):
    """A format file, as its users see it."""

    SUFFIX: str

    def render(self, report: Report) -> dict[str, str]:
        """File stem -> text."""
        ...


def names() -> list[str]:
    """Keys of all formats."""
    return module_names(__name__)


def load(name: str) -> Format:
    """The format `name`. Raises BudgetnetError naming the known ones when there is none."""
    return cast(Format, load_module(__name__, name, "format"))


def text(report: Report, name: str) -> str:
    """The report in one format, for the screen or a pipe."""
    return next(iter(load(name).render(report).values()))


def files(report: Report, *formats: str) -> dict[str, bytes]:
    """File name -> content, in the given formats."""
    written: dict[str, bytes] = {}
    for name in formats:
        chosen = load(name)
        written |= {f"{stem}{chosen.SUFFIX}": content.encode() for stem, content in chosen.render(report).items()}
    return written
