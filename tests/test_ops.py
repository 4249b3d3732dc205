"""Output shapes, held against torch's own layers and against the rule of TensorFlow's SAME padding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from budgetnet import ops
from budgetnet.ops import Shape, ShapeError, padding_by, same_padding

sizes = st.integers(1, 70)
kernels = st.integers(1, 7)
strides = st.integers(1, 4)


@given(size=sizes, kernel=kernels, stride=strides, dilation=st.integers(1, 3))
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride, dilation):
    before, after = same_padding(size, kernel, stride, dilation)
    positions = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
    assert positions == -(-size // stride)
    assert 0 <= after - before <= 1


@pytest.mark.parametrize(("size", "expected"), [(320, (0, 1)), (321, (1, 1)), (2, (0, 1)), (1, (1, 1))])
def test_same_padding_of_a_3x3_kernel_at_stride_2_is_uneven_on_even_sizes(size, expected):
    assert same_padding(size, 3, 2) == expected


@given(size=sizes, kernel=kernels, stride=strides, dilation=st.integers(1, 2))
def test_padding_after_gives_size_over_stride_and_is_same_where_stride_divides(size, kernel, stride, dilation):
    reach = (kernel - 1) * dilation + 1
    before, after = padding_by("after", size, kernel, stride, dilation)
    positions = (size + before + after - reach) // stride + 1
    op = ops.Conv2d(channels=1, kernel=kernel, stride=stride, padding="after", dilation=dilation)
    given_shape = Shape(channels=1, height=size, width=size)
    if positions < 1:
        with pytest.raises(ShapeError, match="must fit"):
            op.output_shape(given_shape)
        return
    assert op.output_shape(given_shape).height == positions
    assert before == 0
    if reach >= stride:
        assert positions == size // stride
    if size % stride == 0 and stride <= reach <= stride + 1:
        assert (before, after) == same_padding(size, kernel, stride, dilation)


@given(size=st.integers(8, 40), kernel=kernels, stride=strides, padding=st.integers(0, 3), dilation=st.integers(1, 2))
def test_convolution_with_given_padding_has_torchs_shape(size, kernel, stride, padding, dilation):
    op = ops.Conv2d(channels=2, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    given_shape = Shape(channels=1, height=size, width=size + 3)
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        with pytest.raises(ShapeError, match="must fit"):
            op.output_shape(given_shape)
        return
    layer = nn.Conv2d(1, 2, kernel, stride, padding, dilation)
    expected = layer(torch.zeros(1, 1, size, size + 3)).shape[1:]
    shape = op.output_shape(given_shape)
    assert (shape.channels, shape.height, shape.width) == tuple(expected)


@given(size=st.integers(1, 20), kernel=st.integers(2, 9), stride=strides, padding=st.integers(0, 2))
def test_transposed_convolution_has_torchs_shape(size, kernel, stride, padding):
    op = ops.ConvTranspose2d(channels=3, kernel=kernel, stride=stride, padding=padding)
    given_shape = Shape(channels=2, height=size, width=size + 1)
    if (size - 1) * stride + kernel - 2 * padding <= 0:
        with pytest.raises(ShapeError, match="must leave something"):
            op.output_shape(given_shape)
        return
    expected = nn.ConvTranspose2d(2, 3, kernel, stride, padding)(torch.zeros(1, 2, size, size + 1)).shape[1:]
    shape = op.output_shape(given_shape)
    assert (shape.channels, shape.height, shape.width) == tuple(expected)


def test_shapes_of_a_grid_are_those_of_its_points():
    heights, kernels_, strides_ = (
        np.array([31, 32, 33, 100]),
        np.array([[1], [3], [6]]),
        np.array([[[1]], [[2]], [[5]]]),
    )
    shape = ops.Conv2d(channels=8, kernel=kernels_, stride=strides_, padding=3).output_shape(
        Shape(channels=4, height=heights, width=40)
    )
    assert shape.height.shape == (3, 3, 4)
    for (s, k, h), height in np.ndenumerate(shape.height):
        point = ops.Conv2d(channels=8, kernel=int(kernels_[k, 0]), stride=int(strides_[s, 0, 0]), padding=3)
        assert point.output_shape(Shape(channels=4, height=int(heights[h]), width=40)).height == height


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (ops.Add(), [(1, 4, 4)], "Add takes two inputs or more, but got 1"),
        (ops.Add(), [(1, 4, 4), (2, 4, 4)], "as many channels"),
        (ops.Concat(), [(1, 4, 4), (1, 4, 5)], "one height and width"),
        (ops.Crop(), [(1, 4, 4), (1, 5, 4)], "must cut to a smaller size"),
        (ops.Crop(offset=1), [(1, 4, 4), (1, 4, 3)], r"must cut to a smaller size \(from 1 on\)"),
        (ops.MaxUnpool2d(stride=2), [(1, 2, 2), (1, 2, 2)], "takes an input, positions and a reference, but got 2"),
        (ops.MaxUnpool2d(stride=2), [(1, 2, 2), (1, 2, 2), (1, 5, 4)], "of one shape, of the pooled one's size"),
        (ops.MaxUnpool2d(stride=2), [(1, 2, 2), (2, 2, 2), (1, 4, 4)], "of one shape, of the pooled one's size"),
        (ops.PoolPositions(stride=3), [(1, 4, 4)], "takes windows of 2 or less, but got 3"),
        (ops.PadChannels(channels=3), [(4, 2, 2)], "must give as many channels as it gets, or more: 3"),
        (ops.Crop(), [(1, 4, 4)], "Crop takes an input and a reference, but got 1 inputs"),
        (ops.GlobalAvgPool2d(), [(1, 4, 4), (1, 4, 4)], "GlobalAvgPool2d takes one input, but got 2"),
        (ops.BiasAdd(), [], "BiasAdd takes one input, but got 0"),
        (ops.Conv2d(channels=4, kernel=1, groups=3), [(3, 4, 4)], "groups must divide 3 input and 4 output channels"),
        (ops.Conv2d(channels=3, kernel=1, groups=3), [(4, 4, 4)], "groups must divide 4 input and 3 output channels"),
        (ops.MaxPool2d(kernel=9, stride=1, padding=0), [(1, 4, 4)], "must fit 4 rows"),
        (ops.Input(shape=Shape(channels=3, height=4, width=4)), [(1, 4, 4)], "Input takes no input, but got 1"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(op, inputs, message):
    with pytest.raises(ShapeError, match=message):
        op.output_shape(*(Shape(channels=c, height=h, width=w) for c, h, w in inputs))


def test_operators_cannot_be_changed():
    with pytest.raises(AttributeError):
        ops.Conv2d(channels=1, kernel=1).kernel = 3
