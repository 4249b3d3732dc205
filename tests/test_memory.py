"""Memory of deployed graphs: against a schedule written out step by step, tensor by tensor, and against figures worked
out by hand.
"""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import memory as memories
from budgetnet import ops
from budgetnet.count import count
from budgetnet.graph import Graph, GraphBuilder, Node
from budgetnet.memory import Memory, memory
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.ops import NoRuleError
from budgetnet.units import BYTES, PRECISIONS

AFFINE = (ops.BiasAdd, ops.BatchNorm2d)
CONVOLUTIONS = (ops.Conv2d, ops.ConvTranspose2d)


# --- the same, spelled out


def reads(node: Node) -> list[str]:
    """Whose values a node looks at."""
    if isinstance(node.op, ops.MaxUnpool2d):
        return list(node.inputs[:2])
    return [node.inputs[0]] if isinstance(node.op, ops.Resize | ops.Crop) else list(node.inputs)


def owners(nodes: tuple[Node, ...]) -> dict[str, str]:
    """Node -> the node in whose buffer its output lies. Fails where a value is read after it was overwritten."""
    owner: dict[str, str] = {}
    content: dict[
        str, str
    ] = {}  # owner -> whose value lies there now; dropout and views hold the value they were given
    value: dict[str, str] = {}
    for step, node in enumerate(nodes):
        for name in reads(node):
            assert content[owner[name]] == value[name], f"{node.name} reads {name}, which is gone"
        if isinstance(node.op, ops.Dropout | ops.Crop):
            owner[node.name], value[node.name] = owner[node.inputs[0]], value[node.inputs[0]]
            continue
        value[node.name] = node.name
        owner[node.name] = node.name
        if isinstance(node.op, (*AFFINE, ops.Activation, ops.PRelu, ops.Scale)):
            kept = owner[node.inputs[0]]
            there = {earlier.name for earlier in nodes[:step] if owner[earlier.name] == kept}
            if not any(there & set(reads(later)) for later in nodes[step + 1 :]):
                owner[node.name] = kept
        content[owner[node.name]] = node.name
    return owner


def live(nodes: tuple[Node, ...], owner: dict[str, str], step: int) -> set[str]:
    """The buffers that hold something at a step: made by now, and used now or later."""
    made = {owner[node.name] for node in nodes[: step + 1]}
    used = {owner[name] for node in nodes[step:] for name in [node.name, *reads(node)]}
    return made & used | ({owner[nodes[-1].name]} if step == len(nodes) - 1 else set())


def folded(nodes: tuple[Node, ...]) -> list[list[Node]]:
    """For each convolution, the sums that become its bias: those that follow it with no other reader in between."""
    chains = []
    for node in nodes:
        if isinstance(node.op, CONVOLUTIONS):
            chain, end = [], node
            while True:
                readers = [other for other in nodes for name in reads(other) if name == end.name]
                if len(readers) != 1 or not isinstance(readers[0].op, (*AFFINE, ops.Dropout)):
                    break
                end = readers[0]
                if isinstance(end.op, AFFINE):
                    chain.append(end)
            chains.append(chain)
    return chains


def spelled_out(graph: Graph) -> Memory:
    nodes = graph.nodes
    size = {node.name: node.shape.channels * node.shape.height * node.shape.width for node in nodes}
    owner = owners(nodes)
    steps = [sum(size[name] for name in live(nodes, owner, step)) for step in range(len(nodes))]
    biases = 0
    taken = set()
    for chain in folded(nodes):
        biases += chain[0].shape.channels if chain else 0
        taken |= {node.name for node in chain}
    for node in nodes:
        if isinstance(node.op, AFFINE) and node.name not in taken:
            biases += node.shape.channels * (2 if isinstance(node.op, ops.BatchNorm2d) else 1)
    weighted = (*CONVOLUTIONS, ops.PRelu)
    weights = sum(layer.cost.params for layer in count(graph).layers if isinstance(layer.node.op, weighted))
    activations = sum(size[name] for name in set(owner.values()))
    return Memory(weights=weights, biases=biases, activations=activations, peak=max(steps))


# --- random networks


SMALL = (ops.BatchNorm2d, ops.BiasAdd, ops.Activation, ops.PRelu, ops.Dropout, ops.Crop)
DRAWN = [op for op in ops.OPERATORS if op is not ops.Input] + [*SMALL, ops.Conv2d, *SMALL]
"""All operators; those that may be folded, done in place or views more often than the others."""


class Recipe:
    """A random network that can be had at any width: all channels are multiples of `width`."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.sides = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        self.steps: list[tuple[ops.Operator, tuple[str, ...]]] = []
        for _ in range(draw(st.integers(1, 14))):
            graph = self.graph(1)
            self.steps.append(self._step(draw, graph))

    def graph(self, width: int | np.ndarray) -> Graph:
        g = GraphBuilder()
        g.image(height=self.sides[0], width=self.sides[1], channels=2 * width)
        for number, (op, inputs) in enumerate(self.steps):
            g.add(f"n{number}", self._widened(op, g.shape(inputs[0]).channels, width), *inputs)
        return g.finish()

    def _widened(self, op: ops.Operator, given: int, width: int | np.ndarray) -> ops.Operator:
        """Of as many channels as `width` asks; 0 channels stand for a depthwise one."""
        if isinstance(op, ops.Conv2d):
            own = op.channels * width if op.channels else given
            groups = 1 if op.channels else given
            return ops.Conv2d(
                channels=own,
                kernel=op.kernel,
                kernel_width=op.kernel_width,
                stride=op.stride,
                dilation=op.dilation,
                padding=op.padding,
                groups=groups,
            )
        if isinstance(op, ops.ConvTranspose2d):
            own = op.channels * width if op.channels else given
            return ops.ConvTranspose2d(
                channels=own, kernel=op.kernel, stride=op.stride, groups=1 if op.channels else given
            )
        if isinstance(op, ops.PadChannels):
            return ops.PadChannels(channels=op.channels * width)
        return op

    def _step(self, draw: st.DrawFn, graph: Graph) -> tuple[ops.Operator, tuple[str, ...]]:
        names = [node.name for node in graph.nodes]
        nodes = {node.name: node for node in graph.nodes}
        # mostly the newest, so that chains grow, else any
        first = draw(st.one_of(st.just(names[-1]), st.just(names[-1]), st.sampled_from(names)))
        shape = nodes[first].shape
        kind = draw(st.sampled_from(DRAWN))
        small = st.integers(1, 3)
        if kind is ops.Conv2d:
            channels = draw(st.integers(0, 3))
            sides = {"kernel": draw(small), "kernel_width": draw(st.one_of(st.none(), small))}
            return ops.Conv2d(channels=channels, stride=draw(small), dilation=draw(small), **sides), (first,)
        if kind is ops.ConvTranspose2d:
            channels = draw(st.integers(0, 3))
            return ops.ConvTranspose2d(channels=channels, kernel=draw(small), stride=draw(st.integers(1, 2))), (first,)
        if kind is ops.MaxPool2d:
            return ops.MaxPool2d(kernel=draw(small), stride=draw(small)), (first,)
        if kind in (ops.PoolPositions, ops.MaxUnpool2d):
            return self._pooled(draw, kind, nodes, first)
        if kind is ops.PadChannels:
            return ops.PadChannels(channels=shape.channels + draw(st.integers(0, 3))), (first,)
        if kind is ops.Resize:
            return ops.Resize(), (first, draw(st.sampled_from(names)))
        if kind is ops.Crop:
            sides = shape.height, shape.width
            fits = [n for n in names if nodes[n].shape.height <= sides[0] and nodes[n].shape.width <= sides[1]]
            return ops.Crop(), (first, draw(st.sampled_from(fits)))
        if kind in (ops.Add, ops.Concat):
            alike = [n for n in names if nodes[n].shape.same_size(shape)]
            if kind is ops.Add:
                alike = [n for n in alike if nodes[n].shape.channels == shape.channels]
            others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2))
            return kind(), (first, *others)
        return {
            ops.BiasAdd: ops.BiasAdd(),
            ops.BatchNorm2d: ops.BatchNorm2d(),
            ops.Activation: ops.Activation(kind="relu"),
            ops.PRelu: ops.PRelu(),
            ops.Scale: ops.Scale(factor=0.5),
            ops.Dropout: ops.Dropout(rate=0.5),
            ops.GlobalAvgPool2d: ops.GlobalAvgPool2d(),
        }[kind], (first,)

    def _pooled(
        self, draw: st.DrawFn, kind: type[ops.Operator], nodes: dict[str, Node], first: str
    ) -> tuple[ops.Operator, tuple[str, ...]]:
        """Positions of a map, or where there are any of that size, elements put back."""
        stride = draw(st.integers(1, 2))
        pooled = ops.PoolPositions(stride=stride).output_shape(nodes[first].shape)
        fits = [name for name, node in nodes.items() if node.shape == pooled]
        if kind is ops.PoolPositions or not fits:
            return ops.PoolPositions(stride=stride), (first,)
        return ops.MaxUnpool2d(stride=stride), (draw(st.sampled_from(fits)), draw(st.sampled_from(fits)), first)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    return Recipe(draw)


@settings(max_examples=300, deadline=None)
@given(recipe=recipes(), width=st.integers(1, 3))
def test_any_network_needs_what_its_schedule_spelled_out_needs(recipe: Recipe, width: int) -> None:
    graph = recipe.graph(width)
    assert memory(graph) == spelled_out(graph)


@settings(max_examples=50, deadline=None)
@given(recipe=recipes())
def test_a_grid_of_any_network_needs_what_its_points_need(recipe: Recipe) -> None:
    widths = np.array([[1, 2], [3, 70]])
    grid = memory(recipe.graph(widths))
    for at, width in np.ndenumerate(widths):
        single = memory(recipe.graph(int(width)))
        for name in ("weights", "biases", "activations", "peak"):
            assert np.broadcast_to(getattr(grid, name), widths.shape)[at] == getattr(single, name)


# --- MobileNet-FCN


@pytest.mark.parametrize("seed", range(8))
def test_mobilenet_fcn_needs_what_its_schedule_spelled_out_needs(seed: int) -> None:
    drawn = random.Random(seed)
    values = {
        "depth_multiplier": drawn.uniform(0.05, 1.5),
        "final_endpoint": drawn.choice(mobilenet_fcn.ENDPOINTS),
        "classifier_kernel": drawn.randint(1, 9),
        "classifier_depth": drawn.randint(1, 2000),
    }
    height, width = drawn.randint(32, 700), drawn.randint(32, 700)
    graph = Candidate.of("mobilenet-fcn", values).graph(classes=drawn.randint(2, 99), height=height, width=width)
    assert memory(graph) == spelled_out(graph)


def test_a_grid_of_mobilenet_fcn_needs_what_its_points_need() -> None:
    multipliers = np.array([0.1, 0.25, 0.5, 1.0]).reshape(-1, 1, 1, 1)
    kernels, depths = np.array([1, 7]).reshape(-1, 1, 1), np.array([3, 1024, 30_000]).reshape(-1, 1)
    heights = np.array([32, 97, 320])
    shape = (4, 2, 3, 3)
    for endpoint in ("Conv2d_0", "Conv2d_13_pointwise"):
        grid = memory(
            mobilenet_fcn.graph(
                depth_multiplier=multipliers,
                final_endpoint=endpoint,
                head="fcn",
                classifier_kernel=kernels,
                classifier_depth=depths,
                classes=7,
                height=heights,
                width=75,
            )
        )
        for m, k, d, h in np.ndindex(*shape):
            values = {
                "depth_multiplier": float(multipliers[m, 0, 0, 0]),
                "final_endpoint": endpoint,
                "classifier_kernel": int(kernels[k, 0, 0]),
                "classifier_depth": int(depths[d, 0]),
            }
            single = memory(Candidate.of("mobilenet-fcn", values).graph(classes=7, height=int(heights[h]), width=75))
            for name in ("weights", "biases", "activations", "peak"):
                assert np.broadcast_to(getattr(grid, name), shape)[m, k, d, h] == getattr(single, name)


def test_folding_leaves_all_parameters_but_half_of_batch_norms() -> None:
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5}).graph(classes=7, height=320, width=480)
    counted = count(graph)
    norms = sum(layer.cost.params for layer in counted.layers if layer.op == "BatchNorm2d")
    needed = memory(graph)
    assert norms == 10_944
    assert needed.weights + needed.biases == counted.total.params - norms // 2 == 1_576_871 - 5_472
    assert needed.biases == 5_472 + 1024 + 7


def test_the_published_network_by_hand() -> None:
    needed = memory(Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5}).graph(classes=7, height=320, width=480))
    # the first pointwise layer is the worst: 16 channels in and 32 out at 160 x 240; the scores at full size take less
    assert needed.peak == (16 + 32) * 160 * 240 == 1_843_200 > 7 * 320 * 480 + 7 * 10 * 15
    assert needed.peak_bytes("fp32") == 7_372_800
    assert needed.weight_bytes("fp32") == 4 * 1_571_399


# --- by hand


def separable(*, after: bool) -> Graph:
    """A tiny network with a sum over one layer or, `after` a pointwise one more, over two; sizes in the comments."""
    g = GraphBuilder()
    image = g.image(height=4, width=6)  # 3 x 4 x 6 = 72
    x = g.add("conv", ops.Conv2d(channels=8, kernel=3, stride=2), image)  # 8 x 2 x 3 = 48, weights 9 * 3 * 8 = 216
    x = g.add("norm", ops.BatchNorm2d(), x)  # in place; 8 biases
    x = g.add("relu", ops.Activation(kind="relu6"), x)  # in place
    y = g.add("depthwise", ops.Conv2d(channels=8, kernel=3, groups=8), x)  # 48, weights 72
    y = g.add("depthwise/bias", ops.BiasAdd(), y)  # 8 biases
    if after:
        y = g.add("pointwise", ops.Conv2d(channels=8, kernel=1), y)  # 48, weights 64
    y = g.add("sum", ops.Add(), x, y)  # 48
    y = g.add("up", ops.ConvTranspose2d(channels=2, kernel=4, stride=2), y)  # 2 x 6 x 8 = 96, weights 16 * 8 * 2 = 256
    g.add("crop", ops.Crop(), y, image)
    return g.finish()


def test_a_tiny_network_by_hand() -> None:
    assert memory(separable(after=False)) == Memory(
        weights=216 + 72 + 256,
        biases=8 + 8,
        activations=72 + 48 + 48 + 48 + 96,
        peak=48 + 48 + 48,  # at the sum: both halves and their sum; then, as much, the sum and the upsampled map
    )


def test_a_residual_is_kept_until_it_is_added() -> None:
    needed = memory(separable(after=True))
    assert (needed.weights, needed.peak) == (216 + 72 + 64 + 256, 3 * 48)
    assert needed.activations == 72 + 4 * 48 + 96


def one_after_another(*operators: ops.Operator) -> GraphBuilder:
    g = GraphBuilder()
    x = g.image(height=4, width=4, channels=2)  # 32
    for number, op in enumerate(operators):
        x = g.add(f"n{number}", op, x)
    return g


CONV = ops.Conv2d(channels=2, kernel=1)


@pytest.mark.parametrize(
    ("operators", "biases", "buffers"),
    [
        ((CONV,), 0, 2),
        ((CONV, ops.BiasAdd()), 2, 2),
        ((CONV, ops.BatchNorm2d()), 2, 2),
        ((CONV, ops.BatchNorm2d(), ops.BiasAdd()), 2, 2),
        ((CONV, ops.BiasAdd(), ops.Dropout(rate=0.5), ops.BatchNorm2d()), 2, 2),
        ((ops.ConvTranspose2d(channels=2, kernel=1, stride=1), ops.BatchNorm2d()), 2, 2),
        ((ops.BatchNorm2d(),), 4, 1),
        ((CONV, ops.Activation(kind="relu"), ops.BatchNorm2d()), 4, 2),
        ((ops.MaxPool2d(kernel=2, stride=1), ops.BiasAdd()), 2, 2),
        ((CONV, ops.BatchNorm2d(), ops.Activation(kind="relu"), ops.BiasAdd()), 4, 2),
    ],
)
def test_what_can_be_folded_is(operators: tuple[ops.Operator, ...], biases: int, buffers: int) -> None:
    needed = memory(one_after_another(*operators).finish())
    assert (needed.biases, needed.activations) == (biases, 32 * buffers)


@pytest.mark.parametrize(
    ("op", "biases"), [(ops.BatchNorm2d(), 4), (ops.BiasAdd(), 2), (ops.Activation(kind="relu"), 0)]
)
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_value_that_others_read_is_neither_folded_nor_overwritten_too_soon(
    op: ops.Operator, biases: int, order: str
) -> None:
    g = one_after_another(CONV)
    if order == "before":  # the other reader is done by then, so the buffer is free to be overwritten
        other = g.add("other", ops.MaxPool2d(kernel=1, stride=1), "n0")
        changed = g.add("changed", op, "n0")
    else:
        changed = g.add("changed", op, "n0")
        other = g.add("other", ops.MaxPool2d(kernel=1, stride=1), "n0")
    g.add("sum", ops.Add(), changed, other)
    needed = memory(g.finish())
    assert needed.biases == biases
    assert needed.activations == 32 * (4 if order == "before" else 5)


@pytest.mark.parametrize("op", [ops.Dropout(rate=0.5), ops.Crop()])
def test_nothing_is_folded_through_a_crop_or_past_another_reader(op: ops.Operator) -> None:
    g = one_after_another(CONV)
    x = g.add("x", op, *(["n0", "input"] if isinstance(op, ops.Crop) else ["n0"]))
    g.add("norm", ops.BatchNorm2d(), x)
    if isinstance(op, ops.Dropout):
        g.add("sum", ops.Add(), "norm", "n0")
    assert memory(g.finish()).biases == 4


def test_dropout_never_has_a_buffer() -> None:
    g = one_after_another(CONV, ops.Dropout(rate=0.5))
    g.add("sum", ops.Add(), "n0", "n1")
    assert memory(g.finish()).activations == 3 * 32


def test_a_crop_keeps_its_whole_buffer() -> None:
    g = one_after_another(CONV)
    small = g.add("small", ops.MaxPool2d(kernel=2, stride=2), "n0")  # 8
    cut = g.add("cut", ops.Crop(), "n0", small)
    g.add("sum", ops.Add(), cut, small)  # 8
    needed = memory(g.finish())
    assert (needed.activations, needed.peak) == (32 + 32 + 8 + 8, 64)
    g.add("relu", ops.Activation(kind="relu"), cut)
    assert memory(g.finish()).activations == 80


def test_an_activation_does_not_overwrite_what_a_view_still_shows() -> None:
    g = one_after_another(CONV)
    view = g.add("view", ops.Crop(), "n0", "input")
    changed = g.add("changed", ops.Activation(kind="relu"), "n0")
    g.add("sum", ops.Add(), view, changed)
    assert memory(g.finish()).activations == 4 * 32


def test_a_size_reference_keeps_nothing_alive() -> None:
    g = one_after_another(ops.Conv2d(channels=1, kernel=3, stride=4))  # 1
    g.add("resize", ops.Resize(), "n0", "input")  # 16
    assert memory(g.finish()).peak == 32 + 1


# --- bytes


@given(
    weights=st.integers(0, 2**63), biases=st.integers(0, 2**63), maps=st.integers(0, 2**63), peak=st.integers(0, 2**63)
)
def test_bytes_of_the_precisions(weights: int, biases: int, maps: int, peak: int) -> None:
    needed = Memory(weights=weights, biases=biases, activations=maps, peak=peak)
    assert needed.weight_bytes("fp32") == 4 * (weights + biases) == 2 * needed.weight_bytes("fp16")
    assert needed.weight_bytes("int8") == weights + 4 * biases  # biases stay 32 bits wide
    for precision in PRECISIONS:
        assert needed.activation_bytes(precision) == BYTES[precision] * maps
        assert needed.peak_bytes(precision) == BYTES[precision] * peak


# --- the contract


def test_every_operator_has_a_rule() -> None:
    assert set(memories.RULES) == set(ops.OPERATORS)


def test_an_operator_without_a_rule_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(memories.RULES, ops.Crop)
    graph = Candidate.of("mobilenet-fcn", {}).graph(classes=7, height=64, width=64)
    with pytest.raises(NoRuleError, match="Crop has no memory rule \\(node 'crop'\\)"):
        memory(graph)
