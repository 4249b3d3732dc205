"""Stems that look trained, and files of them as Keras writes them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

from budgetnet.build import build
from budgetnet.networks import mobilenet_fcn
from budgetnet.stems import layout


def random_stem(depth_multiplier: float, seed: int = 0) -> dict[str, Tensor]:
    """A stem whose batch norms have the statistics of what goes through them, each with its own scale and shift."""
    model = build(mobilenet_fcn.stem(depth_multiplier=depth_multiplier, height=64, width=64), seed=seed).train()
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.3, 1.3, generator=generator)
            nn.init.normal_(module.bias, 1.0, 0.6, generator=generator)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    with torch.no_grad():
        model(torch.rand(8, 3, 64, 64, generator=generator) * 2 - 1)
    held = {name: tensor for name, tensor in model.state_dict().items() if name in layout.sizes(depth_multiplier)}
    return {name: tensor.clone() for name, tensor in held.items()}


def to_keras(name: str, tensor: Tensor) -> Tensor:
    """Our tensor in Keras' order of axes."""
    if tensor.ndim == 1:
        return tensor
    return tensor.permute((2, 3, 0, 1) if ".depthwise." in name else (2, 3, 1, 0)).contiguous()


def published(layer: str, weight: str) -> str:
    """Where Keras' published files keep a weight."""
    return f"{layer}/{layer}/{weight}:0"


def write_hdf5(
    path: Path,
    state: Mapping[str, Tensor],
    place: Callable[[str, str], str] = published,
    depthwise: str = "depthwise_kernel",
) -> Path:
    """The stem in Keras' layout, each weight where `place(layer, weight)` says; the layers are listed as Keras lists
    those of the published files.
    """
    listed: dict[str, list[str]] = {}
    with h5py.File(path, "w") as file:
        for (layer, weight), name in layout.names().items():
            if name.endswith(".depthwise.weight") and weight != depthwise:
                continue
            file[place(layer, weight)] = to_keras(name, state[name]).numpy()
            listed.setdefault(layer, []).append(f"{layer}/{weight}:0")
        if place is published:
            file.attrs.update({"layer_names": [*map(str.encode, listed)], "backend": b"tensorflow"})
            for layer, weights in listed.items():
                file[layer].attrs["weight_names"] = [*map(str.encode, weights)]
    return path
