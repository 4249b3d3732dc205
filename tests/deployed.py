"""Deployed networks for tests: built, with numbers in them that tell channels apart, and run in ONNX Runtime."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from budgetnet import heads, networks
from budgetnet.bench.network import Network
from budgetnet.bench.runtimes import runtime
from budgetnet.build import GraphModule, build
from budgetnet.graph import Graph
from budgetnet.networks import Candidate, family

SLIM = {"depth_multiplier": 0.125, "base_width": 4, "classifier_depth": 16}
"""Makes any network small."""


def slim(candidate: Candidate) -> Candidate:
    """The same network, narrow."""
    known = {parameter.name for parameter in family(candidate.network).parameters}
    return Candidate.of(candidate.network, {**candidate.parameters, **{k: v for k, v in SLIM.items() if k in known}})


def members() -> dict[str, Candidate]:
    """Every network that people know by a name, narrow."""
    return {label: slim(each) for name in networks.names() for label, each in family(name).members.items()}


def headed() -> dict[str, Candidate]:
    """Every head of MobileNet at every output stride, enlarged in every way that it knows."""
    found: dict[str, Candidate] = {}
    for head in heads.names():
        ways = [p.choices for p in heads.head(head).PARAMETERS if p.name == "upsampling"] or [(None,)]
        for way in ways[0]:
            for stride in (32, 16, 8):
                values: dict[str, Any] = {"head": head, "output_stride": stride, "depth_multiplier": 0.125}
                values |= {} if way is None else {"upsampling": way}
                found[f"{head} {way} {stride}"] = Candidate.of("mobilenet-fcn", values)
    return found


def module(graph: Graph, seed: int = 0) -> GraphModule:
    """The graph's network with batch norms, biases and slopes that are unlike for every channel."""
    model = build(graph, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed + 1)
    for each in model.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            assert each.running_mean is not None
            assert each.running_var is not None
            each.running_mean.normal_(0, 0.2, generator=generator)
            each.running_var.uniform_(0.5, 2, generator=generator)
            each.weight.data.uniform_(0.5, 1.5, generator=generator)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data.add_(torch.empty_like(parameter).normal_(0, 0.1, generator=generator))
    return model


def weights(model: GraphModule) -> dict[str, NDArray[Any]]:
    """The network's weights, as they are emitted."""
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def images(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random pixels, uint8 (count, 3, height, width)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def floats(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Random scaled images, float32 (count, 3, height, width)."""
    return np.random.default_rng(seed).standard_normal((count, 3, height, width), dtype=np.float32)


def session(model: ModelProto | bytes) -> onnxruntime.InferenceSession:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(model: ModelProto | bytes, given: NDArray[Any]) -> NDArray[Any]:
    """What a model gives in ONNX Runtime."""
    (found,) = session(model).run(None, {"images": given})
    return np.asarray(found)


def torch_run(model: GraphModule, given: NDArray[Any]) -> NDArray[Any]:
    """What the network gives in torch."""
    with torch.inference_mode():
        found: NDArray[Any] = model(torch.from_numpy(given)).numpy()
    return found


def computed_by_openvino(model, given):
    """What OpenVINO gives for a batch, as `budgetnet bench` runs it: its own way leaves a broken stack for signals."""
    network = Network(
        label="model",
        height=given.shape[2],
        width=given.shape[3],
        model=model.SerializeToString(),
        takes=given.dtype.name,
    )
    return runtime("openvino").prepare(network, threads=1, batch=len(given))(given).copy()
