"""YAML as a pydantic model: its faults of reading and of the model together, each with its line and in our words."""

from collections.abc import Iterator
from os import PathLike
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ValidationError

from budgetnet.errors import did_you_mean
from budgetnet.yaml_source import Fault, FaultsError, Location, Source, read, say

Model = TypeVar("Model", bound=BaseModel)

LONGEST: Final = 500
"""Characters of a text."""


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text on one line, and not empty")
    return _remark(text)


def _remark(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be a text on one line")
    if len(text) > LONGEST:
        raise ValueError(f"must be a text of at most {LONGEST} characters")
    return text


Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]
Remark: TypeAlias = Annotated[str, AfterValidator(_remark)]
"""A text that may be left out."""


def load(path: str | PathLike[str], model: type[Model]) -> Model:
    """Reads a file as a `model`. Raises FileError with all faults of the file."""
    return validate(read(path), model)


def validate(source: Source, model: type[Model]) -> Model:
    """Makes a `model` of what was read. Raises FileError with the faults of reading and those of the model together."""
    try:
        result = model.model_validate(source.value)
    except ValidationError as error:
        for fault in faults_of(error, model):
            parts = range(len(fault.location) + 1)
            if not any(fault.location[:length] in source.unread for length in parts):
                source.add(fault)
        source.finish()
        raise AssertionError("pydantic refused what was read without a fault") from error
    source.finish()
    return result


_RULES = {
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt:.10g}",
    "greater_than_equal": "must be {ge:.10g} or more",
    "int_type": "must be a whole number",
    "literal_error": "must be {expected}",
    "less_than": "must be less than {lt:.10g}",
    "less_than_equal": "must be {le:.10g} or less",
    "model_type": "must be a mapping",
    "string_type": "must be a text",
    "string_unicode": "must be a text",
    "too_short": "must hold {min_length} or more",
    "tuple_type": "must be a list",
}
"""Pydantic's names of the broken rules -> our words for them."""


def faults_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """What pydantic found wrong with a value for `model`, in our words."""
    for detail in error.errors(include_url=False):
        location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
        if kind == "too_short" and len(detail["input"]) >= context["min_length"]:
            continue  # pydantic counts the good items only; what is wrong with the others is told anyway
        if kind == "extra_forbidden":
            word = str(location[-1])[:100]
            yield Fault(location, f"unknown field{did_you_mean(word, _fields_at(model, location[:-1]))}")
        elif kind == "missing":
            yield Fault(location, "must be given", "nothing")
        elif kind != "value_error":
            yield Fault(location, _RULES[kind].format(**context), say(detail["input"]))
        elif isinstance(context["error"], FaultsError):
            for fault in context["error"].faults:
                yield Fault((*location, *fault.location), fault.rule, fault.value)
        else:
            yield Fault(location, str(context["error"]), say(detail["input"]))


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The fields of the model that lies at `location` inside `model`."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `Engine`, `tuple[Engine, ...]`, `Engine | None`."""
    inner = get_args(annotation)
    if inner:
        return next((found for found in map(_model_in, inner) if found), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
