"""A training's state on disk, so that a killed one goes on from its last whole epoch.

No generator state is kept: every epoch draws its order and its dropout from (seed, epoch), so where it stopped does not
matter.
"""

import copy
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from budgetnet import files


def save(
    path: Path, *, identity: str, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, float]]
) -> None:
    """Writes the state after `len(history)` epochs, atomically. `identity` says which training it is of."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history}
    out = io.BytesIO()
    torch.save({"identity": identity, **state}, out)
    files.write(path, out.getvalue())


def restore(path: Path, *, identity: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """Brings model and optimizer to the saved state of this training and returns its history.

    An empty one where there is none, or only that of another training, or one that cannot be read: starting over costs
    epochs, going on would cost the truth.
    """
    before = copy.deepcopy(model.state_dict())
    try:
        state: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        if state["identity"] != identity:
            return []
        history = [dict(row) for row in state["history"]]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError):
        model.load_state_dict(before)  # the optimizer's state is loaded last and whole, or not at all
        return []
    return history
