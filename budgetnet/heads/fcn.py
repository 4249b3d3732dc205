"""The published head: a separable k x k convolution to a wide map, a 1 x 1 classifier, one transposed convolution to
full size.

Built in series, as the published text and figure describe (the published code fed the pointwise layer the stem's
output, so its k x k layer was counted but did nothing). The transposed convolution has kernel 2 s and stride s for a
stem of stride s, as in FCN-32s (Long et al., CVPR 2015).
"""

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem
from budgetnet.ops import Activation, BiasAdd, Conv2d, ConvTranspose2d, Crop, Dropout
from budgetnet.parameters import Parameter
from budgetnet.units import Number

PARAMETERS = (
    Parameter(
        name="classifier_kernel",
        kind=int,
        default=7,
        space=(3, 5, 7),
        minimum=1,
        maximum=255,
        step=2,
        part="head",
        help="side of the head's depthwise kernel: how much context it sees",
    ),
    Parameter(
        name="classifier_depth",
        kind=int,
        default=1024,
        space=(256, 512, 1024),
        minimum=1,
        maximum=65536,
        part="head",
        help="channels between the head's pointwise layer and its classifier",
    ),
)


def add(g: GraphBuilder, stem: Stem, *, classes: Number, classifier_kernel: Number, classifier_depth: Number) -> str:
    """Adds the head to `g`; its output has `classes` channels at the size of the image."""
    channels = g.shape(stem.features).channels
    x = g.add(
        "conv1_separable/depthwise",
        Conv2d(channels=channels, kernel=classifier_kernel, groups=channels),
        stem.features,
    )
    x = g.add("conv1_pointwise/convolution", Conv2d(channels=classifier_depth, kernel=1), x)
    x = g.add("conv1_pointwise/BiasAdd", BiasAdd(), x)
    x = g.add("conv1_pointwise/Relu", Activation(kind="relu"), x)
    x = g.add("conv1_pointwise/dropout", Dropout(rate=0.5), x)
    x = g.add("conv2_classification/convolution", Conv2d(channels=classes, kernel=1), x)
    x = g.add("conv2_classification/BiasAdd", BiasAdd(), x)
    upsampling = ConvTranspose2d(
        channels=classes, kernel=2 * stem.stride, stride=stem.stride, padding=stem.stride // 2, initial="bilinear"
    )
    x = g.add("upsampler", upsampling, x)
    return g.add("crop", Crop(), x, stem.image)
