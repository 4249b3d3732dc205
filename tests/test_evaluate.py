"""`budgetnet evaluate` as people use it: what is told, where it goes, and what is refused."""

import csv
import errno
import io
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import HEIGHT, WIDTH, camvid_like, trained
from shell import Shell

from budgetnet import evaluating
from budgetnet.errors import BudgetnetError
from budgetnet.evaluation.pictures import LEAST
from budgetnet.training.finished import load

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


def test_who_watches_sees_what_takes_time(shell, run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = shell("evaluate", str(run), "--no-files").err
    assert all(name in told for name in ("reading", "evaluating", "timing"))


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
    assert (run / "evaluation-val-synthetic-val-3" / "evaluation.md").exists()
    assert not (run / "evaluation-val").exists()


def test_no_evaluation_replaces_that_of_other_data(shell, run, tmp_path):
    for name, count in (("one", 2), ("other", 3)):
        camvid_like(tmp_path / name / "CamVid", 1, count)
    folders = [set(run.glob("evaluation-*"))]
    for name, count in (("one", 2), ("other", 3), ("one", 2)):
        read = evaluated(shell, run, "--dataset", f"camvid:{tmp_path / name / 'CamVid'}")
        assert (read["data_is"], len(read["images"])) == ("other", count)
        folders.append(set(run.glob("evaluation-val-camvid-CamVid-*")))
    assert [len(each) for each in folders] == [0, 1, 2, 2]
    assert sorted(len(table(each / "evaluation-images.csv")) for each in folders[-1]) == [2, 3]


def test_what_the_run_was_trained_on_is_not_its_validation_whoever_calls_it_so(shell, run, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "turned"))
    for name in ("val", "valannot"):
        shutil.rmtree(folder / name)
        shutil.copytree(data / name.replace("val", "train"), folder / name)
    evaluated(shell, run)
    before = (run / "evaluation-val" / "evaluation.json").read_text()
    assert evaluated(shell, run, "--dataset", f"camvid:{folder}")["data_is"] == "trained"
    assert (run / "evaluation-val" / "evaluation.json").read_text() == before


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
    wide = 4 * WIDTH * -(-LEAST // WIDTH) + 3 * 6
    assert {Image.open(run / "evaluation-val" / name).size[0] for name in ("worst.png", "best.png")} == {wide}


def test_however_many_are_asked_for_no_image_is_among_both(shell, run):
    evaluated(shell, run, "--images", "20")
    text = (run / "evaluation-val" / "evaluation.md").read_text()
    listed = [re.findall(r"^\| (val_\d)", part, re.MULTILINE) for part in text.split("## Best images")]
    assert [len(part) for part in listed] == [2, 2]  # of five
    assert not set(listed[0]) & set(listed[1])


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
    rule = "split must be one that the data set has, but got 'tset'; known: train, val"
    assert told == f"Error: camvid:{data}: {rule}"
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
    assert told.startswith(f"Error: {folder}: must be a folder that can be read: No such file or directory")
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


# --- what does not fit in memory


def figures(read: dict) -> dict:
    """What an evaluation says of the network, without the clock and the command."""
    return {key: value for key, value in read.items() if key not in ("milliseconds_per_image", "made_by", "verdict")}


@pytest.mark.parametrize("words", [(), ("-o", "new/out"), ("--no-files",)])
def test_a_split_that_does_not_fit_is_mapped_and_scores_the_same(shell, run, data, tmp_path, monkeypatch, words):
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    seen, rooms = [], []
    real = evaluating.load_kept

    def watched(*arguments):
        read = real(*arguments)
        seen.append(isinstance(read["val"].images, np.memmap))
        rooms.extend(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("val-images.npy"))
        return read

    monkeypatch.setattr(evaluating, "load_kept", watched)
    in_memory = evaluated(shell, run, *words)
    files = shell.files()
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
    shutil.rmtree(run / "evaluation-val", ignore_errors=True)
    mapped = evaluated(shell, run, *words, "--memory-limit", "0.0001")
    assert seen == [False, True]
    assert rooms == [{"-o": "new", "--no-files": "system"}.get("".join(words[:1]), "0000")]
    assert figures(mapped) == figures(in_memory)
    assert shell.files() == files
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("error", [BudgetnetError("no"), KeyboardInterrupt(), RuntimeError("a bug")])
@pytest.mark.parametrize("words", [{}, {"output": "new/out"}, {"write": False}])
def test_mapped_files_are_gone_whatever_happens(run, tmp_path, monkeypatch, error, words):
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    before = sorted(tmp_path.rglob("*"))

    def fail(*_, **__):
        assert [*tmp_path.rglob("val-images.npy")]
        raise error

    monkeypatch.setattr(evaluating, "tally", fail)
    output = tmp_path / words["output"] if "output" in words else None
    with pytest.raises(type(error)):
        evaluating.run_evaluation(run, memory_limit=0, output=output, write=words.get("write", True))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told_and_the_data_set_is_not_blamed(shell, run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(os, "posix_fallocate", full)
    told = shell.refused("evaluate", str(run), "--memory-limit", "0")
    assert told.endswith(": must be a folder that can be written, but got No space left on device")
    assert told.startswith(f"Error: {run}/.budgetnet-")
    assert sorted(tmp_path.rglob("*")) == before


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
