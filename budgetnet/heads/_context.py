"""A context block, its parameters, and the classifier that follows it: what `context` and `light-decoder` share.

The stem's deepest map is reduced by a 1 x 1 convolution. Branches then see farther and are added to it: a depthwise
convolution with a large kernel, or a dilated 3 x 3 one that reaches as far, each with a pointwise one after it, and the
mean of the whole map (the image-level features of Chen et al., arXiv:1706.05587, section 3.3).

Separable convolutions have batch norm and ReLU after their pointwise part only: a non-linearity between the two parts
does harm (Chollet, arXiv:1610.02357, section 4.7) and is memory traffic. The branch of the mean has a bias instead of
batch norm, as it has one number per channel and image to normalise.
"""

from typing import Final, Literal, TypeAlias

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem
from budgetnet.ops import Activation, Add, BatchNorm2d, BiasAdd, Conv2d, Dropout, GlobalAvgPool2d, Resize
from budgetnet.parameters import Parameter
from budgetnet.units import Number

Context: TypeAlias = Literal["none", "pool", "large-kernel", "dilated", "pool+large-kernel"]

CHANNELS: Final = Parameter(
    name="decoder_channels",
    kind=int,
    default=64,
    space=(32, 48, 64, 96, 128),
    minimum=8,
    maximum=1024,
    step=8,
    part="head",
    help="channels of the head's maps",
)
CONTEXT: Final = Parameter(
    name="context",
    kind=str,
    default="pool+large-kernel",
    space=("pool", "pool+large-kernel"),
    choices=("none", "pool", "large-kernel", "dilated", "pool+large-kernel"),
    part="head",
    help="how the head sees farther on the deepest map: by the mean of the map, a large or a dilated depthwise kernel",
)
KERNEL: Final = Parameter(
    name="context_kernel",
    kind=int,
    default=7,
    space=(7,),
    minimum=3,
    maximum=63,
    step=2,
    part="head",
    help="side of the window that the large or the dilated kernel sees; of no effect without either",
)

BATCH_NORM: Final = BatchNorm2d(epsilon=1e-3)
RELU: Final = Activation(kind="relu")


def block(g: GraphBuilder, stem: Stem, *, channels: Number, context: Context, kernel: Number) -> str:
    """The deepest map with its context: `channels` channels at its size."""
    branches = context.split("+")
    x = normalised(g, "context/reduction", stem.features, channels=channels)
    x = several = g.add("context/reduction/Relu", RELU, x)
    summands = []
    if "large-kernel" in branches:
        wide = Conv2d(channels=channels, kernel=kernel, groups=channels)
        summands.append(separable(g, "context/large_kernel", x, wide, channels=channels))
    if "dilated" in branches:
        # 3 taps that lie (kernel - 1) / 2 apart reach over `kernel` cells
        sparse = Conv2d(channels=channels, kernel=3, dilation=(kernel - 1) // 2, groups=channels)
        summands.append(separable(g, "context/dilated", x, sparse, channels=channels))
    if "pool" in branches:
        summands.append(_mean(g, stem.features, x, channels=channels))
    if summands:
        several = g.add("context/sum", Add(), x, *summands)
        several = g.add("context/Relu", RELU, several)
    return several


def _mean(g: GraphBuilder, features: str, size: str, *, channels: Number) -> str:
    """The mean of the stem's map, spread over a map of the same size as another one."""
    x = g.add("context/pool/mean", GlobalAvgPool2d(), features)
    x = g.add("context/pool/convolution", Conv2d(channels=channels, kernel=1), x)
    x = g.add("context/pool/BiasAdd", BiasAdd(), x)
    x = g.add("context/pool/Relu", RELU, x)
    return g.add("context/pool/resize", Resize(), x, size)


def normalised(g: GraphBuilder, path: str, x: str, *, channels: Number) -> str:
    """1 x 1 convolution and batch norm."""
    x = g.add(f"{path}/convolution", Conv2d(channels=channels, kernel=1), x)
    return g.add(f"{path}/BatchNorm", BATCH_NORM, x)


def separable(g: GraphBuilder, path: str, x: str, depthwise: Conv2d, *, channels: Number) -> str:
    """A depthwise convolution, a pointwise one to `channels`, batch norm."""
    x = g.add(f"{path}/depthwise", depthwise, x)
    return normalised(g, path, x, channels=channels)


def classified(g: GraphBuilder, stem: Stem, x: str, *, classes: Number) -> str:
    """A 1 x 1 classifier on the map as it is, then bilinear to the size of the image.

    In this order as it costs less: both are linear, and weights of a bilinear sum add up to 1, so that scores would be
    the same the other way round.
    """
    x = g.add("classifier/dropout", Dropout(rate=0.1, whole_channels=True), x)
    x = g.add("classifier/convolution", Conv2d(channels=classes, kernel=1), x)
    x = g.add("classifier/BiasAdd", BiasAdd(), x)
    return g.add("resize", Resize(), x, stem.image)
