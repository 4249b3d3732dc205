"""`budgetnet export` as people use it: what is written, what it says, what is refused, and what it leaves behind."""

import csv
import json
import os
import re
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from deployed import images, run, session
from runs import camvid_like, set_weights, trained
from shell import Shell

from budgetnet import exporting, platforms
from budgetnet.count import count
from budgetnet.deploy.card import FILES
from budgetnet.deploy.opening import open_content
from budgetnet.deploy.report import plain
from budgetnet.errors import BudgetnetError
from budgetnet.exporting import Request, run_export
from budgetnet.kernels import kernels
from budgetnet.networks import Candidate
from budgetnet.roofline import predict, roof
from budgetnet.scenario import load as load_scenario
from budgetnet.training.finished import load

ALL = ("--onnx", "--fp16", "--int8")
WRITTEN = [
    "export-classes.csv",
    "export.csv",
    "export.md",
    "model-fp16.onnx",
    "model-int8.onnx",
    "model.json",
    "model.onnx",
]
CAMVID = os.environ.get("BUDGETNET_CAMVID", "")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return camvid_like(tmp_path_factory.mktemp("camvid"), train=9)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "0000", f"camvid:{data}", classes="lab7", epochs=12)


@pytest.fixture
def finished(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "0000"))


def exported(shell: Shell, finished: Path, *words: str) -> dict:
    done = shell("export", str(finished), *words)
    assert done.code == 0, done.err
    folder = Path(words[words.index("-o") + 1]) if "-o" in words else finished / "export"
    return json.loads((folder / "model.json").read_text())


def of(card: dict, precision: str) -> dict:
    (found,) = [each for each in card["models"] if each["precision"] == precision]
    return found


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- what is written


def test_without_words_it_is_one_fp32_model_beside_its_card_and_report(shell, finished):
    before = shell.files()
    done = shell("export", str(finished))
    assert done.code == 0
    new = [f"0000/export/{name}" for name in WRITTEN if name not in ("model-fp16.onnx", "model-int8.onnx")]
    assert shell.files() == sorted([*before, *new])
    assert set(done.err.removeprefix("Written: ").strip().split(", ")) == {str(shell.folder / name) for name in new}
    assert [path.name for path in finished.glob("**/.*")] == []


def test_the_model_gives_what_the_run_gives(shell, finished):
    exported(shell, finished)
    known = load(finished)
    given = known.scaling(torch.from_numpy(images(3, 64, 96)))
    with torch.inference_mode():
        expected = known.model().cpu()(given).numpy()
    found = open_content((finished / "export" / "model.onnx").read_bytes(), "model.onnx").run(
        None, {"images": given.numpy()}
    )[0]
    assert np.abs(found - expected).max() < 1e-4


def test_all_precisions_are_scored_as_evaluate_scores(shell, finished):
    card = exported(shell, finished, *ALL)
    assert sorted(path.name for path in (finished / "export").iterdir()) == WRITTEN
    recorded = load(finished).result.scores
    assert of(card, "fp32")["measured"]["mean_iou"] == pytest.approx(recorded.mean_iou, abs=1e-3)
    assert card["mean_iou"]["recorded_by_the_run"] == recorded.mean_iou
    assert card["mean_iou"]["data"]["digest"] == card["mean_iou"]["data"]["digest_of_the_run"]
    for precision in FILES:
        known = of(card, precision)
        assert list(known["measured"]["iou"]) == list(recorded.iou)
        lost = 100 * (of(card, "fp32")["measured"]["mean_iou"] - known["measured"]["mean_iou"])
        assert known["measured"]["points_lost"] == lost
        assert abs(lost) < 2
    assert of(card, "fp32")["against_torch"]["difference"] < 1e-4
    assert of(card, "fp32")["against_torch"]["same"] > 0.9999
    assert of(card, "int8")["against_torch"]["same"] > 0.95
    quantised, whole = of(card, "int8")["int8_convolutions"]
    assert quantised == whole > 0
    sizes = [of(card, precision)["bytes"] for precision in ("fp32", "fp16", "int8")]
    assert sizes == sorted(sizes, reverse=True)


def test_an_int8_model_alone_is_compared_with_the_fp32_one_that_is_not_written(shell, finished):
    card = exported(shell, finished, "--int8")
    assert [each["file"] for each in card["models"]] == ["model-int8.onnx"]
    assert card["mean_iou"]["fp32"]["mean_iou"] == pytest.approx(load(finished).result.scores.mean_iou, abs=1e-3)
    assert not (finished / "export" / "model.onnx").exists()


def test_the_card_tells_what_everything_is(shell, finished, data):
    card = exported(shell, finished, *ALL, "--calibration-images", "4")
    known = load(finished)
    for each in card["models"]:
        content = (finished / "export" / each["file"]).read_bytes()
        assert (each["bytes"], each["sha256"]) == (len(content), sha256(content).hexdigest())
        assert f"--onnx={each['file']} " in each["trtexec"]
        assert each["unknown_to_tensorrt"] == []
    assert card["calibration_images"] == ["train_1", "train_3", "train_5", "train_7"]
    assert card["classes"] == list(known.classes.names)
    assert card["network"]["candidate"] == known.candidate.label
    assert card["network"]["weights_sha256"] == known.weights_digest
    assert card["network"]["ops_per_image"] == known.result.ops
    assert card["input_and_output"]["input"] == "images float32 (batch, 3, 64, 96), RGB"
    assert card["input_and_output"]["output"] == "scores float32 (batch, 7, 64, 96)"
    assert card["input_and_output"]["scaling"] == "outside: (image / 255 - mean) / std"
    assert card["mean_iou"]["data"]["dataset"] == f"camvid:{data}"
    assert card["fit"] is None
    assert {"commit", "torch", "onnx", "onnxruntime", "machine", "command"} <= set(card["made_by"])


def test_reports_say_what_the_card_says(shell, finished):
    card = exported(shell, finished, *ALL)
    rows = table(finished / "export" / "export.csv")
    assert [(row["file"], row["sha256"], float(row["mean_iou"])) for row in rows] == [
        (each["file"], each["sha256"], each["measured"]["mean_iou"]) for each in card["models"]
    ]
    rows = table(finished / "export" / "export-classes.csv")
    assert [row["class"] for row in rows] == [*of(card, "int8")["measured"]["iou"], "mean"]
    lost = [*of(card, "int8")["measured"]["points_lost_by_class"].values(), of(card, "int8")["measured"]["points_lost"]]
    assert [row["int8_lost"] for row in rows] == ["" if each is None else str(each) for each in lost]
    told = (finished / "export" / "export.md").read_text()
    assert all(each["sha256"][:12] in told for each in card["models"])
    assert "Calibrated on 9 images: train_0, train_1," in told


def test_the_screen_ends_with_the_verdict_and_the_command_lines_for_the_target(shell, finished):
    card = exported(shell, finished, *ALL)
    done = shell("export", str(finished), *ALL)
    *_, heading, first, second, third = done.out.splitlines()
    assert heading == "On the target, beside the files:"
    assert [first, second, third] == [each["trtexec"] for each in card["models"]]
    assert third.startswith("trtexec --onnx=model-int8.onnx --saveEngine=model-int8.engine --int8 --fp16 ")
    told = " ".join(done.out.split()).partition(" On the target")[0]
    assert re.search(
        r"fp32: largest difference \S+ of scores up to \S+ from torch, 100.00 % of pixels of the same", told
    )
    assert re.search(r"int8: .+; mean IoU 0\.\d{4}, -?\d\.\d\d points lost\.$", told)
    assert "Exported 0.25 / Conv2d_13_pointwise / fcn / 3 / 32 as model.onnx, model-fp16.onnx, model-int8.onnx." in told


def test_of_a_network_that_tensorrt_does_not_read_it_is_told(shell, tmp_path):
    network = Candidate.of("segnet", {"depth_multiplier": 0.125})
    finished = trained(tmp_path / "run", "synthetic:train=4,val=2", candidate=network)
    done = shell("export", str(finished), *ALL)
    assert done.code == 0
    assert "trtexec" not in done.out
    card = json.loads((finished / "export" / "model.json").read_text())
    assert [each["unknown_to_tensorrt"] for each in card["models"]] == [["MaxUnpool"]] * 3
    assert [each["trtexec"] for each in card["models"]] == [None] * 3
    told = (finished / "export" / "export.md").read_text()
    assert "TensorRT does not read MaxUnpool of model-int8.onnx; ONNX Runtime does." in told


def test_a_loss_of_nothing_has_no_sign(shell, finished):
    told = shell("export", str(finished), *ALL).out + (finished / "export" / "export.md").read_text()
    assert "-0.00" not in told
    assert " 0.00 " in told


def test_who_watches_sees_what_takes_time(shell, finished, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    told = shell("export", str(finished), "--int8").err
    assert all(name in told for name in ("reading", "calibrating", "scoring fp32", "scoring int8"))


# --- forms


def test_scaling_and_argmax_go_inside(shell, finished):
    card = exported(shell, finished, *ALL, "--with-scaling", "--with-argmax")
    assert card["input_and_output"]["input"] == "images uint8 (batch, 3, 64, 96), RGB"
    assert card["input_and_output"]["output"] == "classes uint8 (batch, 64, 96)"
    assert card["input_and_output"]["scaling"] == "inside"
    plain = exported(shell, finished, "-o", "plain")
    assert of(card, "fp32")["measured"] == of(plain, "fp32")["measured"]
    known, given = load(finished), images(2, 64, 96)
    found = run((finished / "export" / "model.onnx").read_bytes(), given)
    scores = run(Path("plain/model.onnx").read_bytes(), known.scaling(torch.from_numpy(given)).numpy())
    assert (found == scores.argmax(axis=1)).all()


def test_another_odd_size(shell, finished):
    card = exported(shell, finished, *ALL, "--size", "61x93")
    assert card["input_and_output"]["input"] == "images float32 (batch, 3, 61, 93), RGB"
    assert (card["mean_iou"]["data"]["height"], card["mean_iou"]["data"]["width"]) == (61, 93)
    assert of(card, "fp32")["against_torch"]["difference"] < 1e-4
    assert card["network"]["ops_per_image"] != load(finished).result.ops


@pytest.mark.parametrize(
    ("words", "recorded", "told"),
    [
        ((), 0.0, None),
        ((), 0.0049, None),
        ((), 0.0051, "Mean IoU is 0.51 points below the "),
        ((), -0.02, "Mean IoU is 2.00 points above the "),
        (("--int8",), 0.02, "Mean IoU in fp32 is 2.00 points below the "),
        (("--size", "61x93"), 0.0, "Mean IoU is as good as the "),
        (("--size", "61x93"), 0.001, "Mean IoU is 0.10 points below the "),
    ],
)
def test_how_far_mean_iou_lies_from_what_the_run_recorded(shell, finished, words, recorded, told):
    record = json.loads((finished / "run.json").read_text())
    before = exported(shell, finished, *words)["mean_iou"]["fp32"]["mean_iou"] + recorded
    record["result"]["scores"]["mean_iou"] = before
    (finished / "run.json").write_text(json.dumps(record))
    done = shell("export", str(finished), *words)
    assert done.code == 0, done.err
    card = json.loads((finished / "export" / "model.json").read_text())
    assert card["mean_iou"]["recorded_at"] == {"height": 64, "width": 96}
    for text in (done.out, (finished / "export" / "export.md").read_text()):
        said = " ".join(text.split())
        if told is None:
            assert "that the run recorded" not in said
        else:
            assert f"{told}{before:.4f} that the run recorded at 64 x 96." in said


def test_a_fixed_number_of_images_at_once(shell, finished):
    card = exported(shell, finished, *ALL, "--batch", "2")
    for each in card["models"]:
        content = (finished / "export" / each["file"]).read_bytes()
        assert session(content).get_inputs()[0].shape == [2, 3, 64, 96]
        assert each["against_torch"]["batches"] == [2]
        assert "hapes=" not in each["trtexec"]
    free = exported(shell, finished, *ALL, "-o", "free")
    for precision in FILES:
        assert of(free, precision)["measured"]["mean_iou"] == pytest.approx(
            of(card, precision)["measured"]["mean_iou"], abs=1e-3
        )


def test_models_tell_of_themselves(shell, finished):
    exported(shell, finished, "--int8", "--with-scaling")
    known = load(finished)
    model = onnx.load(finished / "export" / "model-int8.onnx")
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["classes"]) == list(known.classes.names)
    assert (told["candidate"], told["weights_sha256"]) == (known.candidate.label, known.weights_digest)
    assert (told["scaling"], told["precision"]) == ("inside", "int8")
    assert json.loads(told["mean"]) == list(known.scaling.mean)


def test_the_same_run_gives_the_same_bytes(shell, finished):
    exported(shell, finished, *ALL)
    first = {path.name: path.read_bytes() for path in (finished / "export").iterdir()}
    exported(shell, finished, *ALL)
    assert {path.name: path.read_bytes() for path in (finished / "export").iterdir()} == first


def test_what_a_later_export_does_not_write_does_not_stay(shell, finished):
    exported(shell, finished, *ALL)
    (finished / "export" / "notes.txt").write_text("mine")
    exported(shell, finished, "--fp16")
    left = {path.name for path in (finished / "export").iterdir()}
    assert left == {"export-classes.csv", "export.csv", "export.md", "model-fp16.onnx", "model.json", "notes.txt"}


# --- data


def test_data_that_are_gone_leave_a_model_without_scores(shell, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    finished = trained(tmp_path / "run", f"camvid:{folder}", classes="lab7")
    shutil.rmtree(folder)
    card = exported(shell, finished, "--fp16")
    assert of(card, "fp16")["measured"] is None
    assert of(card, "fp16")["against_torch"]["images"] == 2
    assert card["mean_iou"]["fp32"] is None
    assert card["mean_iou"]["data"] is None
    told = (finished / "export" / "export.md").read_text()
    assert "Mean IoU was not measured, since the run's data are not here (--dataset names them)" in told
    told = shell.refused("export", str(finished), "--int8")
    assert told.startswith(f"Error: {folder}: must be a folder that can be read")
    assert told.endswith(f"the run was trained on camvid:{folder}; --dataset names other data")


def test_a_calibration_image_that_cannot_be_read_is_named(shell, finished, data, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    (folder / "train" / "train_1.png").write_bytes(b"spoilt")
    told = shell.refused("export", str(finished), "--int8", "--dataset", f"camvid:{folder}")
    assert told.startswith(f"Error: {folder}/train/train_1.png: must be a whole PNG or JPEG that can be read")
    assert not (finished / "export").exists()


def test_named_data_must_be_there(shell, finished):
    told = shell.refused("export", str(finished), "--dataset", "camvid:nowhere")
    assert told.startswith("Error: nowhere: must be a folder that can be read")


def test_images_that_do_not_fit_in_memory_score_the_same(shell, finished):
    card = exported(shell, finished, *ALL)
    mapped = exported(shell, finished, *ALL, "--memory-limit", "0.0001")
    assert mapped["models"] == card["models"]
    assert sorted(path.name for path in (finished / "export").iterdir()) == WRITTEN


def test_calibration_reads_one_image_after_the_other(finished, monkeypatch):
    """Training images are never all in memory: no split of them is read."""
    read: list[tuple[str, ...]] = []
    real = exporting.export_data.load_kept

    def watched(spec, source, splits, *rest):
        read.append(splits)
        return real(spec, source, splits, *rest)

    monkeypatch.setattr(exporting.export_data, "load_kept", watched)
    run_export(Request(run=finished, precisions=("int8",)))
    assert read == [("val",)]


# --- scenario and platform


SCENARIO = """\
name: yard
cameras: 2
fps: 10
budget_gops: 20
classes: 7
input: {height: 64, width: 96}
platform: jetson-tx2
"""


def test_it_is_judged_by_a_scenario_and_its_platform(shell, finished):
    Path("yard.yaml").write_text(SCENARIO)
    card = exported(shell, finished, "--scenario", "yard.yaml")
    known, scenario = load(finished), load_scenario("yard.yaml")
    fit, platform = card["fit"]["scenario"], card["fit"]["platform"]
    needed = known.result.ops * float(scenario.images_per_second) / 1e9
    assert fit["required_gops"] == pytest.approx(needed)
    assert (fit["fits"], fit["over"], fit["available_gops"]) == (True, [], 20.0)
    assert platform["name"] == "NVIDIA Jetson TX2"
    assert platform["board_peak_gops"] == {"fp32": 670.0, "fp16": 1330.0}
    assert platform["share_of_board_peak"]["fp32"] == pytest.approx(needed / 670)
    assert {each["engine"] for each in platform["predicted"].values()} == {"Pascal GPU"}
    assert "It fits scenario yard at 64 x 96: it needs 0." in (finished / "export" / "export.md").read_text()


GROUPS = SCENARIO.replace("cameras: 2", "cameras:\n  - {name: front, count: 2, crop: {height: 32, width: 96}}")


@pytest.mark.parametrize("words", [SCENARIO.replace("64", "32"), GROUPS], ids=["cameras", "group"])
def test_a_scenario_with_one_camera_group_judges_the_exported_size(shell, finished, words):
    """Not its own: the file takes no other images than those it was made for."""
    needed = load(finished).result.ops * 20 / 1e9
    Path("yard.yaml").write_text(words.replace("budget_gops: 20", f"budget_gops: {0.9 * needed:.6f}"))
    card = exported(shell, finished, "--scenario", "yard.yaml")
    fit = card["fit"]["scenario"]
    assert fit["required_gops"] == pytest.approx(needed)
    assert (fit["fits"], fit["sizes"], fit["ops_per_image"]) == (False, ["64 x 96"], card["network"]["ops_per_image"])
    told = shell("export", str(finished), "--scenario", "yard.yaml").out
    assert "It does not fit (budget_gops) scenario yard at 64 x 96: it needs " in " ".join(told.split())
    small = exported(shell, finished, "--scenario", "yard.yaml", "--size", "32x96")
    assert (small["fit"]["scenario"]["fits"], small["fit"]["scenario"]["sizes"]) == (True, ["32 x 96"])


def test_of_several_camera_groups_one_has_the_exported_size(shell, finished):
    back = "\n  - {name: back, input: {height: 96, width: 96}}"
    Path("yard.yaml").write_text(GROUPS.replace("}}\nfps", f"}}}}{back}\nfps"))
    assert shell.refused("export", str(finished), "--scenario", "yard.yaml") == (
        "Error: --scenario: must have a camera group whose images are of the exported size, 64x96, but 'yard' has "
        "front 32x96, back 96x96"
    )
    card = exported(shell, finished, "--scenario", "yard.yaml", "--size", "96x96")
    costs = [count(load(finished).candidate.graph(classes=7, height=height, width=96)).total.ops for height in (32, 96)]
    assert card["fit"]["scenario"]["required_gops"] == pytest.approx((20 * costs[0] + 10 * costs[1]) / 1e9)
    assert "It fits scenario yard at 32 x 96 and 96 x 96: it needs " in (finished / "export" / "export.md").read_text()


@pytest.mark.parametrize(
    ("platform", "name"), [("hailo-8", "Hailo-8"), ("raspberry-pi-5", "Raspberry Pi 5"), ("tesla-fsd-chip", "Tesla")]
)
def test_where_tensorrt_does_not_run_there_is_no_line_for_it(shell, finished, platform, name):
    card = exported(shell, finished, "--onnx", "--int8", "--platform", platform)
    assert card["fit"]["platform"]["tensorrt"] is False
    assert [each["trtexec"] for each in card["models"]] == [None, None]
    done = shell("export", str(finished), "--int8", "--platform", platform)
    report = (finished / "export" / "export.md").read_text()
    for told in (done.out, report):
        assert "trtexec" not in told
        assert "On the target" not in told
        said = re.search(r"TensorRT does not run on ([^;]+); its own tools take (\S+)\.(\s|$)", " ".join(told.split()))
        assert said is not None
        assert said[1].startswith(name)
        assert said[2] == "model-int8.onnx"


def test_facts_are_written_for_people_and_the_card_keeps_all_digits(shell, finished):
    Path("yard.yaml").write_text(SCENARIO)
    card = exported(shell, finished, "--scenario", "yard.yaml")
    told = (finished / "export" / "export.md").read_text()
    for line in (
        f"| ops_per_image | {card['network']['ops_per_image']:,} |",
        f"| mean | {', '.join(f'{each:.4g}' for each in card['input_and_output']['mean'])} |",
        "| scenario fits | yes |",
        "| scenario over | none |",
        f"| scenario utilisation | {card['fit']['scenario']['utilisation']:.4g} |",
        "| platform board_peak_gops fp16 | 1,330 |",
    ):
        assert line in told
    assert "| parameters | depth_multiplier=0.25, final_endpoint=Conv2d_13_pointwise, " in told
    assert not re.search(
        r"[{}\[]|True|False|None|\d\.\d{8}", told.partition("## Made by")[0].partition("## Network")[2]
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        ([], "none"),
        ({"a": 1234, "b": [0.5, 1.0]}, "a=1,234, b=0.5, 1"),
        (1322123040, "1,322,123,040"),
        (0.104477000000000123, "0.1045"),
        (12345.678, "12,350"),
        ("1234", "1234"),
    ],
)
def test_a_fact_as_people_read_it(value, told):
    assert plain(value) == told


def test_the_card_tells_how_long_an_image_takes_as_a_plan_predicts_it(shell, finished):
    card = exported(shell, finished, "--platform", "jetson-tx2", "--size", "65x97")
    known = load(finished)
    steps = kernels(known.candidate.graph(classes=7, height=65, width=97))
    told = card["fit"]["platform"]["predicted"]
    assert set(told) == {"fp32", "fp16"}
    for precision, each in told.items():
        made = predict(steps, roof(platforms.load("jetson-tx2"), precision))
        assert each["milliseconds"] == pytest.approx(1000 * made.seconds)
        assert each["most_milliseconds"] == pytest.approx(1000 * made.band[1])
    text = " ".join((finished / "export" / "export.md").read_text().split())
    assert f"On NVIDIA Jetson TX2 an image takes {told['fp32']['milliseconds']:.3g} ms in fp32 (" in text


def test_another_platform_and_a_budget_that_is_too_small(shell, finished):
    Path("yard.yaml").write_text(SCENARIO.replace("budget_gops: 20", "budget_gops: 0.001"))
    card = exported(shell, finished, "--scenario", "yard.yaml", "--platform", "jetson-agx-xavier")
    assert card["fit"]["scenario"]["over"] == ["budget_gops"]
    assert card["fit"]["platform"]["name"] == "NVIDIA Jetson AGX Xavier"
    assert (
        "It does not fit (budget_gops) scenario yard at 64 x 96: it needs "
        in (finished / "export" / "export.md").read_text()
    )
    alone = exported(shell, finished, "--platform", "jetson-tx2")
    assert set(alone["fit"]) == {"platform"}
    assert "share_of_board_peak" not in alone["fit"]["platform"]


def test_a_scenario_that_cannot_judge_it(shell, finished):
    told = shell.refused("export", str(finished), "--scenario", "camvid-urban")
    assert told == "Error: --scenario: must have as many classes as the run, 7, but 'camvid-urban' has 11"
    Path("two.yaml").write_text(
        SCENARIO.replace("cameras: 2", "cameras:\n  - {name: a, count: 1, network: unet}\n  - {name: b, count: 1}")
    )
    told = shell.refused("export", str(finished), "--scenario", "two.yaml")
    assert told.startswith("Error: --scenario: must choose one network, but 'yard' chooses ")
    assert "must be a known platform" in shell.refused("export", str(finished), "--platform", "abacus")


# --- what is refused


def test_folders_that_are_no_runs(shell, finished, tmp_path):
    assert "must be a file that can be read" in shell.refused("export", "nowhere")
    (finished / "weights.safetensors").write_bytes(b"spoilt")
    told = shell.refused("export", str(finished))
    assert told.startswith(f"Error: {finished}/weights.safetensors: must be a whole safetensors file")
    assert not (finished / "export").exists()


def test_weights_of_another_network(shell, finished):
    set_weights(finished, {"other": torch.zeros(3)})
    told = shell.refused("export", str(finished))
    assert "weights.safetensors: must hold the weights of " in told
    assert not (finished / "export").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--size", "30x40"), "--size: sides must be 32 to 8192, but got '30x40'"),
        (("--size", "large"), "--size: must be HEIGHTxWIDTH, such as 320x480, but got 'large'"),
    ],
)
def test_words_that_mean_nothing(shell, finished, words, told):
    assert shell.refused("export", str(finished), *words) == f"Error: {told}"


@pytest.mark.parametrize("words", [("--batch", "0"), ("--calibration-images", "0"), ("--memory-limit", "-1")])
def test_numbers_out_of_range(shell, finished, words):
    assert shell("export", str(finished), *words).code == 2
    assert not (finished / "export").exists()


def test_an_output_that_cannot_be_a_folder(shell, finished):
    Path("out").write_text("a file")
    told = shell.refused("export", str(finished), "-o", "out/export")
    assert told == "Error: out/export: must be a folder that can be written, but got Not a directory"


def test_a_model_that_computes_something_else_is_not_written(shell, finished, monkeypatch):
    real = exporting.emit

    def wrong(graph, weights, form):
        spoilt = {name: value * 1.5 if name.endswith("bias") else value for name, value in weights.items()}
        return real(graph, spoilt, form)

    exported(shell, finished)
    before = {path: path.read_bytes() for path in (finished / "export").iterdir()}
    monkeypatch.setattr(exporting, "emit", wrong)
    told = shell.refused("export", str(finished), *ALL)
    assert re.match(r"Error: model\.onnx: must give torch's scores within 0\.0001 of the largest, ", told)
    assert told.endswith("; nothing was written")
    assert {path: path.read_bytes() for path in (finished / "export").iterdir()} == before
    shell.refused("export", str(finished), "-o", "new")
    assert not Path("new").exists()


def test_numbers_too_large_for_fp16_are_told(shell, finished):
    weights = dict(load(finished).weights)
    name = next(name for name in weights if name.endswith("classification.convolution.weight"))
    set_weights(finished, {**weights, name: weights[name] * 1e9})
    assert shell("export", str(finished)).code == 0
    with np.errstate(over="ignore"):
        told = shell.refused("export", str(finished), "--fp16")
    assert told == "Error: model-fp16.onnx: must give finite scores, but gives others; nothing was written"


@pytest.mark.parametrize("error", [BudgetnetError("no"), KeyboardInterrupt(), RuntimeError("a bug")])
@pytest.mark.parametrize("place", ["quantise", "verify"])
def test_nothing_is_left_whatever_happens(finished, tmp_path, monkeypatch, error, place):
    before = sorted(tmp_path.rglob("*"))

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(exporting, place, fail)
    kind = exporting.InterruptedExportError if isinstance(error, KeyboardInterrupt) else type(error)
    with pytest.raises(kind):
        run_export(Request(run=finished, precisions=("fp32", "int8"), memory_limit=0))
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_ends_it_with_130(shell, finished, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "verify", stopped)
    done = shell("export", str(finished))
    assert (done.code, done.out) == (130, "")
    assert done.err == "Interrupted: nothing is written. The same command begins anew.\n"
    assert not (finished / "export").exists()


# --- the published networks on real images


@pytest.mark.slow
@pytest.mark.skipif(not CAMVID, reason="BUDGETNET_CAMVID names no folder with CamVid")
@pytest.mark.parametrize("name", ["urban"])  # parking: test_docs_export
def test_int8_costs_the_published_networks_half_a_point_at_most(name, tmp_path):
    folder = ROOT / "reports" / "camvid" / name
    done = run_export(
        Request(
            run=folder,
            precisions=("fp32", "fp16", "int8"),
            spec=f"camvid:{CAMVID}",
            scenario=f"camvid-{name}",
            folder=tmp_path,
        )
    )
    assert {path.name for path in done.written} == set(WRITTEN)
    card = json.loads((tmp_path / "model.json").read_text())
    expected = load(folder).result.scores.mean_iou
    assert of(card, "fp32")["measured"]["mean_iou"] == pytest.approx(expected, abs=2e-4)
    assert of(card, "fp16")["measured"]["points_lost"] < 0.05
    assert of(card, "int8")["measured"]["points_lost"] < 0.5
    assert card["fit"]["scenario"]["over"] == ["budget_gops"]  # at 360 x 480; the budgets are for 320 x 480
