"""Rules of a scenario that pydantic has no words for.

Each is a function from a value to the value, or raises with the rule.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, ValidationInfo

from budgetnet import networks, platforms, plugins, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.parameters import Parameter, Value
from budgetnet.space import LARGEST, Space, Spaces, in_both, number
from budgetnet.yaml_source import Fault, FaultsError, say

MAXIMUM_CLASSES: Final = 254
"""Labels are bytes, and 255 is the label that is left out."""

SMALLEST: Final = 1e-9
"""Of frame rates and budgets: far below anything real, and all that is computed from it stays a finite float."""

LONGEST: Final = 100_000
"""Values of one parameter."""

MOST_SPACES: Final = 100
"""That are searched together."""

_TOLD: Final = 10**12
"""Counts above are not told digit by digit."""

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LABEL = re.compile(r"\S(.{0,62}\S)?")
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def _unknown(rule: str, word: str, known: list[str]) -> FaultsError:
    return FaultsError([Fault((), rule, shorten(word) + did_you_mean(word[:100], known))])


def folder_name(name: str) -> str:
    """A name that may be a folder's on every system."""
    if not FILE_NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")
    if WINDOWS_DEVICE.fullmatch(name) or name.endswith("."):
        raise ValueError("must be a name that every system takes for a folder")
    return name


def real(value: float) -> float:
    """A number that is not all but zero."""
    if value < SMALLEST:
        raise ValueError(f"must be {SMALLEST:g} or more")
    return value


def classes(value: Any) -> int | str | tuple[str, ...]:
    """A count, the name of a class list, or names."""
    if isinstance(value, list | tuple):
        return _class_names(value)
    if isinstance(value, str):
        known = class_lists()
        if value not in known:
            raise _unknown("must be a count, a list of names, or a known class list", value, list(known))
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number, the name of a class list, or a list of class names")
    if not 2 <= value <= MAXIMUM_CLASSES:
        raise ValueError(f"must be 2 to {MAXIMUM_CLASSES}")
    return value


def is_label(name: str) -> bool:
    """Whether a text can stand for something in tables and plots: 1 to 64 characters on a line, no blanks around."""
    return bool(LABEL.fullmatch(name)) and name.isprintable()


def _class_names(names: list[Any] | tuple[Any, ...]) -> tuple[str, ...]:
    if not 2 <= len(names) <= MAXIMUM_CLASSES:
        raise FaultsError([Fault((), f"must name 2 to {MAXIMUM_CLASSES} classes", f"{len(names)}")])
    faults = []
    for index, name in enumerate(names):
        if not isinstance(name, str) or not is_label(name):
            faults.append(Fault((index,), "must be a text of 1 to 64 characters, no blanks around", say(name)))
        elif name in names[:index]:
            faults.append(Fault((index,), "must be named once", shorten(name)))
    if faults:
        raise FaultsError(faults)
    return tuple(names)


@cache
def class_lists() -> dict[str, tuple[str, ...]]:
    """Class list -> names of its classes, from the class map files."""
    found = {}
    for entry in plugins.data_files("budgetnet.classmaps").values():
        values = yaml_source.parse(entry.read_bytes(), entry.name).value
        found[str(values["classes_name"])] = tuple(str(each["name"]) for each in values["classes"])
    return found


def network(name: str) -> str:
    """A known network."""
    known = networks.names()
    if name not in known:
        raise _unknown("must be a known network", name, known)
    return name


def dataset(spec: str) -> str:
    """A known data set, with or without its argument."""
    name, colon, argument = spec.partition(":")
    known = plugins.module_names("budgetnet.datasets")
    if name not in known:
        raise _unknown("must be a known data set, or one and its argument (name:argument)", name, known)
    if (colon and not argument) or not spec.isprintable():
        raise ValueError(f"must have a text on one line after {name}:")
    return spec


def platform(key_or_path: str) -> str:
    """A known platform, or the path of a platform file without errors."""
    known = platforms.names()
    if key_or_path in known:
        return key_or_path
    if not plugins.is_path(key_or_path):
        raise _unknown("must be a known platform or the path of a platform file", key_or_path, known)
    try:
        platforms.load(key_or_path)
    except BudgetnetError as error:
        first, *_ = str(error).splitlines()
        rule = "must be the path of a platform file without errors"
        raise FaultsError([Fault((), rule, f"{shorten(key_or_path)} ({first})")]) from None
    return key_or_path


def search_space(space: Any, info: ValidationInfo) -> Spaces:
    """Checks names and values with the network's own rules; a single value stands for a list of one, `{from: 0.25,
    to: 1, step: 0.05}` for all values from one to the other. Of several spaces each is checked, and that no candidate
    is in two of them.
    """
    network = info.data.get("network")
    checked: Spaces
    if not isinstance(space, list | tuple):
        if not isinstance(space, dict):
            raise ValueError(f"must be {_A_SPACE}, or a list of such")
        checked, faults = _space(network, space)
    else:
        checked, faults = _several_spaces(network, space)
    if network is not None and not faults:
        size = number(network, checked)
        if size > LARGEST:
            faults.append(Fault((), f"must hold {LARGEST:,} candidates or fewer", f"{size:,}"))
    if faults:
        raise FaultsError(faults)
    return checked


_A_SPACE: Final = "a mapping of parameters to values"


def _several_spaces(network: str | None, given: Sequence[Any]) -> tuple[tuple[Space, ...], list[Fault]]:
    if not 1 <= len(given) <= MOST_SPACES:
        got = f"{len(given)}" if given else "an empty list"
        return (), [Fault((), f"must be {_A_SPACE}, or a list of 1 to {MOST_SPACES} such", got)]
    spaces: list[Space] = []
    faults: list[Fault] = []
    for index, one in enumerate(given):
        if not isinstance(one, dict):
            faults.append(Fault((index,), f"must be {_A_SPACE}", say(one)))
            continue
        checked, wrong = _space(network, one)
        faults += [Fault((index, *fault.location), fault.rule, fault.value) for fault in wrong]
        spaces.append(checked)
    if network is not None and not faults and number(network, spaces) <= LARGEST:
        faults += _overlaps(network, spaces)
    return tuple(spaces), faults


def _overlaps(network: str, spaces: Sequence[Space]) -> Iterator[Fault]:
    """Spaces that hold a candidate of one before them."""
    for index, space in enumerate(spaces):
        twice = next((both for other in spaces[:index] if (both := in_both(network, other, space))), None)
        if twice:
            yield Fault((index,), "must hold no candidate of a space before it", twice.label)


def _space(network: str | None, space: dict[Any, Any]) -> tuple[dict[str, tuple[Value, ...]], list[Fault]]:
    """One space, and what is wrong with it."""
    if network is None:
        # refused, or that of another: nobody can tell here what its parameters are
        return dict.fromkeys(space, ()), []
    known = {parameter.name: parameter for parameter in networks.family(network).parameters}
    faults: list[Fault] = []
    checked: dict[str, tuple[Value, ...]] = {}
    for name, given in space.items():
        if name in known:
            is_range = isinstance(given, dict) and known[name].numeric
            values, wrong = _steps(known[name], given) if is_range else (given, list(_value_faults(known[name], given)))
            faults += wrong
            listed = values if isinstance(values, list | tuple) else [values]
            checked[name] = () if wrong else tuple(map(known[name].normal, listed))
        else:
            faults.append(Fault((name,), f"unknown parameter{did_you_mean(name[:100], list(known))}"))
    return checked, faults


_RANGE: Final = ("from", "to", "step")


def _steps(parameter: Parameter, given: dict[Any, Any]) -> tuple[list[Value], list[Fault]]:
    """The values of a range, exactly as if they had been listed: 0.3, not 0.30000000000000004."""
    faults = list(_range_faults(parameter, given))
    if faults:
        return [], faults
    low, high, step = (Fraction(str(given[field])) for field in _RANGE)
    count = (high - low) // step + 1
    if count > LONGEST:
        told = f"{count:,}" if count < _TOLD else f"more than {_TOLD:,}"
        return [], [Fault((parameter.name,), f"must make {LONGEST:,} values or fewer", told)]
    # In whole numbers of the smallest part: exact, and much faster than fractions.
    parts = lcm(low.denominator, step.denominator)
    first, stride = int(low * parts), int(step * parts)
    counted = range(first, first + count * stride, stride)
    values: list[Value] = [each / parts for each in counted] if parameter.kind is float else list(counted)
    rule = parameter.check(values[-1])  # all lie between it and the first
    if rule:
        return [], [Fault((parameter.name, "to"), rule, say(given["to"]))]
    if len(set(values)) < count:
        return [], [Fault((parameter.name, "step"), "must tell each value from the next", say(given["step"]))]
    return values, []


def _range_faults(parameter: Parameter, given: dict[Any, Any]) -> Iterator[Fault]:
    """What is wrong with the fields of a range: one fault at most for each."""
    for name in [*given, *(field for field in _RANGE if field not in given)]:
        where = (parameter.name, name)
        if name not in _RANGE:
            yield Fault(where, f"unknown field{did_you_mean(str(name)[:100], _RANGE)}")
        elif name not in given:
            yield Fault(where, "must be given", "nothing")
        else:
            rule = _range_rule(parameter, name, given)
            if rule:
                yield Fault(where, rule, say(given[name]))


def _range_rule(parameter: Parameter, name: str, given: dict[Any, Any]) -> str | None:
    """The rule that a field of a range breaks. `to` may lie above the maximum, where the last value does not."""
    if name == "from":
        return parameter.check(given["from"])
    rule = parameter.check_kind(given[name])
    if rule:
        return rule
    if name == "step":
        return None if given["step"] > 0 else "must be greater than 0"
    first = given.get("from")
    ends_first = parameter.check_kind(first) is None and given["to"] < first
    return f"must be {say(first)} or more" if ends_first else None


def _value_faults(parameter: Parameter, values: Any) -> Iterator[Fault]:
    """What is wrong with the values to search for one parameter."""
    if isinstance(values, dict):
        yield Fault((parameter.name,), "must be a value or a list of them, as it has no range", say(values))
        return
    if not isinstance(values, list | tuple):
        rule = parameter.check(values)
        if rule:
            yield Fault((parameter.name,), rule, say(values))
        return
    if not values:
        yield Fault((parameter.name,), "must hold one value or more", "an empty list")
    seen = set()
    for index, value in enumerate(values):
        rule = parameter.check(value) or ("must be listed once" if value in seen else None)
        if rule:
            yield Fault((parameter.name, index), rule, say(value))
        else:
            seen.add(value)


SearchSpace: TypeAlias = Annotated[
    dict[str, tuple[Value, ...]] | tuple[dict[str, tuple[Value, ...]], ...], BeforeValidator(search_space)
]
