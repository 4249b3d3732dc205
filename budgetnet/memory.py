"""What a graph needs in memory for one image when it is deployed: its weights, its maps, and the most that are live at
once.

Deployed means frozen: batch norm is folded into the convolution before it (Jacob et al., arXiv:1712.05877, section 3.2)
and a BiasAdd becomes its bias, dropout is nothing, activations are done in place. Nodes are computed in the graph's
order. A buffer lives from the step that computes it to the last step that reads it; the network's output to the end. At
a step its inputs and its output live together. Scratch memory of the kernels (im2col, Winograd) and what an allocator
loses between buffers are not counted: they belong to the runtime, not to the network.

Positions of pooled elements (`PoolPositions`) count as elements of the maps' precision: some runtimes keep them in
less, some in more.

Every operator has its rule in `RULES`; one without a rule is an error that names it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast, final

from budgetnet import numeric, ops
from budgetnet.graph import Graph, Node
from budgetnet.ops import NoRuleError, Shape
from budgetnet.units import BYTES, Number, Precision

BIAS_BYTES: Final[dict[Precision, int]] = {**BYTES, "int8": 4}
"""Bytes of a bias. Beside int8 weights it is an int32, of the accumulator's scale (TensorFlow Lite 8-bit quantization
specification, https://www.tensorflow.org/lite/performance/quantization_spec, CONV_2D and DEPTHWISE_CONV_2D; so in ONNX,
https://onnx.ai/onnx/operators/onnx__QLinearConv.html, input B). The scales themselves are not counted.
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Numbers of elements; ints, or arrays over a grid of networks.

    `weights` and `biases` are kept, all others are per image: `activations` of all buffers together, the image among
    them, `peak` of those that are live at once, at the worst step.
    """

    weights: Number
    biases: Number
    activations: Number
    peak: Number

    def weight_bytes(self, precision: Precision) -> Number:
        """Bytes of weights and biases."""
        return BYTES[precision] * self.weights + BIAS_BYTES[precision] * self.biases

    def activation_bytes(self, precision: Precision) -> Number:
        """Bytes of all maps of one image, the image among them: what is written once in a forward pass."""
        return BYTES[precision] * self.activations

    def peak_bytes(self, precision: Precision) -> Number:
        """The most bytes of maps that are live at once: what a runtime must set aside for them, at least."""
        return BYTES[precision] * self.peak


def memory(graph: Graph) -> Memory:
    """Memory of a deployed graph, per image. Raises NoRuleError for an operator without a rule."""
    deployed = _Deployed(graph)
    for step, node in enumerate(graph.nodes):
        rule = RULES.get(type(node.op))
        if rule is None:
            raise NoRuleError(f"{type(node.op).__name__} has no memory rule (node {node.name!r})")
        deployed.step = step
        rule(deployed, node)
        deployed.free(node)
    return Memory(
        weights=deployed.weights, biases=deployed.biases, activations=deployed.activations, peak=deployed.peak
    )


@dataclass(slots=True)
class _Buffer:
    """A piece of memory: its elements, and the last step that reads it by any of its names."""

    elements: Number
    last: int


@final
class _Deployed:
    """A graph computed step by step; rules add to it."""

    def __init__(self, graph: Graph) -> None:
        self.step = 0
        self.weights: Number = 0
        self.biases: Number = 0
        self.activations: Number = 0
        self.peak: Number = 0
        self._live: Number = 0
        self._buffers: dict[str, _Buffer] = {}
        self._biased: dict[str, bool] = {}  # sums that a convolution can still take up -> whether it has a bias by now
        self._shapes: dict[str, Shape] = {}
        self._last: dict[str, int] = {}
        self._readers: dict[str, int] = {}
        self._sources = [node.sources for node in graph.nodes]
        for step, sources in enumerate(self._sources):
            for name in sources:
                self._last[name] = step
                self._readers[name] = self._readers.get(name, 0) + 1

    def new_buffer(self, node: Node) -> None:
        """The node's output has a buffer of its own."""
        shape = node.shape
        elements = shape.height * shape.width * shape.channels  # over a grid, most sides are plain ints: they go first
        self._buffers[node.name] = _Buffer(elements, self._last.get(node.name, self.step))
        self.activations = self.activations + elements
        self._live = self._live + elements
        self.peak = numeric.maximum(self.peak, self._live)

    def view(self, node: Node) -> None:
        """The node's output lies in its input's buffer, and keeps it."""
        buffer = self._buffers[node.name] = self._buffers[node.inputs[0]]
        buffer.last = max(buffer.last, self._last.get(node.name, self.step))

    def nothing(self, node: Node) -> None:
        """The node's output is its input."""
        self.view(node)
        given = node.inputs[0]
        if given in self._biased and self._readers[given] == 1:
            self._biased[node.name] = self._biased[given]

    def in_place(self, node: Node) -> None:
        """The node overwrites its input where nobody reads that later, by any name."""
        if self._buffers[node.inputs[0]].last == self.step:
            self.view(node)
        else:
            self.new_buffer(node)

    def convolution(self, node: Node) -> None:
        """Weights, and an output whose bias may follow."""
        op = cast(ops.Conv2d | ops.ConvTranspose2d, node.op)
        self.weights = self.weights + op.weights(self._shapes[node.inputs[0]])
        self._biased[node.name] = False
        self.new_buffer(node)

    def slopes(self, node: Node) -> None:
        """One weight for each channel, in place."""
        self.weights = self.weights + node.shape.channels
        self.in_place(node)

    def bias(self, node: Node) -> None:
        """Becomes the bias of the convolution before it, or stays a sum with as many numbers."""
        self._affine(node, alone=1)

    def batch_norm(self, node: Node) -> None:
        """Becomes the bias of the convolution before it, or stays scale and shift."""
        self._affine(node, alone=2)

    def _affine(self, node: Node, *, alone: int) -> None:
        """Where others read what the convolution gives too, it must stay as it is: nothing can be folded into it."""
        given = node.inputs[0]
        if given in self._biased and self._readers[given] == 1:
            added = 0 if self._biased[given] else 1
            self._biased[node.name] = True
        else:
            added = alone
        if added:
            self.biases = self.biases + added * node.shape.channels
        self.in_place(node)

    def free(self, node: Node) -> None:
        """Ends the step: what nobody reads any more is gone."""
        self._shapes[node.name] = node.shape
        for name in (*self._sources[self.step], node.name):
            buffer = self._buffers[name]
            if buffer.last == self.step:
                self._live = self._live - buffer.elements
                buffer.last = -1  # an input that is read twice, or in place, is freed once


RULES: dict[type[ops.Operator], Callable[[_Deployed, Node], None]] = {
    ops.Input: _Deployed.new_buffer,
    ops.Conv2d: _Deployed.convolution,
    ops.ConvTranspose2d: _Deployed.convolution,
    ops.BiasAdd: _Deployed.bias,
    ops.BatchNorm2d: _Deployed.batch_norm,
    ops.Activation: _Deployed.in_place,
    ops.PRelu: _Deployed.slopes,
    ops.Scale: _Deployed.in_place,
    ops.Dropout: _Deployed.nothing,
    ops.MaxPool2d: _Deployed.new_buffer,
    ops.PoolPositions: _Deployed.new_buffer,
    ops.MaxUnpool2d: _Deployed.new_buffer,
    ops.PadChannels: _Deployed.new_buffer,
    ops.GlobalAvgPool2d: _Deployed.new_buffer,
    ops.Resize: _Deployed.new_buffer,
    ops.Crop: _Deployed.view,
    ops.Add: _Deployed.new_buffer,
    ops.Concat: _Deployed.new_buffer,
}
"""Operator -> what it does to memory."""
