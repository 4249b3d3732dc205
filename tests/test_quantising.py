"""int8 models, and how any model is held against torch: ranges, corrected biases, what TensorRT takes, differences."""

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from deployed import computed_by_openvino, images, members, module, run, session, slim, torch_run, weights

from budgetnet.deploy.correcting import corrected
from budgetnet.deploy.emit import emit, named
from budgetnet.deploy.opening import interface
from budgetnet.deploy.quantising import QUANTISED, quantise, quantised_share
from budgetnet.deploy.running import Deployed, batches, spread, turned
from budgetnet.deploy.trtexec import command, obstacles
from budgetnet.deploy.verifying import Agreement, noise, require, require_finite, samples, verify
from budgetnet.deploy.writer import OPSET, Form
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate

SMALL = slim(Candidate.of("mobilenet-fcn", {"head": "light-decoder"}))
CAMVID = os.environ.get("BUDGETNET_CAMVID", "")
ROOT = Path(__file__).parents[1]


def scaled(given):
    return (given.astype("float32") / 255 - 0.5) / 0.25


def streamed():
    return batches(np.moveaxis(images(6, 45, 67, seed=4), 1, -1), 1)


def int8(model, room, prepare=scaled):
    return quantise(model, streamed, prepare, room)


@pytest.fixture(scope="module")
def graph():
    return SMALL.graph(classes=7, height=45, width=67)


@pytest.fixture(scope="module")
def network(graph):
    return module(graph, seed=3)


@pytest.fixture(scope="module")
def plain(graph, network):
    return emit(graph, weights(network))


@pytest.fixture(scope="module")
def made(plain, tmp_path_factory):
    return int8(plain, tmp_path_factory.mktemp("room"))


# --- what is in an int8 model


def test_every_convolution_has_int8_weights_with_a_scale_for_each_channel(made, plain):
    convolutions = [node.name for node in plain.graph.node if node.op_type == "Conv"]
    assert quantised_share(made) == (len(convolutions), len(convolutions))
    assert quantised_share(plain) == (0, len(convolutions))
    kept = {each.name: onnx.numpy_helper.to_array(each) for each in made.graph.initializer}
    by_output = {node.output[0]: node for node in made.graph.node}
    for node in made.graph.node:
        if node.op_type == "Conv":
            values, scale, *_ = by_output[node.input[1]].input
            assert kept[values].dtype == np.int8
            assert kept[scale].shape == kept[values].shape[:1]


def test_it_is_what_tensorrt_takes(made):
    """Zero points of nothing, int8 alone, biases as floats, activations in one kernel with their convolution."""
    kept = {each.name: onnx.numpy_helper.to_array(each) for each in made.graph.initializer}
    linear = [node for node in made.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert linear
    for node in linear:
        zero = kept[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
    quantised = {node.input[0] for node in linear if node.op_type == "QuantizeLinear"}
    activations = [node for node in made.graph.node if node.op_type in ("Relu", "Clip")]
    assert activations
    assert not quantised & {node.input[0] for node in activations}
    assert all(kept[node.input[2]].dtype == np.float32 for node in made.graph.node if node.op_type == "Conv")
    assert {node.op_type for node in made.graph.node if node.op_type in QUANTISED}


def test_layers_keep_their_names_and_nothing_of_the_quantiser_stays(made, plain):
    names = {node.name for node in made.graph.node}
    assert {node.name for node in plain.graph.node} <= names
    assert (made.producer_name, made.producer_version) == ("budgetnet", "")
    assert not made.metadata_props
    assert [(each.domain, each.version) for each in made.opset_import if not each.domain] == [("", OPSET)]


def test_the_same_images_give_the_same_bytes(made, plain, tmp_path):
    assert named(int8(plain, tmp_path), {}) == named(made, {})


def test_scores_stay_near_and_other_batches_too(made, network):
    given = scaled(images(5, 45, 67, seed=9))
    expected, found = torch_run(network, given), run(made, given)
    assert 0 < np.abs(found - expected).mean() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("name", members())
def test_every_network_can_be_quantised(name, tmp_path):
    graph = members()[name].graph(classes=7, height=45, width=67)
    model = module(graph)
    found = int8(emit(graph, weights(model)), tmp_path)
    onnx.checker.check_model(found, full_check=True)
    quantised, whole = quantised_share(found)
    assert quantised == whole > 0
    expected, given = torch_run(model, scaled(images(1, 45, 67))), scaled(images(1, 45, 67))
    assert np.abs(run(found, given) - expected).mean() < 0.1 * np.abs(expected).max()
    assert bool(obstacles(found)) == (name in ("SegNet", "ENet"))


def test_images_scaled_inside_calibrate_alike(graph, network, made, tmp_path):
    form = Form(scaling=((0.5,) * 3, (0.25,) * 3), argmax=True)
    inside = int8(emit(graph, weights(network), form), tmp_path, lambda given: given)
    given = images(2, 45, 67, seed=9)
    assert (run(inside, given) == run(made, scaled(given)).argmax(axis=1)).all()


def test_openvino_computes_the_same(made):
    pytest.importorskip("openvino")
    given = scaled(images(2, 45, 67, seed=9))
    expected, found = run(made, given), computed_by_openvino(made, given)
    assert np.abs(found - expected).mean() < 0.02 * np.abs(expected).max()


# --- corrected biases


def shares(given):
    return given.astype("float32") / 255


def mean_shift(model, plain, name):
    """By how much the means of a convolution's channels lie away from the fp32 model's, the largest one."""
    means = []
    for each in (model, plain):
        watched = onnx.ModelProto()
        watched.CopyFrom(each)
        del watched.graph.output[:]
        watched.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        means.append(run(watched, shares(images(6, 45, 67, seed=4))).mean(axis=(0, 2, 3)))
    return np.abs(means[0] - means[1]).max()


def test_a_correction_takes_off_what_rounding_adds_on_average(plain):
    """Weights rounded to a coarse grid, in floats: the first convolution's mean comes back."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(plain)
    first = next(node for node in rounded.graph.node if node.op_type == "Conv")
    for kept in list(rounded.graph.initializer):
        if kept.name == first.input[1]:
            coarse = np.round(onnx.numpy_helper.to_array(kept) / 0.2).astype(np.int8)
            rounded.graph.initializer.remove(kept)
    names = [f"{first.name}/{each}" for each in ("int8", "scale", "zero")]
    arrays = (coarse, np.full(len(coarse), 0.2, np.float32), np.zeros(len(coarse), np.int8))
    rounded.graph.initializer.extend(map(onnx.numpy_helper.from_array, arrays, names))
    weight = onnx.helper.make_node("DequantizeLinear", names, [first.input[1]], axis=0)
    rounded.graph.node.insert(0, weight)
    before = mean_shift(rounded, plain, first.name)
    better = corrected(rounded, plain, streamed(), shares)
    assert before > 0.05
    assert mean_shift(better, plain, first.name) < before / 5  # the border sees zeros, not the mean


def test_a_convolution_without_a_bias_gets_one(made, plain):
    bare = {node.name for node in plain.graph.node if node.op_type == "Conv" and len(node.input) == 2}
    assert bare
    assert all(len(node.input) == 3 for node in made.graph.node if node.name in bare)


# --- held against torch


def deployed(model, prepare=scaled):
    running = session(model)
    return Deployed(session=running, interface=interface(running, "it"), prepare=prepare)


def test_an_fp32_model_agrees(plain, network):
    given = samples(np.moveaxis(images(9, 45, 67), 1, -1), [1, 4, 7], 45, 67)
    found = verify(deployed(plain), lambda part: torch_run(network, scaled(part)), given)
    assert (found.images, found.batches, found.same) == (5, (1, 5), 1.0)
    assert 0 < found.difference < 1e-4
    assert found.largest == pytest.approx(np.abs(torch_run(network, scaled(given))).max())
    require(found, "model.onnx")
    require_finite(found, "model.onnx")


def test_a_model_for_so_many_images_is_checked_with_so_many(graph, network):
    fixed = emit(graph, weights(network), Form(batch=4))
    found = verify(deployed(fixed), lambda part: torch_run(network, scaled(part)), noise(6, 45, 67))
    assert (found.images, found.batches) == (6, (4,))
    assert found.difference < 1e-4


def test_classes_are_checked_by_what_the_score_of_the_chosen_one_lacks(graph, network):
    model = deployed(emit(graph, weights(network), Form(argmax=True)))
    given = noise(3, 45, 67)
    found = verify(model, lambda part: torch_run(network, scaled(part)), given)
    assert found.difference < 1e-4
    wrong = verify(model, lambda part: torch_run(network, scaled(part))[:, ::-1], given)
    assert wrong.difference > 0.01
    assert wrong.same < 0.5


def test_another_network_is_refused(plain, graph):
    other = module(graph, seed=8)
    found = verify(deployed(plain), lambda part: torch_run(other, scaled(part)), noise(2, 45, 67))
    rule = "must give torch's scores within 0.0001 of the largest, "
    with pytest.raises(BudgetnetError, match=rf"^model\.onnx: {re.escape(rule)}.+, but one differs by .+; nothing was"):
        require(found, "model.onnx")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(plain, value):
    found = verify(deployed(plain), lambda part: np.full((len(part), 7, 45, 67), value, np.float32), noise(2, 45, 67))
    assert found.difference == float("inf")
    with pytest.raises(BudgetnetError, match=r"^model-fp16\.onnx: must give finite scores, but gives others; nothing"):
        require_finite(found, "model-fp16.onnx")


def test_large_scores_may_lie_as_far_apart_as_floats_do():
    known = {"images": 1, "batches": (1,), "same": 1.0}
    require(Agreement(difference=0.0015, largest=30.0, **known), "it")
    for difference, largest in ((0.0035, 30.0), (0.00011, 0.5)):
        with pytest.raises(BudgetnetError, match="must give torch's scores within"):
            require(Agreement(difference=difference, largest=largest, **known), "it")


# --- odds and ends


def test_places_are_spread_evenly():
    assert spread(367, 4) == [45, 137, 229, 321]
    assert spread(3, 10) == [0, 1, 2]
    assert spread(10, 10) == list(range(10))
    assert spread(0, 4) == []
    assert spread(7, 1) == [3]


def test_a_part_of_a_fixed_batch_is_filled_up(graph, network):
    model = deployed(emit(graph, weights(network), Form(batch=4)))
    assert model.at_once == 4
    given = images(3, 45, 67)
    expected = torch_run(network, scaled(given))
    assert np.abs(model(given) - expected).max() < 1e-4
    assert (model.classes(given) == model(given).argmax(axis=1)).all()


def test_images_are_turned_in_batches():
    given = images(5, 4, 6)
    parts = list(batches(np.moveaxis(given, 1, -1), 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert (np.concatenate(parts) == given).all()
    assert turned(np.moveaxis(given, 1, -1)).flags.c_contiguous


def test_the_command_line_for_the_target(graph, network):
    free = interface(session(emit(graph, weights(network))), "it")
    fixed = interface(session(emit(graph, weights(network), Form(batch=2))), "it")
    told = command("model-int8.onnx", "int8", free).split()
    assert told[:5] == ["trtexec", "--onnx=model-int8.onnx", "--saveEngine=model-int8.engine", "--int8", "--fp16"]
    shapes = [f"--{name}Shapes=images:{count}x3x45x67" for name, count in (("min", 1), ("opt", 1), ("max", 8))]
    assert told[5:9] == [*shapes, "--shapes=images:1x3x45x67"]
    assert "--exportProfile=model-int8.profile.json" in told
    assert {"--dumpProfile", "--separateProfileRun"} <= set(told)
    assert not [word for word in command("model.onnx", "fp32", fixed).split() if "hapes" in word or "16" in word]
    assert "--fp16" in command("model-fp16.onnx", "fp16", fixed).split()


def test_without_images_random_ones_are_checked():
    assert (samples(None, [], 45, 67) == noise(2, 45, 67)).all()
