"""Stems in safetensors: by our names (what a run keeps, and what `save` writes) or by Keras' names and order of axes.

Ours need no scaling told where `save` wrote them; beside a run's weights its record tells it.
"""

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from budgetnet import records
from budgetnet.errors import BudgetnetError, first_of, printable, shorten
from budgetnet.stems import layout
from budgetnet.stems.weights import SCALING, Found, Triple, Weights, assemble

RECORD: Final = "run.json"
"""What lies beside the weights of a run."""

_KEY: Final = "budgetnet"


def looks_like_it(content: bytes) -> bool:
    """Whether this begins as safetensors do: the length of a JSON object, and the object."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8


def read(content: bytes, where: str, path: Path) -> Weights:
    """The stem in the bytes of a safetensors file that lies at `path`. Raises BudgetnetError that begins with
    `where`.
    """
    try:
        held = from_safetensors(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        told = shorten(str(error), 120)
        raise BudgetnetError(f"{where}: must be a safetensors file that can be read, but got {told}") from None
    ours = any(name in held for name in layout.sizes(1.0))
    hint = f"; it holds {first_of(sorted(map(printable, held)), 4)}" if held else "; it is empty"
    state = assemble(where, _by_our_names(held) if ours else _by_keras_names(held, where), hint)
    mean, std = _scaling(content, where, path) if ours else (SCALING, SCALING)
    last = layout.units(1.0)[-1].weight
    return Weights(state=state, depth_multiplier=layout.multiplier_of(len(state[last])), mean=mean, std=std)


def write(weights: Weights) -> bytes:
    """A safetensors file of a stem, the same bytes for the same weights."""
    about = json.dumps({"mean": weights.mean, "std": weights.std})
    return to_safetensors(dict(weights.state), metadata={_KEY: about})


def _by_our_names(held: Mapping[str, Tensor]) -> dict[str, Found]:
    names = layout.sizes(1.0)
    return {name: _one(name, tensor, name) for name, tensor in held.items() if name in names}


def _by_keras_names(held: Mapping[str, Tensor], where: str) -> dict[str, Found]:
    """`conv_dw_1/depthwise_kernel`, with a dot for the slash, with `:0`, with whatever before it."""
    found: dict[str, Found] = {}
    for label, tensor in sorted(held.items()):
        parts = re.split(r"[/.]", label.removesuffix(":0"))
        name = layout.names().get((parts[-2], parts[-1])) if len(parts) > 1 else None
        if name is None:
            continue
        if name in found:
            raise BudgetnetError(
                f"{where}: {printable(label)}: must be there once, but {found[name].label} is there as well"
            )
        found[name] = _one(printable(label), tensor, name, keras=True)
    return found


def _one(label: str, tensor: Tensor, name: str, *, keras: bool = False) -> Found:
    turned = keras and tensor.ndim == 4
    return Found(
        label=label,
        expected=partial(layout.keras_size, name) if keras else tuple,
        size=tuple(tensor.shape),
        kind=str(tensor.dtype),
        floating=tensor.dtype.is_floating_point,
        read=lambda: tensor.permute(layout.from_keras(name)) if turned else tensor,
    )


def _scaling(content: bytes, where: str, path: Path) -> tuple[Triple, Triple]:
    """Mean and deviation of the pixels: from the file itself, else from the record of its run, else Keras'."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = header.get("__metadata__", {}).get(_KEY)
    if about is not None:
        try:
            told = json.loads(about)
        except (ValueError, RecursionError):
            raise BudgetnetError(f"{where}: {_KEY}: must be JSON, but got {shorten(about)}") from None
        return _triples(told, f"{where}: {_KEY}", std=None)
    record = path.with_name(RECORD)
    if not record.is_file():
        return SCALING, SCALING
    run = records.read(record)
    return _triples(
        run.get("scaling") if isinstance(run, dict) else None, f"{printable(str(record))}: scaling", std=1.0
    )


def _triples(told: Any, field: str, *, std: float | None) -> tuple[Triple, Triple]:
    """`mean` and `std` of a mapping; `std` may be left out where there is a value for it."""
    if not isinstance(told, dict):
        raise BudgetnetError(f"{field}: must hold mean and std, but got {shorten(told)}")
    spread = told.get("std", None if std is None else [std] * 3)
    return _triple(told.get("mean"), f"{field}.mean", 0, 1), _triple(spread, f"{field}.std", 1e-3, 10)


def _triple(value: Any, field: str, low: float, high: float) -> Triple:
    if not isinstance(value, list) or len(value) != 3:
        raise BudgetnetError(f"{field}: must be three numbers, but got {shorten(value)}")
    red, green, blue = (float(records.number(part, field, low, high)) for part in value)
    return red, green, blue
