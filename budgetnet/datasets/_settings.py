"""What follows the colon of a spec: a folder or nothing, then settings, as in `/data/kitti,val=0.2,seed=3`."""

import re

SETTINGS = ("train", "val", "test", "seed", "by", "map")
"""Those that every data set of files knows. `map` is for `budgetnet.datasets.find`, the others are for its splits."""

_START = re.compile(rf"(?:^(?=(?:{'|'.join(SETTINGS)})=)|,)([a-z]+)=")


def parted(argument: str) -> tuple[str, list[tuple[str, str]]]:
    """The argument without its settings, and these in their order: name, value."""
    starts = list(_START.finditer(argument))
    bounds = [*(found.start() for found in starts), len(argument)]
    settings = [(found[1], argument[found.end() : end]) for found, end in zip(starts, bounds[1:], strict=True)]
    return argument[: bounds[0]], settings


def without(argument: str, name: str) -> tuple[str, list[str]]:
    """The argument without all settings of one name, and their values."""
    path, settings = parted(argument)
    values = [value for key, value in settings if key == name]
    if not values:
        return argument, []
    kept = [f"{key}={value}" for key, value in settings if key != name]
    return ",".join([path, *kept] if path else kept), values
