"""`budgetnet evaluate` against figures that the test makes itself: it reads the PNG files, asks the network, and counts
with scikit-learn and with NumPy.
"""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from references import by_numpy, by_scikit_learn
from runs import trained
from safetensors.torch import save_file
from shell import Shell

from budgetnet import evaluating
from budgetnet.classes import IGNORE, ClassList
from budgetnet.datasets import synthetic
from budgetnet.evaluation.pictures import WRONG, Shown, confusion_png, examples_png
from budgetnet.evaluation.record import Timing
from budgetnet.training import evaluation
from budgetnet.training.finished import load
from budgetnet.training.samples import Samples, Scaling

pytestmark = pytest.mark.filterwarnings("ignore:A single label was found")

HEIGHT, WIDTH = 64, 96
CAMVID = pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="BUDGETNET_CAMVID names no folder with CamVid")
FILES = [
    "best.png",
    "confusion.png",
    "evaluation-classes.csv",
    "evaluation-confusion.csv",
    "evaluation-images.csv",
    "evaluation.json",
    "evaluation.md",
    "worst.png",
]
TARGETS = {  # ids of CamVid -> class, as the lists of classes are defined; written down here once more, on purpose
    "camvid-11": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, IGNORE],
    "lab7": [0, 1, 1, 2, 3, 1, 1, 1, 4, 5, 5, IGNORE],
    "road2": [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, IGNORE],
}
COUNT = {"camvid-11": 11, "lab7": 7, "road2": 2}
VOID = {"camvid-11": None, "lab7": 6, "road2": None}
# the drawn classes as ids of CamVid: sky, building, road, pavement, car, pedestrian, unlabelled
DRAWN = np.array([0, 1, 3, 4, 8, 9, 11], np.uint8)


def camvid_like(folder: Path, train: int = 5, val: int = 5) -> Path:
    """A folder in CamVid's layout with drawn scenes at the size that networks get them in."""
    for split, count in (("train", train), ("val", val)):
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        for index in range(count):
            image, labels = synthetic.draw(7, split, index, HEIGHT, WIDTH)
            Image.fromarray(image).save(folder / split / f"{split}_{index}.png")
            Image.fromarray(DRAWN[labels]).save(folder / f"{split}annot" / f"{split}_{index}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return camvid_like(tmp_path_factory.mktemp("camvid"))


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "0000", f"camvid:{data}", classes="lab7", epochs=3)


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "0000"))


def evaluated(shell: Shell, run: Path, *words: str) -> dict:
    done = shell("evaluate", str(run), "--format", "json", *words)
    assert done.code == 0, done.err
    return json.loads(done.out)


# --- by other hands


def asked(model: torch.nn.Module, mean: tuple[float, ...], path: Path) -> np.ndarray:
    """The network's scores (classes, height, width) of an image file, with nothing of our reading."""
    image = np.asarray(Image.open(path).convert("RGB"), np.float32) / np.float32(255) - np.array(mean, np.float32)
    with torch.no_grad():
        scores: np.ndarray = model(torch.from_numpy(image[None]).permute(0, 3, 1, 2)).numpy()[0]
    return scores


def answering_with_many_classes(run: Path, folder: Path) -> Path:
    """The run with weights drawn so that it sees: trained for a moment, it answers every image with the same classes.

    Convolutions keep the variance of what they are given; then the last biases move until most classes win somewhere.
    """
    found = load(run)
    model, count = found.model(), len(found.classes)
    torch.manual_seed(5)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    bias = model.node_module("conv2_classification/BiasAdd").bias
    paths = sorted((folder / "val").glob("*.png"))[:2]
    for step in range(30):
        scores = np.stack([asked(model, found.scaling.mean, path) for path in paths])
        shares = np.bincount(scores.argmax(axis=1).ravel(), minlength=count) / scores[:, 0].size
        with torch.no_grad():
            bias += torch.from_numpy((1 / count - shares) * 2 * scores.std() / (1 + step / 4)).float()
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, run / "weights.safetensors")
    return run


def answers(run: Path, folder: Path, classes: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, labels and predictions of a folder's validation images, one by one."""
    found = load(run)
    model = found.model()
    names, labels, predictions = [], [], []
    for path in sorted((folder / "val").glob("*.png")):
        names.append(path.stem)
        predictions.append(np.argmax(asked(model, found.scaling.mean, path), axis=0))
        labels.append(np.array(TARGETS[classes])[np.asarray(Image.open(folder / "valannot" / path.name))])
    return names, np.stack(labels), np.stack(predictions)


def hold_against_references(shell: Shell, run: Path, folder: Path, classes: str) -> None:
    """Every figure of the evaluation, to 1e-9."""
    read = evaluated(shell, run, "--batch-size", "1", "--no-files")
    names, labels, predictions = answers(run, folder, classes)
    count, void = COUNT[classes], VOID[classes]
    assert len(np.unique(predictions)) >= 0.5 * count
    assert (predictions[0] != predictions[1]).mean() > 0.1  # they come from the images
    for reference in (by_scikit_learn, by_numpy):
        theirs = reference(labels, predictions, count, void)
        assert read["confusion"]["pixels"][:-1] == theirs["confusion"].tolist()
        hold_figures(read["without_void"], theirs)
        if void is None:
            assert read["with_void"] is None
        else:
            hold_figures(read["with_void"], reference(labels, predictions, count, void, with_void=True))
    nothing = np.bincount(predictions[labels == IGNORE], minlength=count)
    assert read["confusion"]["pixels"][-1] == nothing.tolist()
    assert [each["name"] for each in read["images"]] == names
    for each, label, prediction in zip(read["images"], labels, predictions, strict=True):
        theirs = by_scikit_learn(label, prediction, count, void)
        assert each["mean_iou"] == pytest.approx(theirs["mean_iou"], abs=1e-9)
        assert each["pixel_accuracy"] == pytest.approx(theirs["pixel_accuracy"], abs=1e-9)
        assert each["labelled"] == (label != IGNORE).sum()
        assert list(each["iou"].values()) == near(theirs["iou_per_class"])


def hold_figures(ours: dict, theirs: dict) -> None:
    for name, value in ours.items():
        if name not in ("pixels", "classes"):
            assert value == pytest.approx(theirs[name], abs=1e-9), name
    for name in ("iou", "dice", "precision", "recall"):
        assert [each[name] for each in ours["classes"]] == near(theirs[f"{name}_per_class"]), name
    shares = theirs["confusion"].sum(axis=1) / theirs["confusion"].sum()
    assert [each["share"] for each in ours["classes"]] == near(shares[: len(ours["classes"])])
    assert ours["pixels"] == theirs["confusion"].sum()


def near(values) -> list:
    return [None if value is None else pytest.approx(value, abs=1e-9) for value in values]


@pytest.mark.parametrize("classes", list(TARGETS))
def test_every_figure_equals_scikit_learns_and_those_of_numpy(shell, data, tmp_path, classes):
    run = answering_with_many_classes(trained(tmp_path / "run", f"camvid:{data}", classes=classes), data)
    hold_against_references(shell, run, data, classes)


def part_of_camvid(folder: Path, train: int, val: int | None) -> Path:
    """Links to some of CamVid's images and labels."""
    source = Path(os.environ["BUDGETNET_CAMVID"])
    for split, count in (("train", train), ("val", val)):
        for name in (split, f"{split}annot"):
            (folder / name).mkdir(parents=True)
            for path in sorted((source / name).glob("*.png"))[:count]:
                (folder / name / path.name).symlink_to(path)
    return folder


@CAMVID
@pytest.mark.parametrize("classes", ["camvid-11", "lab7"])
def test_every_figure_on_camvid_equals_the_references(shell, tmp_path, classes):
    folder = part_of_camvid(tmp_path / "camvid", 8, 5)
    run = trained(tmp_path / "0000", f"camvid:{folder}", classes=classes, height=360, width=480)
    hold_against_references(shell, answering_with_many_classes(run, folder), folder, classes)


@CAMVID
@pytest.mark.slow
@pytest.mark.parametrize("classes", ["camvid-11", "lab7"])
def test_every_figure_on_all_of_camvids_validation_images_equals_the_references(shell, tmp_path, classes):
    folder = part_of_camvid(tmp_path / "camvid", 40, None)
    run = trained(tmp_path / "0000", f"camvid:{folder}", classes=classes, height=360, width=480, epochs=4)
    assert len(list((folder / "val").iterdir())) == 101
    hold_against_references(shell, answering_with_many_classes(run, folder), folder, classes)


# --- what is told, and where it goes


def test_the_run_evaluated_as_it_was_trained_scores_what_it_recorded(shell, run):
    read = evaluated(shell, run)
    recorded = load(run).result.scores
    assert read["without_void"]["mean_iou"] == recorded.mean_iou == read["recorded_mean_iou"]
    assert {each["name"]: each["iou"] for each in read["without_void"]["classes"]} == recorded.iou
    assert read["data_is"] == "scored"
    said = f"The run scored itself on these very images and labels, and recorded mean IoU {recorded.mean_iou:.3f}. "
    assert said in read["verdict"]


def test_its_files_lie_in_the_runs_folder_and_nowhere_else(shell, run):
    before = shell.files()
    done = shell("evaluate", str(run))
    assert done.code == 0
    new = [f"0000/evaluation-val/{name}" for name in FILES]
    assert shell.files() == sorted([*before, *new])
    assert set(done.err.removeprefix("Written: ").strip().split(", ")) == {str(shell.folder / name) for name in new}
    for name in ("confusion.png", "best.png", "worst.png"):
        with Image.open(run / "evaluation-val" / name) as picture:
            picture.verify()
    markdown = (run / "evaluation-val" / "evaluation.md").read_text()
    assert markdown.startswith("# Evaluation on split val\n\nMean IoU 0.")
    for name in ("confusion.png", "best.png", "worst.png"):
        assert f"]({name})" in markdown


def test_the_screen_ends_with_the_verdict(shell, run):
    done = shell("evaluate", str(run), "--no-files")
    assert (done.code, done.err) == (0, "")
    told = " ".join(done.out.split())
    verdict = json.loads(shell("evaluate", str(run), "--no-files", "--format", "json").out)["verdict"]
    assert told.endswith("ms per image on this machine.")
    assert verdict.partition(" The run")[0] in told
    assert not (run / "evaluation-val").exists()


def test_files_hold_what_json_holds(shell, run, tmp_path):
    read = evaluated(shell, run, "-o", str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert not (run / "evaluation-val").exists()
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == read
    rows = table(tmp_path / "out" / "evaluation-images.csv")
    assert [(row["image"], float(row["mean_iou"]), float(row["pixel_accuracy"])) for row in rows] == [
        (each["name"], each["mean_iou"], each["pixel_accuracy"]) for each in read["images"]
    ]
    rows = table(tmp_path / "out" / "evaluation-confusion.csv")
    assert [row.pop("label") for row in rows] == [*read["confusion"]["predictions"], "not labelled"]
    assert [[int(value) for value in row.values()] for row in rows] == read["confusion"]["pixels"]
    rows = table(tmp_path / "out" / "evaluation-classes.csv")
    keys = ("name", "labelled", "predicted", "hits", "share", "iou", "dice", "precision", "recall")
    void = dict.fromkeys(keys, "") | {"name": "void"}
    assert [{key: row[key] for key in keys} for row in rows] == [
        *(
            {key: "" if each[key] is None else str(each[key]) for key in keys}
            for each in read["without_void"]["classes"]
        ),
        void,
    ]
    assert [row["iou_with_void"] for row in rows] == [str(each["iou"]) for each in read["with_void"]["classes"]]
    shown = list(csv.DictReader(io.StringIO(shell("evaluate", str(run), "--no-files", "--format", "csv").out)))
    assert shown == rows


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_tells_what_it_was_made_from(shell, run, data):
    read = evaluated(shell, run, "--batch-size", "3")
    found = load(run)
    assert read["run"]["folder"] == str(run)
    assert read["run"]["weights_sha256"] == found.weights_digest
    assert read["run"]["trained_on_fingerprint"] == found.dataset
    assert read["data"] == {
        "dataset": f"camvid:{data}",
        "split": "val",
        "images": 5,
        "height": HEIGHT,
        "width": WIDTH,
        "digest": found.digests["val"],
        "digest_of_the_run": found.digests["val"],
        "classes": "lab7",
        "void": "void",
    }
    assert read["settings"] == {"batch_size": 3}
    assert {"commit", "torch", "machine", "command"} <= set(read["made_by"])
    told = (run / "evaluation-val" / "evaluation.md").read_text()
    assert all(value in told for value in (found.weights_digest, found.digests["val"], found.dataset))


def test_on_the_training_split_it_says_that_it_remembers(shell, run):
    read = evaluated(shell, run, "--split", "train")
    assert read["data_is"] == "trained"
    assert (
        "It was trained on these very images: this tells what it remembers, not what it does on new ones."
        in read["verdict"]
    )
    assert (run / "evaluation-train" / "evaluation.md").exists()


def test_other_data_go_into_a_folder_of_their_own(shell, run):
    read = evaluated(shell, run, "--dataset", "synthetic:val=3")
    assert (read["data_is"], len(read["images"])) == ("other", 3)
    assert "These are other images than those that the run was trained and scored on." in read["verdict"]
    assert (run / "evaluation-val-synthetic" / "evaluation.md").exists()
    assert not (run / "evaluation-val").exists()


def test_the_runs_own_data_by_another_path_are_still_its_own(shell, run, data, tmp_path):
    (tmp_path / "link").symlink_to(data)
    assert evaluated(shell, run, "--dataset", f"camvid:{tmp_path / 'link'}")["data_is"] == "scored"
    assert (run / "evaluation-val" / "evaluation.md").exists()


def test_data_that_were_changed_since_are_told(shell, tmp_path):
    folder = camvid_like(tmp_path / "data", 4, 2)
    run = trained(tmp_path / "run", f"camvid:{folder}", classes="lab7")
    assert evaluated(shell, run, "--no-files")["data_is"] == "scored"
    path = folder / "valannot" / "val_1.png"
    labels = np.array(Image.open(path))
    labels[0, 0] = 0 if labels[0, 0] else 1
    Image.fromarray(labels).save(path)
    read = evaluated(shell, run, "--no-files")
    assert read["data_is"] == "changed"
    assert "Images or labels are not those that the run had under this name: their digest differs." in read["verdict"]
    record = json.loads((run / "run.json").read_text())
    del record["digests"]
    (run / "run.json").write_text(json.dumps(record))
    read = evaluated(shell, run, "--no-files")
    assert read["data_is"] == "unknown"
    assert "The run does not tell whether it had these images and labels: it kept no digest of them." in read["verdict"]


def test_a_run_that_scores_otherwise_than_it_recorded_says_so(shell, run):
    record = json.loads((run / "run.json").read_text())
    record["result"]["scores"]["mean_iou"] = 0.9
    (run / "run.json").write_text(json.dumps(record))
    read = evaluated(shell, run, "--no-files")
    difference = 0.9 - read["without_void"]["mean_iou"]
    assert f"That differs by {difference:.3f}: another device or version may round otherwise." in read["verdict"]


def test_the_worst_and_the_best_are_shown_and_none_is_both(shell, run):
    read = evaluated(shell, run, "--images", "2")
    ranked = sorted(read["images"], key=lambda each: each["mean_iou"])
    text = (run / "evaluation-val" / "evaluation.md").read_text()
    worst, best = text.split("## Worst images")[1].split("## Best images")
    first = [re.findall(r"^\| (val_\d)", part, re.MULTILINE) for part in (worst, best)]
    assert first == [[each["name"] for each in ranked[:2]], [each["name"] for each in ranked[:-3:-1]]]
    wide = 4 * WIDTH + 3 * 6
    assert {Image.open(run / "evaluation-val" / name).size[0] for name in ("worst.png", "best.png")} == {wide}


def test_pictures_of_an_earlier_evaluation_do_not_stay(shell, run):
    evaluated(shell, run)
    evaluated(shell, run, "--images", "0")
    assert sorted(path.name for path in (run / "evaluation-val").iterdir()) == [
        name for name in FILES if name not in ("best.png", "worst.png")
    ]


def test_one_image_is_the_worst(shell, tmp_path):
    folder = camvid_like(tmp_path / "data", 4, 1)
    run = trained(tmp_path / "run", f"camvid:{folder}", classes="lab7")
    evaluated(shell, run)
    assert (run / "evaluation-val" / "worst.png").exists()
    assert not (run / "evaluation-val" / "best.png").exists()


def test_labels_without_a_class_leave_nothing_to_score(shell, run, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    for path in (folder / "valannot").iterdir():
        Image.new("L", (WIDTH, HEIGHT), 11).save(path)
    read = evaluated(shell, run, "--dataset", f"camvid:{folder}", "-o", str(tmp_path / "out"))
    assert read["verdict"] == "Nothing can be scored: not one pixel of the 5 images of split val has a class."
    assert {each["mean_iou"] for each in read["images"]} == {None}
    assert read["without_void"]["mean_iou"] == 0
    assert not (tmp_path / "out" / "worst.png").exists()


def test_classes_that_are_not_there_or_not_found_are_named(shell, run, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    for path in (folder / "valannot").iterdir():
        labels = np.array(Image.open(path))
        labels[(labels == 9) | (labels == 8)] = 11  # neither cars nor pedestrians
        Image.fromarray(labels).save(path)
    read = evaluated(shell, run, "--dataset", f"camvid:{folder}", "--no-files")
    assert "The labels hold no vehicles, no vulnerable road users: left out of every mean." in read["verdict"]
    weak = [each["name"] for each in read["without_void"]["classes"] if each["iou"] is not None and each["iou"] < 0.05]
    assert (f"It does not find {', '.join(weak)} (IoU below 0.05)." in read["verdict"]) is bool(weak)
    largest = max(read["without_void"]["classes"], key=lambda each: each["labelled"])
    assert (
        f"(calling every pixel {largest['name']}: {largest['share'] / 4:.3f} and {largest['share']:.3f})"
        in read["verdict"]
    )


def test_a_list_without_void_has_no_figures_with_void_and_says_so(shell, data, tmp_path):
    run = trained(tmp_path / "run", f"camvid:{data}", classes="road2")
    told = " ".join(shell("evaluate", str(run), "--no-files", "--format", "markdown").out.split())
    assert "are left out. The list of classes has no void class, so there are no figures with void." in told
    assert "with void |" not in told


def test_hostile_names_stay_text(shell, data, made, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    strange = "=cmd|' <b>\x1b[2J"
    for name in ("val", "valannot"):
        (folder / name / "val_0.png").rename(folder / name / f"{strange}.png")
    run = Path(shutil.copytree(made, tmp_path / "run"))
    done = shell("evaluate", str(run), "--dataset", f"camvid:{folder}", "-o", "out")
    assert done.code == 0
    assert "\x1b" not in done.out + (shell.folder / "out" / "evaluation.md").read_text()
    names = [row["image"] for row in table(shell.folder / "out" / "evaluation-images.csv")]
    assert "'=cmd|' <b>\\x1b[2J" in names
    record = json.loads((shell.folder / "out" / "evaluation.json").read_text())
    assert strange in [each["name"] for each in record["images"]]


# --- what is refused


def test_bad_input_is_one_message_that_says_what_to_do(shell, run, data):
    told = shell.refused("evaluate", str(run), "--split", "tset")
    assert told.startswith(f"Error: camvid:{data}: split must be one that the data set has, but got 'tset'; ")
    told = shell.refused("evaluate", str(run), "--dataset", "camvid")
    assert told == "Error: camvid must be given its folder, as in camvid:FOLDER, but got none"
    told = shell.refused("evaluate", "missing")
    assert told.startswith("Error: missing/run.json: must be a file that can be read: No such file or directory; ")
    assert shell("evaluate", str(run), "--batch-size", "0").code == 2
    assert shell("evaluate", str(run), "--images", "21").code == 2


def test_a_data_set_with_other_classes_is_refused(shell, data, tmp_path):
    run = trained(tmp_path / "run", f"camvid:{data}", classes="camvid-11")
    told = shell.refused("evaluate", str(run), "--dataset", "synthetic:val=1")
    assert told.startswith("Error: classes must fit a class map of the data set, but got ('sky', 'building', ")
    assert "; synthetic offers lab7: 7 (sky, infrastructure, road, " in told


def test_a_data_set_with_another_void_class_is_refused(shell, run):
    record = json.loads((run / "run.json").read_text())
    record["classes"]["void"] = None
    (run / "run.json").write_text(json.dumps(record))
    told = shell.refused("evaluate", str(run))
    assert "classes must have the void class of the run, none, but got 'void' in camvid-lab7" in told


def test_the_runs_own_data_that_are_gone_are_told_with_the_way_out(shell, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    run = trained(tmp_path / "run", f"camvid:{folder}", classes="lab7")
    shutil.rmtree(folder)
    told = shell.refused("evaluate", str(run))
    assert told.startswith(f"Error: {folder}/train: must be a folder that can be read: No such file or directory")
    assert told.endswith(f"the run was trained on camvid:{folder}; --dataset names other data")


def test_a_run_that_does_not_tell_its_data_needs_them_named(shell, run):
    record = json.loads((run / "run.json").read_text())
    record["result"]["made_by"] = {}
    (run / "run.json").write_text(json.dumps(record))
    told = shell.refused("evaluate", str(run))
    assert told == "Error: --dataset must be given where the run does not tell its own data, but got none"


def test_an_empty_split_and_an_unreadable_image_are_named(shell, run, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    (folder / "val" / "val_2.png").write_bytes((folder / "val" / "val_2.png").read_bytes()[:300])
    told = shell.refused("evaluate", str(run), "--dataset", f"camvid:{folder}")
    assert told.startswith(f"Error: {folder}/val/val_2.png: must be a whole PNG or JPEG that can be read: ")
    for name in ("val", "valannot"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    told = shell.refused("evaluate", str(run), "--dataset", f"camvid:{folder}")
    assert told == f"Error: camvid:{folder}: split val must hold one image or more, but got none"
    assert not (run / "evaluation-val").exists()


def test_a_folder_that_cannot_be_written_is_named(shell, run, tmp_path):
    (tmp_path / "out").write_text("a file")
    done = shell("evaluate", str(run), "-o", "out/evaluation")
    assert done.code == 2
    assert done.err == "Error: out/evaluation: must be a folder that can be written, but got Not a directory\n"


def test_a_split_that_does_not_fit_in_memory_is_told_before_it_is_read(shell, run, data):
    told = shell.refused("evaluate", str(run), "--dataset", f"camvid:{data}", "--memory-limit", "0.0001")
    assert told.startswith(f"Error: camvid:{data}: must fit in 0.0 GB of memory, but 5 images of 64 x 96 need 0.0; ")
    assert told.endswith("prepare them with `budgetnet data prepare`, or raise --memory-limit")


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: no")]
)
def test_memory_that_runs_out_names_the_setting(shell, run, monkeypatch, error):
    def run_out(*_, **__):
        raise error

    monkeypatch.setattr(evaluating, "tally", run_out)
    told = shell.refused("evaluate", str(run), "--batch-size", "5")
    assert told == "Error: --batch-size must fit in memory, but 5 images do not"


def test_other_faults_in_a_pass_are_bugs_and_not_hidden(shell, run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("sizes of tensors must match")

    monkeypatch.setattr(evaluating, "tally", fail)
    with pytest.raises(RuntimeError, match="sizes of tensors must match"):
        evaluating.run_evaluation(run, write=False)


# --- time


def test_the_time_is_of_one_image_after_warming_up():
    seen: list[tuple[tuple[int, ...], bool]] = []

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, images):
            seen.append((tuple(images.shape), self.training))
            return images * self.weight

    samples = Samples(
        images=torch.zeros(3, 3, 32, 40, dtype=torch.uint8), labels=torch.zeros(3, 32, 40, dtype=torch.uint8)
    )
    found = evaluation.timing(Network(), samples, Scaling(mean=(0.5, 0.5, 0.5)))
    assert set(seen) == {((1, 3, 32, 40), False)}
    assert len(seen) == evaluation.WARM_UP + evaluation.READINGS
    assert len(found.milliseconds) == evaluation.READINGS
    assert all(0 < value < 1000 for value in found.milliseconds)
    assert (found.height, found.width, found.threads) == (32, 40, torch.get_num_threads())
    assert found.device


def test_a_slow_network_is_read_fewer_times(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: next(ticks))  # a second for whatever is done
    samples = Samples(
        images=torch.zeros(1, 3, 32, 32, dtype=torch.uint8), labels=torch.zeros(1, 32, 32, dtype=torch.uint8)
    )
    found = evaluation.timing(torch.nn.Conv2d(3, 2, 1), samples, Scaling(mean=(0.5, 0.5, 0.5)))
    assert found.milliseconds == (1000.0,) * evaluation.FEWEST


def test_median_and_middle_half_by_hand():
    timing = Timing(milliseconds=(5, 1, 2, 100, 3), warm_up=5, height=1, width=1, device="x", threads=1)
    assert (timing.median, timing.middle_half) == (3, (2, 5))


# --- pictures

COLOURS = ClassList(name="test", names=("a", "b"), colours=((10, 20, 30), (200, 100, 50)), void=None)


def test_mistakes_are_marked_where_label_and_prediction_differ_and_nowhere_else():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    labels = rng.choice([0, 1, IGNORE], (40, 60)).astype(np.uint8)
    predictions = rng.integers(0, 2, (40, 60)).astype(np.uint8)
    shown = Shown(image=image, labels=labels, predictions=predictions, caption="x")
    picture = np.asarray(Image.open(io.BytesIO(examples_png([shown], COLOURS))))
    top = next(row for row in range(len(picture)) if (picture[row : row + 40, :60] == image).all())
    mistakes = picture[top : top + 40, 3 * 66 : 3 * 66 + 60]
    wrong = (labels != predictions) & (labels != IGNORE)
    assert ((mistakes == WRONG).all(axis=2) == wrong).all()
    assert ((mistakes == 0).all(axis=2) == (labels == IGNORE)).all()
    answered = picture[top : top + 40, 2 * 66 : 2 * 66 + 60]
    colours = np.array(COLOURS.colours)
    assert (answered[labels != IGNORE] == colours[predictions[labels != IGNORE]]).all()


@pytest.mark.parametrize(("height", "width"), [(33, 641), (700, 1281), (720, 1280)])
def test_large_images_are_shown_smaller_labels_with_no_new_colour(height, width):
    image = np.full((height, width, 3), 77, np.uint8)
    labels = np.indices((height, width)).sum(axis=0).astype(np.uint8) % 2
    shown = Shown(image=image, labels=labels, predictions=labels, caption="x")
    picture = np.asarray(Image.open(io.BytesIO(examples_png([shown], COLOURS))))
    step = -(-width // 640)
    high, wide = -(-height // step), -(-width // step)
    assert picture.shape[1] == 4 * wide + 18
    top = next(row for row in range(len(picture)) if (picture[row : row + high, :wide] == 77).all())
    label = picture[top : top + high, wide + 6 : 2 * wide + 6]
    assert {tuple(colour) for colour in np.unique(label.reshape(-1, 3), axis=0).tolist()} <= set(COLOURS.colours)


@pytest.mark.parametrize(("count", "void"), [(1, None), (2, 0), (11, None), (34, 3)])
@pytest.mark.filterwarnings("error")
def test_the_confusion_picture_takes_any_number_of_classes_and_any_names(count, void):
    names = tuple(f"class {index} $\\frac$ 漢 <b>" for index in range(count))
    classes = ClassList(name="test", names=names, colours=((0, 0, 0),) * count, void=void)
    confusion = np.zeros((count + 1, count), np.int64)
    confusion[0, 0] = 1000
    picture = np.asarray(Image.open(io.BytesIO(confusion_png(confusion, classes, "$title$"))).convert("RGB"))
    assert picture.shape[1] > 30 * count  # room for a figure in each cell
    dark, grey = ((picture == colour).all(axis=2).sum() for colour in ((8, 48, 107), (211, 211, 211)))
    assert dark > 500
    assert grey > 500 or count == 1  # classes without a pixel
