"""`budgetnet data check`: every planted fault is found and told with its file; what is sound is left in peace."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from planted import HARMLESS, NOTES, PROBLEMS, Pair, save

from budgetnet import datasets
from budgetnet.data.check import Check, check
from budgetnet.datasets import synthetic

HEIGHT, WIDTH = 96, 128
ALL = {**PROBLEMS, **NOTES}


def pairs(root: Path, split: str) -> list[Pair]:
    return [Pair(path, root / f"{split}annot" / path.name) for path in sorted((root / split).glob("*.png"))]


def draw(root: Path, split: str, count: int) -> None:
    """Drawn scenes as CamVid would have them."""
    to_camvid = np.array([0, 1, 3, 4, 8, 9, 11], np.uint8)  # sky ... void
    for index in range(count):
        image, labels = synthetic.draw(4, {"train": "train", "val": "val"}[split], index, HEIGHT, WIDTH)
        for folder, pixels in ((split, image), (f"{split}annot", to_camvid[labels])):
            (root / folder).mkdir(parents=True, exist_ok=True)
            save(root / folder / f"a_{split}{index:03d}.png", pixels)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    draw(root, "train", len(ALL) + 10)
    draw(root, "val", len(ALL))
    return root


@pytest.fixture
def small(drawn, tmp_path):
    """Four images for training and two for validation."""
    root = tmp_path / "CamVid"
    for split, count in (("train", 4), ("val", 2)):
        for pair in pairs(drawn, split)[-count:]:
            for path in (pair.image, pair.labels):
                (root / path.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, root / path.parent.name / path.name)
    return root


def checked(root: Path, **more: object) -> Check:
    spec = f"camvid:{root}"
    return check(spec, datasets.find(spec), **more)


def told(findings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in findings:
        found.setdefault(each.file, []).append(each.what)
    return found


def notes_of_files(found: Check):
    return [each for each in found.notes if each.file]


# --- planted faults


def test_a_sound_data_set_has_no_problem(drawn):
    found = checked(drawn)
    assert found.problems == ()
    assert notes_of_files(found) == []
    assert found.images == 2 * len(ALL) + 10


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_fault_is_found_alone(name, small):
    file, words = PROBLEMS[name](pairs(small, "train")[1], pairs(small, "val")[0])
    found = told(checked(small).problems)
    assert any(words in what for what in found[str(file)]), found
    # only the planted pair and the one it was copied from are complained of
    mine = {file.stem.lower(), pairs(small, "val")[0].image.stem}
    assert {Path(each).stem.lower() for each in found} <= mine


@pytest.mark.parametrize("name", NOTES)
def test_each_suspicion_is_noted_alone(name, drawn, tmp_path):
    root = tmp_path / "CamVid"
    shutil.copytree(drawn, root)  # what is usual takes many to know
    file, words = NOTES[name](pairs(root, "train")[0], pairs(root, "val")[0])
    found = checked(root)
    assert found.problems == ()
    assert [words in what for what in told(notes_of_files(found)).pop(str(file))] == [True]
    more = set()
    if name == "image_saved_as_jpeg_and_back":  # the other side of it, and labels that are still the old image's
        more = {str(pairs(root, "val")[0].image), str(pairs(root, "train")[0].labels)}
    assert {each.file for each in notes_of_files(found)} == {str(file), *more}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_all_right_is_left_in_peace(name, small):
    HARMLESS[name](pairs(small, "train")[1], pairs(small, "val")[0])
    found = checked(small)
    assert (found.problems, notes_of_files(found)) == ((), [])


def test_all_faults_at_once_are_found(drawn, tmp_path):
    root = tmp_path / "CamVid"
    shutil.copytree(drawn, root)
    everything_at_once(root)


def everything_at_once(root: Path) -> None:
    """Plants every fault, each into a pair of its own, and looks for each."""
    own, others = pairs(root, "train"), pairs(root, "val")
    planted = {name: plant(own[i], others[i]) for i, (name, plant) in enumerate(ALL.items())}
    found = checked(root)
    problems, notes = told(found.problems), told(found.notes)
    assert len(PROBLEMS) >= 30
    for name, (file, words) in planted.items():
        where = problems if name in PROBLEMS else notes
        assert any(words in what for what in where.get(str(file), [])), name
    sound = {pair.image.stem for pair in own[len(ALL) :]}
    assert not sound & {Path(each).stem for each in {*problems, *notes}}


REAL = pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="BUDGETNET_CAMVID names no folder with CamVid")


@REAL
def test_camvid_is_clean():
    found = checked(Path(os.environ["BUDGETNET_CAMVID"]))
    assert (found.problems, found.notes) == ((), ())
    assert [(tally.split, tally.images, tally.read, dict(tally.sizes)) for tally in found.tallies] == [
        ("train", 367, 367, {(360, 480): 367}),
        ("val", 101, 101, {(360, 480): 101}),
    ]


@REAL
def test_all_faults_are_found_in_camvid(tmp_path):
    real = Path(os.environ["BUDGETNET_CAMVID"])
    for split, count in (("train", len(ALL) + 10), ("val", len(ALL))):
        chosen = pairs(real, split)
        for pair in chosen[:: len(chosen) // count][:count]:
            for path in (pair.image, pair.labels):
                to = tmp_path / path.parent.name / path.name
                to.parent.mkdir(exist_ok=True)
                to.write_bytes(path.read_bytes())  # not the file's permissions
    everything_at_once(tmp_path)
