"""U-Net (Ronneberger, Fischer and Brox, MICCAI 2015; arXiv:1505.04597) with batch norm, padded to the image's size.

Each level has two 3 x 3 convolutions with batch norm and ReLU; on the way down a 2 x 2 max pooling and twice the
channels, on the way up half of them, and the map of the same level from the way down is put beside. The published
network has no padding and loses a border on the way; padded, any image's scores are at its size, also where a side is
odd: poolings round up, and what is enlarged is cut off to the size of the map it is put beside.

`upsampling=transposed` enlarges by a 2 x 2 transposed convolution with half of the channels, as published; `bilinear`
by interpolation and a 1 x 1 convolution to as many, which makes no checkerboards.

The paper gives no counts. Its figure 1 (width 64, depth 4, one channel in, two classes, biases in place of batch norm)
has 31,030,658 parameters.
"""

from collections.abc import Mapping
from typing import Final, Literal

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.ops import Activation, BatchNorm2d, BiasAdd, Concat, Conv2d, ConvTranspose2d, Crop, MaxPool2d, Resize
from budgetnet.parameters import Parameter, Value
from budgetnet.units import Number

PARAMETERS = (
    Parameter(
        name="base_width",
        kind=int,
        default=64,
        space=(8, 16, 32, 64),
        minimum=1,
        maximum=1024,
        part="stem",
        help="channels of the first level; each deeper one has twice as many",
    ),
    Parameter(
        name="depth",
        kind=int,
        default=4,
        space=(3, 4),
        choices=(1, 2, 3, 4, 5),
        part="stem",
        help="how many times the map is pooled on the way down",
    ),
    Parameter(
        name="upsampling",
        kind=str,
        default="transposed",
        space=("transposed",),
        choices=("transposed", "bilinear"),
        part="head",
        named=True,
        help="how maps are enlarged on the way up: by transposed convolutions, or bilinear and a 1 x 1 convolution",
    ),
)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"U-Net": {}, "U-Net bilinear": {"upsampling": "bilinear"}}

RELU = Activation(kind="relu")
BATCH_NORM = BatchNorm2d(epsilon=1e-5)


def graph(
    *,
    base_width: Number,
    depth: int,
    upsampling: Literal["transposed", "bilinear"],
    classes: Number,
    height: Number,
    width: Number,
) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    x = g.image(height=height, width=width)
    levels: list[str] = []
    with g.part("stem"):
        for level in range(depth + 1):
            if level:
                x = g.add(f"down{level}/pool", MaxPool2d(kernel=2, stride=2), x)
            x = _twice(g, f"down{level}", x, channels=base_width * 2**level)
            levels.append(x)
    with g.part("head"):
        for level in reversed(range(depth)):
            channels, finer = base_width * 2**level, levels[level]
            x = _enlarged(g, f"up{level}", x, finer, channels=channels, upsampling=upsampling)
            x = g.add(f"up{level}/concat", Concat(), finer, x)
            x = _twice(g, f"up{level}", x, channels=channels)
        x = g.add("score/convolution", Conv2d(channels=classes, kernel=1), x)
        g.add("score/BiasAdd", BiasAdd(), x)
    return g.finish()


def _twice(g: GraphBuilder, path: str, x: str, *, channels: Number) -> str:
    """Two 3 x 3 convolutions, each with batch norm and ReLU."""
    for number in (1, 2):
        x = g.add(f"{path}/conv{number}/convolution", Conv2d(channels=channels, kernel=3), x)
        x = g.add(f"{path}/conv{number}/BatchNorm", BATCH_NORM, x)
        x = g.add(f"{path}/conv{number}/Relu", RELU, x)
    return x


def _enlarged(g: GraphBuilder, path: str, x: str, finer: str, *, channels: Number, upsampling: str) -> str:
    """A map of so many channels at the size of a finer one."""
    if upsampling == "bilinear":
        x = g.add(f"{path}/resize", Resize(), x, finer)
        x = g.add(f"{path}/upsampler", Conv2d(channels=channels, kernel=1), x)
        return g.add(f"{path}/BiasAdd", BiasAdd(), x)
    x = g.add(f"{path}/upsampler", ConvTranspose2d(channels=channels, kernel=2, stride=2), x)
    x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
    return g.add(f"{path}/crop", Crop(offset=0), x, finer)
