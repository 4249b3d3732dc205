"""SkipNet-MobileNet (Siam et al., RTSeg, ICIP 2018; arXiv:1803.02758): FCN-8s straight on a MobileNet v1 stem.

The deepest map is scored by a 1 x 1 convolution, without the lab's context layers; the scores are enlarged to twice
their size and those of the maps of stride 16 and 8 are added, then to full size. All of it is what head `fcn8s` of
`mobilenet-fcn` does after its context layers.

Published: 6.2 GFLOPs for a 640 x 360 image (the authors, github.com/MSiam/TFSegmentation, issue 20, by TensorFlow's
profiler).
"""

from collections.abc import Mapping
from typing import Final

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.heads import _fcn
from budgetnet.networks import mobilenet_fcn
from budgetnet.ops import BiasAdd, Conv2d
from budgetnet.parameters import Value
from budgetnet.units import Number

_OWN = {parameter.name: parameter for parameter in (*mobilenet_fcn.PARAMETERS, *_fcn.PARAMETERS)}

PARAMETERS = (_OWN["depth_multiplier"], _OWN["upsampling"])

MEMBERS: Final[Mapping[str, Mapping[str, Value]]] = {"SkipNet-MobileNet": {}}


def graph(
    *, depth_multiplier: Number, upsampling: _fcn.Upsampling, classes: Number, height: Number, width: Number
) -> Graph:
    """The network for images of height x width pixels; all numbers may be NumPy arrays over a grid of networks."""
    nodes, stem = mobilenet_fcn.features(depth_multiplier=depth_multiplier, height=height, width=width)
    g = GraphBuilder(nodes)
    with g.part("head"):
        x = g.add("score/convolution", Conv2d(channels=classes, kernel=1), stem.features)
        x = g.add("score/BiasAdd", BiasAdd(), x)
        x, stride = _fcn.with_skips(g, stem, x, classes=classes, strides=(16, 8), upsampling=upsampling)
        _fcn.full_size(g, stem, x, classes=classes, stride=stride, upsampling=upsampling)
    return g.finish()
