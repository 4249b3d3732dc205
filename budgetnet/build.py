"""Graph -> torch.nn.Module, operator by operator. Knows nothing of counting; `verify` holds the two against each other.

Node names become module paths (`MobilenetV1/Conv2d_0/convolution` is `model.MobilenetV1.Conv2d_0.convolution`), so
state dicts read like the published table. Paddings, crops and sizes follow the image that comes in: a module takes any
size its graph takes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from budgetnet import ops, strided
from budgetnet.graph import Graph, Node, module_path
from budgetnet.ops import PaddingRule, Shape, padding_by


class NoBuilderError(TypeError):
    """An operator that nobody taught the builder."""


class GraphModule(nn.Module):
    """A built graph: images (batch, 3, height, width) float -> scores (batch, classes, height, width)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._input = graph.input.name
        self._parts = {node.name: node.part for node in graph.nodes if node.name != self._input}
        self._steps = [(node.name, node.inputs) for node in graph.nodes if node.name != self._input]
        last = graph.output
        resizes = isinstance(last.op, ops.Resize) and last.op.mode == "bilinear" and last.inputs[1:] == (self._input,)
        self._coarse_steps = self._steps[:-1] if resizes else self._steps
        self._last_use = {name: node.name for node in graph.nodes for name in node.inputs}
        for node, inputs in graph.input_shapes():
            if node.name == self._input:
                continue
            builder = BUILDERS.get(type(node.op))
            if builder is None:
                raise NoBuilderError(f"{type(node.op).__name__} cannot be built (node {node.name!r})")
            module = builder(node.op, inputs)
            if isinstance(module, nn.ReLU | nn.ReLU6):
                module.inplace = _may_overwrite(graph, node)
            _attach(self, node.name, module)

    def forward(self, images: Tensor) -> Tensor:
        """Scores per class and pixel, before the softmax."""
        return self._run(images, self._steps)

    def coarse(self, images: Tensor) -> Tensor:
        """Scores (batch, classes, ...) before they are resized to the images, where that is the network's last step and
        bilinear; else the scores. Losses take them: they resize band by band, which is quicker.
        """
        return self._run(images, self._coarse_steps)

    def _run(self, images: Tensor, steps: Sequence[tuple[str, tuple[str, ...]]]) -> Tensor:
        live = {self._input: images}
        for name, inputs in steps:
            live[name] = self.node_module(name)(*(live[given] for given in inputs))
            for given in inputs:
                if self._last_use[given] == name:
                    live.pop(given, None)  # frees a map as soon as its last reader is done
        return live[steps[-1][0]]

    def part_modules(self, part: str) -> list[nn.Module]:
        """The modules of the nodes of one part of the network (`stem`, `head`), in their order."""
        return [self.node_module(name) for name, of in self._parts.items() if of == part]

    def part_parameters(self, part: str) -> list[nn.Parameter]:
        """The weights of one part of the network."""
        return [parameter for module in self.part_modules(part) for parameter in module.parameters()]

    def node_module(self, name: str) -> nn.Module:
        """The module that was built for the graph's node `name`."""
        return self.get_submodule(module_path(name))


def build(graph: Graph, *, seed: int | None = None) -> GraphModule:
    """Builds a graph, Xavier-initialised; with a `seed`, the same weights each time and the global generator untouched.

    Raises NoBuilderError for an operator without a builder.
    """
    if seed is None:
        return GraphModule(graph)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return GraphModule(graph)


def _may_overwrite(graph: Graph, node: Node) -> bool:
    """Whether a node is the only reader of a map that was made for it: then it may be computed in place, for memory."""
    source = next(other for other in graph.nodes if other.name == node.inputs[0])
    readers = sum(other.inputs.count(source.name) for other in graph.nodes)
    return readers == 1 and isinstance(source.op, ops.Conv2d | ops.BatchNorm2d | ops.BiasAdd | ops.Add)


def _attach(root: nn.Module, name: str, module: nn.Module) -> None:
    *folders, leaf = name.split("/")
    for folder in folders:
        if folder not in root._modules:
            root.add_module(folder, nn.Module())
        root = cast(nn.Module, root._modules[folder])
    root.add_module(leaf, module)


class Conv2d(nn.Conv2d):
    """nn.Conv2d with the padding rules of `ops`: `same` is split unevenly where TensorFlow splits it unevenly.

    Xavier initialisation takes its fans from the whole kernel, as TensorFlow and torch both do: a depthwise kernel of n
    channels starts as if each output fed all n, so smaller than its own fans would have it.
    """

    def __init__(self, op: ops.Conv2d, given: Shape) -> None:
        super().__init__(
            given.channels,
            op.channels,
            op.sides,
            stride=op.stride,
            padding=0 if isinstance(op.padding, str) else op.padding,
            dilation=op.dilation,
            groups=op.groups,
            bias=False,
        )
        self._rule = cast(PaddingRule, op.padding) if isinstance(op.padding, str) else None
        if op.initial == "zero":
            nn.init.zeros_(self.weight)
        elif op.initial == "identity":
            nn.init.dirac_(self.weight, groups=op.groups)
        else:
            nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) -> (batch, out, ...)."""
        if self._rule is None:
            return super().forward(x)
        padding, x = _pad(x, self._rule, self.kernel_size, self.stride[0], self.dilation[0], value=0.0)
        if self.groups == self.in_channels and strided.applies(x, self.stride[0]):
            return cast(
                Tensor,
                strided.StridedDepthwise.apply(x, self.weight, self.stride, padding, self.dilation),  # type: ignore[no-untyped-call]
            )
        return functional.conv2d(x, self.weight, None, self.stride, padding, self.dilation, self.groups)


class MaxPool2d(nn.Module):
    """Max pooling with the padding rule of `ops`; padded elements never win."""

    def __init__(self, op: ops.MaxPool2d, given: Shape) -> None:
        super().__init__()
        self._op = op

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels, ...)."""
        op = self._op
        if not isinstance(op.padding, str):
            return functional.max_pool2d(x, op.kernel, op.stride, op.padding)
        kernel, rule = (op.kernel, op.kernel), cast(PaddingRule, op.padding)
        padding, x = _pad(x, rule, kernel, op.stride, 1, value=float("-inf"), most=op.kernel // 2)
        return functional.max_pool2d(x, op.kernel, op.stride, padding)


def _pad(
    x: Tensor,
    rule: PaddingRule,
    kernel: tuple[int, ...],
    stride: int,
    dilation: int,
    *,
    value: float,
    most: int | None = None,
) -> tuple[tuple[int, int], Tensor]:
    """The padding a kernel can add by itself, `most` rows a side, and the input, padded beforehand where that will not
    do, such as where both sides differ.
    """
    height, width = _size(x)
    top, bottom = padding_by(rule, height, kernel[0], stride, dilation)
    left, right = padding_by(rule, width, kernel[1], stride, dilation)
    if (top, left) == (bottom, right) and (most is None or max(top, left) <= most):
        return (top, left), x
    return (0, 0), functional.pad(x, (left, right, top, bottom), value=value)


def _size(x: Tensor) -> tuple[int, int]:
    """Height and width as plain ints: while fvcore traces, a shape is made of tensors, and it would count their
    arithmetic.
    """
    return int(x.shape[-2]), int(x.shape[-1])


class BiasAdd(nn.Module):
    """Adds a learned number per channel, zero at first; in the precision of the map, which would grow otherwise."""

    def __init__(self, op: ops.BiasAdd, given: Shape) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(given.channels))

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        bias = self.bias if self.bias.dtype == x.dtype else self.bias.to(x.dtype)
        return x + bias[:, None, None]


class Scale(nn.Module):
    """Multiplies by a number that is not learned."""

    def __init__(self, op: ops.Scale) -> None:
        super().__init__()
        self._factor = op.factor

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        return x * self._factor


class PoolPositions(nn.Module):
    """Where the largest elements of windows lie, as torch counts: through the rows of the whole map."""

    def __init__(self, op: ops.PoolPositions) -> None:
        super().__init__()
        self._stride = op.stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> whole numbers (batch, channels, ceil(height / stride), ...)."""
        return functional.max_pool2d_with_indices(x, self._stride, self._stride, ceil_mode=True)[1]


class MaxUnpool2d(nn.Module):
    """Puts elements where they came from, zeros elsewhere. No two come from one place: it repeats to the last bit."""

    def forward(self, x: Tensor, positions: Tensor, reference: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, channels, height and width of the reference)."""
        height, width = _size(reference)
        spread = x.new_zeros((*x.shape[:2], height * width))
        return spread.scatter(2, positions.flatten(2), x.flatten(2)).view(*x.shape[:2], height, width)


class PadChannels(nn.Module):
    """Appends channels of zeros."""

    def __init__(self, op: ops.PadChannels, given: Shape) -> None:
        super().__init__()
        self._added = op.channels - given.channels

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, more channels, ...)."""
        return functional.pad(x, (0, 0, 0, 0, 0, self._added))


class Dropout(nn.Dropout):
    """nn.Dropout that can draw from a generator of its own, so that copies of a network in several threads repeat."""

    generator: torch.Generator | None = None

    def __init__(self, op: ops.Dropout) -> None:
        super().__init__(op.rate)
        self._whole_channels = op.whole_channels

    def forward(self, x: Tensor) -> Tensor:
        """Shape unchanged."""
        if not self.training or (self.generator is None and not self._whole_channels):
            return super().forward(x)
        drawn = x.new_empty((*x.shape[:2], 1, 1)) if self._whole_channels else torch.empty_like(x)
        return x * drawn.bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)


class Resize(nn.Module):
    """Scales to the size of the second input, or to a share of the sides of the only one."""

    def __init__(self, op: ops.Resize) -> None:
        super().__init__()
        self._mode, self._scale = op.mode, op.scale

    def forward(self, x: Tensor, reference: Tensor | None = None) -> Tensor:
        """(batch, channels, ...) -> (batch, channels, height and width of the reference, or the scaled ones)."""
        if reference is not None:
            size = _size(reference)
        else:
            assert self._scale is not None, "a resize has a reference or a scale"
            height, width = _size(x)
            size = ops.scaled(height, self._scale), ops.scaled(width, self._scale)
        corners = False if self._mode == "bilinear" else None
        return functional.interpolate(x, size=size, mode=self._mode, align_corners=corners)


class Crop(nn.Module):
    """Cuts to the size of the second input, from the centre or from an offset."""

    def __init__(self, op: ops.Crop) -> None:
        super().__init__()
        self._offset = op.offset

    def forward(self, x: Tensor, reference: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, channels, height and width of the reference)."""
        (given_height, given_width), (height, width) = _size(x), _size(reference)
        top, left = (given_height - height) // 2, (given_width - width) // 2
        if self._offset is not None:
            top = left = self._offset
        return x[..., top : top + height, left : left + width]


class Add(nn.Module):
    """Sum of its inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Shape unchanged."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Concat(nn.Module):
    """Its inputs, stacked along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """(batch, sum of channels, height, width)."""
        return torch.cat(inputs, dim=1)


class ConvTranspose2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d that trains, and works inside `quickly`, in its exact sub-pixel form where its kernel is a
    multiple of its stride.

    There the transposed convolution is a convolution with kernel / stride taps to stride^2 times the channels, whose
    results are laid out as pixels (Shi et al., arXiv:1609.07009); on a processor it is cheaper, its gradients far more
    so. Elsewhere it is the plain operator, so that counters and exporters see what was declared.
    """

    def __init__(self, op: ops.ConvTranspose2d, given: Shape) -> None:
        super().__init__(
            given.channels, op.channels, op.kernel, stride=op.stride, padding=op.padding, groups=op.groups, bias=False
        )
        self._taps = op.kernel // op.stride
        self.quick = False
        self._sub_pixel = op.groups == 1 and op.stride > 1 and op.kernel % op.stride == 0
        if op.initial == "xavier":
            nn.init.xavier_uniform_(self.weight)
            return
        with torch.no_grad():
            self.weight.zero_()
            for channel in range(min(given.channels, op.channels)):
                self.weight[channel, channel % (op.channels // op.groups)] = bilinear_kernel(op.kernel, op.stride)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(batch, in, height, width) -> (batch, out, (size - 1) * stride + kernel - 2 * padding, ...)."""
        if not (self._sub_pixel and (self.training or self.quick)):
            return super().forward(x, output_size)
        taps, stride, padding = self._taps, self.stride[0], int(self.padding[0])
        inputs, outputs = self.weight.shape[:2]
        weight = self.weight.view(
            inputs, outputs, taps, stride, taps, stride
        )  # the kernel as (tap, row) x (tap, column)
        weight = weight.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
        full = functional.pixel_shuffle(functional.conv2d(x, weight, padding=taps - 1), stride)
        return full[..., padding : full.shape[-2] - padding, padding : full.shape[-1] - padding]


@contextmanager
def quickly(model: nn.Module) -> Iterator[None]:
    """Inside, a network in evaluation computes its transposed convolutions in the sub-pixel form, as in training."""
    modules = [module for module in model.modules() if isinstance(module, ConvTranspose2d)]
    for module in modules:
        module.quick = True
    try:
        yield
    finally:
        for module in modules:
            module.quick = False


def bilinear_kernel(size: int, stride: int) -> Tensor:
    """The (size, size) weights with which a transposed convolution of this stride interpolates bilinearly.

    A triangle as wide as two strides, in the middle of the kernel (Long et al., CVPR 2015, section 3.3, where the
    kernel is twice the stride). What a smaller kernel cuts off is made up for, so that a map of ones stays one, and
    what a larger one has more is zero; outputs that no weight leads to (a kernel smaller than the stride) stay zero.
    """
    middle = (size - 1) / 2
    ramp = [max(1 - abs(place - middle) / stride, 0.0) for place in range(size)]
    for phase in range(min(stride, size)):
        total = sum(ramp[phase::stride])
        if total > 0:
            ramp[phase::stride] = [weight / total for weight in ramp[phase::stride]]
    side = torch.tensor(ramp)
    return side[:, None] * side[None, :]


def _activation(op: ops.Activation, inputs: tuple[Shape, ...]) -> nn.Module:
    return {"relu": nn.ReLU, "relu6": nn.ReLU6}[op.kind]()


BUILDERS: dict[type[ops.Operator], Callable[[Any, tuple[Shape, ...]], nn.Module]] = {
    ops.Conv2d: lambda op, inputs: Conv2d(op, inputs[0]),
    ops.ConvTranspose2d: lambda op, inputs: ConvTranspose2d(op, inputs[0]),
    ops.BiasAdd: lambda op, inputs: BiasAdd(op, inputs[0]),
    ops.BatchNorm2d: lambda op, inputs: nn.BatchNorm2d(inputs[0].channels, eps=op.epsilon),
    ops.Activation: _activation,
    ops.PRelu: lambda op, inputs: nn.PReLU(inputs[0].channels),
    ops.Scale: lambda op, inputs: Scale(op),
    ops.Dropout: lambda op, inputs: Dropout(op),
    ops.MaxPool2d: lambda op, inputs: MaxPool2d(op, inputs[0]),
    ops.PoolPositions: lambda op, inputs: PoolPositions(op),
    ops.MaxUnpool2d: lambda op, inputs: MaxUnpool2d(),
    ops.PadChannels: lambda op, inputs: PadChannels(op, inputs[0]),
    ops.GlobalAvgPool2d: lambda op, inputs: nn.AdaptiveAvgPool2d(1),
    ops.Resize: lambda op, inputs: Resize(op),
    ops.Crop: lambda op, inputs: Crop(op),
    ops.Add: lambda op, inputs: Add(),
    ops.Concat: lambda op, inputs: Concat(),
}
"""Operator -> maker of its module from (operator, input shapes)."""
