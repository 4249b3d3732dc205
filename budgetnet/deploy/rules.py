"""What each kernel becomes in ONNX. Every operator has its rule in `RULES`; one without a rule is an error that names
it.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from budgetnet import ops
from budgetnet.deploy.folding import affine, folded
from budgetnet.deploy.writer import Writer
from budgetnet.graph import module_path
from budgetnet.kernels import Kernel
from budgetnet.ops import PaddingRule, Shape, padding_by


def _convolution(writer: Writer, kernel: Kernel) -> str:
    op = kernel.main.op
    assert isinstance(op, ops.Conv2d)
    given = writer.shapes[kernel.sources[0]]
    pads = _pads(op.padding, given, op.sides, op.stride, op.dilation)
    return _weighted(
        writer,
        kernel,
        "Conv",
        kernel_shape=list(op.sides),
        strides=[op.stride] * 2,
        dilations=[op.dilation] * 2,
        group=op.groups,
        pads=pads,
    )


def _transposed(writer: Writer, kernel: Kernel) -> str:
    """Its padding, and what a crop behind it cuts off."""
    op = kernel.main.op
    assert isinstance(op, ops.ConvTranspose2d)
    top, left, bottom, right = op.padding, op.padding, op.padding, op.padding
    before = kernel.main.shape
    for node in kernel.nodes[1:]:
        if isinstance(node.op, ops.Crop):
            above, beside = _cut(node.op, before, node.shape)
            top, left = top + above, left + beside
            bottom += before.height - node.shape.height - above
            right += before.width - node.shape.width - beside
            before = node.shape
    if writer.form.sub_pixel and op.groups == 1 and op.stride > 1 and op.kernel % op.stride == 0:
        return _sub_pixel(writer, kernel, op, top, left)
    return _weighted(
        writer,
        kernel,
        "ConvTranspose",
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        group=op.groups,
        pads=[top, left, bottom, right],
    )


def _sub_pixel(writer: Writer, kernel: Kernel, op: ops.ConvTranspose2d, top: int, left: int) -> str:
    """Its exact sub-pixel form: a convolution, its channels laid out as pixels, what padding cuts off cut off."""
    made, taps, stride = folded(kernel, writer.weights), op.kernel // op.stride, op.stride
    inputs, outputs = made.weight.shape[:2]
    parts = made.weight.reshape(inputs, outputs, taps, stride, taps, stride)[:, :, ::-1, :, ::-1, :]
    weight = parts.transpose(1, 3, 5, 0, 2, 4).reshape(-1, inputs, taps, taps)
    tensors = [*writer.sources(kernel), writer.constant(f"{kernel.name}/weight", weight)]
    if made.bias is not None:
        tensors.append(writer.constant(f"{kernel.name}/bias", np.repeat(made.bias, stride**2)))
    tensor = writer.add("Conv", kernel.name, *tensors, kernel_shape=[taps] * 2, pads=[taps - 1] * 4)
    tensor = writer.activated(kernel, tensor)
    whole = writer.add("DepthToSpace", f"{kernel.name}/pixels", tensor, blocksize=stride, mode="CRD")
    return writer.slice(kernel, whole, top, left, f"{kernel.name}/cut")


def _weighted(writer: Writer, kernel: Kernel, kind: str, **attributes: Any) -> str:
    """A convolution of either kind with its weights, and its activation."""
    made = folded(kernel, writer.weights)
    inputs = [*writer.sources(kernel), writer.constant(f"{kernel.name}/weight", made.weight)]
    if made.bias is not None:
        inputs.append(writer.constant(f"{kernel.name}/bias", made.bias))
    return writer.activated(kernel, writer.add(kind, kernel.name, *inputs, **attributes))


def _pads(padding: ops.Padding, given: Shape, sides: tuple[int, int], stride: int, dilation: int = 1) -> list[int]:
    """Rows above, columns left, rows below, columns right."""
    if not isinstance(padding, str):
        return [padding] * 4
    rule: PaddingRule = "same" if padding == "same" else "after"
    (top, bottom), (left, right) = (
        padding_by(rule, size, side, stride, dilation)
        for size, side in zip((given.height, given.width), sides, strict=True)
    )
    return [top, left, bottom, right]


def _cut(op: ops.Crop, given: Shape, wanted: Shape) -> tuple[int, int]:
    """How many rows above and columns left a crop cuts off."""
    if op.offset is not None:
        return op.offset, op.offset
    return (given.height - wanted.height) // 2, (given.width - wanted.width) // 2


def _affine(writer: Writer, kernel: Kernel) -> str:
    """A bias, batch norm or scale with nothing to be folded into."""
    factor, added = affine(kernel.main, writer.weights)
    (tensor,) = writer.sources(kernel)
    if not (factor == 1).all():
        last = not added.any()
        name = kernel.name if last else f"{kernel.name}/scaled"
        tensor = writer.add("Mul", name, tensor, writer.channels(f"{kernel.name}/factor", factor))
        if last:
            return tensor
    return writer.add("Add", kernel.name, tensor, writer.channels(f"{kernel.name}/shift", added))


def _activation(writer: Writer, kernel: Kernel) -> str:
    op = kernel.main.op
    assert isinstance(op, ops.Activation)
    return writer.activation(kernel.name, op, *writer.sources(kernel))


def _prelu(writer: Writer, kernel: Kernel) -> str:
    slopes = writer.weights[f"{module_path(kernel.name)}.weight"]
    return writer.add("PRelu", kernel.name, *writer.sources(kernel), writer.channels(f"{kernel.name}/slope", slopes))


def _max_pool(writer: Writer, kernel: Kernel) -> str:
    op = kernel.main.op
    assert isinstance(op, ops.MaxPool2d)
    pads = _pads(op.padding, writer.shapes[kernel.sources[0]], (op.kernel, op.kernel), op.stride)
    return writer.add(
        "MaxPool",
        kernel.name,
        *writer.sources(kernel),
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        pads=pads,
    )


def _positions(writer: Writer, kernel: Kernel) -> str:
    """Where the largest elements lie, through the whole batch, as MaxUnpool takes them: on maps of whole windows."""
    op = kernel.main.op
    assert isinstance(op, ops.PoolPositions)
    windows = [op.stride] * 2
    (tensor,) = writer.sources(kernel)
    given = writer.shapes[kernel.sources[0]]
    added = [-given.height % op.stride, -given.width % op.stride]
    if any(added):
        pads = writer.constant(f"{kernel.name}/pads", [0, 0, 0, 0, 0, 0, *added], "int64")
        lowest = writer.constant("lowest", -np.inf)
        tensor = writer.add("Pad", f"{kernel.name}/padded", tensor, pads, lowest)
    return writer.add("MaxPool", kernel.name, tensor, outputs=2, kernel_shape=windows, strides=windows)


def _unpool(writer: Writer, kernel: Kernel) -> str:
    """To whole windows, cut to the size of the map that was pooled."""
    op = kernel.main.op
    assert isinstance(op, ops.MaxUnpool2d)
    windows, (given, _) = [op.stride] * 2, (writer.shapes[name] for name in kernel.sources)
    whole = given.height * op.stride, given.width * op.stride
    wanted = kernel.output
    name = kernel.name if whole == (wanted.height, wanted.width) else f"{kernel.name}/whole"
    tensor = writer.add("MaxUnpool", name, *writer.sources(kernel), kernel_shape=windows, strides=windows)
    return tensor if name == kernel.name else writer.slice(kernel, tensor, 0, 0)


def _pad_channels(writer: Writer, kernel: Kernel) -> str:
    added = kernel.output.channels - writer.shapes[kernel.sources[0]].channels
    pads = writer.constant(f"{kernel.name}/pads", [0, 0, 0, 0, 0, added, 0, 0], "int64")
    return writer.add("Pad", kernel.name, *writer.sources(kernel), pads)


def _resize(writer: Writer, kernel: Kernel) -> str:
    """By factors, as the sizes of a free batch cannot be told; pixel centres aligned when it is bilinear."""
    op = kernel.main.op
    assert isinstance(op, ops.Resize)
    given, wanted = writer.shapes[kernel.sources[0]], kernel.output
    factors = [1, 1, _factor(given.height, wanted.height), _factor(given.width, wanted.width)]
    how: dict[str, Any] = (
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        if op.mode == "bilinear"
        else {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    )
    scales = writer.constant(f"{kernel.name}/factors", factors, "float32")
    return writer.add("Resize", kernel.name, *writer.sources(kernel), "", scales, **how)


def _factor(given: int, wanted: int) -> Any:
    """The float32 by which a side is multiplied so that the whole part is the side that is wanted."""
    factor = np.float32(wanted / given)
    while int(given * float(factor)) < wanted:
        factor = np.nextafter(factor, np.float32(np.inf))
    return factor


def _crop(writer: Writer, kernel: Kernel) -> str:
    op = kernel.main.op
    assert isinstance(op, ops.Crop)
    (tensor,) = writer.sources(kernel)
    return writer.slice(kernel, tensor, *_cut(op, writer.shapes[kernel.sources[0]], kernel.output))


def _add(writer: Writer, kernel: Kernel) -> str:
    first, *others = writer.sources(kernel)
    for number, other in enumerate(others, 1):
        name = kernel.name if number == len(others) else f"{kernel.name}/{number}"
        first = writer.add("Add", name, first, other)
    return first


RULES: Final[dict[type[ops.Operator], Callable[[Writer, Kernel], str]]] = {
    ops.Conv2d: _convolution,
    ops.ConvTranspose2d: _transposed,
    ops.BiasAdd: _affine,
    ops.BatchNorm2d: _affine,
    ops.Activation: _activation,
    ops.PRelu: _prelu,
    ops.Scale: _affine,
    ops.MaxPool2d: _max_pool,
    ops.PoolPositions: _positions,
    ops.MaxUnpool2d: _unpool,
    ops.PadChannels: _pad_channels,
    ops.GlobalAvgPool2d: lambda writer, kernel: writer.add("GlobalAveragePool", kernel.name, *writer.sources(kernel)),
    ops.Resize: _resize,
    ops.Crop: _crop,
    ops.Add: _add,
    ops.Concat: lambda writer, kernel: writer.add("Concat", kernel.name, *writer.sources(kernel), axis=1),
}
"""Operator of a kernel -> the nodes it becomes and the tensor they end in. Input and Dropout are in no kernel."""
