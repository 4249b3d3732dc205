"""Stems in HDF5, as Keras keeps weights by the names of layers.

Seen in the wild: `conv1/conv1/kernel:0` (Keras 2, the published files), the same under `model_weights` (whole models),
`mobilenet_0.25_224/conv1/kernel` (a stem inside a model), and names without `:0` (Keras 3). Whatever comes before the
layer's name does not matter. Only plain arrays inside the file are read: nothing that points elsewhere.
"""

import io
from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any, Final

import h5py
import numpy as np
import torch
from torch import Tensor

from budgetnet.errors import BudgetnetError, first_of, printable, shorten
from budgetnet.stems import layout
from budgetnet.stems.weights import MOST_BYTES, SCALING, Found, Weights, assemble

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

_DEEPEST = 8
_MOST_NODES = 20_000
_MOST_CHUNK_BYTES = MOST_BYTES // 8
_SKIPPED = frozenset({"optimizer_weights"})
"""What a whole model keeps beside its weights, under the same names."""


def read(content: bytes, where: str) -> Weights:
    """The stem in the bytes of an HDF5 file. Raises BudgetnetError that begins with `where`."""
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            found, hint = _found(file, where), _hint(file)
            state = assemble(where, found, hint)
    except BudgetnetError:
        raise
    except Exception as error:  # h5py passes on whatever the library says, in many types
        told = shorten(str(error), 120)
        raise BudgetnetError(f"{where}: must be an HDF5 file that can be read, but got {told}") from None
    last = layout.units(1.0)[-1].weight
    return Weights(state=state, depth_multiplier=layout.multiplier_of(len(state[last])), mean=SCALING, std=SCALING)


def _found(file: h5py.File, where: str) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for parts, dataset in _datasets(file, where):
        layer, weight = parts[-2:] if len(parts) > 1 else ("", "")
        name = layout.names().get((layer, weight.removesuffix(":0")))
        if name is None:
            continue
        label = "/".join(parts)
        if name in found:
            raise BudgetnetError(f"{where}: {label}: must be there once, but {found[name].label} is there as well")
        _check_storage(f"{where}: {label}", dataset)
        found[name] = Found(
            label=label,
            expected=partial(layout.keras_size, name),
            size=tuple(dataset.shape or ()),
            kind=str(dataset.dtype),
            floating=dataset.dtype.kind == "f",
            read=partial(_tensor, name, dataset),
        )
    return found


def _datasets(file: h5py.File, where: str) -> Iterator[tuple[tuple[str, ...], h5py.Dataset]]:
    """Every dataset by its path, in an order that depends on the names alone."""
    left: list[tuple[tuple[str, ...], h5py.Group]] = [((), file)]
    seen = 0
    while left:
        path, group = left.pop()
        for name in group:
            seen += 1
            if seen > _MOST_NODES or len(path) >= _DEEPEST:
                told = f"must hold at most {_MOST_NODES:,} entries in at most {_DEEPEST} levels, but holds more"
                raise BudgetnetError(f"{where}: {told}")
            here = (*path, printable(name))
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise BudgetnetError(f"{where}: {'/'.join(here)}: must lie in this place, but is a link")
            node = group[name]
            if isinstance(node, h5py.Dataset):
                yield here, node
            elif isinstance(node, h5py.Group) and name not in _SKIPPED:
                left.append((here, node))


def _check_storage(label: str, dataset: h5py.Dataset) -> None:
    """Refuses what is kept elsewhere, and what takes much more memory to read than it holds."""
    if dataset.external or dataset.is_virtual:
        raise BudgetnetError(f"{label}: must lie in this file, but lies in others")
    if dataset.chunks and prod(dataset.chunks) * dataset.dtype.itemsize > _MOST_CHUNK_BYTES:
        told = f"must be kept in chunks of at most {_MOST_CHUNK_BYTES:,} bytes, but got {dataset.chunks}"
        raise BudgetnetError(f"{label}: {told}")


def _tensor(name: str, dataset: h5py.Dataset) -> Tensor:
    array: Any = dataset[()]
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is complained of as that
        tensor = torch.from_numpy(array.astype("float32"))  # also from the other order of bytes
    return tensor.permute(layout.from_keras(name)) if tensor.ndim > 1 else tensor


def _hint(file: h5py.File) -> str:
    """What the file holds instead, for who gave the wrong one."""
    held = [printable(name) for name in file]
    if "layers" in held:
        return "; files that end in .weights.h5 do not keep the layers' names: save the whole model as .h5 instead"
    return f"; it holds {first_of(held, 4)}" if held else "; it is empty"
