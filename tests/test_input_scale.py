"""A network that makes its image smaller, and heads that enlarge without weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from budgetnet import heads, ops, scenario
from budgetnet.build import GraphModule, build
from budgetnet.count import count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import Candidate, family
from budgetnet.ops import Shape, ShapeError
from budgetnet.plan import measure, plan
from budgetnet.plan.tables import Tables
from budgetnet.receptive import receptive_fields
from budgetnet.verify import verify_candidate

NETWORK = "mobilenet-fcn"
SCALES = family(NETWORK).parameter("input_scale").choices
FCN_HEADS = ("fcn", "fcn16s", "fcn8s")


def graph(height: int = 64, width: int = 96, **values: object) -> Graph:
    chosen = Candidate.of(NETWORK, {"depth_multiplier": 0.1, **values})
    return chosen.graph(classes=5, height=height, width=width)


def images(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height + width))


# --- the operator


@pytest.mark.parametrize(
    ("side", "scale", "expected"), [(480, 0.375, 180), (33, 0.5, 17), (35, 0.25, 9), (1, 0.25, 1), (97, 1.0, 97)]
)
def test_a_share_of_a_side_is_the_nearest_whole_number(side: int, scale: float, expected: int) -> None:
    assert ops.scaled(side, scale) == expected


def test_a_resize_takes_a_reference_or_a_scale() -> None:
    shape = Shape(channels=3, height=40, width=61)
    assert ops.Resize(scale=0.5).output_shape(shape) == Shape(channels=3, height=20, width=31)
    with pytest.raises(ShapeError, match="Resize takes one input, but got 2"):
        ops.Resize(scale=0.5).output_shape(shape, shape)
    with pytest.raises(ShapeError, match="Resize takes an input and a reference, but got 1 inputs"):
        ops.Resize().output_shape(shape)


def test_a_network_that_ends_by_a_scale_is_built() -> None:
    g = GraphBuilder()
    g.add("smaller", ops.Resize(scale=0.5), g.image(height=32, width=48))
    module = build(g.finish())
    given = images(32, 48)
    assert torch.equal(module(given), functional.interpolate(given, size=(16, 24), mode="bilinear"))
    assert torch.equal(module.coarse(given), module(given))
    assert module(images(33, 47)).shape == (2, 3, 17, 24)


# --- networks on a smaller copy of their image


@pytest.mark.parametrize("head", heads.names())
def test_at_half_the_sides_it_costs_what_it_does_on_images_of_that_size(head: str) -> None:
    small, scaled = count(graph(160, 240, head=head)), count(graph(320, 480, head=head, input_scale=0.5))
    assert scaled.total == small.total
    assert scaled.part("stem") == small.part("stem")


def test_at_full_scale_it_is_the_network_that_it_was() -> None:
    assert graph(input_scale=1.0) == graph()
    assert [node for node in graph().nodes if isinstance(node.op, ops.Resize)] == []


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("head", heads.names())
def test_scores_are_those_of_the_smaller_image_enlarged(head: str, scale: float) -> None:
    """By bilinear steps where the head ends by one too: then straight to full size, in one step instead of two."""
    height, width = 96, 160
    whole = build(graph(height, width, head=head, input_scale=scale), seed=1).eval()
    sides = int(height * scale), int(width * scale)
    small = build(graph(*(max(side, 32) for side in sides), head=head), seed=1).eval()
    small.load_state_dict(whole.state_dict())
    given = images(height, width)
    with torch.no_grad():
        seen = functional.interpolate(given, size=sides, mode="bilinear")
        wanted = functional.interpolate(small.coarse(seen), size=(height, width), mode="bilinear")
        torch.testing.assert_close(whole(given), wanted)


@settings(max_examples=30)
@given(
    height=st.integers(32, 120),
    width=st.integers(32, 120),
    scale=st.sampled_from(SCALES),
    head=st.sampled_from(heads.names()),
)
def test_any_size_is_counted_as_fvcore_does_and_comes_back(height: int, width: int, scale: float, head: str) -> None:
    chosen = Candidate.of(NETWORK, {"depth_multiplier": 0.1, "head": head, "input_scale": scale})
    assert verify_candidate(chosen, classes=3, height=height, width=width).differences == ()


def test_a_cell_of_the_deepest_map_spans_more_of_the_image() -> None:
    whole, half = (receptive_fields(graph(320, 480, input_scale=scale)) for scale in (1.0, 0.5))
    deepest = "MobilenetV1/Conv2d_13_pointwise/Relu6"
    assert half[deepest].stride == 2 * whole[deepest].stride
    assert half[deepest].pixels > whole[deepest].pixels


# --- heads that enlarge without weights


@pytest.mark.parametrize("head", FCN_HEADS)
def test_bilinear_upsampling_costs_nothing(head: str) -> None:
    learnt, bilinear = graph(head=head), graph(head=head, upsampling="bilinear")
    learning = [layer.cost.ops for layer in count(learnt).layers if layer.node.name.endswith("upsampler")]
    assert learning
    assert count(learnt).total.ops - count(bilinear).total.ops == sum(learning)
    assert not [node for node in bilinear.nodes if isinstance(node.op, ops.ConvTranspose2d | ops.Crop)]


@pytest.mark.parametrize("head", FCN_HEADS)
def test_bilinear_upsampling_is_trained_on_its_coarse_scores(head: str) -> None:
    module = build(graph(97, 131, head=head, upsampling="bilinear"), seed=1)
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    coarse = module.coarse(images(97, 131))
    assert coarse.shape[-1] < 131
    functional.cross_entropy(module(images(97, 131)), torch.randint(5, (2, 97, 131))).backward()
    assert [name for name, each in module.named_parameters() if each.grad is None] == []
    assert isinstance(module, GraphModule)


# --- scenarios and plans


def test_a_scenario_searches_both() -> None:
    space = {"input_scale": [0.5, 0.75, 1], "upsampling": ["transposed", "bilinear"]}
    usual = plan(scenario.load("urban"))
    found = plan(scenario.load("urban").changed(search_space=space))
    assert found.total == 6 * usual.total
    assert found.fit > usual.fit
    label = next(each.label for each in found.candidates if each.candidate.parameters["input_scale"] == 0.5)
    assert " / input_scale=0.5" in label
    for planned in found.candidates[::41]:
        alone = measure(found.scenario, planned.candidate)
        assert (planned.required, planned.params, planned.peak_bytes) == (
            alone.required,
            alone.params,
            alone.peak_bytes,
        )
    assert {"input_scale", "upsampling"} <= {column.key for column in Tables.of(found).candidates.columns}
    assert {"input_scale", "upsampling"}.isdisjoint(column.key for column in Tables.of(usual).candidates.columns)


@pytest.mark.parametrize(
    ("space", "rule"),
    [
        ({"input_scale": 0.3}, "search_space.input_scale: must be one of 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1"),
        ({"input_scale": 2}, "search_space.input_scale: must be one of 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1"),
        (
            {"upsampling": "nearest"},
            "search_space.upsampling: must be one of transposed, bilinear, resize-convolution, but got 'nearest'",
        ),
    ],
)
def test_others_are_refused(space: dict[str, object], rule: str) -> None:
    with pytest.raises(BudgetnetError, match=rule):
        scenario.load("urban").changed(search_space=space)
