"""ERFNet as bonnetal runs it (github.com/PRBonn/bonnetal, `persons/ERFNet.yaml`): the layers of ERFNet, another frame.

Downsampling is a whole 3 x 3 convolution of stride 2 with batch norm and ReLU. The decoder enlarges by 4 x 4 transposed
convolutions of stride 2 with a bias, puts the encoder's map of that size beside it, the image itself at last, and mixes
both by a 3 x 3 convolution with batch norm and ReLU; two non-bottleneck-1D layers follow but at full size. The scores
are a 1 x 1 convolution there. A fifth more multiply-accumulates than Romera's, and maps of 16 channels at full size.
"""

from typing import Final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import erfnet
from budgetnet.networks._vgg import RELU
from budgetnet.ops import BiasAdd, Concat, Conv2d, ConvTranspose2d, Crop
from budgetnet.units import Number

LEVELS: Final = ((16, 1), (64, 2), (128, 4))
"""Channels after each halving, and the stride of the map that was halved."""

DECODER: Final = {4: 64, 2: 16, 1: 16}
"""Stride -> channels on the way up."""


def graph(*, classes: Number, height: Number, width: Number) -> Graph:
    """The network for images of height x width pixels."""
    g = GraphBuilder()
    x = g.image(height=height, width=width)
    layers = erfnet.Layers(g)
    skips: dict[int, str] = {}
    with g.part("stem"):
        for channels, stride in LEVELS:
            skips[stride] = x
            x = _unit(g, f"backbone/down{stride}", x, Conv2d(channels=channels, kernel=3, stride=2, padding=1))
            if channels == 64:
                x = layers.plain_run("backbone/plain", x)
        x = layers.dilated_run("backbone/dilated", x)
    with g.part("head"):
        for stride, channels in DECODER.items():
            path = f"decoder/up{stride}"
            x = _enlarged(g, path, x, skips[stride], channels=channels)
            if stride > 1:
                x = layers.run(f"{path}/layer", x, dilations=(1, 1))
        x = g.add("head/convolution", Conv2d(channels=classes, kernel=1), x)
        g.add("head/BiasAdd", BiasAdd(), x)
    return g.finish()


def _enlarged(g: GraphBuilder, path: str, x: str, skip: str, *, channels: int) -> str:
    """A map at the size of an earlier one, mixed with it."""
    x = g.add(f"{path}/upsampler", ConvTranspose2d(channels=channels, kernel=4, stride=2, padding=1), x)
    x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
    x = g.add(f"{path}/crop", Crop(offset=0), x, skip)
    x = g.add(f"{path}/concat", Concat(), x, skip)
    return _unit(g, f"{path}/mix", x, Conv2d(channels=channels, kernel=3, padding=1))


def _unit(g: GraphBuilder, path: str, x: str, convolution: Conv2d) -> str:
    x = g.add(f"{path}/convolution", convolution, x)
    x = g.add(f"{path}/BatchNorm", erfnet.BATCH_NORM, x)
    return g.add(f"{path}/Relu", RELU, x)
