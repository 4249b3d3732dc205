"""Data sets: every file keeps the contract; the reader of CamVid's layout names the file at fault."""

import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, call

import layouts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from budgetnet import datasets, image_files
from budgetnet.classes import IGNORE
from budgetnet.classmaps import for_source
from budgetnet.data import keeping, reading
from budgetnet.data.form import Form
from budgetnet.data.keeping import Keep
from budgetnet.datasets import Listing, Source, _files, camvid, synthetic
from budgetnet.errors import BudgetnetError
from budgetnet.plugins import load_module

SIZE = {"height": 32, "width": 48}


def write_pair(root: Path, split: str, name: str, image: np.ndarray, label: np.ndarray) -> tuple[Path, Path]:
    return layouts.save(root / split / f"{name}.png", image), layouts.save(
        root / f"{split}annot" / f"{name}.png", label
    )


def tiny_camvid(root: Path, **options: int) -> Path:
    layouts.make("camvid", root, **options)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_camvid(tmp_path)


def load(folder: Path, classes=7, **size: int) -> reading.Dataset:
    return keeping.load(f"camvid:{folder}", classes=classes, **(SIZE | size))


# --- every data set


@pytest.mark.parametrize("name", datasets.names())
def test_every_data_set_keeps_the_contract(name, tmp_path):
    module = load_module("budgetnet.datasets", name, "data set")
    assert all(isinstance(key, int) and 0 <= key <= 255 and value for key, value in module.SOURCE_CLASSES.items())
    spec = layouts.make(name, tmp_path)
    source = datasets.find(spec)
    assert source.class_maps, "a data set needs a class map"
    assert module.SOURCE_CLASSES in ({}, source.classes)
    assert [split for split in datasets.SPLITS if split in source.splits] == list(source.splits)
    assert {"train", "val"} <= set(source.splits)
    for class_map in source.class_maps:
        progress = Mock()
        found = keeping.load(spec, classes=class_map.classes.name, **SIZE, progress=progress)
        assert found.source == spec
        assert found.classes == class_map.classes == layouts.class_list(spec, class_map.classes.names)
        total = len(found.train) + len(found.val)
        assert progress.call_args_list == [call(done, total) for done in range(1, total + 1)]
        for split in (found.train, found.val):
            count = len(split)
            assert count == len(set(split.names)) > 0
            assert (split.images.shape, split.images.dtype) == ((count, 32, 48, 3), np.uint8)
            assert (split.labels.shape, split.labels.dtype) == ((count, 32, 48), np.uint8)
            assert split.images.flags.writeable or source.arrays, "torch takes writable arrays only"
            assert set(np.unique(split.labels)) <= {*found.classes.scored, IGNORE}
        again = keeping.load(spec, classes=class_map.classes.name, **SIZE)
        assert again.fingerprint == found.fingerprint
        assert len(found.fingerprint) == 16


@pytest.mark.parametrize("name", datasets.names())
def test_samples_are_the_same_whichever_is_read_first(name, tmp_path):
    spec = layouts.make(name, tmp_path)
    forwards = [sample.read(32, 40) for sample in datasets.find(spec).splits["train"].samples[:2]]
    backwards = [sample.read(32, 40) for sample in datasets.find(spec).splits["train"].samples[:2][::-1]][::-1]
    for (image, labels), (other_image, other_labels) in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(labels, other_labels)
    assert not np.array_equal(forwards[0][0], forwards[1][0])


@pytest.mark.parametrize("name", datasets.names())
def test_threads_read_what_one_after_the_other_reads(name, tmp_path):
    samples = datasets.find(layouts.make(name, tmp_path)).splits["train"].samples
    alone = [sample.read(32, 40) for sample in samples]
    with ThreadPoolExecutor(4) as pool:
        for round_ in range(3):
            for index, made in enumerate(pool.map(lambda sample: sample.read(32, 40), samples)):
                for one, other in zip(made, alone[index], strict=True):
                    np.testing.assert_array_equal(one, other, err_msg=f"round {round_}")


def test_looking_at_class_lists_imports_nothing_heavy():
    code = (
        "import sys; from budgetnet import datasets; from budgetnet.data import check, keeping; "
        "datasets.find('synthetic'); "
        "print([name for name in ('torch', 'pandas', 'optuna') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# --- what the user asks for


@pytest.mark.parametrize("classes", [2, "road2", ["road", "not road"], ("road", "not road")])
def test_classes_by_count_by_name_and_by_names(classes, folder):
    assert load(folder, classes).classes.name == "road2"


@pytest.mark.parametrize("classes", [5, True, "lab8", "", [], ["not road", "road"], ["road"]])
def test_classes_that_fit_no_map_are_told_what_there_is(classes, folder):
    with pytest.raises(BudgetnetError) as caught:
        load(folder, classes)
    told = str(caught.value)
    assert told.startswith("classes must fit a class map of the data set, but got ")
    for part in ("; camvid offers camvid-11: 11 (sky, building, ", "lab7: 7 (sky, ", "road2: 2 (road, not road)"):
        assert part in told


def test_a_count_that_fits_two_maps_is_an_error(folder, monkeypatch):
    maps = for_source("camvid", camvid.SOURCE_CLASSES)
    monkeypatch.setattr(datasets, "for_source", lambda *_: [*maps, *maps])
    with pytest.raises(
        BudgetnetError, match=r"^classes must fit one class map only, give its name instead, but got 7; "
    ):
        load(folder, 7)


@pytest.mark.parametrize("spec", ["cam", "", ":x", "camvid2:x", "_paint"])
def test_an_unknown_data_set_is_an_error(spec):
    with pytest.raises(BudgetnetError, match=r"^data set must be one of the known ones, but got "):
        keeping.load(spec, classes=7, **SIZE)


@pytest.mark.parametrize("size", [{"height": 31}, {"width": 0}, {"width": -480}, {"height": 16385}])
def test_a_size_out_of_range_is_an_error(size, folder):
    name, value = next(iter(size.items()))
    with pytest.raises(BudgetnetError, match=rf"^{name} must be from 32 to 16384 pixels, but got {value}$"):
        load(folder, **size)


def test_what_does_not_fit_in_memory_is_an_error(monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(reading.np, "empty", refuse)
    message = r"^a split must fit in memory, but 256 images of 16384 x 16384 need 274\.9 GB$"
    with pytest.raises(BudgetnetError, match=message):
        keeping.load("synthetic", classes=7, height=16384, width=16384, keep=Keep(limit=10**12))


def test_the_fingerprint_follows_images_labels_and_classes(folder):
    first = load(folder).fingerprint
    assert load(folder, "camvid-11").fingerprint != first
    assert load(folder, width=32).fingerprint != first
    path = folder / "val" / "val1.png"
    with Image.open(path) as image:
        changed = np.array(image)
    changed[0, 0] ^= 255
    Image.fromarray(changed).save(path)
    assert load(folder, height=36).fingerprint != first


# --- CamVid's layout


def test_pairs_are_read_in_order_of_their_names_and_reduced(folder):
    found = load(folder, height=36)
    assert found.train.names == ("train0", "train1", "train2")
    with Image.open(folder / "train" / "train1.png") as image, Image.open(folder / "trainannot" / "train1.png") as ids:
        np.testing.assert_array_equal(found.train.images[1], np.asarray(image))
        reduced = np.array([0, 1, 1, 2, 3, 1, 1, 1, 4, 5, 5, IGNORE], np.uint8)[np.asarray(ids)]
    np.testing.assert_array_equal(found.train.labels[1], reduced)


def test_the_same_scale_is_a_central_crop(tmp_path):
    rng = np.random.default_rng(1)
    image, label = rng.integers(0, 256, (60, 80, 3), np.uint8), rng.integers(0, 12, (60, 80), np.uint8)
    for split in ("train", "val"):
        write_pair(tmp_path, split, "a", image, label)
    found = load(tmp_path, "camvid-11", height=40, width=80)
    np.testing.assert_array_equal(found.val.images[0], image[10:50])
    np.testing.assert_array_equal(found.val.labels[0] % 255, np.where(label == 11, 0, label)[10:50])


def test_shrinking_averages_the_image_and_picks_labels(tmp_path):
    rng = np.random.default_rng(2)
    image, label = rng.integers(0, 256, (96, 144, 3), np.uint8), rng.integers(0, 11, (96, 144), np.uint8)
    for split in ("train", "val"):
        write_pair(tmp_path, split, "a", image, label)
    found = load(tmp_path, "camvid-11")
    blocks = image.reshape(32, 3, 48, 3, 3).mean(axis=(1, 3))
    assert np.abs(found.train.images[0] - blocks).max() <= 1
    np.testing.assert_array_equal(found.train.labels[0], label[1::3, 1::3])


def test_enlarging_keeps_labels_whole(tmp_path):
    image, label = np.full((16, 24, 3), 7, np.uint8), np.zeros((16, 24), np.uint8)
    label[:, 12:] = 10
    for split in ("train", "val"):
        write_pair(tmp_path, split, "a", image, label)
    found = load(tmp_path, "camvid-11", height=64, width=96)
    assert set(np.unique(found.train.labels)) == {0, 10}
    assert (found.train.labels[0, :, 48:] == 10).all()
    assert (found.train.images == 7).all()


@settings(max_examples=25, deadline=None)
@given(*(st.integers(1, 90) for _ in range(2)), *(st.integers(32, 90) for _ in range(2)))
def test_any_image_is_cut_to_any_size(height, width, to_height, to_width):
    form = Form(height=to_height, width=to_width)
    assert form.image(np.zeros((height, width, 3), np.uint8)).shape == (to_height, to_width, 3)
    assert form.labels(np.zeros((height, width), np.uint8)).shape == (to_height, to_width)


def test_a_palette_counts_by_its_indices_and_grey_images_are_read(folder):
    ids = Image.frombytes("P", (48, 36), bytes([3]) * (36 * 48))
    ids.putpalette([255, 0, 0] * 12)
    ids.save(folder / "trainannot" / "train0.png")
    Image.fromarray(np.full((36, 48), 9, np.uint8)).save(folder / "train" / "train0.png")
    found = load(folder)
    assert (found.train.labels[0] == 2).all()
    assert (found.train.images[0] == 9).all()


def test_other_files_are_left_alone(folder):
    for name in ("Thumbs.db", "._train0.png", "list.txt"):
        (folder / "train" / name).write_bytes(b"?")
    assert len(load(folder).train) == 3


def told(folder: Path) -> str:
    with pytest.raises(BudgetnetError) as caught:
        load(folder)
    return str(caught.value).replace(f"{folder}{os.sep}", "")


def test_no_folder_given():
    with pytest.raises(BudgetnetError, match=r"^camvid must be given its folder, as in camvid:FOLDER, but got none$"):
        keeping.load("camvid", classes=7, **SIZE)


def test_a_missing_folder(tmp_path):
    folder = tmp_path / "no"
    assert told(folder) == f"{folder}: must be a folder that can be read: No such file or directory"


def test_a_missing_label_folder(folder):
    for path in (folder / "valannot").iterdir():
        path.unlink()
    (folder / "valannot").rmdir()
    assert told(folder) == "valannot: must be a folder that can be read: No such file or directory"


def test_a_folder_that_may_not_be_read(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_files, "os", SimpleNamespace(scandir=refuse))
    assert told(folder) == "train: must be a folder that can be read: Permission denied"


def test_a_file_that_may_not_be_read(folder, monkeypatch):
    def refuse(path, formats):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(image_files.Image, "open", refuse)
    assert told(folder) == (
        "train/train0.png: must be a whole PNG or JPEG that can be read: Permission denied\n"
        "trainannot/train0.png: must be a whole PNG that can be read: Permission denied"
    )


def test_an_image_without_labels(folder):
    (folder / "trainannot" / "train2.png").unlink()
    message = "train/train2.png: every image must have a label file, and the other way round, but "
    assert told(folder) == f"{message}trainannot/train2.png is missing"


def test_labels_without_an_image(folder):
    (folder / "train" / "train2.png").unlink()
    message = "trainannot/train2.png: every image must have a label file, and the other way round, but "
    assert told(folder) == f"{message}train/train2.png is missing"


def test_an_empty_split(folder):
    for path in [*(folder / "val").iterdir(), *(folder / "valannot").iterdir()]:
        path.unlink()
    assert told(folder) == f"camvid:{folder}: split val must hold one image or more, but got none"


@pytest.mark.parametrize("kept", [0, 1, 8, 20, 33, 60, 0.5, 0.9])
@pytest.mark.parametrize("part", ["train", "trainannot"])
def test_a_truncated_file(kept, part, folder):
    path = folder / part / "train1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    kinds = "PNG or JPEG" if part == "train" else "PNG"
    assert told(folder).startswith(f"{part}/train1.png: must be a whole {kinds} that can be read: ")


PAINT = {"source_colours": (((1, 2, 3), 0),), "source_classes": {0: "x"}}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_error_or_an_image_never_a_traceback(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("png") / "a.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    known = dict.fromkeys(range(64), "x")
    for read in (_files.image, partial(_files.ids, source_classes=known), partial(_files.colours, **PAINT)):
        with suppress(BudgetnetError):
            read(path)


def test_labels_of_another_size(folder):
    Image.fromarray(np.zeros((36, 50), np.uint8)).save(folder / "trainannot" / "train1.png")
    message = "trainannot/train1.png: labels must have the size of their image (height x width), but got "
    assert told(folder) == f"{message}36 x 50 for 36 x 48"


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_labels_with_channels(mode, channels, folder):
    Image.fromarray(np.zeros((36, 48, channels), np.uint8)).save(folder / "valannot" / "val0.png")
    message = "valannot/val0.png: labels must be 8-bit with a single channel, but the mode is "
    assert told(folder) == message + mode


def test_labels_with_16_bits(folder):
    Image.fromarray(np.zeros((36, 48), np.uint16)).save(folder / "valannot" / "val0.png")
    assert told(folder) == "valannot/val0.png: must have 8 bits per channel, but has 16"


def test_an_image_with_16_bits(folder):
    Image.fromarray(np.zeros((36, 48), np.uint16)).save(folder / "val" / "val0.png")
    assert told(folder) == "val/val0.png: must have 8 bits per channel, but has 16"


def test_colour_with_16_bits_which_pillow_would_halve(folder):
    header = struct.pack(">IIBBBBB", 48, 36, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x12\x34" * 3 * 48) * 36)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    (folder / "val" / "val0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert told(folder) == "val/val0.png: must have 8 bits per channel, but has 16"


@pytest.mark.parametrize("row", [0, 20])
def test_a_label_that_is_no_source_id_wherever_it_is(row, folder):
    label = np.zeros((36, 48), np.uint8)
    label[row, 20] = 12
    Image.fromarray(label).save(folder / "trainannot" / "train1.png")
    message = told(folder)
    assert message.startswith("trainannot/train1.png: labels must be ids of the source, but got 12 in 1 of 1,728 pix")
    assert f", first in row {row}, column 20; its ids are 0 sky, 1 building, " in message


def test_of_many_ids_the_first_are_told_behind_the_fact():
    names = {number: f"c{number}" for number in range(33)}
    fault = datasets.id_fault(np.full((2, 2), 77, np.uint8), names, "a.png")
    assert str(fault) == (
        "a.png: labels must be ids of the source, but got 77 in 4 of 4 pixels, first in row 0, column 0; "
        "its ids are 0 c0, 1 c1, 2 c2, 3 c3, 4 c4, 5 c5, 6 c6, 7 c7, 8 c8, 9 c9, 10 c10, 11 c11 and 21 more"
    )


def test_ids_are_checked_for_every_data_set(monkeypatch):
    monkeypatch.setattr(
        synthetic, "draw", lambda *_: (np.zeros((32, 48, 3), np.uint8), np.full((32, 48), 200, np.uint8))
    )
    with pytest.raises(
        BudgetnetError,
        match=r"^labels of synthetic image 0 of train: labels must be ids of the source, but got 200 in 1,536 of",
    ):
        keeping.load("synthetic", classes=7, **SIZE)


@pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="BUDGETNET_CAMVID names no folder with CamVid")
def test_the_real_one():
    found = keeping.load(f"camvid:{os.environ['BUDGETNET_CAMVID']}", classes="camvid-11", height=360, width=480)
    assert (len(found.train), len(found.val)) == (367, 101)
    counts = np.bincount(found.train.labels.ravel(), minlength=256)
    shares = 100 * counts[[*range(11), IGNORE]] / counts.sum()
    known = [16.9, 23.3, 1.0, 31.7, 4.5, 9.7, 1.2, 1.1, 5.9, 0.6, 0.3, 4.0]  # sky to bicyclist, unlabelled; in percent
    np.testing.assert_allclose(shares, known, atol=0.1)


def test_a_data_set_without_images_is_an_error(monkeypatch):
    empty = Source(classes=synthetic.SOURCE_CLASSES, splits={split: Listing(samples=()) for split in ("train", "val")})
    monkeypatch.setattr(synthetic, "find", lambda argument: empty)
    with pytest.raises(BudgetnetError, match="synthetic: split train must hold one image or more, but got none"):
        keeping.load("synthetic", classes=7, height=64, width=64)
