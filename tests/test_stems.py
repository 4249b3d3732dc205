"""Pre-trained stems: found, read, checked, put into networks. Their values are held against Keras' in
`test_stems_keras.py`.
"""

import json

import pytest
import torch
from safetensors.torch import save_file
from stem_files import random_stem, to_keras, write_hdf5

from budgetnet import stems
from budgetnet.build import build
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.stems import layout, sources

WIDTH = 0.25


@pytest.fixture(scope="module")
def state():
    return random_stem(WIDTH)


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    return write_hdf5(tmp_path_factory.mktemp("stem") / "mobilenet_2_5_224_tf_no_top.h5", state)


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def keras3(layer, weight):
    return f"model_weights/{layer}/{layer}/{weight}"


def nested(layer, weight):
    return f"model_weights/mobilenet_0.25_224/{layer}/{weight}"


def test_layout_is_that_of_the_built_stem_and_of_the_published_files():
    model = build(mobilenet_fcn.stem(depth_multiplier=0.5, height=32, width=32), seed=0).state_dict()
    tensors = {name: tuple(tensor.shape) for name, tensor in model.items() if "num_batches" not in name}
    assert layout.sizes(0.5) == tensors
    assert len(layout.units(1.0)) == 27
    assert layout.keras_names()["MobilenetV1.Conv2d_0.convolution.weight"] == "conv1/kernel"
    assert layout.names()["conv_pw_13_bn", "gamma"] == "MobilenetV1.Conv2d_13_pointwise.BatchNorm.weight"
    assert layout.names()["conv_dw_2", "depthwise_kernel"] == layout.names()["conv_dw_2", "kernel"]
    # 3,185,088 weights of convolutions (Howard et al., table 1: those of the classifier left out), 4 for each channel
    channels = 32 + sum(32 if row == 1 else mobilenet_fcn.ROWS[row - 1][2] for row in range(1, 14))
    channels += sum(row[2] for row in mobilenet_fcn.ROWS[1:])
    assert layout.weight_bytes(1.0) == 4 * (3_185_088 + 4 * channels)


@pytest.mark.parametrize("multiplier", [0.01, 0.1, 0.25, 0.29, 0.3, 0.35, 0.57, 0.75, 1.0, 1.37, 2.0])
def test_the_last_row_tells_the_depth_multiplier(multiplier):
    last = layout.units(multiplier)[-1].size[0]
    assert layout.sizes(layout.multiplier_of(last)) == layout.sizes(multiplier)


@pytest.mark.parametrize(
    ("place", "depthwise"),
    [(None, "depthwise_kernel"), (keras3, "kernel"), (nested, "kernel"), (lambda a, b: f"{a}/{b}", "depthwise_kernel")],
)
def test_hdf5_is_read_wherever_keras_keeps_its_layers(state, tmp_path, place, depthwise):
    path = tmp_path / "stem.h5"
    if place is None:
        write_hdf5(path, state)
    else:
        write_hdf5(path, state, place, depthwise)
    stem = stems.load(str(path), WIDTH)
    assert same(stem.state, state)
    assert (stem.mean, stem.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (stem.depth_multiplier, stem.narrowed_from, stem.origin) == (WIDTH, None, "stem.h5")
    assert stem.story == "stem.h5"


def test_safetensors_are_read_by_our_names_and_by_keras(state, tmp_path):
    stem = stems.load(str(write_hdf5(tmp_path / "stem.h5", state)), WIDTH)
    kept = stems.load(str(stems.save(stem, tmp_path / "stem.safetensors")), WIDTH)
    assert same(kept.state, state)
    assert stems.save(stem, tmp_path / "again.safetensors").read_bytes() == (
        (tmp_path / "stem.safetensors").read_bytes()
    )
    theirs = {
        f"{layer}/{weight}:0": to_keras(name, state[name])
        for (layer, weight), name in layout.names().items()
        if not (name.endswith(".depthwise.weight") and weight == "kernel")
    }
    save_file(theirs, tmp_path / "keras.safetensors")
    save_file({name.replace("/", ".")[:-2]: each for name, each in theirs.items()}, tmp_path / "dots.safetensors")
    for name in ("keras", "dots"):
        assert same(stems.load(str(tmp_path / f"{name}.safetensors"), WIDTH).state, state)
    save_file({name: each.half() for name, each in state.items()}, tmp_path / "half.safetensors")
    half = stems.load(str(tmp_path / "half.safetensors"), WIDTH).state
    assert all(each.dtype == torch.float32 for each in half.values())


def test_weights_of_a_run_are_a_stem_with_the_runs_scaling(tmp_path):
    candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": WIDTH, "classifier_depth": 8})
    trained = build(candidate.graph(classes=3, height=64, width=64), seed=3)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "run.json").write_text(json.dumps({"scaling": {"mean": [0.4, 0.41, 0.42]}}))
    stem = stems.load(str(tmp_path / "weights.safetensors"), WIDTH)
    assert (stem.mean, stem.std) == ((0.4, 0.41, 0.42), (1.0, 1.0, 1.0))
    assert same(stem.state, {name: tensor for name, tensor in trained.state_dict().items() if name in stem.state})
    for record, rule in [
        ({"scaling": {"mean": [0.4, 0.41]}}, r"scaling.mean: must be three numbers, but got \[0.4, 0.41\]"),
        (
            {"scaling": {"mean": [0, 0, 0], "std": [1, 0, 1]}},
            "scaling.std: must be a number from 0.001 to 10, but got 0",
        ),
        ({}, "run.json: scaling: must hold mean and std, but got None"),
    ]:
        (tmp_path / "run.json").write_text(json.dumps(record))
        with pytest.raises(BudgetnetError, match=rule):
            stems.load(str(tmp_path / "weights.safetensors"), WIDTH)


@pytest.mark.parametrize("about", ["{", '{"mean": [1, 1, 0]}', '{"mean": [-0.1, 0, 0]}', "[]"])
def test_a_stems_own_scaling_is_checked(state, tmp_path, about):
    save_file(state, tmp_path / "a.safetensors", metadata={"budgetnet": about})
    with pytest.raises(
        BudgetnetError, match=r"a\.safetensors: budgetnet(\.std|\.mean)?: must (be JSON|be three|hold mean|be a number)"
    ):
        stems.load(str(tmp_path / "a.safetensors"), WIDTH)


@pytest.mark.parametrize("endpoint", mobilenet_fcn.ENDPOINTS)
@pytest.mark.parametrize("output_stride", [8, 32])
def test_apply_fills_what_the_network_has(file, state, endpoint, output_stride):
    values = {"depth_multiplier": WIDTH, "final_endpoint": endpoint, "output_stride": output_stride}
    model = build(Candidate.of("mobilenet-fcn", values).graph(classes=2, height=64, width=64), seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rows = mobilenet_fcn.ENDPOINTS.index(endpoint)
    assert stems.apply(stems.load(str(file), WIDTH), model) == 5 * (1 + 2 * rows)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state.get(name, before[name])), name


def test_apply_keeps_where_and_how_the_network_lies(file):
    model = build(mobilenet_fcn.stem(depth_multiplier=WIDTH, height=32, width=32), seed=0)
    model = model.to(memory_format=torch.channels_last)
    parameters = {name: parameter.data_ptr() for name, parameter in model.named_parameters()}
    stems.apply(stems.load(str(file), WIDTH), model)
    assert {name: parameter.data_ptr() for name, parameter in model.named_parameters()} == parameters
    assert model.MobilenetV1.Conv2d_0.convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_apply_refuses_a_network_that_it_does_not_cover(file):
    stem = stems.load(str(file), WIDTH)
    with pytest.raises(BudgetnetError, match=r"must have a stem of MobileNet v1 for .*no_top.h5, but has none"):
        stems.apply(stem, torch.nn.Conv2d(3, 3, 3))
    wider = build(mobilenet_fcn.stem(depth_multiplier=0.5, height=32, width=32), seed=0)
    rule = r"convolution.weight: must be of size \(16, 3, 3, 3\), as in the network, but got \(8, 3, 3, 3\)"
    with pytest.raises(BudgetnetError, match=rule):
        stems.apply(stem, wider)
    model = build(mobilenet_fcn.stem(depth_multiplier=WIDTH, height=32, width=32), seed=0)
    model.MobilenetV1.add_module("Conv2d_14_pointwise", torch.nn.Linear(1, 1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        BudgetnetError, match=r"must hold MobilenetV1.Conv2d_14_pointwise.weight, which the network has"
    ):
        stems.apply(stem, model)
    assert same(before, model.state_dict())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenet_2_5_224_tf_no_top.h5", (0.25, 224)),
        ("mobilenet_5_0_160_tf_no_top.h5", (0.5, 160)),
        ("mobilenet_7_5_192_tf.h5", (0.75, 192)),
        ("mobilenet_1_0_128_tf_no_top.h5", (1.0, 128)),
        ("mobilenet_v1_0.35_160.safetensors", (0.35, 160)),
        ("0.25.h5", (0.25, 0)),
        ("stem-1.5.hdf5", (1.5, 0)),
        ("weights.safetensors", None),
        ("0.0.h5", None),
        ("1.2.3.h5", None),
    ],
)
def test_names_tell_depth_multiplier_and_resolution(tmp_path, name, expected):
    found = sources.named_file(tmp_path / name)
    assert (found and (found.depth_multiplier, found.resolution)) == expected


def test_a_folder_gives_the_largest_resolution_or_the_next_wider(tmp_path, state):
    for resolution in (128, 224, 160):
        write_hdf5(tmp_path / f"mobilenet_2_5_{resolution}_tf_no_top.h5", state)
    write_hdf5(tmp_path / "mobilenet_5_0_192_tf_no_top.h5", random_stem(0.5))
    (tmp_path / "README.md").write_text("0.25")
    stem = stems.load(str(tmp_path), 0.25)
    assert stem.origin == "mobilenet_2_5_224_tf_no_top.h5"
    assert stem.story == (
        "mobilenet_2_5_224_tf_no_top.h5 "
        "(largest resolution; also there: mobilenet_2_5_160_tf_no_top.h5, mobilenet_2_5_128_tf_no_top.h5)"
    )
    narrowed = stems.load(str(tmp_path), 0.3)
    assert (narrowed.origin, narrowed.narrowed_from) == ("mobilenet_5_0_192_tf_no_top.h5", 0.5)
    assert narrowed.story == "mobilenet_5_0_192_tf_no_top.h5, narrowed from depth multiplier 0.5 to 0.3"
    rule = "must hold weights of depth multiplier 0.51 or more, since .* not widened, but the widest is 0.5"
    with pytest.raises(BudgetnetError, match=rule):
        stems.load(str(tmp_path), 0.51)


def test_wrong_sources_are_told(tmp_path, file, state):
    for source, rule in [
        (str(tmp_path / "none.h5"), r"weights must be a file, a folder, an address .* or 'keras', but got .*not there"),
        ("x" * 5000, r"weights must be a file, .* but got 'xxx.*xxx\.\.\., which is not there"),
        ("~nobody-of-that-name/a.h5", "weights must be a file, .* which is not there"),
        ("a\0b", r"weights must be a file, .* but got 'a\\x00b', which is not there"),
        (str(tmp_path), r"must hold files named by their depth multiplier, .* but got none$"),
        ("ftp://host/a.h5#sha256=" + 64 * "0", "must begin with https://"),
    ]:
        with pytest.raises(BudgetnetError, match=rule):
            stems.load(source, 0.25)
    write_hdf5(tmp_path / "mobilenet_5_0_224_tf_no_top.h5", state)
    with pytest.raises(BudgetnetError, match=r"must hold depth multiplier 0.5, as its name says, but got 0.25"):
        stems.load(str(tmp_path), 0.5)
    with pytest.raises(BudgetnetError, match=r"no_top.h5: must be of depth multiplier 0.26 or more, .*, but got 0.25"):
        stems.load(str(file), 0.26)
    with pytest.raises(BudgetnetError, match="depth_multiplier: must be greater than 0, but got 0"):
        stems.load(str(file), 0.0)
    (tmp_path / "mobilenet_5_0_224_tf_no_top.h5").rename(tmp_path / "weights.h5")
    with pytest.raises(BudgetnetError, match=r"must hold files named by .* but got weights.h5"):
        stems.load(str(tmp_path), 0.5)


def test_a_file_of_another_kind_is_told_by_its_first_bytes(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"PK\x03\x04 a zip archive, say")
    with pytest.raises(BudgetnetError, match=r"a.h5: must be an HDF5 file .* but begins with b'PK"):
        stems.load(str(tmp_path / "a.h5"), 0.25)
    (tmp_path / "a.h5").write_bytes(b"")
    with pytest.raises(BudgetnetError, match="but begins with b''"):
        stems.load(str(tmp_path / "a.h5"), 0.25)


def test_tensors_that_do_not_fit_are_named(tmp_path, state):
    def refuses(rule, **changes):
        save_file({**state, **changes}, tmp_path / "a.safetensors")
        with pytest.raises(BudgetnetError, match=rule):
            stems.load(str(tmp_path / "a.safetensors"), WIDTH)

    norm = "MobilenetV1.Conv2d_3_pointwise.BatchNorm"
    refuses(
        rf"a.safetensors: {norm}.bias: must be of size 32 at depth multiplier 0.25, but got 31",
        **{f"{norm}.bias": torch.zeros(31)},
    )
    refuses(
        rf"{norm}.weight: must hold finite numbers, but got nan", **{f"{norm}.weight": torch.full((32,), torch.nan)}
    )
    refuses(
        rf"{norm}.weight: must hold finite numbers, but got inf",
        **{f"{norm}.weight": torch.full((32,), 1e300, dtype=torch.float64)},
    )
    refuses(rf"{norm}.running_var: must be 0 or more, but got -1", **{f"{norm}.running_var": -torch.ones(32)})
    refuses(
        rf"{norm}.running_var: must hold floating point numbers, but got 'torch.int64'",
        **{f"{norm}.running_var": torch.ones(32, dtype=torch.int64)},
    )
    last = "MobilenetV1.Conv2d_13_pointwise.convolution.weight"
    for size in [(7, 256, 1, 1), (256,), (70000, 1, 1, 1)]:
        told = " x ".join(map(str, size))
        refuses(
            rf"{last}: must be the weights of a 1 x 1 convolution of a MobileNet v1, but got size {told}",
            **{last: torch.zeros(size)},
        )
    missing = {name: tensor for name, tensor in state.items() if "Conv2d_4_depthwise" not in name}
    save_file(missing, tmp_path / "a.safetensors")
    with pytest.raises(BudgetnetError, match="must hold conv_dw_4/depthwise_kernel, but does not; it holds Mobilenet"):
        stems.load(str(tmp_path / "a.safetensors"), WIDTH)
    save_file({"x": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(BudgetnetError, match=r"must hold conv_pw_13/kernel, but does not; it holds x$"):
        stems.load(str(tmp_path / "a.safetensors"), WIDTH)
    save_file({"a/conv1/kernel": torch.ones(1), "b/conv1/kernel": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(BudgetnetError, match="b/conv1/kernel: must be there once, but a/conv1/kernel is there as well"):
        stems.load(str(tmp_path / "a.safetensors"), WIDTH)


@pytest.mark.parametrize("cut", [9, 100, 5000, -1])
def test_a_truncated_safetensors_file_is_told(tmp_path, state, cut):
    save_file(state, tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:cut])
    with pytest.raises(BudgetnetError, match=r"a.safetensors: must be (a safetensors|an HDF5) file"):
        stems.load(str(tmp_path / "a.safetensors"), WIDTH)
