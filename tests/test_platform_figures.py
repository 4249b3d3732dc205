"""The known platforms, held against their figures written down a second time: tests/golden/platforms.csv.

There a `d` behind a number says that it is derived, a `-` that it is not known.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetnet import platforms
from budgetnet.platforms import Engine, Figure, Platform

with (Path(__file__).parent / "golden" / "platforms.csv").open(newline="") as _file:
    GOLDEN = list(csv.DictReader(_file))
KEYS = list(dict.fromkeys(row["key"] for row in GOLDEN))
PRECISIONS = ("fp32", "fp16", "int8", "int8_sparse", "fp8", "fp4_sparse")


def written(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:.10g}{'d' if figure.derived else ''}"


def part(of: Platform | Engine) -> dict[str, str]:
    peaks = of.peak.figures if of.peak else {}
    return {
        **{precision: written(peaks.get(precision)) for precision in PRECISIONS},
        "bandwidth": written(of.memory.gigabytes_per_second if of.memory else None),
        "gigabytes": written(of.memory.gigabytes if of.memory else None),
        "chip_megabytes": written(of.on_chip.megabytes if of.on_chip else None),
        "chip_bandwidth": written(of.on_chip.gigabytes_per_second if of.on_chip else None),
    }


def sources(value: Any) -> Iterator[str]:
    """Of what a platform or a part of it holds."""
    if isinstance(value, dict):
        yield from [value["source"]] if "source" in value else []
        yield from (source for key, inner in value.items() if key != "engines" for source in sources(inner))


def told(of: Platform | Engine) -> str:
    return "|".join(sorted(set(sources(of.model_dump()))))


def rows(key: str) -> Iterator[dict[str, str]]:
    """A platform as the golden file writes it."""
    board = platforms.load(key)
    whole = {"key": key, "part": "whole", "count": "1", "kind": ""}
    year = str(board.year.value) if board.year else "-"
    yield {**whole, **part(board), "watts": written(board.power_watts), "year": year, "sources": told(board)}
    for engine in board.engines:
        named = {"key": key, "part": engine.name, "count": str(engine.count), "kind": engine.kind}
        yield {**named, **part(engine), "watts": "", "year": "", "sources": told(engine)}


def test_every_platform_is_written_down() -> None:
    assert sorted(KEYS) == platforms.names()
    assert len(KEYS) == 25


@pytest.mark.parametrize("key", KEYS)
def test_figures_are_those_that_were_read(key: str) -> None:
    assert list(rows(key)) == [row for row in GOLDEN if row["key"] == key]


@pytest.mark.parametrize(
    ("key", "figure", "words"),
    [
        ("drive-px2-autochauffeur", lambda board: board.power_watts, "80 W"),
        ("jetson-tx1", lambda board: board.power_watts, "6 to 15"),
        ("jetson-xavier-nx", lambda board: board.power_watts, "15 to 20"),
        ("jetson-xavier-nx", lambda board: board.memory.gigabytes_per_second, "51.2"),
        ("jetson-orin-nano-8", lambda board: board.power_watts, "25 in 'Super'"),
        ("jetson-orin-nano-8", lambda board: board.memory.gigabytes_per_second, "102 in 'Super'"),
        ("jetson-orin-nano-8", lambda board: board.peak.int8_sparse, "67 in 'Super'"),
        ("jetson-thor-t5000", lambda board: board.power_watts, "40 to 130"),
        ("jetson-thor-t5000", lambda board: board.engines[0].peak.fp32, "12.9"),
        ("tesla-k80", lambda board: board.power_watts, "both GPUs"),
        ("tesla-k80", lambda board: board.engines[0].peak.fp32, "boost"),
        ("jetson-agx-xavier", lambda board: board.engines[1].peak.int8, "half of the 11.4"),
        ("jetson-agx-orin-64", lambda board: board.engines[1].peak.int8, "half of the 52.5"),
    ],
)
def test_figures_that_are_not_the_whole_story_say_so(key: str, figure: Any, words: str) -> None:
    assert words in figure(platforms.load(key)).note


def test_a_discrete_gpu_that_sources_conflict_on_is_named_but_not_counted() -> None:
    cruise = platforms.load("drive-px2-autocruise")
    assert "Sources conflict on a discrete GPU" in cruise.description
    assert [engine.name for engine in cruise.engines] == ["integrated GPU of the Parker"]


@pytest.mark.parametrize("key", ["hailo-8", "hailo-8l", "coral-edge-tpu"])
def test_accelerators_without_external_memory_have_memory_on_the_chip(key: str) -> None:
    board = platforms.load(key)
    assert board.memories() == []
    assert board.bandwidth(board.engines[0]) is None
    assert board.on_chip is not None
