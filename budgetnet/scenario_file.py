"""A scenario as a file that teaches: which commands run it, what comes out, what every field means, and an example of
each field that was left out.

Prose begins with `# `. A `#` right before a field turns the field off; it counts once that `#` is taken away.
"""

import os
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from budgetnet import networks, schema
from budgetnet.errors import printable
from budgetnet.scenario import Scenario
from budgetnet.training_settings import Training
from budgetnet.yaml_text import flow

WIDTH: Final = 118
"""Columns of the prose."""

_OFF = "#"


def text(values: Mapping[str, Any], *, path: Path, verdict: str) -> str:
    """The scenario of these fields, to be written to `path`. `verdict` is what its plan says."""
    lines = [*_opening(str(values["name"]), path, verdict)]
    for name, field in Scenario.model_fields.items():
        lines += ["", *_prose(str(field.description))]
        if name == "cameras" and isinstance(values["cameras"], int):
            lines += [f"# {line}" for line in _field(name, field.examples[-1])[1:]] if field.examples else []
        lines += _field(name, values[name]) if name in values else [f"{_OFF}{line}" for line in _example(name, values)]
    return "\n".join([*lines, ""])


def shown(path: Path) -> str:
    """A path as a word of a command line, whatever its name holds."""
    word = str(path)
    return printable(shlex.quote(f"./{word}" if word.startswith("-") else word))


def _opening(name: str, path: Path, verdict: str) -> Iterator[str]:
    commands = {
        f"budgetnet plan {shown(path)}": f"at once, writes reports/{name}/",
        f"budgetnet search {shown(path)} --trials 12": "trains candidates that fit: minutes to hours",
        f"budgetnet scenario validate {shown(path)}": "after each change: every fault, with its line",
    }
    wide = max(map(len, commands))
    yield f"# Scenario {name}, begun with `budgetnet scenario new`."
    yield "#"
    yield from (f"#     {command:{wide}}    {said}" for command, said in commands.items())
    yield "#"
    yield from _prose(f"When this was written: {verdict}")
    yield "#"
    yield from _prose(
        f"A field with {_OFF} right before it is off and shows an example: take the {_OFF} away to use it."
    )
    line = f"yaml-language-server: $schema={schema.FILE_NAME}"
    if os.path.isfile(path.parent / schema.FILE_NAME):  # noqa: PTH113 (a Path raises on names too long)
        yield f"# {line}"
    else:
        yield "# For help in an editor that reads JSON schemas, such as VS Code with Red Hat's YAML extension, run"
        yield f"# `budgetnet scenario schema > {schema.FILE_NAME}` beside this file, and add the line"
        yield f"#     # {line}"


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(printable(text), WIDTH - 2, break_on_hyphens=False)]


def _field(name: str, value: Any) -> list[str]:
    """A field and its value; a list of camera groups has a line for each."""
    if name == "cameras" and not isinstance(value, int):
        return [f"{name}:", *(f"  - {flow(group)}" for group in value)]
    return [f"{name}: {flow(value)}"]


def _example(name: str, values: Mapping[str, Any]) -> list[str]:
    """The lines of a field that was left out."""
    field = Scenario.model_fields[name]
    if name == "search_space":
        network = networks.family(values.get("network", Scenario.model_fields["network"].default))
        known = {each.name: (each.explained, each.space) for each in network.parameters}
    elif name == "training":
        known = {key: (str(each.description), each.default) for key, each in Training.model_fields.items()}
    else:
        assert field.examples
        return [f"{name}: {flow(field.examples[0])}"]
    inner = [line for key, (said, value) in known.items() for line in (*_prose(said), f"{key}: {flow(value)}")]
    return [f"{name}:", *(f"  {line}" for line in inner)]
