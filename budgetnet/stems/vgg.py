"""VGG-16's weights as torchvision's `state_dict` has them, for FCN: a `.pth` or a safetensors file.

Its thirteen convolutions are `features.0` to `features.28`. FCN's fc6 and fc7 are the classifier's first two layers as
convolutions: `classifier.0` reads a map of 512 x 7 x 7, channel by channel, row by row, so its weights are those of a 7
x 7 kernel; `classifier.3` those of a 1 x 1. Images are scaled as torchvision's were: (x / 255 - mean) / std.
"""

import hashlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from budgetnet.errors import BudgetnetError, first_of, printable, shorten
from budgetnet.networks._vgg import BLOCKS
from budgetnet.stems.weights import Triple
from budgetnet.torch_files import UNREADABLE

MEAN: Final[Triple] = (0.485, 0.456, 0.406)
STD: Final[Triple] = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels from 0 to 1, as torchvision's models take them (its documentation of VGG16_Weights)."""

PREFIXES: Final = ("conv", "fc6", "fc7")
"""How the names of the network's own tensors begin that VGG-16 has."""

FC: Final = {"fc6": ("classifier.0", (4096, 512, 7, 7)), "fc7": ("classifier.3", (4096, 4096, 1, 1))}


def layers() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our layer -> torchvision's, and the size of its weights as ours."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    place, given = 0, 3
    for block, widths in enumerate(BLOCKS, 1):
        for layer, wide in enumerate(widths, 1):
            found[f"conv{block}_{layer}"] = f"features.{place}", (wide, given, 3, 3)
            place, given = place + 2, wide  # a ReLU follows
        place += 1  # and a pooling after each block
    return {**found, **FC}


def read(path: Path, *, classifier: bool) -> dict[str, Tensor]:
    """All tensors by the names of our network's `state_dict`; those of fc6 and fc7 with the `classifier` only.

    Raises BudgetnetError that names the file and what is wrong with it.
    """
    where = printable(str(path))
    held = _held(path, where)
    wanted = {ours: theirs for ours, theirs in layers().items() if classifier or ours not in FC}
    names = [f"{theirs}.{part}" for theirs, _ in wanted.values() for part in ("weight", "bias")]
    missing = [name for name in names if not isinstance(held.get(name), Tensor)]
    if missing:
        rule = "must hold VGG-16's weights under torchvision's names, but has no"
        raise BudgetnetError(f"{where}: {rule} {first_of(missing, 4)}")
    found: dict[str, Tensor] = {}
    for ours, (theirs, size) in wanted.items():
        weight, bias = held[f"{theirs}.weight"].float(), held[f"{theirs}.bias"].float()
        flat = (size[0], prod(size[1:])) if ours in FC else size
        for name, tensor, asked in (("weight", weight, flat), ("bias", bias, size[:1])):
            if tuple(tensor.shape) != asked:
                rule = f"must be VGG-16's, of size {asked}"
                raise BudgetnetError(f"{where}: {theirs}.{name}: {rule}, but got {tuple(tensor.shape)}")
            if not bool(torch.isfinite(tensor).all()):
                raise BudgetnetError(f"{where}: {theirs}.{name}: must hold finite numbers, but does not")
        found[f"{ours}.convolution.weight"] = weight.reshape(size)
        found[f"{ours}.BiasAdd.bias"] = bias.reshape(size[:1])
    return found


def digest(path: Path) -> str:
    """The file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _held(path: Path, where: str) -> Mapping[str, Any]:
    rule = "must be a .pth file of torch, or a safetensors file, with a state_dict in it"
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        held = torch.load(path, weights_only=True, map_location="cpu")
    except (*UNREADABLE, SafetensorError) as error:
        raise BudgetnetError(f"{where}: {rule}, but got {shorten(type(error).__name__)}") from None
    if not isinstance(held, Mapping):
        raise BudgetnetError(f"{where}: {rule}, but got {shorten(type(held).__name__)}")
    return held
