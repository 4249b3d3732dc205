"""`budgetnet plan` as people use it: what comes out, where the files go, and what is refused."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from shell import IMPOSSIBLE, PARKING, PLANNED, Shell

from budgetnet import scenario


def test_plan_as_json(shell: Shell) -> None:
    read = json.loads(shell("plan", "parking", "--format", "json").out)
    assert read["scenario"] == "parking"
    assert read["images_per_second"] == 60
    assert len(read["candidates"]) == 72
    for candidate in read["candidates"]:
        assert list(candidate) == [
            "parameters", "macs", "ops", "max_fps", "params", "required_gops", "utilisation", "headroom_gops", "speed",
            "weight_bytes", "peak_bytes", "fits", "over",
        ]  # fmt: skip
        assert all(type(candidate[key]) is int for key in ("macs", "ops", "params"))
        assert all(type(candidate[key]) is float for key in ("required_gops", "utilisation", "headroom_gops"))
        assert candidate["fits"] is (candidate["required_gops"] <= 70)
    assert read["candidates"][0]["ops"] == 1_139_482_650
    assert read["candidates"][0]["required_gops"] == pytest.approx(68.368959)


@pytest.mark.parametrize("name", scenario.names())
def test_plan_of_a_built_in_scenario_by_name(shell: Shell, name: str) -> None:
    done = shell("plan", name)
    folder = f"reports/{name}"
    groups = ["plan-groups.csv"] if len(scenario.load(name).groups) > 1 else []
    written = [f"{folder}/{file}" for file in (*PLANNED[:2], *groups, *PLANNED[2:])]
    assert done.code == 0
    assert done.err == f"Written: {', '.join(written)}\n"
    assert shell.files() == sorted(written)
    assert " candidates fit " in done.out
    assert "…" not in done.out


def test_plan_writes_only_under_output(shell: Shell) -> None:
    done = shell("plan", "parking", "--output", "out/ünïcödé 漢")
    assert done.code == 0
    assert {str(Path(name).parent) for name in shell.files()} == {"out/ünïcödé 漢"}
    assert len(shell.files()) == len(PLANNED)


def test_plan_file_and_built_in_scenario_agree(shell: Shell) -> None:
    Path("mine.yaml").write_text(PARKING)
    mine = json.loads(shell("plan", "mine.yaml", "--format", "json").out)
    assert mine == json.loads(shell("plan", "parking", "--format", "json").out)


def test_plan_shows_the_nearest_and_with_all_every_candidate(shell: Shell) -> None:
    nearest, every = shell("plan", "parking").out, shell("plan", "parking", "--all").out
    assert "(60 more in the report)" in nearest
    assert "more in the report" not in every
    nearest_rows, every_rows = (text.count("Conv2d_1") for text in (nearest, every))
    heads_of_other_class_counts = 3 * 18
    assert every_rows == nearest_rows + 60 + heads_of_other_class_counts


def test_plan_report_holds_every_candidate_whatever_the_screen_shows(shell: Shell) -> None:
    shell("plan", "parking")
    rows = list(csv.DictReader(Path("reports/parking/plan-candidates.csv").read_text().splitlines()))
    assert len(rows) == 72
    assert (rows[0]["ops"], rows[0]["fits"]) == ("1139482650", "true")
    report = Path("reports/parking/plan.md").read_text()
    assert report.count("Conv2d_13_pointwise") > 36
    assert "Verdict: 33 of 72 candidates fit 70 GOPS" in report


def test_plan_on_the_screen_as_csv_is_the_file(shell: Shell) -> None:
    printed = shell("plan", "parking", "--format", "csv").out
    assert printed == Path("reports/parking/plan-candidates.csv").read_text()


def test_plan_again_replaces_its_files(shell: Shell) -> None:
    shell("plan", "parking")
    first = {name: Path(name).read_bytes() for name in shell.files()}
    Path("reports/parking/plan.md").write_text("old")
    shell("plan", "parking")
    assert {name: Path(name).read_bytes() for name in shell.files()} == first


def test_plan_of_an_impossible_scenario_names_the_limit(shell: Shell) -> None:
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    done = shell("plan", "impossible.yaml")
    assert done.code == 0
    assert "The binding limit is budget_gops" in " ".join(done.out.split())
    assert "The binding limit is budget_gops" in Path("reports/impossible/plan.md").read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["urban"], 0),
        (["urban", "--check"], 0),
        (["urban", "--candidate", "depth_multiplier=1"], 0),
        (["urban", "--candidate", "depth_multiplier=1", "--check"], 1),
        (["urban", "--candidate", "depth_multiplier=0.5", "--check"], 0),
        (["urban", "--candidate", "depth_multiplier=0.5", "--candidate", "depth_multiplier=1", "--check"], 1),
        (["urban", "--candidate", "0.5 / Conv2d_13_pointwise / fcn / 7 / 1024", "--check", "--solve", "fps"], 0),
        (["urban", "--against", "parking", "--check"], 0),
        (["impossible.yaml"], 0),
        (["impossible.yaml", "--check"], 1),
        (["tiny.yaml", "--candidate", "depth_multiplier=0.1", "--check"], 0),  # nothing of its space fits
    ],
)
def test_check_is_a_gate(shell: Shell, words: list[str], code: int) -> None:
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    Path("tiny.yaml").write_text(f"{PARKING.replace('70', '20')}search_space: {{depth_multiplier: 1}}")
    done = shell("plan", *words)
    assert done.code == code
    assert ("Check failed" in done.err) is (code == 1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["impossible.yaml"], "nothing fits: none of 72 candidates fits 0.001 GOPS"),
        (
            ["urban", "--candidate", "depth_multiplier=0.5", "--candidate", "depth_multiplier=1"],
            "1 / Conv2d_13_pointwise / fcn / 7 / 1024 needs 464.2 GOPS, 154.7 % of the budget, and 32.8 MB: over "
            "budget_gops.",
        ),
        (["urban", "--candidate", "depth_multiplier=1", "--format", "json", "--solve", "fps"], "1 / Conv2d_13"),
    ],
)
def test_check_that_fails_says_why_on_the_last_line(shell: Shell, words: list[str], reason: str) -> None:
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    written, why = shell("plan", *words, "--check").err.splitlines()
    assert written.startswith("Written: ")
    assert why.startswith(f"Check failed: {reason}")
    assert "0.5 / " not in why
    assert "Check failed" not in shell("plan", *words).err


def test_named_candidate_is_reported(shell: Shell) -> None:
    done = shell("plan", "urban", "--candidate", "depth_multiplier=1")
    said = "1 / Conv2d_13_pointwise / fcn / 7 / 1024 needs 464.2 GOPS, 154.7 % of the budget, and 32.8 MB: over"
    assert said in " ".join(done.out.split())
    assert said in Path("reports/urban/plan.md").read_text()


def test_solve_shows_its_answers_and_writes_them_all(shell: Shell) -> None:
    done = shell("plan", "parking", "--solve", "fps")
    assert "bound by budget_gops: 15.36 fps would need 70.01 of 70 GOPS." in " ".join(done.out.split())
    assert "Stem" not in done.out
    rows = list(csv.DictReader(Path("reports/parking/plan-answers.csv").read_text().splitlines()))
    assert [row["question"] for row in rows] == [
        "fps", "cameras", "size", "depth_multiplier", "classifier_kernel", "classifier_depth", "budget",
    ]  # fmt: skip
    assert (
        json.loads(shell("plan", "parking", "--solve", "fps", "--format", "json").out)["answers"][0]["answer"]["value"]
        == 15.35
    )


def test_against_shows_what_a_change_costs(shell: Shell) -> None:
    done = shell("plan", "urban", "--against", "parking")
    assert "54 of 72 candidates fit; before the change 33 of 72 did." in " ".join(done.out.split())
    assert "reports/urban/plan-against.csv" in shell.files()


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["--solve", "fsp"], "--solve: must be one of fps, cameras, size, depth_multiplier, "),
        (["--candidate", "x=1"], "mobilenet-fcn has no parameter 'x'"),
        (["--candidate", ""], "--candidate: must name parameters as NAME=VALUE, or be a label, but got ''"),
        (["--against", "nosuch"], "scenario: must be a YAML file or a built-in scenario, but got 'nosuch'"),
        (
            ["--against", "parking", "--solve", "fps"],
            "--solve and --against: must be given one at a time, but got both",
        ),
        (["--all", "--solve", "fps"], "--all and --solve: must be given one at a time, but got both"),
        (["--all", "--against", "parking"], "--all and --against: must be given one at a time, but got both"),
        (
            ["--all", "--against", "parking", "--solve", "fps"],
            "--all, --solve and --against: must be given one at a time, but got all",
        ),
    ],
)
def test_refused_questions_write_nothing(shell: Shell, words: list[str], rule: str) -> None:
    assert shell.refused("plan", "parking", *words).startswith(f"Error: {rule}")
    assert shell.files() == []


def test_numbers_too_small_for_arithmetic_are_told(shell: Shell) -> None:
    Path("tiny.yaml").write_text(PARKING.replace("fps: 15", "fps: 1e-300").replace("70", "5e-324"))
    assert shell.refused("plan", "tiny.yaml").splitlines() == [
        "tiny.yaml:3: fps: must be 1e-09 or more, but got 1e-300",
        "tiny.yaml:4: budget_gops: must be 1e-09 or more, but got 5e-324",
    ]
    Path("tiny.yaml").write_text(PARKING.replace("fps: 15", "fps: 1e4").replace("70", "1e-9"))
    assert shell("plan", "tiny.yaml", "--format", "json").code == 0


def test_output_that_cannot_be_a_folder(shell: Shell) -> None:
    Path("taken").write_text("precious")
    assert shell.refused("plan", "parking", "-o", "taken") == (
        "Error: taken: must be a folder that can be written, but got File exists"
    )
    assert shell.refused("plan", "parking", "-o", "taken/x") == (
        "Error: taken/x: must be a folder that can be written, but got Not a directory"
    )
    Path("reports/parking/plan.md").mkdir(parents=True)
    assert shell.refused("plan", "parking") == (
        "Error: reports/parking/plan.md: must be a file that can be written, but got Is a directory"
    )
    assert shell.files() == ["taken"]
    assert Path("taken").read_text() == "precious"


def test_full_disk_is_told_and_leaves_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert shell.refused("plan", "parking") == (
        "Error: reports/parking/plan.md: must be a file that can be written, but got No space left on device"
    )
    assert shell.files() == []


def test_no_files(shell: Shell) -> None:
    done = shell("plan", "urban", "--no-files", "--check", "--format", "json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["fitting"] == 54
    assert shell("plan", "urban", "--against", "parking", "--no-files").err == ""
    assert shell.files() == []


def test_candidates_that_are_listed_nowhere_are_told(shell: Shell) -> None:
    Path("large.yaml").write_text(
        PARKING + "search_space: {classifier_depth: {from: 1, to: 2000, step: 1}, classifier_kernel: 3}\n"
    )
    done = shell("plan", "large.yaml", "--format", "csv", "--no-files")
    assert done.err == "Listed are those nearest to the limits; 6,000 more were counted.\n"
    assert len(done.out.splitlines()) == 10_001
