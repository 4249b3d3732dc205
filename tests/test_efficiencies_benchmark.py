"""The efficiencies that are shipped are those that their benchmark finds, and they explain what they were fitted to."""

import importlib.util
import statistics
from pathlib import Path

import pytest

from budgetnet import efficiencies, platforms, published, roofline
from budgetnet.kernel_classes import KERNEL_CLASSES

FOLDER = Path(__file__).parent.parent / "benchmarks"
FIRST = 16
"""Latencies of the table that began it; they come first in their file."""


@pytest.fixture(scope="module")
def program():
    """The benchmark; a program, so it is found by its path."""
    spec = importlib.util.spec_from_file_location("efficiencies_benchmark", FOLDER / "efficiencies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(program):
    return program.calibrations()


def off(program, latencies):
    """|predicted / published - 1| with the shipped efficiencies of the runtime."""
    errors = []
    for latency in latencies:
        measured = program.measurement(latency)
        roof = roofline.Roof(
            platform=latency.platform,
            engine="",
            precision=latency.precision,
            peak=measured.hardware.peak,
            bandwidth=measured.hardware.bandwidth,
            efficiency=efficiencies.load(program.RUNTIMES[latency.runtime]),
        )
        errors.append(abs(roofline.predict(measured.kernels, roof).seconds / measured.seconds - 1))
    return errors


def test_the_shipped_files_hold_what_the_benchmark_finds(program, found):
    assert sorted(efficiencies.names()) == sorted(found)
    for key, calibration in found.items():
        shipped, fresh = efficiencies.load(key).model_dump(), calibration.efficiency.model_dump()
        for name in program.PARAMETERS:
            assert shipped[name] == pytest.approx(fresh[name], rel=0.01), (key, name)
        for name in ("median", "p90", "factor"):
            assert shipped["error"][name] == pytest.approx(fresh["error"][name], rel=0.02), (key, name)
        for name in ("measurements", "how"):
            assert shipped["error"][name] == fresh["error"][name]
        assert (shipped["name"], shipped["source"]) == (fresh["name"], fresh["source"])


def test_the_median_error_is_small_on_the_table_that_began_it_and_on_all(program):
    every = published.latencies()
    assert statistics.median(off(program, every[:FIRST])) < 0.3
    assert statistics.median(off(program, every)) < 0.15


def test_networks_are_predicted_by_the_others(found):
    held = [abs(each.off) for calibration in found.values() for each in calibration.held]
    assert statistics.median(held) < 0.3


@pytest.mark.parametrize("key", ["tensorrt", "accelerator", "dataflow", "vulkan"])
def test_the_shipped_error_is_of_networks_that_the_fit_did_not_see(found, key):
    error = found[key].efficiency.error
    assert error.how.startswith("whole networks in ")
    assert error.measurements == len(found[key].held)


@pytest.mark.parametrize("key", efficiencies.names())
def test_nine_of_ten_measurements_lie_in_the_band_of_what_did_not_see_them(found, key):
    factor = efficiencies.load(key).error.factor
    inside = [1 / factor <= each.predicted / each.measured <= factor for each in found[key].held]
    assert sum(inside) >= 0.9 * len(inside)


@pytest.mark.parametrize("key", efficiencies.names())
def test_no_share_of_a_peak_that_was_told_is_more_than_all_of_it(key):
    assert all(efficiencies.load(key).share(kind) <= 1 for kind in KERNEL_CLASSES)


def test_every_kind_of_engine_has_efficiencies():
    assert set(efficiencies.BY_ENGINE.values()) <= set(efficiencies.names())
    kinds = {engine.kind for key in platforms.names() for engine in platforms.load(key).engines}
    assert kinds <= set(efficiencies.BY_ENGINE)


def test_hailos_chips_are_not_predicted_as_accelerators_that_go_layer_by_layer():
    for key in ("hailo-8", "hailo-8l"):
        assert roofline.roof(platforms.load(key), "int8").efficiency == efficiencies.load("dataflow")
    assert roofline.roof(platforms.load("tda4vm"), "int8").efficiency == efficiencies.load("accelerator")
