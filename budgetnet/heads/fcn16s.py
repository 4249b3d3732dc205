"""The published head with one skip: scores of the map of stride 16 are added to its own, and the sum goes to full size.

FCN-16s (Long et al., CVPR 2015, section 4.2) over the lab's context layers. On a stem whose deepest map has stride 16
or less there is nothing to skip, and this is head `fcn`.
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
    x, stride = _fcn.with_skips(g, stem, x, classes=classes, strides=(16,), upsampling=upsampling)
    return _fcn.full_size(g, stem, x, classes=classes, stride=stride, upsampling=upsampling)
