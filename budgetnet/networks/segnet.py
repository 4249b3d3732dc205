"""SegNet (Badrinarayanan, Kendall and Cipolla, arXiv:1511.00561): VGG-16's convolutions, and the same back again.

Thirteen convolutions with batch norm and ReLU and five 2 x 2 max poolings; then, for each pooling, its elements are put
back to where they came from, and as many convolutions with batch norm and ReLU make a dense map of that. The last one
gives the scores, without batch norm (its bias stays). Convolutions before batch norm have no bias: it would be taken
off again. Poolings round up on odd sides, so that nothing of an image is lost.

Published: 29.46 million parameters and 286.03 GFLOPs for a 640 x 360 image (Paszke et al., arXiv:1606.02147, table II).
"""

from collections.abc import Mapping
from typing import Final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import BLOCKS, DEPTH_MULTIPLIER, RELU, channels
from budgetnet.ops import BatchNorm2d, BiasAdd, Conv2d, MaxPool2d, MaxUnpool2d, PoolPositions
from budgetnet.parameters import Value
from budgetnet.units import Number

PARAMETERS = (DEPTH_MULTIPLIER,)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"SegNet": {}}

BATCH_NORM = BatchNorm2d(epsilon=1e-5)


def graph(*, depth_multiplier: Number, classes: Number, height: Number, width: Number) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    x = g.image(height=height, width=width)
    pooled: list[tuple[str, str]] = []
    with g.part("stem"):
        for block, widths in enumerate(BLOCKS, 1):
            for layer, full in enumerate(widths, 1):
                x = _convolution(g, f"conv{block}_{layer}", x, channels=channels(full, depth_multiplier))
            pooled.append((x, g.add(f"pool{block}/positions", PoolPositions(stride=2), x)))
            x = g.add(f"pool{block}/pool", MaxPool2d(kernel=2, stride=2), x)
    with g.part("head"):
        for block in reversed(range(1, len(BLOCKS) + 1)):
            reference, positions = pooled[block - 1]
            x = g.add(f"unpool{block}", MaxUnpool2d(stride=2), x, positions, reference)
            widths = BLOCKS[block - 1]
            for layer in reversed(range(1, len(widths) + 1)):
                if (block, layer) == (1, 1):
                    break
                # the last convolution of a block leads to the channels that the unpooling after it puts back
                full = widths[layer - 2] if layer > 1 else BLOCKS[block - 2][-1]
                x = _convolution(g, f"conv{block}_{layer}_decoder", x, channels=channels(full, depth_multiplier))
        x = g.add("score/convolution", Conv2d(channels=classes, kernel=3), x)
        g.add("score/BiasAdd", BiasAdd(), x)
    return g.finish()


def _convolution(g: GraphBuilder, path: str, x: str, *, channels: Number) -> str:
    x = g.add(f"{path}/convolution", Conv2d(channels=channels, kernel=3), x)
    x = g.add(f"{path}/BatchNorm", BATCH_NORM, x)
    return g.add(f"{path}/Relu", RELU, x)
