"""The benchmark of short trainings against long ones: its measures by hand, and that it runs and goes on."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stem_files import random_stem, write_hdf5

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "ranking.py"
VALUES = st.lists(st.integers(0, 9), min_size=3, max_size=9)


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("ranking", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_measures_worked_out_by_hand(program):
    one, other = [0.1, 0.2, 0.3, 0.4], [0.5, 0.7, 0.6, 0.9]
    assert program.ranks([0.3, 0.1, 0.3]) == [2.5, 1, 2.5]
    assert program.kendall(one, other) == pytest.approx(4 / 6)  # one pair of six is turned round
    assert program.spearman(one, other) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert program.missed(one, other) == 0
    assert program.missed([0.1, 0.2, 0.5, 0.4], other) == pytest.approx(0.3)


@given(VALUES)
def test_an_order_agrees_with_itself_and_not_with_its_reverse(program, values):
    distinct = list(dict.fromkeys(values))
    if len(distinct) < 3:
        return
    assert program.kendall(distinct, distinct) == program.spearman(distinct, distinct) == pytest.approx(1)
    turned = [-value for value in distinct]
    assert program.kendall(distinct, turned) == pytest.approx(-1)
    assert program.spearman(distinct, turned) == pytest.approx(-1)


@pytest.mark.slow
def test_it_prints_its_tables_and_goes_on(program, tmp_path, capsys):
    stem = write_hdf5(tmp_path / "stem_0.25.h5", random_stem(0.25))
    given = ["--dataset", "synthetic:train=8,val=2", "--classes", "lab7", "--stem", str(stem), "--size", "64x96"]
    given += ["--depth-multipliers", "0.25", "--short", "1", "--long", "2", "--output", str(tmp_path / "runs")]
    program.main(program.words().parse_args(given))
    said = capsys.readouterr().out
    assert "synthetic:train=8,val=2, 8 images of 64x96; 2 epochs against 1" in said
    assert "| trained | Spearman | Kendall | its first is below the best by | time |" in said
    table = [line for line in said.splitlines() if line.startswith("| 0.25")]
    assert len(table) == len(program.HEADS)
    program.main(program.words().parse_args(given))
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if line.startswith("|")] == [
        line for line in said.splitlines() if line.startswith("|")
    ]
