"""A scenario: the task in the car, its budget, and what to search and how to train. YAML in, a checked `Scenario` out.

The shortest scenario has `name`, `cameras`, `fps`, `budget_gops`, `classes` and `input`; the rest has defaults.
"""

from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from budgetnet import cameras, rules, units, yaml_model
from budgetnet.cameras import CONFIG, SHARED, Cameras, FrameRate, Group, InputSize, NetworkChoice
from budgetnet.errors import BudgetnetError, did_you_mean
from budgetnet.parameters import Value
from budgetnet.rules import SearchSpace
from budgetnet.training_settings import Training
from budgetnet.units import Precision
from budgetnet.yaml_source import Fault, FaultsError

_FOLDERS = (Path(__file__).parent / "scenarios", Path(__file__).parent.parent / "scenarios")
"""Where the built-in scenarios lie: inside the installed package, or beside it in a checkout."""

_GROUPS = (
    {"name": "front", "count": 1, "fps": 30, "input": {"height": 640, "width": 960}},
    {"name": "surround", "count": 4, "fps": 15, "input": {"height": 320, "width": 480}},
)
"""An example."""


def _needed(value: Any, info: ValidationInfo) -> Any:
    """`fps` and `input` may be left out where every camera group has its own."""
    groups = info.data.get("cameras")
    if value is None and isinstance(groups, int):
        raise FaultsError([Fault((), "must be given", "nothing")])
    if value is None and groups and any(getattr(group, str(info.field_name)) is None for group in groups):
        raise FaultsError([Fault((), "must be given, here or for every camera group", "nothing")])
    return value


class Scenario(BaseModel):
    """What the car needs: so many images per second in so many classes, for so many operations per second.

    `groups` tells the cameras the same way whether they are a number or a list of groups. `search_space` holds the
    values that differ from the network's own proposal; `space` is the whole of it.
    """

    model_config = CONFIG

    # The descriptions are read by people: in the JSON schema, and as the comments of a new scenario file.
    name: Annotated[str, AfterValidator(rules.folder_name)] = Field(
        description="Names the scenario; its reports go to reports/<name>. Letters, digits, '.', '_' and '-'."
    )
    description: str = Field(
        default="",
        description="What the task is, in a sentence.",
        examples=["Four cameras in town, at full frame rate."],
    )
    cameras: Cameras = Field(
        description="How many cameras there are, when all are alike; or a list of camera groups, each with its own "
        "name, count, fps and input.",
        examples=[4, list(_GROUPS)],
    )
    fps: Annotated[FrameRate | None, AfterValidator(_needed)] = Field(
        default=None, validate_default=True, description="Images per second of each camera.", examples=[30]
    )
    input: Annotated[InputSize | None, AfterValidator(_needed)] = Field(
        default=None,
        validate_default=True,
        description="Size of the images that the network gets, in pixels.",
        examples=[{"height": 320, "width": 480}],
    )
    budget_gops: Annotated[float, Field(gt=0, le=1e9), AfterValidator(rules.real)] = Field(
        description="What the task may take of the platform, in 10^9 operations per second. A multiply-accumulate is "
        "two operations."
    )
    contention: float = Field(
        default=1.0,
        ge=1,
        le=100,
        description="Factor on what networks need while they share the hardware with each other; 1 is none.",
        examples=[1.15],
    )
    reserve: float = Field(
        default=0.0, ge=0, le=0.99, description="Share of budget_gops that is kept for other work.", examples=[0.2]
    )
    budget_mb: Annotated[float, Field(gt=0, le=1e9), AfterValidator(rules.real)] | None = Field(
        default=None,
        description="Limit of memory for weights and live activations together, in 10^6 bytes at `precision`.",
        examples=[64],
    )
    precision: Precision = Field(
        default="fp32", description="What the deployed network computes in, for its bytes.", examples=["int8"]
    )
    classes: Annotated[int | str | tuple[str, ...], BeforeValidator(rules.classes)] = Field(
        description="What the network tells apart: a count of classes (void counts where the list has one), the name "
        "of a class list, or a list of class names.",
        examples=[7, "lab7", ["road", "everything else"]],
    )
    minimum_mean_iou: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Mean IoU that the task asks for, from 0 to 1; the report of a search says who reaches it.",
        examples=[0.5],
    )
    platform: Annotated[str, AfterValidator(rules.platform)] | None = Field(
        default=None,
        description="The hardware that the budget is a share of: a known platform, or the path of a platform file.",
        examples=["jetson-agx-xavier"],
    )
    dataset: Annotated[str, AfterValidator(rules.dataset)] | None = Field(
        default=None,
        description="Labelled images that a search trains on: NAME or NAME:ARGUMENT. `synthetic` needs no files.",
        examples=["camvid:/data/CamVid"],
    )
    network: Annotated[str, AfterValidator(rules.network)] = Field(
        default="mobilenet-fcn", description="The network family to search.", examples=["mobilenet-fcn"]
    )
    search_space: SearchSpace = Field(
        default={},
        description="Values to search for parameters of the network: a list, one value, or "
        "{from: 0.25, to: 1, step: 0.25} for all values from one to the other. What is left out is searched as the "
        "network proposes. A list of such spaces is searched together, each with all combinations of its own values.",
    )
    training: Training = Field(default=Training(), description="How `budgetnet search` trains candidates.")

    @model_validator(mode="after")
    def _crops_lie_inside(self) -> Self:
        cameras.refuse_large_crops(self.cameras, self.input)
        return self

    @property
    def class_count(self) -> int:
        """Number of classes, that is of outputs per pixel."""
        if isinstance(self.classes, int):
            return self.classes
        return len(rules.class_lists()[self.classes] if isinstance(self.classes, str) else self.classes)

    @property
    def networks(self) -> tuple[NetworkChoice, ...]:
        """The networks to choose: the shared one first, where a group has none of its own."""
        given = () if isinstance(self.cameras, int) else self.cameras
        own = [
            NetworkChoice(name=group.name, family=group.network, search_space=group.search_space)
            for group in given
            if group.network is not None
        ]
        if given and len(own) == len(given):
            return tuple(own)
        return (NetworkChoice(name=SHARED, family=self.network, search_space=self.search_space), *own)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The camera groups with all that they need; a plain number of cameras is one group of that name."""
        if isinstance(self.cameras, int):
            assert self.fps is not None
            assert self.input is not None
            sides = self.input.model_dump()
            return (Group(name="cameras", count=self.cameras, fps=self.fps, network=0, **sides),)
        names = [choice.name for choice in self.networks]
        groups = []
        for group in self.cameras:
            size, fps = group.crop or group.input or self.input, group.fps or self.fps
            assert size is not None
            assert fps is not None
            network = names.index(group.name if group.network else SHARED)
            image = group.input or self.input
            inside = (image.height, image.width) if group.crop and image else None
            made = Group(
                name=group.name, count=group.count, fps=fps, network=network, inside=inside, **size.model_dump()
            )
            groups.append(made)
        return tuple(groups)

    @property
    def images_per_second(self) -> Fraction:
        """Images of all cameras together, exactly."""
        return sum((group.images_per_second for group in self.groups), Fraction(0))

    @property
    def available(self) -> Fraction:
        """The budget less the reserve in operations per second, exactly as written in the file."""
        return Fraction(str(self.budget_gops)) * units.GIGA * (1 - Fraction(str(self.reserve)))

    @property
    def operations_limit(self) -> int:
        """The most operations that one image may cost, were all cameras alike: the largest whole number."""
        return floor(self.available / (Fraction(str(self.contention)) * self.images_per_second))

    @property
    def image(self) -> InputSize:
        """What networks are trained on: the images of the first group."""
        return InputSize(height=self.groups[0].height, width=self.groups[0].width)

    @property
    def space(self) -> dict[str, tuple[Value, ...]]:
        """Every parameter of the first network with the values to search."""
        return self.networks[0].space

    def changed(self, **fields: Any) -> "Scenario":
        """The same scenario with other values for some fields, checked. Raises BudgetnetError with all broken rules.

        `training` and `input` may be given in part: `changed(training={"epochs": 3})` leaves the batch size alone, but
        for a training with another recipe, which is all of it.
        """
        values = self.model_dump()
        for name, value in fields.items():
            partly = isinstance(value, dict) and isinstance(getattr(self, name, None), BaseModel)
            anew = isinstance(value, dict) and "recipe" in value  # a recipe is no recipe with another's values over it
            values[name] = {**values[name], **value} if partly and not anew else value
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
        elif rules.FILE_NAME.fullmatch(source) and path.suffix not in (".yaml", ".yml"):
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
