"""`budgetnet data check`: every planted fault is found and told with its file; what is sound is left in peace."""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from planted import HARMLESS, NOTES, PROBLEMS, Pair, cut, save

from budgetnet import datasets, image_files
from budgetnet.data import check as checking
from budgetnet.data import intact, look, notes
from budgetnet.data.check import Check, check
from budgetnet.data.reading import class_map
from budgetnet.data_checking import folder_of
from budgetnet.datasets import _files, synthetic

HEIGHT, WIDTH = 96, 128
ALL = {**NOTES, **PROBLEMS}


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
    if name == "lower_half_lost":  # and with it the edges that the labels' borders lie on
        return
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
        assert any(words in what for what in where.get(str(file), [])), (name, words, where.get(str(file)))
    sound = {pair.image.stem for pair in own[len(ALL) :]}
    assert not sound & {Path(each).stem for each in {*problems, *notes}}


def test_a_mirrored_image_beside_its_own_may_be_there_to_train_with(small):
    own, other = pairs(small, "train")[:2]
    save(own.image, other.pixels()[:, ::-1].copy())
    save(own.labels, other.ids()[:, ::-1].copy())
    assert checked(small).problems == ()


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


def is_found(path: Path) -> bool:
    """Whether a file's damage is seen, by Pillow or by its bytes."""
    if intact.flaw(path) is not None:
        return True
    try:
        _files.image(path)
    except datasets.DataError:
        return True
    return False


PIXELS = np.random.default_rng(0).integers(0, 40, (20, 30, 3), np.uint8)


@given(at=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_changed_byte_of_a_png_is_found(at, mask, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("png") / "a.png", PIXELS)
    assert not is_found(path)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= mask
    path.write_bytes(content)
    assert is_found(path)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@given(kept=st.floats(0, 1, exclude_max=True))
def test_any_missing_end_is_found(format, kept, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("cut") / f"a.{format.lower()}", PIXELS, format)
    assert not is_found(path)
    assert is_found(cut(path, kept))


def test_the_end_of_a_small_picture_inside_a_jpeg_is_not_taken_for_its_own(tmp_path):
    small, path = io.BytesIO(), tmp_path / "a.jpg"
    Image.fromarray(PIXELS[::2, ::2].copy()).save(small, "JPEG")
    save(path, PIXELS, "JPEG", exif=b"Exif\0\0" + small.getvalue())
    assert intact.flaw(path) is None
    assert intact.flaw(cut(path, -2)) == "must be a whole JPEG, but its end is missing"


@pytest.mark.parametrize(("format", "name"), [("PNG", "a.jpg"), ("JPEG", "a.png"), ("JPEG", "a")])
def test_files_named_after_another_format_are_told(format, name, tmp_path):
    words = f"must be named after what it is, {format}, but ends in {Path(name).suffix or 'nothing'}"
    assert intact.flaw(save(tmp_path / name, PIXELS, format)) == words


# --- how well labels fit their image


def test_labels_fit_their_own_image_only():
    scenes = [synthetic.draw(0, "train", index, 240, 320) for index in range(20)]
    greys = [np.asarray(Image.fromarray(image).convert("L")) for image, _ in scenes]
    labels = [labels for _, labels in scenes]

    def misfits(strange: list[np.ndarray]) -> int:
        fits = [look.fit(grey, np.ascontiguousarray(each)) for grey, each in zip(greys, strange, strict=True)]
        return sum(fit < notes.MISFIT for fit in fits)

    assert misfits(labels) == 0
    assert misfits([*labels[1:], labels[0]]) >= 19
    assert misfits([each[::-1] for each in labels]) >= 18
    assert misfits([np.roll(each, 20, axis=0) for each in labels]) >= 18


def test_too_few_borders_say_nothing():
    grey = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    labels = np.zeros((240, 320), np.uint8)
    assert look.fit(grey, labels) is None
    labels[:40, 280:] = 1
    assert look.fit(grey, labels) is None
    assert look.fit(np.zeros_like(grey), np.indices((240, 320))[0].astype(np.uint8) // 8) is None


# --- what is said of more than one file


def twin(pair: Pair, root: Path, split: str, name: str) -> Pair:
    """A copy of both files in another place."""
    made = Pair(root / split / name, root / f"{split}annot" / name)
    shutil.copyfile(pair.image, made.image)
    shutil.copyfile(pair.labels, made.labels)
    return made


def test_each_side_of_a_copy_names_the_other(small):
    first = pairs(small, "train")[0]
    again = twin(first, small, "val", "other.png")
    third = twin(first, small, "train", "third.png")
    found = told(checked(small).problems)
    rule = "an image must be there once, but"
    assert found == {
        str(first.image): [f"{rule} {third.image} (train) and 1 more are the same"],
        str(third.image): [f"{rule} {first.image} (train) and 1 more are the same"],
        str(again.image): [f"{rule} {first.image} (train) and 1 more are the same"],
    }


def test_labels_of_several_images_name_one_of_another(small):
    first, second, third, _ = pairs(small, "train")
    for pair in (second, third):
        shutil.copyfile(first.labels, pair.labels)
    rule = "labels must belong to one image, but"
    assert told(checked(small).problems) == {
        str(first.labels): [f"{rule} {second.labels} (train) and 1 more are the same"],
        str(second.labels): [f"{rule} {first.labels} (train) and 1 more are the same"],
        str(third.labels): [f"{rule} {first.labels} (train) and 1 more are the same"],
    }


def test_simple_labels_may_be_the_same_by_chance(small):
    for pair in pairs(small, "train")[:2]:
        ids = np.zeros_like(pair.ids())
        ids[HEIGHT // 2 :] = 3  # sky above, road below
        save(pair.labels, ids)
    assert checked(small).problems == ()


def test_a_split_without_images(small):
    for pair in pairs(small, "val"):
        pair.image.unlink()
        pair.labels.unlink()
    found = checked(small)
    what = "split val must hold one image or more, but got none"
    assert [(each.file, each.split, each.what) for each in found.problems] == [(f"camvid:{small}", "val", what)]


def test_files_that_may_not_be_read(small, monkeypatch):
    pair = pairs(small, "train")[2]
    real = Image.open

    def refuse(path, *rest, **more):
        if Path(path) == pair.image:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(image_files.Image, "open", refuse)
    words = "must be a whole PNG or JPEG that can be read: Permission denied"
    assert told(checked(small).problems) == {str(pair.image): [words]}


def test_both_files_of_a_pair_are_told(small):
    pair = pairs(small, "train")[0]
    cut(pair.image, 0.5)
    cut(pair.labels, -2)  # Pillow sees nothing wrong with these
    found = told(checked(small).problems)
    assert sorted(found) == [str(pair.image), str(pair.labels)]
    assert found[str(pair.labels)] == ["must be a whole PNG, but its end is missing"]


def test_a_fault_said_of_several_splits_is_told_once(small):
    (small / "trainannot" / pairs(small, "train")[0].labels.name).unlink()
    spec = f"camvid:{small},val=0.3,test=0.2"
    (fault,) = check(spec, datasets.find(spec)).problems
    assert fault.split == "train, val, test"


def test_notes_of_names_sizes_and_classes(small):
    first, second = pairs(small, "train")[:2]
    own = pairs(small, "val")[0]
    own.image.rename(own.image.with_name(first.image.name))
    own.labels.rename(own.labels.with_name(first.labels.name))
    save(second.image, second.pixels()[:90])
    save(second.labels, second.ids()[:90])
    save(small / "train" / "strange.bmp", second.pixels(), "BMP")
    found = checked(small)
    assert found.problems == ()
    told_notes = {(each.file, each.split): each.what for each in found.notes if "no pixel of it" not in each.what}
    assert told_notes == {
        (str(small / "train"), ""): "pictures in it that no split has: strange.bmp",
        ("", "train, val"): f"these splits have names in common: {first.image.stem}",
        ("", "train"): "images have 2 sizes: 96 x 128 (3), 90 x 128 (1)",
    }
    (missing,) = [each for each in found.notes if "no pixel of it" in each.what]
    assert (missing.file, missing.split) == ("", "train, val")  # said of both, told once
    assert missing.what == "no pixel of it belongs to: pole, tree, sign symbol, fence, bicyclist"
    assert "unlabelled" not in missing.what, "void is no class to miss"


def test_what_is_void_follows_the_class_map(small):
    source = datasets.find(f"camvid:{small}")
    assert checking.void_ids(source, None) == {11}
    assert checking.void_ids(source, class_map("camvid", source, "road2")) == {11}


def test_drawn_data_are_checked_too(monkeypatch):
    spec = "synthetic:train=3,val=2"
    assert check(spec, datasets.find(spec)).problems == ()
    strange = np.full((32, 48), 200, np.uint8)
    monkeypatch.setattr(synthetic, "draw", lambda *_: (np.zeros((32, 48, 3), np.uint8), strange))
    found = told(check(spec, datasets.find(spec)).problems)
    assert len(found) == 10
    assert any("labels must be ids of the source" in what for what in found["labels of synthetic image 0 of train"])


def test_a_prepared_array_that_was_changed_is_found(tmp_path):
    spec = layouts.make("prepared", tmp_path / "data")
    path = next((tmp_path / "data").rglob("val-images.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (finding,) = check(spec, datasets.find(spec)).problems
    assert (finding.file, finding.split) == ("split val", "val")
    assert finding.what == "arrays must be as `data prepare` made them, but were changed since"


@pytest.mark.parametrize("name", datasets.names())
def test_every_data_set_is_checked(name, tmp_path):
    spec = layouts.make(name, tmp_path / "data")
    source = datasets.find(spec)
    assert check(spec, source).problems == ()
    split, sample = next((split, listing.samples[0]) for split, listing in source.splits.items() if listing.samples)
    if name in layouts.LAYOUTS:
        image, labels = map(Path, sample.files)
        cut(image, 0.5)
        cut(labels, -1)
        found = check(spec, source)
        assert {(each.file, each.split) for each in found.problems} == {(str(image), split), (str(labels), split)}


# --- counts


def test_pixels_and_sizes_are_those_of_the_files(small):
    found = checked(small)
    for tally in found.tallies:
        mine = pairs(small, tally.split)
        expected = sum(np.bincount(pair.ids().ravel(), minlength=256) for pair in mine)
        np.testing.assert_array_equal(tally.pixels, expected)
        assert (tally.images, tally.read, tally.groups) == (len(mine), len(mine), 1)
        assert dict(tally.sizes) == {(HEIGHT, WIDTH): len(mine)}


def test_progress_and_splits(small):
    steps = []
    found = checked(small, splits=["val"], progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert [tally.split for tally in found.tallies] == ["val"]


# --- the command


def spec_of(folder: Path) -> str:
    return f"camvid:{folder}"


def test_a_sound_data_set_is_0_and_written_down(small, shell):
    done = shell("data", "check", spec_of(small), "--classes", "road2", "-o", "here")
    assert done.code == 0
    assert f"{spec_of(small)}: 6 images, no problems." in done.out.replace("\n", " ").replace("/ CamVid", "/CamVid")
    assert [name for name in shell.files() if name.startswith("here")] == sorted(
        f"here/{name}"
        for name in (
            "check.md",
            "check.json",
            "check-problems.csv",
            "check-notes.csv",
            "check-splits.csv",
            "check-classes.csv",
            "check-reduced.csv",
            "contact-sheet.png",
        )
    )
    assert re.search(r"6 images read in [\d.]+ s, \d+ per second\.", done.err)
    text = Path("here/check.md").read_text()
    assert "![Contact sheet](contact-sheet.png)" in text
    assert "6 images in the colours of road2, drawn with seed 0" in text
    with Image.open("here/contact-sheet.png") as sheet:
        assert sheet.width > 4 * 320


def test_problems_are_1_in_every_format(small, shell):
    pair = pairs(small, "train")[0]
    cut(pair.image, 0.3)
    expected = [
        {
            "file": str(pair.image),
            "split": "train",
            "problem": "must be a whole PNG or JPEG that can be read: image file is truncated",
        }
    ]
    outputs = {}
    for format in ("json", "csv", "markdown", "table"):
        done = shell("data", "check", spec_of(small), "--format", format, "--no-files")
        assert done.code == 1
        outputs[format] = done.out
    record = json.loads(outputs["json"])
    assert record["problems"] == expected
    assert record["clean"] is False
    assert record["verdict"].startswith(f"{spec_of(small)}: 6 images, 1 problem in 1 file")
    assert list(csv.DictReader(io.StringIO(outputs["csv"]))) == expected
    assert "image file is truncated" in outputs["markdown"]
    assert "truncated" in outputs["table"]  # whose lines break between words


def test_the_shares_are_of_all_pixels(small, shell):
    ids = np.concatenate([pair.ids().ravel() for pair in pairs(small, "train")])
    record = json.loads(shell("data", "check", spec_of(small), "--classes", "2", "--format", "json", "--no-files").out)
    classes = {row["class"]: row for row in record["classes"]}
    assert classes["road"]["train_share"] == pytest.approx((ids == 3).mean())
    assert classes["road"]["train_pixels"] == int((ids == 3).sum())
    assert [name for name, row in classes.items() if row["void"]] == ["unlabelled"]
    reduced = {row["class"]: row["train_share"] for row in record["reduced"]}
    assert reduced == pytest.approx(
        {
            "road": (ids == 3).mean(),
            "not road": np.isin(ids, (3, 11), invert=True).mean(),
            "not labelled": (ids == 11).mean(),
        }
    )
    assert sum(reduced.values()) == pytest.approx(1)
    assert record["settings"]["classes"] == "road2 (camvid-road2)"


def test_what_an_earlier_check_wrote_is_not_taken_for_this_ones(small, shell):
    assert shell("data", "check", spec_of(small), "--classes", "2", "-o", "here").code == 0
    (Path("here") / "mine.txt").write_text("kept")
    assert shell("data", "check", spec_of(small), "-o", "here").code == 0
    assert not Path("here/check-reduced.csv").exists()
    assert Path("here/mine.txt").read_text() == "kept"


def test_the_same_check_writes_the_same(small, shell):
    twice = [shell("data", "check", spec_of(small), "-o", "here") and read_all(Path("here")) for _ in range(2)]
    assert twice[0] == twice[1]


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_is_written_without_files(small, shell):
    before = shell.files()
    assert shell("data", "check", spec_of(small), "--no-files").code == 0
    assert shell.files() == before


def test_ctrl_c_ends_it_with_130_and_nothing_written(small, shell, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "_count", stop)
    done = shell("data", "check", spec_of(small), "-o", "here")
    assert (done.code, done.out) == (130, "")
    assert "Stopped, nothing was written." in done.err
    assert not Path("here").exists()


def test_an_unknown_split_is_refused(small, shell):
    message = shell.refused("data", "check", spec_of(small), "--split", "vla")
    assert (
        message
        == f"Error: {spec_of(small)}: split must be one that the data set has, but got 'vla'; did you mean 'val'?"
    )


def test_a_missing_folder_is_refused(shell):
    assert "must be a folder that can be read" in shell.refused("data", "check", "camvid:nowhere")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("camvid:/data/CamVid", "camvid-CamVid"),
        ("camvid:/data/CamVid/", "camvid-CamVid"),
        ("camvid:/data/CamVid,val=0.2,seed=3", "camvid-CamVid-val-0.2-seed-3"),
        ("camvid:.", "camvid"),
        ("camvid:..", "camvid"),
        ("camvid:/", "camvid"),
        ("synthetic", "synthetic"),
        ("synthetic:train=2,val=1", "synthetic-train-2-val-1"),
        ("camvid:a b\n<c>", "camvid-a-b-c"),
    ],
)
def test_reports_get_a_folder_named_after_the_data_set(spec, name):
    assert folder_of(spec) == Path("reports") / "data" / name
