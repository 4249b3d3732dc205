"""FCN on VGG-16 (Long, Shelhamer and Darrell, CVPR 2015; arXiv:1411.4038): FCN-32s, FCN-16s and FCN-8s.

`form=published` is the network of the authors' Caffe models: the first convolution pads by 100 so that the map stays
large enough for fc6, a 7 x 7 convolution without padding; poolings round up; fc6 and fc7 have 4,096 channels, each with
dropout; scores are enlarged by transposed convolutions that start as bilinear interpolation (64 / 32, or 4 / 2 and 32 /
16, or twice 4 / 2 and 16 / 8: kernel / stride), and cut off at fixed offsets, which those paddings make exact: 19 for
FCN-32s, 5 and 27 for FCN-16s, 5, 9 and 31 for FCN-8s. Score layers of the skips start at zero.

`form=compact` has no fc6 and fc7 and pads every layer to its size; skips are scaled before they are scored, pool3 by
0.0001 and pool4 by 0.01, as in the authors' models that are trained at once, whose maps of finer strides are larger by
orders of magnitude. Everything begins at the upper left corner, so crops cut off at the end.

Published: 134 million parameters, 404 pixels of receptive field, stride 32 (CVPR 2015, table 1, FCN-VGG16).
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks._vgg import BLOCKS, DEPTH_MULTIPLIER, RELU, channels
from budgetnet.ops import Add, BiasAdd, Conv2d, ConvTranspose2d, Crop, Dropout, MaxPool2d, Scale
from budgetnet.parameters import Parameter, Value
from budgetnet.units import Number

Form: TypeAlias = Literal["published", "compact"]

FC: Final = 4096
"""Channels of fc6 and fc7."""

FIRST_PADDING: Final = 100
SKIPS: Final = {"fcn32s": (), "fcn16s": ("pool4",), "fcn8s": ("pool4", "pool3")}
"""Which poolings' scores are added, from the deepest."""

OFFSETS: Final = {"pool4": 5, "pool3": 9}
LAST_OFFSETS: Final = {32: 19, 16: 27, 8: 31}
"""By the factor that is left: where the image begins in the scores at full size."""

SCALES: Final = {"pool4": 0.01, "pool3": 0.0001}

PARAMETERS = (
    DEPTH_MULTIPLIER,
    Parameter(
        name="form",
        kind=str,
        default="published",
        space=("published",),
        choices=("published", "compact"),
        part="stem",
        named=True,
        help="published: padded by 100, with fc6 and fc7; compact: without them, every layer padded to its size",
    ),
    Parameter(
        name="skips",
        kind=str,
        default="fcn8s",
        space=("fcn32s", "fcn16s", "fcn8s"),
        choices=tuple(SKIPS),
        part="head",
        help="which finer maps' scores are added: none, pool4's, pool4's and pool3's",
    ),
)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {
    "FCN-32s VGG-16": {"skips": "fcn32s"},
    "FCN-16s VGG-16": {"skips": "fcn16s"},
    "FCN-8s VGG-16": {"skips": "fcn8s"},
    "FCN-8s VGG-16 compact": {"skips": "fcn8s", "form": "compact"},
}


def graph(
    *,
    depth_multiplier: Number,
    form: Form,
    skips: str,
    classes: Number,
    height: Number,
    width: Number,
) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    g = GraphBuilder()
    published = form == "published"
    image = g.image(height=height, width=width)
    with g.part("stem"):
        pools = _convolutions(g, image, depth_multiplier, first_padding=FIRST_PADDING if published else None)
    with g.part("head"):
        x = pools["pool5"]
        if published:
            x = _fully_connected(g, "fc6", x, kernel=7, channels=channels(FC, depth_multiplier))
            x = _fully_connected(g, "fc7", x, kernel=1, channels=channels(FC, depth_multiplier))
        x = _scored(g, "score_fr", x, classes=classes, initial="xavier")
        factor = 32
        for name in SKIPS[skips]:
            x, factor = _with_skip(g, name, x, pools[name], classes=classes, published=published), factor // 2
        scores = _upsampler(classes, factor, padding=0 if published else factor // 2)
        x = g.add(f"upscore{factor}", scores, x)
        g.add("score", Crop(offset=LAST_OFFSETS[factor] if published else 0), x, image)
    return g.finish()


def _convolutions(g: GraphBuilder, x: str, depth_multiplier: Number, *, first_padding: int | None) -> dict[str, str]:
    """conv1_1 to pool5: the poolings by name."""
    pools = {}
    for block, widths in enumerate(BLOCKS, 1):
        for layer, full in enumerate(widths, 1):
            padding: Number | Literal["same"] = "same"
            if (block, layer) == (1, 1) and first_padding is not None:
                padding = first_padding
            path = f"conv{block}_{layer}"
            wide = channels(full, depth_multiplier)
            x = g.add(f"{path}/convolution", Conv2d(channels=wide, kernel=3, padding=padding), x)
            x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
            x = g.add(f"{path}/Relu", RELU, x)
        x = pools[f"pool{block}"] = g.add(f"pool{block}", MaxPool2d(kernel=2, stride=2), x)
    return pools


def _fully_connected(g: GraphBuilder, path: str, x: str, *, kernel: int, channels: Number) -> str:
    """A fully connected layer of the classifier, as a convolution."""
    x = g.add(f"{path}/convolution", Conv2d(channels=channels, kernel=kernel, padding=0), x)
    x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
    x = g.add(f"{path}/Relu", RELU, x)
    return g.add(f"{path}/dropout", Dropout(rate=0.5), x)


def _scored(g: GraphBuilder, path: str, x: str, *, classes: Number, initial: Literal["xavier", "zero"]) -> str:
    x = g.add(f"{path}/convolution", Conv2d(channels=classes, kernel=1, initial=initial), x)
    return g.add(f"{path}/BiasAdd", BiasAdd(), x)


def _with_skip(g: GraphBuilder, name: str, x: str, pool: str, *, classes: Number, published: bool) -> str:
    """Scores at twice their size, with those of a pooling added."""
    x = g.add(f"upscore_{name}", _upsampler(classes, 2, padding=0 if published else 1), x)
    if published:
        added = _scored(g, f"score_{name}", pool, classes=classes, initial="zero")
        added = g.add(f"score_{name}/crop", Crop(offset=OFFSETS[name]), added, x)
    else:
        added = g.add(f"scale_{name}", Scale(factor=SCALES[name]), pool)
        added = _scored(g, f"score_{name}", added, classes=classes, initial="xavier")
        x = g.add(f"upscore_{name}/crop", Crop(offset=0), x, added)
    return g.add(f"fuse_{name}", Add(), x, added)


def _upsampler(classes: Number, factor: int, *, padding: int) -> ConvTranspose2d:
    return ConvTranspose2d(channels=classes, kernel=2 * factor, stride=factor, padding=padding, initial="bilinear")
