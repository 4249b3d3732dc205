"""A training's state on disk, so that a killed one goes on from its last whole epoch.

No generator state is kept: every epoch draws its order and its dropout from (seed, epoch), so where it stopped does
not matter.
"""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from budgetnet import files


def save(path: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, float]]) -> None:
    """Writes the state after `len(history)` epochs, atomically."""
    out = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history}, out)
    files.write(path, out.getvalue())


def restore(path: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """Brings model and optimizer to the saved state and returns its history; an empty one where nothing usable is
    there.
    """
    try:
        state: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        history = [dict(row) for row in state["history"]]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except FileNotFoundError:
        return []
    except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError):
        # of another candidate or cut short by another program: starting over costs epochs, going on would cost the
        # truth th.unlink(missing_ok=True)
        return []
    return history
