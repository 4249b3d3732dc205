"""The benchmarks of stems run and tell what they compare."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stem_files import random_stem, write_hdf5

from budgetnet.errors import BudgetnetError

FOLDER = Path(__file__).parent.parent / "benchmarks"


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program():
    return loaded("stems")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("stems")
    for width in (0.1, 0.25):
        write_hdf5(made / f"stem_{width}.h5", random_stem(width))
    return made


@pytest.mark.slow
def test_a_table_of_epochs_for_every_start(program, folder, capsys):
    asked = {"classes": "lab7", "size": "64x96", "depth_multiplier": 0.1, "head": "fcn", "epochs": 1, "seeds": 2}
    program.main(
        Namespace(dataset="synthetic:train=6,val=2", stems=str(folder), batch=3, rate=0.004, images=4, **asked)
    )
    said = capsys.readouterr().out
    assert "4 images of 64x96" in said
    assert "narrowed from 0.25: stem_0.25.h5, narrowed from depth multiplier 0.25 to 0.1" in said
    table = [line for line in said.splitlines() if line.startswith("|")]
    assert table[0] == "| epoch | Xavier | narrowed from 0.25 | its own file | its own file, frozen |"
    assert [line.split("|")[1].strip() for line in table[2:]] == ["1", "seconds an epoch"]
    assert table[2].count("±") == 4


def test_starts_are_what_the_folder_holds(program, folder):
    assert list(program.starts(folder, 0.25)) == ["Xavier", "its own file", "its own file, frozen"]
    assert list(program.starts(folder, 0.2)) == ["Xavier", "narrowed from 0.25"]
    with pytest.raises(BudgetnetError, match=r"must hold a stem of depth multiplier 0.3 or wider"):
        program.starts(folder, 0.3)


def test_ways_of_narrowing_are_compared_on_images(folder, tmp_path, capsys):
    program = loaded("narrowing")
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / f"{name}.png")
    program.main(Namespace(stems=str(folder), images=str(tmp_path), count=2, pairs=["0.25:0.2"]))
    said = capsys.readouterr().out
    assert said.startswith("2 images of 160 x 240")
    shares = {line.split("|")[1].strip(): line.split("|")[2:5] for line in said.splitlines() if ": " in line}
    assert next(iter(shares)) == "0.25 to 0.2: ours"
    assert len(shares) == 5
    assert all(-1 < float(share) <= 1 for line in shares.values() for share in line)
    same = torch.rand(600, 4, dtype=torch.float64)
    assert program.explained(same, 2 * same + 1) == pytest.approx(1, abs=1e-3)
    assert program.explained(same[:, :2], same) == pytest.approx(0.5, abs=0.05)
