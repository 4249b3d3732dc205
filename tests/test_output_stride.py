"""A stem of smaller output stride: the same weights on finer maps, and the same features where both have them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from budgetnet import scenario
from budgetnet.build import GraphModule, build
from budgetnet.count import count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.ops import Conv2d
from budgetnet.plan import measure, plan
from budgetnet.plan.inputs import inputs
from budgetnet.plan.tables import Tables
from budgetnet.receptive import receptive_fields
from budgetnet.verify import verify_candidate

WIDTH = 0.1


def graph(output_stride: int, height: int = 64, width: int = 96, **values: object) -> Graph:
    chosen = {"depth_multiplier": WIDTH, "classifier_depth": 8, "output_stride": output_stride, **values}
    return Candidate.of("mobilenet-fcn", chosen).graph(classes=3, height=height, width=width)  # type: ignore[arg-type]


def features(module: GraphModule, images: torch.Tensor) -> torch.Tensor:
    """What the stem hands to the head."""
    seen: list[torch.Tensor] = []
    last = module.node_module(f"MobilenetV1/{mobilenet_fcn.ENDPOINTS[-1]}/Relu6")
    hook = last.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    with torch.no_grad():
        module(images)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize(("output_stride", "strides"), [(32, [2, 4, 8, 16, 32]), (16, [2, 4, 8, 16]), (8, [2, 4, 8])])
def test_stem_stops_at_its_output_stride_and_taps_the_last_map_of_each(output_stride: int, strides: list[int]) -> None:
    _, stem = mobilenet_fcn._stem(1.0, "Conv2d_13_pointwise", output_stride, 320, 480)
    assert (stem.stride, list(stem.taps)) == (output_stride, strides)
    assert stem.taps[output_stride] == stem.features == "MobilenetV1/Conv2d_13_pointwise/Relu6"
    found = receptive_fields(graph(output_stride))
    assert [found[name].stride for name in stem.taps.values()] == strides


@pytest.mark.parametrize(
    ("output_stride", "dilations"),
    [(32, [1] * 13), (16, [1] * 12 + [2]), (8, [1] * 6 + [2] * 6 + [4])],
    # by hand: Conv2d_12 loses its stride at 16, so Conv2d_13 is dilated by 2; at 8 Conv2d_6 loses its own as well, so
    # Conv2d_7 to Conv2d_12 are dilated by 2 and Conv2d_13 by 4
)
def test_layers_after_a_removed_stride_are_dilated(output_stride: int, dilations: list[int]) -> None:
    nodes = graph(output_stride).nodes
    spatial = [node.op for node in nodes if node.name.endswith("_depthwise/depthwise")]
    assert [op.dilation for op in spatial if isinstance(op, Conv2d)] == dilations


@pytest.mark.parametrize("endpoint", mobilenet_fcn.ENDPOINTS)
@pytest.mark.parametrize("output_stride", [8, 16])
def test_counts_equal_fvcores_at_every_endpoint(endpoint: str, output_stride: int) -> None:
    values = {"depth_multiplier": WIDTH, "final_endpoint": endpoint, "classifier_depth": 8}
    candidate = Candidate.of("mobilenet-fcn", {**values, "output_stride": output_stride})
    assert verify_candidate(candidate, classes=3, height=97, width=131).differences == ()


def test_operations_of_the_deep_layers_grow_with_the_maps() -> None:
    # 320 x 480, depth multiplier 1: at stride 16 the maps of Conv2d_12 (its pointwise part) and Conv2d_13 have 20 x 30
    # cells instead of 10 x 15; so has the depthwise part of Conv2d_12. MACs per cell: 9 * 512 + 512 * 1024 and
    # 9 * 1024 + 1024 * 1024, so 450 further cells take 450 * (528,896 + 1,057,792) = 714,009,600 more.
    usual, finer = (
        count(Candidate.of("mobilenet-fcn", {"output_stride": stride}).graph(classes=11, height=320, width=480)).part(
            "stem"
        )
        for stride in (32, 16)
    )
    assert finer.macs - usual.macs == 714_009_600
    assert finer.params == usual.params


@settings(max_examples=8)
@given(height=st.integers(32, 120), width=st.integers(32, 120), output_stride=st.sampled_from([8, 16]))
def test_weights_are_the_same_and_so_are_the_features_at_shared_places(
    height: int, width: int, output_stride: int
) -> None:
    usual, finer = (build(graph(stride, height, width), seed=1).eval() for stride in (32, output_stride))
    shared = {name: each for name, each in usual.state_dict().items() if name != "upsampler.weight"}
    assert {name: each.shape for name, each in finer.state_dict().items() if name in shared} == {
        name: each.shape for name, each in shared.items()
    }
    generator = torch.Generator().manual_seed(height * width)
    for module in usual.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.01, 0.1, generator=generator)  # type: ignore[union-attr]
    finer.load_state_dict(usual.state_dict() | {"upsampler.weight": finer.node_module("upsampler").weight})
    images = torch.rand(1, 3, height, width, generator=generator)
    coarse, fine = features(usual, images), features(finer, images)
    assert coarse.std() > 0
    rows, columns = (_places(side, output_stride) for side in (height, width))
    torch.testing.assert_close(fine[:, :, rows][..., columns], coarse, rtol=1e-4, atol=1e-5)


def _places(side: int, output_stride: int) -> list[int]:
    """Where on the finer map the cells of stride 32 lie, by the rule that the network's docstring states."""
    place, step, stride = 0, 1, output_stride
    while stride < 32:
        even = -(-side // stride) % 2 == 0
        place, step, stride = place + (step if even else 0), 2 * step, 2 * stride
    return list(range(place, -(-side // output_stride), step))


def test_a_scenario_may_search_output_strides() -> None:
    asked = scenario.load("parking").changed(search_space={"output_stride": [16, 32]})
    found = plan(asked)
    assert found.total == 144
    assert sum(planned.candidate.parameters["output_stride"] == 32 for planned in found.fitting) == 33
    assert any(planned.label.endswith(" / output_stride=16") for planned in found.candidates)


@pytest.mark.parametrize(
    ("value", "rule"),
    [(12, "must be one of 8, 16, 32"), (16.0, "must be a whole number"), ("16", "must be a whole number")],
)
def test_a_scenario_with_another_output_stride_is_refused(value: object, rule: str) -> None:
    with pytest.raises(BudgetnetError, match=rule):
        scenario.load("parking").changed(search_space={"output_stride": [value]})


def test_an_output_stride_has_no_range() -> None:
    with pytest.raises(BudgetnetError, match="must be a value or a list of them, as it has no range"):
        scenario.load("parking").changed(search_space={"output_stride": {"from": 8, "to": 16, "step": 8}})


def test_plans_tell_output_strides_only_where_one_is_not_the_default() -> None:
    usual = plan(scenario.load("parking"))
    assert "output_stride" not in {column.key for column in Tables.of(usual).candidates.columns}
    named = measure(usual.scenario, Candidate.of("mobilenet-fcn", {"output_stride": 16}))
    (table,) = [Tables.of(usual, [named]).named]
    assert table is not None
    assert "output_stride" in {column.key for column in table.columns}
    several = plan(usual.scenario.changed(search_space={"output_stride": [16, 32]}))
    assert "output_stride" in {column.key for column in Tables.of(several).candidates.columns}
    label = next(each for each in inputs(several) if each.name == "largest")
    assert label.value == several.candidates[0].label
    assert label.formula is not None
    assert '=32,""," / output_stride="&INDEX(' in label.formula
    assert "output_stride" not in str(next(each for each in inputs(usual) if each.name == "largest").formula)
