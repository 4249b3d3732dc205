"""Platform files: the contract that each of them keeps, and the words for those that do not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from budgetnet import platforms, plugins
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.units import PRECISIONS

SMALLEST = "name: Board\nengines: [{name: GPU, peak: {fp32: {value: 2, source: its data sheet}}}]\n"


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
            assert told == pytest.approx(summed, rel=0.1)


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


def test_summary() -> None:
    board = platforms.load("tda4vm")
    assert board.summary(70) == (
        "On Texas Instruments TDA4VM the budget is 0.88 % of its int8 peak (8,000 GOPS). No network reaches a peak."
    )


# --- finding and reading


def test_platform_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    for found in (platforms.load(path), platforms.load(str(path))):
        assert found.name == "Board"
        assert found.peak_ops_per_second("fp32") == 2e12


def test_unknown_key() -> None:
    with pytest.raises(BudgetnetError) as caught:
        platforms.load("jetson-tx3")
    assert str(caught.value) == (
        "platform: must be a known platform or the path of a platform file, but got 'jetson-tx3'; "
        "did you mean 'jetson-tx2'?"
    )


def test_missing_file() -> None:
    with pytest.raises(FileError, match=r"^none\.yaml:1: \(file\): must exist, but got no such file$"):
        platforms.load("none.yaml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: Board", "1: engines: must be given, but got nothing"),
        ("engines: []\nname: B", "1: engines: must hold 1 or more, but got []"),
        (SMALLEST + "year: 2016", "3: year: must be a mapping, but got 2016"),
        (SMALLEST + "year: {value: 1970, source: x}", "3: year.value: must be 1990 or more, but got 1970"),
        (SMALLEST + "power_watts: {value: 0, source: x}", "3: power_watts.value: must be greater than 0, but got 0"),
        (SMALLEST + "power_watts: {value: 5}", "3: power_watts.source: must be given, but got nothing"),
        (SMALLEST + "power_wats: {value: 5}", "3: power_wats: unknown field; did you mean 'power_watts'?"),
        (SMALLEST + "peak: {}", "3: peak: must hold one figure or more, but got {}"),
        (SMALLEST.replace("fp32", "fp31"), "2: engines[0].peak.fp31: unknown field; did you mean 'fp32'?"),
        (SMALLEST.replace("its data sheet", "''"), "must be a text on one line, and not empty, but got ''"),
        (SMALLEST.replace("Board", '"a\\nb"'), "1: name: must be a text on one line, and not empty, but got 'a\\nb'"),
        (SMALLEST.replace("value: 2", "value: 2, derived: 1"), "derived: must be true or false, but got 1"),
    ],
)
def test_faults_of_a_platform_file(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(FileError) as caught:
        platforms.load(write(tmp_path, content))
    assert expected in str(caught.value)


def test_platforms_are_frozen() -> None:
    board = platforms.load("tda4vm")
    with pytest.raises(ValidationError, match="frozen"):
        board.name = "another"


def test_a_budget_beyond_the_platform_is_warned_of():
    tx2 = platforms.load("jetson-tx2")
    warning = "The budget is more than the platform has: nothing that follows can be relied on."
    assert warning in tx2.summary(5000)
    assert warning not in tx2.summary(500)
