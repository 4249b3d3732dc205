"""Emitted models: what torch computes, in ONNX Runtime and OpenVINO, in every form, for every network there is."""

import numpy as np
import onnx
import pytest
import torch
from deployed import (
    computed_by_openvino,
    floats,
    headed,
    images,
    members,
    module,
    run,
    session,
    slim,
    torch_run,
    weights,
)
from test_build import every_operator

from budgetnet import ops
from budgetnet.deploy import rules
from budgetnet.deploy.emit import emit, named
from budgetnet.deploy.verifying import Agreement, require
from budgetnet.deploy.writer import Form, fix_batch
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.networks import Candidate
from budgetnet.ops import NoRuleError
from budgetnet.training.samples import Scaling

SMALL = slim(Candidate.of("mobilenet-fcn", {"head": "light-decoder"}))
SCALING = Scaling(mean=(0.41, 0.39, 0.5), std=(0.3, 0.25, 0.5))
PAIR = (SCALING.mean, SCALING.std)


def graph_of(candidate: Candidate = SMALL, height: int = 45, width: int = 67) -> Graph:
    return candidate.graph(classes=7, height=height, width=width)


def close(graph: Graph, batch: int = 2, form: Form = Form()) -> None:  # noqa: B008 (frozen)
    """Torch and ONNX Runtime agree on scores that are not all the same."""
    model = module(graph)
    made = emit(graph, weights(model), form)
    onnx.checker.check_model(made, full_check=True)
    given = floats(batch, graph.input.shape.height, graph.input.shape.width)
    expected, found = torch_run(model, given), run(made, given)
    assert expected.shape == found.shape
    assert expected.std() > 1e-3
    assert np.abs(expected - found).max() < 1e-4


# --- what torch computes


@pytest.mark.parametrize(("height", "width"), [(45, 67), (64, 101), (32, 33)])
@pytest.mark.parametrize("name", members())
def test_every_network_gives_what_torch_gives_at_odd_sizes(name, height, width):
    close(members()[name].graph(classes=7, height=height, width=width))


@pytest.mark.parametrize("name", headed())
def test_every_head_gives_what_torch_gives_at_an_odd_size(name):
    close(headed()[name].graph(classes=5, height=61, width=93))


TRANSPOSED = [name for name in headed() if "transposed" in name]


@pytest.mark.parametrize("name", [*TRANSPOSED, "U-Net", "ENet", "SkipNet-MobileNet", "FCN-8s VGG-16"])
def test_the_sub_pixel_form_gives_the_same_scores(name):
    graph = {**headed(), **members()}[name].graph(classes=7, height=61, width=93)
    made = emit(graph, weights(module(graph)), Form(sub_pixel=True))
    kinds = [node.op_type for node in made.graph.node]
    assert "DepthToSpace" in kinds
    assert ("ConvTranspose" in kinds) is (name == "ENet")  # whose kernels of 3 are no multiple of their stride
    close(graph, form=Form(sub_pixel=True))


@pytest.mark.parametrize("scale", [0.5, 0.75])
def test_images_that_are_made_smaller_first(scale):
    close(
        Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.125, "input_scale": scale}).graph(
            classes=3, height=90, width=131
        )
    )


def test_every_operator_has_its_turn():
    graph = every_operator()
    assert {type(node.op) for node in graph.nodes} >= set(rules.RULES)
    close(graph)


def test_a_graph_of_nothing_but_the_image():
    g = GraphBuilder()
    g.image(height=32, width=40)
    given = floats(2, 32, 40)
    assert (run(emit(g.finish(), {}), given) == given).all()


def test_any_number_of_images_at_once():
    graph = graph_of()
    model = module(graph)
    running = session(emit(graph, weights(model)))
    given = floats(5, 45, 67)
    together = running.run(None, {"images": given})[0]
    for number in range(5):
        (alone,) = running.run(None, {"images": given[number : number + 1]})
        assert np.abs(alone[0] - together[number]).max() < 1e-5


def test_a_fixed_number_of_images_at_once():
    graph = graph_of()
    known = weights(module(graph))
    free, fixed = emit(graph, known), emit(graph, known, Form(batch=3))
    assert session(fixed).get_inputs()[0].shape == [3, 3, 45, 67]
    assert fix_batch(free, 3) == fixed
    assert session(free).get_inputs()[0].shape == ["batch", 3, 45, 67]
    with pytest.raises(Exception, match="Got invalid dimensions"):
        run(fixed, floats(2, 45, 67))
    assert run(fixed, floats(3, 45, 67)).shape == (3, 7, 45, 67)


# --- names, folding, bytes


def test_nodes_are_called_as_in_the_graph():
    graph = graph_of()
    made = emit(graph, weights(module(graph)))
    kinds = {node.op_type for node in made.graph.node}
    assert "BatchNormalization" not in kinds
    known = {node.name for node in graph.nodes}
    convolutions = [node.name for node in made.graph.node if node.op_type == "Conv"]
    assert convolutions == [node.name for node in graph.nodes if isinstance(node.op, ops.Conv2d)]
    for node in made.graph.node:
        assert node.name in known or node.name.rpartition("/")[0] in known or node.name == "scores"
        assert node.output[-1] == node.name
    kept = {each.name for each in made.graph.initializer}
    assert not [name for name in kept if "BatchNorm" in name or "running" in name]


def test_the_same_graph_and_weights_give_the_same_bytes():
    graph = graph_of()
    model = module(graph)
    facts = {"b": "1", "a": "2"}
    first, second = (named(emit(graph, weights(model), Form(scaling=PAIR)), facts) for _ in range(2))
    assert first == second
    read = onnx.load_model_from_string(first)
    assert {entry.key: entry.value for entry in read.metadata_props} == facts


def test_an_operator_without_an_onnx_rule_is_named(monkeypatch):
    monkeypatch.delitem(rules.RULES, ops.Resize)
    graph = graph_of()
    with pytest.raises(NoRuleError, match=r"^Resize has no ONNX rule \(node 'context/pool/resize'\)$"):
        emit(graph, weights(module(graph)))


# --- forms


@pytest.mark.parametrize("std", [(1.0, 1.0, 1.0), SCALING.std])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_scaling_inside_is_scaling_outside_exactly(precision, std):
    scaling = Scaling(mean=SCALING.mean, std=std)
    graph = graph_of()
    known, given = weights(module(graph)), images(2, 45, 67)
    outside = run(emit(graph, known, Form(precision=precision)), scaling(torch.from_numpy(given)).numpy())
    inside = run(emit(graph, known, Form(precision=precision, scaling=(scaling.mean, std))), given)
    assert (inside == outside).all()


def test_argmax_inside_is_argmax_of_the_scores():
    graph = graph_of()
    known, given = weights(module(graph, seed=3)), floats(2, 45, 67)
    scores = run(emit(graph, known), given)
    classes = run(emit(graph, known, Form(argmax=True)), given)
    assert (classes.dtype, classes.shape) == (np.uint8, (2, 45, 67))
    assert len(np.unique(classes)) > 1
    assert (classes == scores.argmax(axis=1)).all()


def test_classes_become_bytes_by_way_of_floats():
    """TensorRT casts to bytes from floats alone (NvInferRuntimeBase.h, kUINT8)."""
    graph = graph_of()
    *_, best, floats_of, bytes_of = emit(graph, weights(module(graph)), Form(argmax=True)).graph.node
    kinds = [next(each.i for each in node.attribute if each.name == "to") for node in (floats_of, bytes_of)]
    assert (best.op_type, floats_of.op_type, bytes_of.op_type) == ("ArgMax", "Cast", "Cast")
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8]


def test_operators_are_those_that_the_oldest_boards_read():
    """TensorRT 8.2, the last one for Jetson TX1, TX2 and Nano, reads opset 13."""
    for candidate in members().values():
        graph = graph_of(candidate)
        made = emit(graph, weights(module(graph)))
        assert [each.version for each in made.opset_import] == [13]


def test_of_equal_scores_the_lowest_class_is_given():
    g = GraphBuilder()
    image = g.image(height=32, width=40)
    g.add("flat", ops.Scale(factor=0.0), image)
    given = floats(1, 32, 40)
    assert (run(emit(g.finish(), {}, Form(argmax=True)), given) == 0).all()


@pytest.mark.parametrize("name", members())
def test_in_fp16_every_network_stays_near(name):
    graph = members()[name].graph(classes=7, height=45, width=67)
    model = module(graph)
    made = emit(graph, weights(model), Form(precision="fp16"))
    onnx.checker.check_model(made, full_check=True)
    kinds = {onnx.TensorProto.DataType.Name(each.data_type) for each in made.graph.initializer}
    assert kinds <= {"FLOAT16", "FLOAT", "INT64"}
    floating = [each for each in made.graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    assert [each.name for each in floating if not each.name.endswith("/factors")] == []  # a resize's stay as they are
    given = floats(2, 45, 67)
    expected, found = torch_run(model, given), run(made, given)
    assert found.dtype == np.float32
    assert 0 < np.abs(expected - found).mean() < 0.005 * np.abs(expected).max()  # positions of maxima may move


# --- another runtime


@pytest.mark.parametrize("form", [Form(), Form(scaling=PAIR), Form(argmax=True), Form(batch=2)], ids=str)
def test_openvino_reads_it_as_well(form):
    pytest.importorskip("openvino")
    graph = graph_of()
    model = module(graph)
    made = emit(graph, weights(model), form)
    given = floats(2, 45, 67) if form.scaling is None else images(2, 45, 67)
    found = computed_by_openvino(made, given)
    expected = run(made, given)
    assert found.shape == expected.shape
    if form.argmax:
        assert (found == expected).mean() > 0.999
    else:
        assert np.abs(found - expected).max() < 1e-3


def agreement(**values):
    return Agreement(**{"images": 6, "batches": (1, 6), "difference": 0.0, "largest": 30.0, "same": 1.0, **values})


def test_scores_are_held_to_the_largest_one():
    require(agreement(difference=0.0029), "model.onnx")
    with pytest.raises(BudgetnetError, match=r"must give torch's scores within 0\.0001 of the largest, 30"):
        require(agreement(difference=0.0031), "model.onnx")
    with pytest.raises(BudgetnetError, match="but one differs by nan"):
        require(agreement(difference=float("nan")), "model.onnx")


def test_where_maxima_decide_what_goes_where_classes_are_held():
    """Of two that are as good as equal either may be the largest: then scores around differ, and torch's own do too."""
    require(agreement(difference=3.0, same=0.995), "model.onnx", unpools=True)
    with pytest.raises(BudgetnetError, match="torch's class at 99% of all pixels in ONNX Runtime, but does at 98"):
        require(agreement(difference=3.0, same=0.985), "model.onnx", unpools=True)
    with pytest.raises(BudgetnetError, match="must give torch's class"):
        require(agreement(difference=float("inf")), "model.onnx", unpools=True)
