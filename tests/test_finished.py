"""A finished run is read back whole, or refused with its file and what is wrong with it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import SMALL, set_weights, trained
from safetensors.torch import load_file

from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.training import metrics, scoring
from budgetnet.training.finished import load
from budgetnet.training.samples import Samples


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("run"), "synthetic:train=6,val=3")


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "0000"))


def change(run: Path, *path: str, value: object) -> None:
    """Sets, or with `...` takes away, one value of the record."""
    file = run / "run.json"
    record = json.loads(file.read_text())
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    file.write_text(json.dumps(record))


def refusal(run: Path, file: str) -> str:
    with pytest.raises(BudgetnetError) as caught:
        load(run)
    where, _, rest = str(caught.value).partition(f"{file}: ")
    assert where == f"{run}/"
    return rest


def test_what_was_trained_is_what_is_read(run):
    found = load(run)
    data = keeping.load("synthetic:train=6,val=3", classes=7, height=64, width=96)
    assert (found.candidate, found.classes) == (SMALL, data.classes)
    assert (found.height, found.width, found.batch_size) == (64, 96, 4)
    assert (found.source, found.dataset) == ("synthetic:train=6,val=3", data.fingerprint)
    assert found.digests == {"train": data.train.digest, "val": data.val.digest}
    assert re.fullmatch(r"[0-9a-f]{64}", found.weights_digest)
    counted = scoring.tally(found.model(), Samples.of(data.val), found.scaling, 7, found.batch_size)
    assert metrics.scores(counted.confusion, data.classes) == found.result.scores


def test_the_network_takes_other_sizes_and_refuses_those_it_cannot_take(run):
    found = load(run)
    with torch.no_grad():
        assert found.model(96, 64)(torch.zeros(1, 3, 96, 64)).shape == (1, 7, 96, 64)
    with pytest.raises(BudgetnetError, match="height: must be 32 or more, but got 31"):
        found.model(31, 64)


def test_a_run_of_an_earlier_version_has_no_digests(run):
    change(run, "digests", value=...)
    assert load(run).digests == {}


def test_no_run(run):
    hint = "a finished run's folder holds run.json and weights.safetensors, such as reports/<scenario>/runs/0000"
    rule = "must be a file that can be read"
    assert refusal(run / "missing", "run.json") == f"{rule}: No such file or directory; {hint}"
    (run / "weights.safetensors").unlink()
    assert refusal(run, "weights.safetensors") == f"{rule}: No such file or directory"
    (run / "run.json").unlink()
    (run / "run.json").mkdir()
    assert refusal(run, "run.json") == f"{rule}: Is a directory; {hint}"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_record_that_is_no_json(run, content):
    (run / "run.json").write_bytes(content)
    assert refusal(run, "run.json") == "must be JSON, but is not"


@pytest.mark.parametrize("content", ["[]", "7", "null", "{}", '{"result": 7}', '{"result": {"scores": []}}'])
def test_a_record_of_something_else(run, content):
    (run / "run.json").write_text(content)
    assert refusal(run, "run.json") == "must be a record of this version's runs, but is not"


PARTS = """\
candidate; candidate network; candidate parameters; training; training batch_size; input; dataset; classes;
classes void; scaling; scaling mean; result; result scores; result made_by"""
STRANGE = {"missing": ..., "number": 7.5, "text": "x", "list": [], "mapping": {}, "nothing": None, "truth": True}
SOUND = {
    ("dataset", "text"),
    ("candidate parameters", "mapping"),
    ("classes void", "nothing"),
    ("result made_by", "mapping"),
}


@pytest.mark.parametrize("path", [part.strip() for part in PARTS.split(";")])
def test_a_record_with_a_part_missing_or_of_another_kind(run, path):
    whole = (run / "run.json").read_text()
    for kind, value in STRANGE.items():
        if (path, kind) not in SOUND:
            change(run, *path.split(), value=value)
            refusal(run, "run.json")
            (run / "run.json").write_text(whole)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("input height", 31, "input.height: must be a whole number from 32 to 16384, but got 31"),
        ("input width", 96.5, "input.width: must be a whole number from 32 to 16384, but got 96.5"),
        ("input width", True, "input.width: must be a whole number from 32 to 16384, but got True"),
        ("training batch_size", 0, "training.batch_size: must be a whole number from 1 to 1048576, but got 0"),
        ("scaling mean", [0.5, float("nan"), 0.5], "scaling.mean: must be a number from 0 to 1, but got nan"),
        ("scaling mean", ["0.5", 0.5, 0.5], "scaling.mean: must be a number from 0 to 1, but got '0.5'"),
        ("classes void", 7, "classes.void: must be a whole number from 0 to 6, but got 7"),
        ("classes names", ["a"] * 7, f"classes.names: must be 1 to 254 different names, but got {['a'] * 7}"),
        ("classes names", [7], "classes.names: must be a text, but got 7"),
        ("classes colours", [[1, 2, 3]], "classes.colours: must be three numbers for each class, but got [(1, 2, 3)]"),
        ("classes colours", [[1, 2, 256]], "classes.colours: must be a whole number from 0 to 255, but got 256"),
        ("dataset", 7, "dataset: must be a text, but got 7"),
        ("result made_by dataset", 7, "result.made_by.dataset: must be a text, but got 7"),
        ("result scores mean_iou", "high", "result.scores.mean_iou: must be a number from 0 to 1, but got 'high'"),
        ("candidate parameters depth_multiplier", -1, "depth_multiplier: must be greater than 0, but got -1"),
        (
            "candidate network",
            "resnet",
            "network must be one of the known ones, but got 'resnet'; did you mean 'enet'?",
        ),
    ],
)
def test_a_record_edited_to_nonsense(run, path, value, told):
    change(run, *path.split(), value=value)
    assert refusal(run, "run.json") == told


def test_weights_cut_short_or_overwritten(run):
    file = run / "weights.safetensors"
    whole = file.read_bytes()
    for content in (b"", whole[:4], whole[: len(whole) // 2], whole[:-1], b"x" * 100):
        file.write_bytes(content)
        assert refusal(run, "weights.safetensors").startswith("must be a whole safetensors file: ")


def test_weights_with_one_bit_changed(run):
    content = bytearray((run / "weights.safetensors").read_bytes())
    content[-2] ^= 1
    (run / "weights.safetensors").write_bytes(content)
    assert refusal(run, "weights.safetensors") == "must be as the training left it, but was changed or damaged since"


def test_weights_of_another_network(run):
    change(run, "candidate", "parameters", "classifier_depth", value=33)
    rule = "weights.safetensors: must hold the weights of 0.25 / Conv2d_13_pointwise / fcn / 3 / 33, but holds others"
    with pytest.raises(BudgetnetError, match=re.escape(rule)):
        load(run).model()


def test_weights_that_are_no_numbers(run):
    weights = load_file(run / "weights.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    weights[name].view(-1)[0] = np.nan
    set_weights(run, weights)
    assert refusal(run, "weights.safetensors") == f"must hold finite numbers, but {name} holds others"
