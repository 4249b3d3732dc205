"""How much of a wide stem's features a narrower one keeps, by the way its channels are chosen; nothing is trained.

    python benchmarks/narrowing.py --stems FOLDER --images FOLDER [--pairs 1.0:0.75 1.0:0.5 0.5:0.35 0.25:0.2]

Images go through the wide stem and through each narrow one. Printed is the share of the variance of all the wide stem's
channels that a linear function of the narrow one's channels explains, on pixels that it was not fitted to, at stride 4,
8 and 16 (after rows 3, 5 and 11).
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from budgetnet import stems
from budgetnet.build import build
from budgetnet.networks import mobilenet_fcn
from budgetnet.stems import layout, narrow
from budgetnet.stems.layout import Unit

ROWS = (3, 5, 11)
HEIGHT, WIDTH = 160, 240
State = Mapping[str, Tensor]
Importance = Callable[[State, Unit, Unit | None], Tensor]
"""(weights, a row's convolution, the pointwise one that reads it) -> importance of its channels."""


def filters(state: State, unit: Unit, reader: Unit | None) -> Tensor:
    return state[unit.weight].abs().flatten(1).sum(dim=1)


def folded(state: State, unit: Unit, reader: Unit | None) -> Tensor:
    scale = state[unit.norm("weight")].abs() / (state[unit.norm("running_var")] + 1e-3).sqrt()
    own = scale * state[unit.weight].flatten(1).norm(dim=1)
    return own * state[reader.weight][:, :, 0, 0].norm(dim=0) if reader else own


def chance(state: State, unit: Unit, reader: Unit | None) -> Tensor:
    return torch.rand(unit.size[0], generator=torch.Generator().manual_seed(unit.size[0]))


def chosen_by(importance: Importance, state: State, wide: float, narrower: float) -> list[Tensor]:
    units, kept = layout.units(wide), []
    for place, (unit, small) in enumerate(zip(units, layout.units(narrower), strict=True)):
        if not unit.depthwise:
            reader = units[place + 2] if place + 2 < len(units) else None
            rows = narrow.largest(importance(state, unit, reader), small.size[0])
        kept.append(rows)
    return kept


@torch.no_grad()
def features(state: State, depth_multiplier: float, images: Tensor) -> list[Tensor]:
    """Per row, float64 (pixels, channels)."""
    endpoint = mobilenet_fcn.ENDPOINTS[ROWS[-1]]
    graph = mobilenet_fcn.stem(depth_multiplier=depth_multiplier, height=HEIGHT, width=WIDTH, final_endpoint=endpoint)
    model = build(graph, seed=0).eval()
    model.load_state_dict(dict(state), strict=False)
    seen: list[Tensor] = []
    for row in ROWS:
        relu = model.node_module(f"MobilenetV1/{mobilenet_fcn.ENDPOINTS[row]}/Relu6")
        relu.register_forward_hook(lambda module, given, made: seen.append(made.movedim(1, -1).flatten(0, 2).double()))
    model(images)
    return seen


def explained(small: Tensor, large: Tensor) -> float:
    """The share of the variance of `large` that `small` explains, fitted to two thirds of the pixels, on others."""
    order = torch.randperm(len(small), generator=torch.Generator().manual_seed(0))
    given = torch.cat([small, torch.ones(len(small), 1, dtype=torch.float64)], dim=1)
    fit, test = order[: len(order) * 2 // 3][:8000], order[len(order) * 2 // 3 :][:6000]
    squares = given[fit].T @ given[fit]
    ridge = 1e-3 * squares.diagonal().mean() * torch.eye(len(squares), dtype=torch.float64)
    guess = given[test] @ torch.linalg.solve(squares + ridge, given[fit].T @ large[fit])
    return 1 - ((guess - large[test]).square().sum() / (large[test] - large[test].mean(dim=0)).square().sum()).item()


def load_images(folder: Path, count: int) -> Tensor:
    paths = sorted(folder.glob("*.png"))
    paths = paths[:: max(len(paths) // count, 1)][:count]
    pixels = [
        np.array(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)) for path in paths
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def main(asked: argparse.Namespace) -> None:
    images = load_images(Path(asked.images), asked.count)
    print(
        f"{len(images)} images of {HEIGHT} x {WIDTH}\n\n"
        "| channels chosen by | stride 4 | stride 8 | stride 16 |\n|---|---|---|---|"
    )
    for pair in asked.pairs:
        wide, narrower = map(float, pair.split(":"))
        state = stems.load(asked.stems, wide).state
        whole = features(state, wide, images)
        ours = narrow.important(state, wide, narrower)
        ways = {
            "ours": narrow.cut(state, wide, ours),
            "ours, no constants": narrow.cut(state, wide, ours, constants=False),
            "L1 of filters": narrow.cut(state, wide, chosen_by(filters, state, wide, narrower)),
            "folded norm x reader's norm": narrow.cut(state, wide, chosen_by(folded, state, wide, narrower)),
            "chance": narrow.cut(state, wide, chosen_by(chance, state, wide, narrower)),
        }
        for name, made in ways.items():
            shares = [explained(*both) for both in zip(features(made, narrower, images), whole, strict=True)]
            print(
                f"| {wide:g} to {narrower:g}: {name} | " + " | ".join(f"{share:.3f}" for share in shares) + " |",
                flush=True,
            )


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--stems", required=True)
    words.add_argument("--images", required=True, help="a folder of PNG files")
    words.add_argument("--count", type=int, default=30)
    words.add_argument("--pairs", nargs="+", default=["1.0:0.75", "1.0:0.5", "0.5:0.35", "0.25:0.2"])
    main(words.parse_args())
