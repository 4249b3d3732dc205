"""The convolutions of VGG-16 (Simonyan and Zisserman, arXiv:1409.1556, table 1, column D), of which others are made."""

from typing import Final

from budgetnet.numeric import maximum, truncate
from budgetnet.ops import Activation
from budgetnet.parameters import Parameter
from budgetnet.units import Number

BLOCKS: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions between two poolings: conv1_1 and conv1_2, conv2_1 ..."""

RELU: Final = Activation(kind="relu")

DEPTH_MULTIPLIER: Final = Parameter(
    name="depth_multiplier",
    kind=float,
    default=1.0,
    space=(0.25, 0.5, 0.75, 1.0),
    above=0,
    maximum=16,
    step=0.01,
    part="stem",
    help="width: every layer's channels are multiplied by it; 1 is the published network",
)


def channels(full: int, depth_multiplier: Number, *, least: int = 1) -> Number:
    """A layer's channels, max(int(full * depth_multiplier), least)."""
    return maximum(truncate(full * depth_multiplier), least)
