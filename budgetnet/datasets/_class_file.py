"""`classes.yaml` of a folder of images and masks: what the masks mean.

    name: yard                    # what the list of classes is called; folder where it is left out
    classes:
      - {name: road, id: 1, colour: [0, 255, 0]}
      - {name: kerb, id: 2}       # gets a colour
      - {name: other, id: 3}
    void: other                   # a class that stands for none of these: its pixels teach and score nothing
    ignore: [0, 255]              # ids without a class

Where all classes have ids, masks hold ids. Where none has, every class has its colour, masks hold colours, and `ignore`
lists colours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from budgetnet import rules, yaml_model
from budgetnet.classes import IGNORE, ClassList
from budgetnet.classmaps import IGNORE_WORD, ClassMap
from budgetnet.datasets._files import Colour, ColourIds
from budgetnet.datasets._palette import distinct
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.image_files import at
from budgetnet.yaml_source import Fault, FaultsError, say

FILE_NAME = "classes.yaml"
IGNORED = "ignored"
"""What ids are called that the file ignores."""

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)
_MOST = 253
"""Classes: one id is left for what is ignored, and one for what is no colour of the file."""


def _label(name: str) -> str:
    if not rules.is_label(name) or name == IGNORE_WORD:
        raise ValueError(f"must be a text of 1 to 64 characters, no blanks around, and not {IGNORE_WORD!r}")
    return name


def _colour(value: Any) -> Any:
    if _is_colour(value) or value is None:
        return value
    raise ValueError("must be three whole numbers from 0 to 255: red, green, blue")


def _is_colour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_id, value))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


class _Class(BaseModel):
    model_config = _CONFIG

    name: Annotated[str, AfterValidator(_label)]
    id: int | None = Field(default=None, ge=0, le=255)
    colour: Annotated[list[int] | None, BeforeValidator(_colour)] = None


class _ClassFile(BaseModel):
    model_config = _CONFIG

    name: Annotated[str, AfterValidator(_label)] = "folder"
    classes: tuple[_Class, ...] = Field(strict=False)
    void: str | None = None
    ignore: tuple[Any, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _agree(self) -> "_ClassFile":
        faults = [*self._class_faults(), *self._ignore_faults()]
        if faults:
            raise FaultsError(faults)
        return self

    @property
    def has_ids(self) -> bool:
        return any(each.id is not None for each in self.classes)

    def _class_faults(self) -> Iterator[Fault]:
        if not 2 <= len(self.classes) <= _MOST:
            yield Fault(("classes",), f"must hold 2 to {_MOST} classes", f"{len(self.classes)}")
        seen: dict[str, set[Any]] = {"name": set(), "id": set(), "colour": set()}
        for index, each in enumerate(self.classes):
            values = {"name": each.name, "id": each.id, "colour": tuple(each.colour) if each.colour else None}
            for field, value in values.items():
                if value is not None and value in seen[field]:
                    yield Fault(("classes", index, field), "must differ from those of the other classes", say(value))
                seen[field].add(value)
            if self.has_ids and each.id is None:
                yield Fault(("classes", index, "id"), "must be given for every class, or for none", "nothing")
            if not self.has_ids and each.colour is None:
                yield Fault(("classes", index, "colour"), "must be given where classes have no ids", "nothing")
        known = [each.name for each in self.classes]
        if self.void is not None and self.void not in known:
            yield Fault(("void",), f"must be a name of the classes{did_you_mean(self.void, known)}", shorten(self.void))

    def _ignore_faults(self) -> Iterator[Fault]:
        taken: list[Any] = [each.id if self.has_ids else each.colour for each in self.classes]
        fits = _is_id if self.has_ids else _is_colour
        rule = "an id from 0 to 255" if self.has_ids else "a colour, three whole numbers from 0 to 255"
        for index, value in enumerate(self.ignore):
            if not fits(value):
                yield Fault(("ignore", index), f"must be {rule}, as the classes have them", say(value))
            elif value in taken:
                yield Fault(("ignore", index), "must be given once, and be of no class", say(value))
            taken.append(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What masks mean: their ids, the class map that keeps every class, and their colours where they hold such."""

    classes: Mapping[int, str]
    class_map: ClassMap
    colours: ColourIds | None


def read(folder: Path) -> Meaning:
    """The meaning of a folder's masks. Raises BudgetnetError: no such file, or all of its faults with their lines."""
    path = folder / FILE_NAME
    if not path.exists():
        raise BudgetnetError(f"{at(path)}: must be there to say what the masks mean, but is missing")
    said = yaml_model.load(path, _ClassFile)
    numbers = [index if each.id is None else each.id for index, each in enumerate(said.classes)]
    ignored: tuple[int, ...] = said.ignore if said.has_ids else (IGNORE,) * bool(said.ignore)
    void = next((index for index, each in enumerate(said.classes) if each.name == said.void), None)
    targets = {number: IGNORE if index == void else index for index, number in enumerate(numbers)}
    names = tuple(each.name for each in said.classes)
    listed = ClassList(name=said.name, names=names, colours=_colours(said), void=void)
    own = {_as_colour(each.colour): number for each, number in zip(said.classes, numbers, strict=True) if each.colour}
    none = {_as_colour(colour): IGNORE for colour in (() if said.has_ids else said.ignore)}
    return Meaning(
        classes=dict(sorted({**dict(zip(numbers, names, strict=True)), **dict.fromkeys(ignored, IGNORED)}.items())),
        class_map=ClassMap(
            key=FILE_NAME, source="folder", classes=listed, targets={**targets, **dict.fromkeys(ignored, IGNORE)}
        ),
        colours=None if said.has_ids else tuple((own | none).items()),
    )


def _colours(said: _ClassFile) -> tuple[Colour, ...]:
    used = [_as_colour(each.colour) for each in said.classes if each.colour]
    made = iter(distinct(len(said.classes) - len(used), used))
    return tuple(_as_colour(each.colour) if each.colour else next(made) for each in said.classes)


def _as_colour(value: list[int]) -> Colour:
    red, green, blue = value
    return red, green, blue
