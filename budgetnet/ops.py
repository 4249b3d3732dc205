"""The closed set of primitive operators. Each is frozen data that knows the shape of its output and, a convolution, how
many weights it holds; nothing else.

What an operator costs is `count`'s business, how it is made is `build`'s: both read these rows. Sizes are ints or NumPy
integer arrays; an array stands for a whole grid of networks that differ in that number. Shapes leave the batch out.

`SAME` is TensorFlow's padding rule: output = ceil(input / stride), the padding split evenly, the odd row after.
(https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding") `after` is what networks do that pad by hand for
even sizes: output = input // stride, all padding after. On sizes that the stride divides both are the same.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

from budgetnet.numeric import ceil_div, holds, maximum, truncate
from budgetnet.units import Number

PaddingRule = Literal["same", "after"]
Padding = Number | PaddingRule


class ShapeError(ValueError):
    """An operator was given inputs that it cannot take. A fault in the declaration of a network, not of a user's
    input.
    """


class NoRuleError(TypeError):
    """An operator that nobody taught one of those who read graphs."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One feature map: channels x height x width."""

    channels: Number
    height: Number
    width: Number

    def same_size(self, other: "Shape") -> bool:
        """Whether height and width agree."""
        return holds(self.height == other.height) and holds(self.width == other.width)


class Operator(ABC):
    """A primitive operator: `output_shape` of the shapes of its inputs. Raises ShapeError where they do not fit."""

    __slots__ = ()

    @abstractmethod
    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output for the given input shapes."""


def _only(inputs: tuple[Shape, ...], operator: Operator) -> Shape:
    if len(inputs) != 1:
        raise ShapeError(f"{type(operator).__name__} takes one input, but got {len(inputs)}")
    return inputs[0]


def _several(inputs: tuple[Shape, ...], operator: Operator) -> Shape:
    if len(inputs) < 2:
        raise ShapeError(f"{type(operator).__name__} takes two inputs or more, but got {len(inputs)}")
    if not all(inputs[0].same_size(other) for other in inputs[1:]):
        raise ShapeError(f"{type(operator).__name__} takes inputs of one height and width, but got {inputs}")
    return inputs[0]


def _pair(inputs: tuple[Shape, ...], operator: Operator) -> tuple[Shape, Shape]:
    if len(inputs) != 2:
        raise ShapeError(f"{type(operator).__name__} takes an input and a reference, but got {len(inputs)} inputs")
    return inputs[0], inputs[1]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Rows to add before and after `size` rows under the `SAME` rule."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padding_by(rule: PaddingRule, size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Rows to add before and after `size` rows under a rule."""
    if rule == "same":
        return same_padding(size, kernel, stride, dilation)
    return 0, max((kernel - 1) * dilation + 1 - stride, 0)


def scaled(side: Number, scale: float) -> Number:
    """A share of a side, to the nearest whole pixel (half a pixel is one), 1 at least."""
    return maximum(truncate(side * scale + 0.5), 1)


def _window(size: Number, kernel: Number, stride: Number, padding: Padding, dilation: Number = 1) -> Number:
    """How many positions a sliding window has along one side."""
    if padding == "same":
        return ceil_div(size, stride)
    reach = dilation * (kernel - 1) + 1
    added = maximum(reach - stride, 0) if isinstance(padding, str) else 2 * padding
    positions = (size + added - reach) // stride + 1
    if not holds(positions > 0):
        raise ShapeError(f"a window of {kernel} (dilation {dilation}) must fit {size} rows padded by {padding}")
    return positions


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Operator):
    """The image that goes in."""

    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        """The declared shape."""
        if inputs:
            raise ShapeError(f"Input takes no input, but got {len(inputs)}")
        return self.shape


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d(Operator):
    """Convolution without bias (that is a `BiasAdd`). Depthwise where `groups` equals the input's channels.

    A window is `kernel` rows high, and as wide unless `kernel_width` says otherwise. `initial="zero"` starts it as
    nothing at all, so that what it adds to is at first as it would be without it; `"identity"` as leaving its input as
    it is, channel by channel.
    """

    channels: Number
    kernel: Number
    stride: Number = 1
    padding: Padding = "same"
    dilation: Number = 1
    groups: Number = 1
    kernel_width: Number | None = None
    initial: Literal["xavier", "zero", "identity"] = "xavier"

    @property
    def sides(self) -> tuple[Number, Number]:
        """Height and width of the window, before dilation."""
        return self.kernel, self.kernel if self.kernel_width is None else self.kernel_width

    def weights(self, given: Shape) -> Number:
        """k^2 * Cin / groups for each of its output's channels; k * l where the window is not square."""
        high, wide = self.sides
        return high * wide * (given.channels // self.groups) * self.channels

    def output_shape(self, *inputs: Shape) -> Shape:
        """`channels` x the window positions along each side."""
        given = _only(inputs, self)
        if not (holds(given.channels % self.groups == 0) and holds(self.channels % self.groups == 0)):
            raise ShapeError(
                f"groups must divide {given.channels} input and {self.channels} output channels: {self.groups}"
            )
        return Shape(
            channels=self.channels,
            height=_window(given.height, self.sides[0], self.stride, self.padding, self.dilation),
            width=_window(given.width, self.sides[1], self.stride, self.padding, self.dilation),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConvTranspose2d(Operator):
    """Transposed convolution without bias; `padding` rows are cut off each side of its full output.

    `initial="bilinear"` starts it as bilinear interpolation, channel by channel (Long et al., CVPR 2015, section 3.3).
    """

    channels: Number
    kernel: Number
    stride: Number
    padding: Number = 0
    groups: Number = 1
    initial: Literal["xavier", "bilinear"] = "xavier"

    def weights(self, given: Shape) -> Number:
        """k^2 * Cout / groups for each of its input's channels."""
        return self.kernel * self.kernel * (self.channels // self.groups) * given.channels

    def output_shape(self, *inputs: Shape) -> Shape:
        """`channels` x ((size - 1) * stride + kernel - 2 * padding) along each side."""
        given = _only(inputs, self)
        if not (holds(given.channels % self.groups == 0) and holds(self.channels % self.groups == 0)):
            raise ShapeError(
                f"groups must divide {given.channels} input and {self.channels} output channels: {self.groups}"
            )
        height = (given.height - 1) * self.stride + self.kernel - 2 * self.padding
        width = (given.width - 1) * self.stride + self.kernel - 2 * self.padding
        if not (holds(height > 0) and holds(width > 0)):
            raise ShapeError(f"padding {self.padding} must leave something of the output: {height} x {width}")
        return Shape(channels=self.channels, height=height, width=width)


def enlarging(channels: Number, factor: Number, *, groups: Number = 1) -> ConvTranspose2d:
    """A transposed convolution to exactly `factor` times the size that starts as bilinear interpolation: a kernel of 2
    * factor, or one less where the factor is odd and so has a middle.
    """
    return ConvTranspose2d(
        channels=channels,
        kernel=2 * factor - factor % 2,
        stride=factor,
        padding=factor // 2,
        groups=groups,
        initial="bilinear",
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BiasAdd(Operator):
    """Adds one learned number per channel."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm2d(Operator):
    """Batch normalisation with a learned scale and shift per channel; folded into the convolution when deployed."""

    epsilon: float = 1e-3

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Operator):
    """An element-by-element non-linearity."""

    kind: Literal["relu", "relu6"]

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PRelu(Operator):
    """Leaves what is positive and multiplies what is not by a learned number per channel (He et al., arXiv:1502.01852).

    Deployed it is an activation: no multiply-accumulates, as with the others.
    """

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Operator):
    """Multiplies by a number that is not learned."""

    factor: float

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Operator):
    """Zeroes a share `rate` of the elements while training; nothing when deployed.

    With `whole_channels` whole maps are zeroed (Tompson et al., arXiv:1411.4280, section 3.2): neighbours on a map say
    the same, so that one of them missing teaches little; and one draw per map costs nothing.
    """

    rate: float
    whole_channels: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """As the input."""
        return _only(inputs, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2d(Operator):
    """The largest element of each window, channel by channel."""

    kernel: Number
    stride: Number
    padding: Padding = "same"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's channels x the window positions along each side."""
        given = _only(inputs, self)
        return Shape(
            channels=given.channels,
            height=_window(given.height, self.kernel, self.stride, self.padding),
            width=_window(given.width, self.kernel, self.stride, self.padding),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPositions(Operator):
    """Where in each window of a max pooling the largest element lies, channel by channel: what `MaxUnpool2d` reads.

    Windows do not overlap: `stride` high and wide, 2 at most, those at the end cut off where the map ends. There `SAME`
    begins with whole windows; larger ones it would cut off on both sides.
    """

    stride: Number

    def output_shape(self, *inputs: Shape) -> Shape:
        """As that of the pooling."""
        given = _only(inputs, self)
        if not holds(self.stride <= 2):
            raise ShapeError(f"PoolPositions takes windows of 2 or less, but got {self.stride}")
        return Shape(
            channels=given.channels,
            height=ceil_div(given.height, self.stride),
            width=ceil_div(given.width, self.stride),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MaxUnpool2d(Operator):
    """Puts each element of the first input where the second, `PoolPositions`, says that it came from, zeros elsewhere
    (Badrinarayanan et al., arXiv:1511.00561, section 3); the third is the map that was pooled, for its size alone.
    """

    stride: Number

    def output_shape(self, *inputs: Shape) -> Shape:
        """The reference's height and width, the channels of the other two."""
        if len(inputs) != 3:
            raise ShapeError(f"MaxUnpool2d takes an input, positions and a reference, but got {len(inputs)} inputs")
        given, positions, reference = inputs
        pooled = PoolPositions(stride=self.stride).output_shape(reference)
        if not (given.same_size(positions) and given.same_size(pooled) and holds(given.channels == positions.channels)):
            raise ShapeError(
                f"MaxUnpool2d takes an input and positions of one shape, of the pooled one's size: {inputs}"
            )
        return Shape(channels=given.channels, height=reference.height, width=reference.width)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PadChannels(Operator):
    """Appends channels of zeros until there are `channels`, so that a map can be added to a deeper one."""

    channels: Number

    def output_shape(self, *inputs: Shape) -> Shape:
        """`channels` x the input's height and width."""
        given = _only(inputs, self)
        if not holds(self.channels >= given.channels):
            raise ShapeError(f"PadChannels must give as many channels as it gets, or more: {self.channels} of {given}")
        return Shape(channels=self.channels, height=given.height, width=given.width)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAvgPool2d(Operator):
    """The mean of each channel: one number for the whole map."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's channels x 1 x 1."""
        return Shape(channels=_only(inputs, self).channels, height=1, width=1)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(Operator):
    """Scales the first input to the second's height and width, pixel centres aligned (half-pixel rule); with a `scale`
    its only input, to that share of its sides.
    """

    mode: Literal["bilinear", "nearest"] = "bilinear"
    scale: float | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's channels x the reference's height and width, or the scaled ones."""
        if self.scale is not None:
            given = _only(inputs, self)
            height, width = scaled(given.height, self.scale), scaled(given.width, self.scale)
            return Shape(channels=given.channels, height=height, width=width)
        given, reference = _pair(inputs, self)
        return Shape(channels=given.channels, height=reference.height, width=reference.width)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Crop(Operator):
    """Cuts the first input to the second's height and width: from its centre (the odd row is cut at the end), or from
    `offset` rows and columns on.
    """

    offset: Number | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's channels x the reference's height and width."""
        given, reference = _pair(inputs, self)
        left = 0 if self.offset is None else self.offset
        if not (holds(given.height >= reference.height + left) and holds(given.width >= reference.width + left)):
            raise ShapeError(f"Crop must cut to a smaller size (from {left} on), but got {given} to {reference}")
        return Shape(channels=given.channels, height=reference.height, width=reference.width)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Operator):
    """Sum of feature maps of one shape."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """As each input."""
        first = _several(inputs, self)
        if not all(holds(first.channels == other.channels) for other in inputs[1:]):
            raise ShapeError(f"Add takes inputs of as many channels, but got {inputs}")
        return first


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Operator):
    """Feature maps of one height and width, stacked along the channels."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The channels of all inputs x their height and width."""
        first = _several(inputs, self)
        return Shape(channels=sum(given.channels for given in inputs), height=first.height, width=first.width)


OPERATORS: tuple[type[Operator], ...] = (
    Input,
    Conv2d,
    ConvTranspose2d,
    BiasAdd,
    BatchNorm2d,
    Activation,
    PRelu,
    Scale,
    Dropout,
    MaxPool2d,
    PoolPositions,
    MaxUnpool2d,
    PadChannels,
    GlobalAvgPool2d,
    Resize,
    Crop,
    Add,
    Concat,
)
"""All there are."""
