"""ERFNet, FCN on ResNet-18 and DeepLabv3 on MobileNet v2: figures as published, and scores as torch computes them when
each network is written out by hand with the paddings of its authors.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from budgetnet import ops
from budgetnet.build import GraphModule, build
from budgetnet.count import count
from budgetnet.networks import Candidate, deeplab_mobilenet_v2
from budgetnet.receptive import receptive_fields

NARROW = {"depth_multiplier": 0.25}


def built(key: str, height: int, width: int, **parameters: object) -> GraphModule:
    """A narrow network in evaluation, whose batch norm and biases are no longer those that change nothing."""
    candidate = Candidate.of(key, {**NARROW, **parameters})  # type: ignore[arg-type]
    module = build(candidate.graph(classes=5, height=height, width=width), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_var.uniform_(0.5, 2, generator=generator)
                layer.running_mean.normal_(generator=generator)
                layer.weight.uniform_(0.5, 2, generator=generator)
            if hasattr(layer, "bias") and isinstance(layer.bias, nn.Parameter):
                layer.bias.normal_(generator=generator)
    return module.double().eval()


class ByHand:
    """What a built network holds, by its nodes' names, to compute with in torch's own words."""

    def __init__(self, module: GraphModule) -> None:
        self.module = module

    def weight(self, name: str) -> Tensor:
        return self.module.node_module(name).weight  # type: ignore[return-value]

    def bias(self, name: str) -> Tensor:
        return self.module.node_module(name).bias  # type: ignore[return-value]

    def norm(self, path: str, x: Tensor, eps: float) -> Tensor:
        layer = self.module.node_module(f"{path}/BatchNorm")
        assert isinstance(layer, nn.BatchNorm2d)
        return functional.batch_norm(
            x, layer.running_mean, layer.running_var, layer.weight, layer.bias, training=False, eps=eps
        )

    def unit(self, path: str, x: Tensor, eps: float, **how: object) -> Tensor:
        return self.norm(path, functional.conv2d(x, self.weight(f"{path}/convolution"), **how), eps)  # type: ignore[arg-type]


def close(key: str, by_hand: Callable[[ByHand, Tensor], Tensor], height: int, width: int, **parameters: object) -> None:
    module = built(key, height, width, **parameters)
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = module(x), by_hand(ByHand(module), x)
    assert ours.shape == theirs.shape == (2, 5, height, width)
    assert ours.std() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


# --- ERFNet


def non_bottleneck_1d(net: ByHand, path: str, x: Tensor, dilation: int) -> Tensor:
    y = x
    for half, rate in (("first", 1), ("second", dilation)):
        here = f"{path}/{half}"
        weight, bias = net.weight(f"{here}/tall/convolution"), net.bias(f"{here}/tall/BiasAdd")
        y = functional.conv2d(y, weight, bias, padding=(rate, 0), dilation=(rate, 1)).relu()
        y = functional.conv2d(y, net.weight(f"{here}/wide/convolution"), padding=(0, rate), dilation=(1, rate))
        y = net.norm(here, y, 1e-3)
        y = y.relu() if half == "first" else y
    return (y + x).relu()


def erfnet_by_hand(net: ByHand, x: Tensor) -> Tensor:
    def down(path: str, x: Tensor) -> Tensor:
        convolved = functional.conv2d(x, net.weight(f"{path}/convolution"), stride=2, padding=1)
        return net.norm(path, torch.cat([convolved, functional.max_pool2d(x, 2, 2)], dim=1), 1e-3).relu()

    def up(path: str, x: Tensor) -> Tensor:
        weight = net.weight(f"{path}/upsampler")
        y = functional.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
        return net.norm(path, y, 1e-3).relu()

    x = down("encoder/down2", down("encoder/down1", x))
    for number in range(1, 6):
        x = non_bottleneck_1d(net, f"encoder/layer2_{number}", x, 1)
    x = down("encoder/down3", x)
    for number, dilation in enumerate([2, 4, 8, 16, 2, 4, 8, 16], 1):
        x = non_bottleneck_1d(net, f"encoder/layer3_{number}", x, dilation)
    for stage in (1, 2):
        x = up(f"decoder/up{stage}", x)
        for number in (1, 2):
            x = non_bottleneck_1d(net, f"decoder/layer{stage}_{number}", x, 1)
    return functional.conv_transpose2d(x, net.weight("output/convolution"), net.bias("output/BiasAdd"), stride=2)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 104)])
def test_erfnet_is_the_authors_network(height, width):
    close("erfnet", erfnet_by_hand, height, width)


def test_erfnet_has_the_authors_parameters_but_for_biases_before_batch_norm():
    def layer(channels: int) -> list[int]:
        half = 2 * (3 * channels * channels + channels) + 2 * channels
        return [half, half]

    def down(given: int, channels: int) -> int:
        return 9 * given * (channels - given) + (channels - given) + 2 * channels

    def up(given: int, channels: int) -> int:
        return 9 * given * channels + channels + 2 * channels

    encoder = [down(3, 16), down(16, 64), down(64, 128), *layer(64) * 5, *layer(128) * 8]
    decoder = [up(128, 64), up(64, 16), *layer(64) * 2, *layer(16) * 2, 4 * 16 * 20 + 20]
    authors = sum(encoder) + sum(decoder)
    biases = (13 + 48 + 64) + 2 * (5 * 64 + 8 * 128 + 2 * 64 + 2 * 16) + (64 + 16)
    total = count(Candidate.of("erfnet", {}).graph(classes=20, height=64, width=64)).total
    assert (authors, biases, total.params) == (2_064_256, 3_213, 2_064_256 - 3_213)


def test_erfnet_has_the_sizes_of_its_table():
    """Romera et al., table I, for 1024 x 512."""
    nodes = Candidate.of("erfnet", {}).graph(classes=20, height=512, width=1024).nodes
    shapes = {node.name: (node.shape.channels, node.shape.height, node.shape.width) for node in nodes}
    assert shapes["encoder/down1/Relu"] == (16, 256, 512)
    assert shapes["encoder/layer2_5/Relu"] == (64, 128, 256)
    assert shapes["encoder/layer3_8/Relu"] == (128, 64, 128)
    assert shapes["decoder/layer1_2/Relu"] == (64, 128, 256)
    assert shapes["decoder/layer2_2/Relu"] == (16, 256, 512)
    assert shapes["output/crop"] == (20, 512, 1024)


# --- ResNet-18


def basic_block(net: ByHand, path: str, x: Tensor, stride: int, projected: bool) -> Tensor:
    y = net.unit(f"{path}/conv1", x, 1e-5, stride=stride, padding=1).relu()
    y = net.unit(f"{path}/conv2", y, 1e-5, padding=1)
    return (y + (net.unit(f"{path}/projection", x, 1e-5, stride=stride) if projected else x)).relu()


def fcn_resnet18_by_hand(net: ByHand, image: Tensor) -> Tensor:
    x = net.unit("conv1", image, 1e-5, stride=2, padding=3).relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, stride in ((1, 1), (2, 2), (3, 2), (4, 2)):
        x = basic_block(net, f"layer{stage}_1", x, stride, projected=stage > 1)
        x = basic_block(net, f"layer{stage}_2", x, 1, projected=False)
    x = net.unit("head", x, 1e-5, padding=1).relu()
    x = functional.conv2d(x, net.weight("score/convolution"), net.bias("score/BiasAdd"))
    return functional.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=False)


@pytest.mark.parametrize(("height", "width"), [(32, 33), (64, 97), (135, 101)])
def test_fcn_resnet18_is_torchvisions_network(height, width):
    close("fcn-resnet18", fcn_resnet18_by_hand, height, width)


def test_resnet_18_has_the_counts_that_everybody_knows():
    """torchvision's page of models: 11,689,512 parameters and 1.81 G multiply-adds, its classifier among them."""
    graph = Candidate.of("fcn-resnet18", {}).graph(classes=21, height=224, width=224)
    stem = count(graph).part("stem")
    assert stem.params + 512 * 1000 + 1000 == 11_689_512
    assert (stem.params, stem.macs) == (11_176_512, 1_813_561_344)
    deepest = receptive_fields(graph)["layer4_2/conv2/convolution"]
    assert (deepest.pixels, deepest.stride) == (435, 32)
    assert count(graph).part("head").params == 9 * 512 * 128 + 2 * 128 + 128 * 21 + 21


# --- MobileNet v2

STRIDES = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
"""Of the depthwise layers of the 17 blocks, without dilation (table 2)."""

FINER = {
    # output stride -> the blocks that keep their map, and the dilations of all
    32: ([], [1] * 17),
    16: ([13], [1] * 14 + [2] * 3),
    8: ([6, 13], [1] * 7 + [2] * 7 + [4] * 3),
}
SUMS = [2, 4, 5, 7, 8, 9, 11, 12, 14, 15]
"""Blocks that are added to what goes in."""


def same(x: Tensor, weight: Tensor, stride: int, dilation: int = 1, groups: int = 1) -> Tensor:
    """A convolution padded as TensorFlow does."""
    kernel = weight.shape[-1]
    reach = dilation * (kernel - 1) + 1
    missing = [max((-(-size // stride) - 1) * stride + reach - size, 0) for size in x.shape[-2:]]
    (high, wide) = missing
    padded = functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
    return functional.conv2d(padded, weight, stride=stride, dilation=dilation, groups=groups)


def inverted_residual(net: ByHand, path: str, x: Tensor, stride: int, dilation: int, *, first: bool, sums: bool):
    y = x if first else net.unit(f"{path}/expand", x, 1e-3).clamp(0, 6)
    weight = net.weight(f"{path}/depthwise/depthwise")
    y = net.norm(f"{path}/depthwise", same(y, weight, stride, dilation, groups=y.shape[1]), 1e-3).clamp(0, 6)
    y = net.unit(f"{path}/project", y, 1e-3)
    return x + y if sums else y


def deeplab_by_hand(output_stride: int) -> Callable[[ByHand, Tensor], Tensor]:
    kept, dilations = FINER[output_stride]

    def by_hand(net: ByHand, image: Tensor) -> Tensor:
        x = same(image, net.weight("MobilenetV2/Conv/convolution"), 2)
        x = net.norm("MobilenetV2/Conv", x, 1e-3).clamp(0, 6)
        for block, (stride, dilation) in enumerate(zip(STRIDES, dilations, strict=True)):
            path = f"MobilenetV2/expanded_conv_{block}"
            here = 1 if block in kept else stride
            x = inverted_residual(net, path, x, here, dilation, first=block == 0, sums=block in SUMS)
        mean = net.unit("image_pooling", x.mean((2, 3), keepdim=True), 1e-5).relu()
        branch = net.unit("aspp0", x, 1e-5).relu()
        x = net.unit("concat_projection", torch.cat([mean.expand_as(branch), branch], dim=1), 1e-5).relu()
        x = functional.conv2d(x, net.weight("logits/convolution"), net.bias("logits/BiasAdd"))
        return functional.interpolate(x, size=image.shape[-2:], mode="bilinear", align_corners=False)

    return by_hand


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize(("height", "width"), [(32, 33), (97, 134)])
def test_deeplab_is_the_authors_network(height, width, output_stride):
    close("deeplab-mobilenet-v2", deeplab_by_hand(output_stride), height, width, output_stride=output_stride)


def test_mobilenet_v2_has_the_counts_that_everybody_knows():
    """Sandler et al., table 4: 300 M and 3.4 M as a classifier; torchvision's has 3,504,872 parameters."""
    graph = Candidate.of("deeplab-mobilenet-v2", {"output_stride": 32}).graph(classes=21, height=224, width=224)
    stem = count(graph).part("stem")
    assert stem.params + (320 * 1280 + 2 * 1280) + (1280 * 1000 + 1000) == 3_504_872
    assert round((stem.macs + 7 * 7 * 320 * 1280 + 1280 * 1000) / 1e6) == 301
    channels = [node.op.channels for node in graph.nodes if node.name.endswith("project/convolution")]
    assert channels == [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    assert [node.name for node in graph.nodes if isinstance(node.op, ops.Add)] == [
        f"MobilenetV2/expanded_conv_{block}/sum" for block in SUMS
    ]


@pytest.mark.parametrize(
    ("output_stride", "giga_operations"),
    # 16: Sandler et al., table 7, 2.75 G multiply-adds; 8 and 32: Hailo's model zoo, with and without dilation
    [(16, 2 * 2.75), (8, 17.65), (32, 3.21)],
)
def test_deeplab_against_its_published_figures(output_stride, giga_operations):
    candidate = Candidate.of("deeplab-mobilenet-v2", {"output_stride": output_stride})
    total = count(candidate.graph(classes=21, height=513, width=513)).total
    assert 2 * total.macs / 1e9 == pytest.approx(giga_operations, rel=0.005)
    assert round(total.params / 1e6, 2) == 2.11


@pytest.mark.parametrize(
    ("depth_multiplier", "channels"),
    # Sandler's width multipliers as the authors' models have them: first convolution, 16, 24, 96 and 160 channels
    [
        (0.35, [16, 8, 8, 32, 56]),
        (0.5, [16, 8, 16, 48, 80]),
        (0.75, [24, 16, 24, 72, 120]),
        (1.0, [32, 16, 24, 96, 160]),
        (1.3, [40, 24, 32, 128, 208]),
        (1.4, [48, 24, 32, 136, 224]),
    ],
)
def test_mobilenet_v2s_channels_are_multiples_of_eight(depth_multiplier, channels):
    full = [32, 16, 24, 96, 160]
    assert [deeplab_mobilenet_v2.divisible(each, depth_multiplier) for each in full] == channels
    grid = [deeplab_mobilenet_v2.divisible(each, np.array([depth_multiplier])) for each in full]
    assert [each.tolist() for each in grid] == [[each] for each in channels]
