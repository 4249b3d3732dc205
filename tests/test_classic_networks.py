"""Classic networks against what is published of them: operations, parameters, receptive fields, and how they are put
together.
"""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional

from budgetnet import arguments, formats, graph_record, networks, ops
from budgetnet.build import build
from budgetnet.comparing import slug
from budgetnet.count import Cost, count
from budgetnet.evaluating import run_evaluation
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.grid import blocks, count_block
from budgetnet.networks import Candidate, enet, family, mobilenet_fcn, vgg_fcn
from budgetnet.plan import plan
from budgetnet.plan import report as plan_report
from budgetnet.plan.feasible import Feasible
from budgetnet.receptive import receptive_fields
from budgetnet.scenario import InputSize, Scenario
from budgetnet.searching import Request, run_search
from budgetnet.summary import summarise
from budgetnet.verify import verify_candidate

MEMBERS = [(name, candidate) for key in networks.names() for name, candidate in family(key).members.items()]


def narrow(candidate: Candidate, **more: object) -> Candidate:
    """The same network with few channels, to be trained in no time."""
    known = {parameter.name for parameter in family(candidate.network).parameters}
    slim = {"depth_multiplier": 0.125, "base_width": 4, "classifier_depth": 16}
    return Candidate.of(
        candidate.network, {**candidate.parameters, **{k: v for k, v in slim.items() if k in known}, **more}
    )


# --- what every network keeps


@pytest.mark.parametrize(("name", "candidate"), MEMBERS, ids=[name for name, _ in MEMBERS])
def test_a_network_that_people_know_counts_builds_and_keeps_odd_sizes(name, candidate):
    slim = narrow(candidate)
    for height, width in ((45, 67), (32, 33), (64, 101)):
        assert verify_candidate(slim, classes=3, height=height, width=width).agrees
        module = build(slim.graph(classes=3, height=height, width=width), seed=0).eval()
        assert module(torch.zeros(1, 3, height, width)).shape == (1, 3, height, width)


@pytest.mark.parametrize(("name", "candidate"), MEMBERS, ids=[name for name, _ in MEMBERS])
def test_gradients_reach_every_parameter(name, candidate):
    module = build(narrow(candidate).graph(classes=3, height=65, width=97), seed=0)
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    module(torch.rand(2, 3, 65, 97, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    without = [name for name, each in module.named_parameters() if each.grad is None or not each.grad.any()]
    assert without == []


@pytest.mark.parametrize(("name", "candidate"), MEMBERS, ids=[name for name, _ in MEMBERS])
def test_it_goes_to_json_and_back_and_its_label_names_it(name, candidate):
    stored = json.loads(json.dumps({"network": candidate.network, "parameters": candidate.parameters}))
    assert Candidate.of(stored["network"], stored["parameters"]) == candidate
    asked = Scenario(
        name=slug(name),
        cameras=1,
        fps=1,
        budget_gops=1,
        classes=3,
        input=InputSize(height=45, width=67),
        network=candidate.network,
    )
    assert arguments.choice(asked, candidate.label) == [candidate]
    graph = candidate.graph(classes=3, height=45, width=67)
    assert graph_record.graph_of(json.loads(json.dumps(graph_record.record(graph)))) == graph


MORE = {
    "vgg-fcn": {"form": ["published", "compact"]},
    "unet": {"depth": [1, 5], "upsampling": ["transposed", "bilinear"]},
    "skipnet-mobilenet": {"upsampling": ["transposed", "bilinear", "resize-convolution"]},
    "mobilenet-fcn": {"head": ["fcn8s"], "upsampling": ["resize-convolution"], "classifier_depth": [16, 64]},
    "deeplab-mobilenet-v2": {"depth_multiplier": [0.1, 0.35, 1.0, 1.3], "output_stride": [8, 16, 32]},
    "erfnet": {"depth_multiplier": [0.01, 0.0625, 0.3, 1.0]},
    "fcn-resnet18": {"depth_multiplier": [0.01, 0.3, 1.0]},
}


@pytest.mark.parametrize(("key", "space"), [*((key, {}) for key in networks.names()), *MORE.items()])
def test_a_grid_counts_as_its_points_do(key, space):
    for block in blocks(key, space):
        grid = count_block(block, sizes=[(45, 67), (64, 96)], classes=[2, 11])
        for place in np.ndindex(grid.shape):
            index = int(np.ravel_multi_index(place[:-2], block.shape)) if block.shape else 0
            height, width = [(45, 67), (64, 96)][place[-2]]
            single = count(block.candidate(index).graph(classes=[2, 11][place[-1]], height=height, width=width)).total
            assert grid.full(grid.count.total.ops)[place] == single.ops
            assert grid.full(grid.count.total.params)[place] == single.params


# --- published figures


def cost(key: str, height: int, width: int, classes: int, **parameters: object) -> Cost:
    return count(Candidate.of(key, parameters).graph(classes=classes, height=height, width=width)).total


def test_vgg_16s_convolutions_have_the_counts_that_everybody_knows():
    graph = Candidate.of("vgg-fcn", {"form": "compact"}).graph(classes=21, height=224, width=224)
    stem = count(graph).part("stem")
    assert (stem.macs, stem.params) == (15_346_630_656, 14_714_688)


@pytest.mark.parametrize("skips", ["fcn32s", "fcn16s", "fcn8s"])
def test_fcn_on_vgg_16_is_the_published_one(skips):
    graph = Candidate.of("vgg-fcn", {"skips": skips}).graph(classes=21, height=500, width=500)
    counted = count(graph)
    own = {layer.name: layer.cost.params for layer in counted.layers}
    # fc6 and fc7 are the classifier's: 25,088 x 4,096 and 4,096 x 4,096 weights
    assert own["fc6/convolution"] + own["fc6/BiasAdd"] == 102_764_544
    assert own["fc7/convolution"] + own["fc7/BiasAdd"] == 16_781_312
    assert round(counted.total.params / 1e6) == {"fcn32s": 136, "fcn16s": 135, "fcn8s": 134}[skips]
    assert round((14_714_688 + 102_764_544 + 16_781_312) / 1e6) == 134  # as published, without what makes the scores
    seen = receptive_fields(graph)["fc7/convolution"]
    assert (seen.pixels, seen.stride) == (404, 32)


@pytest.mark.parametrize(("skips", "offsets"), [("fcn32s", [19]), ("fcn16s", [5, 27]), ("fcn8s", [5, 9, 31])])
def test_fcns_crops_begin_where_the_authors_have_them(skips, offsets):
    graph = Candidate.of("vgg-fcn", {"skips": skips}).graph(classes=21, height=123, width=77)
    assert [node.op.offset for node in graph.nodes if isinstance(node.op, ops.Crop)] == offsets
    up = [(node.op.kernel, node.op.stride) for node in graph.nodes if isinstance(node.op, ops.ConvTranspose2d)]
    assert up == {"fcn32s": [(64, 32)], "fcn16s": [(4, 2), (32, 16)], "fcn8s": [(4, 2), (4, 2), (16, 8)]}[skips]
    assert graph.nodes[1].op == ops.Conv2d(channels=64, kernel=3, padding=100)


@pytest.mark.parametrize("height", [*range(32, 72), 224, 360, 500])
def test_fcn_takes_any_size(height):
    for skips in vgg_fcn.SKIPS:
        for form in ("published", "compact"):
            candidate = Candidate.of("vgg-fcn", {"skips": skips, "form": form})
            assert candidate.graph(classes=5, height=height, width=600 - height).output.shape.height == height


def test_the_compact_fcn_scales_its_skips():
    graph = Candidate.of("vgg-fcn", {"form": "compact"}).graph(classes=5, height=64, width=64)
    factors = {node.inputs[0]: node.op.factor for node in graph.nodes if isinstance(node.op, ops.Scale)}
    assert factors == {"pool4": 0.01, "pool3": 0.0001}
    assert not [node for node in graph.nodes if node.name.startswith("fc")]


def test_unet_is_figure_1():
    graph = Candidate.of("unet", {}).graph(classes=2, height=572, width=572)
    layers = count(graph).layers
    norms = sum(layer.cost.params for layer in layers if layer.op == "BatchNorm2d")
    first = next(layer.cost.params for layer in layers if layer.op == "Conv2d")
    # biases in place of batch norm's two numbers, one channel in instead of three
    assert count(graph).total.params - norms // 2 - first * 2 // 3 == 31_030_658
    assert count(graph).total.params == by_hand(64, 4, classes=2)
    convolutions = [node.op for node in graph.nodes if isinstance(node.op, ops.Conv2d)]
    assert [op.channels for op in convolutions] == [
        *(width for level in range(5) for width in [64 * 2**level] * 2),
        *(width for level in range(3, -1, -1) for width in [64 * 2**level] * 2),
        2,
    ]


def by_hand(width: int, depth: int, classes: int) -> int:
    """Parameters of a U-Net with batch norm, written down level by level."""
    total, given = 0, 3
    widths = [width * 2**level for level in range(depth + 1)]
    for wide in widths:
        total += 9 * given * wide + 9 * wide * wide + 4 * wide
        given = wide
    for wide in reversed(widths[:-1]):
        total += 4 * 2 * wide * wide + wide + 9 * 2 * wide * wide + 9 * wide * wide + 4 * wide
    return total + width * classes + classes


@pytest.mark.parametrize(
    ("key", "gflops", "millions", "near"),
    # Paszke et al., arXiv:1606.02147, table II: a 640 x 360 image; how they counted is not said, so within so much
    [("segnet", 286.03, 29.46, 0.01), ("enet", 3.83, 0.37, 0.11)],
)
def test_segnet_and_enet_against_their_published_figures(key, gflops, millions, near):
    found = cost(key, 360, 640, classes=20)
    assert found.ops / 1e9 == pytest.approx(gflops, rel=near)
    assert found.params / 1e6 == pytest.approx(millions, rel=0.02)


def test_skipnet_mobilenet_against_its_published_figure():
    """640 x 360: the authors, github.com/MSiam/TFSegmentation, issue 20."""
    assert cost("skipnet-mobilenet", 360, 640, classes=20).ops / 1e9 == pytest.approx(6.2, rel=0.02)


def test_enet_has_the_layers_of_its_table():
    """Output sizes of table I, for a 512 x 512 image."""
    shapes = {
        node.name: (node.shape.channels, node.shape.height)
        for node in Candidate.of("enet", {}).graph(classes=20, height=512, width=512).nodes
    }
    ends = {"initial/PRelu": (16, 256), "bottleneck1_0/activation": (64, 128), "bottleneck1_4/activation": (64, 128)}
    ends |= {f"bottleneck{section}_{number}/activation": (128, 64) for section in (2, 3) for number in range(1, 9)}
    ends |= {"bottleneck4_2/activation": (64, 128), "bottleneck5_1/activation": (16, 256), "fullconv/crop": (20, 512)}
    assert {name: shapes[name] for name in ends} == ends
    assert enet.SECTION[4] == ("regular", 1)


def test_segnet_mirrors_its_encoder():
    graph = Candidate.of("segnet", {}).graph(classes=11, height=360, width=480)
    channels = [node.op.channels for node in graph.nodes if isinstance(node.op, ops.Conv2d)]
    encoder = [wide for block in vgg_fcn.BLOCKS for wide in block]
    assert channels == [*encoder, *reversed([encoder[0], *encoder[:-1]][1:]), 11]
    assert len(channels) == 26


def test_skipnet_is_fcn_8s_without_the_labs_context_layers():
    plain = Candidate.of("skipnet-mobilenet", {}).graph(classes=7, height=320, width=480)
    lab = Candidate.of("mobilenet-fcn", {"head": "fcn8s"}).graph(classes=7, height=320, width=480)
    after = [
        (node.name, node.op) for node in lab.nodes if node.part == "head" and "conv" not in node.name.split("/")[0]
    ]
    assert [(node.name, node.op) for node in plain.nodes if node.part == "head"][2:] == after
    assert count(plain).part("stem") == count(lab).part("stem")
    assert [node.name for node in plain.nodes if node.part == "stem"] == [
        node.name for node in lab.nodes if node.part == "stem"
    ]
    assert mobilenet_fcn.ENDPOINTS[-1] == "Conv2d_13_pointwise"


# --- pieces that others do not have


def alone(add: Callable[[GraphBuilder, str], str], height: int = 12, width: int = 20, channels: int = 16) -> Graph:
    g = GraphBuilder()
    add(g, g.image(height=height, width=width, channels=channels))
    return g.finish()


def test_enets_transposed_convolution_is_that_of_the_authors():
    """3 x 3 of stride 2 with padding 1 and one row more at the end: torch's output_padding."""
    graph = Candidate.of("enet", {}).graph(classes=3, height=64, width=64)
    module = build(graph, seed=0).eval()
    branch = module.node_module("bottleneck4_0/main/upsampler")
    x = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = branch(x)[..., 1:17, 1:17]
    theirs = functional.conv_transpose2d(x, branch.weight, stride=2, padding=1, output_padding=1)
    assert torch.allclose(ours, theirs, atol=1e-6)


# --- every tool takes them


SPACES = {
    "deeplab-mobilenet-v2": {"depth_multiplier": [0.25], "output_stride": [16, 32]},
    "enet": {"depth_multiplier": [0.25, 0.5]},
    "erfnet": {"depth_multiplier": [0.25, 0.5]},
    "fcn-resnet18": {"depth_multiplier": [0.125, 0.25]},
    "mobilenet-fcn": {
        "depth_multiplier": [0.25],
        "final_endpoint": ["Conv2d_11_pointwise"],
        "classifier_kernel": [3],
        "classifier_depth": [16, 32],
    },
    "segnet": {"depth_multiplier": [0.0625, 0.125]},
    "skipnet-mobilenet": {"depth_multiplier": [0.25, 0.5]},
    "unet": {"base_width": [4, 8], "depth": [2]},
    "vgg-fcn": {"depth_multiplier": [0.0625], "form": ["compact"], "skips": ["fcn16s", "fcn8s"]},
}


def test_every_family_has_a_space_here():
    assert sorted(SPACES) == sorted(networks.names())


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Scenario:
    return Scenario(
        name="small",
        cameras=1,
        fps=10,
        budget_gops=1000,
        classes=7,
        input=InputSize(height=64, width=96),
        network=request.param,
        search_space=SPACES[request.param],
        dataset="synthetic:train=4,val=2",
        training={"epochs": 1, "batch_size": 4},
    )


@pytest.mark.parametrize("asked", sorted(SPACES), indirect=True)
def test_it_is_planned(asked):
    made = plan(asked)
    assert (made.total, made.fit) == (2, 2)
    told = formats.files(plan_report.report(made), "markdown", "csv", "json", "xlsx")
    assert made.candidates[0].label in told["plan.md"].decode()
    assert len(Feasible(asked)) == 2
    assert (
        summarise(made.candidates[0].candidate.graph(classes=7, height=64, width=96)).total == made.candidates[0].cost
    )


@pytest.mark.slow
@pytest.mark.parametrize("asked", sorted(SPACES), indirect=True)
def test_it_is_searched_reported_and_evaluated(asked, tmp_path):
    request = Request(folder=tmp_path, trials=2)
    outcome = run_search(plan(asked), request, screen=Console(quiet=True))
    assert [trial.status for trial in outcome.trials] == ["done", "done"]
    assert all(trial.result.fvcore_macs == trial.result.macs for trial in outcome.trials)
    assert outcome.trials[0].candidate.label.split(" / ")[0] in (tmp_path / "search.md").read_text()
    done = run_evaluation(tmp_path / "runs" / "0000", output=tmp_path / "evaluated")
    assert done.written
