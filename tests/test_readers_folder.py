"""Any folder of images and masks: what its classes.yaml may say, where its files may lie."""

import colorsys
import os
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from budgetnet import datasets
from budgetnet.classes import IGNORE
from budgetnet.data import keeping
from budgetnet.datasets._palette import distinct
from budgetnet.errors import BudgetnetError, FileError

SIZE = {"height": 32, "width": 48}
MAP = """\
source: folder
classes_name: ground2
void: null
classes:
  - {name: ground, colour: [0, 255, 0]}
  - {name: not ground, colour: [128, 128, 128]}
map:
  0: ignore
  7: ground  # road
  8: ground  # kerb
  23: not ground
  255: ignore
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    layouts.make("folder", tmp_path)
    return tmp_path


def find(folder: Path, settings: str = "") -> datasets.Source:
    return datasets.find(f"folder:{folder}{settings}")


def names(folder: Path, split: str, settings: str = "") -> list[str]:
    return [sample.name for sample in datasets.samples("folder", find(folder, settings), split)]


def faults(folder: Path, text: str) -> list[str]:
    """What is wrong with a classes.yaml, without the file's name."""
    path = folder / "classes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        find(folder)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


# --- what masks mean


def test_ids_mean_what_the_file_says(folder):
    source = find(folder)
    assert source.classes == {0: "ignored", 7: "road", 8: "kerb", 23: "sky", 255: "ignored"}
    (only,) = source.class_maps
    assert (only.classes.name, only.classes.names, only.classes.void) == ("folder", ("road", "kerb", "sky"), None)
    assert only.targets == {7: 0, 8: 1, 23: 2, 0: IGNORE, 255: IGNORE}
    assert only.classes.colours[0] == (0, 255, 0)
    assert len({*only.classes.colours, (0, 0, 0)}) == 4
    found = keeping.load(f"folder:{folder}", classes="folder", **SIZE)
    assert set(np.unique(found.train.labels)) == {0, 1, 2, IGNORE}


def test_colours_mean_what_the_file_says(tmp_path):
    layouts.make("folder", tmp_path, painted=True)
    source = find(tmp_path)
    assert source.classes == {0: "road", 1: "kerb", 2: "none", 255: "ignored"}
    (only,) = source.class_maps
    assert (only.classes.name, only.classes.names, only.classes.void) == ("painted", ("road", "kerb", "none"), 2)
    assert only.classes.colours == ((0, 255, 0), (128, 64, 0), (0, 0, 0))
    assert only.targets == {0: 0, 1: 1, 2: IGNORE, 255: IGNORE}
    sample = source.splits["train"].samples[0]
    pixels = np.array([[(0, 255, 0), (128, 64, 0), (0, 0, 0), (255, 255, 255)]], np.uint8)
    for file in sample.files:
        Image.fromarray(pixels).save(file)
    np.testing.assert_array_equal(sample.read(0, 0)[1], [[0, 1, 2, 255]])


def test_without_ignored_colours_nothing_is_ignored(tmp_path):
    layouts.make("folder", tmp_path, painted=True)
    text = layouts.PAINTED.partition("ignore:")[0]
    (tmp_path / "classes.yaml").write_text(text, encoding="utf-8")
    assert find(tmp_path).classes == {0: "road", 1: "kerb", 2: "none"}


@given(st.integers(0, 253), st.sets(st.tuples(*[st.integers(0, 255)] * 3), max_size=12))
def test_generated_colours_are_distinct(count, used):
    made = distinct(count, used)
    assert len({*made, *used, (0, 0, 0)}) == count + len({*used, (0, 0, 0)})
    assert made == distinct(count, used)
    assert made[: count // 2] == distinct(count // 2, used) or count > 100


def test_a_few_generated_colours_are_easily_told_apart():
    made = distinct(6, [(0, 255, 0)])
    for index, one in enumerate(made):
        for other in [*made[:index], (0, 255, 0), (0, 0, 0)]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 120
    assert len({round(colorsys.rgb_to_hsv(*(part / 255 for part in colour))[0], 1) for colour in made}) >= 4


# --- faults of classes.yaml


def test_all_faults_of_the_classes_are_told_with_their_lines(folder):
    text = """\
name: " odd"
classes:
  - {name: road, id: 7, colour: [0, 255]}
  - {name: ignore, id: 256}
  - {name: sky, id: x, color: [1, 2, 3]}
  - {id: 3}
void: 3
"""
    label = "must be a text of 1 to 64 characters, no blanks around, and not 'ignore'"
    assert faults(folder, text) == [
        f"1: name: {label}, but got ' odd'",
        "3: classes[0].colour: must be three whole numbers from 0 to 255: red, green, blue, but got [0, 255]",
        "4: classes[1].id: must be 255 or less, but got 256",
        f"4: classes[1].name: {label}, but got 'ignore'",
        "5: classes[2].color: unknown field; did you mean 'colour'?",
        "5: classes[2].id: must be a whole number, but got 'x'",
        "6: classes[3].name: must be given, but got nothing",
        "7: void: must be a text, but got 3",
    ]


def test_all_faults_between_classes_are_told_with_their_lines(folder):
    text = """\
classes:
  - {name: road, id: 7, colour: [0, 255, 0]}
  - {name: road, id: 8, colour: [0, 255, 0]}
  - {name: sky, id: 7}
  - {name: car}
void: skye
ignore:
  - 7
  - [1, 2, 3]
  - 9
  - 9
"""
    differ = "must differ from those of the other classes, but got"
    assert faults(folder, text) == [
        f"3: classes[1].colour: {differ} (0, 255, 0)",
        f"3: classes[1].name: {differ} 'road'",
        f"4: classes[2].id: {differ} 7",
        "5: classes[3].id: must be given for every class, or for none, but got nothing",
        "6: void: must be a name of the classes; did you mean 'sky'?, but got 'skye'",
        "8: ignore[0]: must be given once, and be of no class, but got 7",
        "9: ignore[1]: must be an id from 0 to 255, as the classes have them, but got [1, 2, 3]",
        "11: ignore[3]: must be given once, and be of no class, but got 9",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [{name: a, id: 1}]", "1: classes: must hold 2 to 253 classes, but got 1"),
        ("name: x", "1: classes: must be given, but got nothing"),
        (
            "classes:\n  - {name: a, colour: [1, 2, 3]}\n  - {name: b}\n",
            "3: classes[1].colour: must be given where classes have no ids, but got nothing",
        ),
        (
            "classes:\n  - {name: a, colour: [1, 2, 3]}\n  - {name: b, colour: [3, 2, 1]}\nignore: [255]\n",
            "4: ignore[0]: must be a colour, three whole numbers from 0 to 255, as the classes have them, but got 255",
        ),
        (
            "classes:\n" + "".join(f"  - {{name: c{index}, colour: [{index}, 0, 0]}}\n" for index in range(254)),
            "1: classes: must hold 2 to 253 classes, but got 254",
        ),
        ("classes: {a: 1}", "1: classes: must be a list, but got {'a': 1}"),
        (
            "classes:\n  - {name: a, id: true}\n  - {name: b, id: 1}",
            "2: classes[0].id: must be a whole number, but got true",
        ),
        (
            "classes:\n  - {name: a, id: 0, colour: [0, 0, true]}\n  - {name: b, id: 1}",
            "2: classes[0].colour: must be three whole numbers from 0 to 255: red, green, blue, but got [0, 0, True]",
        ),
        ("", "1: (file): must be a mapping of fields, but got an empty file"),
        ("classes: [", "1: (file): must be YAML"),
    ],
)
def test_a_fault_of_the_classes_is_told(text, message, folder):
    assert any(line.startswith(message) for line in faults(folder, text)), faults(folder, text)


def test_no_file_of_classes(folder):
    (folder / "classes.yaml").unlink()
    message = f"{folder / 'classes.yaml'}: must be there to say what the masks mean, but is missing"
    with pytest.raises(BudgetnetError) as caught:
        find(folder)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("gone", "message"), [("images", "images, masks and classes.yaml"), ("masks", "masks beside images")]
)
def test_no_folder_of_images_or_masks(gone, message, folder):
    (folder / gone).rename(folder / "elsewhere")
    with pytest.raises(BudgetnetError, match=f"^{folder}: must hold {message}, but holds "):
        find(folder)


# --- where files may lie


def test_flat_files_are_divided(folder):
    assert sorted([*names(folder, "train"), *names(folder, "val")]) == [f"{index:04d}" for index in range(5)]
    assert len(names(folder, "val")) == 1


def test_folders_of_splits_are_the_splits_and_folders_below_are_groups(tmp_path):
    layouts.make("folder", tmp_path, train=2, val=1)
    assert names(tmp_path, "train") == ["drive-1/0000", "drive-1/0001"]
    assert names(tmp_path, "val") == ["drive-1/0000"]
    assert {each.group for each in find(tmp_path).splits["train"].samples} == {"drive-1"}


def test_folders_without_splits_are_groups(folder):
    for part in ("images", "masks"):
        for index, path in enumerate(sorted((folder / part).iterdir())):
            (folder / part / "a" / f"b{index % 2}").mkdir(parents=True, exist_ok=True)
            path.rename(folder / part / "a" / f"b{index % 2}" / path.name)
    made = find(folder, ",val=0.5,by=group").splits
    assert {frozenset(each.group for each in listing.samples) for listing in made.values()} == {
        frozenset({"a/b0"}),
        frozenset({"a/b1"}),
    }


def test_a_missing_mask_in_a_folder_below(tmp_path):
    layouts.make("folder", tmp_path, train=2, val=1)
    (tmp_path / "masks" / "train" / "drive-1" / "0001.png").unlink()
    with pytest.raises(datasets.DataError) as caught:
        names(tmp_path, "train")
    assert str(caught.value).endswith(f"but {tmp_path / 'masks' / 'train' / 'drive-1' / '0001.png'} is missing")


def test_a_link_to_a_folder_above_is_followed_no_further(folder):
    (folder / "images" / "again").symlink_to("..", target_is_directory=True)
    (folder / "images" / "loop").symlink_to(".", target_is_directory=True)
    with pytest.raises(datasets.DataError) as caught:
        names(folder, "train")
    assert all(f"{os.sep}again{os.sep}" in fault.where for fault in caught.value.faults)


def test_lists_in_the_folder_are_the_splits(folder):
    (folder / "train.txt").write_text("images/0000.jpg masks/0000.png\nimages/0003.jpg masks/0003.png\n")
    (folder / "val.txt").write_text("0001\n")
    assert names(folder, "train") == ["0000", "0003"]
    assert names(folder, "val") == ["0001"]
    assert len(names(folder, "val", ",val=0.4")) == 2, "what the spec says goes before lists in the folder"
    (folder / "train.txt").unlink()
    assert names(folder, "train") == ["0000", "0002", "0003", "0004"]


def test_lists_go_before_folders(tmp_path):
    layouts.make("folder", tmp_path, train=2, val=1)
    (tmp_path / "val.txt").write_text("train/drive-1/0001.jpg\n")
    made = find(tmp_path).splits
    assert [Path(each.image).parts[-4:] for each in made["val"].samples] == [("images", "train", "drive-1", "0001.jpg")]
    assert len(made["train"].samples) == 2


def test_a_fault_in_a_list_of_the_folder_is_told(folder):
    (folder / "val.txt").write_text("0000\nnone\n")
    with pytest.raises(BudgetnetError) as caught:
        find(folder)
    assert (
        str(caught.value)
        == f"{folder / 'val.txt'}:2: must name an image of the data set, such as '0000', but got 'none'"
    )


# --- class maps


def test_class_maps_in_the_folder_reduce_its_classes(folder):
    (folder / "classmap-ground2.yaml").write_text(MAP, encoding="utf-8")
    assert [found.classes.name for found in find(folder).class_maps] == ["folder", "ground2"]
    found = keeping.load(f"folder:{folder}", classes=2, **SIZE)
    assert found.classes.names == ("ground", "not ground")
    assert set(np.unique(found.train.labels)) == {0, 1, IGNORE}


def test_faults_of_a_class_map_in_the_folder_are_told_at_once(folder):
    text = MAP.replace("  8: ground  # kerb\n", "").replace("23: not ground", "23: sky")
    path = folder / "classmap-ground2.yaml"
    path.write_text(text + "  9: ground\n", encoding="utf-8")
    with pytest.raises(FileError) as caught:
        find(folder)
    ids = "(0 ignored, 7 road, 8 kerb, 23 sky, 255 ignored)"
    assert str(caught.value).splitlines() == [
        f"{path}:8: map: must map every id of the source, but leaves out 8 kerb",
        f"{path}:10: map.23: must be a name of the classes, or ignore; known: ground, not ground, but got 'sky'",
        f"{path}:12: map: must have ids of the source as keys {ids}, but got '9'",
    ]


def test_a_class_map_that_is_a_link_to_nothing(folder):
    (folder / "classmap-x.yaml").symlink_to("none.yaml")
    with pytest.raises(
        BudgetnetError, match=r"classmap-x\.yaml: must be a file, as its name says, but is a link to nothing$"
    ):
        find(folder)
