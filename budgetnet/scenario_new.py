"""A new scenario file: what goes into it, where it goes, and that it reads back as what was asked for."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from budgetnet import files, scenario_file, yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, printable
from budgetnet.plan import plan
from budgetnet.scenario import Scenario
from budgetnet.scenario_questions import Ask, Say, answered, missing, refuse_missing, with_defaults
from budgetnet.scenario_words import Values, from_flags, problems, scenario


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file that was written, what its plan says, and the commands to go on with."""

    path: Path
    verdict: str

    @property
    def commands(self) -> tuple[str, ...]:
        """What to run next."""
        word = scenario_file.shown(self.path)
        return f"budgetnet plan {word}", f"budgetnet search {word} --trials 12"


def make(
    path: str | None,
    words: Mapping[str, str],
    groups: Sequence[str] = (),
    *,
    defaults: bool = False,
    force: bool = False,
    ask: Ask | None = None,
    say: Say = print,
) -> Made:
    """Writes a new scenario file out of the words of flags, field -> word, and of answers.

    What every scenario needs and no flag gives is taken from `defaults`, or asked, with `ask` None where nobody can be
    asked. Raises BudgetnetError, among others where there is a file already and no `force`.
    """
    values = from_flags(words, groups)
    name = name_of(path)
    if name and "name" not in values:
        values["name"] = name

    def refuse(name: str) -> str | None:
        return None if force else taken(target(path, name))

    fault = refuse(values["name"]) if "name" in values else None
    if fault:
        raise BudgetnetError(fault)
    if defaults:
        values = with_defaults(values)
    elif ask is None:
        refuse_missing(values)
    elif missing(values):
        values = answered(values, ask, say, refuse)
    written = target(path, values["name"])
    fault = refuse(values["name"])  # again: answers take their time
    if fault:
        raise BudgetnetError(fault)
    return Made(path=written, verdict=write(values, written))


def target(path: str | None, name: str) -> Path:
    """The file to write: `path`, with `.yaml` where it ends otherwise; `<name>.yaml` in a folder, or here."""
    if path is None or _is_folder(path):
        return Path(path or "") / f"{name}.yaml"
    return Path(path) if _is_file(path) else Path(f"{path}.yaml")


def name_of(path: str | None) -> str | None:
    """The name that a scenario in this file has, if the file's name will do."""
    if path is None or _is_folder(path):
        return None
    name = Path(path).stem if _is_file(path) else Path(path).name
    return None if problems({"name": name}) else name


def _is_file(path: str) -> bool:
    return Path(path).suffix.lower() in (".yaml", ".yml")


def _is_folder(path: str) -> bool:
    return path.endswith(("/", os.sep)) or os.path.isdir(path)  # noqa: PTH112 (a Path raises on names too long)


def taken(path: Path) -> str | None:
    """What speaks against writing a new file there."""
    if not os.path.lexists(path):
        return None
    return f"{printable(str(path))}: must be a new file (--force replaces one), but got one that is there"


def write(values: Values, path: Path) -> str:
    """Writes the scenario and returns what its plan says. Raises BudgetnetError where the file cannot be written."""
    asked = scenario(values)
    verdict = plan(asked).verdict
    content = scenario_file.text(values, path=path, verdict=verdict).encode()
    most = yaml_source.MAXIMUM_BYTES
    if len(content) > most:
        raise BudgetnetError(f"scenario: must be at most {most:,} bytes as a file, but got {len(content):,}")
    if yaml_model.validate(yaml_source.parse(content, printable(str(path))), Scenario) != asked:
        raise AssertionError("the file does not read back as what was asked for")
    files.make_folder(path.parent)
    files.write(path, content)
    return verdict
