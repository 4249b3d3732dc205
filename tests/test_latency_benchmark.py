"""The truth table: networks are drawn apart, methods predict what they say, and it says whether the goal is reached."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from budgetnet.calibration import machine
from budgetnet.calibration.fit import Quality


@pytest.fixture(scope="module")
def program() -> Any:
    path = Path(__file__).parent.parent / "benchmarks" / "latency.py"
    spec = importlib.util.spec_from_file_location("latency_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_network_both_calibrates_and_is_predicted(program: Any) -> None:
    test, fit = program.cases(30, 24, (320, 480), seed=1)
    assert (len(test), len(fit)) == (30, 24)
    assert not {case.candidate for case in test} & {case.candidate for case in fit}
    assert {case.candidate.parameters["head"] for case in test} >= {"fcn", "context", "light-decoder"}


def test_it_measures_predicts_and_prints(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0.05)
    words = ["--test", "4", "--fit", "3", "--size", "32x48", "--threads", "1", "--readings", "4"]
    monkeypatch.setattr(sys, "argv", ["latency.py", *words, "--json", str(tmp_path / "truth.json")])
    code = program.main()
    said = capsys.readouterr().out
    record = json.loads((tmp_path / "truth.json").read_text())
    assert "4 networks predicted, 3 others calibrated; 32x48, fp32, ONNX Runtime, batch 1" in said
    assert set(record["predicted"]) == {program.OPERATIONS, program.ROOFLINE, program.CALIBRATED}
    for name, values in record["predicted"].items():
        quality = Quality.of(values, record["seconds"])
        assert record["quality"][name]["median"] == pytest.approx(quality.median)
        assert f"| {name} | {100 * quality.median:.1f} % |" in said
    ratios = [seconds / 1e9 for seconds in record["predicted"][program.OPERATIONS]]
    assert len(set(ratios)) == 4
    assert ("Reached" in said) is (code == 0)


@pytest.mark.parametrize(
    ("median", "spearman", "reached"),
    [(0.05, 0.98, True), (0.11, 0.99, False), (0.05, 0.96, False), (0.09, 0.975, False)],
)
def test_it_is_reached_only_where_both_are_good_and_better_than_operations(
    program: Any, median: float, spearman: float, reached: bool
) -> None:
    def quality(off: float, ranks: float) -> Quality:
        return Quality(median=off, p90=1.0, factor=2.0, spearman=ranks, measurements=30)

    found = {program.OPERATIONS: quality(0.08, 0.9), program.CALIBRATED: quality(median, spearman)}
    assert program.reached(found) is reached
