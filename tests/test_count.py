"""The analytic count: published totals, whole grids against single networks, and no operator without a rule."""

import random

import numpy as np
import pytest

from budgetnet import count as counting
from budgetnet import ops
from budgetnet.count import count
from budgetnet.graph import GraphBuilder
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.ops import NoRuleError


@pytest.mark.parametrize(
    ("width", "side", "macs", "params"),
    [(1.0, 224, 567_716_352, 3_185_088), (0.75, 128, 106_002_432, 1_800_144)],
)
def test_stem_hits_the_totals_of_the_mobilenet_paper(width, side, macs, params):
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": width}).graph(classes=7, height=side, width=side)
    convolutions = [layer for layer in count(graph).layers if layer.node.part == "stem" and layer.op == "Conv2d"]
    assert sum(layer.cost.macs for layer in convolutions) == macs
    assert sum(layer.cost.params for layer in convolutions) == params


def test_parts_and_layers_add_up_to_the_total():
    counted = count(Candidate.of("mobilenet-fcn", {}).graph(classes=5, height=100, width=75))
    stem, head = counted.part("stem"), counted.part("head")
    assert (stem.macs + head.macs, stem.params + head.params) == (counted.total.macs, counted.total.params)
    assert sum(layer.cost.ops for layer in counted.layers) == counted.total.ops
    assert counted.total.ops == 2 * counted.total.macs + counted.total.bias_adds


def test_a_grid_is_counted_to_the_last_operation_as_its_points_are():
    multipliers = np.array([0.1, 0.25, 0.29, 0.5, 1.0, 1.4]).reshape(-1, 1, 1, 1)
    kernels = np.array([1, 2, 7]).reshape(-1, 1, 1)
    depths = np.array([3, 1024]).reshape(-1, 1)
    heights = np.array([32, 33, 97, 320])
    for endpoint in ("Conv2d_0", "Conv2d_5_pointwise", "Conv2d_13_pointwise"):
        grid = count(
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
        ).total
        shape = np.broadcast_shapes(multipliers.shape, kernels.shape, depths.shape, heights.shape)
        ops_, params = np.broadcast_to(grid.ops, shape), np.broadcast_to(grid.params, shape)
        for m, k, d, h in np.ndindex(*shape):
            values = {
                "depth_multiplier": float(multipliers[m, 0, 0, 0]),
                "final_endpoint": endpoint,
                "classifier_kernel": int(kernels[k, 0, 0]),
                "classifier_depth": int(depths[d, 0]),
            }
            graph = Candidate.of("mobilenet-fcn", values).graph(classes=7, height=int(heights[h]), width=75)
            single = count(graph).total
            assert (ops_[m, k, d, h], params[m, k, d, h]) == (single.ops, single.params)


def test_channels_are_cut_down_and_never_fewer_than_eight():
    for _ in range(50):
        multiplier = random.Random(_).uniform(0.01, 2.0)
        graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": multiplier}).graph(classes=2, height=32, width=32)
        channels = [node.shape.channels for node in graph.nodes if node.name.endswith("/convolution")][:14]
        full = [row[2] for row in mobilenet_fcn.ROWS]
        assert channels == [max(int(c * multiplier), 8) for c in full]


@pytest.mark.parametrize("stride", [1, 2, 8, 32])
@pytest.mark.parametrize("groups", [1, 4])
def test_transposed_convolution_counts_its_effective_operations(stride, groups):
    g = GraphBuilder()
    image = g.image(height=5, width=7, channels=8)
    g.add("up", ops.ConvTranspose2d(channels=12, kernel=2 * stride, stride=stride, groups=groups), image)
    layer = count(g.finish()).layers[-1]
    assert layer.cost.macs == 5 * 7 * (2 * stride) ** 2 * 8 * 12 // groups
    assert layer.cost.params == (2 * stride) ** 2 * 8 * 12 // groups


def test_an_operator_without_a_rule_is_an_error_that_names_it(monkeypatch):
    monkeypatch.delitem(counting.RULES, ops.Crop)
    graph = Candidate.of("mobilenet-fcn", {}).graph(classes=7, height=64, width=64)
    with pytest.raises(NoRuleError, match="Crop has no counting rule \\(node 'crop'\\)"):
        count(graph)


def test_every_operator_has_a_rule():
    assert set(counting.RULES) == set(ops.OPERATORS)
