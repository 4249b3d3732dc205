"""What is particular to the layout of one data set."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import layouts
import numpy as np
import pytest
from PIL import Image

from budgetnet import datasets
from budgetnet.datasets import _files, camvid32, kitti_road
from budgetnet.errors import BudgetnetError


def names(spec: str, split: str) -> list[str]:
    return [sample.name for sample in datasets.samples(spec, datasets.find(spec), split)]


def groups(spec: str) -> set[str]:
    return {each.group for listing in datasets.find(spec).splits.values() for each in listing.samples}


def refused(spec: str) -> str:
    with pytest.raises(BudgetnetError) as caught:
        datasets.find(spec)
    return str(caught.value)


# --- Cityscapes


@pytest.fixture
def cityscapes(tmp_path) -> Path:
    layouts.make("cityscapes", tmp_path)
    return tmp_path


def test_cityscapes_names_and_cities(cityscapes):
    spec = f"cityscapes:{cityscapes}"
    assert names(spec, "train") == [
        "aachen_000000_000019",
        "aachen_000002_000019",
        "bochum_000001_000019",
        "bochum_000003_000019",
    ]
    assert groups(spec) == {"aachen", "bochum", "frankfurt", "munster"}
    assert list(datasets.find(spec).splits) == ["train", "val"], "the test labels are blank"


def test_cityscapes_leaves_its_test_images_alone(cityscapes):
    shutil.copytree(cityscapes / "leftImg8bit" / "val", cityscapes / "leftImg8bit" / "test")
    assert list(datasets.find(f"cityscapes:{cityscapes}").splits) == ["train", "val"]


def test_cityscapes_of_training_only(cityscapes):
    for part in ("leftImg8bit", "gtFine"):
        shutil.rmtree(cityscapes / part / "val")
    assert list(datasets.find(f"cityscapes:{cityscapes}").splits) == ["train"]
    assert list(datasets.find(f"cityscapes:{cityscapes},val=0.5,by=group").splits) == ["train", "val"]


def test_cityscapes_as_its_archives_unpack_into_folders_of_their_names(cityscapes):
    for part in ("leftImg8bit", "gtFine"):
        (cityscapes / f"{part}_trainvaltest").mkdir()
        (cityscapes / part).rename(cityscapes / f"{part}_trainvaltest" / part)
    assert len(names(f"cityscapes:{cityscapes}", "train")) == 4


def test_cityscapes_without_its_labels(cityscapes):
    shutil.rmtree(cityscapes / "gtFine")
    assert refused(f"cityscapes:{cityscapes}") == (
        f"{cityscapes}: must hold gtFine beside leftImg8bit: the labels are a download of their own "
        "(gtFine_trainvaltest.zip), but holds leftImg8bit"
    )


def test_cityscapes_without_anything_of_it(tmp_path):
    for name in "fedcba":
        (tmp_path / name).mkdir()
    message = f"{tmp_path}: must hold leftImg8bit, the images of Cityscapes, but holds a, b, c, d, e, ..."
    assert refused(f"cityscapes:{tmp_path}") == message


@pytest.mark.parametrize("has_train_ids", [True, False])
def test_cityscapes_with_other_labels_only(has_train_ids, cityscapes):
    for path in (cityscapes / "gtFine" / "train").rglob("*_labelIds.png"):
        if has_train_ids:
            path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
        else:
            path.unlink()
    got = "*_gtFine_labelTrainIds.png only, which tell fewer classes apart" if has_train_ids else "none"
    assert refused(f"cityscapes:{cityscapes}") == (
        f"{cityscapes / 'gtFine' / 'train'}: must hold labels named <city>/*_gtFine_labelIds.png, but holds {got}"
    )


def test_a_city_without_labels(cityscapes):
    shutil.rmtree(cityscapes / "gtFine" / "train" / "bochum")
    spec = f"cityscapes:{cityscapes}"
    with pytest.raises(datasets.DataError) as caught:
        names(spec, "train")
    assert [Path(fault.where).name for fault in caught.value.faults] == [
        "bochum_000001_000019_leftImg8bit.png",
        "bochum_000003_000019_leftImg8bit.png",
    ]
    assert str(cityscapes / "gtFine" / "train" / "bochum") in caught.value.faults[0].what


def test_whole_cities_are_drawn(cityscapes):
    made = datasets.find(f"cityscapes:{cityscapes},test=val,val=0.5,by=group").splits
    assert {each.group for each in made["test"].samples} == {"frankfurt", "munster"}
    (city,) = {each.group for each in made["val"].samples}
    assert {each.group for each in made["train"].samples} == {"aachen", "bochum"} - {city}


def test_an_image_in_two_cities(cityscapes):
    cities = cityscapes / "leftImg8bit" / "train"
    shutil.copy(cities / "aachen" / "aachen_000000_000019_leftImg8bit.png", cities / "bochum")
    with pytest.raises(datasets.DataError) as caught:
        names(f"cityscapes:{cityscapes}", "train")
    one, two = (str(cities / city / "aachen_000000_000019_leftImg8bit.png") for city in ("aachen", "bochum"))
    assert str(caught.value) == f"{two}: no other file may stand for the same image or labels, but {one} does"


def test_every_folder_is_read_once_and_no_file_is_asked_for(cityscapes, monkeypatch):
    """What makes listing thousands of files quick, also over a network."""
    read: list[Path] = []

    def scan(path):
        read.append(Path(path))
        return os.scandir(path)

    monkeypatch.setattr(_files, "os", SimpleNamespace(scandir=scan, path=os.path, DirEntry=os.DirEntry))
    asked: list[str] = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: (asked.append(str(path)), stat(path, **how))[1])
    assert len(datasets.find(f"cityscapes:{cityscapes}").splits["train"].samples) == 4
    below = [path for path in read if path != cityscapes]
    assert len(below) == len(set(below)) == 12, "for each of two splits images and labels, each with two cities"
    assert not [path for path in asked if path.endswith((".png", ".json"))]


# --- CamVid in 32 colours


def test_camvid32_has_the_published_colours():
    assert len(camvid32.SOURCE_CLASSES) == len(set(camvid32.COLOURS.values())) == 32
    known = {
        "Animal": (64, 128, 64),
        "Road": (128, 64, 128),
        "Sky": (128, 128, 128),
        "Void": (0, 0, 0),
        "Wall": (64, 192, 0),
    }
    by_name = {camvid32.SOURCE_CLASSES[number]: colour for number, colour in camvid32.COLOURS.items()}
    assert by_name.items() >= known.items()
    assert list(by_name) == sorted(by_name, key=str.lower), "as the published list is sorted"
    assert {part for colour in by_name.values() for part in colour} == {0, 64, 128, 192}


def test_camvid32_as_published_has_sequences_and_a_fifth_for_validation(tmp_path):
    spec = layouts.make("camvid32", tmp_path, images=10)
    assert [len(names(spec, split)) for split in ("train", "val")] == [8, 2]
    assert groups(spec) == {"0001TP", "0006R0"}
    assert names(f"{spec},val=0.5,by=group", "val") == names(f"{spec},val=0.5,by=group,seed=0", "val")


def test_camvid32_packed_anew_has_its_own_splits(tmp_path):
    spec = layouts.make("camvid32", tmp_path, train=3, val=2)
    assert names(spec, "train") == ["0001TP_t00000", "0001TP_t00002", "0006R0_t00001"]
    assert names(spec, "val") == ["0001TP_v00000", "0006R0_v00001"]


def test_camvid32_without_its_folders(tmp_path):
    (tmp_path / "images").mkdir()
    wanted = "701_StillsRaw_full and LabeledApproved_full, or train and train_labels"
    assert refused(f"camvid32:{tmp_path}") == f"{tmp_path}: must hold {wanted}, but holds images"


def test_camvid32_without_the_folder_of_labels(tmp_path):
    spec = layouts.make("camvid32", tmp_path)
    shutil.rmtree(tmp_path / "LabeledApproved_full")
    rule = "must be a folder that can be read: No such file or directory"
    assert refused(spec) == f"{tmp_path / 'LabeledApproved_full'}: {rule}"


# --- KITTI Road


def test_kitti_road_pairs_and_kinds_of_road(tmp_path):
    spec = layouts.make("kitti-road", tmp_path)
    assert sorted([*names(spec, "train"), *names(spec, "val")]) == [
        "um_000000",
        "um_000003",
        "umm_000001",
        "umm_000004",
        "uu_000002",
        "uu_000005",
    ]
    assert groups(spec) == {"um", "umm", "uu"}


def test_kitti_road_takes_either_folder(tmp_path):
    spec = layouts.make("kitti-road", tmp_path)
    assert names(f"kitti-road:{tmp_path / 'data_road'}", "train") == names(spec, "train")


def test_kitti_road_colours_are_road_not_road_and_neither(tmp_path):
    spec = layouts.make("kitti-road", tmp_path, images=2)
    sample = datasets.find(spec).splits["train"].samples[0]
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[:, 0], pixels[:, 1] = (255, 0, 255), (255, 0, 0)
    for path in sample.files:
        Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(sample.read(0, 0)[1], [[1, 0, 2]] * 2)
    assert kitti_road.SOURCE_CLASSES[1] == "road"


def test_kitti_road_with_lanes_only(tmp_path):
    spec = layouts.make("kitti-road", tmp_path, images=1)
    labels = tmp_path / "data_road" / "training" / "gt_image_2"
    (labels / "um_road_000000.png").unlink()
    with pytest.raises(BudgetnetError) as caught:
        names(spec, "train")
    assert str(caught.value).endswith(f"but {labels / 'um_road_000000.png'} is missing")


def test_kitti_road_without_its_folders(tmp_path):
    assert refused(f"kitti-road:{tmp_path}") == (
        f"{tmp_path}: must hold training (with image_2 and gt_image_2), or data_road with it, but holds nothing"
    )


# --- CMP Facade


def test_cmp_facade_parts_and_the_folder_of_files(tmp_path):
    spec = layouts.make("cmp-facade", tmp_path)
    assert sorted([*names(spec, "train"), *names(spec, "val")]) == [
        *(f"cmp_b{index:04d}" for index in range(1, 5)),
        "cmp_x0001",
        "cmp_x0002",
    ]
    assert names(f"{spec},train=base,val=extended", "val") == ["cmp_x0001", "cmp_x0002"]
    base = f"cmp-facade:{tmp_path / 'base'}"
    assert sorted([*names(base, "train"), *names(base, "val")]) == [f"cmp_b{index:04d}" for index in range(1, 5)]


def test_cmp_facade_ids_begin_with_1(tmp_path):
    spec = layouts.make("cmp-facade", tmp_path)
    sample = datasets.find(spec).splits["train"].samples[0]
    with Image.open(sample.files[1]) as indexed:
        assert indexed.mode == "P"
        np.testing.assert_array_equal(sample.read(0, 0)[1], np.asarray(indexed))
        zero = Image.frombytes("P", indexed.size, bytes(indexed.width * indexed.height))
        zero.putpalette([0, 0, 0])
    zero.save(sample.files[1])
    with pytest.raises(datasets.DataError, match=r"labels must be ids of the source, but got 0 in .*; its ids are 1 b"):
        sample.read(0, 0)


# --- BDD100K


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("above", [False, True])
def test_bdd100k_of_either_download_from_either_folder(old, above, tmp_path):
    layouts.make("bdd100k", tmp_path / "bdd100k", old=old)
    spec = f"bdd100k:{tmp_path if above else tmp_path / 'bdd100k'}"
    assert names(spec, "train") == [f"0a0a0b1a-7c39d8{index:02x}" for index in range(3)]
    assert names(spec, "val") == [f"0a0a0b1a-7c39d8{index:02x}" for index in (3, 4)]


def test_bdd100k_without_its_labels(tmp_path):
    spec = layouts.make("bdd100k", tmp_path)
    shutil.rmtree(tmp_path / "labels")
    where = tmp_path / "labels" / "sem_seg" / "masks" / "train"
    assert refused(spec) == f"{where}: must be a folder that can be read: No such file or directory"


def test_bdd100k_without_its_folders(tmp_path):
    assert refused(f"bdd100k:{tmp_path}").startswith(
        f"{tmp_path}: must hold images/10k and labels/sem_seg/masks, or seg/images and seg/labels, but holds nothing"
    )


# --- all of them


def test_listing_does_not_open_an_image(tmp_path, monkeypatch):
    specs = [layouts.make(name, tmp_path / name) for name in layouts.LAYOUTS]
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    for spec in specs:
        assert datasets.find(spec).splits["train"].samples


def test_home_folders_are_found(tmp_path, monkeypatch):
    layouts.make("camvid", tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(names(f"camvid:~{os.sep}data", "train")) == 3
