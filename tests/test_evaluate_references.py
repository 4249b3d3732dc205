"""`budgetnet evaluate` against figures that the test makes itself: it reads the PNG files, asks the network, and counts
with scikit-learn and with NumPy.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from references import by_numpy, by_scikit_learn
from runs import camvid_like, set_weights, trained
from shell import Shell

from budgetnet.build import quickly
from budgetnet.classes import IGNORE
from budgetnet.training.finished import load

pytestmark = pytest.mark.filterwarnings("ignore:A single label was found")

CAMVID = pytest.mark.skipif("BUDGETNET_CAMVID" not in os.environ, reason="BUDGETNET_CAMVID names no folder with CamVid")
TARGETS = {  # ids of CamVid -> class, as the lists of classes are defined; written down here once more, on purpose
    "camvid-11": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, IGNORE],
    "lab7": [0, 1, 1, 2, 3, 1, 1, 1, 4, 5, 5, IGNORE],
    "road2": [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, IGNORE],
}
COUNT = {"camvid-11": 11, "lab7": 7, "road2": 2}
VOID = {"camvid-11": None, "lab7": 6, "road2": None}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return camvid_like(tmp_path_factory.mktemp("camvid"))


def asked(model: torch.nn.Module, mean: tuple[float, ...], path: Path) -> np.ndarray:
    """The network's scores (classes, height, width) of an image file, with nothing of our reading; computed in the form
    that `evaluate` takes, as another one rounds otherwise, which decides ties.
    """
    image = np.asarray(Image.open(path).convert("RGB"), np.float32) / np.float32(255) - np.array(mean, np.float32)
    with torch.no_grad(), quickly(model):
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
    set_weights(run, model.state_dict())
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
    done = shell("evaluate", str(run), "--format", "json", "--batch-size", "1", "--no-files")
    assert (done.code, done.err) == (0, "")
    read = json.loads(done.out)
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
def test_every_figure_on_all_of_camvids_validation_images_equals_the_references(shell, tmp_path):
    folder, classes = part_of_camvid(tmp_path / "camvid", 40, None), "camvid-11"
    run = trained(tmp_path / "0000", f"camvid:{folder}", classes=classes, height=360, width=480, epochs=4)
    assert len(list((folder / "val").iterdir())) == 101
    hold_against_references(shell, answering_with_many_classes(run, folder), folder, classes)
