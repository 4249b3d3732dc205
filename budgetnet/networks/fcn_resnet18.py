"""FCN on ResNet-18 (He, Zhang, Ren and Sun, arXiv:1512.03385, table 1): a coarse map of scores, enlarged bilinearly.

The backbone is a 7 x 7 convolution of stride 2, a 3 x 3 max pooling of stride 2 and eight basic blocks: two 3 x 3
convolutions with batch norm each, added to what went in, or to a 1 x 1 convolution of it where stride or channels
change. The head is torchvision's `FCNHead`: a 3 x 3 convolution to a quarter of the channels with batch norm and ReLU,
dropout, a 1 x 1 classifier; its scores, at a 32nd of the image's size, are resized to the image. Paddings are torch's,
which pads both sides alike, and round up on odd sides. Nothing is dilated: torchvision's basic blocks cannot be.

dusty-nv's jetson-inference runs the same network with 21 classes and leaves the scores at their coarse size.

Published: 11.69 million parameters and 1.81 G MACs for a 224 x 224 image of ResNet-18 with its 1,000 classes
(torchvision's page of models), so 11.18 million of the backbone. The head comes on top.
"""

from collections.abc import Mapping
from typing import Final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import DEPTH_MULTIPLIER, RELU, channels
from budgetnet.ops import Add, BatchNorm2d, BiasAdd, Conv2d, Dropout, MaxPool2d, Resize
from budgetnet.parameters import Value
from budgetnet.units import Number

PARAMETERS = (DEPTH_MULTIPLIER,)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"FCN-ResNet18": {}}

BATCH_NORM: Final = BatchNorm2d(epsilon=1e-5)
STAGES: Final = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels, and the stride of the first of two blocks."""

HEAD_SHARE: Final = 4
"""The head has a quarter of the backbone's channels."""


def graph(*, depth_multiplier: Number, classes: Number, height: Number, width: Number) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    widths = [channels(full, depth_multiplier, least=HEAD_SHARE) for full, _ in STAGES]
    with g.part("stem"):
        x = _normalised(g, "conv1", image, Conv2d(channels=widths[0], kernel=7, stride=2, padding=3))
        x = g.add("conv1/Relu", RELU, x)
        x = g.add("pool", MaxPool2d(kernel=3, stride=2, padding=1), x)
        for number, (wide, (_, stride)) in enumerate(zip(widths, STAGES, strict=True), 1):
            x = _block(g, f"layer{number}_1", x, channels=wide, stride=stride, projected=number > 1)
            x = _block(g, f"layer{number}_2", x, channels=wide, stride=1, projected=False)
    with g.part("head"):
        x = _normalised(g, "head", x, Conv2d(channels=widths[-1] // HEAD_SHARE, kernel=3, padding=1))
        x = g.add("head/Relu", RELU, x)
        x = g.add("head/dropout", Dropout(rate=0.1), x)
        x = g.add("score/convolution", Conv2d(channels=classes, kernel=1), x)
        x = g.add("score/BiasAdd", BiasAdd(), x)
        g.add("resize", Resize(), x, image)
    return g.finish()


def _block(g: GraphBuilder, path: str, x: str, *, channels: Number, stride: int, projected: bool) -> str:
    """A basic block; `projected` says whether what went in needs a convolution to be added."""
    skip = x
    first = Conv2d(channels=channels, kernel=3, stride=stride, padding=1)
    x = _normalised(g, f"{path}/conv1", x, first)
    x = g.add(f"{path}/conv1/Relu", RELU, x)
    x = _normalised(g, f"{path}/conv2", x, Conv2d(channels=channels, kernel=3, padding=1))
    if projected:
        only = Conv2d(channels=channels, kernel=1, stride=stride, padding=0)
        skip = _normalised(g, f"{path}/projection", skip, only)
    x = g.add(f"{path}/sum", Add(), x, skip)
    return g.add(f"{path}/Relu", RELU, x)


def _normalised(g: GraphBuilder, path: str, x: str, convolution: Conv2d) -> str:
    x = g.add(f"{path}/convolution", convolution, x)
    return g.add(f"{path}/BatchNorm", BATCH_NORM, x)
