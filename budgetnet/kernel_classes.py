"""What kernels of a deployed network do, as far as hardware tells them apart: it does them with unlike success."""

from typing import Final, Literal, TypeAlias

KernelClass: TypeAlias = Literal["dense", "pointwise", "depthwise", "transposed", "elementwise"]
KERNEL_CLASSES: Final[tuple[KernelClass, ...]] = ("dense", "pointwise", "depthwise", "transposed", "elementwise")
"""Convolutions over all channels, with a window and without; channel by channel, or in groups; transposed ones; and all
that only moves and compares numbers.
"""
