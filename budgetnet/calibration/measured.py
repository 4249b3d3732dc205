"""A measurement to hold a roofline against: some kernels of a network, and how long they took together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from budgetnet.kernels import Kernel
from budgetnet.units import Precision


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a measurement was made on: operations per second at its precision, and bytes per second of the memory; None
    where that is not known.
    """

    peak: float
    bandwidth: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """`kernels` of the network named `network` took `seconds` for a batch. `whole` where they are all of them."""

    network: str
    kernels: tuple[Kernel, ...]
    seconds: float
    whole: bool
    hardware: Hardware
    precision: Precision
    batch: int = 1

    @property
    def name(self) -> str:
        """What was measured, for people."""
        return self.network if self.whole else f"{self.network}: {self.kernels[0].name}"


def networks(measurements: Sequence[Measurement]) -> list[str]:
    """The networks that were measured, in their order."""
    return list(dict.fromkeys(each.network for each in measurements))
