"""The networks that others measured, as graphs: those of `latencies.yaml`, with the classes they had there.

Some are no families of `networks`, which give one score per class and pixel: an image classifier, a map of scores that
stays coarse, a variant. They are counted, summed up and built like any graph all the same.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.ops import BiasAdd, Conv2d, GlobalAvgPool2d
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


def mobilenet_v1(height: int, width: int) -> Graph:
    """MobileNet v1 1.0, the classifier (Howard et al., arXiv:1704.04861): the mean of the last map and a 1 x 1
    convolution with a bias. 569 M MACs and 4.24 million parameters for a 224 x 224 image.
    """
    stem = mobilenet_fcn.stem(depth_multiplier=1.0, height=height, width=width)
    g = GraphBuilder(stem.nodes)
    with g.part("head"):
        x = g.add("MobilenetV1/Logits/AvgPool", GlobalAvgPool2d(), stem.output.name)
        x = g.add("MobilenetV1/Logits/convolution", Conv2d(channels=IMAGENET, kernel=1), x)
        g.add("MobilenetV1/Logits/BiasAdd", BiasAdd(), x)
    return g.finish()


def erfnet_bonnetal(height: int, width: int) -> Graph:
    """ERFNet as bonnetal runs it to tell people from what is behind them."""
    return _bonnetal.graph(classes=PERSONS, height=height, width=width)


def fcn_resnet18_coarse(height: int, width: int) -> Graph:
    """FCN-ResNet18 of jetson-inference: its scores stay at a 32nd of the image's size."""
    whole = Candidate.of("fcn-resnet18", {}).graph(classes=JETSON_INFERENCE, height=height, width=width)
    return Graph(nodes=whole.nodes[:-1])


def deeplab_mobilenet_v2_stride_8(height: int, width: int) -> Graph:
    """DeepLabv3 on MobileNet v2 at output stride 8: `deeplab_v3_mobilenet_v2` of Hailo's model zoo."""
    candidate = Candidate.of("deeplab-mobilenet-v2", {"output_stride": 8})
    return candidate.graph(classes=PASCAL_VOC, height=height, width=width)


NETWORKS: Final[Mapping[str, Network]] = {
    "mobilenet-v1": mobilenet_v1,
    "erfnet-bonnetal": erfnet_bonnetal,
    "fcn-resnet18-coarse": fcn_resnet18_coarse,
    "deeplab-mobilenet-v2-stride-8": deeplab_mobilenet_v2_stride_8,
}
"""Key, as latencies name it -> network."""
