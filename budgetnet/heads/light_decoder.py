"""A light decoder: a context block on the deepest map, joined on its way up by the finer maps of the stem, and a 1 x 1
classifier at a fine stride.

From each stride to the next finer one (16, 8, 4, as far as `decoder_stride`) the deeper map is resized, a 1 x 1
convolution of the stem's map is added (the top-down path of Lin et al., arXiv:1612.03144, section 3, here with batch
norm), and a depthwise-separable 3 x 3 convolution mixes the two. At the finest stride there are `detail_channels`: most
operations are spent there, and thin things need fine maps rather than wide ones. Scores go to full size bilinearly.

Maps of the stem that are not finer than its deepest are left out, so a stem of `decoder_stride` or less is decoded as
it is. Where only the finest map is joined it has `decoder_channels`, as the context that it is added to.
"""

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem, _context
from budgetnet.ops import Add, Conv2d, Resize
from budgetnet.parameters import Parameter
from budgetnet.units import Number

PARAMETERS = (
    _context.CHANNELS,
    Parameter(
        name="detail_channels",
        kind=int,
        default=64,
        space=(32, 64),
        minimum=8,
        maximum=1024,
        step=8,
        part="head",
        help="channels of the decoder's finest map, where the most operations are spent",
    ),
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
    detail_channels: Number,
    decoder_stride: int,
    context: _context.Context,
    context_kernel: Number,
) -> str:
    """Adds the head to `g`; its output has `classes` channels at the size of the image."""
    x = _context.block(g, stem, channels=decoder_channels, context=context, kernel=context_kernel)
    finer = sorted((stride for stride in stem.taps if decoder_stride <= stride < stem.stride), reverse=True)
    widths = [*[decoder_channels] * (len(finer) - 1), detail_channels] if len(finer) > 1 else [decoder_channels]
    for stride, given, made in zip(finer, widths, [*widths[1:], widths[-1]], strict=False):
        x = _joined(g, f"decoder_stride_{stride}", x, stem.taps[stride], channels=given, mixed=made)
    return _context.classified(g, stem, x, classes=classes)


def _joined(g: GraphBuilder, path: str, deeper: str, tap: str, *, channels: Number, mixed: Number) -> str:
    """The deeper map at the size of the stem's map, with that map's details: `channels` of both, `mixed` in the end."""
    lateral = _context.normalised(g, f"{path}/lateral", tap, channels=channels)
    x = g.add(f"{path}/resize", Resize(), deeper, tap)
    x = g.add(f"{path}/sum", Add(), lateral, x)
    x = g.add(f"{path}/sum_Relu", _context.RELU, x)
    x = _context.separable(g, f"{path}/mixing", x, Conv2d(channels=channels, kernel=3, groups=channels), channels=mixed)
    return g.add(f"{path}/mixing/Relu", _context.RELU, x)
