"""DeepLabv3 on MobileNet v2 (Sandler et al., arXiv:1801.04381): inverted residuals under the small head of section 6.3.

The backbone is table 2 up to its 320 channels: a block expands by a 1 x 1 convolution to six times the channels, goes
over the map by a 3 x 3 depthwise one, and comes back by a 1 x 1 one without an activation; blocks after the first of
their row are added to what went in. ReLU6 elsewhere. The head has no dilated branches: a 1 x 1 convolution beside one
of the map's mean, 256 channels each, a 1 x 1 convolution of both to 256, dropout, a 1 x 1 classifier, and bilinear to
the image's size.

`output_stride` keeps a finer map by dilation, as in `mobilenet-fcn`: 16 is the published one, 8 what the exported model
of the authors and Hailo's model zoo (`deeplab_v3_mobilenet_v2`) compute, 32 is without dilation (the zoo's
`..._wo_dilation`).

Padding is TensorFlow's `SAME`, as in the authors' code (tensorflow/models, research/deeplab and slim), and so is the
rule of channels: multiples of 8, at most a tenth below c * depth_multiplier. The head keeps its 256 channels whatever
the width. Bilinear resizing aligns pixel centres, theirs the corners.

Published: 300 M multiply-adds and 3.4 million parameters as a classifier of 1,000 classes for a 224 x 224 image (table
4); 2.75 G multiply-adds and 2.11 million parameters as this network for 513 x 513 at stride 16 (table 7).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import DEPTH_MULTIPLIER, RELU
from budgetnet.numeric import maximum, truncate
from budgetnet.ops import (
    Activation,
    Add,
    BatchNorm2d,
    BiasAdd,
    Concat,
    Conv2d,
    Dropout,
    GlobalAvgPool2d,
    Operator,
    Resize,
)
from budgetnet.parameters import Parameter, Value
from budgetnet.units import Number

PARAMETERS = (
    replace(DEPTH_MULTIPLIER, help="width of the backbone: its channels are multiplied by it; 1 is the published one"),
    Parameter(
        name="output_stride",
        kind=int,
        default=16,
        space=(16,),
        choices=(8, 16, 32),
        part="stem",
        named=True,
        help="pixels that a cell of the deepest map may span at most; 16 and 8 dilate the layers after",
    ),
)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"DeepLabv3 MobileNet v2": {}}

ROWS: Final = (
    # expansion, output channels at depth multiplier 1, blocks, stride of the first of them
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST: Final = 32
"""Channels of the first convolution."""

DIVISOR: Final = 8
HEAD_CHANNELS: Final = 256
BATCH_NORM: Final = BatchNorm2d(epsilon=1e-3)
HEAD_BATCH_NORM: Final = BatchNorm2d(epsilon=1e-5)
RELU6: Final = Activation(kind="relu6")


def graph(
    *, depth_multiplier: Number, classes: Number, height: Number, width: Number, output_stride: int = 16
) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    with g.part("stem"):
        features = _Backbone(g, output_stride).add(image, depth_multiplier)
    with g.part("head"):
        _head(g, features, image, classes=classes)
    return g.finish()


def divisible(full: int, depth_multiplier: Number) -> Number:
    """A layer's channels: the multiple of 8 next to full * depth_multiplier, 8 at least, not more than a tenth less."""
    wanted = full * depth_multiplier
    near = maximum(truncate(wanted + DIVISOR / 2) // DIVISOR * DIVISOR, DIVISOR)
    return near + DIVISOR * (near < 0.9 * wanted)


@final
@dataclass(frozen=True, slots=True)
class _Backbone:
    """Adds MobileNet v2's layers to a graph, up to a stride."""

    g: GraphBuilder
    output_stride: int

    def add(self, image: str, depth_multiplier: Number) -> str:
        """The last map."""
        first = Conv2d(channels=divisible(FIRST, depth_multiplier), kernel=3, stride=2)
        x = self._unit("MobilenetV2/Conv", first, image)
        total_stride, dilation, number = 2, 1, 0
        for expansion, full, blocks, row_stride in ROWS:
            stride = row_stride if total_stride * row_stride <= self.output_stride else 1
            total_stride *= stride
            for block in range(blocks):
                path = f"MobilenetV2/expanded_conv_{number}"
                wide = self._expanded(path, x, expansion)
                depthwise = Conv2d(
                    channels=self.g.shape(wide).channels,
                    kernel=3,
                    stride=stride if block == 0 else 1,
                    dilation=dilation,
                    groups=self.g.shape(wide).channels,
                )
                wide = self._unit(f"{path}/depthwise", depthwise, wide, kind="depthwise")
                narrow = Conv2d(channels=divisible(full, depth_multiplier), kernel=1)
                narrowed = self._normalised(f"{path}/project", narrow, wide)
                x = self.g.add(f"{path}/sum", Add(), narrowed, x) if block else narrowed
                if block == 0:
                    dilation *= row_stride // stride
                number += 1
        return x

    def _expanded(self, path: str, x: str, expansion: int) -> str:
        if expansion == 1:
            return x
        return self._unit(f"{path}/expand", Conv2d(channels=expansion * self.g.shape(x).channels, kernel=1), x)

    def _unit(self, path: str, convolution: Conv2d, x: str, *, kind: str = "convolution") -> str:
        return self.g.add(f"{path}/Relu6", RELU6, self._normalised(path, convolution, x, kind=kind))

    def _normalised(self, path: str, convolution: Conv2d, x: str, *, kind: str = "convolution") -> str:
        x = self.g.add(f"{path}/{kind}", convolution, x)
        return self.g.add(f"{path}/BatchNorm", BATCH_NORM, x)


def _head(g: GraphBuilder, features: str, image: str, *, classes: Number) -> None:
    """The map's mean and the map itself, put together, scored and resized to the image."""
    mean = g.add("image_pooling/mean", GlobalAvgPool2d(), features)
    mean = _branch(g, "image_pooling", mean)
    mean = g.add("image_pooling/resize", Resize(), mean, features)
    x = _branch(g, "aspp0", features)
    x = g.add("concat", Concat(), mean, x)
    x = _branch(g, "concat_projection", x)
    x = g.add("concat_projection/dropout", Dropout(rate=0.1), x)
    x = g.add("logits/convolution", Conv2d(channels=classes, kernel=1), x)
    x = g.add("logits/BiasAdd", BiasAdd(), x)
    g.add("resize", Resize(), x, image)


def _branch(g: GraphBuilder, path: str, x: str) -> str:
    steps: tuple[tuple[str, Operator], ...] = (
        ("convolution", Conv2d(channels=HEAD_CHANNELS, kernel=1)),
        ("BatchNorm", HEAD_BATCH_NORM),
        ("Relu", RELU),
    )
    for name, op in steps:
        x = g.add(f"{path}/{name}", op, x)
    return x
