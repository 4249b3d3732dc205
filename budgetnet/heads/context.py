"""A context block on the deepest map, a 1 x 1 classifier and bilinear upsampling: for stems of output stride 16 or 8.

The block, which sees farther by a large or dilated kernel and by the mean of the map, is that of `light-decoder`.
"""

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem, _context
from budgetnet.units import Number

PARAMETERS = (_context.CHANNELS, _context.CONTEXT, _context.KERNEL)


def add(
    g: GraphBuilder,
    stem: Stem,
    *,
    classes: Number,
    decoder_channels: Number,
    context: _context.Context,
    context_kernel: Number,
) -> str:
    """Adds the head to `g`; its output has `classes` channels at the size of the image."""
    x = _context.block(g, stem, channels=decoder_channels, context=context, kernel=context_kernel)
    return _context.classified(g, stem, x, classes=classes)
