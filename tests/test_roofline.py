"""Time on a platform: the formula kernel by kernel, its bounds, what engines and efficiencies it takes, energy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import efficiencies, energy, platforms, roofline
from budgetnet.efficiencies import Efficiency, Spread
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.graph import GraphBuilder
from budgetnet.grid import blocks, count_block
from budgetnet.kernel_classes import KERNEL_CLASSES
from budgetnet.kernels import MixedKernelsError, kernels
from budgetnet.networks import Candidate
from budgetnet.ops import Conv2d
from budgetnet.roofline import BOUNDS, Roof, predict
from budgetnet.units import PRECISIONS

NETWORK = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5})
KERNELS = kernels(NETWORK.graph(classes=7, height=320, width=480))
DECODER = Candidate.of("mobilenet-fcn", {"head": "light-decoder", "depth_multiplier": 0.25})


def efficiency(**values: float) -> Efficiency:
    given = {"dense": 0.5, "pointwise": 0.25, "depthwise": 0.125, "transposed": 0.1, "elementwise": 0.05}
    return Efficiency(
        name="a test",
        source="made up",
        **{**given, "bandwidth": 0.5, "floor_us": 10.0, **values},
        error=Spread(median=0.1, p90=0.5, factor=1.5, measurements=3, how="made up"),
    )


def roof(**values: object) -> Roof:
    given = {"platform": "Board", "engine": "GPU", "precision": "fp16", "peak": 1e12, "bandwidth": 1e10}
    return Roof(**{**given, "efficiency": efficiency(), "watts": 20.0, **values})  # type: ignore[arg-type]


# --- the formula


def test_a_kernel_takes_the_longer_of_computing_and_memory_and_its_launch() -> None:
    made = predict(KERNELS, roof())
    pointwise = next(step for step in made.steps if step.kernel.name.endswith("Conv2d_3_pointwise/convolution"))
    # 64 -> 64 channels on 80 x 120 (depth multiplier 0.5): 64 * 64 * 9600 MACs
    ops = 2 * 64 * 64 * 9600
    read, written, weights, biases = 64 * 9600, 64 * 9600, 64 * 64, 64
    assert (pointwise.kernel.ops, pointwise.kernel.kind) == (ops, "pointwise")
    assert pointwise.compute == pytest.approx(ops / (1e12 * 0.25))
    assert pointwise.memory == pytest.approx(2 * (read + written + weights + biases) / (1e10 * 0.5))
    assert pointwise.launch == 1e-5
    assert pointwise.seconds == max(pointwise.compute, pointwise.memory) + pointwise.launch
    assert pointwise.bound == "memory"


def test_a_network_takes_the_sum_of_its_kernels_and_the_band_goes_with_it() -> None:
    made = predict(KERNELS, roof())
    assert made.seconds == sum(step.seconds for step in made.steps)
    assert made.band == (made.seconds / 1.5, made.seconds * 1.5)
    assert made.images_per_second == 1 / made.seconds
    assert sum(made.share(bound) for bound in BOUNDS) == pytest.approx(1)
    assert made.energy == pytest.approx(20 * made.seconds)


@pytest.mark.parametrize(
    ("changed", "bound"),
    [
        ({"peak": 1e6}, "compute"),
        ({"bandwidth": 1e3}, "memory"),
        ({"efficiency": efficiency(floor_us=1e6)}, "launch"),
        ({"bandwidth": None, "peak": 1e9}, "compute"),
    ],
)
def test_what_is_scarce_is_the_bound(changed: dict[str, object], bound: str) -> None:
    made = predict(KERNELS, roof(**changed))
    assert {step.bound for step in made.steps} == {bound}


def test_of_a_batch_weights_are_read_and_kernels_started_once() -> None:
    one, eight = predict(KERNELS, roof(), 1), predict(KERNELS, roof(), 8)
    for single, several in zip(one.steps, eight.steps, strict=True):
        assert several.compute == pytest.approx(8 * single.compute)
        assert several.launch == single.launch
        assert single.memory is not None
        assert several.memory is not None
        assert several.memory <= 8 * single.memory
    assert eight.seconds < 8 * one.seconds
    assert eight.energy == pytest.approx(20 * eight.seconds / 8)


def test_int8_moves_a_byte_a_number_and_four_a_bias() -> None:
    for kernel in KERNELS:
        maps = kernel.read + kernel.written + kernel.weights
        assert kernel.bytes("int8") == maps + 4 * kernel.biases
        assert kernel.bytes("fp32") == 4 * (maps + kernel.biases)


@settings(max_examples=30, deadline=None)
@given(
    factor=st.floats(1.01, 100),
    what=st.sampled_from(["peak", "bandwidth", *KERNEL_CLASSES, "launch"]),
)
def test_better_hardware_is_never_slower(factor: float, what: str) -> None:
    base = roof()
    if what in ("peak", "bandwidth"):
        better = roof(**{what: getattr(base, what) * factor})
    elif what == "launch":
        better = roof(efficiency=efficiency(floor_us=10 / factor))
    else:
        better = roof(efficiency=efficiency(**{what: min(base.efficiency.share(what) * factor, 4.0)}))  # type: ignore[arg-type]
    assert predict(KERNELS, better).seconds <= predict(KERNELS, base).seconds


# --- a whole grid at once


def test_a_grid_is_predicted_as_its_networks_one_by_one() -> None:
    space = {"depth_multiplier": (0.25, 0.5, 1.0), "classifier_kernel": (1, 3, 7), "head": ("fcn",)}
    (block,) = blocks("mobilenet-fcn", {**space, "final_endpoint": ("Conv2d_13_pointwise",)})
    grid = count_block(block, sizes=[(320, 480), (96, 128)], classes=[7])
    found = grid.full(roofline.seconds(kernels(grid.graph), roof()))
    assert found.shape == grid.shape
    for index in range(len(block)):
        for place, (height, width) in enumerate(grid.sizes):
            graph = block.candidate(index).graph(classes=7, height=height, width=width)
            at = (*np.unravel_index(index, block.shape), place, 0)
            assert found[at] == pytest.approx(predict(kernels(graph), roof()).seconds, rel=1e-12)


def test_windows_of_one_and_more_in_one_grid_are_told() -> None:
    g = GraphBuilder()
    image = g.image(height=64, width=64)
    g.add("conv", Conv2d(channels=8, kernel=np.array([1, 3])), image)
    with pytest.raises(MixedKernelsError, match=r"windows of 1 x 1 and larger ones in one grid \(node 'conv'\)"):
        kernels(g.finish())


# --- which engine, which efficiency


def test_the_fastest_engine_at_a_precision_is_taken() -> None:
    xavier = platforms.load("jetson-agx-xavier")
    found = roofline.roof(xavier, "int8")
    assert (found.engine, found.peak, found.streams) == ("Volta GPU", 22.6e12, 1)
    assert found.bandwidth == 136.5e9
    assert found.efficiency == efficiencies.load("tensorrt")


def test_engines_side_by_side_are_streams_that_share_the_power() -> None:
    board = roofline.roof(platforms.load("drive-px2-autochauffeur"), "fp32")
    assert (board.streams, board.watts) == (2, 250)
    made = predict(KERNELS, board)
    assert made.energy == pytest.approx(250 * made.seconds / 2)


def test_an_engine_by_its_name() -> None:
    xavier = platforms.load("jetson-agx-xavier")
    found = roofline.roof(xavier, "int8", engine="deep learning accelerator")
    assert (found.peak, found.streams) == (5.7e12, 2)
    assert found.efficiency == efficiencies.load("accelerator")
    with pytest.raises(BudgetnetError, match="--engine: must be one of NVIDIA Jetson AGX Xavier with a peak in int8"):
        roofline.roof(xavier, "int8", engine="Volta")
    with pytest.raises(BudgetnetError, match="--engine: must be one of"):
        roofline.roof(xavier, "fp32", engine="deep learning accelerator")


def test_no_external_memory_bounds_nothing() -> None:
    found = roofline.roof(platforms.load("hailo-8"), "int8")
    assert found.bandwidth is None
    assert all(step.memory is None for step in predict(KERNELS, found).steps)


def test_a_precision_without_a_peak_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(
        BudgetnetError,
        match=r"precision: must be one that NVIDIA Jetson Nano has a peak for \(fp32, fp16\), but got int8",
    ):
        roofline.roof(platforms.load("jetson-nano"), "int8")


def test_other_efficiencies_by_their_key() -> None:
    nano = platforms.load("jetson-nano")
    assert roofline.roof(nano, "fp16", efficiency="vulkan").efficiency == efficiencies.load("vulkan")
    with pytest.raises(BudgetnetError, match=r"efficiency: must be one of .*, but got 'tensort'; did you mean"):
        roofline.roof(nano, "fp16", efficiency="tensort")


CALIBRATED = """\
name: Board
engines:
  - name: GPU
    kind: gpu
    peak: {fp16: {value: 2, source: its data sheet}, fp32: {value: 1, source: its data sheet}}
    efficiency:
      fp16: {name: mine, source: measured, dense: 0.5, pointwise: 0.4, depthwise: 0.1, transposed: 0.2,
        elementwise: 0.1, bandwidth: 0.7, floor_us: 4.0,
        error: {median: 0.05, p90: 0.1, factor: 1.1, measurements: 9, how: parts}}
"""


def test_a_calibration_of_the_platform_goes_before_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(CALIBRATED)
    board = platforms.load(path)
    assert roofline.roof(board, "fp16").efficiency.name == "mine"
    assert roofline.roof(board, "fp32").efficiency == efficiencies.load("tensorrt")
    assert roofline.roof(board, "fp16", efficiency="vulkan").efficiency == efficiencies.load("vulkan")


def test_a_faulty_calibration_is_told_with_line_rule_and_value(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(CALIBRATED.replace("dense: 0.5", "dense: 5").replace("floor_us: 4.0", "flor_us: 4.0"))
    with pytest.raises(FileError) as raised:
        platforms.load(path)
    told = str(raised.value)
    assert "board.yaml:7: engines[0].efficiency.fp16.dense: must be 4 or less, but got 5" in told
    assert "flor_us: unknown field; did you mean 'floor_us'?" in told


# --- shipped efficiencies


@pytest.mark.parametrize("key", efficiencies.names())
def test_shipped_efficiencies_load_and_say_where_they_are_from(key: str) -> None:
    found = efficiencies.load(key)
    assert found.error.p90 >= found.error.median > 0
    assert "published latencies" in found.source
    assert all(0 < found.share(kind) <= 4 for kind in KERNEL_CLASSES)


def test_every_kind_of_engine_has_efficiencies() -> None:
    kinds = {engine.kind for name in platforms.names() for engine in platforms.load(name).engines}
    assert kinds <= set(efficiencies.BY_ENGINE)
    assert set(efficiencies.BY_ENGINE.values()) <= set(efficiencies.names())


@pytest.mark.parametrize("key", platforms.names())
def test_every_platform_predicts_at_every_precision_that_it_has(key: str) -> None:
    platform = platforms.load(key)
    able = [precision for precision in PRECISIONS if platform.engines_for(precision)]
    assert able
    for precision in able:
        made = predict(kernels(DECODER.graph(classes=11, height=64, width=96)), roofline.roof(platform, precision))
        assert 0 < made.band[0] < made.seconds < made.band[1] < 100


# --- energy


def test_arithmetic_and_traffic_by_hand() -> None:
    macs = sum(kernel.ops for kernel in KERNELS) / 2
    old, new = energy.PROCESSES
    assert energy.arithmetic(KERNELS, "int8", old) == pytest.approx(macs * 0.23e-12)
    assert energy.arithmetic(KERNELS, "fp32", old) == pytest.approx(macs * 4.6e-12)
    assert energy.arithmetic(KERNELS, "fp16", new) == pytest.approx(macs * 0.5e-12)
    assert energy.traffic(KERNELS, "fp32") == pytest.approx(sum(k.bytes("fp32") for k in KERNELS) / 4 * 640e-12)
