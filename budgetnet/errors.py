"""What can go wrong because of what a user gave us: one base exception, told with file, line, rule and value.

Everything here is printed without a traceback and ends the command with exit code 2. Any other exception is a bug of
ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class BudgetnetError(Exception):
    """A fault in the input (a file, a flag, a data set), worded for the person who gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in a file. `field` is the dotted path inside the file, `value` what stood there (already shortened).

    `value` is empty where the field's name says it all: an unknown field.
    """

    file: str
    line: int
    field: str
    rule: str
    value: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.rule}" + (f", but got {self.value}" if self.value else "")


MOST_TOLD = 100
"""Faults of one file that are printed: who sees more mends none of them the sooner."""


class FileError(BudgetnetError):
    """All faults found in one file, in line order. The message tells the first ones, and how many more there are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.field)))
        told = [str(problem) for problem in self.problems[:MOST_TOLD]]
        more = self.problems[MOST_TOLD:]
        if more:
            told.append(f"{more[0].file}:{more[0].line}: (file): and {len(more):,} more from here on")
        super().__init__("\n".join(told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one file of a data set: `where` it lies, safe to print; `what`: the rule, then the value."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class DataError(BudgetnetError):
    """Faults of a data set's files. The message tells the first ones, and how many more there are."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        told = [str(fault) for fault in self.faults[:MOST_TOLD]]
        more = len(self.faults) - len(told)
        super().__init__("\n".join([*told, f"and {more:,} more"] if more else told))


def shorten(value: object, limit: int = 60) -> str:
    """`ascii(value)` on one line of at most `limit` characters, safe to print whatever the value is."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        value = value[: 4 * limit]
    text = ascii(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str) -> str:
    """`text` on one line, whatever it holds: a file name may hold line ends and bytes that are no text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def first_of(words: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: the first of many, and how many more there are."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more:,} more" if more > 0 else "")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'fps'?` when a known word is near, else the list of the known ones."""
    written = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), written, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {written[near[0]]!r}?"
    return f"; known: {', '.join(known)}" if known else ""
