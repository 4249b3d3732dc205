"""A scenario: the task in the car, its budget, and what to search and how to train. YAML in, a checked `Scenario` out.

The shortest scenario has `name`, `cameras`, `fps`, `budget_gops`, `classes` and `input`; the rest has defaults.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import floor, prod
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from budgetnet import networks, platforms, plugins, units, yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.parameters import Parameter, Value
from budgetnet.space import LARGEST, complete_space
from budgetnet.yaml_source import Fault, FaultsError, say

MAXIMUM_CLASSES: Final = 254
"""Labels are bytes, and 255 is the label that is left out."""

SMALLEST: Final = 1e-9
"""Of frame rates and budgets: far below anything real, and all that is computed from it stays a finite float."""

_FOLDERS = (Path(__file__).parent / "scenarios", Path(__file__).parent.parent / "scenarios")
"""Where the built-in scenarios lie: inside the installed package, or beside it in a checkout."""

# --- rules that pydantic has no words for; each is a function from a value to the value, or raises with the rule

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def _unknown(rule: str, word: str, known: list[str]) -> FaultsError:
    return FaultsError([Fault((), rule, shorten(word) + did_you_mean(word[:100], known))])


def _folder_name(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")
    if _WINDOWS_DEVICE.fullmatch(name) or name.endswith("."):
        raise ValueError("must be a name that every system takes for a folder")
    return name


def _real(value: float) -> float:
    if value < SMALLEST:
        raise ValueError(f"must be {SMALLEST:g} or more")
    return value


def _classes(value: Any) -> int | str | tuple[str, ...]:
    if isinstance(value, list | tuple):
        return _class_names(value)
    if isinstance(value, str):
        known = _class_lists()
        if value not in known:
            raise _unknown("must be a count, a list of names, or a known class list", value, list(known))
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number, the name of a class list, or a list of class names")
    if not 2 <= value <= MAXIMUM_CLASSES:
        raise ValueError(f"must be 2 to {MAXIMUM_CLASSES}")
    return value


def _class_names(names: list[Any] | tuple[Any, ...]) -> tuple[str, ...]:
    if not 2 <= len(names) <= MAXIMUM_CLASSES:
        raise FaultsError([Fault((), f"must name 2 to {MAXIMUM_CLASSES} classes", f"{len(names)}")])
    faults = []
    for index, name in enumerate(names):
        if not isinstance(name, str) or not re.fullmatch(r"\S(.{0,62}\S)?", name):
            faults.append(Fault((index,), "must be a text of 1 to 64 characters, no blanks around", say(name)))
        elif name in names[:index]:
            faults.append(Fault((index,), "must be named once", shorten(name)))
    if faults:
        raise FaultsError(faults)
    return tuple(names)


@cache
def _class_lists() -> dict[str, int]:
    """Class list -> number of its classes, from the class map files."""
    found = {}
    for entry in plugins.data_files("budgetnet.classmaps").values():
        values = yaml_source.parse(entry.read_bytes(), entry.name).value
        found[str(values["classes_name"])] = len(values["classes"])
    return found


def _network(name: str) -> str:
    known = networks.names()
    if name not in known:
        raise _unknown("must be a known network", name, known)
    return name


def _dataset(spec: str) -> str:
    name, colon, argument = spec.partition(":")
    known = plugins.module_names("budgetnet.datasets")
    if name not in known:
        raise _unknown("must be a known data set, or one and its argument (name:argument)", name, known)
    if (colon and not argument) or not spec.isprintable():
        raise ValueError(f"must have a text on one line after {name}:")
    return spec


def _platform(key_or_path: str) -> str:
    known = platforms.names()
    if key_or_path in known:
        return key_or_path
    if not platforms.is_path(key_or_path):
        raise _unknown("must be a known platform or the path of a platform file", key_or_path, known)
    try:
        platforms.load(key_or_path)
    except BudgetnetError as error:
        first, *_ = str(error).splitlines()
        rule = "must be the path of a platform file without errors"
        raise FaultsError([Fault((), rule, f"{shorten(key_or_path)} ({first})")]) from None
    return key_or_path


def _search_space(space: Any, info: ValidationInfo) -> dict[str, tuple[Value, ...]]:
    """Checks names and values with the network's own rules; a single value stands for a list of one."""
    if not isinstance(space, dict):
        raise ValueError("must be a mapping of parameters to values")
    if "network" not in info.data:
        return {}  # the network was refused, so nobody can tell what its parameters are
    network = info.data["network"]
    known = {parameter.name: parameter for parameter in networks.family(network).parameters}
    faults: list[Fault] = []
    checked: dict[str, tuple[Value, ...]] = {}
    for name, values in space.items():
        if name in known:
            wrong = list(_value_faults(known[name], values))
            faults += wrong
            listed = values if isinstance(values, list | tuple) else [values]
            checked[name] = () if wrong else tuple(map(known[name].normal, listed))
        else:
            faults.append(Fault((name,), f"unknown parameter{did_you_mean(name[:100], list(known))}"))
    size = prod(len(values) for values in complete_space(network, checked).values())
    if size > LARGEST:
        faults.append(Fault((), f"must hold {LARGEST:,} candidates or fewer", f"{size:,}"))
    if faults:
        raise FaultsError(faults)
    return checked


def _value_faults(parameter: Parameter, values: Any) -> Iterator[Fault]:
    """What is wrong with the values to search for one parameter."""
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


# --- the models

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

Side: TypeAlias = Annotated[int, Field(ge=32, le=8192)]


class InputSize(BaseModel):
    """Size of the images that the network gets, in pixels."""

    model_config = _CONFIG

    height: Side
    width: Side


class Training(BaseModel):
    """How candidates are trained. The defaults are those of the published recipe."""

    model_config = _CONFIG

    epochs: int = Field(default=10, ge=1, le=10_000)
    batch_size: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(default=0.001, gt=0, le=10)
    weight_decay: float = Field(default=1e-6, ge=0, le=10)
    seed: int = Field(default=0, ge=0, lt=2**32)


class Scenario(BaseModel):
    """What the car needs: so many images per second in so many classes, for so many operations per second.

    `budget_gops` is the share of the platform that the task may take, in 10^9 operations per second. `classes` is a
    count (void counted where the list has one), the name of a class list, or names. `search_space` holds the values
    that differ from the network's own proposal; `space` is the whole of it.
    """

    model_config = _CONFIG

    name: Annotated[str, AfterValidator(_folder_name)]
    description: str = ""
    cameras: int = Field(ge=1, le=1000)
    fps: Annotated[float, Field(gt=0, le=10_000), AfterValidator(_real)]
    budget_gops: Annotated[float, Field(gt=0, le=1e9), AfterValidator(_real)]
    classes: Annotated[int | str | tuple[str, ...], BeforeValidator(_classes)]
    input: InputSize
    minimum_mean_iou: float | None = Field(default=None, ge=0, le=1)
    platform: Annotated[str, AfterValidator(_platform)] | None = None
    dataset: Annotated[str, AfterValidator(_dataset)] | None = None
    network: Annotated[str, AfterValidator(_network)] = "mobilenet-fcn"
    search_space: Annotated[dict[str, tuple[Value, ...]], BeforeValidator(_search_space)] = {}
    training: Training = Training()

    @property
    def class_count(self) -> int:
        """Number of classes, that is of outputs per pixel."""
        if isinstance(self.classes, int):
            return self.classes
        return _class_lists()[self.classes] if isinstance(self.classes, str) else len(self.classes)

    @property
    def images_per_second(self) -> Fraction:
        """Images of all cameras together, exactly: 29.97 frames per second are 2997/100, not the nearest float."""
        return self.cameras * Fraction(str(self.fps))

    @property
    def operations_limit(self) -> int:
        """The most operations that one image may cost: the largest whole number within the budget."""
        return floor(Fraction(str(self.budget_gops)) * units.GIGA / self.images_per_second)

    @property
    def space(self) -> dict[str, tuple[Value, ...]]:
        """Every parameter of the network with the values to search."""
        return complete_space(self.network, self.search_space)

    def changed(self, **fields: Any) -> "Scenario":
        """The same scenario with other values for some fields, checked. Raises BudgetnetError with all broken rules.

        `training` and `input` may be given in part: `changed(training={"epochs": 3})` leaves the batch size alone.
        """
        values = self.model_dump()
        for name, value in fields.items():
            partly = isinstance(value, dict) and isinstance(getattr(self, name, None), BaseModel)
            values[name] = {**values[name], **value} if partly else value
        try:
            return Scenario.model_validate(values)
        except ValidationError as error:
            raise BudgetnetError("\n".join(map(str, yaml_model.faults_of(error, Scenario)))) from None


# --- finding and reading scenarios


def names() -> list[str]:
    """Names of the built-in scenarios."""
    return sorted(_built_in())


def load(source: str) -> Scenario:
    """The scenario in a YAML file, or a built-in one by its name; a file goes first.

    Raises FileError with all faults of the file, each with its line, or BudgetnetError when there is no such scenario.
    """
    built_in = _built_in()
    path = Path(source)
    if not _exists(path) or (path.is_dir() and source in built_in):
        if source in built_in:
            path = built_in[source]
        elif _FILE_NAME.fullmatch(source) and path.suffix not in (".yaml", ".yml"):
            near = did_you_mean(source, sorted(built_in))
            raise BudgetnetError(f"scenario: must be a YAML file or a built-in scenario, but got {source!r}{near}")
    return yaml_model.load(path, Scenario)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a path, or in a folder that must not be looked into: reading it tells
        return False


def _built_in() -> dict[str, Path]:
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {path.stem: path for path in folder.glob("*.yaml")} if folder else {}
