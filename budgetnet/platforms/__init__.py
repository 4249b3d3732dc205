"""Platforms: what the hardware can do. One YAML file each, its name is its key; every figure comes with its source.

Peaks are in 10^12 operations per second, a multiply-accumulate being two. A `derived` figure was worked out from cores,
clock and operations per clock, not read somewhere. docs/platforms.md explains every field.
"""

from os import PathLike

from budgetnet import yaml_model, yaml_source
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.platforms.figures import Figure, Memory, OnChip, Peak, Total, Year
from budgetnet.platforms.model import Engine, Kind, Platform
from budgetnet.plugins import data_files, is_path

__all__ = ["Engine", "Figure", "Kind", "Memory", "OnChip", "Peak", "Platform", "Total", "Year", "load", "names"]


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
