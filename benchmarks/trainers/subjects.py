"""The networks that everyone trains, and images and labels to train them on at no cost of reading."""

from dataclasses import dataclass
from typing import Final, final

import torch

from budgetnet.classes import IGNORE, ClassList
from budgetnet.count import count
from budgetnet.graph import Graph
from budgetnet.networks import Candidate
from budgetnet.training.material import Material
from budgetnet.training.samples import Samples, Scaling

IMAGES: Final = 32
"""Different images; what a longer epoch needs are these again."""

CELL: Final = 16
"""Side of the squares of one class in labels, in pixels."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network for so many classes; `wanted` is how many times as fast as the plain loop it is to be trained."""

    candidate: Candidate
    classes: int
    wanted: float | None = None

    def graph(self, height: int, width: int) -> Graph:
        """For images of a size."""
        return self.candidate.graph(classes=self.classes, height=height, width=width)

    def ops(self, height: int, width: int) -> int:
        """Operations of one image, forward."""
        return int(count(self.graph(height, width)).total.ops)


def _lab(depth_multiplier: float, wanted: float | None = None) -> Subject:
    head = {"head": "fcn", "classifier_kernel": 7, "classifier_depth": 1024}
    candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": depth_multiplier, **head})
    return Subject(candidate=candidate, classes=7, wanted=wanted)


def _light(depth_multiplier: float, wanted: float | None = None) -> Subject:
    head = {"head": "light-decoder", "decoder_channels": 80, "detail_channels": 80}
    stem = {"depth_multiplier": depth_multiplier, "final_endpoint": "Conv2d_11_pointwise"}
    return Subject(candidate=Candidate.of("mobilenet-fcn", {**stem, **head}), classes=11, wanted=wanted)


SUBJECTS: Final = {
    "lab 0.25": _lab(0.25),
    "lab 0.5": _lab(0.5, 3.5),
    "lab 1.0": _lab(1.0, 5.0),
    "light 0.5": _light(0.5, 3.5),
}
"""Head and depth multiplier -> the network."""


def material(classes: int, height: int, width: int, images: int) -> Material:
    """Drawn images (noise) and labels (squares, one in twenty without a class), the same ones every time."""
    draw = torch.Generator().manual_seed(0)
    different = min(images, IMAGES)
    pixels = torch.randint(0, 256, (different, height, width, 3), dtype=torch.uint8, generator=draw)
    cells = (different, -(-height // CELL), -(-width // CELL))
    squares = torch.randint(0, classes, cells, dtype=torch.uint8, generator=draw)
    squares[torch.rand(cells, generator=draw) < 0.05] = IGNORE
    labels = squares.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)[:, :height, :width].contiguous()
    times = -(-images // different)
    train = Samples(
        images=pixels.repeat(times, 1, 1, 1)[:images].permute(0, 3, 1, 2), labels=labels.repeat(times, 1, 1)[:images]
    )
    names = tuple(f"class {index}" for index in range(classes))
    listed = ClassList(name="drawn", names=names, colours=tuple((0, 0, index) for index in range(classes)), void=None)
    val = Samples(images=train.images[:1], labels=train.labels[:1])
    return Material(
        train=train, val=val, classes=listed, scaling=Scaling.of(pixels.permute(0, 3, 1, 2)), fingerprint=""
    )
