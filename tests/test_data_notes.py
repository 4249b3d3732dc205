"""What `budgetnet data check` says beside its problems: what is odd, what the contact sheet shows of it."""

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import save
from PIL import Image

from budgetnet import datasets
from budgetnet.data import intact, notes
from budgetnet.datasets import synthetic

TO_CAMVID = np.array([0, 1, 3, 4, 8, 9, 11], np.uint8)


def camvid(root: Path, **splits: int) -> str:
    """Drawn scenes as CamVid would have them, all of a sequence `a`; returns the spec."""
    for split, count in splits.items():
        for index in range(count):
            image, labels = synthetic.draw(4, split, index, 96, 128)
            save(root / split / f"a_{split}{index:03d}.png", image)
            save(root / f"{split}annot" / f"a_{split}{index:03d}.png", TO_CAMVID[labels])
    return f"camvid:{root}"


def record(shell, spec: str, code: int = 0) -> dict:
    done = shell("data", "check", spec, "-o", "out")
    assert done.code == code, done.err
    return json.loads(Path("out/check.json").read_text())


@pytest.mark.parametrize(
    ("blank", "told"), [(6, "the first 6 because of what was"), (8, "the first 6 being of the 8 in which")]
)
def test_the_contact_sheet_says_how_many_of_the_suspects_it_shows(blank, told, shell, tmp_path):
    spec = camvid(tmp_path / "data", train=10)
    for index in range(blank):
        save(tmp_path / "data" / "train" / f"a_train{index:03d}.png", np.full((96, 128, 3), 9 * index, np.uint8))
    record(shell, spec, code=1)
    text = Path("out/check.md").read_text()
    assert f"The contact sheet shows 10 images in the colours of camvid-11, {told}" in text


# --- groups


def test_sequences_in_several_splits_are_told_but_no_note(shell, tmp_path):
    spec = camvid(tmp_path / "data", train=4, val=2)
    for folder in ("train", "trainannot"):
        (tmp_path / "data" / folder / "a_train000.png").rename(tmp_path / "data" / folder / "b_train000.png")
    read = record(shell, spec)
    assert read["shared_groups"] == [{"group": "a", "splits": ["train", "val"]}]
    assert not any("group" in each["note"] for each in read["notes"])
    words = (
        "Groups (sequences, cities) in more than one split: a (train, val); "
        "neighbouring frames are near copies, and splits drawn with by=group keep them apart."
    )
    assert words in Path("out/check.md").read_text()
    read = record(shell, f"{spec},val=0.3,by=group")
    assert read["shared_groups"] == []
    assert "Groups (seq" not in Path("out/check.md").read_text()
    done = shell("data", "check", spec, "--split", "train", "--format", "json", "--no-files")
    assert json.loads(done.out)["shared_groups"] == []


def test_of_many_sequences_five_are_named(shell, tmp_path):
    root = tmp_path / "data"
    spec = camvid(root, train=7, val=7)
    for split in ("train", "val"):
        for folder in (split, f"{split}annot"):
            for index in range(7):
                (root / folder / f"a_{split}{index:03d}.png").rename(root / folder / f"{index}_{split}.png")
    assert len(record(shell, spec)["shared_groups"]) == 7
    assert "4 (train, val) and 2 more; neighbouring" in Path("out/check.md").read_text()


# --- notes


def said(shell, spec: str) -> dict[tuple[str, str], str]:
    notes = record(shell, spec)["notes"]
    return {(each["file"], each["split"]): each["note"] for each in notes if "no pixel of it" not in each["note"]}


@pytest.mark.parametrize("odd", [1, 3, 4])
def test_images_of_unusual_sizes_are_named_where_they_are_few(odd, shell, tmp_path):
    root = tmp_path / "data"
    spec = camvid(root, train=10)
    names = [root / "train" / f"a_train{index:03d}.png" for index in range(odd)]
    for path in names:
        for each in (path, root / "trainannot" / path.name):
            save(each, np.asarray(Image.open(each))[:90])
    told = f": {', '.join(map(str, names))}" if odd < 4 else ""
    expected = f"images have 2 sizes: 96 x 128 ({10 - odd}), 90 x 128 ({odd}{told})"
    assert said(shell, spec) == {("", "train"): expected}


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize(("stored", "told"), [(6, True), (3, True), (1, False), (0, False), (9, False)])
def test_images_that_viewers_turn_are_noted(kind, stored, told, shell, tmp_path):
    spec = camvid(tmp_path / "data", train=3)
    path = tmp_path / "data" / "train" / "a_train001.png"
    pixels = Image.open(path).copy()
    path.unlink()
    exif = Image.Exif()
    exif[0x0112] = stored
    path = path.with_suffix(f".{kind}")
    pixels.save(path, exif=exif)
    words = f"its EXIF orientation is {stored}, not 1: it is read as it is stored, not turned"
    assert said(shell, spec) == ({(str(path), "train"): words} if told else {})


@given(st.binary(max_size=40), st.integers(0, 60))
@pytest.mark.filterwarnings("error")
def test_any_exif_has_an_orientation(tmp_path_factory, content, cut):
    path = tmp_path_factory.mktemp("exif") / "a.jpg"
    for start in (b"", b"II*\0\x08\0\0\0\x01\0\x12\x01", b"MM\0*"):
        body = b"Exif\0\0" + start + content
        made = b"\xff\xd8\xff\xe1" + (len(body) + 2).to_bytes(2) + body + b"\xff\xda"
        path.write_bytes(made[: max(2, len(made) - cut)])
        assert 1 <= intact.orientation(path) <= 8


def test_folders_among_the_images_that_no_split_has_are_noted(shell, tmp_path):
    root = tmp_path / "data"
    spec = camvid(root, train=3, val=2)
    for name in ("more/deep/b.png", "more/c.jpg", "one/d.png", ".hidden/e.png"):
        save(root / "train" / name, np.zeros((4, 4, 3), np.uint8))
    (root / "val" / "empty").mkdir()
    words = "folders in it with pictures that no split has: more (2 pictures), one (1 picture)"
    assert said(shell, spec) == {(str(root / "train"), ""): words}


def test_folders_that_a_split_has_are_not(shell, tmp_path):
    """Images in a folder and in folders of it, as any data set of images and masks may have them."""
    spec = layouts.make("folder", tmp_path / "data")
    source = datasets.find(spec)
    image, mask = (Path(file) for file in source.splits["train"].samples[0].files)
    for path, top in ((image, "images"), (mask, "masks")):
        into = tmp_path / "data" / top / "deep" / "er" / path.name
        into.parent.mkdir(parents=True, exist_ok=True)
        path.rename(into)
    assert not [note for note in notes.of_names(datasets.find(spec), ["train"]) if "folders in it" in note[2].what]


@given(st.integers(0, 9) | st.integers(0, 65535), st.sampled_from(["JPEG", "PNG"]), st.sampled_from(["<", ">"]))
def test_orientations_are_those_that_pillow_reads(tmp_path_factory, stored, format, order):
    path = tmp_path_factory.mktemp("exif") / f"a.{format.lower()}"
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112], exif[0x0131] = "a maker with a long name", stored, "software"
    Image.new("RGB", (4, 3)).save(path, format, exif=exif)
    with Image.open(path) as picture:
        read = picture.getexif()[0x0112]
    assert read == stored
    assert intact.orientation(path) == (stored if 1 <= stored <= 8 else 1)
