"""What the fully convolutional heads share: the lab's context layers and classifier, scores of finer maps added to
theirs, and the way back to full size.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem
from budgetnet.ops import Activation, Add, BiasAdd, Conv2d, Crop, Dropout, Resize, enlarging
from budgetnet.parameters import Parameter
from budgetnet.units import Number

Upsampling: TypeAlias = Literal["transposed", "bilinear", "resize-convolution"]

PARAMETERS: Final = (
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
    Parameter(
        name="upsampling",
        kind=str,
        default="transposed",
        space=("transposed",),
        choices=("transposed", "bilinear", "resize-convolution"),
        part="head",
        named=True,
        help="how scores get to a finer size: by transposed convolutions that are learnt, bilinear at no operations, "
        "or bilinear with a 3 x 3 convolution after, which is learnt and makes no checkerboards",
    ),
)


def scores(g: GraphBuilder, stem: Stem, *, classes: Number, classifier_kernel: Number, classifier_depth: Number) -> str:
    """Scores of the deepest map: `classes` channels at its size."""
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
    return g.add("conv2_classification/BiasAdd", BiasAdd(), x)


def with_skips(
    g: GraphBuilder, stem: Stem, x: str, *, classes: Number, strides: Sequence[int], upsampling: Upsampling
) -> tuple[str, int]:
    """The scores `x` of the deepest map with those of finer maps added to them, and the stride of the sum.

    `strides` are those of the finer maps, from the deepest. Scores go up by a transposed convolution that starts as
    bilinear interpolation (from one stride to half of it kernel 4, stride 2), and what an odd side has too much is cut
    off, or bilinear, with a convolution after that or without; a finer map's own scores start at zero (Long et al.,
    CVPR 2015, sections 3.3 and 4.2). A stride that the stem has no map of, or that is not finer than what is there, is
    left out.
    """
    stride = stem.stride
    for finer in strides:
        if finer not in stem.taps or finer >= stride:
            continue
        own = f"skip_stride_{finer}"
        added = g.add(f"{own}/convolution", Conv2d(channels=classes, kernel=1, initial="zero"), stem.taps[finer])
        added = g.add(f"{own}/BiasAdd", BiasAdd(), added)
        if upsampling == "transposed":
            x = g.add(f"{own}/upsampler", enlarging(classes, stride // finer), x)
            x = g.add(f"{own}/crop", Crop(), x, added)
        else:
            x = g.add(f"{own}/resize", Resize(), x, added)
            x = _convolved(g, f"{own}/resized", x, classes=classes) if upsampling == "resize-convolution" else x
        x, stride = g.add(f"{own}/sum", Add(), x, added), finer
    return x, stride


def full_size(g: GraphBuilder, stem: Stem, x: str, *, classes: Number, stride: int, upsampling: Upsampling) -> str:
    """Scores at this stride -> scores at the size of the image."""
    if upsampling == "transposed":
        x = g.add("upsampler", enlarging(classes, stride), x)
        x = g.add("crop", Crop(), x, stem.seen)
    elif upsampling == "resize-convolution":
        x = g.add("resized/resize", Resize(), x, stem.seen)
        x = _convolved(g, "resized", x, classes=classes)
    if upsampling != "bilinear" and stem.seen == stem.image:
        return x
    return g.add("resize", Resize(), x, stem.image)


def _convolved(g: GraphBuilder, path: str, x: str, *, classes: Number) -> str:
    """A 3 x 3 convolution of scores that were enlarged, which starts as leaving them as they are (Odena et al., Distill
    2016, https://distill.pub/2016/deconv-checkerboard/: every output is made of as many inputs, so that no pattern of
    the stride can be seen).
    """
    return g.add(f"{path}/convolution", Conv2d(channels=classes, kernel=3, initial="identity"), x)
