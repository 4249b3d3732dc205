"""Frames: names and their order, pictures and films read and written, faults told with the file's name."""

import io
import os
import struct
import sys
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from budgetnet import pictures
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data.form import Form
from budgetnet.data.order import WORKERS
from budgetnet.datasets import DataError
from budgetnet.errors import BudgetnetError
from budgetnet.frames import Frame, Source, film, gif, listing, reading, video
from budgetnet.frames.folder import OutputFolder
from budgetnet.frames.naming import Names, natural, safe, tails
from budgetnet.frames.painting import Painter, key_entries
from budgetnet.frames.pipeline import painted

CLASSES = ClassList(name="three", names=("road", "car", "void"), colours=((0, 255, 0), (0, 0, 255), (0, 0, 0)), void=2)
GREYS = [20 * number for number in range(12)]


def flat(grey: int, height: int = 32, width: int = 48) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


def write(path: Path, grey: int = 100, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(flat(grey)).save(path, **options)
    return path


def make_film(path: Path, pictures=None, rate=Fraction(25)) -> Path:
    with film.film(path, rate, [(0, 0, 0), (255, 255, 255)], np.zeros((1, 3), np.uint8)) as add:
        for picture in [flat(grey) for grey in GREYS] if pictures is None else pictures:
            add(picture)
    return path


def names_of(*inputs: Path, leave_out: Sequence[Path] = ()) -> list[str]:
    return [source.name for source in listing.sources(inputs, leave_out)]


def refused(*inputs: Path) -> str:
    with pytest.raises(BudgetnetError) as caught:
        listing.sources(inputs)
    return str(caught.value)


# --- names


def test_natural_order_is_that_of_people():
    wanted = ["", "frame", "frame2", "frame2b", "frame10", "Frame11", "frame011a", "frame100"]
    for shuffled in (wanted[::-1], sorted(wanted)):
        assert sorted(shuffled, key=natural) == wanted


@given(st.lists(st.integers(0, 10**9), unique=True), st.text("ab_-.", max_size=4), st.text("ab_-.", max_size=4))
def test_natural_order_is_that_of_the_numbers(numbers, before, behind):
    names = [f"{before}{number}{behind}" for number in numbers]
    assert sorted(names, key=natural) == [f"{before}{number}{behind}" for number in sorted(numbers)]


@given(st.text(max_size=12), st.text(max_size=12))
def test_natural_order_tells_all_texts_apart(one, other):
    assert (natural(one) == natural(other)) == (one == other)
    assert natural(one) <= natural(other) or natural(other) <= natural(one)


@given(st.text(st.characters(codec=None), min_size=1, max_size=300).filter(lambda text: "\0" not in text))
def test_safe_names_are_names_on_every_file_system(text):
    made = safe(text)
    assert made.isprintable()
    assert 1 <= len(made.encode()) <= 151
    assert not set(made) & set('\\/:*?"<>|')
    assert not made.startswith(".")
    assert made[-1] not in " ."


@pytest.mark.parametrize("name", ["con", "NUL.tar", "lpt1"])
def test_names_of_devices_are_avoided(name):
    assert safe(name) == f"_{name}"


def test_tails_are_the_shortest_that_tell_paths_apart():
    paths = [Path("/x/a/images"), Path("/x/b/images"), Path("/x/seq"), Path("/Images")]
    assert [end[-2:] for end in tails(paths)] == [("a", "images"), ("b", "images"), ("seq",), ("Images",)]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "A", "b", "con", "a-2", "a/b"]), min_size=1, max_size=3), st.booleans()
        )
    )
)
def test_no_name_is_given_twice_nor_lies_in_a_sequence(wishes):
    names = Names()
    made = [(names.claim([wish], sequence=sequence).casefold(), sequence) for wish, sequence in wishes]
    files = [name for name, sequence in made if not sequence]
    folders = [name for name, sequence in made if sequence]
    assert len(set(files)) == len(files)
    assert len(set(folders)) == len(folders)
    for folder in folders:
        assert not any(name.startswith(f"{folder}/") for name, _ in made)


# --- what the user names


def test_a_folder_is_read_in_natural_order_with_the_folders_in_it(tmp_path):
    for name in ("frame10.png", "frame2.JPG", "frame1.jpeg", "later/frame1.png", "b3.png", ".hidden.png", ".git/x.png"):
        write(tmp_path / "seq" / name)
    (tmp_path / "seq" / "notes.txt").write_text("no image")
    assert names_of(tmp_path / "seq") == ["b3", "frame1", "frame2", "frame10", "later/frame1"]


def test_inputs_keep_the_order_they_were_named_in(tmp_path):
    paths = [write(tmp_path / name) for name in ("b.png", "a.png", "c.gif")]
    found = listing.sources(paths)
    assert [(source.name, source.kind) for source in found] == [("b", "image"), ("a", "image"), ("c", "gif")]


def test_folders_of_the_same_frames_keep_their_own_names(tmp_path):
    for camera in ("front", "rear"):
        for number in (1, 2):
            write(tmp_path / camera / "images" / f"{number}.png")
            write(tmp_path / f"{camera}-only" / f"{number}.png")
    front, rear = tmp_path / "front", tmp_path / "rear"
    assert names_of(front / "images", rear / "images") == [
        "front/images/1", "front/images/2", "rear/images/1", "rear/images/2"
    ]  # fmt: skip
    assert names_of(tmp_path / "front-only", tmp_path / "rear-only") == [
        "front-only/1", "front-only/2", "rear-only/1", "rear-only/2"
    ]  # fmt: skip
    assert names_of(front / "images" / "1.png", rear / "images" / "1.png") == ["front/images/1", "rear/images/1"]


def test_names_that_differ_in_their_ending_alone_say_it(tmp_path):
    for name in ("1.jpg", "1.png", "1_png.png", "drive.gif", "drive.png"):
        write(tmp_path / name)
    found = names_of(tmp_path)
    assert sorted(found) == ["1", "1_png", "1_png_png", "drive", "drive"]
    assert {source.name for source in listing.sources([tmp_path]) if source.kind == "gif"} == {"drive"}


def test_a_sequence_shares_its_folder_with_no_file(tmp_path):
    for name in ("drive.gif", "drive/1.png", "drive/2.png"):
        write(tmp_path / name)
    assert names_of(tmp_path) == ["drive/1", "drive/2", "drive_gif"]
    names = Names()
    assert names.claim([["drive"]], sequence=True) == "drive"
    assert [names.claim([["drive", each]], sequence=False) for each in "12"] == ["drive-2/1", "drive-2/2"]


def test_a_folder_can_be_left_out_and_links_to_folders_lead_nowhere(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "out" / "masks" / "a.png")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert names_of(tmp_path, leave_out=[tmp_path / "out"]) == ["a"]


def test_what_is_no_input_is_told(tmp_path):
    assert refused() == "input: must be one image, video or folder or more, but got none"
    rule = "must be a PNG, JPEG or GIF image, a video (.mp4, .mkv, .avi, .mov, ...) or a folder of them"
    assert refused(tmp_path / "no.png") == f"{tmp_path}/no.png: {rule} that can be read: No such file or directory"
    (tmp_path / "a.txt").write_text("")
    assert refused(tmp_path / "a.txt") == f"{tmp_path}/a.txt: {rule}, but its name ends in '.txt'"
    (tmp_path / "README").write_text("")
    assert refused(tmp_path / "README") == f"{tmp_path}/README: {rule}, but its name ends in none"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == f"{tmp_path}/empty: must hold one image or video or more, but holds none"
    image = write(tmp_path / "a.png")
    assert refused(image, tmp_path / "empty" / ".." / "a.png") == (
        f"{tmp_path}/empty/../a.png: must be given once, but was given twice"
    )


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", str(top)))
        yield from ()

    monkeypatch.setattr(os, "walk", walk)
    assert refused(tmp_path) == f"{tmp_path}: must be a folder that can be read: Permission denied"


# --- images


def test_cameras_say_which_way_up_an_image_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(reading.image(tmp_path / "a.png"), np.rot90(pixels, -1))


@pytest.mark.parametrize("mode", reading.MODES)
def test_images_of_every_8_bit_mode_become_rgb(mode, tmp_path):
    Image.fromarray(flat(255)).convert(mode).save(tmp_path / "a.png")
    assert reading.look(Source(path=tmp_path / "a.png", name="a", kind="image")).count == 1
    np.testing.assert_array_equal(reading.image(tmp_path / "a.png"), flat(255))


def bad_images() -> dict[str, tuple[bytes, str]]:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)).save(whole, "PNG")
    deep, print_colours = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(deep, "PNG")
    Image.new("CMYK", (8, 8)).save(print_colours, "JPEG")
    return {
        "text.png": (b"not an image", r"must be a whole PNG or JPEG that can be read: it is none$"),
        "empty.jpg": (b"", r"must be a whole PNG or JPEG that can be read: it is empty$"),
        "short.png": (whole.getvalue()[:40], r"must be a whole PNG or JPEG that can be read"),
        "deep.png": (deep.getvalue(), r"must have 8 bits per channel, but has 16$"),
        "cmyk.jpg": (print_colours.getvalue(), r"an image must be 8-bit, colour or grey, but its mode is CMYK$"),
    }


@pytest.mark.parametrize("name", bad_images())
def test_bad_images_are_told_before_the_work_begins(name, tmp_path):
    content, told = bad_images()[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        reading.look(Source(path=tmp_path / name, name="a", kind="image"))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


# --- films


@pytest.mark.parametrize(("rate", "delays"), [(10, [100] * 12), (30, [30, 40, 30] * 4), (60, [20] * 12)])
def test_gifs_keep_frames_their_order_and_their_rate(rate, delays, tmp_path):
    path = make_film(tmp_path / "a.gif", rate=Fraction(rate))
    with Image.open(path) as picture:
        assert picture.n_frames == 12
        assert picture.info["loop"] == 0
        found = []
        for number in range(12):
            picture.seek(number)
            found.append(picture.info["duration"])
    assert found == delays
    assert gif.look(path).count == 12
    for grey, pixels in zip(GREYS, gif.frames(path), strict=True):
        assert np.abs(pixels.astype(int) - grey).max() <= 2


def test_gifs_have_the_exact_colours_in_every_frame(tmp_path):
    rng = np.random.default_rng(3)
    noise = [rng.integers(0, 256, (24, 40, 3), np.uint8) for _ in range(20)]
    exact = [(255, 255, 255), (244, 35, 232), (1, 2, 3)]
    for pixels in noise:
        pixels[0, : len(exact)] = exact
    with film.film(tmp_path / "a.gif", Fraction(10), exact, np.zeros((0, 3), np.uint8)) as add:
        for pixels in noise:
            add(pixels)
    found = list(gif.frames(tmp_path / "a.gif"))
    assert len(found) == 20
    for pixels, wanted in zip(found, noise, strict=True):
        assert [tuple(map(int, each)) for each in pixels[0, : len(exact)]] == exact
        assert np.abs(pixels.astype(int) - wanted).mean() < 30  # 253 colours for noise


def test_gifs_without_times_play_as_browsers_play_them(tmp_path):
    frames = [Image.fromarray(flat(grey)) for grey in (0, 100, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert gif.look(tmp_path / "a.gif").rate == 10


def test_damaged_gifs_are_told(tmp_path):
    whole = make_film(
        tmp_path / "a.gif", [np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)] * 3
    ).read_bytes()
    for name, content, why in (
        ("cut.gif", whole[: len(whole) // 2], ""),
        ("text.gif", b"GIF of nothing", "it is none"),
        ("empty.gif", b"", "it is empty"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"must be a whole GIF that can be read: {why}") as caught:
            gif.look(path)
        assert str(caught.value).startswith(f"{path}: ")
        with pytest.raises(DataError, match="must be a whole GIF that can be read: "):
            list(gif.frames(path))


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(30000, 1001), Fraction(1, 2)])
def test_videos_keep_frames_their_order_their_rate_and_their_colours(rate, tmp_path):
    colours = [(244, 35, 232), (70, 130, 180), (255, 255, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0), (0, 0, 0)]
    pictures = [np.tile(np.array(each, np.uint8), (33, 47, 1)) for each in colours]
    path = make_film(tmp_path / "a:b.mp4", pictures, rate)  # no name of a protocol
    assert (video.look(path).count, video.look(path).rate) == (7, rate)
    found = list(video.frames(path))
    for pixels, picture in zip(found, pictures, strict=True):
        assert pixels.shape == (34, 48, 3)
        assert np.abs(pixels.astype(int)[:33, :47] - picture).max() <= 4


@pytest.mark.parametrize("encoder", video.ENCODERS)
def test_videos_are_written_whatever_encoder_there_is(encoder, tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    if encoder not in av.codecs_available:
        pytest.skip(f"no {encoder} here")
    monkeypatch.setattr(video, "ENCODERS", ("none-such", encoder))
    found = video.frames(make_film(tmp_path / "a.mp4", [flat(grey, 64, 96) for grey in GREYS]))
    assert [round(float(pixels.mean()) / 20) for pixels in found] == list(range(12))
    monkeypatch.setattr(video, "ENCODERS", ("none-such",))
    with pytest.raises(BudgetnetError, match=r"b\.mp4.*: must be written by one of none-such, but PyAV has none$"):
        make_film(tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()


def test_videos_say_which_way_up_they_are(tmp_path):
    picture = flat(0, 64, 96)
    picture[:32, :48] = 255
    path = make_film(tmp_path / "a.mp4", [picture])
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # the display matrix, in 16.16 fixed point
    one = 1 << 16
    assert struct.unpack_from(">9i", content, place) == (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, place, 0, one, 0, -one, 0, 0, 64 * one, 0, 1 << 30)  # a quarter clockwise
    path.write_bytes(content)
    (found,) = video.frames(path)
    assert np.abs(found.astype(int) - np.rot90(picture, -1)).mean() < 3


def container(path: Path, codec: str) -> bytes:
    av = pytest.importorskip("av")
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(30):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(rng.integers(0, 256, (64, 96, 3), np.uint8))))
        made.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("ending", "codec"), [("mp4", "mpeg4"), ("mkv", "mpeg4"), ("avi", "mpeg4"), ("webm", "libvpx")]
)
def test_videos_that_break_off_are_told(ending, codec, tmp_path):
    path = tmp_path / f"a.{ending}"
    content = container(path, codec)
    assert (video.look(path).count, len(list(video.frames(path)))) == (30, 30)
    for share in (0.35, 0.7, 0.97):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError) as caught:
            list(video.frames(path))
        assert str(caught.value).startswith(f"{path}: must be a whole video that can be read: ")


def test_what_is_no_video_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    other = make_film(tmp_path / "other.mp4")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n"
    av = pytest.importorskip("av")
    sound = io.BytesIO()
    with av.open(sound, "w", format="mp4") as made:
        stream = made.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        made.mux([*stream.encode(frame), *stream.encode(None)])
    for content, why in (
        (b"text" * 100, "Invalid data found when processing input"),
        (playlist.encode(), "Invalid data found when processing input"),
        (b"", "it is empty"),
        (sound.getvalue(), "it has no pictures"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            video.look(path)
        assert str(caught.value) == f"{path}: must be a whole video that can be read: {why}"


def test_without_pyav_the_extra_is_named_and_gifs_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "a.mp4"
    told = "a.mp4: video files need PyAV to be installed, but it is not: pip install 'budgetnet[video]'"
    for work in (lambda: video.look(path), lambda: make_film(path), lambda: film.require(path)):
        with pytest.raises(BudgetnetError) as caught:
            work()
        assert str(caught.value).endswith(told)
    assert not list(tmp_path.iterdir())
    film.require(tmp_path / "a.gif")
    assert len(list(gif.frames(make_film(tmp_path / "a.gif")))) == 12


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_film_that_ends_early_leaves_the_old_one(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"old")

    def pictures(stop):
        yield from map(flat, range(20))
        raise stop

    for stop in (KeyboardInterrupt, BudgetnetError):
        with pytest.raises(stop):
            make_film(path, pictures(stop))
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_full_disk_is_told_and_leaves_no_film(name, tmp_path):
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as good as a full disk
    try:
        with pytest.raises(BudgetnetError) as caught:
            make_film(tmp_path / name, (rng.integers(0, 256, (128, 128, 3), np.uint8) for _ in range(30)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == f"{tmp_path / name}: must be a file that can be written, but got File too large"
    assert not list(tmp_path.iterdir())


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90))
def test_pictures_of_other_sizes_are_fitted_whole_and_in_the_middle(height, width, high, wide):
    made = film.fitted(np.full((high, wide, 3), 200, np.uint8), height, width)
    assert made.shape == (height, width, 3)
    lit = made[..., 0] == 200
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    assert lit.sum() == len(rows) * len(columns) > 0
    assert len(rows) == height or len(columns) == width
    for places, side in ((rows, height), (columns, width)):
        assert abs(places[0] - (side - 1 - places[-1])) <= 1


# --- painting


def test_keys_name_void_and_what_was_not_seen():
    assert key_entries(CLASSES, False) == [("road", (0, 255, 0)), ("car", (0, 0, 255)), ("void", (0, 0, 0))]
    assert key_entries(CLASSES, True)[2:] == [("void, not seen", (0, 0, 0))]
    colourful = ClassList(name="c", names=("road", "void"), colours=((0, 255, 0), (9, 9, 9)), void=1)
    assert key_entries(colourful, True)[1:] == [("void", (9, 9, 9)), ("not seen", (0, 0, 0))]
    complete = ClassList(name="c", names=("road", "rest"), colours=((0, 255, 0), (9, 9, 9)), void=None)
    assert key_entries(complete, True)[1:] == [("rest", (9, 9, 9)), ("not seen", (0, 0, 0))]


@given(st.integers(180, 2500))
def test_keys_cut_no_word_and_run_none_into_another(width):
    entries = [
        (name, (0, 0, 0)) for name in ("sky", "infrastructure", "vulnerable road users", "void, not seen", "car")
    ]
    made = pictures.strip(width, entries)
    assert made.shape[1:] == (width, 3)
    size = max(10, width // 80)
    lines = (len(made) - 6) // (size + 8)
    columns = -(-len(entries) // lines)
    for column in range(1, columns + 1):
        assert (made[:, column * width // columns - 1] == 255).all()


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([(32, 32), (32, 48), (40, 33)]))
def test_answers_come_back_to_where_they_were(high, wide, size):
    form = Form(height=size[0], width=size[1])
    part = form.window(high, wide)
    labels = np.random.default_rng(high).integers(0, 5, (high, wide), np.uint8)
    back = form.restored(form.labels(labels), high, wide)
    outside = np.ones((high, wide), bool)
    outside[part.top : part.top + part.height, part.left : part.left + part.width] = False
    assert (back[outside] == IGNORE).all()
    assert (back[~outside] != IGNORE).all()
    if part.height <= size[0] and part.width <= size[1]:  # nothing was lost on the way
        np.testing.assert_array_equal(back[~outside], labels[~outside])


# --- a long sequence


class Brightness:
    """A network without torch: the class is whether the frame is bright."""

    form = Form(height=32, width=48)
    batch = 3

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, float]:
        return (images[..., 0] > 127).astype(np.uint8), 0.003


def test_of_a_long_sequence_few_frames_are_in_memory_and_all_come_in_order(tmp_path):
    read, lock, most = [], threading.Lock(), 0

    def frame(number: int) -> Frame:
        def pixels() -> np.ndarray:
            with lock:
                read.append(number)
            return flat(number % 256)

        return Frame(name=f"{number:04}", where="a", number=number, read=pixels)

    painter = Painter(CLASSES, Brightness.form, 0.5)
    done = painted(
        (frame(number) for number in range(300)),
        Brightness(),
        painter,
        OutputFolder(tmp_path / "out", None, []),
        CLASSES,
        masks=True,
        overlays=False,
    )
    for number, each in enumerate(done):
        most = max(most, len(read) - number)
        assert (each.result.number, each.result.shares) == (
            number,
            (0.0, 1.0, 0.0) if number % 256 > 127 else (1.0, 0.0, 0.0),
        )
    assert number == 299
    assert most <= 4 * WORKERS + 2 * Brightness.batch + 1
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 300


def test_at_a_fault_nothing_further_is_read(tmp_path):
    read = []

    def frame(number: int) -> Frame:
        def pixels() -> np.ndarray:
            read.append(number)
            if number == 5:
                raise BudgetnetError("the fifth")
            return flat(number)

        return Frame(name=f"{number}", where="a", number=number, read=pixels)

    output = OutputFolder(tmp_path / "out", None, [])
    painter = Painter(CLASSES, Brightness.form, 0.5)
    with pytest.raises(BudgetnetError, match="the fifth"):
        list(painted(map(frame, range(1000)), Brightness(), painter, output, CLASSES, masks=True, overlays=True))
    assert len(read) <= 6 + 2 * WORKERS
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(".part")]
