"""ERFNet (Romera, Alvarez, Bergasa and Arroyo, IEEE T-ITS 2018): residual layers of one-dimensional convolutions.

Downsampling is a 3 x 3 convolution of stride 2 beside the pooled map. A non-bottleneck-1D layer is 3 x 1, 1 x 3, and
again both of them dilated, added to what went in; batch norm follows each pair. The encoder has five of them at stride
4 and eight at stride 8, dilated by 2, 4, 8 and 16, twice over. The decoder enlarges by 3 x 3 transposed convolutions of
stride 2, with two layers after each, and ends in a 2 x 2 one with a bias. On odd sides poolings round up, and so does
what is beside them; what is enlarged is cut off.

Details are those of the authors' code (github.com/Eromera/erfnet_pytorch): ReLU in place, dropout of 0.03 at stride 4
and 0.3 at stride 8, none in the decoder. Unlike theirs, convolutions right before batch norm have no bias (it would be
taken off again).

The paper gives no counts; comparisons by others say 2.1 million parameters. With twenty classes the authors' code
holds 2,064,256, of which 3,213 are those biases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import DEPTH_MULTIPLIER, RELU, channels
from budgetnet.ops import Add, BatchNorm2d, BiasAdd, Concat, Conv2d, ConvTranspose2d, Crop, Dropout, MaxPool2d
from budgetnet.parameters import Value
from budgetnet.units import Number

PARAMETERS = (DEPTH_MULTIPLIER,)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"ERFNet": {}}

BATCH_NORM: Final = BatchNorm2d(epsilon=1e-3)
WIDTHS: Final = ((16, 4), (64, 8), (128, 16))
"""Channels at stride 2, 4 and 8, and the fewest: each must have more than the one before, which is pooled beside it."""

PLAIN_LAYERS: Final = 5
DILATIONS: Final = (2, 4, 8, 16, 2, 4, 8, 16)


def graph(*, depth_multiplier: Number, classes: Number, height: Number, width: Number) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    first, middle, deep = (channels(full, depth_multiplier, least=least) for full, least in WIDTHS)
    layers = Layers(g)
    with g.part("stem"):
        half = layers.down("encoder/down1", image, channels=first)
        quarter = layers.down("encoder/down2", half, channels=middle)
        x = layers.plain_run("encoder/layer2", quarter)
        x = layers.down("encoder/down3", x, channels=deep)
        x = layers.dilated_run("encoder/layer3", x)
    with g.part("head"):
        x = layers.up("decoder/up1", x, quarter, channels=middle)
        x = layers.run("decoder/layer1", x, dilations=(1, 1))
        x = layers.up("decoder/up2", x, half, channels=first)
        x = layers.run("decoder/layer2", x, dilations=(1, 1))
        x = g.add("output/convolution", ConvTranspose2d(channels=classes, kernel=2, stride=2), x)
        x = g.add("output/BiasAdd", BiasAdd(), x)
        g.add("output/crop", Crop(offset=0), x, image)
    return g.finish()


@final
@dataclass(frozen=True, slots=True)
class Layers:
    """Adds ERFNet's layers to a graph."""

    g: GraphBuilder

    def down(self, path: str, x: str, *, channels: Number) -> str:
        """Half the size: a convolution of stride 2 beside the pooled map, together `channels`."""
        rest = channels - self.g.shape(x).channels
        branch = self.g.add(f"{path}/convolution", Conv2d(channels=rest, kernel=3, stride=2, padding=1), x)
        pooled = self.g.add(f"{path}/pool", MaxPool2d(kernel=2, stride=2), x)
        x = self.g.add(f"{path}/concat", Concat(), branch, pooled)
        return self._normalised(path, x)

    def up(self, path: str, x: str, finer: str, *, channels: Number) -> str:
        """The size of a finer map."""
        x = self.g.add(f"{path}/upsampler", ConvTranspose2d(channels=channels, kernel=3, stride=2), x)
        x = self.g.add(f"{path}/crop", Crop(offset=1), x, finer)
        return self._normalised(path, x)

    def plain_run(self, path: str, x: str) -> str:
        """The encoder's layers at stride 4."""
        return self.run(path, x, dilations=(1,) * PLAIN_LAYERS, rate=0.03)

    def dilated_run(self, path: str, x: str) -> str:
        """The encoder's layers at stride 8."""
        return self.run(path, x, dilations=DILATIONS, rate=0.3)

    def run(self, path: str, x: str, *, dilations: tuple[int, ...], rate: float = 0.0) -> str:
        """Non-bottleneck-1D layers, one for each dilation."""
        for number, dilation in enumerate(dilations, 1):
            x = self._layer(f"{path}_{number}", x, dilation=dilation, rate=rate)
        return x

    def _layer(self, path: str, x: str, *, dilation: int, rate: float) -> str:
        """Channels and size stay."""
        branch = self._pair(f"{path}/first", x, dilation=1)
        branch = self.g.add(f"{path}/first/Relu", RELU, branch)
        branch = self._pair(f"{path}/second", branch, dilation=dilation)
        if rate:
            branch = self.g.add(f"{path}/dropout", Dropout(rate=rate, whole_channels=True), branch)
        x = self.g.add(f"{path}/sum", Add(), branch, x)
        return self.g.add(f"{path}/Relu", RELU, x)

    def _pair(self, path: str, x: str, *, dilation: int) -> str:
        """3 x 1 with a bias and ReLU, 1 x 3 with batch norm."""
        full = self.g.shape(x).channels
        tall = Conv2d(channels=full, kernel=3, kernel_width=1, dilation=dilation)
        wide = Conv2d(channels=full, kernel=1, kernel_width=3, dilation=dilation)
        x = self.g.add(f"{path}/tall/convolution", tall, x)
        x = self.g.add(f"{path}/tall/BiasAdd", BiasAdd(), x)
        x = self.g.add(f"{path}/tall/Relu", RELU, x)
        x = self.g.add(f"{path}/wide/convolution", wide, x)
        return self.g.add(f"{path}/BatchNorm", BATCH_NORM, x)

    def _normalised(self, path: str, x: str) -> str:
        x = self.g.add(f"{path}/BatchNorm", BATCH_NORM, x)
        return self.g.add(f"{path}/Relu", RELU, x)
