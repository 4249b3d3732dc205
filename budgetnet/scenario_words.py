"""Words of flags and of answers -> fields of a scenario, with every rule that they break.

A word that means nothing to its field stays a text, and all fields go through the reader of scenario files: a flag, an
answer and a file have the same rules.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from budgetnet import yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, FileError, Problem, shorten
from budgetnet.scenario import Scenario
from budgetnet.yaml_text import flow

GROUP: Final = "NAME:COUNTxFPS@HEIGHTxWIDTH"
_GROUP = re.compile(r"(?P<name>.*):(?P<count>[^:xX@]+)([xX](?P<fps>[^:xX@]+))?(@(?P<input>[^:@]+))?", re.DOTALL)
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

Values: TypeAlias = dict[str, Any]
"""Fields of a scenario as its file would hold them."""


def number(word: str) -> Any:
    """`30` -> 30, `29.97` -> 29.97."""
    word = word.strip()
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _NUMBER.fullmatch(word) else word


def size(word: str) -> Any:
    """`320x480` -> height and width. Raises ValueError."""
    sides = re.split("[xX]", word)
    if len(sides) != 2:
        raise ValueError("must be HEIGHTxWIDTH, such as 320x480")
    return dict(zip(("height", "width"), map(number, sides), strict=True))


def group(word: str) -> Values:
    """`front:1x30@640x960` -> a camera group. `x30` and `@640x960` may be left out. Raises ValueError."""
    match = _GROUP.fullmatch(word)
    if not match:
        raise ValueError(f"must be {GROUP}, such as front:1x30@640x960")
    made: Values = {"name": match["name"].strip(), "count": number(match["count"])}
    if match["fps"]:
        made["fps"] = number(match["fps"])
    if match["input"]:
        made["input"] = size(match["input"])
    return made


def cameras(word: str) -> Any:
    """`4`, or groups with commas between them. Raises ValueError."""
    return [group(each.strip()) for each in word.split(",")] if ":" in word else number(word)


def classes(word: str) -> Any:
    """`7`, `lab7`, or names with commas between them."""
    return [name.strip() for name in word.split(",")] if "," in word else number(word)


READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "cameras": cameras,
    "classes": classes,
    "input": size,
    **dict.fromkeys(("fps", "budget_gops", "reserve", "contention", "budget_mb", "minimum_mean_iou"), number),
}
"""How the word for a field is read, where it is no text."""


# --- their rules


def flag(field: str) -> str:
    """The flag that gives a field."""
    return "--size" if field == "input" else f"--{field.replace('_', '-')}"


def from_flags(words: Mapping[str, str], groups: Sequence[str] = ()) -> Values:
    """Values of fields out of the words of flags, field -> word. Raises BudgetnetError with all that is wrong."""
    wrong: list[str] = []

    def read(name: str, word: str, reader: Callable[[str], Any]) -> list[Any]:
        """The value; nothing where the word cannot be one."""
        try:
            return [reader(word)]
        except ValueError as error:
            wrong.append(f"{name}: {error}, but got {shorten(word)}")
            return []

    values = {name: each for name, word in words.items() for each in read(flag(name), word, READ.get(name, str))}
    if groups:
        if "cameras" in words:
            wrong.append(f"--cameras: must be left out where --group is given, but got {shorten(words['cameras'])}")
        made = [each for word in groups for each in read("--group", word, group)]
        values |= {"cameras": made} if len(made) == len(groups) else {}
    names = {"cameras": "--group"} if groups else {}
    wrong += [told(problem, names.get(field, flag(field))) for field, problem in problems(values)]
    if wrong:
        raise BudgetnetError("\n".join(wrong))
    return values


def scenario(values: Values) -> Scenario:
    """The scenario of these fields, read as its file would be. Raises FileError."""
    lines = [f"{field}: {flow(value)}\n" for field, value in values.items()]
    return yaml_model.validate(yaml_source.parse("".join(lines).encode(), "scenario"), Scenario)


def problems(values: Values) -> list[tuple[str, Problem]]:
    """Field -> what a scenario file of these values breaks, but for fields that it lacks."""
    try:
        scenario(values)
    except FileError as error:
        found = [(re.split(r"\W", problem.field)[0], problem) for problem in error.problems]
        return [(field, problem) for field, problem in found if field in values]
    return []


def told(problem: Problem, name: str) -> str:
    """`cameras[0].fps` of flag `--group` is told as `--group 1: fps`."""
    place = re.match(r"\w+(?:\[(\d+)\])?\.?(.*)", problem.field, re.DOTALL)
    index, inner = place.groups() if place else (None, "")
    parts = [f"{name} {int(index) + 1}" if index else name, inner, problem.rule]
    return ": ".join(filter(None, parts)) + (f", but got {problem.value}" if problem.value else "")
