"""A measurement to hold a roofline against: some kernels of a network, and how long they took together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

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
    """`kernels` of the network named `network` took `seconds` for a batch. `whole` where they are all of them, or what
    was measured of it together.

    Networks are one if they have one name, whatever the `case`: the size of the images, the batch, the platform.
    """

    network: str
    case: str
    kernels: tuple[Kernel, ...]
    seconds: float
    whole: bool
    hardware: Hardware
    precision: Precision
    batch: int = 1

    @property
    def name(self) -> str:
        """What was measured, for people."""
        whole = f"{self.network} {self.case}".strip()
        return whole if self.whole else f"{whole}: {self.kernels[0].name}"


MOST_MILLISECONDS: Final = 1e7
"""That a file may tell: some hours."""


def case_of(height: int, width: int, batch: int) -> str:
    """`at 320 x 480`, and the batch where it is not 1."""
    return f"at {height} x {width}" + (f", batches of {batch}" if batch > 1 else "")


def networks(measurements: Sequence[Measurement]) -> list[str]:
    """The networks that were measured, in their order."""
    return list(dict.fromkeys(each.network for each in measurements))
