"""Records read back from JSON: every value checked where it enters, since anybody may have edited the file."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from budgetnet.classes import IGNORE, ClassList
from budgetnet.errors import BudgetnetError, printable, shorten


def read(path: Path, hint: str = "") -> Any:
    """What a JSON file holds. Raises BudgetnetError that names it; the `hint` is for one that cannot be read."""
    where = printable(str(path))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        told = f"{error.strerror}; {hint}" if hint else error.strerror
        raise BudgetnetError(f"{where}: must be a file that can be read: {told}") from None
    except (ValueError, RecursionError):
        raise BudgetnetError(f"{where}: must be JSON, but is not") from None


def text(value: Any, field: str) -> str:
    """A text. Raises BudgetnetError that names the field."""
    if not isinstance(value, str):
        raise BudgetnetError(f"{field}: must be a text, but got {shorten(value)}")
    return value


def number(value: Any, field: str, low: float, high: float) -> float | int:
    """A finite number in a range. Raises BudgetnetError that names the field."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or not isfinite(value):
        raise BudgetnetError(f"{field}: must be a number from {low:g} to {high:g}, but got {shorten(value)}")
    return value  # type: ignore[no-any-return]


def whole(value: Any, field: str, low: int, high: int) -> int:
    """A whole number in a range. Raises BudgetnetError that names the field."""
    if type(value) is not int or not low <= value <= high:
        raise BudgetnetError(f"{field}: must be a whole number from {low} to {high}, but got {shorten(value)}")
    return value


def class_list(listed: Mapping[str, Any]) -> ClassList:
    """A list of classes as `dataclasses.asdict` wrote it. Raises BudgetnetError; KeyError or TypeError where a part is
    missing or of another kind.
    """
    names = [text(name, "classes.names") for name in listed["names"]]
    colours = [tuple(whole(part, "classes.colours", 0, 255) for part in colour) for colour in listed["colours"]]
    if not 1 <= len(names) < IGNORE or len(set(names)) < len(names) or "" in names:
        raise BudgetnetError(f"classes.names: must be 1 to {IGNORE - 1} different names, but got {shorten(names)}")
    if [len(colour) for colour in colours] != [3] * len(names):
        raise BudgetnetError(f"classes.colours: must be three numbers for each class, but got {shorten(colours)}")
    void = listed["void"]
    return ClassList(
        name=text(listed["name"], "classes.name"),
        names=tuple(names),
        colours=tuple((red, green, blue) for red, green, blue in colours),
        void=None if void is None else whole(void, "classes.void", 0, len(names) - 1),
    )


MOST_TOLD = 120
"""Characters of a value that are told."""


def _told(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}..."


def differing(earlier: Any, later: Any, path: str = "") -> list[str]:
    """`training.epochs 5, now 8`: what differs between two nested records."""
    if isinstance(earlier, Mapping) and isinstance(later, Mapping):
        keys = sorted({*earlier, *later})
        return [
            line for key in keys for line in differing(earlier.get(key), later.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if json.dumps(earlier) == json.dumps(later) else [f"{path} {_told(earlier)}, now {_told(later)}"]
