"""The JSON schema of the scenario file (draft 2020-12), for editors: what they complete, explain and underline.

Types, ranges and descriptions are those of the models that read the file. What validators check in code, and what
depends on the plug-ins that are there, is added here. The schema accepts whatever the reader accepts; what it cannot
tell and the reader refuses is listed in `tests/test_schema.py`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from budgetnet import cameras, networks, platforms, plugins, rules
from budgetnet.parameters import Parameter
from budgetnet.scenario import Scenario

FILE_NAME: Final = "scenario.schema.json"
"""What the schema's file is called; editors find it beside the scenarios."""

Schema: TypeAlias = dict[str, Any]

_TYPES = {int: "integer", float: "number", str: "string"}


def text() -> str:
    """The schema as the content of a file."""
    return json.dumps(schema(), indent=2) + "\n"


def schema() -> Schema:
    """The schema, with the plug-ins that are there now."""
    made = _plain(Scenario.model_json_schema())
    group = made["$defs"]["CameraGroup"]
    _refine_scenario(made["properties"])
    _refine_group(group["properties"])
    group["allOf"] = [*_spaces(), _no_space_without_a_network()]
    made["$defs"] |= {name: _space(name) for name in networks.names()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Scenario of budgetnet",
        "description": "What a car needs of its segmentation network, the budget, and what to search and train.",
        "allOf": [*_spaces(default=Scenario.model_fields["network"].default), *map(_needed, ("fps", "input"))],
    }


def _plain(node: Any) -> Any:
    """Without what pydantic makes of Python's names, and with `X or null` as one type where that says the same."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plain(value) for key, value in node.items() if key != "title" and (key, value) != ("default", None)}
    either = kept.get("anyOf", [])
    if len(either) == 2 and either[1] == {"type": "null"} and "type" in either[0]:
        del kept["anyOf"]
        kept |= {**either[0], "type": [either[0]["type"], "null"]}
    return kept


def _refine_scenario(fields: dict[str, Schema]) -> None:
    count = {"type": "integer", "minimum": 1, "maximum": cameras.MOST_CAMERAS}
    groups = {"type": "array", "minItems": 1, "maxItems": cameras.MOST_GROUPS, "items": {"$ref": "#/$defs/CameraGroup"}}
    fields["name"] |= _folder_name()
    fields["cameras"]["anyOf"] = [count, groups]
    fields["classes"]["anyOf"] = list(_classes())
    fields["platform"]["anyOf"] = list(_platforms())
    fields["dataset"]["anyOf"] = list(_datasets())
    fields["network"]["anyOf"] = list(_networks())
    for name in ("fps", "budget_gops", "budget_mb"):
        fields[name]["minimum"] = rules.SMALLEST
    fields["search_space"] = _any_space(fields["search_space"])
    del fields["training"]["default"]  # each of its fields tells its own


def _refine_group(fields: dict[str, Schema]) -> None:
    refused = {"anyOf": [{"const": cameras.SHARED}, {"pattern": cameras.NAMING.pattern}]}
    fields["name"] |= {"pattern": _whole(rules.LABEL), "not": refused}
    fields["fps"]["minimum"] = rules.SMALLEST
    fields["network"]["anyOf"] = [*_networks(), {"type": "null"}]
    fields["search_space"] = _any_space(fields["search_space"])


def _any_space(field: Schema) -> Schema:
    """What its parameters are depends on the network: see `_spaces`."""
    return {"type": ["object", "array"], "description": field["description"]}


# --- single fields


def _whole(pattern: re.Pattern[str]) -> str:
    return f"^{pattern.pattern}$"


def _either_case(pattern: str) -> str:
    """JSON schemas have no flags."""
    return re.sub("[a-z]+", lambda word: "".join(f"[{c}{c.upper()}]" for c in word[0]), pattern)


def _folder_name() -> Schema:
    device = f"^{_either_case(rules.WINDOWS_DEVICE.pattern)}$"
    return {"pattern": _whole(rules.FILE_NAME), "not": {"anyOf": [{"pattern": device}, {"pattern": r"\.$"}]}}


def _known(name: str, description: str) -> Schema:
    return {"const": name, "description": description}


def _classes() -> Iterator[Schema]:
    most = rules.MAXIMUM_CLASSES
    yield {"type": "integer", "minimum": 2, "maximum": most}
    for name, classes in rules.class_lists().items():
        yield _known(name, ", ".join(classes))
    label = {"type": "string", "pattern": _whole(rules.LABEL)}
    yield {"type": "array", "items": label, "minItems": 2, "maxItems": most, "uniqueItems": True}


def _platforms() -> Iterator[Schema]:
    for key in platforms.names():
        known = platforms.load(key)
        yield _known(key, f"{known.name}. {known.description}".rstrip())
    yield {"type": "string", "pattern": r"[/\\]|\.ya?ml$", "description": "The path of a platform file."}
    yield {"type": "null"}


def _datasets() -> Iterator[Schema]:
    names = plugins.module_names("budgetnet.datasets")
    for name in names:
        yield _known(name, plugins.summary("budgetnet.datasets", name))
    argument = r"[^\x00-\x1f\x7f-\xa0\u2028\u2029]+"  # more cannot be printed, but has no short name in a pattern
    pattern = f"^({'|'.join(map(re.escape, names))}):{argument}$"
    yield {"type": "string", "pattern": pattern, "description": "A data set and its argument, such as camvid:FOLDER."}
    yield {"type": "null"}


def _networks() -> Iterator[Schema]:
    for name in networks.names():
        yield _known(name, plugins.summary("budgetnet.networks", name))


def _needed(field: str) -> Schema:
    """`fps` and `input` may be left out where every camera group has its own."""
    given = {"required": [field], "properties": {field: {"not": {"type": "null"}}}}
    lacking = {"anyOf": [{"type": "integer"}, {"type": "array", "contains": {"type": "object", "not": given}}]}
    return {"if": {"properties": {"cameras": lacking}, "required": ["cameras"]}, "then": given}


# --- search spaces


def _spaces(default: str | None = None) -> Iterator[Schema]:
    """The search space is that of the network; of the default one where none is named."""
    for name in networks.names():
        named: Schema = {"properties": {"network": {"const": name}}}
        if name != default:
            named["required"] = ["network"]
        yield {"if": named, "then": {"properties": {"search_space": _one_or_more(f"#/$defs/{name}")}}}


def _one_or_more(space: str) -> Schema:
    one = {"$ref": space}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": rules.MOST_SPACES}]}


def _no_space_without_a_network() -> Schema:
    own = {"properties": {"network": {"type": "string"}}, "required": ["network"]}
    return {"if": {"not": own}, "then": {"properties": {"search_space": {"maxProperties": 0, "maxItems": 0}}}}


def _space(network: str) -> Schema:
    """Every parameter of a network with the values that may be searched."""
    parameters = networks.family(network).parameters
    values = {parameter.name: _values(parameter) for parameter in parameters}
    return {"type": "object", "properties": values, "additionalProperties": False}


def _values(parameter: Parameter) -> Schema:
    one = _one(parameter)
    forms = [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]
    if parameter.numeric:
        forms.append(_range(parameter))
    return {"description": parameter.explained, "default": list(parameter.space), "anyOf": forms}


def _one(parameter: Parameter) -> Schema:
    """A single value."""
    if parameter.choices:
        return {"enum": list(parameter.choices)}
    rule: Schema = {"type": _TYPES[parameter.kind]}
    limits = {"exclusiveMinimum": parameter.above, "minimum": parameter.minimum, "maximum": parameter.maximum}
    return rule | {key: limit for key, limit in limits.items() if limit is not None}


def _range(parameter: Parameter) -> Schema:
    first, last = _one(parameter), _one(parameter)
    last.pop("maximum", None)  # the last value may lie before `to`
    step = {"type": _TYPES[parameter.kind], "exclusiveMinimum": 0}
    fields: Iterable[tuple[str, Schema, str]] = (
        ("from", first, "The first value."),
        ("to", last, "No value is larger."),
        ("step", step, "From each value to the next."),
    )
    return {
        "type": "object",
        "properties": {name: {**rule, "description": said} for name, rule, said in fields},
        "required": ["from", "to", "step"],
        "additionalProperties": False,
    }
