"""Built modules: equal to fvcore's count layer by layer, of the right size, initialised as declared, trainable
throughout.
"""

import random

import pytest
import torch
from torch.nn import functional

from budgetnet import build as building
from budgetnet import ops
from budgetnet.build import BUILDERS, GraphModule, NoBuilderError, bilinear_kernel, build
from budgetnet.count import count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.verify import CountMismatchError, require_agreement, verify, verify_candidate


def draw(seed: int) -> tuple[Candidate, int, int, int]:
    """A random candidate with its class count and image size; every third one small enough to meet one-cell maps."""
    rng = random.Random(seed)
    values = {
        "depth_multiplier": rng.choice([0.1, 0.25, 0.33, 0.5, 0.75, 1.0, 1.3]),
        "final_endpoint": rng.choice(mobilenet_fcn.ENDPOINTS),
        "classifier_kernel": rng.randint(1, 9),
        "classifier_depth": rng.choice([1, 17, 64, 256]),
    }
    largest = 48 if seed % 3 == 0 else 150
    classes, height, width = rng.randint(2, 12), rng.randint(32, largest), rng.randint(32, largest)
    return Candidate.of("mobilenet-fcn", values), classes, height, width


@pytest.mark.parametrize("seed", range(60))
def test_count_equals_fvcore_on_the_built_module_layer_by_layer(seed):
    candidate, classes, height, width = draw(seed)
    verification = verify_candidate(candidate, classes=classes, height=height, width=width)
    assert verification.differences == ()
    assert verification.macs.ours == verification.macs.theirs > 0
    assert verification.params.ours == verification.params.theirs > 0


def every_operator() -> Graph:
    """A graph in which every operator of the closed set has its turn."""
    g = GraphBuilder()
    image = g.image(height=21, width=30)
    x = g.add("conv", ops.Conv2d(channels=8, kernel=3, stride=2), image)
    x = g.add("norm", ops.BatchNorm2d(), x)
    fine = g.add("relu6", ops.Activation(kind="relu6"), x)
    x = g.add("pool", ops.MaxPool2d(kernel=3, stride=2), fine)
    x = g.add("pool_valid", ops.MaxPool2d(kernel=2, stride=1, padding=0), x)
    x = g.add("grouped", ops.Conv2d(channels=12, kernel=3, padding=1, dilation=1, groups=4), x)
    x = g.add("dilated", ops.Conv2d(channels=8, kernel=3, dilation=2), x)
    x = g.add("bias", ops.BiasAdd(), x)
    x = g.add("relu", ops.Activation(kind="relu"), x)
    x = g.add("dropout", ops.Dropout(rate=0.5), x)
    bilinear = g.add("bilinear", ops.Resize(mode="bilinear"), x, fine)
    nearest = g.add("nearest", ops.Resize(mode="nearest"), x, fine)
    x = g.add("add", ops.Add(), bilinear, nearest, fine)
    x = g.add("concat", ops.Concat(), x, fine)
    mean = g.add("mean", ops.GlobalAvgPool2d(), x)
    spread = g.add("spread", ops.Resize(), mean, x)
    x = g.add("with_mean", ops.Add(), x, spread)
    x = g.add("flat", ops.Conv2d(channels=6, kernel=1, kernel_width=5), x)
    x = tall = g.add("tall", ops.Conv2d(channels=6, kernel=5, kernel_width=1, dilation=2), x)
    x = g.add("prelu", ops.PRelu(), x)
    positions = g.add("positions", ops.PoolPositions(stride=2), tall)
    x = g.add("pooled", ops.MaxPool2d(kernel=2, stride=2), x)
    x = g.add("unpooled", ops.MaxUnpool2d(stride=2), x, positions, tall)
    x = g.add("scaled", ops.Scale(factor=0.25), x)
    x = g.add("padded", ops.PadChannels(channels=9), x)
    x = g.add("up", ops.ConvTranspose2d(channels=5, kernel=4, stride=2, groups=1), x)
    x = g.add("crop_from", ops.Crop(offset=1), x, image)
    g.add("crop", ops.Crop(), x, image)
    return g.finish()


def test_every_operator_is_built_counted_and_verified():
    graph = every_operator()
    assert {type(node.op) for node in graph.nodes} == set(ops.OPERATORS)
    assert verify(graph, count(graph), build(graph, seed=0)).differences == ()


def test_every_nodes_output_has_the_declared_shape():
    graph = every_operator()
    module = build(graph, seed=0).eval()
    seen = {}
    for node in graph.nodes[1:]:
        module.node_module(node.name).register_forward_hook(
            lambda _, __, output, name=node.name: seen.update({name: tuple(output.shape[1:])})
        )
    module(torch.zeros(2, 3, 21, 30))
    declared = {n.name: (n.shape.channels, n.shape.height, n.shape.width) for n in graph.nodes[1:]}
    assert seen == declared


@pytest.mark.parametrize("endpoint", mobilenet_fcn.ENDPOINTS)
def test_output_has_the_images_size_also_where_it_is_odd(endpoint):
    candidate = Candidate.of(
        "mobilenet-fcn", {"depth_multiplier": 0.1, "final_endpoint": endpoint, "classifier_depth": 8}
    )
    module = build(candidate.graph(classes=4, height=64, width=64), seed=0).eval()
    for height, width in [(64, 64), (33, 47), (32, 101), (75, 50)]:
        assert module(torch.zeros(1, 3, height, width)).shape == (1, 4, height, width)


def test_gradients_reach_every_parameter():
    candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_depth": 16})
    module = build(candidate.graph(classes=3, height=64, width=96), seed=0)
    module(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    without = [
        name for name, parameter in module.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def made(height: int, width: int, *steps: ops.Operator, channels: int = 3) -> GraphModule:
    """One operator after the other."""
    g = GraphBuilder()
    x = g.image(height=height, width=width, channels=channels)
    for number, op in enumerate(steps):
        x = g.add(f"n{number}", op, x)
    return build(g.finish(), seed=0).eval()


@pytest.mark.parametrize(("height", "width", "stride"), [(6, 8, 2), (7, 9, 2), (5, 5, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_unpooled_lies_where_it_came_from(height, width, stride, layout):
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    pooled = g.add("pooled", ops.MaxPool2d(kernel=stride, stride=stride), image)
    positions = g.add("positions", ops.PoolPositions(stride=stride), image)
    g.add("unpooled", ops.MaxUnpool2d(stride=stride), pooled, positions, image)
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
    found = build(g.finish(), seed=0)(images)
    largest = functional.max_pool2d(images, stride, stride, ceil_mode=True)
    spread = functional.interpolate(largest, scale_factor=stride, mode="nearest")[..., :height, :width]
    assert torch.equal(found, torch.where(images == spread, images, 0))
    assert int((found != 0).sum()) == largest.numel()


def test_windows_that_are_not_square_are_those_of_torch():
    module = made(
        9, 11, ops.Conv2d(channels=4, kernel=5, kernel_width=1), ops.Conv2d(channels=2, kernel=1, kernel_width=3)
    )
    first, second = module.node_module("n0"), module.node_module("n1")
    assert (first.weight.shape[2:], second.weight.shape[2:]) == ((5, 1), (1, 3))
    images = torch.randn(1, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = functional.conv2d(functional.conv2d(images, first.weight, padding=(2, 0)), second.weight, padding=(0, 1))
    assert torch.allclose(module(images), expected, atol=1e-6)


def test_scaling_padding_of_channels_and_cropping_from_an_offset():
    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(made(4, 5, ops.Scale(factor=0.25))(images), images / 4)
    padded = made(4, 5, ops.PadChannels(channels=5))(images)
    assert torch.equal(padded[:, :3], images)
    assert not padded[:, 3:].any()
    g = GraphBuilder()
    image = g.image(height=4, width=5)
    smaller = g.add("smaller", ops.MaxPool2d(kernel=2, stride=1, padding=0), image)
    g.add("crop", ops.Crop(offset=1), image, smaller)
    assert torch.equal(build(g.finish())(images), images[..., 1:, 1:])


@pytest.mark.parametrize("stride", range(1, 9))
@pytest.mark.parametrize("more", range(18))
def test_a_bilinear_transposed_convolution_of_any_kernel_and_stride_keeps_a_map_of_ones(stride, more):
    kernel = stride + more
    module = made(7, 9, ops.ConvTranspose2d(channels=3, kernel=kernel, stride=stride, groups=3, initial="bilinear"))
    found = module(torch.ones(1, 3, 7, 9))
    inside = found[..., kernel : found.shape[-2] - kernel, kernel : found.shape[-1] - kernel]
    assert torch.allclose(inside, torch.ones_like(inside), atol=1e-5)


def test_same_padding_is_tensorflows():
    # a 3 x 3 kernel at stride 2 looks at rows 2i .. 2i+2 of an even image, at rows 2i-1 .. 2i+1 of an odd one
    op = ops.Conv2d(channels=1, kernel=3, stride=2)
    for size, first in [(6, [0, 1, 2]), (7, [-1, 0, 1])]:
        layer = building.Conv2d(op, ops.Shape(channels=1, height=size, width=size))
        torch.nn.init.ones_(layer.weight)
        image = torch.arange(float(size)).reshape(1, 1, size, 1).expand(1, 1, size, size) + 1
        expected = sum(row + 1 for row in first if row >= 0)
        columns = 3  # inside, the kernel sums three equal columns
        assert layer(image)[0, 0, 0, 1].item() == expected * columns


@pytest.mark.parametrize("size", [6, 7])
def test_padding_after_begins_at_the_first_row_of_every_size(size):
    given_shape = ops.Shape(channels=1, height=size, width=size)
    layer = building.Conv2d(ops.Conv2d(channels=1, kernel=3, stride=2, padding="after"), given_shape)
    torch.nn.init.ones_(layer.weight)
    image = torch.arange(float(size * size)).reshape(1, 1, size, size)
    expected = torch.nn.functional.pad(image, (0, 1, 0, 1)).unfold(2, 3, 2).unfold(3, 3, 2).sum(dim=(4, 5))
    assert torch.equal(layer(image), expected)
    assert layer(image).shape[2:] == (3, 3)
    pool = building.MaxPool2d(ops.MaxPool2d(kernel=3, stride=2, padding="after"), given_shape)
    assert torch.equal(pool(image)[0, 0, :, 0], image[0, 0, [2, 4, min(6, size - 1)], 2])


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.1}).graph(classes=2, height=32, width=32)
    before = torch.random.get_rng_state()
    first, second, other = (build(graph, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_weights_start_as_declared():
    module = build(Candidate.of("mobilenet-fcn", {}).graph(classes=7, height=64, width=64), seed=0)
    pointwise = module.node_module("conv1_pointwise/convolution").weight
    bound = (6 / (1024 + 1024)) ** 0.5  # Glorot and Bengio (2010), equation 16
    assert pointwise.abs().max().item() <= bound
    assert pointwise.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert module.node_module("MobilenetV1/Conv2d_0/BatchNorm").eps == 1e-3
    assert not module.node_module("conv1_pointwise/BiasAdd").bias.any()
    upsampler = module.node_module("upsampler").weight
    assert torch.equal(upsampler[3, 3], bilinear_kernel(64, 32))
    assert not upsampler[3, 4].any()


def test_a_convolution_may_start_as_nothing():
    g = GraphBuilder()
    g.add("score", ops.Conv2d(channels=4, kernel=1, initial="zero"), g.image(height=5, width=5))
    assert not build(g.finish(), seed=0).node_module("score").weight.any()


def test_a_bias_keeps_the_precision_of_the_map():
    g = GraphBuilder()
    g.add("bias", ops.BiasAdd(), g.image(height=5, width=5))
    module = build(g.finish())
    torch.nn.init.constant_(module.node_module("bias").bias, 1.5)
    for dtype in (torch.float32, torch.bfloat16):
        found = module(torch.ones(1, 3, 5, 5, dtype=dtype))
        assert torch.equal(found, torch.full((1, 3, 5, 5), 2.5, dtype=dtype))


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_dilated_kernel_pads_by_itself(dilation, monkeypatch):
    """A copy of the map for each dilated layer would be slower than the layer."""
    op = ops.Conv2d(channels=2, kernel=3, dilation=dilation)
    layer = building.Conv2d(op, ops.Shape(channels=2, height=9, width=7))
    picture = torch.rand(1, 2, 9, 7, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(picture, [dilation] * 4)
    expected = functional.conv2d(padded, layer.weight, dilation=dilation)
    monkeypatch.setattr(functional, "pad", None)
    torch.testing.assert_close(layer(picture), expected)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8, 32])
def test_upsampler_starts_as_bilinear_interpolation(factor):
    g = GraphBuilder()
    image = g.image(height=9, width=7, channels=3)
    size = 2 * factor - factor % 2
    up = ops.ConvTranspose2d(
        channels=3, kernel=size, stride=factor, padding=(size - factor + 1) // 2, initial="bilinear"
    )
    g.add("up", up, image)
    module = build(g.finish())
    picture = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    reference = functional.interpolate(picture, scale_factor=factor, mode="bilinear", align_corners=False)
    ours = module(picture)
    inner = (slice(None), slice(None), slice(factor, -factor), slice(factor, -factor))
    if ours.shape == reference.shape:
        torch.testing.assert_close(ours[inner], reference[inner])
    else:  # an odd factor: the output ends a row or so early
        rows, columns = (min(a, b) for a, b in zip(ours.shape[2:], reference.shape[2:], strict=True))
        cut = (slice(None), slice(None), slice(factor, rows - factor), slice(factor, columns - factor))
        torch.testing.assert_close(ours[cut], reference[cut])


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(64, 32, 16), (4, 2, 0), (6, 2, 1), (9, 3, 2), (3, 3, 0)])
def test_transposed_convolution_trains_in_a_form_equal_to_the_plain_one(kernel, stride, padding):
    op = ops.ConvTranspose2d(channels=5, kernel=kernel, stride=stride, padding=padding)
    torch.manual_seed(3)
    layer = building.ConvTranspose2d(op, ops.Shape(channels=4, height=3, width=6)).double()
    image = torch.rand(2, 4, 3, 6, dtype=torch.float64)
    outputs, gradients = [], []
    for training in (True, False):
        layer.train(training).zero_grad()
        output = layer(image)
        output.cos().sum().backward()
        outputs.append(output.detach())
        gradients.append(layer.weight.grad.clone())
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)


def test_quickly_computes_the_same_and_leaves_no_trace(monkeypatch):
    """Validation, `evaluate` and `predict` work inside; counters never do."""
    parameters = {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32}
    graph = Candidate.of("mobilenet-fcn", parameters).graph(classes=5, height=97, width=131)
    model, images = build(graph, seed=0).eval(), torch.rand(1, 3, 97, 131)
    called, shuffle = [], functional.pixel_shuffle
    monkeypatch.setattr(functional, "pixel_shuffle", lambda *given: called.append(1) or shuffle(*given))
    with torch.no_grad():
        plain = model(images)
        assert called == []
        with building.quickly(model):
            torch.testing.assert_close(model(images), plain, atol=1e-5, rtol=1e-5)
        assert called == [1]
        model(images)
        assert called == [1]


def test_an_activation_does_not_overwrite_what_others_read():
    g = GraphBuilder()
    image = g.image(height=4, width=4)
    first = g.add("first", ops.Activation(kind="relu"), image)
    conv = g.add("conv", ops.Conv2d(channels=3, kernel=1), first)
    dropped = g.add("dropped", ops.Dropout(rate=0.5), conv)
    active = g.add("active", ops.Activation(kind="relu"), dropped)
    g.add("sum", ops.Add(), conv, active)
    module = build(g.finish(), seed=0).eval()
    picture = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    before = picture.clone()
    weights = module.node_module("conv").weight
    convolved = functional.conv2d(picture.relu(), weights)
    torch.testing.assert_close(module(picture), convolved + convolved.relu())
    assert torch.equal(picture, before)


def test_an_operator_without_a_builder_is_an_error_that_names_it(monkeypatch):
    monkeypatch.delitem(building.BUILDERS, ops.Crop)
    with pytest.raises(NoBuilderError, match="Crop cannot be built \\(node 'crop'\\)"):
        build(Candidate.of("mobilenet-fcn", {}).graph(classes=2, height=32, width=32))


def test_every_operator_but_the_input_has_a_builder():
    assert set(building.BUILDERS) == set(ops.OPERATORS) - {ops.Input}


def test_a_module_that_differs_from_its_graph_is_found():
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=7, height=64, width=64)
    wider = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_depth": 512})
    verification = verify(graph, count(graph), build(wider.graph(classes=7, height=64, width=64), seed=0))
    assert not verification.agrees
    assert "conv1_pointwise/convolution" in {difference.layer for difference in verification.differences}
    with pytest.raises(CountMismatchError, match="differs: conv1_pointwise/convolution: macs"):
        require_agreement(verification)


def test_an_operator_that_fvcore_cannot_count_is_an_error():
    class Strange(GraphModule):
        def forward(self, images):
            return super().forward(images).cumsum(dim=1)

    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.1}).graph(classes=2, height=32, width=32)
    with pytest.raises(CountMismatchError, match="fvcore cannot count aten::cumsum"):
        verify(graph, count(graph), Strange(graph))


def test_a_network_too_large_to_be_built_is_not_verified():
    huge = Candidate.of("mobilenet-fcn", {"depth_multiplier": 64})
    with pytest.raises(
        BudgetnetError, match="verifying must take 8 GB of memory or less, but got about 54 GB for 64 /"
    ):
        verify_candidate(huge, classes=7, height=320, width=480)


@pytest.mark.parametrize("own", [False, True])
def test_dropout_drops_single_elements_or_whole_channels(own: bool) -> None:
    for whole, share in ((False, 0.5), (True, 0.25)):
        module = BUILDERS[ops.Dropout](ops.Dropout(rate=share, whole_channels=whole), ()).train()
        module.generator = torch.Generator().manual_seed(3) if own else None
        torch.manual_seed(3)
        x = torch.ones(40, 50, 4, 4)
        found = module(x)
        torch.testing.assert_close(found.unique(), torch.tensor([0, 1 / (1 - share)]))
        assert (found == 0).float().mean().item() == pytest.approx(share, abs=0.03)
        per_map = (found == 0).float().mean(dim=(2, 3))
        assert bool(((per_map == 0) | (per_map == 1)).all()) == whole
        assert torch.equal(module.eval()(x), x)
