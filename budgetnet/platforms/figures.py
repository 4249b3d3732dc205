"""What a platform file is made of: figures with their sources, and the sections that hold them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, TypeAlias, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from budgetnet import units
from budgetnet.units import Precision
from budgetnet.yaml_model import Line, Remark
from budgetnet.yaml_source import Fault, FaultsError, say

TERA: Final = 1000 * units.GIGA
SMALLEST: Final = 1e-9
"""Of figures: far below anything real, and whatever is divided by one stays a finite number."""

# Built when first used: most commands read no platform, and building takes time at every start.
CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def _real(value: float) -> float:
    if value < SMALLEST:
        raise ValueError(f"must be {SMALLEST:g} or more")
    return value


class Figure(BaseModel):
    """A number and where it comes from. A `derived` one was worked out from what stands there, not read."""

    model_config = CONFIG

    value: Annotated[float, Field(gt=0), AfterValidator(_real)]
    source: Line
    derived: bool = False
    note: Remark = ""


def _at_most(limit: int) -> Callable[[Figure], Figure]:
    """A check for slips of the unit: what is more than any hardware has."""

    def check(figure: Figure) -> Figure:
        if figure.value > limit:
            raise FaultsError([Fault(("value",), f"must be {limit:,} or less", say(figure.value))])
        return figure

    return check


Tops: TypeAlias = Annotated[Figure, AfterValidator(_at_most(1_000_000))]
"""10^12 operations per second."""
Bandwidth: TypeAlias = Annotated[Figure, AfterValidator(_at_most(1_000_000))]
"""10^9 bytes per second."""
Gigabytes: TypeAlias = Annotated[Figure, AfterValidator(_at_most(1_000_000))]
Megabytes: TypeAlias = Annotated[Figure, AfterValidator(_at_most(1_000_000))]
Watts: TypeAlias = Annotated[Figure, AfterValidator(_at_most(100_000))]


class Year(BaseModel):
    """When the platform came out."""

    model_config = CONFIG

    value: int = Field(ge=1990, le=2100)
    source: Line


class Peak(BaseModel):
    """The most 10^12 operations per second at each precision; None where no figure was found or the hardware cannot do
    it. Networks are planned in `units.PRECISIONS`; the others are shown and predict nothing. `int8_sparse` and
    `fp4_sparse` count the zeros that structured sparsity skips: a vendor's figures that dense networks never see.
    """

    model_config = CONFIG

    fp32: Tops | None = None
    fp16: Tops | None = None
    int8: Tops | None = None
    int8_sparse: Tops | None = None
    fp8: Tops | None = None
    fp4_sparse: Tops | None = None

    @model_validator(mode="after")
    def _hold_a_figure(self) -> "Peak":
        if not self.figures:
            raise ValueError("must hold one figure or more")
        if self.int8 and self.int8_sparse and self.int8_sparse.value < self.int8.value:
            rule = f"must be that of int8 ({self.int8.value:g}) or more"
            raise FaultsError([Fault(("int8_sparse", "value"), rule, say(self.int8_sparse.value))])
        return self

    @property
    def figures(self) -> dict[str, Figure]:
        """Precision -> figure, for those that are known."""
        known = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: figure for name, figure in known.items() if figure is not None}

    def ops_per_second(self, precision: Precision) -> float | None:
        """The figure in operations per second; None where it is not known."""
        figure = self.figures.get(precision)
        return figure.value * TERA if figure else None


class Memory(BaseModel):
    """External memory: its kind, its bandwidth in 10^9 bytes per second, its size in 10^9 bytes."""

    model_config = CONFIG

    kind: Line
    gigabytes_per_second: Bandwidth | None = None
    gigabytes: Gigabytes | None = None

    @property
    def bytes_per_second(self) -> float | None:
        """The bandwidth; None where it is not known."""
        return self.gigabytes_per_second.value * units.GIGA if self.gigabytes_per_second else None


class OnChip(BaseModel):
    """Memory on the chip: its size in 10^6 bytes, its bandwidth in 10^9 bytes per second, or words about it where no
    figure was found.
    """

    model_config = CONFIG

    megabytes: Megabytes | None = None
    gigabytes_per_second: Bandwidth | None = None
    note: Remark = ""

    @model_validator(mode="after")
    def _say_something(self) -> "OnChip":
        if not (self.megabytes or self.gigabytes_per_second or self.note):
            raise ValueError("must hold a figure or a note")
        return self


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What figures make together; derived where one of them is."""

    value: float
    derived: bool

    @staticmethod
    def of(counted: Iterable[tuple[int, Figure]]) -> "Total | None":
        """The sum of so many times each figure, as on paper: 2 x 0.05 + 2 x 1.5 is 3.1. None where there is none."""
        parts = list(counted)
        if not parts:
            return None
        value = sum(count * Decimal(repr(figure.value)) for count, figure in parts)
        return Total(value=float(value), derived=any(figure.derived for _, figure in parts))
