"""Platforms: what the hardware can do. One YAML file each, its name is its key; every figure comes with its source.

Peaks are in 10^12 operations per second, a multiply-accumulate being two. A `derived` figure was worked out from cores,
clock and operations per clock, not read somewhere.
"""

from os import PathLike
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from budgetnet import units, yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.plugins import data_files, is_path
from budgetnet.units import PRECISIONS, Precision

_TERA: Final = 1000 * units.GIGA
# Built when first used: most commands read no platform, and building takes time at every start.
_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text on one line, and not empty")
    return text


Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]


class Figure(BaseModel):
    """A number and where it comes from."""

    model_config = _CONFIG

    value: float = Field(gt=0, le=1e9)
    source: Line
    derived: bool = False
    note: str = ""


class Peak(BaseModel):
    """The most 10^12 operations per second at each precision; None where no figure was found or the hardware cannot do
    it. `int8_sparse` counts the zeros that structured sparsity skips: a vendor's figure that dense networks never see.
    """

    model_config = _CONFIG

    fp32: Figure | None = None
    fp16: Figure | None = None
    int8: Figure | None = None
    int8_sparse: Figure | None = None

    @model_validator(mode="after")
    def _hold_a_figure(self) -> "Peak":
        if not self.figures:
            raise ValueError("must hold one figure or more")
        return self

    @property
    def figures(self) -> dict[str, Figure]:
        """Precision -> figure, for those that are known."""
        known = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: figure for name, figure in known.items() if figure is not None}


class Memory(BaseModel):
    """External memory: its kind and its bandwidth in 10^9 bytes per second."""

    model_config = _CONFIG

    kind: Line
    gigabytes_per_second: Figure | None = None


class Engine(BaseModel):
    """A part that computes: a GPU, an accelerator. There are `count` of them; peak and memory are those of one."""

    model_config = _CONFIG

    name: Line
    count: int = Field(default=1, ge=1, le=1024)
    peak: Peak
    memory: Memory | None = None


class Year(BaseModel):
    """When the platform came out."""

    model_config = _CONFIG

    value: int = Field(ge=1990, le=2100)
    source: Line


class Platform(BaseModel):
    """A board or chip. `peak` and `memory` are those of the whole, where they were told; see `peak_ops_per_second`."""

    model_config = _CONFIG

    name: Line
    description: str = ""
    year: Year | None = None
    power_watts: Figure | None = None
    memory: Memory | None = None
    peak: Peak | None = None
    engines: tuple[Engine, ...] = Field(min_length=1, strict=False)

    def peak_ops_per_second(self, precision: Precision) -> float | None:
        """The most operations per second of all engines together; None where nothing is known for this precision.

        The figure told for the whole goes before the sum over the engines.
        """
        whole = self.peak.figures.get(precision) if self.peak else None
        if whole:
            return whole.value * _TERA
        known = [(engine.count, engine.peak.figures.get(precision)) for engine in self.engines]
        return sum(count * figure.value * _TERA for count, figure in known if figure) or None

    def summary(self, budget_gops: float) -> str:
        """One sentence: the peaks, and the share of each that a budget of 10^9 operations per second takes."""
        shares = []
        for precision in PRECISIONS:
            peak = self.peak_ops_per_second(precision)
            if peak:
                share = units.percent(budget_gops * units.GIGA / peak, 2)
                shares.append(f"{share} % of its {precision} peak ({units.giga(peak, 0)} GOPS)")
        said = f"On {self.name} the budget is {', '.join(shares)}. No network reaches a peak."
        peaks = [peak for precision in PRECISIONS if (peak := self.peak_ops_per_second(precision))]
        over = bool(peaks) and budget_gops * units.GIGA > max(peaks)
        return said + (
            " The budget is more than the platform has: nothing that follows can be relied on." if over else ""
        )


def names() -> list[str]:
    """Keys of the platform files."""
    return list(data_files(__name__))


def load(key_or_path: str | PathLike[str]) -> Platform:
    """The platform of that key, or the one in a YAML file.

    Raises FileError with all faults of the file, or BudgetnetError when there is no such platform.
    """
    files = data_files(__name__)
    if isinstance(key_or_path, str):
        if key_or_path in files:
            entry = files[key_or_path]
            return yaml_model.validate(yaml_source.parse(entry.read_bytes(), entry.name), Platform)
        if not is_path(key_or_path):
            near = did_you_mean(key_or_path[:100], list(files))
            got = shorten(key_or_path) + near
            raise BudgetnetError(f"platform: must be a known platform or the path of a platform file, but got {got}")
    return yaml_model.load(key_or_path, Platform)
