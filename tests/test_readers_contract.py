"""What every reader of files makes of good and bad files: the same images, or an error that names the file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import layouts
import numpy as np
import pngs
import pytest
from PIL import Image

from budgetnet import datasets, image_files
from budgetnet.datasets import DataError, Sample, _files
from budgetnet.errors import BudgetnetError

READERS = [pytest.param(name, id=name) for name in layouts.LAYOUTS]
COLOURED = ("camvid32", "kitti-road")
"""Their labels hold colours."""


@pytest.fixture(params=[*layouts.LAYOUTS, "folder painted"])
def spec(request, tmp_path) -> str:
    name, _, painted = request.param.partition(" ")
    return layouts.make(name, tmp_path, **({"painted": True} if painted else {}))


def has_colours(spec: str) -> bool:
    return spec.startswith(COLOURED) or "name: painted" in "".join(
        path.read_text() for path in Path(spec.partition(":")[2]).glob("classes.yaml")
    )


def first(spec: str) -> tuple[Sample, Path, Path]:
    """The first image of training, its file and that of its labels."""
    sample = datasets.samples(spec, datasets.find(spec), "train")[0]
    return sample, Path(sample.files[0]), Path(sample.files[1])


def refusal(spec: str, path: Path) -> str:
    """What is wrong with a file, as reading its sample says; nothing else is."""
    found = datasets.samples(spec, datasets.find(spec), "train")
    sample = next(each for each in found if str(path) in each.files)
    with pytest.raises(DataError) as caught:
        sample.read(0, 0)
    assert [fault.where for fault in caught.value.faults] == [str(path)]
    return caught.value.faults[0].what


def listing_faults(spec: str) -> dict[str, str]:
    """What is wrong with the files of training, as their names say."""
    with pytest.raises(DataError) as caught:
        datasets.samples(spec, datasets.find(spec), "train")
    return {fault.where: fault.what for fault in caught.value.faults}


# --- what reads


def test_every_reader_names_files_groups_and_order(spec):
    source = datasets.find(spec)
    for listing in source.splits.values():
        assert listing.faults == ()
        assert [each.name for each in listing.samples] == sorted(each.name for each in listing.samples)
        for sample in listing.samples:
            assert (sample.image, sample.labels) == sample.files
            assert all(Path(file).is_file() for file in sample.files)
            image, labels = sample.read(0, 0)
            assert image.dtype == labels.dtype == np.uint8
            assert image.shape == (*labels.shape, 3)
            assert set(np.unique(labels)) <= set(source.classes)


def test_every_class_is_there_to_be_read(spec):
    source = datasets.find(spec)
    seen = {
        int(each)
        for listing in source.splits.values()
        for sample in listing.samples
        for each in np.unique(sample.read(0, 0)[1])
    }
    assert seen == set(source.classes)


def test_labels_read_as_they_were_drawn(tmp_path):
    """Against the drawing itself: no reader turns, shifts or mixes ids."""
    for name in layouts.LAYOUTS:
        spec = layouts.make(name, tmp_path / name, seed=11)
        source = datasets.find(spec)
        height, width = source.splits["train"].samples[0].read(0, 0)[1].shape
        if name == "folder":
            draw = layouts.scenes({7: "", 8: "", 23: "", 0: "", 255: ""}, 11, height, width)
        else:
            draw = layouts.scenes(source.classes, 11, height, width)
        samples = [each for listing in source.splits.values() for each in listing.samples]
        read = {each.read(0, 0)[1].tobytes() for each in samples}
        assert read == {draw()[1].tobytes() for _ in samples}, name


def test_palette_labels_read_like_others(spec):
    sample, _, path = first(spec)
    before = sample.read(0, 0)[1]
    with Image.open(path) as picture:
        if has_colours(spec):
            picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path)
        else:
            indexed = Image.fromarray(np.asarray(picture, np.uint8)).convert("L")
            indexed.putpalette(bytes(range(256)) * 3)
            assert indexed.mode == "P"
            indexed.save(path)
    np.testing.assert_array_equal(sample.read(0, 0)[1], before)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [pngs.GREY, pngs.PALETTE])
def test_ids_of_few_bits_read_as_they_are(depth, kind, tmp_path):
    values = np.random.default_rng(0).integers(0, 2 ** min(depth, 5), (13, 11))
    path = tmp_path / "ids.png"
    pngs.write(path, values, depth=depth, kind=kind, palette=bytes(3 * 2**depth) if kind == pngs.PALETTE else b"")
    np.testing.assert_array_equal(_files.ids(path, dict.fromkeys(range(32), "x")), values)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_colours_of_a_small_palette_read_as_they_are(depth, tmp_path):
    values = np.random.default_rng(0).integers(0, 2, (13, 11))
    path = tmp_path / "colours.png"
    pngs.write(path, values, depth=depth, kind=pngs.PALETTE, palette=bytes([9, 8, 7, 1, 2, 3]))
    table = (((9, 8, 7), 5), ((1, 2, 3), 6))
    np.testing.assert_array_equal(_files.colours(path, table, {5: "a", 6: "b"}), values + 5)


def test_a_palette_with_transparent_colours(tmp_path):
    path = tmp_path / "colours.png"
    indexed = Image.frombytes("P", (4, 1), bytes([0, 1, 0, 1]))
    indexed.putpalette([9, 8, 7, 1, 2, 3])
    indexed.save(path, transparency=bytes([255, 0]))
    with pytest.raises(DataError, match=r"labels must be opaque colours, but some of their pixels are transparent$"):
        _files.colours(path, (((9, 8, 7), 0), ((1, 2, 3), 1)), {0: "a", 1: "b"})
    np.testing.assert_array_equal(_files.ids(path, {0: "a", 1: "b"}), [[0, 1, 0, 1]])


def test_opaque_colours_with_an_alpha_channel_read(tmp_path):
    for name in COLOURED:
        spec = layouts.make(name, tmp_path / name)
        sample, _, path = first(spec)
        before = sample.read(0, 0)[1]
        with Image.open(path) as picture:
            picture.convert("RGBA").save(path)
        np.testing.assert_array_equal(sample.read(0, 0)[1], before)


def test_images_may_be_grey_or_have_a_palette(spec):
    sample, path, _ = first(spec)
    with Image.open(path) as picture:
        grey = picture.convert("L")
    grey.save(path)
    image, _ = sample.read(0, 0)
    assert (image == image[..., :1]).all()


# --- a wrong folder


FOLDERS = (*layouts.LAYOUTS, "prepared")
WRONG = [(name, other) for name in FOLDERS for other in ("nothing", "text", "pictures", *FOLDERS) if other != name]


@pytest.mark.parametrize(("name", "other"), WRONG)
def test_a_wrong_folder_is_told_at_once(name, other, tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    if other == "text":
        (folder / "notes.txt").write_text("train\n")
    elif other == "pictures":
        Image.new("RGB", (9, 9)).save(folder / "deep" / "a.png")
        Image.new("RGB", (9, 9)).save(folder / "deep" / "a.jpg")
    elif other != "nothing":
        layouts.make(other, folder)
    with pytest.raises(BudgetnetError, match=r": must (hold|be a file that|be a folder that) ") as caught:
        datasets.find(f"{name}:{folder}")
    assert str(caught.value).startswith(str(folder)), caught.value


# --- what does not: labels


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def beginning_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12])


def as_text(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")


def deep_grey(path: Path) -> None:
    with Image.open(path) as picture:
        shape = picture.size[::-1]
    pngs.write(path, np.zeros(shape), depth=16, kind=pngs.GREY)


def deep_colour(path: Path) -> None:
    with Image.open(path) as picture:
        shape = picture.size[::-1]
    pngs.write(path, np.zeros((*shape, 3)), depth=16, kind=pngs.COLOUR)


def clear(path: Path) -> None:
    with Image.open(path) as picture:
        made = picture.convert("RGBA")
    made.putalpha(254)
    made.save(path)


def another_kind(path: Path) -> None:
    with Image.open(path) as picture:
        made = picture.convert("RGB")
    made.save(path, format="JPEG")


def larger(path: Path) -> None:
    with Image.open(path) as picture:
        made = Image.new(picture.mode, (picture.width + 2, picture.height))
        if picture.mode == "P":
            made.putpalette(picture.getpalette() or [])
        made.paste(picture, (0, 0, picture.width, picture.height))
        made.paste(picture, (2, 0, picture.width + 2, picture.height))
    made.save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut_short, "must be a whole PNG that can be read: "),
        (emptied, "must be a whole PNG that can be read: it is empty"),
        (as_text, "must be a whole PNG that can be read: it is none"),
        (beginning_only, "must be a whole PNG that can be read: its beginning is damaged"),
        (another_kind, "must be a whole PNG that can be read: it is a JPEG"),
        (deep_grey, "must have 8 bits per channel, but has 16"),
        (deep_colour, "must have 8 bits per channel, but has 16"),
        (larger, "labels must have the size of their image (height x width), but got "),
    ],
)
def test_bad_labels_are_told_with_their_file(spoil: Callable[[Path], None], message, spec):
    _, _, path = first(spec)
    spoil(path)
    assert refusal(spec, path).startswith(message)


def test_transparent_labels(spec):
    _, _, path = first(spec)
    clear(path)
    rule = (
        "labels must be opaque colours, but some of their pixels are transparent"
        if has_colours(spec)
        else "labels must be 8-bit with a single channel, but the mode is RGBA"
    )
    assert refusal(spec, path) == rule


def test_labels_of_the_other_kind(spec):
    """Ids where colours should be, and the other way round: both are in many a download."""
    sample, _, path = first(spec)
    height, width = sample.read(0, 0)[1].shape
    if has_colours(spec):
        Image.fromarray(np.ones((height, width), np.uint8)).save(path)
        assert refusal(spec, path) == "labels must be 8-bit colours, but the mode is L"
    else:
        Image.fromarray(np.ones((height, width, 3), np.uint8)).save(path)
        assert refusal(spec, path) == "labels must be 8-bit with a single channel, but the mode is RGB"


@pytest.mark.parametrize("place", [(0, 0), (9, 14)])
def test_a_value_that_the_source_does_not_have(place, spec):
    _, _, path = first(spec)
    with Image.open(path) as picture:
        values = np.array(picture)
    values[place] = (1, 2, 3) if has_colours(spec) else 77
    Image.fromarray(values).save(path)
    told = refusal(spec, path)
    classes = list(datasets.find(spec).classes.items())
    if has_colours(spec):
        rule, got, behind = "labels must have the colours of the source", "(1, 2, 3)", "its colours are ("
        assert sum(name in told for _, name in classes[:12]) >= min(12, len(classes))
    else:
        number, name = classes[0]
        rule, got, behind = "labels must be ids of the source", "77", f"its ids are {number} {name}, "
    row, column = place
    size = values[..., 0].size if values.ndim == 3 else values.size
    fact = f"{rule}, but got {got} in 1 of {size:,} pixels, first in row {row}, column {column}; "
    assert told.startswith(f"{fact}{behind}")
    assert told.endswith(f" and {len(classes) - 12} more") == (len(classes) > 12)


# --- what does not: images


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut_short, "must be a whole PNG or JPEG that can be read: "),
        (emptied, "must be a whole PNG or JPEG that can be read: it is empty"),
        (as_text, "must be a whole PNG or JPEG that can be read: it is none"),
        (deep_grey, "must have 8 bits per channel, but has 16"),
        (deep_colour, "must have 8 bits per channel, but has 16"),
    ],
)
def test_bad_images_are_told_with_their_file(spoil: Callable[[Path], None], message, spec):
    _, path, _ = first(spec)
    spoil(path)
    assert refusal(spec, path).startswith(message)


def test_colours_for_print_are_no_image(spec):
    _, path, _ = first(spec)
    Image.new("CMYK", (48, 36)).save(path, format="JPEG")
    assert refusal(spec, path) == "an image must be 8-bit, colour or grey, but its mode is CMYK"


def test_both_faults_of_a_pair_are_told(spec):
    sample, image, labels = first(spec)
    emptied(image)
    emptied(labels)
    with pytest.raises(DataError) as caught:
        sample.read(0, 0)
    assert [fault.where for fault in caught.value.faults] == [str(image), str(labels)]


# --- what does not: names and folders


@pytest.mark.parametrize("part", [0, 1])
def test_an_image_without_labels_and_labels_without_an_image(part, spec):
    sample, *_ = first(spec)
    there, gone = sample.files[1 - part], sample.files[part]
    Path(gone).unlink()
    told = listing_faults(spec)
    assert list(told) == [there]
    rule = "every image must have a label file, and the other way round, but "
    assert told[there].startswith(rule)
    assert told[there].endswith(" is missing")
    # Which kind of picture the image is, nobody can know; all else is as it was.
    assert Path(told[there].removeprefix(rule).removesuffix(" is missing")).with_suffix("") == Path(gone).with_suffix(
        ""
    )


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("instead", ["a folder", "a link to nothing"])
def test_what_is_named_as_a_file_but_is_none(instead, part, spec):
    sample, *_ = first(spec)
    path = Path(sample.files[part])
    path.unlink()
    path.mkdir() if instead == "a folder" else path.symlink_to("nowhere.png")
    told = listing_faults(spec)
    assert told == {str(path): f"must be a file, as its name says, but is {instead}"}


def test_links_to_files_and_folders_are_followed(spec, tmp_path):
    _, image, labels = first(spec)
    for index, path in enumerate((image, labels)):
        path.rename(tmp_path / f"moved-{index}")
        path.symlink_to(tmp_path / f"moved-{index}")
    key, _, folder = spec.partition(":")
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    linked = datasets.samples(spec, datasets.find(f"{key}:{link}"), "train")
    assert [each.name for each in linked] == [each.name for each in datasets.find(spec).splits["train"].samples]
    linked[0].read(0, 0)


def test_two_files_of_one_name(spec):
    _, path, _ = first(spec)
    other = path.with_suffix(".jpeg" if path.suffix != ".jpeg" else ".jpg")
    shutil.copy(path, other)
    one, two = sorted((path, other))
    assert listing_faults(spec) == {
        str(two): f"no other file may stand for the same image or labels, but {one.name} does"
    }


def test_labels_named_as_jpeg(spec):
    _, _, path = first(spec)
    path.rename(path.with_suffix(".jpg"))
    told = listing_faults(spec)
    if spec.startswith("cmp-facade"):  # images and labels lie in one folder: there it is an image
        assert all("another" in what or "missing" in what or "no other" in what for what in told.values())
    else:
        rule = "labels must be PNG, since JPEG changes their values, but this is named as a JPEG"
        assert told == {str(path.with_suffix(".jpg")): rule}


def test_hidden_files_and_others_are_left_alone(spec):
    _, image, labels = first(spec)
    count = sum(len(found.samples) for found in datasets.find(spec).splits.values())
    for folder in {image.parent, labels.parent}:
        for name in (f"._{image.name}", f"._{labels.name}", ".DS_Store", "Thumbs.db", "readme.txt", "notes.xml"):
            (folder / name).write_bytes(b"?")
    assert sum(len(found.samples) for found in datasets.find(spec).splits.values()) == count


def test_endings_in_capitals(spec):
    _, image, labels = first(spec)
    before = [each.name for each in datasets.find(spec).splits["train"].samples]
    for path in (image, labels):
        path.rename(path.with_suffix(path.suffix.upper()))
    assert [each.name for each in datasets.find(spec).splits["train"].samples] == before


def test_no_images_at_all(spec):
    for listing in datasets.find(spec).splits.values():
        for sample in listing.samples:
            for file in sample.files:
                Path(file).unlink()
    for lost in Path(spec.partition(":")[2]).rglob("*_lane_*"):
        lost.unlink()
    with pytest.raises(BudgetnetError, match=r": split train must hold one image or more, but got none$"):
        datasets.samples(spec, datasets.find(spec), "train")


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_is_not_there(name, tmp_path):
    with pytest.raises(BudgetnetError) as caught:
        datasets.find(f"{name}:{tmp_path / 'no'}")
    first_line = str(caught.value).splitlines()[0]
    assert first_line.startswith(str(tmp_path / "no"))
    assert first_line.endswith(": must be a folder that can be read: No such file or directory")


@pytest.mark.parametrize("name", READERS)
def test_a_file_where_the_folder_should_be(name, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(BudgetnetError, match=r": must be a folder that can be read: Not a directory$"):
        datasets.find(f"{name}:{tmp_path / 'file'}")


def test_a_folder_that_may_not_be_read(spec, monkeypatch):
    _, image, _ = first(spec)

    def refuse(path):
        if Path(path) == image.parent:
            raise PermissionError(13, "Permission denied")
        return os.scandir(path)

    monkeypatch.setattr(_files, "os", SimpleNamespace(scandir=refuse, path=os.path, stat=os.stat, DirEntry=os.DirEntry))
    with pytest.raises(BudgetnetError) as caught:
        datasets.find(spec)
    assert str(caught.value) == f"{image.parent}: must be a folder that can be read: Permission denied"


def test_files_that_may_not_be_read(spec, monkeypatch):
    sample, *_ = first(spec)

    def refuse(path, formats):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(image_files.Image, "open", refuse)
    with pytest.raises(DataError) as caught:
        sample.read(0, 0)
    assert [fault.where for fault in caught.value.faults] == list(sample.files)
    assert all(fault.what.endswith(" that can be read: Permission denied") for fault in caught.value.faults)


def test_names_that_cannot_be_printed_are_told_as_they_can(tmp_path):
    folder = tmp_path / "li\nne"
    spec = layouts.make("camvid", folder)
    (folder / "train" / "train0.png").unlink()
    (where,) = listing_faults(spec)
    assert where == str(tmp_path / "li\\nne" / "trainannot" / "train0.png")
