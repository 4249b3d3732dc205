"""Units and how they are written. The only place that says what an operation is.

One operation is one multiplication or one addition, so a multiply-accumulate (MAC) is two. Giga = 10^9, mega = 10^6.
Source of the convention: the published table that budgetnet reproduces, see `tests/golden`.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final, Literal, TypeAlias

OPS_PER_MAC = 2
GIGA = 10**9
MEGA = 10**6

Number = Any
"""An int, or a NumPy integer array: every formula of budgetnet takes both, so one evaluation counts a whole grid."""

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
"""What dense networks compute in."""

BYTES: Final[dict[Precision, int]] = {"fp32": 4, "fp16": 2, "int8": 1}
"""Bytes that one number takes."""


def operations(macs: Number, bias_adds: Number) -> Number:
    """Operations of `macs` multiply-accumulates and `bias_adds` additions of a bias."""
    return OPS_PER_MAC * macs + bias_adds


def mega(value: float, digits: int = 1) -> str:
    """`157286400 -> '157.3'`: in millions, thousands separated."""
    return f"{value / MEGA:,.{digits}f}"


def megabytes(value: float) -> str:
    """`8847360 -> '8.847'`: bytes in 10^6."""
    return mega(value, 3)


def giga(value: float, digits: int = 3) -> str:
    """`1139482650 -> '1.139'`: in 10^9."""
    return f"{value / GIGA:,.{digits}f}"


def gops(value: float) -> str:
    """`68.369 -> '68.4'`, `0.0164 -> '0.0164'`: in 10^9 per second; small ones keep three digits that tell."""
    return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.3g}"


def percent(share: float, digits: int = 1) -> str:
    """`0.138 -> '13.8'`: a share in percent, without the sign."""
    return f"{100 * share:,.{digits}f}"


def at_most(value: float, digits: int = 1) -> str:
    """`15.358 -> '15.3'`, `0.0042 -> '0.004'`: rounded down, for answers that must not promise more than fits."""
    exact = Decimal(repr(value))
    return f"{exact.quantize(Decimal(1).scaleb(-max(digits, -exact.adjusted())), ROUND_FLOOR):,f}"


def beside(value: float, limit: float) -> str:
    """`(70.0104, 70.0) -> '70.01'`: a figure beside its limit, with as many digits as it takes to see which is more."""
    decimals = max(1, len(f"{limit:f}".rstrip("0").partition(".")[2]))
    start = 1 if value > 2 * limit or value < limit / 2 else decimals
    for digits in range(start, 10):
        text = f"{value:,.{digits}f}"
        if (float(text.replace(",", "")) > limit) is (value > limit) and float(text.replace(",", "")):
            return text
    return f"{value:.12g}"


def counted(number: int, one: str, many: str) -> str:
    """`1 camera`, `4 cameras`."""
    return f"{number} {one if number == 1 else many}"


def duration(seconds: float) -> str:
    """`3725 -> '1 h 02 min'`, `75 -> '1 min 15 s'`, `7.25 -> '7.2 s'`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
