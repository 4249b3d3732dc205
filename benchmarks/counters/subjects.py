"""The networks that everyone counts: candidates of MobileNet-FCN from one end of the space to the other."""

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

from budgetnet.build import build
from budgetnet.graph import Graph
from budgetnet.networks import Candidate, mobilenet_fcn

NETWORK = "mobilenet-fcn"

Subject = tuple[Candidate, int, tuple[int, int]]
"""A candidate with its classes and its image's height and width."""


def subject(width: float, endpoint: str, kernel: int, depth: int, classes: int, size: tuple[int, int]) -> Subject:
    """A MobileNet-FCN for so many classes and such images."""
    values = {"depth_multiplier": width, "final_endpoint": endpoint, "head": "fcn"}
    head = {"classifier_kernel": kernel, "classifier_depth": depth}
    return Candidate.of(NETWORK, values | head), classes, size


PUBLISHED = subject(0.5, "Conv2d_13_pointwise", 7, 1024, 7, (320, 480))
"""569,664,000 MACs in the published table."""

SUBJECTS = (
    subject(0.25, "Conv2d_11_pointwise", 3, 256, 7, (320, 480)),
    PUBLISHED,
    subject(0.75, "Conv2d_11_pointwise", 5, 512, 12, (360, 480)),
    subject(1.0, "Conv2d_13_pointwise", 7, 1024, 20, (512, 1024)),
)


def drawn(number: int) -> list[Subject]:
    """Networks drawn from a wide space, in no order, the same each time."""
    draw = random.Random(0)  # noqa: S311 (a benchmark, no secret)
    return [
        subject(
            draw.uniform(0.1, 1.4),
            draw.choice(mobilenet_fcn.ENDPOINTS[5:]),
            draw.randrange(1, 16, 2),
            draw.randrange(32, 2048),
            draw.randrange(2, 40),
            (draw.randrange(64, 1024), draw.randrange(64, 2048)),
        )
        for _ in range(number)
    ]


def graph_of(given: Subject) -> Graph:
    """A subject's graph."""
    candidate, classes, (height, width) = given
    return candidate.graph(classes=classes, height=height, width=width)


def built(given: Subject, device: str) -> tuple[nn.Module, Tensor]:
    """A subject as a module, and one image for it."""
    graph = graph_of(given)
    return made(lambda: build(graph), (1, 3, *given[2]), device)


def made(make: Callable[[], nn.Module], shape: tuple[int, ...], device: str) -> tuple[nn.Module, Tensor]:
    """A module for evaluation and its images, on a device."""
    with torch.device(device):
        return make().eval(), torch.zeros(shape)
