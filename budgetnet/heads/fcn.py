"""The published head: a separable k x k convolution to a wide map, a 1 x 1 classifier, one transposed convolution to
full size.

Built in series, as the published text and figure describe (the published code fed the pointwise layer the stem's
output, so its k x k layer was counted but did nothing). The transposed convolution has kernel 2 s and stride s for a
stem of stride s, as in FCN-32s (Long et al., CVPR 2015).
"""

from budgetnet.graph import GraphBuilder
from budgetnet.heads import Stem, _fcn
from budgetnet.units import Number

PARAMETERS = _fcn.PARAMETERS


def add(
    g: GraphBuilder,
    stem: Stem,
    *,
    classes: Number,
    classifier_kernel: Number,
    classifier_depth: Number,
    upsampling: _fcn.Upsampling = "transposed",
) -> str:
    """Adds the head to `g`; its output has `classes` channels at the size of the image."""
    x = _fcn.scores(g, stem, classes=classes, classifier_kernel=classifier_kernel, classifier_depth=classifier_depth)
    return _fcn.full_size(g, stem, x, classes=classes, stride=stem.stride, upsampling=upsampling)
