"""Platforms: the contract that each file keeps, and what the model makes of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from budgetnet import platforms, plugins, yaml_source
from budgetnet.platforms import Peak
from budgetnet.units import PRECISIONS

FOLDER = Path(platforms.__file__).parent
SMALLEST = "name: Board\nengines: [{name: GPU, kind: gpu, peak: {fp32: {value: 2, source: its data sheet}}}]\n"


def write(folder: Path, content: str) -> Path:
    path = folder / "board.yaml"
    path.write_text(content)
    return path


# --- the contract of every platform file


@pytest.mark.parametrize("key", platforms.names())
def test_platform_file_loads_and_says_what_it_can_do(key: str) -> None:
    platform = platforms.load(key)
    assert any(platform.peak_ops_per_second(precision) for precision in PRECISIONS)
    assert platform.summary(70).startswith(f"On {platform.name} the budget is ")


@pytest.mark.parametrize("key", platforms.names())
def test_platform_key_is_a_plain_name(key: str) -> None:
    assert key == key.lower()
    assert not plugins.is_path(key)


@pytest.mark.parametrize("key", platforms.names())
def test_what_the_vendor_told_agrees_with_the_engines(key: str) -> None:
    platform = platforms.load(key)
    engines = platform.model_copy(update={"peak": None})
    for precision in PRECISIONS:
        told, summed = platform.peak_ops_per_second(precision), engines.peak_ops_per_second(precision)
        if told and summed:
            assert told > summed or told == pytest.approx(summed, rel=0.1)
            if told > 1.1 * summed:
                assert "not listed" in platform.peak.figures[precision].note


def peaks(key: str) -> list[Peak]:
    platform = platforms.load(key)
    return [*([platform.peak] if platform.peak else []), *(engine.peak for engine in platform.engines)]


@pytest.mark.parametrize("key", platforms.names())
def test_sparse_peaks_are_no_less_than_dense_ones(key: str) -> None:
    platform = platforms.load(key)
    dense, sparse = platform.total_peak("int8"), platform.peak and platform.peak.int8_sparse
    if dense and sparse:
        assert sparse.value >= dense.value


@pytest.mark.parametrize("key", platforms.names())
def test_fewer_bits_are_no_slower_unless_a_note_says_so(key: str) -> None:
    for peak in peaks(key):
        for wide, narrow in (("fp32", "fp16"), ("fp32", "int8"), ("fp16", "int8")):
            more, less = peak.figures.get(wide), peak.figures.get(narrow)
            if more and less and less.value < more.value:
                assert f"slower than {wide}" in less.note


@pytest.mark.parametrize("key", platforms.names())
def test_years_and_powers_are_plausible(key: str) -> None:
    platform = platforms.load(key)
    if platform.year:
        assert 2010 <= platform.year.value <= 2026
    if platform.power_watts:
        assert 0.5 <= platform.power_watts.value <= 500
    for precision in PRECISIONS:
        peak = platform.total_peak(precision)
        assert peak is None or 0.01 <= peak.value <= 10_000


@pytest.mark.parametrize("key", platforms.names())
def test_platform_file_is_clean(key: str) -> None:
    text = (FOLDER / f"{key}.yaml").read_text()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"(?:^|[\s\"'])/\w", text), "no path of a machine"
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line) <= 120
        assert line.isascii()


@pytest.mark.parametrize("key", platforms.names())
def test_fields_stand_in_the_order_of_the_docs(key: str) -> None:
    def order(value: Any) -> Any:
        if isinstance(value, dict):
            return [(name, order(inner)) for name, inner in value.items()]
        return [order(inner) for inner in value] if isinstance(value, list | tuple) else None

    source = yaml_source.read(FOLDER / f"{key}.yaml")
    assert order(source.value) == order(platforms.load(key).model_dump(exclude_unset=True))


@pytest.mark.parametrize("key", platforms.names())
def test_no_two_platforms_have_the_same_name(key: str) -> None:
    assert [other for other in platforms.names() if platforms.load(other).name == platforms.load(key).name] == [key]


# --- the known figures


def test_drive_px2() -> None:
    board = platforms.load("drive-px2-autochauffeur")
    assert board.peak_ops_per_second("fp32") == 8e12
    assert board.peak_ops_per_second("int8") == 24e12
    assert board.peak_ops_per_second("fp16") == pytest.approx(3.1e12)
    assert board.power_watts is not None
    assert board.power_watts.value == 250
    assert board.engines[0].peak.fp32 is not None
    assert board.engines[0].peak.fp32.derived


def test_engines_are_added_up_where_nobody_told_a_total() -> None:
    assert platforms.load("jetson-agx-orin-64").peak_ops_per_second("int8") == pytest.approx((85.5 + 52.5) * 1e12)


def test_unknown_peak_is_none_not_zero() -> None:
    assert platforms.load("jetson-tx2").peak_ops_per_second("int8") is None
    assert platforms.load("jetson-tx2").total_peak("int8") is None


def test_sparse_peaks_and_other_precisions_count_for_no_network() -> None:
    assert platforms.load("drive-agx-orin").peak_ops_per_second("int8") is None
    thor = platforms.load("jetson-thor-t5000")
    assert thor.peak_ops_per_second("int8") is None
    assert set(thor.engines[0].peak.figures) == {"fp32", "fp16", "fp8"}


def test_a_total_is_derived_where_one_of_its_figures_is() -> None:
    board = platforms.load("drive-px2-autochauffeur")
    totals = [board.total_peak(precision) for precision in PRECISIONS]
    assert [(total.value, total.derived) for total in totals if total] == [(8, False), (3.1, True), (24, False)]


# --- one engine


def test_peak_of_an_engine_is_that_of_one() -> None:
    gpu, dla = platforms.load("jetson-agx-xavier").engines
    assert (dla.count, dla.peak_ops_per_second("int8")) == (2, pytest.approx(5.7e12))
    assert dla.peak_ops_per_second("fp16") is None
    assert gpu.peak_ops_per_second("fp32") == pytest.approx(1.41e12)


def test_engines_for_a_precision_are_there_fastest_first() -> None:
    parker, discrete = platforms.load("drive-px2-autochauffeur").engines
    board = platforms.load("drive-px2-autochauffeur")
    assert board.engines_for("fp32") == [discrete, parker]
    assert board.engines_for("fp16") == [parker, discrete]
    assert board.engines_for("int8") == [discrete]
    assert platforms.load("tda4vm").engines_for("fp32") == []


def test_equally_fast_engines_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    peak = "{int8: {value: 1, source: x}}"
    engines = "".join(f"  - {{name: {name}, kind: npu, peak: {peak}}}\n" for name in "cab")
    board = platforms.load(write(tmp_path, f"name: B\nengines:\n{engines}"))
    assert [engine.name for engine in board.engines_for("int8")] == ["c", "a", "b"]


def test_bandwidth_is_that_of_an_engines_own_memory_before_the_platforms(tmp_path: Path) -> None:
    parker, discrete = platforms.load("drive-px2-autochauffeur").engines
    px2 = platforms.load("drive-px2-autochauffeur")
    assert (px2.bandwidth(parker), px2.bandwidth(discrete)) == (50e9, 80e9)
    tx2 = platforms.load("jetson-tx2")
    assert tx2.bandwidth(tx2.engines[0]) == 59.7e9
    own = SMALLEST.replace("kind: gpu", "kind: gpu, memory: {kind: unknown}")
    board = platforms.load(write(tmp_path, own + "memory: {kind: DDR, gigabytes_per_second: {value: 5, source: x}}"))
    assert board.bandwidth(board.engines[0]) is None


def test_memories_are_counted_with_their_engines() -> None:
    assert [count for count, _ in platforms.load("tesla-k80").memories()] == [2]
    assert [memory.kind for _, memory in platforms.load("jetson-tx2").memories()] == ["LPDDR4"]


def test_summary() -> None:
    board = platforms.load("tda4vm")
    assert board.summary(70) == (
        "On Texas Instruments TDA4VM the budget is 0.88 % of its int8 peak (8,000 GOPS). No network reaches a peak."
    )


def test_summary_without_a_peak_that_networks_are_planned_in(tmp_path: Path) -> None:
    board = platforms.load(write(tmp_path, SMALLEST.replace("fp32", "fp8")))
    assert board.summary(70) == "Of Board no peak is known in fp32, fp16, int8."


def test_a_budget_beyond_the_platform_is_warned_of():
    tx2 = platforms.load("jetson-tx2")
    warning = "The budget is more than the platform has: nothing that follows can be relied on."
    assert warning in tx2.summary(5000)
    assert warning not in tx2.summary(500)
