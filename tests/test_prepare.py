"""Preparing a data set: the same bytes as reading it, whatever interrupts it; recipes; what does not fit in memory."""

import errno
import json
import multiprocessing
import os
import signal
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import Shell
from test_datasets import tiny_camvid, write_pair

from budgetnet import datasets, recipes
from budgetnet.data import draw, keeping, prepare, reading
from budgetnet.data.form import Form
from budgetnet.data.keeping import Keep
from budgetnet.datasets import DataError, Sample, Source, prepared
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.training.samples import Samples

SIZE = {"height": 32, "width": 48}


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return tiny_camvid(tmp_path / "CamVid")


def order_of(spec: str, classes: str = "lab7", **size: int) -> prepare.Order:
    source = datasets.find(spec)
    return prepare.Order(
        source=source,
        splits=draw.whole(spec, source),
        chosen=reading.class_map(spec, source, classes),
        form=Form(**(SIZE | size)),
        made_of={"dataset": spec},
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- what comes out


@pytest.mark.parametrize("classes", ["camvid-11", "lab7", "road2"])
def test_a_prepared_folder_reads_as_its_source_does(classes, camvid, tmp_path):
    folder = tmp_path / "out"
    manifest = prepare.prepare(order_of(f"camvid:{camvid}", classes), folder, made_by={"commit": "abc"})
    read = keeping.load(f"camvid:{camvid}", classes=classes, **SIZE)
    mapped = keeping.load(f"prepared:{folder}", classes=len(read.classes), **SIZE)
    assert mapped.fingerprint == read.fingerprint
    assert mapped.classes == read.classes
    for one, other in ((mapped.train, read.train), (mapped.val, read.val)):
        assert isinstance(one.images, np.memmap)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.names == other.names
        samples = Samples.of(one)
        assert (samples.images.numpy() == other.images.transpose(0, 3, 1, 2)).all()
    assert manifest == prepared.read_manifest(folder)
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "manifest.json",
        *(f"{split}-{kind}.npy" for split in ("train", "val") for kind in ("images", "labels")),
    }


def test_the_manifest_tells_counts_hashes_shares_and_origin(camvid, tmp_path):
    prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={"commit": "abc"})
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert record["made_by"] == {"commit": "abc"}
    assert record["made_of"] == {"dataset": f"camvid:{camvid}"}
    train = record["splits"]["train"]
    assert train["images"] == len(train["names"]) == 3
    labels = np.load(tmp_path / "out" / "train-labels.npy")
    assert train["pixels"]["road"] == (labels == 2).sum()
    assert train["pixels"]["without a class"] == (labels == 255).sum()
    assert sum(train["pixels"].values()) == labels.size
    assert train["shares"]["sky"] == round((labels == 0).mean(), 6)
    for kind in ("images", "labels"):
        assert train[f"{kind}_sha256"] == sha256((tmp_path / "out" / f"train-{kind}.npy").read_bytes()).hexdigest()


def test_a_prepared_folder_may_be_cut_and_prepared_again(camvid, tmp_path):
    prepare.prepare(order_of(f"camvid:{camvid}", height=36), tmp_path / "large", made_by={})
    again = keeping.load(f"prepared:{tmp_path / 'large'}", classes="lab7", **SIZE)
    direct = keeping.load(f"camvid:{camvid}", classes="lab7", **SIZE)
    assert again.fingerprint == direct.fingerprint
    prepare.prepare(order_of(f"prepared:{tmp_path / 'large'}"), tmp_path / "small", made_by={})
    assert keeping.load(f"prepared:{tmp_path / 'small'}", classes="lab7", **SIZE).fingerprint == direct.fingerprint


def test_prepared_images_are_not_enlarged(camvid, tmp_path):
    prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    message = r"out: must be prepared at 33 x 48 or larger to be used at that size, but was prepared at 32 x 48$"
    with pytest.raises(BudgetnetError, match=message):
        keeping.load(f"prepared:{tmp_path / 'out'}", classes="lab7", height=33, width=48)
    kept = Keep(limit=0, folder=tmp_path / "kept")
    with pytest.raises(BudgetnetError, match=message):
        keeping.load(f"prepared:{tmp_path / 'out'}", classes="lab7", height=33, width=48, keep=kept)
    assert not kept.folder.exists()


# --- interrupted


class StoppedError(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("after", [0, 1, 3, 4, 5, 6])
def test_what_was_stopped_goes_on_to_the_same_bytes(after, camvid, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "SAVED_AFTER", 0)
    order = order_of(f"camvid:{camvid}")
    prepare.prepare(order, tmp_path / "whole", made_by={})

    def stop(done: int, total: int) -> None:
        if done == after:
            raise StoppedError

    def stop_before_moving(folder: Path, manifest: prepared.Manifest) -> None:
        raise StoppedError

    if after == 6:
        monkeypatch.setattr(prepare, "_finish", stop_before_moving)
    with pytest.raises(StoppedError):
        prepare.prepare(order, tmp_path / "out", made_by={}, progress=stop)
    monkeypatch.undo()
    with pytest.raises(
        BudgetnetError,
        match=r"manifest\.json: must be a file that can be read: No such file .*; a folder that `budgetnet data ",
    ):
        datasets.find(f"prepared:{tmp_path / 'out'}")
    seen: list[int] = []
    prepare.prepare(order, tmp_path / "out", made_by={}, progress=lambda done, total: seen.append(done))
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert seen[0] == {0: 0, 1: 0, 3: 2, 4: 3, 5: 3, 6: 3}[after], "whole images are not read again"


def test_stopped_while_files_were_moved_it_starts_over(camvid, tmp_path, monkeypatch):
    order = order_of(f"camvid:{camvid}")
    prepare.prepare(order, tmp_path / "whole", made_by={})
    move = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == "val-images.npy":
            raise StoppedError
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoppedError):
        prepare.prepare(order, tmp_path / "out", made_by={})
    monkeypatch.undo()
    prepare.prepare(order, tmp_path / "out", made_by={})
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def _prepare_slowly(spec: str, folder: Path) -> None:
    prepare.SAVED_AFTER = 0
    prepare.prepare(order_of(spec), folder, made_by={}, progress=lambda done, total: time.sleep(0.2))


def test_killed_it_goes_on(camvid, tmp_path):
    spec, folder = f"camvid:{camvid}", tmp_path / "out"
    worker = multiprocessing.get_context("spawn").Process(target=_prepare_slowly, args=(spec, folder))
    worker.start()
    until = time.monotonic() + 60
    while not (folder / prepare.WORK / prepare.PROGRESS).exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert not (folder / "manifest.json").exists()
    prepare.prepare(order_of(spec), folder, made_by={})
    prepare.prepare(order_of(spec), tmp_path / "whole", made_by={})
    assert content(folder) == content(tmp_path / "whole")


def test_a_changed_image_is_prepared_anew(camvid, tmp_path):
    folder = tmp_path / "out"
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    Image.fromarray(np.full((36, 48, 3), 9, np.uint8)).save(camvid / "val" / "val0.png")
    with pytest.raises(
        BudgetnetError, match=r"or one prepared from the same data in the same way, but it holds others"
    ):
        prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={}, force=True)
    assert (keeping.load(f"prepared:{folder}", classes=7, **SIZE).val.images[0] == 9).all()


def test_what_is_there_is_not_made_again(camvid, tmp_path):
    folder = tmp_path / "out"
    first = prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={"commit": "first"})
    before = (folder / "train-images.npy").stat().st_mtime_ns
    assert prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={"commit": "second"}) == first
    assert (folder / "train-images.npy").stat().st_mtime_ns == before


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def _taller(path: Path) -> None:
    path.write_text(path.read_text().replace('"height": 32', '"height": 33', 1))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train-images.npy", _flip),
        ("train-labels.npy", _cut),
        ("val-images.npy", Path.unlink),
        ("manifest.json", _taller),
    ],
)
def test_what_was_damaged_is_made_again(name, damage, camvid, tmp_path):
    folder = tmp_path / "out"
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    before = content(folder)
    damage(folder / name)
    assert not prepare.is_prepared(order_of(f"camvid:{camvid}"), folder)
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    assert content(folder) == before


def test_a_manifest_that_cannot_be_read_is_replaced_by_force(camvid, tmp_path):
    folder = tmp_path / "out"
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    before = content(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BudgetnetError, match=r"must be JSON, but is not\n--force prepares the folder anew$"):
        prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={}, force=True)
    assert content(folder) == before


def test_two_at_once_do_not_spoil_each_other(camvid, tmp_path):
    spec, folder = f"camvid:{camvid}", tmp_path / "out"
    worker = multiprocessing.get_context("spawn").Process(target=_prepare_slowly, args=(spec, folder))
    worker.start()
    until = time.monotonic() + 60
    while not (folder / prepare.WORK).exists() and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(BudgetnetError, match=r"out: must be used by one preparation at a time, but another one is"):
        prepare.prepare(order_of(spec), folder, made_by={})
    worker.join()
    assert worker.exitcode == 0
    prepare.prepare(order_of(spec), tmp_path / "whole", made_by={})
    assert content(folder) == content(tmp_path / "whole")


# --- what goes wrong


def test_a_folder_with_something_else_is_left_alone(camvid, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(BudgetnetError, match=r"out: must be a new or empty folder, .*, but it holds thesis\.txt$"):
        prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={}, force=True)
    assert content(folder) == {"thesis.txt": b"mine"}


def test_all_faults_are_told_and_nothing_is_left(camvid, tmp_path):
    (camvid / "train" / "train0.png").write_bytes(b"no picture")
    Image.fromarray(np.full((36, 48), 99, np.uint8)).save(camvid / "trainannot" / "train2.png")
    with pytest.raises(DataError) as caught:
        prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    assert [Path(fault.where).name for fault in caught.value.faults] == ["train0.png", "train2.png"]
    assert not (tmp_path / "out").exists()


def test_an_image_smaller_than_the_crop_names_its_file(camvid, tmp_path):
    order = order_of(f"camvid:{camvid}")
    cropped = prepare.Order(
        source=order.source,
        splits={"train": order.splits["train"][:1]},
        chosen=order.chosen,
        form=Form(height=32, width=48, crop=(40, 48)),
        made_of={},
    )
    message = r"train0\.png: must be 40 x 48 pixels or more to be cropped, but is 36 x 48$"
    with pytest.raises(DataError, match=message):
        prepare.prepare(cropped, tmp_path / "out", made_by={})


@pytest.mark.parametrize("call", ["posix_fallocate", "fsync"])
def test_a_full_disk_leaves_nothing(call, camvid, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare.os, call, full)
    with pytest.raises(BudgetnetError, match=r"out: must be a folder that can be written, but got No space left"):
        prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_what_was_prepared_before(camvid, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    prepare.prepare(order_of(f"camvid:{camvid}"), folder, made_by={})
    before = content(folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare.os, "posix_fallocate", full)
    with pytest.raises(BudgetnetError, match="No space left"):
        prepare.prepare(order_of(f"camvid:{camvid}", "road2"), folder, made_by={}, force=True)
    assert content(folder) == before


def test_a_file_system_that_cannot_reserve_is_written_all_the_same(camvid, tmp_path, monkeypatch):
    def unable(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(prepare.os, "posix_fallocate", unable)
    prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    assert len(keeping.load(f"prepared:{tmp_path / 'out'}", classes=7, **SIZE).train) == 3


@pytest.fixture
def folder(camvid, tmp_path):
    prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    return tmp_path / "out"


def refused(folder: Path) -> str:
    with pytest.raises(BudgetnetError) as caught:
        keeping.load(f"prepared:{folder}", classes=7, **SIZE)
    return str(caught.value).replace(f"{folder}{os.sep}", "")


def test_a_changed_array_is_found_out(folder):
    path = folder / "val-images.npy"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    assert refused(folder).endswith("split val must be as it was made, but its files were changed since")


def test_a_truncated_array(folder):
    path = folder / "val-labels.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert refused(folder) == "val-labels.npy: must be an array that can be read: it is cut short or no array"


def test_a_missing_array(folder):
    (folder / "val-labels.npy").unlink()
    assert refused(folder) == "val-labels.npy: must be an array that can be read: No such file or directory"


def test_an_array_of_another_kind(folder):
    np.save(folder / "val-labels.npy", np.zeros((2, 32, 48), np.int64))
    rule = "val-labels.npy: must be 2 x 32 x 48 bytes as the manifest says, but got 2 x 32 x 48 of int64"
    assert refused(folder) == rule


def test_objects_are_never_unpickled(folder):
    np.save(folder / "val-labels.npy", np.array([print], dtype=object), allow_pickle=True)
    assert refused(folder) == "val-labels.npy: must be an array that can be read: it is cut short or no array"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json: must be JSON, but is not"),
        ("[]", "manifest.json: must be a manifest of this version (budgetnet prepared data, 1), but is not"),
        ('{"format": "budgetnet prepared data, 2"}', "manifest.json: must be a manifest of this version"),
    ],
)
def test_a_manifest_that_is_none(text, message, folder):
    (folder / "manifest.json").write_text(text)
    assert refused(folder).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["splits"]["val"]["groups"].pop(),
            "splits.val: must name each image once and its group, but got 2",
        ),
        (lambda r: r["splits"]["val"].update(names=["a", "a"]), "splits.val: must name each image once and its group"),
        (lambda r: r["classes"].update(void=99), "classes.void: must be a whole number from 0 to 6, but got 99"),
        (lambda r: r["classes"]["colours"].pop(), "classes.colours: must be three numbers for each class, but got"),
        (
            lambda r: r["classes"]["colours"].__setitem__(0, [300, 0, -1]),
            "classes.colours: must be a whole number from",
        ),
        (lambda r: r.update(height="32"), "height: must be a whole number from 1 to 16384, but got '32'"),
        (lambda r: r["splits"]["val"].update(digest=7), "splits.val.digest: must be a text, but got 7"),
        (lambda r: r["splits"]["val"].pop("pixels"), "must be a manifest of this version"),
        (lambda r: r.update(splits=3), "must be a manifest of this version"),
    ],
)
def test_a_manifest_that_somebody_edited(change, message, folder):
    record = json.loads((folder / "manifest.json").read_text())
    change(record)
    (folder / "manifest.json").write_text(json.dumps(record))
    assert refused(folder).startswith(f"manifest.json: {message}")


def test_a_manifest_without_an_end(folder):
    (folder / "manifest.json").write_text("[" * 100_000)
    assert refused(folder) == "manifest.json: must be JSON, but is not"


def test_the_same_data_by_another_path_are_the_same(camvid, tmp_path, monkeypatch):
    first = prepare.prepare(order_of(f"camvid:{camvid}"), tmp_path / "out", made_by={})
    monkeypatch.chdir(tmp_path)
    assert prepare.prepare(order_of("camvid:CamVid"), tmp_path / "out", made_by={}) == first


# --- recipes


def samples_of(counts: dict[str, dict[str, int]]) -> Source:
    def nothing(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("drawing reads no image")

    return Source(
        classes={0: "road"},
        splits={
            split: datasets.Listing(
                samples=tuple(
                    Sample(name=f"{group}_{index:04d}", group=group, image="", labels="", read=nothing)
                    for group, count in groups.items()
                    for index in range(count)
                )
            )
            for split, groups in counts.items()
        },
    )


CITIES = {f"city{index:02d}": 60 + 10 * index for index in range(18)}
LAB = samples_of({"train": CITIES, "val": {"munster": 174, "lindau": 59, "frankfurt": 267}})


def test_the_labs_recipe_draws_as_published():
    recipe = recipes.load("lab")
    found = draw.drawn("cityscapes:x", LAB, recipe.splits, recipe.seed)
    assert {split: len(samples) for split, samples in found.items()} == {"train": 900, "val": 100, "test": 59}
    assert {city: sum(each.group == city for each in found["train"]) for city in CITIES} == dict.fromkeys(CITIES, 50)
    assert {each.group for each in found["val"]} == {"munster"}
    assert {each.group for each in found["test"]} == {"lindau"}
    for split, samples in found.items():
        names = [each.name for each in samples]
        assert len(set(names)) == len(names)
        listed = [each.name for each in LAB.splits[recipe.splits[split].source].samples]
        assert names == sorted(names, key=listed.index), "in the data set's order"
    assert (recipe.crop.height, recipe.crop.width, recipe.input.height, recipe.input.width) == (768, 1152, 320, 480)


def test_drawing_follows_seed_and_names_not_the_order_of_files():
    recipe = recipes.load("lab")
    backwards = Source(
        classes=LAB.classes,
        splits={name: datasets.Listing(samples=part.samples[::-1]) for name, part in LAB.splits.items()},
    )
    first, again, mirrored, other = (
        {each.name for each in draw.drawn("x:y", source, recipe.splits, seed)["train"]}
        for source, seed in ((LAB, 0), (LAB, 0), (backwards, 0), (LAB, 1))
    )
    assert first == again == mirrored
    assert first != other


def drawing(text: str, source: Source = LAB) -> dict[str, tuple[Sample, ...]]:
    head = "dataset: x\nclasses: lab7\ninput: {height: 32, width: 48}\nsplits:\n"
    folder = Path("recipe.yaml")
    folder.write_text(head + text)
    return draw.drawn("x:y", source, recipes.load("./recipe.yaml").splits, 0)


def test_what_does_not_divide_goes_to_drawn_groups(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = drawing("  train: {from: train, images: 40, evenly: true}\n  val: {from: val}\n")
    counts = [sum(each.group == city for each in found["train"]) for city in CITIES]
    assert sum(counts) == 40
    assert set(counts) == {2, 3}
    assert len(found["val"]) == 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "train: {from: trian}",
            r"^x:y: split must be one that the data set has, but got 'trian'; did you mean 'train'",
        ),
        (
            "train: {from: train, groups: [muenster]}",
            r"^x:y: split train of the recipe must draw from groups of train, but",
        ),
        ("train: {from: val, images: 501}", r"^x:y: split train of the recipe must find 501 images, but got 500$"),
        (
            "train: {from: val, images: 300, evenly: true}",
            r"^x:y: split train of the recipe must find 100 images of group lindau, but got 59$",
        ),
        (
            "train: {from: val}",
            r"^x:y: an image must be in one split, but val/munster_0000 is drawn for train and val$",
        ),
    ],
)
def test_what_a_recipe_cannot_have(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BudgetnetError, match=message):
        drawing(f"  {text}\n  val: {{from: val}}\n")


def test_every_fault_of_a_recipe_is_told(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "dataset: x\nclass: lab7\ninput: {height: 0, width: 48}\n"
        "splits:\n  train: {from: train, images: -1}\n  test: 3\n"
    )
    with pytest.raises(FileError) as caught:
        recipes.load(path)
    told = str(caught.value).replace(f"{path}:", "").splitlines()
    assert [line.split(":")[0] for line in told] == ["1", "2", "3", "5", "6"]
    assert told[1] == "2: class: unknown field; did you mean 'classes'?"
    with pytest.raises(
        BudgetnetError, match=r"^recipe must be a known one or the path of a recipe file, but got 'lap'; "
    ):
        recipes.load("lap")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_of_a_data_set_and_a_class_list(name):
    from budgetnet.classmaps import class_lists

    recipe = recipes.load(name)
    assert recipe.dataset in datasets.names()
    assert recipe.classes in class_lists(recipe.dataset)


# --- memory


def test_what_does_not_fit_is_mapped_from_files(camvid, tmp_path):
    spec = f"camvid:{camvid}"
    in_memory = keeping.load(spec, classes=7, **SIZE, keep=Keep(folder=tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()
    for _ in range(2):
        mapped = keeping.load(spec, classes=7, **SIZE, keep=Keep(limit=5 * 32 * 48 * 4 - 1, folder=tmp_path / "kept"))
        assert isinstance(mapped.train.images, np.memmap)
        assert mapped.fingerprint == in_memory.fingerprint
        assert mapped.source == spec
        assert mapped.classes == in_memory.classes
    exactly = keeping.load(spec, classes=7, **SIZE, keep=Keep(limit=5 * 32 * 48 * 4))
    assert not isinstance(exactly.train.images, np.memmap)
    changed = keeping.load(spec, classes=2, **SIZE, keep=Keep(limit=0, folder=tmp_path / "kept"))
    assert changed.classes.name == "road2"


def test_prepared_data_take_no_memory(folder):
    found = keeping.load(f"prepared:{folder}", classes=7, **SIZE, keep=Keep(limit=0))
    assert isinstance(found.train.images, np.memmap)


def test_without_a_folder_it_is_an_error(camvid):
    message = (
        r": must fit in 0\.0 GB of memory, but 5 images of 32 x 48 need 0\.0; prepare them with `budgetnet data "
        r"prepare`, or raise --memory-limit$"
    )
    with pytest.raises(BudgetnetError, match=message):
        keeping.load(f"camvid:{camvid}", classes=7, **SIZE, keep=Keep(limit=1))


def test_free_memory_is_between_something_and_everything():
    assert 2**20 < keeping.free_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# --- the command line


def test_the_command(shell: Shell, camvid: Path):
    done = shell("data", "prepare", f"camvid:{camvid}", "--classes", "lab7", "--size", "32x48")
    assert done.code == 0
    assert "5 images of 32 x 48 in 7 classes, 0.0 MB, in prepared/camvid-lab7-32x48." in " ".join(done.out.split())
    assert (shell.folder / "prepared" / "camvid-lab7-32x48" / "manifest.json").is_file()
    again = shell("data", "prepare", f"camvid:{camvid}", "--classes", "7", "--size", "32x48")
    assert "Nothing to do: it is there, and whole. 5 images of 32 x 48" in again.out
    assert again.out.split()[-20:] == done.out.split()[-20:]


def test_a_recipe_from_the_command_line(shell: Shell):
    root = shell.folder / "CamVid"
    rng = np.random.default_rng(1)
    for index in range(6):
        for split in ("train", "val"):
            image = rng.integers(0, 256, (100, 200, 3), np.uint8)
            write_pair(root, split, f"{'ab'[index % 2]}_{index}", image, rng.integers(0, 11, (100, 200), np.uint8))
    Path("mine.yaml").write_text(
        "dataset: camvid\nclasses: camvid-11\ncrop: {height: 64, width: 96}\ninput: {height: 32, width: 48}\nseed: 4\n"
        "splits:\n  train: {from: train, images: 2, evenly: true}\n  val: {from: val, groups: [a]}\n"
    )
    done = shell("data", "prepare", f"camvid:{root}", "--recipe", "mine.yaml", "-o", "out")
    assert done.code == 0
    manifest = prepared.read_manifest(Path("out"))
    assert {split: len(part.names) for split, part in manifest.splits.items()} == {"train": 2, "val": 3}
    assert manifest.made_of["recipe"]["seed"] == manifest.made_of["seed"] == 4
    assert manifest.made_by["command"].startswith("budgetnet data prepare camvid:")
    found = keeping.load("prepared:out", classes=11, **SIZE)
    with Image.open(root / "val" / "a_2.png") as image, Image.open(root / "valannot" / "a_2.png") as ids:
        cut = np.asarray(image)[18:82, 52:148].reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
        labels = np.asarray(ids)[18:82, 52:148][1::2, 1::2]
    assert np.abs(found.val.images[1] - cut).max() <= 0.5
    np.testing.assert_array_equal(found.val.labels[1], labels)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "lab"], "recipe lab must be used on cityscapes, but got camvid"),
        ([], "--classes must name one of camvid-11, lab7, road2, but got none"),
        (["--classes", "7", "--seed", "5"], "--seed must come with --recipe, which draws by it, but got 5 alone"),
        (["--classes", "7", "--crop", "7"], "--crop: must be HEIGHTxWIDTH"),
        (["--classes", "lab8"], "classes must fit a class map of the data set, but got 'lab8'"),
    ],
)
def test_what_the_command_refuses(words, message, shell: Shell, camvid: Path):
    assert message in shell.refused("data", "prepare", f"camvid:{camvid}", *words)
