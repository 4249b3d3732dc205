"""A light decoder: a context block on the deepest map, joined on its way up by the finer maps of the stem, and a 1 x 1
classifier at a fine stride.

From each stride to the next finer one (16, 8, 4, as far as `decoder_stride`) the deeper map is resized, a 1 x 1
convolution of the stem's map is added (the top-down path of Lin et al., arXiv:1612.03144, section 3, here with batch
norm), and a depthwise-separable 3 x 3 convolution mixes the two. Scores go to full size bilinearly. Maps of the stem
that are not finer than its deepest are left out, so a stem of `decoder_stride` or less is decoded as it is.
"""

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem, _context
from budgetnet.ops import Add, Conv2d, Resize
from budgetnet.parameters import Parameter
from budgetnet.units import Number

PARAMETERS = (
    _context.CHANNELS,
    Parameter(
        name="decoder_stride",
        kind=int,
        default=4,
        space=(4, 8),
        choices=(2, 4, 8),
        part="head",
        help="stride of the finest map of the stem that the decoder takes in, and of the classifier",
    ),
    _context.CONTEXT,
    _context.KERNEL,
)


def add(
    g: GraphBuilder,
    stem: Stem,
    *,
    classes: Number,
    decoder_channels: Number,
    decoder_stride: int,
    context: _context.Context,
    context_kernel: Number,
) -> str:
    """Adds the head to `g`; its output has `classes` channels at the size of the image."""
    x = _context.block(g, stem, channels=decoder_channels, context=context, kernel=context_kernel)
    finer = [stride for stride in stem.taps if decoder_stride <= stride < stem.stride]
    for stride in sorted(finer, reverse=True):
        x = _joined(g, f"decoder_stride_{stride}", x, stem.taps[stride], channels=decoder_channels)
    return _context.classified(g, stem, x, classes=classes)


def _joined(g: GraphBuilder, path: str, deeper: str, tap: str, *, channels: Number) -> str:
    """The deeper map at the size of the stem's map, with that map's details."""
    lateral = _context.normalised(g, f"{path}/lateral", tap, channels=channels)
    x = g.add(f"{path}/resize", Resize(), deeper, tap)
    x = g.add(f"{path}/sum", Add(), lateral, x)
    x = g.add(f"{path}/sum_Relu", _context.RELU, x)
    x = _context.separable(g, f"{path}/mixing", x, Conv2d(channels=channels, kernel=3, groups=channels))
    return g.add(f"{path}/mixing/Relu", _context.RELU, x)
