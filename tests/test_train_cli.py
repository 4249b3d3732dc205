"""`budgetnet train` as people use it: what it writes and says, and one clear message for every mistake."""

import csv
import io
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from runs import SMALL, trained
from shell import Done, Shell, words_of
from stem_files import random_stem, write_hdf5

from budgetnet.count import count
from budgetnet.locks import alone

TINY = """\
name: tiny
cameras: 4
fps: 30
budget_gops: 6
classes: 7
input: {height: 64, width: 96}
dataset: synthetic:train=10,val=4
minimum_mean_iou: 0.9
search_space:
  depth_multiplier: [0.25, 0.5]
  final_endpoint: [Conv2d_11_pointwise]
  classifier_kernel: [3]
  classifier_depth: [32]
training: {epochs: 2, batch_size: 4}
"""
WORDS = ("train", "tiny.yaml", "--candidate", "depth_multiplier=0.25 classifier_kernel=3 classifier_depth=32")


@pytest.fixture
def tiny(shell: Shell) -> Shell:
    Path("tiny.yaml").write_text(TINY)
    return shell


def history(folder: str) -> list[dict[str, str]]:
    with (Path(folder) / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def error_of(done: Done) -> str:
    assert done.code == 2
    return done.err.strip()


# --- what it does


def test_a_training_leaves_a_run_that_can_be_evaluated_and_predicts(tiny: Shell) -> None:
    done = tiny(*WORDS, "-o", "run")
    assert done.code == 0
    assert tiny.files() == sorted(
        [
            *(f"run/{name}" for name in (".lock", "curves.png", "history.csv", "preview.png", "report.json")),
            *(f"run/{name}" for name in ("report.md", "run.json", "training.json", "weights.safetensors")),
            *(str(path) for path in Path("run/tensorboard").iterdir()),
            "tiny.yaml",
        ]
    )
    assert (
        "synthetic:train=10,val=4: 10 training images, 4 for validation, 7 classes. Recipe lab: 2 epochs of 3 batches, "
        "the stem from random numbers." in done.out
    )
    lines = done.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(
        r"epoch 1/2: loss \d\.\d{4}, mean IoU 0\.\d{3} \(best 0\.\d{3}\), [\d.]+ img/s, \d+\.\d s, \d+ s left", lines[0]
    )
    assert "Written: run/curves.png, run/report.md, run/report.json, run/weights.safetensors" in done.out
    record = json.loads(Path("run/report.json").read_text())
    mean_iou = record["result"]["scores"]["mean_iou"]
    assert [float(row["mean_iou"]) for row in history("run")][-1] == mean_iou
    evaluated = tiny("evaluate", "run", "--format", "json")
    assert json.loads(evaluated.out)["without_void"]["mean_iou"] == mean_iou
    assert tiny("predict", "run", "run/preview.png").code == 0


def test_what_the_report_says_can_be_traced(tiny: Shell) -> None:
    stem = write_hdf5(Path("mobilenet_5_0_224_tf_no_top.h5"), random_stem(0.5))
    trained(Path("teacher"), "synthetic:train=10,val=4")
    done = tiny(*WORDS, "-o", "run", "--stem", str(stem), "--teacher", "teacher", "--set", "keep=best")
    assert done.code == 0
    begins = f"the stem from {stem.name}, narrowed from depth multiplier 0.5 to 0.25, taught by teacher.\n"
    assert begins in done.out
    record, text = json.loads(Path("run/report.json").read_text()), Path("run/report.md").read_text()
    weights = sha256(Path("run/weights.safetensors").read_bytes()).hexdigest()
    teacher = sha256(Path("teacher/weights.safetensors").read_bytes()).hexdigest()
    assert record["stem"] == {"origin": stem.name, "sha256": sha256(stem.read_bytes()).hexdigest()}
    assert record["teacher"] == {"weights_sha256": teacher}
    for told in (weights, teacher, record["stem"]["sha256"], stem.name, "--set keep=best", "commit", "threads", "fp32"):
        assert told in text
    plain = " ".join(text.split())
    assert "An image of 64 x 96 takes 12.5 MOP (6.3 million multiply-accumulates)" in plain
    assert "25.0 % of the budget, it fits tiny." in plain
    assert "tiny asks for a mean IoU of 0.9: missed." in plain
    assert "with the weights of the best epoch" in plain
    assert "Trained on 10 images, validated on 4, for " in plain
    for name, iou in record["result"]["scores"]["iou"].items():
        assert f"| {name} | {iou:.3f} |" in text
    cost = count(SMALL.graph(classes=7, height=64, width=96)).total
    told = record["in_scenario"]
    assert (told["macs"], told["ops"], told["params"], told["fits"]) == (cost.macs, cost.ops, cost.params, True)


def test_another_size_is_trained_and_scored_and_the_scenarios_is_quoted(tiny: Shell) -> None:
    done = tiny(*WORDS, "-o", "run", "--size", "72x100")
    assert "an image of 64 x 96 takes 12.5 MOP" in done.out
    assert "Trained and scored at 72 x 100." in done.out
    record = json.loads(Path("run/report.json").read_text())
    assert record["trained_at"] == {"height": 72, "width": 100}
    assert record["result"]["ops"] > record["in_scenario"]["ops"]
    assert f"At 72 x 100, where it was trained, it takes {record['result']['ops'] / 1e6:.1f} MOP" in " ".join(
        Path("run/report.md").read_text().split()
    )
    evaluated = json.loads(tiny("evaluate", "run", "--format", "json").out)
    assert evaluated["without_void"]["mean_iou"] == record["result"]["scores"]["mean_iou"]


def test_a_candidate_over_budget_is_trained_all_the_same_and_said_so(tiny: Shell) -> None:
    done = tiny("train", "tiny.yaml", "--candidate", "depth_multiplier=1", "--epochs", "1", "-o", "run")
    assert done.code == 0
    assert "it does NOT fit tiny: needs " in " ".join(done.out.split())


@pytest.mark.slow
def test_rows_of_a_searchs_reports_are_trained(tiny: Shell) -> None:
    assert tiny("search", "tiny.yaml", "--trials", "2", "--epochs", "1").code == 0
    for name in ("pareto", "trials"):
        with Path(f"reports/tiny/{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        number = len(rows) - 1
        done = tiny("train", "tiny.yaml", "--from", f"reports/tiny/{name}.csv:{number}", "-o", name)
        assert done.code == 0
        record = json.loads(Path(name, "run.json").read_text())
        parameters = record["candidate"]["parameters"]
        assert {key: str(value) for key, value in parameters.items()} == {key: rows[number][key] for key in parameters}
    assert tiny("plan", "tiny.yaml").code == 0
    assert tiny("train", "tiny.yaml", "--from", "reports/tiny/plan-candidates.csv:1", "-o", "planned").code == 0


@pytest.mark.slow
def test_a_search_trains_as_it_is_told(tiny: Shell) -> None:
    stem = write_hdf5(Path("mobilenet_5_0_224_tf_no_top.h5"), random_stem(0.5))
    words = ("search", "tiny.yaml", "--trials", "2", "--recipe", "strong", "--stem", str(stem), "--set", "batch_size=4")
    assert tiny(*words, "--epochs", "1").code == 0
    record = json.loads(Path("reports/tiny/runs/0000/run.json").read_text())
    training = record["training"]
    assert (training["recipe"], training["epochs"], training["batch_size"]) == ("strong", 1, 4)
    assert record["stem"]["sha256"] == sha256(stem.read_bytes()).hexdigest()
    assert tiny(*words, "--epochs", "1", "--set", "crop=1").code == 2
    told = tiny.refused(*words, "--set", "epochs=2", "--epochs", "1")
    assert told == "Error: --set: must not say again what --epochs says, but got 'epochs=2'"


def test_the_same_command_again_has_nothing_to_do_and_another_one_is_refused(tiny: Shell) -> None:
    assert tiny(*WORDS).code == 0
    before = Path("reports/tiny/train/weights.safetensors").stat().st_mtime_ns
    again = tiny(*WORDS)
    assert again.code == 0
    assert "Nothing to train: the folder holds this very training, finished." in again.out
    assert "Validation mean IoU" in again.out
    assert Path("reports/tiny/train/weights.safetensors").stat().st_mtime_ns == before
    refused = tiny(*WORDS, "--epochs", "3")
    assert refused.code == 2
    assert refused.err == (
        "Error: reports/tiny/train: must be a folder of its own for each training, but holds another one "
        "(training.epochs 2, now 3); choose another --output, or --restart throws it away\n"
    )
    anew = tiny(*WORDS, "--epochs", "3", "--restart")
    assert anew.code == 0
    assert len(history("reports/tiny/train")) == 3
    assert len(list(Path("reports/tiny/train/tensorboard").iterdir())) == 1


def test_another_stem_or_teacher_behind_the_same_name_is_another_training(tiny: Shell) -> None:
    """Nothing that took hours is thrown away because a file has been replaced."""
    words = (*WORDS, "--stem", "stem.h5", "--teacher", "teacher", "-o", "run")
    write_hdf5(Path("stem.h5"), random_stem(0.25))
    trained(Path("teacher"), "synthetic:train=10,val=4")
    assert tiny(*words).code == 0
    before = Path("run/weights.safetensors").read_bytes()
    Path("other.h5").write_bytes(Path("stem.h5").read_bytes())
    write_hdf5(Path("stem.h5"), random_stem(0.25, seed=1))
    refused = tiny(*words)
    assert refused.code == 2
    assert re.fullmatch(
        r'Error: run: must be a folder of its own, but holds another training \(stem.sha256 "\w+", now "\w+"\); '
        r"choose another --output, or --restart throws it away\n",
        refused.err,
    )
    assert Path("run/weights.safetensors").read_bytes() == before
    assert tiny(*words, "--restart").code == 0
    assert Path("run/weights.safetensors").read_bytes() != before


@pytest.mark.parametrize(("option", "name"), [("--teacher", "teacher"), ("--stem", "stem")])
def test_what_a_training_starts_from_is_not_thrown_away(tiny: Shell, option: str, name: str) -> None:
    trained(Path("run"), "synthetic:train=10,val=4")
    write_hdf5(Path("run/stem.h5"), random_stem(0.25))
    before = {path: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    given = "run" if option == "--teacher" else "run/stem.h5"
    done = tiny(*WORDS, option, given, "-o", "run", "--restart")
    rule = f"{name}: must lie outside the folder that --restart throws away, but got '{given}'"
    assert error_of(done) == f"Error: {rule}"
    assert {path: path.read_bytes() for path in before} == before


def test_what_was_said_of_the_network_before_goes_with_it(tiny: Shell) -> None:
    assert tiny(*WORDS, "-o", "run").code == 0
    assert tiny("evaluate", "run").code == 0
    Path("run/evaluation-mine").mkdir()
    Path("run/evaluation-mine/notes.txt").write_text("mine")
    assert Path("run/evaluation-val/evaluation.md").exists()
    assert tiny(*WORDS, "--epochs", "1", "-o", "run", "--restart").code == 0
    assert not Path("run/evaluation-val").exists()
    assert Path("run/evaluation-mine/notes.txt").read_text() == "mine"


def test_a_state_that_cannot_be_gone_on_from_is_not_thrown_away(tiny: Shell) -> None:
    broken = (*WORDS, "-o", "run", "--set", "learning_rate=10", "--set", "optimizer=sgd")
    assert tiny(*broken).code == 1
    state = Path("run/checkpoint.pt").read_bytes()
    Path("run/checkpoint.pt").write_bytes(state[:1000])
    rule = "Error: run/checkpoint.pt: must be the state of this training, but cannot be read"
    remedy = "choose another --output, or --restart throws it away"
    assert error_of(tiny(*broken)) == f"{rule}; {remedy}"
    assert len(Path("run/checkpoint.pt").read_bytes()) == 1000
    kept = torch.load(io.BytesIO(state), weights_only=True)
    identity = json.loads(kept["identity"]) | {"dataset": "another"}
    torch.save({**kept, "identity": json.dumps(identity)}, "run/checkpoint.pt")
    told = error_of(tiny(*broken))
    rule = "Error: run/checkpoint.pt: must be the state of this training, but is of another one (dataset "
    assert told.startswith(rule)
    assert told.endswith(f"); {remedy}")


def test_what_failed_before_it_began_does_not_hinder_the_next_try(tiny: Shell) -> None:
    assert tiny(*WORDS, "-o", "run", "--set", "batch_size=1", "--size", "32x32").code == 1
    assert tiny(*WORDS, "-o", "run").code == 0


def test_a_training_whose_loss_is_not_finite_keeps_the_last_good_state_and_names_the_batch(tiny: Shell) -> None:
    done = tiny(*WORDS, "-o", "run", "--set", "learning_rate=10", "--set", "optimizer=sgd")
    assert done.code == 1
    assert re.search(
        r"^training: (loss must be finite, but got (nan|inf)|gradients must be finite, but are not \(the loss is .*\)) "
        r"in batch \d of epoch 2 \(training images [\d, ]+\); the last good state is kept$",
        done.err,
        re.MULTILINE,
    )
    assert len(history("run")) == 1
    kept = torch.load("run/checkpoint.pt", weights_only=True)
    assert len(kept["history"]) == 1
    assert all(tensor.isfinite().all() for tensor in kept["model"].values())


# --- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epochs", "0"), "training.epochs: must be 1 or more, but got 0"),
        (("--set", "epochs=abc"), "training.epochs: must be a whole number, but got 'abc'"),
        (("--set", "x"), "--set: must be NAME=VALUE on one line, but got 'x'"),
        (("--set", "=3"), "--set: must be NAME=VALUE on one line, but got '=3'"),
        (("--set", "epochs=3\nseed: 4"), "--set: must be NAME=VALUE on one line, but got 'epochs=3\\nseed: 4'"),
        (("--set", "seed=1", "--set", "seed=2"), "--set: must name each field once, but got 'seed=2' as well"),
        (("--set", "seed=1", "--seed", "2"), "--set: must not say again what --seed says, but got 'seed=1'"),
        (("--set", "epoch=3"), "training.epoch: unknown field; did you mean 'epochs'?"),
        (("--set", "crop=[1"), "--set: crop must be YAML (expected ',' or ']', not '<stream end>'), but got '[1'"),
        (("--set", "crop=1.5"), "training.crop: must be 1 or less, but got 1.5"),
        (("--set", "loss=weighted_cross_entropy"), "training.class_weights: must be other than none for the loss"),
        (
            ("--set", "class_weights=inverse-log"),
            "training.class_weights: must be none where no loss heeds them",
        ),
        (("--set", "parts=5"), "training.parts: must be at most the batch_size, 4, but got 5"),
        (("--recipe", "labb"), "training.recipe: must be a known recipe or the path of one, but got 'labb'"),
        (("--stem", "none"), "training.stem: weights must be a file, a folder, an address"),
        (("--stem", "tiny.yaml"), "training.stem: tiny.yaml: must be an HDF5 file in Keras' layout"),
        (("--teacher", "none"), "training.teacher: none/run.json: must be a file that can be read"),
        (("--size", "64"), "--size: must be HEIGHTxWIDTH, such as 320x480, but got '64'"),
        (("--dataset", "nosuch"), "dataset: must be a known data set"),
        (("--from", "a.csv:0"), "--candidate or --from: must be given, one of them, but got both"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_left(tiny: Shell, words: tuple[str, ...], message: str) -> None:
    told = tiny.refused(*WORDS, *words)
    assert told.startswith(f"Error: {message}")
    assert len(told.splitlines()) == 1
    assert tiny.files() == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none.csv:0", "none.csv: must be a file that can be read: No such file or directory"),
        (":0", "--from: must be FILE.csv:ROW, the first row being 0, but got ':0'"),
        ("a.csv", "--from: must be FILE.csv:ROW, the first row being 0, but got 'a.csv'"),
        ("a.csv:-1", "--from: must be FILE.csv:ROW, the first row being 0, but got 'a.csv:-1'"),
        ("a.csv:4", "--from: must be a row below 4, the rows of a.csv, but got 4"),
        ("a.csv:1", "a.csv, row 1: depth_multiplier: must be greater than 0, but got '-1'"),
        ("a.csv:2", "a.csv, row 2: depth_multiplier: must be given, but is blank"),
        ("a.csv:3", "a.csv, row 3: head: must be one of "),
        ("empty.csv:0", "empty.csv: must hold a row of headings and one for each candidate, but holds none of these"),
        ("other.csv:0", "other.csv: must have columns named as parameters of mobilenet-fcn, but has none"),
        ("bytes.csv:0", "bytes.csv: must be a CSV file, but is not"),
    ],
)
def test_a_row_that_is_none_is_told(tiny: Shell, word: str, message: str) -> None:
    Path("a.csv").write_text("depth_multiplier,head,classifier_kernel\n0.25,fcn,3\n-1,fcn,3\n,fcn,3\n0.5,x,3\n")
    Path("empty.csv").write_text("")
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("bytes.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert tiny.refused("train", "tiny.yaml", "--from", word).startswith(f"Error: {message}")


def test_neither_candidate_nor_row_and_several_networks_are_refused(tiny: Shell) -> None:
    told = tiny.refused("train", "tiny.yaml")
    assert told == "Error: --candidate or --from: must be given, one of them, but got neither"
    groups = (
        "cameras:\n  - {name: a, count: 1, fps: 5}\n  - {name: b, count: 1, fps: 5, network: mobilenet-fcn, "
        "search_space: {depth_multiplier: [0.25]}}"
    )
    Path("two.yaml").write_text(TINY.replace("cameras: 4\nfps: 30", groups).replace("name: tiny", "name: two"))
    told = tiny.refused("train", "two.yaml", *WORDS[2:])
    assert told.startswith("Error: scenario: must be one whose camera groups share one network, but got ")


def test_data_that_do_not_fit_are_told(tiny: Shell) -> None:
    trained(Path("road"), "synthetic:train=4,val=2", classes="road2")
    done = tiny(*WORDS, "--teacher", "road")
    told = "training.teacher: must tell 7 classes apart, as the scenario does, but got a run of 2"
    assert (done.code, done.err) == (2, f"Error: {told}\n")
    Path("five.yaml").write_text(TINY.replace("classes: 7", "classes: 5"))
    done = tiny("train", "five.yaml", *WORDS[2:])
    assert done.code == 2
    assert done.err.startswith("Error: classes must fit a class map of the data set, but got 5; synthetic offers lab7")
    done = tiny(*WORDS, "--dataset", "camvid:nowhere")
    assert (done.code, done.err) == (
        2,
        "Error: nowhere: must be a folder that can be read: No such file or directory\n",
    )
    done = tiny(*WORDS, "--set", "parts=4")
    told = "training.parts: must be at most the images of each batch, here 3, but got 4"
    assert (done.code, done.err) == (2, f"Error: {told}\n")


def test_folders_that_cannot_be_taken_are_told(tiny: Shell) -> None:
    done = tiny(*WORDS, "-o", "tiny.yaml")
    assert done.code == 2
    assert done.err == "Error: tiny.yaml: must be a folder that can be written, but got File exists\n"
    with alone(Path("run"), "training"):
        done = tiny(*WORDS, "-o", "run")
    assert done.code == 2
    told = "must be used by one training at a time, but another one is running there"
    assert done.err == f"Error: run: {told}\n"
    trained(Path("finished"), "synthetic:train=4,val=2")
    for more in ((), ("--restart",)):
        done = tiny(*WORDS, "-o", "finished", *more)
        assert done.code == 2
        told = "must be a folder of its own for each training, but holds a finished run"
        assert done.err == f"Error: finished: {told}\n"


def test_another_process_than_the_first_says_nothing(tiny: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    done = tiny(*WORDS, "--epochs", "0")
    assert (done.code, done.out, done.err) == (2, "", "")


def test_the_help_teaches(tiny: Shell) -> None:
    page = words_of(tiny("train", "--help").out)
    for word in ("pareto.csv:0", "torchrun --nproc-per-node", "the same command goes on", "--restart", "distillation"):
        assert word in page


# --- a search trains in the same way


@pytest.mark.slow
def test_a_search_takes_recipe_and_stem_and_its_report_tells_them(tiny: Shell) -> None:
    Path("stems").mkdir()
    write_hdf5(Path("stems/mobilenet_5_0_224_tf_no_top.h5"), random_stem(0.5))
    Path("mine.yaml").write_text("batch_size: 5\nschedule: cosine\nkeep: best\n")
    asked = "training: {recipe: mine.yaml, stem: stems, epochs: 1}"
    Path("tiny.yaml").write_text(TINY.replace("training: {epochs: 2, batch_size: 4}", asked))
    assert tiny("search", "tiny.yaml", "--trials", "2").code == 0
    text = Path("reports/tiny/search.md").read_text()
    for told in ("mine.yaml", "stems", "cosine", "best"):
        assert told in text
    for run in Path("reports/tiny/runs").iterdir():
        record = json.loads((run / "run.json").read_text())
        assert record["training"]["batch_size"] == 5
        assert record["stem"]["origin"] == "mobilenet_5_0_224_tf_no_top.h5"


def test_a_stem_that_cannot_be_loaded_stops_a_search_at_once(tiny: Shell) -> None:
    Path("tiny.yaml").write_text(TINY.replace("batch_size: 4", "batch_size: 4, stem: nowhere"))
    done = tiny("search", "tiny.yaml")
    assert done.code == 2
    assert done.err.startswith("Error: training.stem: weights must be a file, a folder, ")
    assert tiny.files() == ["tiny.yaml"]
    narrow = write_hdf5(Path("mobilenet_2_5_224_tf_no_top.h5"), random_stem(0.25))
    Path("tiny.yaml").write_text(TINY.replace("batch_size: 4", f"batch_size: 4, stem: {narrow}"))
    done = tiny("search", "tiny.yaml")
    assert done.code == 2
    assert "must be of depth multiplier 0.5 or more, since stems are narrowed, not widened, but got 0.25" in done.err
