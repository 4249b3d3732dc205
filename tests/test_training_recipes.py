"""What recipes ask of a training: parts, averages, the best epoch, early stops, stems, teachers; and going on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from budgetnet import stems
from budgetnet.build import build
from budgetnet.classes import IGNORE
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.results import Result, Run, Step, TrainingError, UnfinishedError
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training import loop
from budgetnet.training.candidate import evaluator
from budgetnet.training.finished import load
from budgetnet.training.loop import CHECKPOINT
from budgetnet.training.objective import Teacher
from budgetnet.training.optimizing import Average, optimizer, set_rate
from budgetnet.training_settings import Training

SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})

STRONG = {
    "optimizer": "adamw",
    "schedule": "one-cycle",
    "warm_up": 0.3,
    "stem_rate": 0.5,
    "weight_decay": 0.01,
    "parts": 2,
    "loss": "weighted_cross_entropy + 0.5 * iou",
    "class_weights": "inverse-log",
    "flip": True,
    "smallest_scale": 0.5,
    "largest_scale": 2.0,
    "crop": 0.7,
    "paste": 0.5,
    "photometric": 0.3,
    "averaging": 0.9,
    "keep": "best",
}


@pytest.fixture(scope="module")
def dataset():
    return keeping.load("synthetic:train=10,val=4", classes=7, height=64, width=96)


def asked(**training) -> Scenario:
    settings = Training.model_validate({"epochs": 3, "batch_size": 4, **training})
    size = InputSize(height=64, width=96)
    return Scenario(name="test", cameras=1, fps=10, budget_gops=10, classes=7, input=size, training=settings)


def told(result: Result) -> list[list[float]]:
    return [[row[key] for key in ("epoch", "loss", "mean_iou", "learning_rate")] for row in result.history]


def train(dataset, folder: Path, run: Run | None = None, **training) -> Result:
    return evaluator(asked(**training), dataset, {})(SMALL, run or Run(number=0, folder=folder))


PLATEAU = {"schedule": "plateau", "patience": 1, "optimizer": "sgd"}


@pytest.mark.parametrize(
    "training", [STRONG, pytest.param(PLATEAU, marks=pytest.mark.slow), pytest.param({}, marks=pytest.mark.slow)]
)
def test_a_training_stopped_after_any_step_ends_as_an_uninterrupted_one(dataset, tmp_path, training):
    whole = train(dataset, tmp_path / "whole", **training)
    weights = (tmp_path / "whole" / "weights.safetensors").read_bytes()
    for stops_after in (1, 4, 5):  # within the first epoch, within the second
        folder = tmp_path / f"stopped{stops_after}"
        done: list[Step] = []
        run = Run(number=0, folder=folder, progress=done.append, interrupted=lambda: len(done) >= stops_after)  # noqa: B023
        with pytest.raises(UnfinishedError):
            train(dataset, folder, run, **training)
        more: list[Step] = []
        again = train(dataset, folder, Run(number=0, folder=folder, progress=more.append), **training)
        assert (more[0].epoch, more[0].batch) == divmod(stops_after, 3)[0] * (1, 0) or more[0].batch > 1
        assert len(done) + len(more) == 9
        assert told(again) == told(whole)
        assert again.scores == whole.scores
        assert (folder / "weights.safetensors").read_bytes() == weights


def test_long_epochs_are_kept_on_disk_within(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    kept: list[int] = []
    save = loop.checkpoint.save

    def counting(path, state, *, identity):
        kept.append(len(state.losses))
        save(path, state, identity=identity)

    monkeypatch.setattr(loop.checkpoint, "save", counting)
    train(dataset, tmp_path, epochs=2)
    assert kept == [1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize(("broken", "kept"), [(2, 0), (5, 1)])
def test_gradients_that_are_not_finite_ruin_nothing(dataset, tmp_path, monkeypatch, broken, kept):
    """A loss may be finite and a gradient not: what is kept on disk is the state before it, and goes on."""
    expected = told(train(dataset, tmp_path / "whole", epochs=3))
    done, step = [], loop.Team.step

    def breaking(team, images, labels):
        loss = step(team, images, labels)
        done.append(loss)
        if len(done) == broken:
            team._weights[0].grad[0, 0, 0, 0] = float("nan")
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(loop.Team, "step", breaking)
        with pytest.raises(TrainingError) as refused:
            train(dataset, tmp_path / "broken", epochs=3)
    epoch, batch = divmod(broken - 1, 3)
    left = "the last good state is kept" if kept else "nothing is kept yet"
    rule = rf"gradients must be finite, but are not \(the loss is [\d.]+\) in batch {batch + 1} of epoch {epoch + 1} "
    assert re.fullmatch(rf"{rule}\(training images [\d, ]+\); {left}", str(refused.value))
    assert (tmp_path / "broken" / CHECKPOINT).exists() is bool(kept)
    assert told(train(dataset, tmp_path / "broken", epochs=3)) == expected


@pytest.mark.parametrize(("broken", "seconds"), [(6, 300.0), (5, 0.0)])
def test_weights_that_are_not_finite_are_not_kept(dataset, tmp_path, monkeypatch, broken, seconds):
    """Neither at the end of an epoch nor within it."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", seconds)
    train(dataset, tmp_path / "whole", epochs=2)
    stepping = torch.optim.Adam.step
    steps = []

    def breaking(optimizer, closure=None):
        stepping(optimizer)
        steps.append(1)
        if len(steps) == broken:  # the last of the second epoch, or the one before
            optimizer.param_groups[0]["params"][0].data[0, 0, 0, 0] = float("inf")

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", breaking)
        with pytest.raises(TrainingError, match="weights must be finite, but are not in epoch 2; the last good state"):
            train(dataset, tmp_path / "broken", epochs=2)
    assert len(torch.load(tmp_path / "broken" / CHECKPOINT, weights_only=True)["history"]) == 1
    train(dataset, tmp_path / "broken", epochs=2)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def test_a_training_that_knew_fewer_fields_goes_on(dataset, tmp_path):
    """An earlier version's checkpoint and finished run lack the fields that have come since."""
    whole = train(dataset, tmp_path / "whole", epochs=2)
    with pytest.raises(UnfinishedError):
        train(dataset, tmp_path, Run(number=0, folder=tmp_path, expired=lambda: True), epochs=2)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    identity = json.loads(kept["identity"])
    del identity["training"]["paste"]
    torch.save({**kept, "identity": json.dumps(identity)}, tmp_path / CHECKPOINT)
    more: list[Step] = []
    run = Run(number=0, folder=tmp_path, progress=more.append, replaces=False)
    assert told(train(dataset, tmp_path, run, epochs=2)) == told(whole)
    assert {step.epoch for step in more} == {2}
    record = json.loads((tmp_path / "run.json").read_text())
    del record["training"]["paste"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    more.clear()
    assert told(train(dataset, tmp_path, run, epochs=2)) == told(whole)
    assert more == []


def test_the_best_epochs_weights_are_kept_and_scored(dataset, tmp_path):
    result = train(dataset, tmp_path, epochs=6, learning_rate=0.02, keep="best")
    qualities = [row["mean_iou"] for row in result.history]
    assert result.scores.mean_iou == max(qualities)
    last = train(dataset, tmp_path / "last", epochs=6, learning_rate=0.02)
    assert [row["mean_iou"] for row in last.history] == qualities
    assert last.scores.mean_iou == qualities[-1]


def test_it_stops_early_when_nothing_gets_better(dataset, tmp_path):
    result = train(dataset, tmp_path, epochs=40, learning_rate=1e-6, early_stop=2, keep="best")
    qualities = [row["mean_iou"] for row in result.history]
    best = int(np.argmax(qualities))
    assert result.epochs == best + 1 + 2 < 40


def test_validation_may_be_rare_and_the_last_epoch_has_its_own(dataset, tmp_path):
    result = train(dataset, tmp_path, epochs=5, validate_every=2)
    assert [row["mean_iou"] is not None for row in result.history] == [False, True, False, True, True]
    assert (tmp_path / "history.csv").read_text().splitlines()[1].split(",")[2] == ""


def test_rates_follow_the_schedule_and_the_stem_has_its_own():
    model = build(SMALL.graph(classes=7, height=64, width=64), seed=0)
    settings = Training(optimizer="adamw", weight_decay=0.1, stem_rate=0.25, learning_rate=0.01)
    made = optimizer(model, settings)
    set_rate(made, 0.004)
    stem = {id(each) for each in model.part_parameters("stem")}
    for group in made.param_groups:
        for each in group["params"]:
            assert group["lr"] == pytest.approx(0.001 if id(each) in stem else 0.004)
            assert group["weight_decay"] == (0.1 if each.ndim > 1 else 0.0)
    assert sum(len(group["params"]) for group in made.param_groups) == len(list(model.parameters()))


def test_decoupled_decay_of_sgd_shrinks_kernels_alone():
    model = build(SMALL.graph(classes=7, height=64, width=64), seed=0)
    made = optimizer(model, Training(optimizer="sgd", weight_decay=0.1))
    set_rate(made, 0.5)
    before = [each.detach().clone() for each in model.parameters()]
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    made.step()
    for each, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(each.detach(), old * (0.95 if each.ndim > 1 else 1.0))


def test_the_average_moves_slowly_and_first_quickly():
    model = torch.nn.Linear(2, 1)
    average = Average(model, 0.9)
    with torch.no_grad():
        old = model.weight.clone()
        model.weight.add_(1.0)
    average.update(model, 0)
    torch.testing.assert_close(average.model.weight, old + 0.9)
    for steps in range(1000, 1003):
        average.update(model, steps)
    torch.testing.assert_close(average.model.weight, old + 1 - 0.1 * 0.9**3)


def test_a_frozen_stem_stays_as_it_came(dataset, tmp_path):
    train(dataset, tmp_path, stem_rate=0.0, epochs=1)
    fresh = build(SMALL.graph(classes=7, height=64, width=96), seed=0).state_dict()
    trained = load_file(tmp_path / "weights.safetensors")
    for name, tensor in fresh.items():
        assert torch.equal(trained[name], tensor) == name.startswith("MobilenetV1/".replace("/", ".")), name


def test_a_stem_brings_its_weights_and_its_scaling(dataset, tmp_path):
    source = build(
        Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=7, height=64, width=96), seed=5
    )
    stem_file = tmp_path / "mobilenet_2_5_224_tf_no_top.safetensors"
    save_stem(source, stem_file)
    train(dataset, tmp_path / "run", stem=str(stem_file), stem_rate=0.0, epochs=1)
    trained = load_file(tmp_path / "run" / "weights.safetensors")
    for name, tensor in source.state_dict().items():
        if name.startswith("MobilenetV1") and "batches" not in name:
            assert torch.equal(trained[name], tensor)
    found = load(tmp_path / "run")
    assert (found.scaling.mean, found.scaling.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["stem"]["origin"] == stem_file.name


def save_stem(model, path: Path) -> None:
    from safetensors.torch import save_file

    state = {name: each.contiguous() for name, each in model.state_dict().items() if name.startswith("MobilenetV1")}
    save_file(state, path)


def test_a_stem_that_is_not_there_fails_the_training_with_the_reason(dataset, tmp_path):
    with pytest.raises(TrainingError, match="must be"):
        train(dataset, tmp_path, stem=str(tmp_path / "none.h5"))
    assert stems.__doc__


def test_a_teacher_teaches(dataset, tmp_path):
    train(dataset, tmp_path / "teacher", epochs=2)
    plain = train(dataset, tmp_path / "plain", epochs=2)
    taught = train(dataset, tmp_path / "taught", epochs=2, teacher=str(tmp_path / "teacher"), teacher_weight=2.0)
    assert told(plain) != told(taught)
    record = json.loads((tmp_path / "taught" / "run.json").read_text())
    assert record["teacher"]["weights_sha256"] == load(tmp_path / "teacher").weights_digest


def test_what_a_teacher_says_is_followed(dataset, tmp_path):
    train(dataset, tmp_path, epochs=1)
    run, settings = load(tmp_path), Training(teacher="x", teacher_weight=3.0, teacher_temperature=2.0)
    teacher = Teacher.of(run, settings, 64, 96)
    images = torch.from_numpy(dataset.train.images[:2]).permute(0, 3, 1, 2)
    with torch.no_grad():
        own = run.model()(run.scaling(images))
    labels = torch.from_numpy(dataset.train.labels[:2])
    assert teacher.loss(own, images, labels).item() == pytest.approx(0, abs=1e-5)
    said = torch.zeros_like(own)
    expected = (own / 2).log_softmax(dim=1)
    divergence = (expected.exp() * (expected - (said / 2).log_softmax(dim=1))).sum(dim=1)[labels != IGNORE].mean()
    assert teacher.loss(said, images, labels).item() == pytest.approx(3 * 4 * divergence.item(), rel=1e-4)
    small = torch.zeros(2, 7, 16, 24, requires_grad=True)  # scores before they are resized
    before = teacher.loss(small, images, labels)
    before.backward()
    assert teacher.loss(small.detach() - 100 * small.grad, images, labels) < before


def test_a_teacher_says_nothing_of_what_has_no_label(dataset, tmp_path):
    train(dataset, tmp_path, epochs=1)
    teacher = Teacher.of(load(tmp_path), Training(teacher="x"), 64, 96)
    images = torch.from_numpy(dataset.train.images[:2]).permute(0, 3, 1, 2)
    labels = torch.zeros(2, 64, 96, dtype=torch.uint8)
    labels[:, :, 48:] = IGNORE
    said = torch.zeros(2, 7, 64, 96, requires_grad=True)
    whole = teacher.loss(said, images, labels)
    whole.backward()
    assert said.grad[:, :, :, :48].abs().min() > 0
    assert not said.grad[:, :, :, 48:].any()
    other = said.detach().clone()
    other[:, 0, :, 48:] = 100
    assert torch.equal(teacher.loss(other, images, labels), whole)
    said.grad = None
    nothing = teacher.loss(said, images, torch.full_like(labels, IGNORE))
    nothing.backward()
    assert nothing == 0
    assert not said.grad.any()


def test_a_teacher_of_other_classes_is_refused(dataset, tmp_path):
    two = keeping.load("synthetic:train=4,val=2", classes=2, height=64, width=96)
    scenario = asked(epochs=1).changed(classes=2)
    evaluator(scenario, two, {})(SMALL, Run(number=0, folder=tmp_path / "two"))
    with pytest.raises(BudgetnetError, match=r"teacher: must tell the classes sky, .* apart, but got one of road"):
        evaluator(asked(teacher=str(tmp_path / "two")), dataset, {})
    with pytest.raises(BudgetnetError, match=r"run.json: must be a file that can be read"):
        evaluator(asked(teacher=str(tmp_path / "none")), dataset, {})


def test_more_parts_than_images_are_refused(dataset, tmp_path):
    rule = "parts must be at most the images of each batch, here 3, but got 4"
    with pytest.raises(TrainingError, match=rule):
        train(dataset, tmp_path, parts=4)


def test_a_loss_that_is_not_finite_keeps_the_last_good_state(dataset, tmp_path, monkeypatch):
    calls = iter(range(100))
    step = loop.Team.step

    def breaking(self, images, labels):
        return float("nan") if next(calls) == 4 else step(self, images, labels)

    monkeypatch.setattr(loop.Team, "step", breaking)
    said = r"loss must be finite, but got nan in batch 2 of epoch 2 \(training images \d+(, \d+)*\); the last good"
    with pytest.raises(TrainingError, match=said):
        train(dataset, tmp_path)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert [row["epoch"] for row in kept["history"]] == [1]
