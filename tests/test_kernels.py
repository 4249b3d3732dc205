"""Kernels of a deployed network: the golden ones of MobileNet-FCN, and what holds for every network."""

from dataclasses import dataclass

import pytest
from deployed import headed, members
from test_build import every_operator

from budgetnet import kernels as rules
from budgetnet import ops, units
from budgetnet.count import count
from budgetnet.graph import Graph, GraphBuilder, Node
from budgetnet.kernel_classes import KERNEL_CLASSES
from budgetnet.kernels import Kernel, kernels
from budgetnet.memory import memory
from budgetnet.networks import Candidate
from budgetnet.ops import NoRuleError, Shape

PUBLISHED = Candidate.of(
    "mobilenet-fcn", {"depth_multiplier": 0.5, "classifier_kernel": 7, "classifier_depth": 1024, "head": "fcn"}
)
HEAD = [
    ("conv1_separable/depthwise", "depthwise", ["depthwise"], 7_526_400, 25_088, 0),
    ("conv1_pointwise/convolution", "pointwise", ["convolution", "BiasAdd", "Relu"], 157_440_000, 524_288, 1024),
    ("conv2_classification/convolution", "pointwise", ["convolution", "BiasAdd"], 2_151_450, 7_168, 7),
    ("upsampler", "transposed", ["upsampler", "crop"], 60_211_200, 200_704, 0),
]
EVERY = {**members(), **headed()}


@pytest.fixture(scope="module")
def published() -> tuple[Kernel, ...]:
    return kernels(PUBLISHED.graph(classes=7, height=320, width=480))


def parts(kernel: Kernel) -> list[str]:
    return [node.name.rpartition("/")[2] for node in kernel.nodes]


def test_the_published_network_is_a_convolution_and_its_batch_norm_and_relu_in_each_kernel(published):
    stem, head = published[: -len(HEAD)], published[-len(HEAD) :]
    assert [(k.name, k.kind) for k in stem[:1]] == [("MobilenetV1/Conv2d_0/convolution", "dense")]
    names = [f"MobilenetV1/Conv2d_{row}_{part}" for row in range(1, 14) for part in ("depthwise", "pointwise")]
    assert [kernel.name.rpartition("/")[0] for kernel in stem[1:]] == names
    assert [kernel.kind for kernel in stem[1:]] == ["depthwise", "pointwise"] * 13
    assert {tuple(parts(kernel)[1:]) for kernel in stem} == {("BatchNorm", "Relu6")}
    assert [(k.name, k.kind, parts(k), k.ops, k.weights, k.biases) for k in head] == HEAD


def test_each_reads_what_the_one_before_gives(published):
    before, shape = "input", 3 * 320 * 480
    for kernel in published:
        assert kernel.sources == (before,)
        assert kernel.read == shape
        before, shape = kernel.result, kernel.written
    assert shape == 7 * 320 * 480


def test_the_first_ones_bytes(published):
    first = published[0]
    maps, weights = 3 * 320 * 480 + 16 * 160 * 240, 16 * 27 + 16
    assert (first.read + first.written, first.weights + first.biases) == (maps, weights)
    assert first.bytes("fp16", batch=3) == 2 * (3 * maps + weights)
    assert [first.bytes(precision) for precision in units.PRECISIONS] == [
        4 * (maps + weights),
        2 * (maps + weights),
        maps + 16 * 27 + 4 * 16,  # a bias is an int32
    ]


@pytest.mark.parametrize("name", EVERY)
def test_kernels_hold_every_node_once_and_add_up_to_what_is_counted(name):
    graph = EVERY[name].graph(classes=5, height=61, width=93)
    found = kernels(graph)
    held = [node.name for kernel in found for node in kernel.nodes]
    free = [node.name for node in graph.nodes if isinstance(node.op, ops.Input | ops.Dropout)]
    assert sorted([*held, *free]) == sorted(node.name for node in graph.nodes)
    assert sum(kernel.ops for kernel in found) == count(graph).total.ops
    assert {kernel.kind for kernel in found} <= set(KERNEL_CLASSES)
    assert not [kernel.name for kernel in found if kernel.kind != "elementwise" and kernel.moves]
    assert not [kernel.name for kernel in found if kernel.kind == "elementwise" and kernel.weights and kernel.biases]


@pytest.mark.parametrize("name", EVERY)
def test_what_a_kernel_reads_is_there_before(name):
    graph = EVERY[name].graph(classes=5, height=61, width=93)
    there = {graph.input.name: graph.input.shape}
    for kernel in kernels(graph):
        assert set(kernel.sources) <= set(there)
        assert kernel.read == sum(
            each.channels * each.height * each.width for each in (there[name] for name in kernel.sources)
        )
        there[kernel.result] = kernel.output
    assert graph.output.shape in there.values()


@pytest.mark.parametrize("name", members())
def test_weights_are_those_of_the_deployed_network(name):
    graph = members()[name].graph(classes=5, height=61, width=93)
    found = kernels(graph)
    kept = sum(kernel.weights + kernel.biases for kernel in found)
    # `memory` keeps a batch norm behind a crop as scale and shift, where the crop is a kernel's padding
    kept += sum(kernel.biases for kernel in found if kernel.of(ops.Crop) and kernel.of(ops.BatchNorm2d))
    assert 4 * kept == memory(graph).weight_bytes("fp32")


def test_every_operator_has_a_rule_and_elementwise_ones_tell_their_moves():
    known = {type(node.op) for node in every_operator().nodes}
    assert set(rules.RULES) == known
    folded = {ops.Input, ops.Conv2d, ops.ConvTranspose2d, ops.Dropout}
    assert set(rules.MOVES) == known - folded
    alone = [kernel for kernel in kernels(every_operator()) if kernel.kind == "elementwise"]
    free = (ops.PadChannels, ops.Crop, ops.Concat)
    assert all(bool(k.moves) != isinstance(k.main.op, free) or isinstance(k.main.op, ops.Resize) for k in alone)


@dataclass(frozen=True, slots=True)
class Blur:
    """An operator that nobody taught anything."""


def test_an_operator_without_a_rule_is_named():
    blur = Node(name="soft", op=Blur(), inputs=("input",), shape=Shape(channels=3, height=32, width=40), part="stem")  # type: ignore[arg-type]
    known = every_operator()
    with pytest.raises(NoRuleError, match=r"^Blur has no kernel rule \(node 'soft'\)$"):
        kernels(Graph(nodes=(known.input, blur)))


# --- what is folded, and what is not


def small(*operators: ops.Operator, also: bool = False) -> Graph:
    """A convolution with operators behind it; `also` lets another node read the convolution's own result."""
    g = GraphBuilder()
    image = g.image(height=32, width=40)
    x = first = g.add("conv", ops.Conv2d(channels=4, kernel=3), image)
    for number, operator in enumerate(operators):
        x = g.add(f"op{number}", operator, x)
    if also:
        g.add("sum", ops.Add(), x, first)
    return g.finish()


RELU, NORM, BIAS = ops.Activation(kind="relu"), ops.BatchNorm2d(), ops.BiasAdd()


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ([NORM, RELU], [3]),
        ([BIAS, NORM, ops.Scale(factor=2.0), RELU], [5]),
        ([RELU, NORM], [2, 1]),
        ([RELU, RELU], [2, 1]),
        ([NORM, ops.Dropout(rate=0.5), RELU], [3]),
        ([ops.MaxPool2d(kernel=2, stride=2), NORM], [1, 1, 1]),
        ([NORM, ops.PRelu()], [2, 1]),
    ],
    ids=str,
)
def test_what_a_convolution_takes_up(operators, expected):
    assert [len(kernel.nodes) for kernel in kernels(small(*operators))] == expected


def test_nothing_is_folded_where_somebody_else_reads_the_convolution():
    assert [kernel.name for kernel in kernels(small(NORM, RELU, also=True))] == ["conv", "op0", "op1", "sum"]
