"""Networks side by side: figures are those of plans and trainings, and nothing is lost on the way."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from rich.console import Console

from budgetnet import networks
from budgetnet.compare import LARGEST, compare, known
from budgetnet.compare.report import report, verdict
from budgetnet.comparing import run_compare, slug
from budgetnet.errors import BudgetnetError
from budgetnet.plan import measure
from budgetnet.plan import plan as make_plan
from budgetnet.scenario import InputSize, Scenario, load

TINY = Scenario(
    name="tiny",
    cameras=4,
    fps=30,
    budget_gops=6,
    classes=7,
    input=InputSize(height=64, width=96),
    dataset="synthetic:train=8,val=4",
    training={"epochs": 1, "batch_size": 4},
)


def test_every_network_that_people_know_is_there_once():
    names = list(known())
    assert len(names) == len(set(names)) == sum(len(networks.family(key).members) for key in networks.names())
    assert {candidate.network for candidate in known().values()} == set(networks.names())
    assert len({slug(name) for name in names}) == len(names)


def test_figures_are_those_of_plans_the_fewest_operations_first():
    scenario = load("urban")
    found = compare(scenario)
    assert [peer.planned.cost.ops for peer in found.peers] == sorted(peer.planned.cost.ops for peer in found.peers)
    for peer in found.peers:
        assert peer.planned.record() == measure(scenario, peer.candidate).record()
    largest = next(peer for peer in found.peers if peer.name == LARGEST)
    assert largest.candidate == make_plan(scenario).candidates[0].candidate
    assert {peer.name for peer in found.peers} == {*known(), LARGEST}
    assert [peer.planned.fits for peer in found.peers] == sorted((p.planned.fits for p in found.peers), reverse=True)


def test_camera_groups_with_one_network_are_compared_and_those_with_several_are_not():
    groups = [{"name": "front", "count": 2, "fps": 30}, {"name": "rear", "count": 1, "fps": 15}]
    (peer,) = compare(load("urban").changed(cameras=groups), ["ENet"]).peers
    assert [load.group.name for load in peer.planned.loads] == ["front", "rear"]
    assert peer.planned.required_gops == pytest.approx(75 * peer.planned.cost.ops / 1e9)
    several = load("urban").changed(cameras=[{**groups[0], "network": "enet"}, groups[1]])
    with pytest.raises(
        BudgetnetError, match="must be a scenario whose camera groups share one network, but got shared, f"
    ):
        compare(several)


def test_memory_is_a_limit_that_is_named():
    tight = TINY.changed(budget_gops=50, budget_mb=0.4, precision="int8")
    said = verdict(compare(tight, ["ENet", "MobileNet-FCN half as wide"]))
    assert "The nearest that does not is ENet: " in said
    assert "of 0.4 MB" in said
    rows = report(compare(tight, ["ENet"]))[0].tables[0].rows
    assert rows[0]["over"] == "budget_mb"


def test_shares_are_of_what_a_reserve_leaves():
    said = verdict(compare(load("urban").changed(reserve=0.5), ["ENet"]))
    assert "ENet: needs 268.8 of 150 GOPS, 1.79 times as much" in said


def test_what_would_do_nothing_is_refused(shell):
    assert "must be given to train otherwise, but got epochs without it" in shell.refused("compare", "--epochs", "3")
    assert "must be given one at a time" in shell.refused("compare", "--train", "--no-files")


def test_some_are_named_by_their_name_or_their_family():
    found = [peer.name for peer in compare(TINY, ["vgg-fcn", "ENet"]).peers]
    assert found[0] == "ENet"
    assert len(found) == 5
    with pytest.raises(
        BudgetnetError, match="--network: must be a network or a family of networks, but got 'Enet'; did"
    ):
        compare(TINY, ["Enet"])


def test_the_report_says_what_is_over_and_what_is_under(tmp_path):
    done = run_compare(load("urban"), folder=tmp_path, screen=Console(quiet=True))
    assert sorted(path.name for path in done.written) == ["compare.csv", "compare.json", "compare.md", "compare.png"]
    rows = list(csv.DictReader((tmp_path / "compare.csv").open(newline="")))
    record = json.loads((tmp_path / "compare.json").read_text())
    assert [row["name"] for row in rows] == [each["name"] for each in record["networks"]]
    for row, each in zip(rows, record["networks"], strict=True):
        assert int(row["ops"]) == each["ops"]
        assert float(row["headroom_gops"]) == pytest.approx(300 - float(row["required_gops"]))
        assert (float(row["headroom_gops"]) >= 0) == (row["fits"] == "true")
    with Image.open(tmp_path / "compare.png") as picture:
        assert picture.format == "PNG"
    said = (tmp_path / "compare.md").read_text()
    assert "| **ENet** |" in said
    assert "fit 300 GOPS at 120 images per second" in said
    again = run_compare(load("urban"), folder=tmp_path / "again", write=False, screen=Console(quiet=True))
    assert again.written == []
    assert not (tmp_path / "again").exists()


def test_when_nothing_or_everything_fits_the_verdict_says_so():
    nothing = compare(TINY.changed(budget_gops=0.001))
    assert verdict(nothing).startswith(f"0 of {len(known())} networks fit 0.001 GOPS")
    assert LARGEST not in [peer.name for peer in nothing.peers]
    everything = compare(TINY.changed(budget_gops=1e6), ["ENet", "SegNet"])
    assert "The nearest that does not" not in verdict(everything)
    assert report(everything)[0].blocks


def test_they_are_trained_alike_and_only_once(tmp_path, capsys):
    lines = Console(file=(tmp_path / "log").open("w"), width=200)
    words = {"folder": tmp_path / "out", "names": ["ENet", "SkipNet-MobileNet"], "train": True, "screen": lines}
    first = run_compare(TINY, **words)
    rows = list(csv.DictReader((tmp_path / "out" / "compare-trained.csv").open(newline="")))
    assert all(0 <= float(row["mean_iou"]) <= 1 and int(row["epochs"]) == 1 for row in rows)
    known = ("enet", "skipnet-mobilenet")
    files = [next((tmp_path / "out" / "compare").glob(f"{name}-*")) / "run.json" for name in known]
    runs = [json.loads(path.read_text()) for path in files]
    assert runs[0]["training"] == runs[1]["training"]
    assert {run["candidate"]["network"] for run in runs} == set(known)
    made = [path.stat().st_mtime_ns for path in files]
    second = run_compare(TINY, **words)
    assert second.shown.record == first.shown.record
    assert [path.stat().st_mtime_ns for path in files] == made
    assert "mean IoU, trained alike" not in (tmp_path / "out" / "compare-trained.md").read_text()
    assert "Trained alike from random numbers" in (tmp_path / "out" / "compare-trained.md").read_text()
    assert "ENet: mean IoU" in (tmp_path / "log").read_text()
    longer = run_compare(TINY.changed(training={"epochs": 2}), **{**words, "names": ["ENet"]})
    assert longer.shown.record["networks"][0]["result"]["epochs"] == 2
    assert [path.stat().st_mtime_ns for path in files] == made  # other settings have runs of their own
    run_compare(TINY, **{**words, "train": False})
    assert "Trained alike" in (tmp_path / "out" / "compare-trained.md").read_text()
    assert longer.shown.record["made_by"]["commit"]


def test_one_that_fails_is_listed_with_its_reason(tmp_path):
    small = TINY.changed(input={"height": 32, "width": 32}, training={"batch_size": 1})
    names = ["SkipNet-MobileNet", "ENet"]
    done = run_compare(small, folder=tmp_path, names=names, train=True, screen=Console(quiet=True))
    rows = {row["name"]: row for row in csv.DictReader((tmp_path / "compare-trained.csv").open(newline=""))}
    assert rows["SkipNet-MobileNet"]["mean_iou"] == ""
    assert rows["SkipNet-MobileNet"]["reason"].startswith("a batch must hold two images or more")
    assert float(rows["ENet"]["mean_iou"]) >= 0
    assert (done.interrupted, done.all_failed) == (False, False)
    alone = run_compare(small, folder=tmp_path, names=names[:1], train=True, screen=Console(quiet=True))
    assert alone.all_failed


def test_a_stem_that_not_all_have_is_refused(tmp_path):
    stem = TINY.changed(training={"stem": "weights"})
    with pytest.raises(
        BudgetnetError, match="--train: must be without a pre-trained stem, which not all networks have"
    ):
        run_compare(stem, folder=tmp_path, train=True, screen=Console(quiet=True))


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_trained_and_the_same_command_goes_on(tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\ncameras: 4\nfps: 30\nbudget_gops: 6\nclasses: 7\ninput: {height: 64, width: 96}\n"
        "dataset: synthetic:train=8,val=4\ntraining: {epochs: 2, batch_size: 4}\n"
    )
    words = ["compare", "tiny.yaml", "--train", "--network", "ENet", "--network", "U-Net"]
    command = [sys.executable, "-m", "budgetnet", *words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    trained = tmp_path / "reports" / "tiny" / "compare"
    deadline = time.monotonic() + 120
    while not list(trained.glob("u-net-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    rows = list(csv.DictReader((tmp_path / "reports" / "tiny" / "compare-trained.csv").open(newline="")))
    assert [bool(row["mean_iou"]) for row in rows] == [True, False]
    assert rows[1]["reason"] == "interrupted: the same command goes on"
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    rows = list(csv.DictReader((tmp_path / "reports" / "tiny" / "compare-trained.csv").open(newline="")))
    assert [bool(row["mean_iou"]) for row in rows] == [True, True]
    assert len(list(trained.glob("u-net-*/run.json"))) == 1
