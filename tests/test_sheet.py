"""The contact sheet and `budgetnet data preview`: which images, where, in which colours, from which files."""

from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from budgetnet import datasets, pictures
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data.form import Form
from budgetnet.data.reading import class_map, read
from budgetnet.data.sheet import TILE, sheet, spread, tile, wrapped
from budgetnet.data_checking import colours_of
from budgetnet.datasets import Source, synthetic
from budgetnet.errors import BudgetnetError

CLASSES = ClassList(name="three", names=("red", "green", "none"), colours=((200, 0, 0), (0, 200, 0), (7, 7, 7)), void=2)
SPEC = "synthetic:train=5,val=3"


def flat(height: int, width: int, level: int, index: int, **more: object):
    image, labels = np.full((height, width, 3), level, np.uint8), np.full((height, width), index, np.uint8)
    return tile(image, labels, title="a", text="b", **more)


# --- which images


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=4), st.integers(1, 60), st.integers(0, 9))
def test_images_are_spread_over_the_splits(sizes, count, seed):
    splits = {split: list(range(size)) for split, size in sizes.items()}
    drawn = spread(splits, count, seed)
    assert list(drawn) == list(splits)
    assert sum(map(len, drawn.values())) == min(count, sum(sizes.values()))
    numbers = [len(drawn[split]) for split in splits if len(drawn[split]) < sizes[split]]
    assert not numbers or max(map(len, drawn.values())) - min(numbers) <= 1  # as many of each that has more
    for some in drawn.values():
        assert some == sorted(set(some)), "each once, in order"
    assert drawn == spread(splits, count, seed)


def test_each_stretch_of_a_split_gives_one_image():
    (drawn,) = spread({"train": list(range(100))}, 10, seed=3).values()
    assert [index // 10 for index in drawn] == list(range(10))
    assert drawn != next(iter(spread({"train": list(range(100))}, 10, seed=4).values()))


# --- how they are shown


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(360, 480, (240, 320)), (480, 240, (320, 160)), (1, 1, (320, 320)), (1, 4000, (1, 320))],
)
def test_tiles_keep_their_shape(height, width, shown):
    made = flat(height, width, 90, 0)
    assert made.labels.shape == shown
    assert made.image.shape == (*shown, 3)


def test_labels_of_a_tile_have_no_value_that_was_not_there():
    labels = np.random.default_rng(0).choice(np.array([0, 1, IGNORE], np.uint8), (500, 700))
    made = tile(np.zeros((500, 700, 3), np.uint8), labels, title="", text="")
    assert set(np.unique(made.labels)) == {0, 1, IGNORE}


def test_images_are_blended_with_their_labels_and_the_key_tells_all_colours():
    drawn = sheet([flat(240, 320, 100, 0), flat(240, 320, 100, 1), flat(240, 320, 100, IGNORE)], CLASSES)
    step = TILE + pictures.GAP
    centres = [drawn[120, 160 + place * step].tolist() for place in range(3)]
    assert centres == [[150, 50, 50], [50, 150, 50], [50, 50, 50]]
    key = drawn[240:].reshape(-1, 3).tolist()
    for colour in ((200, 0, 0), (0, 200, 0), pictures.IGNORED_COLOUR):
        assert key.count(list(colour)) > 100


def test_a_faults_words_are_red():
    def reds(fault: bool) -> int:
        drawn = sheet([flat(240, 320, 100, 0, fault=fault)], CLASSES)[240:300].astype(int)
        return int(((drawn[..., 0] - drawn[..., 1] > 60) & (drawn[..., 0] < 199)).sum())

    assert reds(True) > 10 > reds(False)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (4, 4), (12, 4), (30, 5), (100, 10)])
def test_tiles_stand_in_a_grid(count, columns):
    drawn = sheet([flat(16, 32, 100, 0)] * count, CLASSES)
    assert drawn.shape[1] == max(2 * TILE, columns * (TILE + pictures.GAP) - pictures.GAP)
    assert drawn.dtype == np.uint8


def test_words_too_long_for_a_tile_are_cut():
    image, labels = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    one = tile(image, labels, title="x" * 2000, text="y" * 2000)
    drawn = sheet([one, one], CLASSES)
    gap = drawn[TILE : TILE + 40, TILE : TILE + pictures.GAP]
    assert (gap == 255).all()
    written = (drawn[TILE : TILE + 40, :TILE] < 128).any(axis=(0, 2))
    assert np.flatnonzero(written).max() > TILE - 20, "as many as fit"


REASON = "labels must have a pixel of a class that counts, but hold nothing but void (11 unlabelled)"


def test_what_is_wrong_is_told_whole():
    lines = wrapped(REASON)
    assert len(lines) == 2
    assert " ".join(lines) == REASON

    def reds(text: str) -> list[bool]:
        image, labels = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
        drawn = sheet([tile(image, labels, title="a", text=text, fault=True)], CLASSES)[TILE : TILE + 90].astype(int)
        red = ((drawn[..., 0] - drawn[..., 1] > 60) & (drawn[..., 0] < 199)).any(axis=1)
        return [bool(red[start : start + 18].any()) for start in (18, 36)]

    assert reds("short") == [True, False]
    assert reds(REASON) == [True, True]


@given(st.text(alphabet=st.sampled_from("iW .,x漢/")).map(str.strip) | st.text("ab ", min_size=90, max_size=400))
def test_lines_fit_and_lose_nothing_but_the_end(words):
    lines = wrapped(words)
    assert 1 <= len(lines) <= 3
    font = ImageFont.load_default(13)
    assert all(font.getlength(line) <= TILE for line in lines)
    whole = "".join(lines).replace(" ", "")
    if lines[-1].endswith("...") and not words.endswith("..."):
        assert words.replace(" ", "").startswith(whole.removesuffix("..."))
        assert len(lines) == 3
    else:
        assert whole == words.replace(" ", "")


# --- in which colours


def test_without_a_choice_the_map_with_most_classes_gives_the_colours():
    source = datasets.find("synthetic")
    assert colours_of("synthetic", source, None).classes.name == "lab7"
    assert colours_of("synthetic", source, 2).classes.name == "road2"


def test_without_class_maps_there_are_no_colours():
    source = Source(classes={0: "a"}, splits={})
    with pytest.raises(BudgetnetError, match=r"^x:y: must have a class map to be shown in colours, but got none$"):
        colours_of("x:y", source, None)


# --- the command


@pytest.mark.parametrize("name", ["k.jpg", "k", "k.png.txt", "out/"])
def test_what_is_no_png_is_not_written_under_its_name(name, shell):
    message = shell.refused("data", "preview", SPEC, "-o", name)
    assert message == f"Error: --output must end in .png, as what is written is a PNG, but got {name.rstrip('/')}"
    assert shell.files() == []


def test_endings_may_be_capitals(shell):
    assert shell("data", "preview", SPEC, "--images", "1", "-o", "K.PNG").code == 0


def test_preview_writes_one_picture(shell):
    done = shell("data", "preview", SPEC, "--images", "4")
    assert (done.code, done.err) == (0, "")
    assert done.out == "4 images in the colours of lab7: reports/data/synthetic-train-5-val-3/preview.png\n"
    assert shell.files() == ["reports/data/synthetic-train-5-val-3/preview.png"]


@pytest.mark.parametrize("name", datasets.names())
def test_every_data_set_can_be_looked_at(name, shell, tmp_path):
    spec = layouts.make(name, tmp_path / "data")
    assert shell("data", "preview", spec, "--images", "3", "-o", "a.png").code == 0
    with Image.open("a.png") as made:
        assert made.width == 3 * TILE + 2 * pictures.GAP


def test_preview_reads_only_what_it_shows(shell, monkeypatch):
    seen = []
    real = synthetic.draw

    def draw(seed, split, *rest):
        seen.append(split)
        return real(seed, split, *rest)

    monkeypatch.setattr(synthetic, "draw", draw)
    assert shell("data", "preview", SPEC, "--split", "val", "--images", "2", "-o", "a.png").code == 0
    assert seen == ["val", "val"]


def test_preview_at_a_size_shows_what_a_network_gets(shell):
    assert (
        shell("data", "preview", "synthetic:train=1,val=1", "--split", "val", "--size", "64x320", "-o", "a.png").code
        == 0
    )
    source = datasets.find("synthetic:train=1,val=1")
    chosen = class_map("synthetic", source, 7)
    image, labels = read(source.splits["val"].samples[0], source.classes, chosen, Form(height=64, width=320))
    with Image.open("a.png") as made:
        shown = np.asarray(made)
    np.testing.assert_array_equal(shown[:64, :320], pictures.overlay(image, labels, chosen.classes))


def test_preview_is_the_same_again_and_another_with_another_seed(shell):
    content = []
    for seed in ("1", "1", "2"):
        assert (
            shell("data", "preview", "synthetic:train=40,val=40", "--images", "2", "--seed", seed, "-o", "a.png").code
            == 0
        )
        content.append(Path("a.png").read_bytes())
    assert content[0] == content[1] != content[2]


def camvid(root: Path) -> list[Path]:
    """Two pairs of each split; returns the images."""
    images = []
    for split in ("train", "val"):
        for index in range(2):
            image, labels = synthetic.draw(0, split, index, 48, 64)
            for folder, pixels in ((split, image), (f"{split}annot", labels)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / folder / f"{split}{index}.png")
            images.append(root / split / f"{split}{index}.png")
    return images


def test_preview_leaves_out_what_cannot_be_read_and_says_so(shell, tmp_path):
    first, *rest = camvid(tmp_path / "data")
    first.write_bytes(first.read_bytes()[:100])
    done = shell("data", "preview", f"camvid:{tmp_path / 'data'}", "-o", "a.png")
    assert (done.code, done.out) == (1, "3 images in the colours of camvid-11: a.png\n")
    assert done.err.startswith(f"Left out: {first}: must be a whole PNG or JPEG that can be read: ")
    for path in rest:
        path.write_bytes(b"")
    Path("a.png").unlink()
    assert "must be a whole PNG or JPEG that can be read: " in shell.refused(
        "data", "preview", f"camvid:{tmp_path / 'data'}", "-o", "a.png"
    )
    assert not Path("a.png").exists()


def test_preview_of_nothing_is_refused(shell, tmp_path):
    for name in ("train", "trainannot"):
        (tmp_path / "data" / name).mkdir(parents=True)
    spec = f"camvid:{tmp_path / 'data'}"
    message = f"Error: {spec}: must hold one image or more to be shown, but got none"
    assert shell.refused("data", "preview", spec) == message


def test_preview_to_where_nothing_can_be_written_is_refused(shell):
    Path("file").write_text("")
    message = shell.refused("data", "preview", "synthetic:train=1,val=1", "--images", "1", "-o", "file/a.png")
    assert message.startswith("Error: file: must be a folder that can be written, but got ")
