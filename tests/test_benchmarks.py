"""The benchmark of counting: our own count is held against an enumerated truth, its verdicts are measured, not written
down, and a counter that is missing or fails is named.
"""

import importlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from budgetnet.count import count

FOLDER = Path(__file__).parent.parent / "benchmarks"
PARTS = ("layer_cases", "miscounts", "peers", "subjects", "text")


@pytest.fixture(scope="module")
def parts():
    """The benchmark's modules; they are programs' parts, so they are found by path."""
    before = dict(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        found = {name: importlib.import_module(f"counters.{name}") for name in PARTS}
        spec = importlib.util.spec_from_file_location("counting", FOLDER / "counting.py")
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        yield SimpleNamespace(program=program, **found)
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - set(before):
            if name.partition(".")[0] == "counters":
                del sys.modules[name]


@pytest.mark.parametrize("kind", ["convolution", "transposed"])
def test_our_count_is_the_enumerated_one_and_the_multiplied_one(parts, kind):
    cases = list(parts.layer_cases.cases(kind))
    assert len(cases) == {"convolution": 192, "transposed": 96}[kind]
    for case in cases:
        ours = count(parts.layer_cases.graph(case)).total
        truth = parts.layer_cases.enumerated_macs(case)
        assert (case, ours.macs * case.batch) == (case, truth)
        if not case.bias and case.batch == 1:
            assert (case, parts.layer_cases.multiplied_macs(case)) == (case, truth)


@pytest.mark.parametrize("call", ["built", "own layer", "functional"])
@pytest.mark.parametrize("kind", ["convolution", "transposed"])
def test_however_a_case_is_written_it_has_the_graphs_output_and_parameters(parts, kind, call):
    for case in parts.layer_cases.cases(kind):
        graph = parts.layer_cases.graph(case)
        ours, shape = count(graph).total, graph.output.shape
        with torch.device("meta"):
            module = parts.layer_cases.module(case, call).eval()
            output = module(torch.zeros(case.batch, 16, 7, 9))
        assert tuple(output.shape) == (case.batch, shape.channels, shape.height, shape.width)
        assert sum(parameter.numel() for parameter in module.parameters()) == ours.params
        assert ours.bias_adds * case.batch == (output.numel() if case.bias else 0)


def test_a_wrong_factor_is_explained_by_the_fewest_axes(parts):
    explain = parts.miscounts.explain
    cases = [case for case in parts.layer_cases.cases("transposed") if not case.bias]
    assert explain(dict.fromkeys(cases, 1.0)) == "right"
    assert explain(dict.fromkeys(cases, 0.0)) == "not counted"
    assert explain(dict.fromkeys(cases, 2.0)) == "2x in all"
    at_output_size = {case: float(case.stride**2) for case in cases}
    assert explain(at_output_size) == "wrong in 36 of 48: 4x: stride 2; 64x: stride 8; 1,024x: stride 32"
    two = {case: 0.5 if (case.groups, case.batch) == (16, 2) else 1.0 for case in cases}
    assert explain(two) == "wrong in 8 of 48: 0.5x: groups 16 batch 2"
    many = {case: case.stride**2 / case.groups / case.batch for case in cases}
    assert explain(many) == "wrong in 44 of 48: 0.0312x to 1,024x, by stride, groups, batch"


def test_a_count_that_is_nearly_right_is_not_called_right(parts):
    assert [parts.text.factor(value) for value in (1, 1.0, 0.99999, 0, 1024)] == [
        "right",
        "right",
        "1x",
        "0x",
        "1,024x",
    ]


def test_a_right_counter_is_found_right_and_a_wrong_one_wrong(parts):
    torchs = next(counter for counter in parts.peers.COUNTERS if counter.name == "FlopCounterMode")
    case = parts.layer_cases.Case(kind="transposed", stride=2, groups=4, widening=2, dilation=1, batch=2, bias=False)
    truths = {each: parts.layer_cases.enumerated_macs(each) for each in (case, replace(case, bias=True))}
    assert list(parts.miscounts.judge(torchs, "built", truths)) == ["MACs right", "biases not counted"]
    doubled = replace(torchs, per_mac=1)
    assert list(parts.miscounts.judge(doubled, "built", truths)) == ["MACs 2x in all", "biases not counted"]


def test_additions_and_omissions_are_listed_beside_miscounts(parts, capsys):
    usual = next(counter for counter in parts.peers.COUNTERS if counter.name == "FlopCounterMode")
    layers = [layer for layer in count(parts.subjects.graph_of(parts.subjects.PUBLISHED)).layers if layer.cost.macs]
    macs = {parts.miscounts.module_path(layer.name): layer.cost.macs for layer in layers}
    norm = parts.miscounts.module_path("MobilenetV1/Conv2d_0/BatchNorm")
    first = next(iter(macs))

    def counter(name, per_mac, figures, outside=0):
        total = sum(figures.values()) + outside
        return replace(
            usual, name=name, per_mac=per_mac, layers=lambda *_: dict(figures), total=lambda *_: float(total)
        )

    counters = [
        counter("exact", 1, macs),
        counter("adds", 1, {**macs, norm: 5}),
        counter("omits", 2, {name: 2 * each for name, each in macs.items()}),
        counter("wrong", 1, {**macs, first: 2 * macs[first]}),
        counter("elsewhere", 1, macs, outside=7),
    ]
    parts.miscounts.print_layers(dict.fromkeys(counters, "cpu"))
    _, _, told = capsys.readouterr().out.partition("Miscounted:\n")
    assert "Miscounted:\n" + told == (
        "Miscounted:\n  wrong: Conv2d right to 2x: MobilenetV1/Conv2d_0/convolution\n\n"
        "Added, where ours is nothing:\n  adds: BatchNorm2d +5\n\n"
        "Left out, where a total of operations has it:\n  omits: BiasAdd -154,650\n\n"
        "In the total and in no layer:\n  elsewhere: +7\n"
    )


def test_a_missing_and_a_failing_counter_are_named(parts, monkeypatch):
    def fail(module, images):
        raise ValueError("no such layer\nmore")

    usual = parts.peers.COUNTERS[1]
    missing = replace(usual, name="absent", package="no_such_counter")
    failing = replace(usual, name="broken", total=fail)
    monkeypatch.setattr(parts.program, "COUNTERS", (missing, failing))
    devices, lines = parts.program.usable()
    assert not devices
    assert lines == [
        "absent: missing (No module named 'no_such_counter'): pip install '.[bench]'",
        "broken: failed on the meta device: ValueError: no such layer",
        "broken: failed on the cpu device: ValueError: no such layer",
    ]


def test_the_benchmarks_grid_is_counted_as_its_candidates_are(parts):
    grids, figures = parts.program.counted_grid(2, 3)
    assert sum(figure.size for figure in figures) == 2 * 3200 * 2 * 3
    assert parts.program.equal_to_single(grids, 20) == 20
    assert parts.program.equal_in_list(parts.subjects.drawn(20)) == 20


def test_the_published_candidate_is_the_published_one(parts):
    total = count(parts.subjects.graph_of(parts.subjects.PUBLISHED)).total
    assert (total.macs, total.ops) == (569_664_000, 1_139_482_650)


@pytest.mark.slow
def test_the_loading_benchmark_runs_and_prints_what_it_promises():
    words = ["--images", "20", "--size", "32x48", "--rounds", "1", "--depth-multiplier", "0.1"]
    command = [sys.executable, str(FOLDER / "loading.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for title in ("loading alone", "training (depth multiplier 0.1)", "spent waiting"):
        for kind in ("without augmentation", "with augmentation"):
            assert any(title in line and kind in line for line in done.stdout.splitlines()), (title, kind)
    for name in (
        "PNG, DataLoader, 0 workers",
        "PNG, DataLoader, 2 workers",
        "ours, in memory",
        "ours, mapped from files",
    ):
        assert done.stdout.count(name) == 6
