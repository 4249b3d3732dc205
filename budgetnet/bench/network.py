"""A network as a runtime is handed it: a graph with its weights, or an ONNX model that somebody else made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from budgetnet.deploy.folding import Weights
from budgetnet.graph import Graph

Kind: TypeAlias = Literal["float32", "uint8"]
Gives: TypeAlias = Literal["scores", "classes"]

SETTLED_AT: Final = 128
"""Largest sides of the random images that batch norms of an untrained network are settled on."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network for images of one size. Either `graph` and `weights`, named as in the built network's state dict, are
    given, or a `model`, which is ONNX; `file` says where the latter lies.

    It takes images (batch, 3, height, width) of type `takes`: floats that have been scaled, or bytes. `batch` is the
    only one that it takes; any where it is None. It `gives` scores of each class, or the best class of each pixel;
    `scored` is how many classes a model has scores of, None where it does not say.
    """

    label: str
    height: int
    width: int
    graph: Graph | None = None
    weights: Weights | None = None
    model: bytes | None = None
    file: str | None = None
    takes: Kind = "float32"
    batch: int | None = None
    gives: Gives = "scores"
    scored: int | None = None

    @classmethod
    def of(cls, label: str, graph: Graph, weights: Mapping[str, NDArray[Any]]) -> "Network":
        """A graph with its weights."""
        shape = graph.input.shape
        return cls(label=label, height=shape.height, width=shape.width, graph=graph, weights=weights)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its images, in pixels."""
        return self.height, self.width

    @property
    def classes(self) -> int | None:
        """How many classes it tells apart; None where nobody knows."""
        return self.scored if self.graph is None else self.graph.output.shape.channels

    def called(self, label: str) -> "Network":
        """The same network by another label."""
        return replace(self, label=label)

    def onnx(self) -> bytes:
        """The network as an ONNX model, made once."""
        return self._onnx

    @cached_property
    def _onnx(self) -> bytes:
        if self.model is not None:
            return self.model
        from budgetnet.deploy.emit import emit

        assert self.graph is not None, "a network without a model has a graph"
        assert self.weights is not None, "a graph comes with its weights"
        return bytes(emit(self.graph, self.weights).SerializeToString())

    def images(self, batch: int, seed: int = 0) -> NDArray[Any]:
        """Random images of the kind and size that it takes: the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        shape = (batch, 3, self.height, self.width)
        if self.takes == "uint8":
            return rng.integers(0, 256, shape, dtype=np.uint8)
        return rng.random(shape, dtype=np.float32) - np.float32(0.5)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What stands under one name: networks with the same parameters, or one for each of a scenario's networks, for
    every size of images. `of_group` are the places of those that the scenario's camera groups run, `about` says where
    the weights come from.
    """

    label: str
    networks: tuple[Network, ...]
    of_group: tuple[int, ...]
    about: str


def untrained(label: str, graph: Graph, *, seed: int = 0) -> Network:
    """A graph with random weights, the same ones for the same seed; batch norms are settled on random images.

    Without that, maps shrink from layer to layer, to 1e-22 at the end of MobileNet-FCN: nothing that scores could be
    compared by, and on the way to numbers that processors compute slowly. Trained ones are of ordinary size.
    """
    import torch
    from torch import nn

    from budgetnet.build import build

    model = build(graph, seed=seed)
    shape = graph.input.shape
    sides = [min(SETTLED_AT, side) for side in (shape.height, shape.width)]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # what is kept is the last batch's
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        model.train()(torch.rand(4, 3, *sides) - 0.5)
    return Network.of(label, graph, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
