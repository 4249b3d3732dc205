"""The files that Keras publishes, and what is known of each: `keras.yaml` beside this module."""

from functools import cache
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from budgetnet import yaml_model
from budgetnet.errors import BudgetnetError
from budgetnet.stems.download import Address, parse

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Published(BaseModel):
    """One file: where it lies, its SHA-256 where that is known, who says so, and its licence."""

    model_config = _CONFIG

    depth_multiplier: float = Field(gt=0, le=64)
    resolution: int = Field(ge=32, le=1024)
    url: Line
    sha256: Digest | None = None
    source: Line
    licence: Line


class Catalogue(BaseModel):
    """All of them."""

    model_config = _CONFIG

    files: tuple[Published, ...] = Field(strict=False)


@cache
def catalogue() -> Catalogue:
    """What `keras.yaml` holds."""
    return yaml_model.load(Path(__file__).with_name("keras.yaml"), Catalogue)


def address(depth_multiplier: float) -> Address:
    """Where to fetch the weights for a depth multiplier, its own or the next wider one, the largest resolution first.

    Raises BudgetnetError where there are none, or none whose SHA-256 is known: what cannot be checked is not fetched.
    """
    wide = [file for file in catalogue().files if file.depth_multiplier >= depth_multiplier - 1e-9]
    if not wide:
        widest = max(file.depth_multiplier for file in catalogue().files)
        raise BudgetnetError(
            f"depth_multiplier: must be at most {widest:g} for the weights that Keras publishes, since stems are "
            f"narrowed, not widened, but got {depth_multiplier:g}"
        )
    best = min(wide, key=lambda file: (file.depth_multiplier, -file.resolution))
    if best.sha256 is None:
        known = ", ".join(f"{file.depth_multiplier:g}" for file in catalogue().files if file.sha256)
        raise BudgetnetError(
            f"weights: must be a file whose SHA-256 is known, but for depth multiplier {best.depth_multiplier:g} it is "
            f"not (known: {known}); give {best.url}#sha256=<64 digits> with the digest that you trust"
        )
    return parse(f"{best.url}#sha256={best.sha256}")
