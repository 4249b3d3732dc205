"""ENet (Paszke, Chaurasia, Kim and Culurciello, arXiv:1606.02147): made for real time, deep and narrow.

An image becomes a map of stride 2 at once (13 channels of a 3 x 3 convolution beside the pooled image). Everything
after is bottlenecks: a 1 x 1 projection to a quarter of the channels that come out, a main convolution, a 1 x 1
expansion, each with batch norm, added to what went in. Main convolutions are 3 x 3, dilated 3 x 3, or 5 x 1 and 1 x 5.
Downsampling bottlenecks project by 2 x 2 of stride 2 and add to the pooled map, with channels of zeros where it has
fewer; upsampling ones have a transposed main convolution, 3 x 3 of stride 2, and add to a map whose elements are put
back to where the pooling had them from. The last layer is a 2 x 2 transposed convolution of stride 2 with a bias. On
odd sides poolings round up, and so does what is beside them; what is enlarged is cut off at the end.

Details that the paper leaves open are those of the authors' training code (github.com/e-lab/ENet-training): nothing
between the two parts of a 5 x 1, ReLU in place of PReLU and no dropout in the decoder. Unlike theirs, convolutions
before batch norm have no bias (it would be taken off again) and the first one pads as TensorFlow does.

Published: 0.37 million parameters and 3.83 GFLOPs for a 640 x 360 image (table II).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import DEPTH_MULTIPLIER, RELU, channels
from budgetnet.ops import (
    Add,
    BatchNorm2d,
    BiasAdd,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Dropout,
    MaxPool2d,
    MaxUnpool2d,
    Operator,
    PadChannels,
    PoolPositions,
    PRelu,
)
from budgetnet.parameters import Value
from budgetnet.units import Number

PARAMETERS = (DEPTH_MULTIPLIER,)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"ENet": {}}

BATCH_NORM: Final = BatchNorm2d(epsilon=1e-3)
Main = Literal["regular", "asymmetric"]
SECTION: Final[tuple[tuple[Main, int], ...]] = (
    # main convolution, dilation: bottlenecks 2.1 to 2.8, and again 3.1 to 3.8
    ("regular", 1),
    ("regular", 2),
    ("asymmetric", 1),
    ("regular", 4),
    ("regular", 1),
    ("regular", 8),
    ("asymmetric", 1),
    ("regular", 16),
)
PROJECTION: Final = 4
"""Bottlenecks have a quarter of the channels inside."""


def graph(*, depth_multiplier: Number, classes: Number, height: Number, width: Number) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    first, middle, deep = (channels(full, depth_multiplier, least=PROJECTION) for full in (16, 64, 128))
    with g.part("stem"):
        encoder = _Bottlenecks(g, PRelu())
        x = small = _initial(g, image, channels=first)
        x, upper = encoder.down("bottleneck1_0", x, channels=middle, rate=0.01)
        large = x
        for number in range(1, 5):
            x = encoder.plain(f"bottleneck1_{number}", x, rate=0.01)
        x, lower = encoder.down("bottleneck2_0", x, channels=deep, rate=0.1)
        for section in (2, 3):
            for number, (main, dilation) in enumerate(SECTION, 1):
                x = encoder.plain(f"bottleneck{section}_{number}", x, rate=0.1, main=main, dilation=dilation)
    with g.part("head"):
        decoder = _Bottlenecks(g, RELU)
        x = decoder.up("bottleneck4_0", x, lower, large, channels=middle)
        for number in (1, 2):
            x = decoder.plain(f"bottleneck4_{number}", x)
        x = decoder.up("bottleneck5_0", x, upper, small, channels=first)
        x = decoder.plain("bottleneck5_1", x)
        x = g.add("fullconv/convolution", ConvTranspose2d(channels=classes, kernel=2, stride=2), x)
        x = g.add("fullconv/BiasAdd", BiasAdd(), x)
        g.add("fullconv/crop", Crop(offset=0), x, image)
    return g.finish()


def _initial(g: GraphBuilder, image: str, *, channels: Number) -> str:
    """A convolution of stride 2 beside the pooled image, together `channels`."""
    x = g.add("initial/convolution", Conv2d(channels=channels - 3, kernel=3, stride=2), image)
    pooled = g.add("initial/pool", MaxPool2d(kernel=2, stride=2), image)
    x = g.add("initial/concat", Concat(), x, pooled)
    x = g.add("initial/BatchNorm", BATCH_NORM, x)
    return g.add("initial/PRelu", PRelu(), x)


@final
@dataclass(frozen=True, slots=True)
class _Bottlenecks:
    """Adds bottlenecks to a graph, all with one activation."""

    g: GraphBuilder
    activation: Operator

    def plain(self, path: str, x: str, *, rate: float = 0.0, main: Main = "regular", dilation: int = 1) -> str:
        """Channels and size stay."""
        full = self.g.shape(x).channels
        inside = full // PROJECTION
        branch = self._unit(f"{path}/projection", Conv2d(channels=inside, kernel=1), x)
        if main == "asymmetric":
            branch = self.g.add(f"{path}/flat/convolution", Conv2d(channels=inside, kernel=1, kernel_width=5), branch)
            branch = self._unit(f"{path}/main", Conv2d(channels=inside, kernel=5, kernel_width=1), branch)
        else:
            branch = self._unit(f"{path}/main", Conv2d(channels=inside, kernel=3, dilation=dilation), branch)
        return self._added(path, self._expanded(path, branch, full, rate), x)

    def down(self, path: str, x: str, *, channels: Number, rate: float) -> tuple[str, str]:
        """Half the size, and where the pooling's elements came from."""
        inside = channels // PROJECTION
        branch = self._unit(f"{path}/projection", Conv2d(channels=inside, kernel=2, stride=2), x)
        branch = self._unit(f"{path}/main", Conv2d(channels=inside, kernel=3), branch)
        pooled = self.g.add(f"{path}/pool", MaxPool2d(kernel=2, stride=2), x)
        positions = self.g.add(f"{path}/positions", PoolPositions(stride=2), x)
        pooled = self.g.add(f"{path}/padding", PadChannels(channels=channels), pooled)
        return self._added(path, self._expanded(path, branch, channels, rate), pooled), positions

    def up(self, path: str, x: str, positions: str, finer: str, *, channels: Number) -> str:
        """The size of a finer map: the one that was pooled."""
        inside = channels // PROJECTION
        branch = self._unit(f"{path}/projection", Conv2d(channels=inside, kernel=1), x)
        branch = self.g.add(f"{path}/main/upsampler", ConvTranspose2d(channels=inside, kernel=3, stride=2), branch)
        branch = self.g.add(f"{path}/main/crop", Crop(offset=1), branch, finer)
        branch = self._normalised(f"{path}/main", branch)
        skip = self.g.add(f"{path}/skip/convolution", Conv2d(channels=channels, kernel=1), x)
        skip = self.g.add(f"{path}/skip/BatchNorm", BATCH_NORM, skip)
        skip = self.g.add(f"{path}/unpool", MaxUnpool2d(stride=2), skip, positions, finer)
        return self._added(path, self._expanded(path, branch, channels, 0.0), skip)

    def _unit(self, path: str, convolution: Operator, x: str) -> str:
        return self._normalised(path, self.g.add(f"{path}/convolution", convolution, x))

    def _normalised(self, path: str, x: str) -> str:
        x = self.g.add(f"{path}/BatchNorm", BATCH_NORM, x)
        return self.g.add(f"{path}/activation", self.activation, x)

    def _expanded(self, path: str, x: str, channels: Number, rate: float) -> str:
        x = self.g.add(f"{path}/expansion/convolution", Conv2d(channels=channels, kernel=1), x)
        x = self.g.add(f"{path}/expansion/BatchNorm", BATCH_NORM, x)
        return self.g.add(f"{path}/dropout", Dropout(rate=rate, whole_channels=True), x) if rate else x

    def _added(self, path: str, x: str, skip: str) -> str:
        x = self.g.add(f"{path}/sum", Add(), x, skip)
        return self.g.add(f"{path}/activation", self.activation, x)
