"""A training's state on disk, so that a killed one goes on and ends with the numbers of one that was not.

What an epoch draws follows from (seed, epoch), so between epochs no generator matters. Within one its generators are
kept, and how many batches are done; the order of the images follows from (seed, epoch) again.
"""

import copy
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from budgetnet import files, records
from budgetnet.errors import printable
from budgetnet.torch_files import UNREADABLE
from budgetnet.training.optimizing import Average
from budgetnet.training.team import Place
from budgetnet.training_settings import completed


@final
@dataclass(slots=True, kw_only=True)
class State:
    """All of a training that is under way.

    `history` has a row for each whole epoch. `losses` are those of the batches done of the next one, `places` where
    its parts are. `best` holds the best weights by validation so far where they are wanted.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Tensor] | None = None

    @property
    def epoch(self) -> int:
        """The epoch under way or next, from 1."""
        return len(self.history) + 1

    @property
    def scored(self) -> nn.Module:
        """The network whose scores count: the averaged one where there is one."""
        return self.model if self.average is None else self.average.model


def save(path: Path, state: State, *, identity: str) -> None:
    """Writes the state, atomically. `identity` says which training it is of."""
    kept = {
        "identity": identity,
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": None if state.average is None else state.average.model.state_dict(),
        "history": state.history,
        "losses": state.losses,
        "places": [(list(place.drawn), list(place.statistics)) for place in state.places],
        "seconds": state.seconds,
        "best": state.best,
    }
    out = io.BytesIO()
    torch.save(kept, out)
    files.write(path, out.getvalue())


def problem(path: Path, identity: str) -> str | None:
    """Why what lies there is not the state of this training: `cannot be read`, or what differs; None where it is, or
    where there is nothing.
    """
    if not path.exists():
        return None
    try:
        kept = completed(json.loads(_read(path)["identity"]))
    except UNREADABLE:
        return "cannot be read"
    differing = records.differing(kept, json.loads(identity))
    return f"is of another one ({printable('; '.join(differing[:5]))})" if differing else None


def _read(path: Path) -> Mapping[str, Any]:
    """What was saved, with every byte as it was written: the file holds a checksum of each of its parts."""
    with zipfile.ZipFile(path) as parts:
        damaged = parts.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} is damaged")
    kept: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return kept


def restore(path: Path, state: State, *, identity: str) -> bool:
    """Brings `state` to what was saved of this training and says whether it did.

    Not where there is nothing, or only that of another training, or one that cannot be read: starting over costs
    epochs, going on would cost the truth.
    """
    before = copy.deepcopy(state.model.state_dict())
    try:
        kept = _read(path)
        alike = completed(json.loads(kept["identity"])) == json.loads(identity)
        if not alike or (kept["average"] is None) != (state.average is None):
            return False
        read = {
            "history": [dict(row) for row in kept["history"]],
            "losses": [float(loss) for loss in kept["losses"]],
            "places": [Place(drawn=drawn, statistics=statistics) for drawn, statistics in kept["places"]],
            "seconds": float(kept["seconds"]),
            "best": kept["best"],
        }
        state.model.load_state_dict(kept["model"])
        if state.average is not None:
            state.average.model.load_state_dict(kept["average"])
        state.optimizer.load_state_dict(kept["optimizer"])
    except UNREADABLE:
        state.model.load_state_dict(before)  # the optimizer's state is loaded last and whole, or not at all
        if state.average is not None:
            state.average.model.load_state_dict(before)
        return False
    for name, value in read.items():
        setattr(state, name, value)
    return True


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's weights that further training leaves alone."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
