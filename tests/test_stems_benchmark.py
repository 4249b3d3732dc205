"""The benchmark of stems runs and tells what it compares."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import pytest
from stem_files import random_stem, write_hdf5

from budgetnet.errors import BudgetnetError

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "stems.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("stems_benchmark", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("stems")
    for width in (0.1, 0.25):
        write_hdf5(made / f"stem_{width}.h5", random_stem(width))
    return made


def test_a_table_of_epochs_for_every_start(program, folder, capsys):
    asked = {"classes": "lab7", "size": "64x96", "depth_multiplier": 0.1, "head": "fcn", "epochs": 2, "seeds": 2}
    program.main(
        Namespace(dataset="synthetic:train=6,val=2", stems=str(folder), batch=3, rate=0.004, images=4, **asked)
    )
    said = capsys.readouterr().out
    assert "4 images of 64x96" in said
    assert "narrowed from 0.25: stem_0.25.h5, narrowed from depth multiplier 0.25 to 0.1" in said
    table = [line for line in said.splitlines() if line.startswith("|")]
    assert table[0] == "| epoch | Xavier | narrowed from 0.25 | its own file |"
    assert [line.split("|")[1].strip() for line in table[2:]] == ["1", "2"]
    assert all(line.count("±") == 3 for line in table[2:])


def test_starts_are_what_the_folder_holds(program, folder):
    assert list(program.starts(folder, 0.25)) == ["Xavier", "its own file"]
    assert list(program.starts(folder, 0.2)) == ["Xavier", "narrowed from 0.25"]
    with pytest.raises(BudgetnetError, match=r"must hold a stem of depth multiplier 0.3 or wider"):
        program.starts(folder, 0.3)
