"""An ONNX model while it is written: its nodes, its constants, what goes in and what comes out.

Operators are those of opset 13 (https://onnx.ai/onnx/operators), which ONNX Runtime, OpenVINO and TensorRT from 8.0 on
read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from budgetnet import ops
from budgetnet.deploy.folding import Array, Weights
from budgetnet.graph import Graph
from budgetnet.kernels import Kernel
from budgetnet.ops import Shape

OPSET: Final = 13
IR_VERSION: Final = 7
IMAGES: Final = "images"
SCORES: Final = "scores"
CLASSES: Final = "classes"
Float: TypeAlias = Literal["fp32", "fp16"]
PerChannel: TypeAlias = tuple[float, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What goes in and what comes out.

    With `scaling`, a mean and a standard deviation per RGB channel, `images` are uint8 (batch, 3, height, width) and
    scaled inside, (image / 255 - mean) / std; without, they are floats that have been scaled. With `argmax` the network
    gives `classes`, uint8 (batch, height, width), the lowest class of equal scores; without, `scores`, float32
    (batch, classes, height, width). `precision` is that of weights and maps inside. `batch` is free where it is None.
    With `sub_pixel` transposed convolutions whose kernel is a multiple of their stride are convolutions to stride^2
    times the channels, laid out as pixels (Shi et al., arXiv:1609.07009): the same scores, in operators that processors
    compute far quicker and that can be int8.
    """

    scaling: tuple[PerChannel, PerChannel] | None = None
    argmax: bool = False
    precision: Float = "fp32"
    batch: int | None = None
    sub_pixel: bool = False


@final
@dataclass(slots=True)
class Writer:
    """An ONNX model while it is written; rules add nodes and say which tensor is a kernel's result."""

    weights: Weights
    shapes: Mapping[str, Shape]
    form: Form
    tensors: dict[str, str] = field(default_factory=dict)
    _nodes: list[NodeProto] = field(default_factory=list)
    _constants: dict[str, TensorProto] = field(default_factory=dict)

    @property
    def float(self) -> str:
        """NumPy's name of the type of maps and weights."""
        return {"fp32": "float32", "fp16": "float16"}[self.form.precision]

    def add(self, kind: str, name: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """A node; its (last) result is named as it is."""
        results = [f"{name}:{number}" for number in range(outputs - 1)] + [name]
        self._nodes.append(helper.make_node(kind, list(inputs), results, name=name, **attributes))
        return name

    def constant(self, name: str, values: Any, kind: str | None = None) -> str:
        """Numbers kept in the model, floats in its precision unless a `kind` is named."""
        with np.errstate(over="ignore"):  # whether scores are finite is seen when the model runs
            array = np.asarray(values).astype(kind or self.float)
        self._constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def sources(self, kernel: Kernel) -> list[str]:
        """The tensors that a kernel reads."""
        return [self.tensors[name] for name in kernel.sources]

    def channels(self, name: str, values: Array) -> str:
        """One number for each channel, laid out so that it meets maps."""
        return self.constant(name, values.reshape(-1, 1, 1))

    def activated(self, kernel: Kernel, tensor: str) -> str:
        """With the activation that is folded into a convolution, if there is one."""
        node = kernel.of(ops.Activation)
        if node is None:
            return tensor
        assert isinstance(node.op, ops.Activation)
        return self.activation(node.name, node.op, tensor)

    def activation(self, name: str, op: ops.Activation, tensor: str) -> str:
        """ReLU, or ReLU cut off at 6."""
        if op.kind == "relu":
            return self.add("Relu", name, tensor)
        return self.add("Clip", name, tensor, self.constant("zero", 0), self.constant("six", 6))

    def slice(self, kernel: Kernel, tensor: str, top: int, left: int, name: str | None = None) -> str:
        """A kernel's result, cut out of a larger tensor from a row and a column on."""
        ends = [top + kernel.output.height, left + kernel.output.width]
        numbers = [
            self.constant(f"{kernel.name}/{name}", values, "int64")
            for name, values in (("starts", [top, left]), ("ends", ends), ("axes", [2, 3]))
        ]
        return self.add("Slice", name or kernel.name, tensor, *numbers)

    def prepared(self) -> str:
        """The images as the network takes them."""
        x = IMAGES
        if self.form.scaling is not None:
            x = self._scaled(*self.form.scaling)
        return x if self.form.precision == "fp32" else self.cast("images/half", x)

    def _scaled(self, mean: PerChannel, std: PerChannel) -> str:
        """(image / 255 - mean) / std in float32 whatever the precision, step by step as a training does it: outside or
        inside, the network sees the same numbers.
        """
        x = self.add("Cast", "images/float", IMAGES, to=TensorProto.FLOAT)
        x = self.add("Div", "images/shares", x, self.constant("images/255", 255, "float32"))
        for kind, name, values, nothing in (("Sub", "mean", mean, 0), ("Div", "std", std, 1)):
            if any(value != nothing for value in values):
                numbers = np.array(values, dtype="float32").reshape(-1, 1, 1)
                x = self.add(kind, f"images/{kind.lower()}", x, self.constant(f"images/{name}", numbers, "float32"))
        return x

    def cast(self, name: str, tensor: str, kind: int | None = None) -> str:
        """A tensor in the model's precision, or of another type."""
        wanted = helper.np_dtype_to_tensor_dtype(np.dtype(self.float)) if kind is None else kind
        return self.add("Cast", name, tensor, to=wanted)

    def finished(self, tensor: str) -> str:
        """The result under its own name."""
        if self.form.argmax:
            best = self.add("ArgMax", "classes/int64", tensor, axis=1, keepdims=0, select_last_index=0)
            # TensorRT makes bytes of floats alone
            return self.cast(CLASSES, self.cast("classes/float", best, TensorProto.FLOAT), TensorProto.UINT8)
        if self.form.precision == "fp32":
            return self.add("Identity", SCORES, tensor)
        return self.cast(SCORES, tensor, TensorProto.FLOAT)

    def model(self, output: str, graph: Graph) -> ModelProto:
        """The whole model."""
        batch = self.form.batch or "batch"
        given, shape = graph.input.shape, graph.output.shape
        image = helper.make_tensor_value_info(
            IMAGES,
            TensorProto.FLOAT if self.form.scaling is None else TensorProto.UINT8,
            [batch, given.channels, given.height, given.width],
        )
        maps = [batch, shape.height, shape.width] if self.form.argmax else [batch, *_dimensions(shape)]
        kind = TensorProto.UINT8 if self.form.argmax else TensorProto.FLOAT
        body = helper.make_graph(
            self._nodes,
            "budgetnet",
            [image],
            [helper.make_tensor_value_info(output, kind, maps)],
            initializer=list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="budgetnet")


def fix_batch(model: ModelProto, batch: int) -> ModelProto:
    """The same model for so many images at once, where their number was free."""
    made = ModelProto()
    made.CopyFrom(model)
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return made


def _dimensions(shape: Shape) -> list[int]:
    return [shape.channels, shape.height, shape.width]
