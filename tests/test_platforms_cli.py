"""`budgetnet platforms`: the table of all, the figures of some, and one clear message for every mistake."""

import csv
import io
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from shell import Shell, words_of

from budgetnet import options, platforms, platforms_cli, platforms_report, units

BOARD = "name: Board\nengines: [{name: GPU, kind: gpu, count: 3, peak: {fp32: {value: 0.1, source: its data sheet}}}]\n"


def table(shell: Shell, *words: str) -> list[dict[str, str]]:
    done = shell("platforms", *words, "--format", "csv")
    assert (done.code, done.err) == (0, "")
    return list(csv.DictReader(io.StringIO(done.out)))


def keys(shell: Shell, *words: str) -> list[str]:
    return [row["key"] for row in table(shell, *words)]


# --- all of them


def test_every_platform_has_a_row(shell: Shell) -> None:
    rows = table(shell)
    assert [row["key"] for row in rows] == platforms.names()
    assert list(rows[0]) == [
        "key", "name", "year", "watts", "fp32_tops", "fp16_tops", "int8_tops", "gigabytes_per_second", "gigabytes",
        "derived",
    ]  # fmt: skip
    xavier = next(row for row in rows if row["key"] == "jetson-agx-xavier")
    assert list(xavier.values()) == [
        "jetson-agx-xavier", "NVIDIA Jetson AGX Xavier", "2018", "30.0", "1.41", "11.3", "32.0", "136.5", "",
        "fp16_tops",
    ]  # fmt: skip


def test_json_holds_what_csv_holds(shell: Shell) -> None:
    done = shell("platforms", "--format", "json")
    assert (done.code, done.err) == (0, "")
    read = json.loads(done.out)["platforms"]
    for row, other in zip(read, table(shell), strict=True):
        derived = row.pop("derived")
        assert derived == other.pop("derived").split()
        assert {key: "" if value is None else str(value) for key, value in row.items()} == other


def test_engines_and_their_memories_are_added_up(shell: Shell) -> None:
    rows = {row["key"]: row for row in json.loads(shell("platforms", "--format", "json").out)["platforms"]}
    px2, k80 = rows["drive-px2-autochauffeur"], rows["tesla-k80"]
    assert (k80["fp32_tops"], k80["gigabytes_per_second"], k80["gigabytes"]) == (8.22, 481.2, 24)
    assert (px2["fp16_tops"], px2["gigabytes_per_second"], px2["gigabytes"]) == (3.1, 260, None)


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_for_people_figures_are_marked(shell: Shell, format: str) -> None:
    done = shell("platforms", "--format", format)
    assert (done.code, done.err) == (0, "")
    lines = {words[0]: words for line in done.out.splitlines() if (words := line.replace("|", " ").split())}
    assert lines["drive-px2-autocruise"][-7:] == ["2016", "-", "0.75d", "1.5", "-", "50", "-"]
    assert lines["jetson-agx-orin-64"][-7:] == ["2023", "60", "5.33", "42.6d", "138d", "204.8", "64"]
    assert lines["rk3588"][-7:] == ["-", "-", "-", "-", "6", "-", "-"]
    assert "d: derived" in done.out


def test_the_table_fits_the_screen(shell: Shell) -> None:
    assert max(map(len, shell("platforms").out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("order", "first", "last"),
    [
        ("name", "am62a", "tesla-k80"),
        ("year", "jetson-thor-t5000", "tda4vm"),
        ("power", "tesla-k80", "tda4vm"),
        ("fp32", "gtx-1080-ti", "tda4vm"),
        ("fp16", "jetson-thor-t5000", "tesla-k80"),
        ("int8", "jetson-agx-orin-64", "tesla-k80"),
        ("bandwidth", "gtx-1080-ti", "tda4vm"),
        ("memory", "jetson-agx-orin-64", "tesla-fsd-chip"),
    ],
)
def test_sorting_shows_the_largest_first_and_unknown_ones_last(
    shell: Shell, order: platforms_report.Order, first: str, last: str
) -> None:
    rows = table(shell, "--sort", order)
    assert (rows[0]["key"], rows[-1]["key"]) == (first, last)
    assert sorted(row["key"] for row in rows) == platforms.names()
    if order != "name":
        known = [float(row[platforms_report.ORDERS[order]] or 0) for row in rows]
        assert known == sorted(known, reverse=True)


def test_choosing(shell: Shell) -> None:
    assert keys(shell, "--precision", "int8", "--min-tops", "26", "--max-watts", "30") == [
        "jetson-orin-nx-16",
        "jetson-agx-xavier",
        "hailo-8",
    ]
    assert keys(shell, "--precision", "int8", "--min-tops", "26.1", "--max-watts", "29.9") == ["jetson-orin-nx-16"]
    assert keys(shell, "--precision", "fp32", "--sort", "name", "--max-watts", "10") == ["jetson-nano"]
    assert "tda4vm" not in keys(shell, "--precision", "fp16")


def test_choosing_says_how_many_are_shown(shell: Shell) -> None:
    assert shell("platforms", "--max-watts", "2").out.startswith("2 of 25 known platforms\n")
    done = shell("platforms", "--max-watts", "1")
    assert (done.code, done.err) == (0, "")
    assert "No platform is known to be so." in done.out
    assert table(shell, "--max-watts", "1") == []


def test_choices_are_those_of_the_report() -> None:
    assert [each.value for each in options.Precision] == list(units.PRECISIONS)
    assert [each.value for each in platforms_cli.Order] == list(platforms_report.ORDERS)
    assert get_args(platforms_report.Order) == tuple(platforms_report.ORDERS)


# --- some of them


def test_every_figure_of_a_platform_with_its_source(shell: Shell) -> None:
    rows = table(shell, "jetson-orin-nano-8")
    assert [(row["part"], row["figure"], row["value"], row["unit"]) for row in rows] == [
        ("whole", "year", "2023", ""),
        ("whole", "power", "15.0", "W"),
        ("whole", "memory bandwidth (LPDDR5)", "68.0", "GB/s"),
        ("whole", "memory size (LPDDR5)", "8.0", "GB"),
        ("whole", "int8 sparse peak", "40.0", "TOPS"),
        ("Ampere GPU", "fp32 peak", "1.28", "TOPS"),
        ("Ampere GPU", "fp16 peak", "10.2", "TOPS"),
        ("Ampere GPU", "int8 peak", "20.5", "TOPS"),
    ]
    assert {row["source"] for row in rows} == {"TechPowerUp"}
    assert [row["derived"] for row in rows] == ["false"] * 6 + ["true"] * 2
    assert rows[1]["note"] == "25 in 'Super' mode"


@pytest.mark.parametrize("key", platforms.names())
def test_no_figure_is_left_out(shell: Shell, key: str) -> None:
    def figures(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [value["value"]] if "source" in value else [x for inner in value.values() for x in figures(inner)]
        return [x for inner in value for x in figures(inner)] if isinstance(value, list) else []

    (read,) = json.loads(shell("platforms", key, "--format", "json").out)["platforms"]
    assert read["key"] == key
    assert sorted(figures(read)) == sorted(float(row["value"]) for row in table(shell, key) if row["value"])
    assert platforms.Platform.model_validate({name: value for name, value in read.items() if name != "key"})


def test_several_platforms_for_people(shell: Shell) -> None:
    done = shell("platforms", "drive-px2-autochauffeur", "hailo-8", "drive-px2-autochauffeur")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Figures of NVIDIA DRIVE PX 2 AutoChauffeur, Hailo-8\n")
    said = " ".join(done.out.split())
    assert "whole power 250 W another source says 80 W fool.com 2016/01/12;" in said
    assert "2 x discrete Pascal GPU int8 peak 12d TOPS about icsmart.cn/1464" in said
    assert "whole size on the chip - MB all memory is on the chip" in said
    assert said.count("integrated GPU of a fp32 peak") == 1


def test_a_file_of_ones_own(shell: Shell) -> None:
    Path("board.yaml").write_text(BOARD)
    (row,) = table(shell, "board.yaml")
    assert row == {
        "key": "board.yaml", "part": "GPU", "kind": "gpu", "count": "3", "figure": "fp32 peak", "value": "0.1",
        "unit": "TOPS", "derived": "false", "note": "", "source": "its data sheet",
    }  # fmt: skip
    assert "Board (board.yaml)" in shell("platforms", "./board.yaml").out.replace("./", "")


def test_a_text_of_a_file_stays_text(shell: Shell) -> None:
    Path("board.yaml").write_text(BOARD.replace("its data sheet", "'=1+1'").replace("Board", "'[red]B|*x*'"))
    assert table(shell, "board.yaml")[0]["source"] == "'=1+1"
    assert "[red]B|*x*" in shell("platforms", "board.yaml").out
    assert r"\[red\]B\|\*x\*" in shell("platforms", "board.yaml", "--format", "markdown").out


# --- what is refused


def test_unknown_name(shell: Shell) -> None:
    assert shell.refused("platforms", "hailo8") == (
        "Error: platform: must be a known platform or the path of a platform file, but got 'hailo8'; "
        "did you mean 'hailo-8'?"
    )


def test_faults_of_every_file_are_told(shell: Shell) -> None:
    Path("board.yaml").write_text(BOARD.replace("gpu", "tpu") + "watts: 3\n")
    assert shell.refused("platforms", "board.yaml", "tda4vm", "none.yaml", "./").splitlines() == [
        "board.yaml:2: engines[0].kind: must be 'gpu', 'dla', 'npu', 'dataflow' or 'cpu', but got 'tpu'",
        "board.yaml:3: watts: unknown field; did you mean 'power_watts'?",
        "none.yaml:1: (file): must exist, but got no such file",
        "./:1: (file): must be a regular file, but got a folder",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--min-tops", "5"], "Error: --min-tops: must be given with --precision, but got it alone"),
        (["--precision", "int8", "--min-tops", "inf"], "Error: --min-tops: must be a finite number, but got inf"),
        (["--max-watts", "inf"], "Error: --max-watts: must be a finite number, but got inf"),
        (["tda4vm", "--sort", "year"], "Error: --sort: must be given without names of platforms, but got both"),
        (
            ["tda4vm", "--precision", "int8", "--max-watts", "0"],
            "Error: --precision, --max-watts: must be given without names of platforms, but got both",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(shell: Shell, words: list[str], expected: str) -> None:
    assert shell.refused("platforms", *words) == expected


@pytest.mark.parametrize(
    "words",
    [["--sort", "price"], ["--precision", "fp8"], ["--precision", "int8", "--min-tops", "-1"], ["--min-tops", "x"]],
)
def test_values_that_no_option_has_are_refused(shell: Shell, words: list[str]) -> None:
    assert "Invalid value" in shell.refused("platforms", *words)


def test_help_teaches_the_file(shell: Shell, tmp_path: Path) -> None:
    done = shell("platforms", "--help")
    said = words_of(done.out)
    assert "docs/platforms.md explains every field" in said
    assert (
        "name: My board and engines: [{name: NPU, kind: npu, peak: {int8: {value: 4, source: its data sheet}}}]" in said
    )
    Path("mine.yaml").write_text(
        "name: My board\nengines: [{name: NPU, kind: npu, peak: {int8: {value: 4, source: its data sheet}}}]"
    )
    assert table(shell, "mine.yaml")[0]["value"] == "4.0"
