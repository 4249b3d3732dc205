"""What an image's arithmetic and memory traffic take of energy, at least: operations and bytes times published figures.

45 nm: Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9; DRAM 640 pJ for 32 bits. 7 nm: Jouppi et al.,
"Ten lessons from three generations shaped Google's TPUv4i", ISCA 2021, table 2. What control, caches and leakage take
comes on top: hardware takes several times as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from budgetnet.kernels import Kernel
from budgetnet.units import OPS_PER_MAC, Precision

PICO: Final = 1e-12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Joules x 10^-12 of one addition and one multiplication in a process, by precision."""

    name: str
    add: dict[Precision, float]
    multiply: dict[Precision, float]


PROCESSES: Final = (
    Process(
        name="45 nm",
        add={"int8": 0.03, "fp16": 0.4, "fp32": 0.9},
        multiply={"int8": 0.2, "fp16": 1.1, "fp32": 3.7},
    ),
    Process(
        name="7 nm",
        add={"int8": 0.007, "fp16": 0.16, "fp32": 0.38},
        multiply={"int8": 0.07, "fp16": 0.34, "fp32": 1.31},
    ),
)
DRAM_PER_BYTE: Final = 640 / 4
"""Joules x 10^-12 for a byte of external memory (Horowitz: 640 for 32 bits)."""


def arithmetic(kernels: Sequence[Kernel], precision: Precision, process: Process) -> float:
    """Joules of one image's multiplications and additions; every operation is half a multiply-accumulate."""
    ops = sum(kernel.work for kernel in kernels)
    return float(ops / OPS_PER_MAC * (process.add[precision] + process.multiply[precision]) * PICO)


def traffic(kernels: Sequence[Kernel], precision: Precision) -> float:
    """Joules of one image's bytes, if all go through external memory."""
    return float(sum(kernel.bytes(precision) for kernel in kernels) * DRAM_PER_BYTE * PICO)
