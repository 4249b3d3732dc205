"""What others have measured: how long networks take on platforms, each with where it was read.

`latencies.yaml` holds one entry for each network, platform and way to run it; `networks` makes the graphs of those
networks. Predictions are held against them.
"""

from functools import cache
from os import PathLike
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from budgetnet import yaml_model
from budgetnet.errors import did_you_mean
from budgetnet.graph import Graph
from budgetnet.networks import SMALLEST_SIDE
from budgetnet.plugins import data_files
from budgetnet.published.networks import NETWORKS
from budgetnet.units import Precision
from budgetnet.yaml_model import Line
from budgetnet.yaml_source import Fault, FaultsError, say

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)
ROUNDING: Final = 1e-3
"""How far milliseconds may be from what images per second say, as a share."""


def _known(name: str) -> str:
    if name not in NETWORKS:
        got = say(name) + did_you_mean(name[:100], list(NETWORKS))
        raise FaultsError([Fault((), "must be one of the known networks", got)])
    return name


def _some(entries: "tuple[Latency, ...]") -> "tuple[Latency, ...]":
    if not entries:
        raise ValueError("must hold one entry or more")
    return entries


class Latency(BaseModel):
    """How long one image took. `network` is a key of `published.networks`, `platform` that of a platform file.

    Where images per second were told, `images_per_second` is the figure as it was read and `milliseconds` follows from
    it; with a pipeline on the chip one image may take longer than that. `notes` say what the time holds beside the
    network, such as copies, and what is not known of it.
    """

    model_config = _CONFIG

    network: Annotated[str, AfterValidator(_known)]
    platform: Line
    precision: Precision
    height: int = Field(ge=SMALLEST_SIDE, le=65536)
    width: int = Field(ge=SMALLEST_SIDE, le=65536)
    milliseconds: float = Field(gt=0, le=1e9)
    images_per_second: float | None = Field(default=None, gt=0, le=1e9)
    batch: Literal[1] = 1
    runtime: Line
    threads: int | None = Field(default=None, ge=1, le=1024)
    notes: Line
    source: Line

    @model_validator(mode="after")
    def _agree(self) -> "Latency":
        if self.images_per_second is not None:
            follows = 1000 / self.images_per_second
            if abs(self.milliseconds - follows) > ROUNDING * follows:
                rule = f"must be 1000 / images_per_second, which is {follows:.6g}"
                raise FaultsError([Fault(("milliseconds",), rule, f"{self.milliseconds:.6g}")])
        return self


class _Latencies(BaseModel):
    """The file: a list of latencies."""

    model_config = _CONFIG

    latencies: Annotated[tuple[Latency, ...], Field(strict=False), AfterValidator(_some)]


def load(path: str | PathLike[str]) -> tuple[Latency, ...]:
    """The latencies of a file. Raises FileError with all its faults."""
    return yaml_model.load(path, _Latencies).latencies


@cache
def latencies() -> tuple[Latency, ...]:
    """All that come with budgetnet, in their file's order."""
    return load(data_files(__name__)["latencies"])


def graph_of(latency: Latency) -> Graph:
    """The network that was measured, for its image's size."""
    return NETWORKS[latency.network](latency.height, latency.width)
