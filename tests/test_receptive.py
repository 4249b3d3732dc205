"""Receptive fields, against the sets of pixels that outputs see, and against published figures."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import floor, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import ops, receptive
from budgetnet.graph import Graph, GraphBuilder, Node
from budgetnet.networks import Candidate
from budgetnet.ops import NoRuleError
from budgetnet.receptive import Field, receptive_fields

# --- the same, as sets of pixels


def inputs_of(node: Node, given: int, at: int) -> Iterator[int]:
    """The inputs (of `given` in a row) that output `at` sees, in one dimension that has no ends."""
    match node.op:
        case ops.Conv2d(kernel=kernel, stride=stride, dilation=dilation):
            yield from (at * stride + tap * dilation for tap in range(kernel))
        case ops.MaxPool2d(kernel=kernel, stride=stride):
            yield from (at * stride + tap for tap in range(kernel))
        case ops.ConvTranspose2d(kernel=kernel, stride=stride):
            # input j reaches the outputs j * stride ... j * stride + kernel - 1
            yield from (j for j in range(at // stride - kernel, at // stride + 1) if 0 <= at - j * stride < kernel)
        case ops.Resize(mode="bilinear"):
            place = (at + Fraction(1, 2)) * Fraction(given, node.shape.height) - Fraction(1, 2)
            yield floor(place)
            if place != floor(place):
                yield floor(place) + 1
        case ops.Resize(mode="nearest"):
            yield floor(at * Fraction(given, node.shape.height))
        case _:
            yield at


def seen(graph: Graph, outputs: range) -> int:
    """The longest row of pixels, from the first to the last that it sees, of any of the last node's outputs."""
    nodes = {node.name: node for node in graph.nodes}

    @cache
    def pixels(name: str, at: int) -> frozenset[int]:
        node = nodes[name]
        if isinstance(node.op, ops.Input):
            return frozenset({at})
        height = nodes[node.inputs[0]].shape.height
        sources = node.inputs[:1] if isinstance(node.op, ops.Resize | ops.Crop) else node.inputs
        return frozenset[int]().union(*(pixels(name, j) for name in sources for j in inputs_of(node, height, at)))

    rows = [pixels(graph.output.name, at) for at in outputs]
    return max(max(row) - min(row) + 1 for row in rows if row)


windows = st.builds(
    ops.Conv2d, channels=st.just(1), kernel=st.integers(1, 4), stride=st.integers(1, 3), dilation=st.integers(1, 3)
)
pools = st.builds(ops.MaxPool2d, kernel=st.integers(1, 4), stride=st.integers(1, 3))
transposed = st.builds(ops.ConvTranspose2d, channels=st.just(1), kernel=st.integers(1, 6), stride=st.integers(1, 4))
SIZES = (3, 4, 5, 6, 8, 9, 12)
resizes = st.tuples(st.sampled_from(["bilinear", "nearest"]), st.sampled_from(SIZES))


def chain(layers: list[ops.Operator | tuple[str, int]]) -> Graph:
    """One layer after the other; a pair is a resize of that mode to so many pixels."""
    g = GraphBuilder()
    x = g.image(height=12, width=12, channels=1)
    references = {size: g.add(f"size{size}", ops.Conv2d(channels=1, kernel=13 - size, padding=0), x) for size in SIZES}
    for number, layer in enumerate(layers):
        if isinstance(layer, ops.Operator):
            x = g.add(f"n{number}", layer, x)
        else:
            x = g.add(f"n{number}", ops.Resize(mode=layer[0]), x, references[layer[1]])
    g.add("end", ops.Activation(kind="relu"), x)
    return g.finish()


def steps(graph: Graph) -> list[Fraction]:
    """Inputs from an output to the next, layer by layer."""
    shapes = {node.name: node.shape for node in graph.nodes}
    found = []
    for node in graph.nodes:
        if isinstance(node.op, ops.Resize):
            found.append(Fraction(shapes[node.inputs[0]].height, node.shape.height))
        elif isinstance(node.op, ops.ConvTranspose2d):
            found.append(Fraction(1, node.op.stride))
        elif not node.name.startswith("size"):
            found.append(Fraction(getattr(node.op, "stride", 1)))
    return found


def meets_every_phase(graph: Graph) -> bool:
    """Whether no layer after an upsampling one passes outputs over, and none leaves holes between the outputs that see
    anything: else nobody may ask for the worst.
    """
    if any(isinstance(node.op, ops.ConvTranspose2d) and node.op.kernel < node.op.stride for node in graph.nodes):
        return False
    found = steps(graph)
    upsampling = [place for place, step in enumerate(found) if step.denominator > 1]
    return not upsampling or all(step.numerator == 1 for step in found[upsampling[0] + 1 :])


@settings(max_examples=300, deadline=None)
@given(layers=st.lists(st.one_of(windows, windows, pools, transposed, resizes), max_size=5))
def test_field_of_a_chain_is_what_its_worst_output_sees(layers: list[ops.Operator | tuple[str, int]]) -> None:
    graph = chain(layers)
    field = receptive_fields(graph)["end"]
    measured = seen(graph, range(prod(step.denominator for step in steps(graph))))
    assert measured <= field.pixels
    if meets_every_phase(graph):
        assert measured == field.pixels


@settings(max_examples=100, deadline=None)
@given(layers=st.lists(st.one_of(windows, pools), max_size=6))
def test_field_and_stride_of_convolutions_grow_as_the_forward_formula_says(layers: list[ops.Operator]) -> None:
    pixels, stride = 1, 1
    for layer in layers:
        assert isinstance(layer, ops.Conv2d | ops.MaxPool2d)
        pixels += (layer.kernel - 1) * getattr(layer, "dilation", 1) * stride
        stride *= layer.stride
    assert receptive_fields(chain(layers))["end"] == Field(pixels=pixels, stride=Fraction(stride))


@st.composite
def centred(draw: st.DrawFn) -> Graph:
    """Paths that part and meet, each of odd kernels, so that all are centred on each other."""
    g = GraphBuilder()
    names = [g.image(height=12, width=12, channels=1)]
    for number in range(draw(st.integers(1, 8))):
        name, first = f"n{number}", draw(st.sampled_from(names[-3:]))
        kind = draw(st.sampled_from(["conv", "pool", "add", "concat", "crop", "dropout"]))
        if kind == "conv":
            op = ops.Conv2d(channels=1, kernel=draw(st.sampled_from([1, 3, 5])), dilation=draw(st.integers(1, 3)))
            names.append(g.add(name, op, first))
        elif kind == "pool":
            names.append(g.add(name, ops.MaxPool2d(kernel=3, stride=1), first))
        elif kind in ("add", "concat"):
            alike = [each for each in names if kind == "concat" or g.shape(each).channels == g.shape(first).channels]
            both = ops.Add() if kind == "add" else ops.Concat()
            names.append(g.add(name, both, first, draw(st.sampled_from(alike))))
        elif kind == "crop":
            names.append(g.add(name, ops.Crop(), first, draw(st.sampled_from(names))))
        else:
            names.append(g.add(name, ops.Dropout(rate=0.5), first))
    return g.finish()


def centred_pixels(graph: Graph) -> set[int]:
    """Pixels that an output sees, counted from itself, where every window is centred on its output."""
    seen_by: dict[str, set[int]] = {}
    for node in graph.nodes:
        taps = [0]
        if isinstance(node.op, ops.Conv2d | ops.MaxPool2d):
            half, dilation = node.op.kernel // 2, getattr(node.op, "dilation", 1)
            taps = [tap * dilation for tap in range(-half, half + 1)]
        sources = node.inputs[:1] if isinstance(node.op, ops.Crop) else node.inputs
        seen_by[node.name] = {pixel + tap for name in sources for pixel in seen_by[name] for tap in taps} or {0}
    return seen_by[graph.output.name]


@settings(max_examples=100, deadline=None)
@given(graph=centred())
def test_field_of_paths_that_meet_is_that_of_the_largest(graph: Graph) -> None:
    pixels = centred_pixels(graph)
    assert receptive_fields(graph)[graph.output.name].pixels == max(pixels) - min(pixels) + 1


# --- known figures


@pytest.mark.parametrize("width", [0.75, 1.0])
def test_mobilenet_v1_sees_the_published_315_pixels(width: float) -> None:
    """mobilenet_v1 and mobilenet_v1_075 in https://github.com/google-research/receptive_field (README)."""
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": width}).graph(classes=7, height=224, width=224)
    fields = receptive_fields(graph)
    assert fields["MobilenetV1/Conv2d_13_pointwise/Relu6"] == Field(pixels=315, stride=Fraction(32))


def test_the_published_head_sees_a_wide_window_and_is_back_at_full_size() -> None:
    fields = receptive_fields(Candidate.of("mobilenet-fcn", {}).graph(classes=7, height=320, width=480))
    assert fields["input"] == Field(pixels=1, stride=Fraction(1))
    assert fields["MobilenetV1/Conv2d_0/convolution"] == Field(pixels=3, stride=Fraction(2))
    assert fields["conv1_separable/depthwise"] == Field(pixels=315 + 6 * 32, stride=Fraction(32))
    assert fields["conv2_classification/BiasAdd"] == fields["conv1_separable/depthwise"]
    assert fields["upsampler"] == fields["crop"] == Field(pixels=507 + 32, stride=Fraction(1))  # 64 / 32: two taps


@pytest.mark.parametrize(
    ("op", "pixels", "stride"),
    [
        (ops.ConvTranspose2d(channels=1, kernel=2, stride=2), 1, Fraction(1, 2)),
        (ops.ConvTranspose2d(channels=1, kernel=3, stride=2), 2, Fraction(1, 2)),
        (ops.ConvTranspose2d(channels=1, kernel=4, stride=1), 4, Fraction(1)),
        (ops.Conv2d(channels=1, kernel=5, kernel_width=3), 5, Fraction(1)),
        (ops.Conv2d(channels=1, kernel=1, kernel_width=3, dilation=2), 5, Fraction(1)),
        (ops.PoolPositions(stride=2), 2, Fraction(2)),
        (ops.PRelu(), 1, Fraction(1)),
        (ops.PadChannels(channels=4), 1, Fraction(1)),
        (("bilinear", 12), 1, Fraction(1)),
        (("bilinear", 4), 1, Fraction(3)),
        (("bilinear", 6), 2, Fraction(2)),
        (("nearest", 6), 1, Fraction(2)),
    ],
)
def test_single_layers(op: ops.Operator | tuple[str, int], pixels: int, stride: Fraction) -> None:
    assert receptive_fields(chain([op]))["end"] == Field(pixels=pixels, stride=stride)


def test_what_one_side_sees_is_not_added_to_what_the_other_sees() -> None:
    flat, tall = (ops.Conv2d(channels=1, kernel=high, kernel_width=wide) for high, wide in ((1, 5), (7, 1)))
    assert receptive_fields(chain([flat, tall, flat]))["end"] == Field(pixels=9, stride=Fraction(1))


@pytest.mark.parametrize(("wanted", "pixels"), [(1, 2), (2, 4), (3, 4), (4, 6)])
def test_what_was_unpooled_sees_the_windows_it_came_from(wanted: int, pixels: int) -> None:
    g = GraphBuilder()
    image = g.image(height=12, width=12, channels=1)
    pooled = g.add("pooled", ops.MaxPool2d(kernel=2, stride=2), image)
    x = g.add(
        "unpooled", ops.MaxUnpool2d(stride=2), pooled, g.add("positions", ops.PoolPositions(stride=2), image), image
    )
    g.add("end", ops.Conv2d(channels=1, kernel=wanted, padding=0), x)
    assert receptive_fields(g.finish())["end"] == Field(pixels=pixels, stride=Fraction(1))


def test_a_resize_to_other_proportions_is_told_by_its_larger_side() -> None:
    g = GraphBuilder()
    image = g.image(height=12, width=12, channels=1)
    small = g.add("small", ops.Conv2d(channels=1, kernel=3, stride=3), image)
    g.add("up", ops.Resize(), small, g.add("cut", ops.MaxPool2d(kernel=1, stride=1, padding=0), image))
    assert receptive_fields(g.finish())["up"] == Field(pixels=6, stride=Fraction(1))
    wide = GraphBuilder()
    image = wide.image(height=12, width=24, channels=1)
    reference = wide.add("reference", ops.Conv2d(channels=1, kernel=9, padding=0), image)  # 4 x 16
    wide.add("resized", ops.Resize(mode="nearest"), image, reference)
    assert receptive_fields(wide.finish())["resized"] == Field(pixels=1, stride=Fraction(3))


# --- the contract


def test_every_operator_has_a_rule() -> None:
    assert set(receptive.RULES) == set(ops.OPERATORS)


def test_an_operator_without_a_rule_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(receptive.RULES, ops.Crop)
    graph = Candidate.of("mobilenet-fcn", {}).graph(classes=7, height=64, width=64)
    with pytest.raises(NoRuleError, match="Crop has no rule of its receptive field \\(node 'crop'\\)"):
        receptive_fields(graph)
