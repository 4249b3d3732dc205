"""Heads: operations worked out by hand, sound graphs at every combination of parameters, and what each promises."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from budgetnet import arguments, heads, ops, scenario
from budgetnet.build import GraphModule, build
from budgetnet.count import count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.grid import blocks, count_block
from budgetnet.heads import Stem
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Parameter
from budgetnet.plan import measure, plan
from budgetnet.plan.solve import questions, solve
from budgetnet.plan.tables import Tables
from budgetnet.receptive import receptive_fields
from budgetnet.summary import summarise
from budgetnet.verify import verify_candidate

NETWORK = "mobilenet-fcn"
ODD = [(97, 131), (225, 321)]


def candidate(head: str, **values: Any) -> Candidate:
    return Candidate.of(NETWORK, {"depth_multiplier": 0.1, "head": head, **values})


def network(head: str, height: int = 64, width: int = 96, **values: Any) -> Graph:
    return candidate(head, **values).graph(classes=5, height=height, width=width)


def built(head: str, height: int = 64, width: int = 96, **values: Any) -> GraphModule:
    return build(network(head, height, width, **values), seed=2)


def outputs(module: GraphModule, images: Tensor) -> dict[str, Tensor]:
    """Module path -> what it gave."""
    seen: dict[str, Tensor] = {}
    leaves = [(name, each) for name, each in module.named_modules() if name and not list(each.children())]
    hooks = [
        each.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name, each in leaves
    ]
    with torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()
    return seen


def images(height: int, width: int, number: int = 2) -> Tensor:
    return torch.rand(number, 3, height, width, generator=torch.Generator().manual_seed(height + width))


# --- operations by hand: 320 x 480, 11 classes, depth multiplier 0.5. The stem's maps are 256 channels at 20 x 30 (600
# cells), 128 at 40 x 60 (2,400), 64 at 80 x 120 (9,600) and, the deepest, 512 at 10 x 15 (150). Operations are 2 x MACs
# + bias additions.

FCN_SCORES = 150 * (49 * 512 + 512 * 1024 + 1024 * 11)  # MACs: 7 x 7 depthwise, pointwise to 1024, classifier
FCN_BIASES = 150 * (1024 + 11)
SKIP_16 = 600 * 256 * 11 + 150 * 16 * 11 * 11  # 1 x 1 scores; the deeper ones, 4 x 4 transposed, from each of 150 cells
SKIP_8 = 2_400 * 128 * 11 + 600 * 16 * 11 * 11
BLOCK = 150 * (512 * 64 + 49 * 64 + 64 * 64) + 512 * 64  # reduction, 7 x 7 depthwise, pointwise; the mean's 1 x 1
JOINED_16 = 600 * (256 * 64 + 9 * 64 + 64 * 64)  # lateral, 3 x 3 depthwise, pointwise
JOINED_8 = 2_400 * (128 * 64 + 9 * 64 + 64 * 64)
JOINED_4 = 9_600 * (64 * 64 + 9 * 64 + 64 * 64)

BY_HAND = {
    # the last transposed convolution has (2 s)^2 x 11 x 11 weights for each cell of the map of stride s
    "fcn": 2 * (FCN_SCORES + 150 * 64**2 * 11**2) + FCN_BIASES,
    "fcn16s": 2 * (FCN_SCORES + SKIP_16 + 600 * 32**2 * 11**2) + FCN_BIASES + 600 * 11,
    "fcn8s": 2 * (FCN_SCORES + SKIP_16 + SKIP_8 + 2_400 * 16**2 * 11**2) + FCN_BIASES + (600 + 2_400) * 11,
    "context": 2 * (BLOCK + 150 * 64 * 11) + 64 + 150 * 11,
    "light-decoder": 2 * (BLOCK + JOINED_16 + JOINED_8 + JOINED_4 + 9_600 * 64 * 11) + 64 + 9_600 * 11,
}
GOLDEN = {  # the same, multiplied out, so that no slip above goes unseen
    "fcn": 317_032_050,
    "fcn16s": 320_998_650,
    "fcn8s": 330_106_650,
    "context": 12_278_450,
    "light-decoder": 281_048_000,
}


@pytest.mark.parametrize("head", sorted(GOLDEN))
def test_operations_worked_out_by_hand(head: str) -> None:
    found = count(
        Candidate.of(NETWORK, {"depth_multiplier": 0.5, "head": head}).graph(classes=11, height=320, width=480)
    )
    assert found.part("head").ops == BY_HAND[head] == GOLDEN[head]
    assert found.part("stem").ops == 912_153_600


# --- the contract, at every head that is there


@pytest.mark.parametrize(("height", "width"), ODD)
@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("head", heads.names())
def test_counts_as_fvcore_and_keeps_odd_sizes(head: str, output_stride: int, height: int, width: int) -> None:
    chosen = candidate(head, output_stride=output_stride)
    assert verify_candidate(chosen, classes=5, height=height, width=width).differences == ()


@pytest.mark.parametrize("head", heads.names())
def test_built_once_it_takes_other_sizes(head: str) -> None:
    module = built(head).eval()
    for height, width in [*ODD, (32, 47)]:
        assert module(images(height, width, 1)).shape == (1, 5, height, width)


@pytest.mark.parametrize("head", heads.names())
def test_gradients_reach_every_parameter(head: str) -> None:
    module = built(head, 97, 131)
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    functional.cross_entropy(module(images(97, 131)), torch.randint(5, (2, 97, 131))).backward()
    named = module.named_parameters()
    assert [name for name, each in named if each.grad is None or not each.grad.any()] == []


def drawn(draw: st.DrawFn, parameter: Parameter) -> Any:
    if parameter.choices:
        return draw(st.sampled_from(parameter.choices))
    assert parameter.minimum is not None
    return draw(st.integers(int(parameter.minimum), int(min(parameter.maximum or 0, parameter.minimum + 24))))


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    """Any head on any stem, with any of its parameters."""
    head = draw(st.sampled_from(heads.names()))
    values = {parameter.name: drawn(draw, parameter) for parameter in heads.head(head).PARAMETERS}
    for name in ("final_endpoint", "output_stride", "input_scale"):
        values[name] = drawn(draw, family(NETWORK).parameter(name))
    return candidate(head, **values)


@settings(max_examples=30)
@given(chosen=candidates(), height=st.integers(32, 100), width=st.integers(32, 100))
def test_every_combination_is_sound(chosen: Candidate, height: int, width: int) -> None:
    assert verify_candidate(chosen, classes=3, height=height, width=width).differences == ()
    summary = summarise(chosen.graph(classes=3, height=height, width=width))
    assert summary.memory.peak > 0
    assert arguments.choice(scenario.load("parking"), chosen.label) == [chosen]


@pytest.mark.parametrize("head", heads.names())
def test_grids_count_as_single_networks_do(head: str) -> None:
    space = {
        "head": (head,),
        "output_stride": (8, 16, 32),
        "input_scale": (0.375, 1.0),
        "final_endpoint": ("Conv2d_5_pointwise", "Conv2d_13_pointwise"),
    }
    numbers = {p.name: (p.minimum, p.default) for p in heads.head(head).PARAMETERS if p.numeric}
    words = {p.name: p.choices for p in heads.head(head).PARAMETERS if p.name == "upsampling"}
    for block in blocks(NETWORK, {**space, **numbers, **words, "depth_multiplier": (0.1, 0.73)}):  # type: ignore[dict-item]
        grid = count_block(block, sizes=ODD, classes=[2, 11])
        for index in range(0, len(block), 3):
            for at_size, (height, width) in enumerate(ODD):
                alone = count(block.candidate(index).graph(classes=11, height=height, width=width)).total
                counted = (
                    grid.full(each).reshape(len(block), 2, 2)
                    for each in (grid.count.total.ops, grid.count.total.params)
                )
                assert [each[index, at_size, 1] for each in counted] == [alone.ops, alone.params]


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("head", heads.names())
def test_channels_stay_innermost_and_bf16_stays_bf16(head: str, training: bool, autocast: bool) -> None:
    """Copies to another memory format, and maps that grow to twice their bytes, would cost more than the layers."""
    module = built(head, 97, 131).to(memory_format=torch.channels_last).train(training)
    given = images(97, 131).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = outputs(module, given)
    assert {name for name, each in found.items() if each.stride(1) != 1} == set()
    assert {each.dtype for each in found.values()} == {torch.bfloat16 if autocast else torch.float32}


# --- skips


def skips(graph: Graph) -> list[str]:
    return sorted({node.name.split("/")[0] for node in graph.nodes if node.name.startswith("skip_stride_")})


@pytest.mark.parametrize(
    ("head", "values", "expected"),
    [
        ("fcn16s", {}, ["skip_stride_16"]),
        ("fcn8s", {}, ["skip_stride_16", "skip_stride_8"]),
        ("fcn8s", {"output_stride": 16}, ["skip_stride_8"]),
        ("fcn8s", {"final_endpoint": "Conv2d_11_pointwise"}, ["skip_stride_8"]),
        ("fcn16s", {"output_stride": 16}, []),
        ("fcn8s", {"output_stride": 8}, []),
        ("fcn8s", {"final_endpoint": "Conv2d_3_pointwise"}, []),
    ],
)
def test_skips_that_are_not_finer_than_the_deepest_map_are_left_out(
    head: str, values: dict[str, Any], expected: list[str]
) -> None:
    graph = network(head, **values)
    assert skips(graph) == expected
    if not expected:
        assert graph == network("fcn", **values)


def test_skips_that_the_stem_has_no_map_of_are_left_out() -> None:
    g = GraphBuilder()
    image = g.image(height=75, width=99)
    fine = g.add("fine", ops.Conv2d(channels=4, kernel=3, stride=8), image)
    deep = g.add("deep", ops.Conv2d(channels=6, kernel=3, stride=4), fine)
    stem = Stem(image=image, seen=image, features=deep, stride=32, taps={8: fine, 32: deep})
    heads.head("fcn8s").add(g, stem, classes=2, classifier_kernel=3, classifier_depth=5, upsampling="transposed")
    graph = g.finish()
    assert skips(graph) == ["skip_stride_8"]
    upsampler = next(node for node in graph.nodes if node.name == "skip_stride_8/upsampler")
    assert isinstance(upsampler.op, ops.ConvTranspose2d)
    assert (upsampler.op.kernel, upsampler.op.stride, upsampler.op.padding) == (8, 4, 2)
    shape = graph.output.shape
    assert (shape.channels, shape.height, shape.width) == (2, 75, 99)


@pytest.mark.parametrize(("height", "width"), [(64, 96), *ODD])
def test_skips_start_as_nothing_between_bilinear_steps(height: int, width: int) -> None:
    module = built("fcn8s", height, width).eval()
    seen = outputs(module, images(height, width))
    deep = seen["conv2_classification.BiasAdd"]
    for stride in (16, 8):
        assert not seen[f"skip_stride_{stride}.BiasAdd"].any()
        rows, columns = seen[f"skip_stride_{stride}.BiasAdd"].shape[2:]
        expected = functional.interpolate(deep, scale_factor=2, mode="bilinear")[..., :rows, :columns]
        deep = seen[f"skip_stride_{stride}.sum"]
        # a transposed convolution sees zeros beyond the border, interpolation the border again
        inner = (..., slice(1, rows - 1), slice(1, columns - 1))
        if stride == 16:
            torch.testing.assert_close(deep[inner], expected[inner])
        assert torch.equal(deep, seen[f"skip_stride_{stride}.crop"])


# --- the context block and the light decoder


def parts(graph: Graph) -> set[str]:
    return {name.split("/")[1] for name in (node.name for node in graph.nodes) if name.startswith("context/")}


def test_detail_is_paid_where_maps_are_finest() -> None:
    values = {"depth_multiplier": 0.5, "head": "light-decoder", "decoder_channels": 96, "detail_channels": 32}
    found = count(Candidate.of(NETWORK, values).graph(classes=11, height=320, width=480))
    block = 150 * (512 * 96 + 49 * 96 + 96 * 96) + 512 * 96
    joined_16 = 600 * (256 * 96 + 9 * 96 + 96 * 96)
    joined_8 = 2_400 * (128 * 96 + 9 * 96 + 96 * 32)  # its mixing leads to the detail's channels
    joined_4 = 9_600 * (64 * 32 + 9 * 32 + 32 * 32)
    assert found.part("head").ops == 2 * (block + joined_16 + joined_8 + joined_4 + 9_600 * 32 * 11) + 96 + 9_600 * 11
    only = Candidate.of(NETWORK, {**values, "decoder_stride": 8, "output_stride": 16})
    graph = only.graph(classes=11, height=320, width=480)
    assert {node.shape.channels for node in graph.nodes if "decoder_stride_8" in node.name} == {96}


@pytest.mark.parametrize("head", ["context", "light-decoder"])
@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("none", set()),
        ("pool", {"pool", "sum", "Relu"}),
        ("large-kernel", {"large_kernel", "sum", "Relu"}),
        ("dilated", {"dilated", "sum", "Relu"}),
        ("pool+large-kernel", {"pool", "large_kernel", "sum", "Relu"}),
    ],
)
def test_context_has_the_branches_that_it_names(head: str, context: str, expected: set[str]) -> None:
    assert parts(network(head, context=context)) == {"reduction", *expected}


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (4, 1), (7, 3), (9, 4)])
def test_dilated_kernel_reaches_as_far_as_the_large_one(kernel: int, dilation: int) -> None:
    graph = network("context", context="dilated", context_kernel=kernel)
    (sparse,) = [node.op for node in graph.nodes if node.name == "context/dilated/depthwise"]
    assert isinstance(sparse, ops.Conv2d)
    assert (sparse.kernel, sparse.dilation) == (3, dilation)
    fields = receptive_fields(graph)
    large = receptive_fields(network("context", context="large-kernel", context_kernel=kernel // 2 * 2 + 1))
    if kernel % 2:
        assert fields["context/dilated/depthwise"] == large["context/large_kernel/depthwise"]


def test_mean_sees_the_whole_image_and_strides_stay_those_of_the_map() -> None:
    graph = Candidate.of(NETWORK, {"head": "light-decoder"}).graph(classes=5, height=320, width=480)
    fields = receptive_fields(graph)
    assert fields["context/pool/mean"].pixels == 14 * 32 + 315  # 15 cells wide
    strides = [fields[name].stride for name in ("context/sum", "decoder_stride_16/sum", "decoder_stride_4/sum")]
    assert strides == [32, 16, 4]
    assert fields["resize"].stride == 1


def test_mean_is_that_of_the_map() -> None:
    g = GraphBuilder()
    g.add("mean", ops.GlobalAvgPool2d(), g.image(height=5, width=7))
    given = torch.rand(2, 3, 5, 7)
    torch.testing.assert_close(build(g.finish())(given), given.mean(dim=(2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [4, 8, 16]),
        ({"decoder_stride": 2}, [2, 4, 8, 16]),
        ({"decoder_stride": 8}, [8, 16]),
        ({"output_stride": 16}, [4, 8]),
        ({"output_stride": 8, "decoder_stride": 8}, []),
        ({"final_endpoint": "Conv2d_1_pointwise"}, []),
    ],
)
def test_decoder_takes_in_the_finer_maps_down_to_its_stride(values: dict[str, Any], expected: list[int]) -> None:
    graph = network("light-decoder", 97, 131, **values)
    laterals = [node for node in graph.nodes if node.name.endswith("/lateral/convolution")]
    assert sorted(int(node.name.split("/")[0].removeprefix("decoder_stride_")) for node in laterals) == expected
    classifier = next(node for node in graph.nodes if node.name == "classifier/convolution")
    finest = expected[0] if expected else 8 if "output_stride" in values else 2
    assert classifier.shape.height == -(-97 // finest)


def test_classifying_before_resizing_gives_the_same_scores() -> None:
    """Which is why the classifier is where it costs least."""
    module = built("light-decoder", 97, 131).eval()
    seen = outputs(module, images(97, 131))
    large = functional.interpolate(seen["decoder_stride_4.mixing.Relu"], size=(97, 131), mode="bilinear")
    with torch.no_grad():
        scores = module.node_module("classifier/BiasAdd")(module.node_module("classifier/convolution")(large))
    torch.testing.assert_close(scores, seen["resize"])


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["head=light-decoder", "decoder_stride=16"], "decoder_stride: must be one of 2, 4, 8, but got '16'"),
        (["head=light-decoder", "decoder_channels=4"], "decoder_channels: must be 8 or more, but got '4'"),
        (
            ["head=context", "context=wide"],
            "context: must be one of none, pool, large-kernel, dilated, pool+large-kernel, ",
        ),
        (["head=context", "context_kernel=1"], "context_kernel: must be 3 or more, but got '1'"),
        (["head=context", "decoder_stride=4"], "decoder_stride: must be a parameter of head 'context', which has no"),
        (["head=light_decoder"], "head: must be one of context, fcn, fcn16s, fcn32s, fcn8s, light-decoder, but got"),
    ],
)
def test_refused_words(words: list[str], rule: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        arguments.candidate(NETWORK, words)
    assert str(caught.value).startswith(rule)


@pytest.fixture
def differing_heads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    other = Parameter(
        name="context_kernel", kind=int, default=3, space=(3,), minimum=1, maximum=9, part="head", help="k"
    )
    monkeypatch.setattr(heads.head("fcn8s"), "PARAMETERS", (other,))
    family.cache_clear()
    yield
    family.cache_clear()


@pytest.mark.usefixtures("differing_heads")
def test_heads_that_share_a_parameter_must_declare_it_alike() -> None:
    with pytest.raises(ValueError, match=r"context_kernel: must be declared once for all heads, but '.*' has its own"):
        family(NETWORK)


# --- plans


SEARCHED = {"head": ["fcn", "fcn8s", "light-decoder", "context"], "output_stride": [16, 32]}


def test_a_plan_of_several_heads_and_strides_measures_each_as_it_is_alone() -> None:
    asked = scenario.load("parking").changed(search_space=SEARCHED)
    found = plan(asked)
    # 4 widths x 2 endpoints x 2 strides, times 9 + 9 + (5 x 2 x 2 x 2) + (5 x 2) heads
    assert found.total == 16 * 68
    for planned in found.candidates[::97]:
        alone = count(planned.candidate.graph(classes=7, height=320, width=480)).total
        assert (planned.cost.ops, planned.params) == (alone.ops, alone.params)
    tables = Tables.of(found)
    assert tables.heads is not None
    for row in tables.heads.rows[::31]:
        values = {name: value for name, value in row.items() if name in asked.space and name != "classes"}
        one = Candidate.of(NETWORK, {**values, "depth_multiplier": 0.75})
        graph = one.graph(classes=row["classes"], height=320, width=480)
        assert row["ops_at_0.75"] == count(graph).part("head").ops
    assert [column.key for column in tables.stems.columns][:3] == [
        "depth_multiplier",
        "final_endpoint",
        "output_stride",
    ]
    assert len(tables.stems.rows) == 16


def test_a_plan_of_a_million_candidates_of_several_heads_lists_what_they_cost_alone() -> None:
    wide = {
        "depth_multiplier": {"from": 0.1, "to": 1, "step": 0.01},
        "decoder_channels": {"from": 8, "to": 256, "step": 8},
    }
    found = plan(scenario.load("parking").changed(search_space={**SEARCHED, **wide}))
    assert found.total == 91 * 2 * 2 * (9 + 9 + 32 * 2 * 2 * 2 + 32 * 2)
    for planned in [*found.candidates[::1999], found.smallest, found.lightest]:
        alone = measure(planned.demand.scenario, planned.candidate)
        assert (planned.required, planned.params, planned.peak_bytes) == (
            alone.required,
            alone.params,
            alone.peak_bytes,
        )


def test_inverse_answers_reach_the_numbers_of_every_head_and_no_choice() -> None:
    asked = scenario.load("parking").changed(search_space=SEARCHED)
    numbers = {
        "classifier_kernel",
        "classifier_depth",
        "decoder_channels",
        "detail_channels",
        "context_kernel",
        "depth_multiplier",
    }
    assert set(questions(asked)) == {"fps", "cameras", "size", "budget", *numbers}
    chosen = Candidate.of(NETWORK, {"depth_multiplier": 0.5, "head": "light-decoder", "decoder_channels": 32})
    (answer,) = solve(measure(asked, chosen), "decoder_channels")
    assert answer.answer is not None
    assert answer.beyond is not None
    assert answer.answer.planned.fits
    assert not answer.beyond.planned.fits
    assert answer.beyond.value - answer.answer.value == 8
    assert solve(measure(asked, Candidate.of(NETWORK, {})), "decoder_channels") == []


def test_a_space_counts_the_parameters_of_each_head_for_that_head_only() -> None:
    wide = {
        "classifier_depth": {"from": 1, "to": 2000, "step": 1},
        "decoder_channels": {"from": 8, "to": 1024, "step": 1},
    }
    asked = scenario.load("parking").changed(search_space={"head": ["fcn", "context"], **wide})
    assert sum(map(len, blocks(NETWORK, asked.space))) == 8 * (3 * 2000 + 2 * 1017)
    # 4 widths x 2 endpoints x 5 kernels x 65,536 depths for each head and output stride
    many = {"classifier_depth": {"from": 1, "to": 65536, "step": 1}, "classifier_kernel": [1, 3, 5, 7, 9]}
    asked.changed(search_space={**many, "head": ["fcn", "context"], "context_kernel": [3, 5, 7]})
    rule = "search_space: must hold 10,000,000 candidates or fewer, but got 10,485,760"
    with pytest.raises(BudgetnetError, match=rule):
        asked.changed(search_space={**many, "head": ["fcn", "fcn8s"], "output_stride": [16, 32]})


@pytest.mark.parametrize("head", ["fcn", "fcn16s", "fcn8s"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_scores_that_are_convolved_after_they_were_resized_start_as_those_that_are_not(head, scale):
    shared = {"head": head, "depth_multiplier": 0.1, "classifier_depth": 8, "input_scale": scale}
    plain, convolved = (
        build(
            Candidate.of("mobilenet-fcn", {**shared, "upsampling": how}).graph(classes=3, height=64, width=96), seed=0
        ).eval()
        for how in ("bilinear", "resize-convolution")
    )
    missing, more = convolved.load_state_dict(plain.state_dict(), strict=False)
    assert more == []
    assert {name.rpartition(".")[0] for name in missing} == {
        *(
            f"skip_stride_{stride}.resized.convolution"
            for stride in {"fcn": (), "fcn16s": (16,), "fcn8s": (16, 8)}[head]
        ),
        "resized.convolution",
    }
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    given, expected = convolved(images), plain(images)
    tolerance = 1e-5 if scale == 1 else 0.2  # a copy that is half as large is enlarged twice
    assert torch.allclose(given, expected, atol=tolerance)


def test_head_fcn32s_is_head_fcn():
    graphs = [
        Candidate.of("mobilenet-fcn", {"head": head}).graph(classes=3, height=64, width=96)
        for head in ("fcn", "fcn32s")
    ]
    assert graphs[0] == graphs[1]
