"""MobileNet-FCN: a MobileNet v1 stem (Howard et al., arXiv:1704.04861, table 1) under a segmentation head.

The rows are those of the published table; node names and the rule for channels, max(int(c * depth_multiplier), 8), are
those of the TensorFlow slim network that the published figures were read off.

A smaller output stride keeps a finer map in the deep layers by dilation (Chen et al., arXiv:1706.05587, section 3.1): a
layer whose stride would take the map beyond it gets stride 1, and the depthwise kernels of all layers after it are
dilated by the stride that was taken away. Weights keep their shapes, and each still meets the inputs that it met: in
evaluation the finer map holds the coarser one's values, at every second place for each stride taken away. `SAME` pads a
side of even length at its end only, so those are the odd places (counted from 0) of a map whose side was even before
the stride, the even places where it was odd.

An `input_scale` below 1 has the network itself make its image smaller before the stem, by bilinear interpolation;
scores are given at the size of the whole image all the same. Operations fall with its square.

Weights go with either padding of the strided layers: on even sides, on which they were trained, both are the same. The
network has TensorFlow's `SAME`, as slim's has; Keras' own MobileNet pads its strided depthwise layers `after`, which
gives one row less of every odd side (and with that too few for a head that enlarges by whole strides). `stem` takes
both, to be held against either.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from budgetnet import heads
from budgetnet.graph import Graph, GraphBuilder, Node
from budgetnet.heads import Stem
from budgetnet.numeric import maximum, plain, truncate
from budgetnet.ops import Activation, BatchNorm2d, Conv2d, PaddingRule, Resize
from budgetnet.parameters import Parameter, Value
from budgetnet.units import Number

ROWS: Final = (
    # kind, stride, output channels at depth multiplier 1; row n is Conv2d_n
    ("convolution", 2, 32),
    ("separable", 1, 64),
    ("separable", 2, 128),
    ("separable", 1, 128),
    ("separable", 2, 256),
    ("separable", 1, 256),
    ("separable", 2, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 2, 1024),
    ("separable", 1, 1024),
)
ENDPOINTS: Final = ("Conv2d_0", *(f"Conv2d_{row}_pointwise" for row in range(1, len(ROWS))))
MINIMUM_CHANNELS: Final = 8
BATCH_NORM: Final = BatchNorm2d(epsilon=1e-3)
RELU6: Final = Activation(kind="relu6")

PARAMETERS = (
    Parameter(
        name="depth_multiplier",
        kind=float,
        default=1.0,
        space=(0.25, 0.5, 0.75, 1.0),
        above=0,
        maximum=64,
        step=0.01,
        part="stem",
        help="width of the stem: every layer's channels are multiplied by it",
    ),
    Parameter(
        name="final_endpoint",
        kind=str,
        default="Conv2d_13_pointwise",
        space=("Conv2d_11_pointwise", "Conv2d_13_pointwise"),
        choices=ENDPOINTS,
        part="stem",
        help="the stem's last layer; Conv2d_11_pointwise and earlier keep a finer map (stride 16 and less)",
    ),
    Parameter(
        name="output_stride",
        kind=int,
        default=32,
        space=(32,),
        choices=(8, 16, 32),
        part="stem",
        named=True,
        help="pixels that a cell of the deepest map may span at most; 16 and 8 dilate the layers after",
    ),
    Parameter(
        name="input_scale",
        kind=float,
        default=1.0,
        space=(1.0,),
        choices=(0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0),
        part="stem",
        named=True,
        help="share of the image's sides that the stem sees: the network makes its image smaller, scores keep its size",
    ),
    Parameter(
        name="head",
        kind=str,
        default="fcn",
        space=("fcn",),
        choices=tuple(heads.names()),
        part="head",
        help="what turns the stem's features into classes",
    ),
)

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {
    "MobileNet-FCN": {},
    "MobileNet-FCN half as wide": {"depth_multiplier": 0.5},
    "MobileNet light decoder": {"depth_multiplier": 0.5, "head": "light-decoder"},
}


def graph(
    *,
    depth_multiplier: Number,
    final_endpoint: str,
    head: str,
    classes: Number,
    height: Number,
    width: Number,
    output_stride: int = 32,
    input_scale: float = 1.0,
    **head_parameters: Value,
) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    nodes, made = features(
        depth_multiplier=depth_multiplier,
        final_endpoint=final_endpoint,
        output_stride=output_stride,
        height=height,
        width=width,
        input_scale=input_scale,
    )
    g = GraphBuilder(nodes)
    with g.part("head"):
        heads.head(head).add(g, made, classes=classes, **head_parameters)
    return g.finish()


def features(
    *,
    depth_multiplier: Number,
    height: Number,
    width: Number,
    final_endpoint: str = ENDPOINTS[-1],
    output_stride: int = 32,
    input_scale: float = 1.0,
) -> tuple[tuple[Node, ...], Stem]:
    """The nodes of the image and the stem, to be continued, and what a head needs to know of them."""
    shared = plain(depth_multiplier, height, width)
    return (_shared_stem if shared else _stem)(
        depth_multiplier, final_endpoint, output_stride, height, width, input_scale
    )


def stem(
    *,
    depth_multiplier: Number,
    height: Number,
    width: Number,
    final_endpoint: str = ENDPOINTS[-1],
    output_stride: int = 32,
    padding: PaddingRule = "same",
) -> Graph:
    """The stem alone, a network whose output is its features. `padding` is that of strided depthwise layers."""
    return Graph(nodes=_stem(depth_multiplier, final_endpoint, output_stride, height, width, 1.0, padding)[0])


def _stem(
    depth_multiplier: Number,
    final_endpoint: str,
    output_stride: int,
    height: Number,
    width: Number,
    input_scale: float = 1.0,
    padding: PaddingRule = "same",
) -> tuple[tuple[Node, ...], Stem]:
    """The image and the stem, and what a head needs to know of them."""
    g = GraphBuilder()
    image = seen = g.image(height=height, width=width)
    with g.part("stem"):
        if input_scale != 1:
            seen = g.add("input_scaled", Resize(scale=input_scale), image)
        features, stride, taps = _units(g, seen, depth_multiplier, final_endpoint, output_stride, padding)
        made = Stem(image=image, seen=seen, features=features, stride=stride, taps=taps)
    return g.finish().nodes, made


_shared_stem = lru_cache(maxsize=256)(_stem)
"""A plan goes through many heads on few stems."""


def _units(
    g: GraphBuilder,
    seen: str,
    depth_multiplier: Number,
    final_endpoint: str,
    output_stride: int,
    padding: PaddingRule,
) -> tuple[str, int, dict[int, str]]:
    """The last map, its stride, and the last map of every stride."""
    x, total_stride, dilation, taps = seen, 1, 1, {}
    for endpoint, (kind, row_stride, full_channels) in zip(ENDPOINTS, ROWS, strict=True):
        channels = maximum(truncate(full_channels * depth_multiplier), MINIMUM_CHANNELS)
        stride = row_stride if total_stride * row_stride <= output_stride else 1
        total_stride *= stride
        path = f"MobilenetV1/{endpoint}"
        if kind == "convolution":
            x = _unit(g, path, "convolution", Conv2d(channels=channels, kernel=3, stride=stride), x)
        else:
            groups = g.shape(x).channels
            rule: PaddingRule = padding if stride > 1 else "same"
            spatial = Conv2d(channels=groups, kernel=3, stride=stride, padding=rule, dilation=dilation, groups=groups)
            x = _unit(g, path.replace("_pointwise", "_depthwise"), "depthwise", spatial, x)
            x = _unit(g, path, "convolution", Conv2d(channels=channels, kernel=1), x)
        dilation *= row_stride // stride
        taps[total_stride] = x
        if endpoint == final_endpoint:
            break
    return x, total_stride, taps


def _unit(g: GraphBuilder, path: str, kind: str, convolution: Conv2d, x: str) -> str:
    """Convolution, batch norm, ReLU6: what the stem is made of."""
    x = g.add(f"{path}/{kind}", convolution, x)
    x = g.add(f"{path}/BatchNorm", BATCH_NORM, x)
    return g.add(f"{path}/Relu6", RELU6, x)
