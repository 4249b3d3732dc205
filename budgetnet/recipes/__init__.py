"""Recipes: how a data set is prepared, so that somebody else gets the same. One YAML file each, its name is its key.

A recipe names its data set, the list of classes, the part that is cut out, the size, and what each split is drawn from:

    splits:
      train: {from: train, images: 900, evenly: true}

is 900 images of the data set's own split `train`, the same number from every group (city, sequence). `groups` are those
to draw from (all where none is named); without `images` all of them are taken, in order and undrawn.
"""

from os import PathLike
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from budgetnet import yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.plugins import data_files

# Built when first used: most commands read no recipe, and building takes time at every start.
_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)
_LARGEST: Final = 16384


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text on one line, and not empty")
    return text


Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]
SplitName: TypeAlias = Literal["train", "val", "test"]


class Size(BaseModel):
    """Height and width in pixels."""

    model_config = _CONFIG

    height: int = Field(ge=1, le=_LARGEST)
    width: int = Field(ge=1, le=_LARGEST)


class Draw(BaseModel):
    """What a split is drawn from, and how many images of it."""

    model_config = _CONFIG

    source: Line = Field(alias="from")
    groups: tuple[Line, ...] = Field(default=(), strict=False)
    images: int | None = Field(default=None, ge=1, le=10_000_000)
    evenly: bool = False


def _has_training_and_validation(splits: dict[SplitName, Draw]) -> dict[SplitName, Draw]:
    for name in ("train", "val"):
        if name not in splits:
            raise ValueError(f"must hold {name}")
    return splits


class Recipe(BaseModel):
    """How a data set is prepared."""

    model_config = _CONFIG

    dataset: Line
    classes: Line
    crop: Size | None = None
    input: Size
    seed: int = Field(default=0, ge=0, lt=2**32)
    splits: Annotated[dict[SplitName, Draw], AfterValidator(_has_training_and_validation)]


def names() -> list[str]:
    """Keys of the recipe files."""
    return list(data_files(__name__))


def load(key_or_path: str | PathLike[str]) -> Recipe:
    """The recipe of that key, or the one in a YAML file.

    Raises FileError with all faults of the file, or BudgetnetError when there is no such recipe.
    """
    files = data_files(__name__)
    if isinstance(key_or_path, str):
        if key_or_path in files:
            entry = files[key_or_path]
            return yaml_model.validate(yaml_source.parse(entry.read_bytes(), entry.name), Recipe)
        if Path(key_or_path).name == key_or_path and not key_or_path.endswith((".yaml", ".yml")):
            got = shorten(key_or_path) + did_you_mean(key_or_path[:100], list(files))
            raise BudgetnetError(f"recipe must be a known one or the path of a recipe file, but got {got}")
    return yaml_model.load(key_or_path, Recipe)
