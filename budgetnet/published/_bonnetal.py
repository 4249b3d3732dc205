"""ERFNet and MobileNet v2 as bonnetal runs them (github.com/PRBonn/bonnetal, `persons/ERFNet.yaml` and
`mobilenetv2_aspp.yaml`).

ERFNet has its layers, but another frame.

Downsampling is a whole 3 x 3 convolution of stride 2 with batch norm and ReLU. The decoder enlarges by 4 x 4 transposed
convolutions of stride 2 with a bias, puts the encoder's map of that size beside it, the image itself at last, and mixes
both by a 3 x 3 convolution with batch norm and ReLU; two non-bottleneck-1D layers follow but at full size. The scores
are a 1 x 1 convolution there. A fifth more multiply-accumulates than Romera's, and maps of 16 channels at full size.

MobileNet v2 is read at stride 16, the last of its rows dilated; its first block has an expansion too, to as many
channels. Four branches of 32 channels see the last map, a 1 x 1 convolution and three 3 x 3 ones dilated by 6, 12 and
18, and a 1 x 1 convolution mixes them. On the way up 2 x 2 transposed convolutions of stride 2 take the place of the
4 x 4 ones, and there are no layers between. ReLU6 throughout.
"""

from typing import Final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import erfnet
from budgetnet.networks._vgg import RELU
from budgetnet.networks.deeplab_mobilenet_v2 import FIRST, RELU6, ROWS
from budgetnet.ops import Activation, Add, BatchNorm2d, BiasAdd, Concat, Conv2d, ConvTranspose2d, Crop
from budgetnet.units import Number

LEVELS: Final = ((16, 1), (64, 2), (128, 4))
"""Channels after each halving, and the stride of the map that was halved."""

DECODER: Final = {4: 64, 2: 16, 1: 16}
"""Stride -> channels on the way up."""

STRIDE: Final = 16
BRANCHES: Final = (6, 12, 18)
"""Dilations."""

BRANCH_CHANNELS: Final = 32
FULL_SIZE_CHANNELS: Final = 16
BATCH_NORM: Final = BatchNorm2d(epsilon=1e-5)


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


def mobilenet_v2_aspp(*, classes: Number, height: Number, width: Number) -> Graph:
    """The other network, for images of height x width pixels."""
    g = GraphBuilder()
    x = g.image(height=height, width=width)
    with g.part("stem"):
        x, skips = _mobilenet_v2(g, x)
    with g.part("head"):
        branches = [_clipped(g, "aspp/0", x, Conv2d(channels=BRANCH_CHANNELS, kernel=1))]
        for number, dilation in enumerate(BRANCHES, 1):
            wide = Conv2d(channels=BRANCH_CHANNELS, kernel=3, dilation=dilation)
            branches.append(_clipped(g, f"aspp/{number}", x, wide))
        x = g.add("aspp/concat", Concat(), *branches)
        x = _clipped(g, "aspp/squash", x, Conv2d(channels=BRANCH_CHANNELS, kernel=1))
        for stride in sorted(skips, reverse=True):
            path, skip = f"decoder/up{stride}", skips[stride]
            up = ConvTranspose2d(channels=g.shape(x).channels, kernel=2, stride=2)
            x = _beside(g, path, x, skip, up)
            channels = g.shape(skip).channels if stride > 1 else FULL_SIZE_CHANNELS
            x = _clipped(g, f"{path}/mix", x, Conv2d(channels=channels, kernel=3, padding=1))
        x = g.add("head/convolution", Conv2d(channels=classes, kernel=1), x)
        g.add("head/BiasAdd", BiasAdd(), x)
    return g.finish()


def _mobilenet_v2(g: GraphBuilder, image: str) -> tuple[str, dict[int, str]]:
    """The last map, and for every stride the map that was halved."""
    skips = {1: image}
    x = _clipped(g, "backbone/0", image, Conv2d(channels=FIRST, kernel=3, stride=2, padding=1))
    total, dilation, number = 2, 1, 0
    for expansion, channels, blocks, row_stride in ROWS:
        stride = row_stride if total * row_stride <= STRIDE else 1
        dilation *= row_stride // stride
        for block in range(blocks):
            number += 1
            path, given = f"backbone/{number}", x
            first = stride if block == 0 else 1
            if first > 1:
                skips[total] = x
            wide = expansion * g.shape(x).channels
            x = _clipped(g, f"{path}/expand", x, Conv2d(channels=wide, kernel=1))
            over = Conv2d(channels=wide, kernel=3, stride=first, padding=dilation, dilation=dilation, groups=wide)
            x = _clipped(g, f"{path}/depthwise", x, over)
            x = g.add(f"{path}/project/convolution", Conv2d(channels=channels, kernel=1), x)
            x = g.add(f"{path}/project/BatchNorm", BATCH_NORM, x)
            x = g.add(f"{path}/sum", Add(), given, x) if block else x
        total *= stride
    return x, skips


def _enlarged(g: GraphBuilder, path: str, x: str, skip: str, *, channels: int) -> str:
    """A map at the size of an earlier one, mixed with it."""
    x = _beside(g, path, x, skip, ConvTranspose2d(channels=channels, kernel=4, stride=2, padding=1))
    return _unit(g, f"{path}/mix", x, Conv2d(channels=channels, kernel=3, padding=1))


def _beside(g: GraphBuilder, path: str, x: str, skip: str, upsampler: ConvTranspose2d) -> str:
    """A map enlarged to the size of an earlier one, and that one beside it."""
    x = g.add(f"{path}/upsampler", upsampler, x)
    x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
    x = g.add(f"{path}/crop", Crop(offset=0), x, skip)
    return g.add(f"{path}/concat", Concat(), x, skip)


def _unit(g: GraphBuilder, path: str, x: str, convolution: Conv2d) -> str:
    return _activated(g, path, x, convolution, erfnet.BATCH_NORM, RELU)


def _clipped(g: GraphBuilder, path: str, x: str, convolution: Conv2d) -> str:
    return _activated(g, path, x, convolution, BATCH_NORM, RELU6)


def _activated(
    g: GraphBuilder, path: str, x: str, convolution: Conv2d, norm: BatchNorm2d, activation: Activation
) -> str:
    x = g.add(f"{path}/convolution", convolution, x)
    x = g.add(f"{path}/BatchNorm", norm, x)
    return g.add(f"{path}/Relu", activation, x)
