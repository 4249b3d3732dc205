"""Biases that make up for what rounding does to weights.

Rounded weights add an error to every output channel that does not average out: the sum of each weight's error times the
mean of what it is multiplied with. Taken off the bias, it is gone (Nagel et al., arXiv:1906.04721, section 4.2). On
MobileNets that is most of what int8 costs, for a depthwise channel has nine weights only.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from budgetnet.deploy.opening import open_content
from budgetnet.deploy.running import Pixels, Prepare
from budgetnet.deploy.writer import IMAGES

Array = NDArray[Any]


def corrected(quantised: ModelProto, model: ModelProto, images: Iterable[Pixels], prepare: Prepare) -> ModelProto:
    """The quantised model with the biases of its convolutions corrected, by what goes into those of the fp32 `model` on
    batches of images. Transposed convolutions stay as they are.
    """
    before = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    means = _means(model, sorted({node.input[0] for node in before.values()}), images, prepare)
    exact, kept = _constants(model), _constants(quantised)
    rounded = {
        node.output[0]: _dequantised(node, kept)
        for node in quantised.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in kept
    }
    made = ModelProto()
    made.CopyFrom(quantised)
    for node in made.graph.node:
        if node.op_type == "Conv" and node.input[1] in rounded:
            error = rounded[node.input[1]] - exact[before[node.name].input[1]]
            shift = _shift(error, means[before[node.name].input[0]], _groups(node))
            _correct(made, node, exact, shift)
    return made


def _means(model: ModelProto, names: list[str], images: Iterable[Pixels], prepare: Prepare) -> Mapping[str, Array]:
    """Tensor -> the mean of each channel over all images, in float64."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    for number, name in enumerate(names):
        mean = f"mean/{number}"
        watched.graph.node.append(helper.make_node("GlobalAveragePool", [name], [mean], name=mean))
        watched.graph.output.append(helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None))
    session = open_content(watched.SerializeToString(), "means")
    sums: list[Array] = [np.zeros(1)] * len(names)
    count = 0
    for part in images:
        found = session.run(None, {IMAGES: prepare(part)})
        sums = [total + each.astype("float64").sum(axis=(0, 2, 3)) for total, each in zip(sums, found, strict=True)]
        count += len(part)
    return {name: total / count for name, total in zip(names, sums, strict=True)}


def _shift(error: Array, means: Array, groups: int) -> Array:
    """What errors of weights (channels, inputs of the group, height, width) add to each channel on average."""
    per_group = error.sum(axis=(2, 3)).reshape(groups, -1, error.shape[1])
    return np.asarray(np.einsum("gci,gi->gc", per_group, means.reshape(groups, -1))).reshape(-1)


def _correct(model: ModelProto, node: NodeProto, exact: Mapping[str, Array], shift: Array) -> None:
    """A bias less the shift, under the convolution's own name; one is added where there is none."""
    before = exact[node.input[2]] if len(node.input) > 2 else np.zeros(len(shift))
    name = f"{node.name}/bias"
    for kept in [each for each in model.graph.initializer if each.name == name]:
        model.graph.initializer.remove(kept)
    model.graph.initializer.append(numpy_helper.from_array((before - shift).astype("float32"), name))
    del node.input[2:]
    node.input.append(name)


def _constants(model: ModelProto) -> dict[str, Array]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def _dequantised(node: NodeProto, kept: Mapping[str, Array]) -> Array:
    """The numbers that int8 weights stand for, in float64; each channel of an axis has its scale."""
    values, scale = (kept[name].astype("float64") for name in node.input[:2])
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    return np.asarray(values * scale.reshape([-1 if i == axis else 1 for i in range(values.ndim)]))


def _groups(node: NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "group"), 1)
