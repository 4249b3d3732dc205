"""budgetnet predict: a small run made by the real code, over real files; what it writes is held against the network."""

import csv
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import set_weights
from safetensors.torch import load_file
from shell import Shell

from budgetnet import cli, predicting
from budgetnet.classes import IGNORE
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.frames import film, gif, video
from budgetnet.frames.painting import Painter
from budgetnet.networks import Candidate
from budgetnet.results import Run
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training import finished
from budgetnet.training.candidate import evaluator
from budgetnet.training.inference import Network
from budgetnet.training_settings import Training

HEIGHT, WIDTH = 64, 96
SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run. Its last layer is drawn anew: after one epoch everything would be road, and prove nothing."""
    folder = tmp_path_factory.mktemp("run") / "0000"
    size = InputSize(height=HEIGHT, width=WIDTH)
    training = Training(epochs=1, batch_size=4)
    scenario = Scenario(name="t", cameras=1, fps=10, budget_gops=10, classes=7, input=size, training=training)
    dataset = keeping.load("synthetic:train=4,val=2", classes=7, height=HEIGHT, width=WIDTH)
    evaluator(scenario, dataset, {"dataset": "synthetic"})(SMALL, Run(number=0, folder=folder))
    weights = load_file(folder / "weights.safetensors")
    (name,) = [name for name in weights if "conv2_classification" in name and weights[name].ndim == 4]
    weights[name] = torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(1))
    set_weights(folder, weights)
    return folder


def scene(seed: int, height: int = HEIGHT, width: int = WIDTH, texture: int = 56) -> np.ndarray:
    """A frame with something in it: coarse patches, finely textured."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (-(-height // 16), -(-width // 16), 3))
    patches = np.kron(coarse, np.ones((16, 16, 1), np.int64))[:height, :width]
    return (patches + rng.integers(0, texture, (height, width, 3))).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def answers(run: Path, pixels: np.ndarray) -> np.ndarray:
    """What the network says of an image of any size that it takes as it is."""
    found = finished.load(run)
    model = found.model(*pixels.shape[:2])
    given = torch.from_numpy(pixels / 255 - np.array(found.scaling.mean)).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        return model(given)[0].argmax(dim=0).numpy().astype(np.uint8)


def halved(pixels: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    high, wide = pixels.shape[0] // 2, pixels.shape[1] // 2
    return np.floor(pixels.reshape(high, 2, wide, 2, 3).mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def mask(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def record(folder: Path) -> dict:
    return json.loads((folder / "predictions.json").read_text())


# --- what is written


def test_masks_are_what_the_network_says_where_it_saw_something(shell: Shell, run: Path):
    same, larger, taller = scene(1), scene(2, 2 * HEIGHT, 2 * WIDTH), scene(3, 2 * HEIGHT + 20, 2 * WIDTH)
    for name, pixels in (("same", same), ("larger", larger), ("taller", taller)):
        write(shell.folder / "in" / f"{name}.png", pixels)
    done = shell("predict", str(run), "in", "--output", "out")
    assert done.code == 0
    twice = np.ones((2, 2), np.uint8)
    wanted = {
        "same": answers(run, same),
        "larger": np.kron(answers(run, halved(larger)), twice),
        "taller": np.pad(np.kron(answers(run, halved(taller[10:-10])), twice), ((10, 10), (0, 0)), constant_values=255),
    }
    assert IGNORE == 255
    classes = finished.load(run).classes
    for name, expected in wanted.items():
        found = Image.open(shell.folder / "out" / "masks" / f"{name}.png")
        assert found.mode == "P"
        np.testing.assert_array_equal(np.asarray(found), expected)
        assert len(np.unique(expected[expected != IGNORE])) >= 3, "a mask of one class proves nothing"
        colours = np.array([*classes.colours, *[(0, 0, 0)] * (256 - len(classes))], np.uint8)
        np.testing.assert_array_equal(np.asarray(found.convert("RGB")), colours[expected])


def test_overlays_are_the_frame_in_the_colours_with_the_key_below(shell: Shell, run: Path):
    pixels = scene(3, 2 * HEIGHT + 20, 2 * WIDTH, texture=8)
    write(shell.folder / "a.png", pixels)
    assert shell("predict", str(run), "a.png", "--output", "out", "--opacity", "0.25").code == 0
    found = np.asarray(Image.open(shell.folder / "out" / "overlays" / "a.jpg")).astype(int)
    assert found.shape[1:] == pixels.shape[1:]
    classes = finished.load(run).classes
    colours = np.array([*classes.colours, *[(0, 0, 0)] * (256 - len(classes))])
    wanted = 0.75 * pixels + 0.25 * colours[mask(shell.folder / "out" / "masks" / "a.png")]
    assert np.abs(found[: len(pixels)] - wanted).mean() < 3  # what JPEG loses
    key = found[len(pixels) :]
    assert len(key) > 30
    for index in classes.scored:
        assert (np.abs(key - classes.colours[index]).max(axis=2) < 25).sum() > 60, classes.names[index]
    assert (np.abs(key - 255).max(axis=2) < 25).mean() > 0.5


def test_a_report_tells_every_frame_in_natural_order(shell: Shell, run: Path):
    for number in (10, 9, 1):
        write(shell.folder / "in" / f"frame{number}.png", scene(number, 84, WIDTH))
    done = shell("predict", str(run), "in", "--output", "out")
    assert "3 frames in " in done.out
    assert "Written: out/masks, out/overlays, out/predictions.md, out/predictions.csv, out/predictions.json" in done.out
    found = rows(shell.folder / "out")
    assert [row["frame"] for row in found] == ["frame1", "frame9", "frame10"]
    assert [row["file"] for row in found] == [f"in/frame{number}.png" for number in (1, 9, 10)]
    classes = finished.load(run).classes
    for row in found:
        labels = mask(shell.folder / "out" / "masks" / f"{row['frame']}.png")
        assert (int(row["height"]), int(row["width"])) == labels.shape == (84, WIDTH)
        assert float(row["not_seen"]) == pytest.approx(20 / 84)
        assert float(row["network_ms"]) > 0
        for index, name in enumerate(classes.names):
            assert float(row[f"share {name}"]) == pytest.approx((labels == index).sum() / (HEIGHT * WIDTH))
    kept = record(shell.folder / "out")
    assert kept["complete"] is True
    assert kept["weights_sha256"] == hashlib.sha256((run / "weights.safetensors").read_bytes()).hexdigest()
    assert kept["run"] == str(run)
    assert kept["network"] == {"family": SMALL.network, "parameters": dict(SMALL.parameters)}
    assert kept["input"] == {"height": HEIGHT, "width": WIDTH}
    assert kept["settings"]["inputs"] == ["in"]
    assert kept["made_by"]["command"] == f"budgetnet predict {run} in --output out"
    assert [frame["frame"] for frame in kept["frames"]] == ["frame1", "frame9", "frame10"]
    text = (shell.folder / "out" / "predictions.md").read_text()
    assert "![frame9](overlays/frame9.jpg)" in text
    assert "up to 23.8 % of such a frame was cut off" in text


def test_the_network_runs_at_another_size(shell: Shell, run: Path):
    pixels = scene(5, 128, 160)
    write(shell.folder / "a.png", pixels)
    assert shell("predict", str(run), "a.png", "--output", "out", "--size", "128x160", "--no-overlays").code == 0
    np.testing.assert_array_equal(mask(shell.folder / "out" / "masks" / "a.png"), answers(run, pixels))
    assert record(shell.folder / "out")["input"] == {"height": 128, "width": 160}
    assert not (shell.folder / "out" / "overlays").exists()


def test_more_frames_than_a_batch(shell: Shell, run: Path):
    for number in range(19):
        write(shell.folder / "in" / f"{number}.png", scene(number))
    assert shell("predict", str(run), "in", "--output", "out").code == 0
    for number in range(19):
        np.testing.assert_array_equal(
            mask(shell.folder / "out" / "masks" / f"{number}.png"), answers(run, scene(number))
        )


def test_who_watches_sees_what_takes_time(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    greys(shell.folder / "in")
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = shell("predict", str(run), "in", "--output", "out").err
    assert all(words in told for words in ("looking", "frames", "11/11"))


def test_without_an_output_the_files_go_into_the_run(shell: Shell, run: Path):
    mine = shell.folder / "0000"
    shutil.copytree(run, mine)
    write(shell.folder / "a.png", scene(1))
    assert shell("predict", "0000", "a.png", "--no-masks", "--no-overlays").code == 0
    found = {path.name for path in (mine / "predictions").iterdir()}
    assert found == {"predictions.md", "predictions.csv", "predictions.json"}


# --- films


def greys(folder: Path, numbers=range(11)) -> list[int]:
    """Frames whose brightness is their number."""
    for number in numbers:
        write(folder / f"f{number}.png", np.full((HEIGHT, WIDTH, 3), 20 * number % 256, np.uint8))
    return list(numbers)


def numbers_of(frames) -> list[int]:
    return [round(float(pixels[: HEIGHT - 8].mean()) / 20) for pixels in frames]


@pytest.mark.parametrize(("words", "name", "rate"), [
    (["--video", "mp4"], "predictions.mp4", 10),
    (["--video", "mp4", "--fps", "29.97"], "predictions.mp4", 29.97),
    (["--video", "drive.mp4", "--fps", "5"], "drive.mp4", 5),
    (["--video", "gif"], "predictions.gif", 10),
    (["--video", "drive.gif", "--fps", "25"], "drive.gif", 25),
])  # fmt: skip
def test_films_have_every_frame_in_order_at_the_rate(words, name, rate, shell: Shell, run: Path):
    wanted = greys(shell.folder / "in")
    done = shell("predict", str(run), "in", "--output", "out", "--opacity", "0", *words)
    assert (done.code, f"out/{name}" in done.out) == (0, True)
    path = shell.folder / "out" / name
    kind = gif if name.endswith("gif") else video
    found = list(kind.frames(path))
    assert numbers_of(found) == wanted
    assert {pixels.shape for pixels in found} == {found[0].shape}
    assert found[0].shape[0] > HEIGHT, "the key is below"
    assert float(kind.look(path).rate) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_films_in_are_films_out(ending, shell: Shell, run: Path):
    pictures = [np.full((HEIGHT, WIDTH, 3), 20 * number % 256, np.uint8) for number in range(12)]
    with film.film(shell.folder / f"drive.{ending}", Fraction(25), [(0, 0, 0)], np.zeros((1, 3), np.uint8)) as add:
        for picture in pictures:
            add(picture)
    assert (
        shell("predict", str(run), f"drive.{ending}", "--output", "out", "--opacity", "0", "--video", "mp4").code == 0
    )
    names = [f"drive/{number:06}" for number in range(12)]
    assert [(row["frame"], row["number"]) for row in rows(shell.folder / "out")] == [
        (name, str(number)) for number, name in enumerate(names)
    ]
    assert all((shell.folder / "out" / "masks" / f"{name}.png").exists() for name in names)
    made = shell.folder / "out" / "predictions.mp4"
    assert (video.look(made).count, video.look(made).rate) == (12, 25)
    assert numbers_of(video.frames(made)) == list(range(12))


def test_frames_of_other_sizes_are_fitted_into_the_film(shell: Shell, run: Path):
    write(shell.folder / "in" / "1.png", np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
    write(shell.folder / "in" / "2.png", np.full((2 * HEIGHT, WIDTH, 3), 200, np.uint8))
    assert shell("predict", str(run), "in", "--output", "out", "--opacity", "0", "--video", "mp4").code == 0
    first, second = video.frames(shell.folder / "out" / "predictions.mp4")
    assert first.shape == second.shape
    assert np.abs(second[:HEIGHT, 30:66].astype(int) - 200).mean() < 5
    assert second[:HEIGHT, :20].mean() < 5
    assert "1 of another size were scaled" in (shell.folder / "out" / "predictions.md").read_text()


# --- what lies there already


def test_folders_of_the_same_names_do_not_collide(shell: Shell, run: Path):
    for camera, seed in (("front", 1), ("rear", 2)):
        write(shell.folder / camera / "0.png", scene(seed))
    assert shell("predict", str(run), "front", "rear", "--output", "out", "--no-overlays").code == 0
    for camera, seed in (("front", 1), ("rear", 2)):
        np.testing.assert_array_equal(
            mask(shell.folder / "out" / "masks" / camera / "0.png"), answers(run, scene(seed))
        )


def test_names_that_lead_elsewhere_stay_inside(shell: Shell, run: Path):
    for name in ("=1+1.png", "a b(1)[2].png", "x\\..\\y.png", "Straße.png", "line\nend.png"):
        write(shell.folder / "in" / name, scene(1))
    before = set(shell.files())
    assert shell("predict", str(run), "in", "--output", "out").code == 0
    assert all(name.startswith("out/") for name in set(shell.files()) - before)
    names = {path.stem for path in (shell.folder / "out" / "masks").iterdir()}
    assert names == {"=1+1", "a b(1)[2]", "x_.._y", "Straße", "line_nend"}
    assert "'=1+1" in {row["frame"] for row in rows(shell.folder / "out")}


def test_a_re_run_replaces_and_does_not_read_its_own_files(shell: Shell, run: Path):
    greys(shell.folder, range(4))
    words = ("predict", str(run), ".", "--output", "out", "--video", "gif")
    assert shell(*words).code == 0
    first = set(shell.files())
    (shell.folder / "f0.png").unlink()
    (shell.folder / "out" / "masks" / "notes.txt").write_text("mine")
    assert shell(*words[:-1], "mp4").code == 0
    gone = {"f0.png", "out/masks/f0.png", "out/overlays/f0.jpg", "out/predictions.gif"}
    assert set(shell.files()) == first - gone | {"out/predictions.mp4", "out/masks/notes.txt"}
    assert len(rows(shell.folder / "out")) == 3


def test_what_was_under_way_when_it_was_killed_goes_with_the_next_run(shell: Shell, run: Path):
    greys(shell.folder, range(2))
    words = ("predict", str(run), ".", "--output", "out", "--video", "gif")
    assert shell(*words).code == 0
    first = set(shell.files())
    for name in (".predictions.gif.123.part", "masks/.f0.png.77.part", "overlays/.f1.jpg.9.part"):
        (shell.folder / "out" / name).write_bytes(b"half")
    (shell.folder / "out" / ".mine.part").write_bytes(b"whole")
    assert shell(*words).code == 0
    assert set(shell.files()) == first | {"out/.mine.part"}


def test_pictures_of_other_kinds_are_named_not_passed_over(shell: Shell, run: Path):
    greys(shell.folder / "in", range(2))
    for name in ("a.webp", "b.tif", "c.TIF", "d.txt", "deep/e.bmp"):
        (shell.folder / "in" / name).parent.mkdir(exist_ok=True)
        (shell.folder / "in" / name).write_bytes(b"?")
    done = shell("predict", str(run), "in", "--output", "out")
    assert done.code == 0
    assert "Left out, as they are not PNG, JPEG or GIF: 1 .bmp, 2 .tif, 1 .webp" in done.err


@pytest.mark.parametrize("words", [(".", "--output", "."), ("../frames", "--output", str(Path("in", "..")))])
def test_frames_may_lie_where_their_predictions_go(words, shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    place = shell.folder / "frames"
    for name in ("a.png", "b.png", "in/c.png"):
        write(place / name, scene(ord(name[-5])))
    monkeypatch.chdir(place)
    first: set[str] = set()
    for kind in ("gif", "gif", "mp4"):
        done = shell("predict", str(run), *words, "--video", kind)
        assert (done.code, done.err) == (0, "")
        found = {str(each.relative_to(place)) for each in place.rglob("*") if each.is_file()}
        assert f"predictions.{kind}" in found
        found.remove(f"predictions.{kind}")
        assert first in (set(), found)
        first = found


def test_the_same_command_writes_the_same_files(shell: Shell, run: Path):
    greys(shell.folder / "in", range(4))
    for folder in ("one", "two"):
        assert shell("predict", str(run), "in", "--output", folder, "--video", "mp4").code == 0
    for name in ("masks/f1.png", "overlays/f3.jpg", "predictions.mp4"):
        assert (shell.folder / "one" / name).read_bytes() == (shell.folder / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["masks/a.png", "overlays/mine.txt", "predictions.md", "drive.mp4"])
def test_what_somebody_else_wrote_is_not_replaced(name, shell: Shell, run: Path):
    write(shell.folder / "a.png", scene(1))
    mine = shell.folder / "data" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    there = "data/" + (name if "/" not in name else name.partition("/")[0])
    assert shell.refused("predict", str(run), "a.png", "--output", "data", "--video", "drive.mp4") == (
        f"Error: {there}: must not be there unless an earlier prediction wrote it, but is; give another --output"
    )
    assert (mine.read_text(), shell.files()) == ("mine", ["a.png", f"data/{name}"])


def test_a_record_of_something_else_is_not_replaced(shell: Shell, run: Path):
    write(shell.folder / "a.png", scene(1))
    (shell.folder / "predictions.json").write_text('{"mine": 1}')
    assert shell.refused("predict", str(run), "a.png", "--output", ".") == (
        "Error: predictions.json: must be the record of an earlier prediction to be replaced, but is not; "
        "give another --output"
    )


def test_inputs_are_not_replaced(shell: Shell, run: Path):
    write(shell.folder / "a.png", scene(1))
    assert shell("predict", str(run), "a.png", "--output", "out", "--video", "mp4").code == 0
    before = shell.files()
    for name in ("overlays/a.jpg", "predictions.mp4", "overlays"):
        where = "out/overlays/a.jpg" if name == "overlays" else f"out/{name}"
        assert shell.refused("predict", str(run), f"out/{name}", "--output", "out", "--video", "other.gif") == (
            f"Error: {where}: an input must not be a file that is replaced, but is; give another --output"
        )
    assert shell.files() == before


# --- what cannot be done


def test_flags_that_cannot_be_meant(shell: Shell, run: Path):
    write(shell.folder / "a.png", scene(1))
    rule = "Error: --video: must be mp4, gif, or a name that ends so and has no folders, but got "
    for word in ("avi", "a/b.mp4", "../x.gif", ".mp4", "a\n.mp4", ""):
        assert shell.refused("predict", str(run), "a.png", "--video", word) == f"{rule}{word!a}"
    for words, told in (
        (["--fps", "5"], "--fps: must be given with --video, but got 5 without it"),
        (["--fps", "51", "--video", "gif"], "--fps: must be from 0.01 to 50 in a GIF, but got 51"),
        (["--fps", "0", "--video", "mp4"], "--fps: must be from 0.01 to 1000 in a MP4, but got 0"),
        (["--fps", "nan", "--video", "mp4"], "--fps: must be from 0.01 to 1000 in a MP4, but got nan"),
        (["--size", "12"], "--size: must be HEIGHTxWIDTH, such as 320x480, but got '12'"),
    ):
        assert shell.refused("predict", str(run), "a.png", *words) == f"Error: {told}"
    assert shell("predict", str(run), "a.png", "--opacity", "1.5").code == 2
    assert shell("predict", str(run)).code == 2
    assert shell.files() == ["a.png"]
    assert not (run / "predictions").exists()


def test_a_folder_that_is_no_run(shell: Shell):
    write(shell.folder / "a.png", scene(1))
    assert shell.refused("predict", "nowhere", "a.png", "--output", "out").startswith(
        "Error: nowhere/run.json: must be a file that can be read: No such file or directory; a finished run's folder"
    )
    assert shell.files() == ["a.png"]


def test_all_bad_files_are_told_at_once_and_nothing_is_written(shell: Shell, run: Path):
    write(shell.folder / "in" / "1.png", scene(1))
    (shell.folder / "in" / "2.png").write_text("text")
    Image.fromarray(np.zeros((64, 96), np.uint16)).save(shell.folder / "in" / "3.png")
    (shell.folder / "in" / "4.gif").write_bytes(b"")
    (shell.folder / "in" / "5.mp4").write_bytes(b"noise")
    before = shell.files()
    assert shell.refused("predict", str(run), "in", "--output", "out").splitlines() == [
        "Error: in/2.png: must be a whole PNG or JPEG that can be read: it is none",
        "in/3.png: must have 8 bits per channel, but has 16",
        "in/4.gif: must be a whole GIF that can be read: it is empty",
        "in/5.mp4: must be a whole video that can be read: Invalid data found when processing input",
    ]
    assert shell.files() == before


@pytest.mark.parametrize("name", ["mp4", "gif"])
def test_an_image_that_is_cut_short_ends_it_and_nothing_is_left(name, shell: Shell, run: Path):
    for number in range(30):
        write(shell.folder / "in" / f"{number}.png", scene(number))
    damaged = shell.folder / "in" / "20.png"
    damaged.write_bytes(damaged.read_bytes()[:-5000])
    done = shell("predict", str(run), "in", "--output", "out", "--video", name)
    assert done.code == 2
    assert "Error: in/20.png: must be a whole PNG or JPEG that can be read: " in done.err
    assert {each.name for each in shell.folder.iterdir()} == {"in"}
    shutil.copy(shell.folder / "in" / "1.png", damaged)
    assert shell("predict", str(run), "in", "--output", "out", "--video", name).code == 0
    assert len(rows(shell.folder / "out")) == 30


def test_a_full_disk_is_told_with_the_file(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    write(shell.folder / "a.png", scene(1))
    kept = os.fsync
    written = ("predictions.json", "masks/a.png", "overlays/a.jpg", "predictions.mp4")
    for number, name in enumerate((*written, *(f"predictions.{ending}" for ending in ("md", "csv", "json")))):
        calls = iter(range(100))

        def full(handle: int, calls=calls, number=number) -> None:
            if next(calls) == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            kept(handle)

        monkeypatch.setattr(os, "fsync", full)
        done = shell("predict", str(run), "a.png", "--output", f"out{number}", "--video", "mp4")
        assert done.code == 2
        assert (
            f"Error: out{number}/{name}: must be a file that can be written, but got No space left on device"
            in done.err
        )
        assert [each.name for each in shell.folder.iterdir()] == ["a.png"]


def test_of_a_run_that_fails_nothing_is_left_but_what_is_somebody_elses(shell: Shell, run: Path):
    for number in range(30):
        write(shell.folder / "out" / "in" / f"{number}.png", scene(number))
    (shell.folder / "out" / "masks").mkdir()
    damaged = shell.folder / "out" / "in" / "20.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-5000])
    before = sorted((shell.folder / "out").rglob("*.*"))
    for _ in range(2):
        done = shell("predict", str(run), "out/in", "--output", "out")
        assert (done.code, "Error: out/in/20.png: must be a whole PNG" in done.err) == (2, True)
        assert sorted((shell.folder / "out").rglob("*.*")) == before
    damaged.write_bytes(whole)
    assert shell("predict", str(run), "out/in", "--output", "out").code == 0
    (shell.folder / "out" / "masks" / "notes.txt").write_text("mine")
    damaged.write_bytes(whole[:-5000])
    assert shell("predict", str(run), "out/in", "--output", "out").code == 2
    assert sorted((shell.folder / "out").rglob("*.*")) == sorted([*before, shell.folder / "out" / "masks/notes.txt"])


def test_a_bug_leaves_nothing_either(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    write(shell.folder / "a.png", scene(1))
    monkeypatch.setattr(Painter, "film_picture", fails)
    monkeypatch.setattr(sys, "argv", ["budgetnet", "predict", str(run), "a.png", "--output", "x/y", "--video", "gif"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.run()
    assert [each.name for each in shell.folder.iterdir()] == ["a.png"]


def test_what_cannot_be_printed_is_written_all_the_same(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write(shell.folder / "a.png", scene(1))
    monkeypatch.setattr(predicting, "show", full)
    done = shell("predict", str(run), "a.png", "--output", "out")
    assert (done.code, done.err) == (2, "Error: standard output: must be writable, but got No space left on device\n")
    assert record(shell.folder / "out")["complete"] is True


def test_an_output_that_cannot_be_a_folder(shell: Shell, run: Path):
    write(shell.folder / "a.png", scene(1))
    (shell.folder / "out").write_text("a file")
    done = shell("predict", str(run), "a.png", "--output", "out")
    assert done.code == 2
    assert "Error: out: must be a folder that can be written, but got " in done.err


def test_without_pyav_images_and_gifs_work_and_videos_say_what_is_missing(shell: Shell, run: Path, monkeypatch):
    write(shell.folder / "a.png", scene(1))
    (shell.folder / "a.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    told = "video files need PyAV to be installed, but it is not: pip install 'budgetnet[video]'"
    assert shell.refused("predict", str(run), "a.mp4", "--output", "out") == f"Error: a.mp4: {told}"
    assert shell.refused("predict", str(run), "a.png", "--output", "out", "--video", "mp4") == (
        f"Error: out/predictions.mp4: {told}"
    )
    assert shell.files() == ["a.mp4", "a.png"]
    assert shell("predict", str(run), "a.png", "--output", "out", "--video", "gif").code == 0


def test_ctrl_c_leaves_whole_files_and_says_so(shell: Shell, run: Path):
    greys(shell.folder / "in", range(400))
    words = ["predict", str(run), "in", "--output", "out", "--video", "mp4"]
    started = subprocess.Popen(
        [sys.executable, "-m", "budgetnet", *words], cwd=shell.folder, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (shell.folder / "out" / "masks" / "f9.png").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130, told
    assert "frames are written, each whole; no video and no report. The same command begins anew." in told
    assert "Traceback" not in told
    found = [name for name in shell.files() if name.startswith("out/")]
    assert {Path(name).suffix for name in found} == {".png", ".jpg", ".json"}
    assert all(mask(shell.folder / name).shape == (HEIGHT, WIDTH) for name in found if name.endswith(".png"))


def test_memory_that_is_too_small_is_told(run: Path, monkeypatch: pytest.MonkeyPatch):
    from budgetnet.training import inference

    network = Network(finished.load(run))

    def fails(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(inference, "predict", fails)
    with pytest.raises(BudgetnetError) as caught:
        network(np.zeros((2, HEIGHT, WIDTH, 3), np.uint8))
    assert str(caught.value) == "memory must hold the network's maps of 2 images of 64 x 96, but ran out"


def test_the_weights_are_read_once(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch):
    write(shell.folder / "a.png", scene(1))
    real, read = Path.read_bytes, []

    def watched(path: Path) -> bytes:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    assert shell("predict", str(run), "a.png", "--output", "out").code == 0
    assert read.count("weights.safetensors") == 1
    assert record(shell.folder / "out")["weights_sha256"] == finished.load(run).weights_digest


def test_a_bug_of_ours_is_not_told_as_memory(run: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(RuntimeError, match="size"):
        Network(finished.load(run))(np.zeros((2, HEIGHT, WIDTH, 4), np.uint8))
    from budgetnet.training import inference

    def fails(*_: object) -> None:
        raise RuntimeError("Unsupported memory format option Preserve")

    network = Network(finished.load(run))
    monkeypatch.setattr(inference, "predict", fails)
    with pytest.raises(RuntimeError, match="memory format"):
        network(np.zeros((1, HEIGHT, WIDTH, 3), np.uint8))


@pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="needs CamVid")
def test_real_images_in_their_order(shell: Shell, run: Path):
    folder = Path(os.environ["BUDGETNET_CAMVID"]) / "val"
    some = sorted(folder.glob("*.png"))[:6]
    assert shell("predict", str(run), *map(str, some), "--output", "out", "--size", "320x480").code == 0
    assert [row["frame"] for row in rows(shell.folder / "out")] == [path.stem for path in some]
    assert {row["not_seen"] for row in rows(shell.folder / "out")} == {str(40 / 360)}


def test_names_of_films():
    assert [predicting.film_name(word) for word in ("mp4", "gif", "a.mp4")] == [
        "predictions.mp4", "predictions.gif", "a.mp4"
    ]  # fmt: skip
