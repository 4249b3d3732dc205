"""The networks that others measured, as graphs: those of `latencies.yaml`, with the classes they had there.

Some are no families of `networks`, which give one score per class and pixel: an image classifier, a map of scores that
stays coarse, a variant. They are counted, summed up and built like any graph all the same.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import Candidate, deeplab_mobilenet_v2, mobilenet_fcn
from budgetnet.networks._vgg import RELU
from budgetnet.ops import BiasAdd, Conv2d, GlobalAvgPool2d
from budgetnet.parameters import Value
from budgetnet.published import _bonnetal

Network: TypeAlias = Callable[[int, int], Graph]
"""(height, width) of the image -> the network."""

IMAGENET: Final = 1001
"""The 1,000 classes of ImageNet and one for none of them, as TensorFlow's models have; Caffe's have 1,000, and 1,024
multiply-accumulates less.
"""

JETSON_INFERENCE: Final = 21
PASCAL_VOC: Final = 21
PERSONS: Final = 2
MOBILENET_V2_LAST: Final = 1280
VGG_FULL: Final = 4096


def mobilenet_v1(height: int, width: int, *, depth_multiplier: float = 1.0) -> Graph:
    """MobileNet v1, the classifier (Howard et al., arXiv:1704.04861): the mean of the last map and a 1 x 1
    convolution with a bias. 569 M MACs and 4.24 million parameters for a 224 x 224 image at depth multiplier 1.
    """
    stem = mobilenet_fcn.stem(depth_multiplier=depth_multiplier, height=height, width=width)
    return _classifier(stem, "MobilenetV1/Logits")


def mobilenet_v2(height: int, width: int, *, depth_multiplier: float = 1.0) -> Graph:
    """MobileNet v2, the classifier (Sandler et al., arXiv:1801.04381, table 2): 1,280 channels before the mean, more
    where it is wider, never fewer.
    """
    stem = _stem("deeplab-mobilenet-v2", height, width, depth_multiplier=depth_multiplier, output_stride=32)
    g = GraphBuilder(stem.nodes)
    last = deeplab_mobilenet_v2.divisible(MOBILENET_V2_LAST, max(depth_multiplier, 1.0))
    with g.part("head"):
        x = g.add("MobilenetV2/Conv_1/convolution", Conv2d(channels=last, kernel=1), stem.output.name)
        x = g.add("MobilenetV2/Conv_1/BatchNorm", deeplab_mobilenet_v2.BATCH_NORM, x)
        g.add("MobilenetV2/Conv_1/Relu6", deeplab_mobilenet_v2.RELU6, x)
    return _classifier(g.finish(), "MobilenetV2/Logits")


def resnet_18(height: int, width: int) -> Graph:
    """ResNet-18, the classifier (He et al., arXiv:1512.03385, table 1), as torchvision has it."""
    return _classifier(_stem("fcn-resnet18", height, width), "fc", IMAGENET - 1)


def vgg_16(height: int, width: int) -> Graph:
    """VGG-16, the classifier (Simonyan and Zisserman, arXiv:1409.1556, table 1, column D). Its fully connected layers
    are convolutions over the whole map.
    """
    stem = _stem("vgg-fcn", height, width, form="compact")
    size = stem.output.shape
    g, x = GraphBuilder(stem.nodes), stem.output.name
    with g.part("head"):
        for path, high, wide in (("fc6", size.height, size.width), ("fc7", 1, 1)):
            whole = Conv2d(channels=VGG_FULL, kernel=high, kernel_width=wide, padding=0)
            x = g.add(f"{path}/convolution", whole, x)
            x = g.add(f"{path}/BiasAdd", BiasAdd(), x)
            x = g.add(f"{path}/Relu", RELU, x)
        x = g.add("fc8/convolution", Conv2d(channels=IMAGENET - 1, kernel=1), x)
        g.add("fc8/BiasAdd", BiasAdd(), x)
    return g.finish()


def _stem(network: str, height: int, width: int, **parameters: Value) -> Graph:
    """A family's network without its head."""
    whole = Candidate.of(network, parameters).graph(classes=PASCAL_VOC, height=height, width=width)
    return Graph(nodes=tuple(node for node in whole.nodes if node.part != "head"))


def _classifier(features: Graph, path: str, classes: int = IMAGENET) -> Graph:
    """The mean of the last map, scored by a 1 x 1 convolution with a bias."""
    g = GraphBuilder(features.nodes)
    with g.part("head"):
        x = g.add(f"{path}/AvgPool", GlobalAvgPool2d(), features.output.name)
        x = g.add(f"{path}/convolution", Conv2d(channels=classes, kernel=1), x)
        g.add(f"{path}/BiasAdd", BiasAdd(), x)
    return g.finish()


def erfnet_bonnetal(height: int, width: int) -> Graph:
    """ERFNet as bonnetal runs it to tell people from what is behind them."""
    return _bonnetal.graph(classes=PERSONS, height=height, width=width)


def mobilenet_v2_aspp_bonnetal(height: int, width: int) -> Graph:
    """MobileNet v2 under dilated branches and bonnetal's decoder, to tell people from what is behind them."""
    return _bonnetal.mobilenet_v2_aspp(classes=PERSONS, height=height, width=width)


def fcn_resnet18_coarse(height: int, width: int) -> Graph:
    """FCN-ResNet18 of jetson-inference: its scores stay at a 32nd of the image's size."""
    whole = Candidate.of("fcn-resnet18", {}).graph(classes=JETSON_INFERENCE, height=height, width=width)
    return Graph(nodes=whole.nodes[:-1])


def deeplab_mobilenet_v2_at(height: int, width: int, *, output_stride: int) -> Graph:
    """DeepLabv3 on MobileNet v2 at an output stride: in Hailo's model zoo 8 is `deeplab_v3_mobilenet_v2`, and 32
    `deeplab_v3_mobilenet_v2_wo_dilation`.
    """
    candidate = Candidate.of("deeplab-mobilenet-v2", {"output_stride": output_stride})
    return candidate.graph(classes=PASCAL_VOC, height=height, width=width)


NETWORKS: Final[Mapping[str, Network]] = {
    "mobilenet-v1": mobilenet_v1,
    "mobilenet-v1-0.5": partial(mobilenet_v1, depth_multiplier=0.5),
    "mobilenet-v1-0.25": partial(mobilenet_v1, depth_multiplier=0.25),
    "mobilenet-v2": mobilenet_v2,
    "mobilenet-v2-1.4": partial(mobilenet_v2, depth_multiplier=1.4),
    "resnet-18": resnet_18,
    "vgg-16": vgg_16,
    "erfnet-bonnetal": erfnet_bonnetal,
    "mobilenet-v2-aspp-bonnetal": mobilenet_v2_aspp_bonnetal,
    "fcn-resnet18-coarse": fcn_resnet18_coarse,
    "deeplab-mobilenet-v2-stride-8": partial(deeplab_mobilenet_v2_at, output_stride=8),
    "deeplab-mobilenet-v2-stride-32": partial(deeplab_mobilenet_v2_at, output_stride=32),
}
"""Key, as latencies name it -> network."""
