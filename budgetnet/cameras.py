"""Camera groups: cameras that share a frame rate, an image size and a network.

In a scenario `cameras` is a number, for one group of cameras that are all alike, or a list of groups.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, TypeAlias, final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from budgetnet import rules, yaml_model
from budgetnet.parameters import Value
from budgetnet.rules import SearchSpace
from budgetnet.space import Spaces, complete_space
from budgetnet.yaml_source import Fault, FaultsError, say

CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

MOST_CAMERAS = 1000
MOST_GROUPS = 32
FASTEST = 10_000
"""Frames per second."""
SMALLEST_SIDE, LARGEST_SIDE = 32, 8192
"""Of an image, in pixels."""

SHARED = "shared"
"""The network of all groups without one of their own."""

NAMING: Final = re.compile("[;:]")
"""Signs that part the networks from each other on the command line, where they go by the names of groups."""

Side: TypeAlias = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
FrameRate: TypeAlias = Annotated[float, Field(gt=0, le=FASTEST), AfterValidator(rules.real)]


class InputSize(BaseModel):
    """Size of images in pixels."""

    model_config = CONFIG

    height: Side = Field(description="Rows of pixels.")
    width: Side = Field(description="Columns of pixels.")


def _group_name(name: str) -> str:
    if not rules.is_label(name):
        raise ValueError("must be a text of 1 to 64 characters, no blanks around")
    if NAMING.search(name):
        raise ValueError("must not hold ';' or ':'")
    if name == SHARED:
        raise ValueError(f"must be another word than {SHARED!r}, which is the network of groups without their own")
    return name


def _crop(crop: InputSize | None, info: ValidationInfo) -> InputSize | None:
    if crop and info.data.get("input"):
        _refuse_larger(crop, info.data["input"])
    return crop


def _refuse_larger(crop: InputSize, image: InputSize, location: tuple[str | int, ...] = ()) -> None:
    faults = [
        Fault((*location, side), f"must be {getattr(image, side)} or less, the {side} of the input", f"{size}")
        for side, size in crop.model_dump().items()
        if size > getattr(image, side)
    ]
    if faults:
        raise FaultsError(faults)


def _own_space(space: Spaces, info: ValidationInfo) -> Spaces:
    if space and info.data.get("network", "refused") is None:
        raise ValueError("must come with a network of the group's own (network: ...), else the scenario's is searched")
    return space


class CameraGroup(BaseModel):
    """Cameras that are alike. `fps` and `input` are the scenario's where they are left out.

    `network` gives the group a network of its own, with `search_space` of its own; without it the group runs the
    network that all such groups share.
    """

    model_config = CONFIG

    name: Annotated[str, AfterValidator(_group_name)] = Field(description="Names the group in tables and plots.")
    count: int = Field(default=1, ge=1, le=MOST_CAMERAS, description="Cameras of the group.")
    fps: FrameRate | None = Field(
        default=None, description="Images per second of each camera; the scenario's where left out."
    )
    input: InputSize | None = Field(
        default=None, description="Size of the images, in pixels; the scenario's where left out."
    )
    crop: Annotated[InputSize | None, AfterValidator(_crop)] = Field(
        default=None, description="The part of the image that the network gets, in pixels; all of it where left out."
    )
    network: Annotated[str, AfterValidator(rules.network)] | None = Field(
        default=None,
        description="A network family of the group's own; where left out, the group runs the network that all such "
        "groups share.",
    )
    search_space: Annotated[SearchSpace, AfterValidator(_own_space)] = Field(
        default={}, description="Values to search for the parameters of the group's own network."
    )


def check(value: Any) -> int | tuple[CameraGroup, ...]:
    """`cameras` of a scenario: a number, or a list of groups. Raises with all broken rules."""
    if isinstance(value, list | tuple):
        return _groups(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number or a list of camera groups")
    for broken, rule in ((value < 1, "must be 1 or more"), (value > MOST_CAMERAS, f"must be {MOST_CAMERAS} or less")):
        if broken:
            raise ValueError(rule)
    return value


def _groups(values: list[Any] | tuple[Any, ...]) -> tuple[CameraGroup, ...]:
    if not 1 <= len(values) <= MOST_GROUPS:
        raise FaultsError([Fault((), f"must hold 1 to {MOST_GROUPS} camera groups", f"{len(values)}")])
    groups: list[CameraGroup] = []
    faults: list[Fault] = []
    for index, value in enumerate(values):
        try:
            groups.append(CameraGroup.model_validate(value))
        except ValidationError as error:
            found = yaml_model.faults_of(error, CameraGroup)
            faults += [Fault((index, *fault.location), fault.rule, fault.value) for fault in found]
            continue
        if any(groups[-1].name == other.name for other in groups[:-1]):
            faults.append(Fault((index, "name"), "must be named once", say(groups[-1].name)))
    if faults:
        raise FaultsError(faults)
    return tuple(groups)


def refuse_large_crops(cameras: int | tuple[CameraGroup, ...], image: InputSize | None) -> None:
    """Raises where a group would cut more out of the scenario's image than there is."""
    for index, group in enumerate(() if isinstance(cameras, int) else cameras):
        if group.crop and image and group.input is None:
            _refuse_larger(group.crop, image, ("cameras", index, "crop"))


Cameras: TypeAlias = Annotated[int | tuple[CameraGroup, ...], BeforeValidator(check)]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A camera group with all that it needs: what plans read. `height` and `width` are what the network gets, in
    pixels; `network` is the place of its network among the scenario's. `inside` is the image that a crop was cut out
    of, height and width; None where the network gets all of it.
    """

    name: str
    count: int
    fps: float
    height: int
    width: int
    network: int
    inside: tuple[int, int] | None = None

    @property
    def images_per_second(self) -> Fraction:
        """Images of all its cameras, exactly: 29.97 frames per second are 2997/100, not the nearest float."""
        return self.count * Fraction(str(self.fps))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChoice:
    """A network that is to be chosen: its name in the plan, its family, and the values that were given to search."""

    name: str
    family: str
    search_space: Spaces

    @property
    def space(self) -> dict[str, tuple[Value, ...]]:
        """Every parameter of the network with the values to search."""
        return complete_space(self.family, self.search_space)
