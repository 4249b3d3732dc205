"""The report of a bench: what it says of figures that are given, and what makes it doubt them."""

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from budgetnet import bench_targets, formats
from budgetnet.bench.alike import differences
from budgetnet.bench.network import Network
from budgetnet.bench.readings import Readings
from budgetnet.bench.report import Bench, doubts, for_screen, report, verdict
from budgetnet.bench_targets import Asked
from budgetnet.networks import Candidate, family, names

NAMES = {"torch": "torch", "onnxruntime": "ONNX Runtime"}


def readings(network: str, runtime: str, *seconds: float, batch: int = 1) -> Readings:
    rounds = tuple((each,) for each in seconds)
    return Readings(network=network, runtime=runtime, batch=batch, height=32, width=32, rounds=rounds)


def bench(*found: Readings, **other: Any) -> Bench:
    usual: dict[str, Any] = {
        "readings": found,
        "replays": (),
        "names": NAMES,
        "notes": (),
        "threads": 2,
        "cores": 4,
        "pinned": (0, 1),
        "load": 0.5,
        "settings": {"threads": 2},
        "networks": {},
        "made_by": {"commit": "abc"},
    }
    return Bench(**{**usual, **other})


STEADY = readings("a", "torch", 0.020, 0.020, 0.021)
QUICK = readings("b|", "onnxruntime", 0.010, 0.010, 0.010)
MANY = readings("a", "torch", 0.080, 0.080, 0.080, batch=8)


def test_the_quickest_of_each_batch() -> None:
    assert verdict(bench(STEADY, QUICK, MANY)) == (
        "Of one image b| with ONNX Runtime is the quickest: 10.00 ms, 100.0 images per second. Of batches of 8 a with "
        "torch is the quickest: 80.00 ms, 100.0 images per second. Readings of this machine, as busy as it was; they "
        "say nothing of the hardware in the car."
    )


def test_a_quiet_machine_leaves_no_doubt() -> None:
    assert doubts(bench(STEADY, QUICK)) == []


def test_doubts() -> None:
    noisy = readings("c", "torch", 0.01, 0.02, 0.03, 0.04)
    (said,) = doubts(bench(STEADY, noisy))
    assert said.startswith("Noisy: in 1 of 2 rows the middle half of the readings is wider than 20 % of their median, "
                           "up to 60 % (c with torch).")  # fmt: skip
    (said,) = doubts(bench(STEADY, load=2.6))
    assert said == (
        "Busy: on average 2.6 threads were at work in the minute before, and 2 threads measured on 4 cores. Fewer "
        "--threads leave the others a core."
    )
    (said,) = doubts(bench(STEADY, load=4.0, threads=1))
    assert said.endswith("and 1 thread measured on 4 cores.")
    assert doubts(bench(STEADY, load=2.5)) == doubts(bench(STEADY, load=None)) == []
    (said,) = doubts(bench(STEADY, pinned=None))
    assert said.startswith("Not pinned: this system does not keep a process on some of its cores")


def test_rows_that_do_not_do_the_same_work() -> None:
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=7, height=360, width=480)
    ours = Network.of("ours", graph, {})
    theirs = Network(label="theirs", height=320, width=480, model=b"", scored=11)
    assert differences([ours, ours.called("again")]) == []
    assert differences([ours, theirs]) == ["Rows differ in images: 360 x 480 and 320 x 480; in classes: 7 and 11."]
    assert differences([ours, theirs], sizes=False) == ["Rows differ in classes: 7 and 11."]
    other = replace(theirs, height=360, takes="uint8", gives="classes", scored=None)
    said = "Rows differ in what goes in: float32 and uint8; in what comes out: scores and classes."
    assert differences([ours, other]) == [said]
    shown = for_screen(report(bench(STEADY, QUICK, unlike=[said])))
    assert said in [getattr(block, "text", "") for block in shown.blocks]


def test_too_few_rounds_have_no_interval() -> None:
    made = report(bench(readings("a", "torch", 0.02, 0.02), readings("b", "torch", 0.01, 0.01)))
    text = formats.text(made, "markdown")
    assert "| 20.00 |  | 20.00 to 20.00 |" in text
    assert "| 0.50 |" in text
    row = list(csv.DictReader(io.StringIO(formats.text(made, "csv"))))[1]
    assert [row[key] for key in ("ms_low", "ms_high", "times_low", "times_high")] == [""] * 4


def test_every_format_holds_it() -> None:
    made = report(bench(STEADY, QUICK, MANY, notes=("Left out: something.",)))
    written = formats.files(made, "markdown", "csv", "json", "xlsx")
    assert set(written) == {"bench.md", "bench.csv", "bench.json", "bench.xlsx"}
    text = written["bench.md"].decode()
    assert "Left out: something." in text
    assert "| b\\| | ONNX Runtime | 1 | 10.00 | 10.00 to 10.00 |" in text
    assert "0.50 (0.48 to 0.50)" in text
    assert "commit" in text


def test_the_screen_ends_with_the_verdict() -> None:
    found = bench(STEADY)
    shown = for_screen(report(found))
    assert getattr(shown.blocks[-1], "text", "") == verdict(found)
    assert all(getattr(block, "key", "") != "facts" for block in shown.blocks)


def test_names_that_people_chose_are_printable() -> None:
    odd = replace(STEADY, network="runs/\x1b[31m")
    assert "\x1b" not in formats.text(report(bench(odd)), "csv")
    assert "\x1b" not in verdict(bench(odd))


@pytest.mark.parametrize("name", names())
def test_what_a_target_is_called_reads_as_that_target(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(label: str, graph: Any, *, seed: int) -> Network:
        return Network.of(label, graph, {})

    monkeypatch.setattr(bench_targets, "untrained", plain)  # no weights are looked at
    asked = Asked(size=(64, 64), classes=3)
    for candidate in family(name).members.values():
        words = [f"{key}={value}" for key, value in candidate.parameters.items()]
        (target,) = bench_targets.targets([f"{name} {' '.join(words)}"], asked)
        (again,) = bench_targets.targets([target.label], asked)
        assert again.label == target.label
        assert again.networks[0].graph == target.networks[0].graph
