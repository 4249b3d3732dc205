"""ONNX models are opened, or refused with what is wrong with them; weights outside a model's folder are never read."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from deployed import module, slim, weights
from onnx import TensorProto, helper

from budgetnet.bench import model_file
from budgetnet.deploy.emit import emit, named
from budgetnet.deploy.opening import Interface, interface, open_content
from budgetnet.deploy.writer import Form
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
TAKES = "must take one input, images, float32 or uint8 (batch, 3, height, width), but takes "


@pytest.fixture(scope="module")
def content() -> bytes:
    graph = slim(Candidate.of("mobilenet-fcn", {})).graph(classes=7, height=45, width=67)
    return named(emit(graph, weights(module(graph)), Form(scaling=((0.5,) * 3, (0.5,) * 3), batch=2)), {})


@pytest.fixture
def path(content, tmp_path) -> Path:
    (tmp_path / "model.onnx").write_bytes(content)
    return tmp_path / "model.onnx"


def refusal(path: Path) -> str:
    with pytest.raises(BudgetnetError) as caught:
        model_file.read(path)
    where, _, rest = str(caught.value).partition(": ")
    assert where == str(path)
    assert "\n" not in rest
    return rest


def test_a_model_runs_with_as_many_threads_as_are_asked_for(content):
    session = open_content(content, "it", threads=1)
    assert session.get_session_options().intra_op_num_threads == 1
    known = Interface(kind="uint8", batch=2, height=45, width=67, gives="scores")
    assert interface(session, "it") == known
    (found,) = session.run(None, {"images": np.zeros((2, 3, 45, 67), np.uint8)})
    assert found.shape == (2, 7, 45, 67)


def model(kind: str = "Relu", domain: str = "", opset: int = 17, **tensors: TensorProto) -> onnx.ModelProto:
    """One operator between images and scores."""
    inputs = ["images", *tensors]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["scores"], name="it", domain=domain)],
        "test",
        [helper.make_tensor_value_info("images", FLOAT, ["batch", 3, 32, 40])],
        [helper.make_tensor_value_info("scores", FLOAT, ["batch", 3, 32, 40])],
        initializer=list(tensors.values()),
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (model("Blur"), "Blur"),
        (model("Blur", domain="mine"), "mine"),
        (model(opset=99), "99"),
        (model("Conv"), "it"),
    ],
)
def test_a_model_that_the_runtime_cannot_run(made, word):
    with pytest.raises(BudgetnetError, match=r"^it: must be a model that ONNX Runtime can run, but: ") as caught:
        open_content(made.SerializeToString(), "it")
    told = str(caught.value)
    assert word in told
    assert "\n" not in told
    assert len(told) < 300


def test_a_model_in_memory_is_refused_by_its_name():
    with pytest.raises(BudgetnetError, match=r"^mine\.onnx: must be a model that ONNX Runtime can run, but: "):
        open_content(model("Blur").SerializeToString(), "mine.onnx")


# --- weights in other files


def outside(location: str) -> onnx.ModelProto:
    tensor = TensorProto(name="added", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return model("Add", added=tensor)


@pytest.mark.parametrize("location", ["../weights.bin", "{folder}/weights.bin", "link.bin", "missing.bin", ""])
def test_weights_outside_the_folder_are_never_read(path, location):
    folder = path.parent / "inner"
    folder.mkdir()
    (path.parent / "weights.bin").write_bytes(np.float32(2).tobytes())
    (folder / "link.bin").symlink_to(path.parent / "weights.bin")
    name = location.format(folder=path.parent)
    inner = folder / "model.onnx"
    inner.write_bytes(outside(name).SerializeToString())
    assert refusal(inner).startswith("must be a whole ONNX model, with its weights, but ")


# --- what goes in and comes out


def taking(*inputs: tuple[str, int, list], outputs: tuple[str, ...] = ("scores",)) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", [inputs[0][0]], [name]) for name in outputs],
        "test",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(name, *inputs[0][1:]) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


IMAGES = ("images", FLOAT, ["batch", 3, 32, 40])


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (taking(("x", *IMAGES[1:])), f"{TAKES}x float32 (batch, 3, 32, 40)"),
        (taking(("images", FLOAT, [1, 32, 40, 3])), f"{TAKES}images float32 (1, 32, 40, 3)"),
        (taking(("images", FLOAT, [1, 3, "h", "w"])), f"{TAKES}images float32 (1, 3, h, w)"),
        (taking(("images", FLOAT, [3, 32])), f"{TAKES}images float32 (3, 32)"),
        (taking(("images", TensorProto.DOUBLE, [1, 3, 32, 40])), f"{TAKES}images tensor(double) (1, 3, 32, 40)"),
        (taking(IMAGES, ("more", FLOAT, [1])), f"{TAKES}images float32 (batch, 3, 32, 40), more float32 (1)"),
        (taking(IMAGES, outputs=("y",)), "must give one output, scores or classes, but gives ['y']"),
        (
            taking(IMAGES, outputs=("scores", "classes")),
            "must give one output, scores or classes, but gives ['scores', 'classes']",
        ),
    ],
)
def test_a_model_that_is_none_of_budgetnets(made, told):
    session = open_content(made.SerializeToString(), "it")
    with pytest.raises(BudgetnetError, match=f"^it: {re.escape(told)}$"):
        interface(session, "it")
