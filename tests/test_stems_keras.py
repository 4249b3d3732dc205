"""The stem against Keras' own MobileNet (on torch): what each of the 14 rows gives, from files that Keras wrote or
reads.

Keras pads its strided depthwise layers by hand, a row after the last; TensorFlow's `SAME`, under which the published
weights were trained, does the same on even sides and otherwise on odd ones. Both are held against Keras' layers: its
own network against our stem padded `after`, and the same network with `SAME` in those layers against our network's.

Both sides compute in float64, in which they agree to far less than is asked for. In fp32 each is up to 2e-4 away from
that for trained stems, since their batch norms divide by variances of almost 0; ours is held to 3e-4.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from stem_files import random_stem, write_hdf5

from budgetnet import stems
from budgetnet.build import build
from budgetnet.networks import Candidate, mobilenet_fcn

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own

EVEN = ((64, 96), (224, 224), (320, 480))
SMALL = ((64, 96), (97, 131), (161, 98))
SIDES = (*EVEN, (360, 480), (225, 321), (97, 131))
WEIGHTS = os.environ.get("BUDGETNET_WEIGHTS", "")
MOST = 1e-6
ROUNDING = 3e-4
RULES = ("same", "after")


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        import keras

        assert keras.backend.backend() == "torch"
        keras.config.set_floatx("float64")
        # its batch norm computes in the common type of its input's and float32, which Keras calls float32
        patch.setattr(keras.src.backend, "result_type", lambda *kinds: "float64")
        yield keras
        keras.config.set_floatx("float32")


def own(keras, depth_multiplier):
    return keras.applications.MobileNet(
        include_top=False, alpha=depth_multiplier, input_shape=(None, None, 3), weights=None
    )


def with_same(keras, model):
    """The same layers, the strided ones padded by the rule SAME."""

    def changed(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.ZeroPadding2D):
            config["padding"] = ((0, 0), (0, 0))
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            config["padding"] = "same"
        return type(layer).from_config(config)

    made = keras.models.clone_model(model, clone_function=changed)
    made.set_weights(model.get_weights())
    return made


def their_rows(keras, model, images):
    names = ["conv1_relu", *(f"conv_pw_{row}_relu" for row in range(1, 14))]
    seen = keras.Model(model.input, [model.get_layer(name).output for name in names])
    with torch.no_grad():
        return [row.detach().cpu().permute(0, 3, 1, 2) for row in seen(images.numpy(), training=False)]


def our_rows(stem, graph, images, kind):
    model = build(graph, seed=0).eval()
    stems.apply(stem, model)
    model.to(kind)
    rows = []
    for endpoint in mobilenet_fcn.ENDPOINTS:
        relu = model.node_module(f"MobilenetV1/{endpoint}/Relu6")
        relu.register_forward_hook(lambda module, given, row: rows.append(row.clone()))
    pixels = images.to(kind).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(part, dtype=kind)[:, None, None] for part in (stem.mean, stem.std))
    with torch.no_grad():
        model((pixels - mean) / std)
    return rows


def equal(keras, theirs, graph, stem, height, width):
    """Whether all rows agree on an image of pixels from 0 to 255."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    images = torch.randint(0, 256, (1, height, width, 3), generator=generator).double()
    scaled = torch.from_numpy(keras.applications.mobilenet.preprocess_input(images.numpy().copy()))
    rows, rounded = (our_rows(stem, graph, images, kind) for kind in (torch.float64, torch.float32))
    expected = their_rows(keras, theirs, scaled)
    assert len(rows) == len(expected) == 14
    for ours, in_fp32, row in zip(rows, rounded, expected, strict=True):
        assert (ours.shape, ours.dtype) == (row.shape, row.dtype)
        assert row.std() > 0.05
        assert (ours - row).abs().max() < MOST
        assert (in_fp32 - ours).abs().max() < ROUNDING


def padded_after(depth_multiplier, height, width):
    return mobilenet_fcn.stem(depth_multiplier=depth_multiplier, height=height, width=width, padding="after")


def network(depth_multiplier, height, width):
    candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": depth_multiplier, "classifier_depth": 8})
    return candidate.graph(classes=2, height=height, width=width)


def test_rows_equal_keras_own(keras, tmp_path):
    path = write_hdf5(tmp_path / "mobilenet_2_5_224_tf_no_top.h5", random_stem(0.25))
    theirs = own(keras, 0.25)
    theirs.load_weights(path)
    stem = stems.load(str(path), 0.25)
    equal(keras, theirs, network(0.25, 64, 96), stem, 64, 96)
    equal(keras, theirs, padded_after(0.25, 97, 131), stem, 97, 131)
    equal(keras, with_same(keras, theirs), network(0.25, 97, 131), stem, 97, 131)


@pytest.mark.slow
@pytest.mark.parametrize("depth_multiplier", [0.25, 0.5, 0.75, 1.0])
def test_rows_equal_keras_own_at_every_width_and_size(keras, tmp_path, depth_multiplier):
    theirs = own(keras, depth_multiplier)
    first = write_hdf5(tmp_path / "published.h5", random_stem(depth_multiplier, seed=1))
    theirs.load_weights(first)
    theirs.save(tmp_path / "written_by_keras.h5")
    stem = stems.load(str(tmp_path / "written_by_keras.h5"), depth_multiplier)
    assert all(torch.equal(stem.state[name], each) for name, each in random_stem(depth_multiplier, seed=1).items())
    held_against_all(keras, theirs, stem, SMALL)


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS, reason="BUDGETNET_WEIGHTS names no folder with stems")
@pytest.mark.parametrize("depth_multiplier", [0.25, 0.5, 0.75, 1.0])
def test_rows_of_trained_stems_equal_keras_own(keras, depth_multiplier):
    stem = stems.load(WEIGHTS, depth_multiplier)
    theirs = own(keras, depth_multiplier)
    theirs.load_weights(Path(WEIGHTS) / stem.origin, by_name=True)
    held_against_all(keras, theirs, stem, SIDES)


def held_against_all(keras, theirs, stem, sizes):
    same, depth_multiplier = with_same(keras, theirs), stem.depth_multiplier
    for height, width in sizes:
        if (height, width) in EVEN:
            equal(keras, theirs, network(depth_multiplier, height, width), stem, height, width)
        equal(keras, theirs, padded_after(depth_multiplier, height, width), stem, height, width)
        equal(keras, same, network(depth_multiplier, height, width), stem, height, width)


def test_both_paddings_count_the_same_where_every_side_is_even():
    """The published figures are of such sizes; on odd ones `after` has fewer rows."""
    for height, width in EVEN:
        graphs = [mobilenet_fcn.stem(depth_multiplier=0.5, height=height, width=width, padding=rule) for rule in RULES]
        assert [node.shape for node in graphs[0].nodes] == [node.shape for node in graphs[1].nodes]
    shapes = [
        mobilenet_fcn.stem(depth_multiplier=0.5, height=360, width=97, padding=rule).output.shape for rule in RULES
    ]
    assert [(shape.height, shape.width) for shape in shapes] == [(12, 4), (11, 3)]


@pytest.mark.skipif(not WEIGHTS, reason="BUDGETNET_WEIGHTS names no folder with stems")
def test_the_published_file_is_the_one_of_the_catalogue():
    from budgetnet.stems import catalogue

    stem = stems.load(WEIGHTS, 0.25)
    assert stem.sha256 == catalogue.address(0.25).sha256
    assert np.isclose(stem.state["MobilenetV1.Conv2d_0.BatchNorm.running_var"].min().item(), 0, atol=0.1)
