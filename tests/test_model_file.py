"""ONNX files that somebody else made: what is read of them, and why others are refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from budgetnet.bench import model_file, runtimes
from budgetnet.bench.network import Network, untrained
from budgetnet.deploy.emit import emit
from budgetnet.deploy.writer import Form
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate


@pytest.fixture(scope="module")
def network() -> Network:
    small = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_depth": 8})
    return untrained("small", small.graph(classes=3, height=32, width=48))


def saved(path: Path, network: Network, form: Form | None = None) -> Path:
    assert network.graph is not None
    assert network.weights is not None
    onnx.save(emit(network.graph, network.weights, form or Form()), str(path))
    return path


def images_in(path: Path, sides: list[object], kind: int = TensorProto.FLOAT) -> Path:
    """A model that gives back its images."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["scores"])],
        "given",
        [helper.make_tensor_value_info("images", kind, sides)],
        [helper.make_tensor_value_info("scores", kind, sides)],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


@pytest.mark.parametrize("runtime", [name for name in runtimes.names() if runtimes.runtime(name).TAKES_FILES])
def test_a_file_computes_what_the_network_does(tmp_path: Path, network: Network, runtime: str) -> None:
    read = model_file.read(saved(tmp_path / "model.onnx", network))
    assert (read.size, read.takes, read.batch) == ((32, 48), "float32", None)
    assert read.label == str(tmp_path / "model.onnx")
    for batch in (1, 3):
        expected, found = (
            runtimes.runtime(runtime).prepare(each, threads=1, batch=batch)(network.images(batch)).copy()
            for each in (network, read)
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("runtime", [name for name in runtimes.names() if runtimes.runtime(name).TAKES_FILES])
def test_a_whole_model_of_bytes_and_one_batch(tmp_path: Path, network: Network, runtime: str) -> None:
    form = Form(scaling=((0.5,) * 3, (1.0,) * 3), argmax=True, batch=2)
    read = model_file.read(saved(tmp_path / "model.onnx", network, form))
    assert (read.takes, read.batch) == ("uint8", 2)
    classes = runtimes.runtime(runtime).prepare(read, threads=1, batch=2)(read.images(2))
    assert classes.shape == (2, 32, 48)
    assert classes.max() < 3


def test_weights_beside_the_file_are_taken_in(tmp_path: Path, network: Network) -> None:
    assert network.graph is not None
    assert network.weights is not None
    model = emit(network.graph, network.weights)
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    read = model_file.read(path)
    (tmp_path / "weights.bin").unlink()
    images = network.images(1)
    expected, found = (runtimes.runtime("onnxruntime").prepare(n, threads=1, batch=1)(images) for n in (network, read))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(
        BudgetnetError, match=r"model.onnx: must be a whole ONNX model, with its weights, but .*weights"
    ):
        model_file.read(path)


def test_weights_outside_the_folder_are_refused(tmp_path: Path, network: Network) -> None:
    assert network.graph is not None
    assert network.weights is not None
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / "model.onnx"
    onnx.save(
        emit(network.graph, network.weights), str(path), save_as_external_data=True, location="w.bin", size_threshold=0
    )
    (inside / "w.bin").rename(tmp_path / "w.bin")
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../w.bin"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BudgetnetError, match=r"model.onnx: must be a whole ONNX model, with its weights, but"):
        model_file.read(path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(BudgetnetError, match=r"model.onnx: must be a file that can be read: No such file"):
        model_file.read(path)
    with pytest.raises(BudgetnetError, match=r"must be a file that can be read: Is a directory"):
        model_file.read(tmp_path)
    path.write_bytes(b"no model at all")
    with pytest.raises(BudgetnetError, match=r"model.onnx: must be a whole ONNX model"):
        model_file.read(path)
    path.write_bytes(b"")
    with pytest.raises(BudgetnetError, match=r"model.onnx: must be a whole ONNX model"):
        model_file.read(path)
    whole = network.onnx()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BudgetnetError, match=r"model.onnx: must be a whole ONNX model"):
            model_file.read(path)


@pytest.mark.parametrize(
    ("sides", "kind", "told"),
    [
        (["batch", 1, 32, 32], TensorProto.FLOAT, r"but its input is float \(0, 1, 32, 32\)"),
        (["batch", 3, 32], TensorProto.FLOAT, r"but its input is float \(0, 3, 32\)"),
        (["batch", 3, 32, 32], TensorProto.INT64, r"but its input is int64 \(0, 3, 32, 32\)"),
    ],
)
def test_other_inputs_are_refused(tmp_path: Path, sides: list[object], kind: int, told: str) -> None:
    path = images_in(tmp_path / "model.onnx", sides, kind)
    rule = r"model.onnx: must take images \(batch, 3, height, width\) of float or uint8, "
    with pytest.raises(BudgetnetError, match=rule + told):
        model_file.read(path)


def test_sizes(tmp_path: Path) -> None:
    free = images_in(tmp_path / "free.onnx", ["batch", 3, "height", "width"])
    with pytest.raises(BudgetnetError, match=r"--size: must be given for .*free.onnx, which takes images of any size"):
        model_file.read(free)
    assert model_file.read(free, (48, 32)).size == (48, 32)
    fixed = images_in(tmp_path / "fixed.onnx", ["batch", 3, 32, 48])
    assert model_file.read(fixed, (32, 48)).size == (32, 48)
    with pytest.raises(BudgetnetError, match=r"fixed.onnx: must take images of 48x32, but takes 32x48"):
        model_file.read(fixed, (48, 32))


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "two", infos[:2], infos[2:])
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    with pytest.raises(BudgetnetError, match=r"two.onnx: must have one input and an output, but has 2 inputs"):
        model_file.read(path)


@pytest.mark.parametrize("runtime", [name for name in runtimes.names() if runtimes.runtime(name).TAKES_FILES])
def test_a_model_that_fails_only_when_it_runs_is_refused(tmp_path: Path, runtime: str) -> None:
    """Its shapes are told by numbers that nobody looks into before."""
    wanted = helper.make_tensor("wanted", TensorProto.INT64, [4], [1, 3, 7, 11])
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["images"], ["sides"]),
            helper.make_node("Add", ["wanted", "sides"], ["other"]),
            helper.make_node("Reshape", ["images", "other"], ["scores"]),
        ],
        "given",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 32, 48])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["a", "b", "c", "d"])],
        initializer=[wanted],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), str(path))
    read = model_file.read(path)
    with pytest.raises(BudgetnetError, match=r"model\.onnx: must be a model that .* takes, but it says"):
        runtimes.runtime(runtime).prepare(read, threads=1, batch=1)
