"""How much of its peak hardware reaches, by what a kernel does. One YAML file per kind of runtime, its name is its key.

A file holds shares that were fitted to measurements, and how far predictions with them lay from measurements that they
were not fitted to: the error band of every prediction. A platform's own calibration, which its file holds, goes before
these.
"""

from typing import Annotated, Final, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field

from budgetnet import yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.kernel_classes import KernelClass
from budgetnet.plugins import data_files
from budgetnet.yaml_model import Line

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)
BY_ENGINE: Final = {"gpu": "tensorrt", "dla": "accelerator", "npu": "accelerator", "dataflow": "dataflow", "cpu": "cpu"}
"""Kind of engine -> the efficiencies that it has where nobody measured it."""


Share: TypeAlias = Annotated[float, Field(gt=0, le=4)]
"""Of a peak that was told or measured; more than 1 where that was too low, or where caches serve what memory would."""


@final
class Spread(BaseModel):
    """How far predictions lay from `measurements` that the shares were not fitted to: the median and the 90th
    percentile of |predicted / measured - 1|, and the `factor` by which nine of ten were too long or too short at most.
    """

    model_config = _CONFIG

    median: float = Field(ge=0, le=100)
    p90: float = Field(ge=0, le=100)
    factor: float = Field(ge=1, le=1000)
    measurements: int = Field(ge=1)
    how: Line


@final
class Efficiency(BaseModel):
    """Shares of the peak for each class of kernels, the share of the memory's bandwidth, and what starting a kernel
    takes, in 10^-6 seconds.
    """

    model_config = _CONFIG

    name: Line
    source: Line
    dense: Share
    pointwise: Share
    depthwise: Share
    transposed: Share
    elementwise: Share
    bandwidth: Share
    floor_us: float = Field(ge=0, le=1e6)
    error: Spread

    def share(self, kind: KernelClass) -> float:
        """Of the peak, for kernels of a class."""
        found = getattr(self, kind)
        assert isinstance(found, float)
        return found


def names() -> list[str]:
    """Keys of the shipped files."""
    return list(data_files(__name__))


def load(key: str) -> Efficiency:
    """The shipped efficiencies of that key. Raises BudgetnetError naming the nearest when there are none."""
    files = data_files(__name__)
    if key not in files:
        got = shorten(key) + did_you_mean(key[:100], list(files))
        raise BudgetnetError(f"efficiency: must be one of {', '.join(files)}, but got {got}")
    entry = files[key]
    return yaml_model.validate(yaml_source.parse(entry.read_bytes(), entry.name), Efficiency)
