"""Training on a handful of small real scenes: it learns, repeats, resumes, and says why when it cannot go on."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from budgetnet.build import build
from budgetnet.classes import IGNORE
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.results import Result, Run, Step, TrainingError, UnfinishedError
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training import candidate as training_candidate
from budgetnet.training import loop
from budgetnet.training.augment import Augmentation
from budgetnet.training.candidate import evaluator, guess
from budgetnet.training.loop import CHECKPOINT
from budgetnet.training.losses.cross_entropy import loss as cross_entropy
from budgetnet.training.samples import Samples, Scaling, tensors
from budgetnet.training.team import Team
from budgetnet.training_settings import Training

CPU = torch.device("cpu")
SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})


@pytest.fixture(scope="module")
def dataset():
    return keeping.load("synthetic:train=10,val=4", classes=7, height=64, width=96)


def scenario(**training) -> Scenario:
    settings = {"epochs": 3, "batch_size": 4, **training}
    return Scenario(
        name="test",
        cameras=1,
        fps=10,
        budget_gops=10,
        classes=7,
        input=InputSize(height=64, width=96),
        training=Training(**settings),
    )


def same(first: Result, second: Result) -> bool:
    """Equal but for the time they took."""
    keys = ("epoch", "loss", "mean_iou")
    histories = [[[row[key] for key in keys] for row in result.history] for result in (first, second)]
    return histories[0] == histories[1] and first.scores == second.scores


def test_training_repeats_to_the_last_bit_and_leaves_a_complete_folder(dataset, tmp_path):
    evaluate = evaluator(scenario(), dataset, {"commit": "c0ffee"})
    first = evaluate(SMALL, Run(number=0, folder=tmp_path / "a"))
    torch.rand(5)  # what the caller draws must not matter
    second = evaluate(SMALL, Run(number=1, folder=tmp_path / "b"))
    assert same(first, second)
    assert first.macs == first.fvcore_macs
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"run.json", "weights.safetensors", "history.csv", "preview.png"}
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    assert Result.from_record(record["result"]) == first
    assert record["result"]["made_by"] == {"commit": "c0ffee"}
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in "ab"]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    build(SMALL.graph(classes=7, height=64, width=96)).load_state_dict(weights[0])
    assert Image.open(tmp_path / "a" / "preview.png").size[0] == 3 * 96 + 2 * 6


def test_a_training_stopped_after_any_epoch_ends_as_an_uninterrupted_one(dataset, tmp_path):
    whole = evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path / "whole"))
    for stops_after in (1, 2):
        folder = tmp_path / f"stopped{stops_after}"
        asked = iter([False] * (stops_after - 1) + [True])
        evaluate = evaluator(scenario(), dataset, {})
        with pytest.raises(UnfinishedError):
            evaluate(SMALL, Run(number=0, folder=folder, expired=lambda asked=asked: next(asked)))
        assert (folder / CHECKPOINT).exists()
        assert same(evaluate(SMALL, Run(number=0, folder=folder)), whole)
        assert not (folder / CHECKPOINT).exists()


def test_early_epochs_are_trained_and_validated_on_smaller_images(dataset, tmp_path, monkeypatch):
    trained, validated = [], []
    step, score = Team.step, loop.evaluate

    def stepping(team, images, labels):
        trained.append((tuple(images.shape[2:]), tuple(labels.shape[1:])))
        return step(team, images, labels)

    def scoring(model, material, batch_size):
        validated.append(tuple(material.val.images.shape[2:]))
        return score(model, material, batch_size)

    monkeypatch.setattr(Team, "step", stepping)
    monkeypatch.setattr(loop, "evaluate", scoring)
    found = evaluator(scenario(early_epochs=2, early_scale=0.5, keep="best"), dataset, {})(
        SMALL, Run(number=0, folder=tmp_path)
    )
    height, width = dataset.train.images.shape[1:3]
    small, whole = (height // 2, width // 2), (height, width)
    steps = len(trained) // 3
    assert trained == [(small, small)] * (2 * steps) + [(whole, whole)] * steps
    assert validated[:3] == [small, small, whole]
    assert found.scores.mean_iou == found.history[-1]["mean_iou"]  # of small images none is the best


def test_some_epochs_see_whole_images():
    with pytest.raises(BudgetnetError, match=r"training\.early_epochs: must be below the 3 of all epochs"):
        scenario().changed(training={"early_epochs": 3})


def test_a_training_killed_within_an_epoch_loses_that_epoch_only(dataset, tmp_path):
    whole = evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path / "whole"))

    def kill(step: Step) -> None:
        if (step.epoch, step.batch) == (2, 2):
            raise KeyboardInterrupt

    evaluate = evaluator(scenario(), dataset, {})
    with pytest.raises(KeyboardInterrupt):
        evaluate(SMALL, Run(number=0, folder=tmp_path / "killed", progress=kill))
    steps: list[Step] = []
    assert same(evaluate(SMALL, Run(number=0, folder=tmp_path / "killed", progress=steps.append)), whole)
    assert steps[0].epoch == 2


def test_a_training_that_was_killed_before_it_could_tell_its_result_tells_it_without_training(dataset, tmp_path):
    first = evaluator(scenario(epochs=1), dataset, {})(SMALL, Run(number=0, folder=tmp_path))
    steps: list[Step] = []
    again = evaluator(scenario(epochs=1), dataset, {})(SMALL, Run(number=0, folder=tmp_path, progress=steps.append))
    assert (again, steps) == (first, [])


def test_what_another_training_left_in_the_folder_is_not_taken_over(dataset, tmp_path):
    with pytest.raises(UnfinishedError):
        evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path, expired=lambda: True))
    other = scenario(learning_rate=0.002)
    fresh = evaluator(other, dataset, {})(SMALL, Run(number=0, folder=tmp_path / "fresh"))
    assert same(evaluator(other, dataset, {})(SMALL, Run(number=0, folder=tmp_path)), fresh)
    assert same(evaluator(other, dataset, {})(SMALL, Run(number=0, folder=tmp_path / "fresh")), fresh)
    assert evaluator(scenario(epochs=1), dataset, {})(SMALL, Run(number=0, folder=tmp_path)).epochs == 1


def test_a_batch_of_one_where_the_deepest_map_is_one_cell_is_a_reason_not_a_crash(tmp_path):
    data = keeping.load("synthetic:train=2,val=1", classes=7, height=32, width=32)
    asked = scenario(batch_size=1).changed(input={"height": 32, "width": 32})
    with pytest.raises(TrainingError, match="a batch must hold two images or more where the deepest map is one cell"):
        evaluator(asked, data, {})(SMALL, Run(number=0, folder=tmp_path))


def test_a_count_that_differs_from_fvcores_fails_the_training(dataset, tmp_path, monkeypatch):
    wider = Candidate.of("mobilenet-fcn", {**SMALL.parameters, "classifier_depth": 33})
    module = build(wider.graph(classes=7, height=64, width=96), seed=0)
    monkeypatch.setattr(training_candidate, "build", lambda *_, **__: module)
    with pytest.raises(TrainingError, match="the analytic count differs from fvcore's"):
        evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short", b"spoilt\n", bytes(range(256)) * 40, b"." * 900]
)
def test_a_checkpoint_that_cannot_be_read_is_started_over(dataset, tmp_path, content):
    (tmp_path / CHECKPOINT).write_bytes(content)
    result = evaluator(scenario(epochs=1), dataset, {})(SMALL, Run(number=0, folder=tmp_path))
    assert result.epochs == 1


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_checkpoint_in_which_anything_is_damaged_is_started_over(dataset, tmp_path, at):
    asked = scenario(epochs=2)
    with pytest.raises(UnfinishedError):
        evaluator(asked, dataset, {})(SMALL, Run(number=0, folder=tmp_path, expired=lambda: True))
    path = tmp_path / CHECKPOINT
    content = bytearray(path.read_bytes())
    place = int(len(content) * at)
    content[place : place + 100] = bytes(255 - byte for byte in content[place : place + 100])
    path.write_bytes(bytes(content))
    heard = []
    run = Run(number=0, folder=tmp_path, resumed=lambda history: heard.append(len(history)))
    assert evaluator(asked, dataset, {})(SMALL, run).epochs == 2
    assert heard == []


def test_an_augmented_training_repeats_to_the_last_bit_and_differs(dataset, tmp_path):
    plain = evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path / "plain"))
    asked = scenario(flip=True, smallest_scale=0.5, largest_scale=2.0, photometric=0.3)
    first, second = (
        evaluator(asked, dataset, {})(SMALL, Run(number=0, folder=tmp_path / name)) for name in ("first", "second")
    )
    assert same(first, second)
    assert not same(first, plain)


def test_it_learns(dataset, tmp_path):
    result = evaluator(scenario(epochs=30), dataset, {})(SMALL, Run(number=0, folder=tmp_path))
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < 0.5 * losses[0]
    assert result.scores.mean_iou > 1.5 * guess(dataset).mean_iou


def test_a_loss_that_is_not_finite_ends_the_training_with_the_batch(dataset, tmp_path):
    evaluate = evaluator(scenario(learning_rate=10.0, epochs=50), dataset, {})
    broken = Candidate.of("mobilenet-fcn", {**SMALL.parameters, "classifier_kernel": 5})
    blown_up = training_candidate.build

    def build_with_infinite_weights(*arguments, **keywords):
        module = blown_up(*arguments, **keywords)
        torch.nn.init.constant_(module.node_module("conv2_classification/BiasAdd").bias, float("inf"))
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_candidate, "build", build_with_infinite_weights)
        with pytest.raises(TrainingError, match="loss must be finite, but got nan in batch 1 of epoch 1"):
            evaluate(broken, Run(number=0, folder=tmp_path))


def test_running_out_of_memory_is_a_reason_not_a_crash(dataset, tmp_path, monkeypatch):
    def too_much(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99999999 bytes")

    monkeypatch.setattr(training_candidate, "fit", too_much)
    with pytest.raises(TrainingError, match="memory must hold a batch of 4, but ran out"):
        evaluator(scenario(), dataset, {})(SMALL, Run(number=0, folder=tmp_path))


def test_cross_entropy_leaves_ignored_pixels_out():
    scores = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    labels[0] = IGNORE
    expected = torch.nn.functional.cross_entropy(scores[1:], labels[1:].long())
    torch.testing.assert_close(cross_entropy(scores, labels), expected)
    assert cross_entropy(scores[:1], labels[:1]).item() == 0.0


def test_the_mean_pixel_is_subtracted(dataset):
    train, _ = tensors(dataset)
    scaled = Scaling.of(train.images)(train.images)
    torch.testing.assert_close(scaled.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    image = train.images[:1].float() / 255
    torch.testing.assert_close(
        scaled[:1] - scaled[:1].mean(dim=(2, 3), keepdim=True), image - image.mean(dim=(2, 3), keepdim=True)
    )


@pytest.mark.parametrize(("images", "batch_size"), [(10, 4), (9, 8), (5, 16), (3, 1)])
def test_an_epoch_has_every_sample_once_in_batches_of_about_equal_size(images, batch_size):
    numbers = np.arange(images, dtype=np.uint8)
    samples = Samples(
        images=torch.from_numpy(numbers).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2),
        labels=torch.from_numpy(numbers).reshape(-1, 1, 1).expand(-1, 2, 2),
    )
    drawn = list(samples.shuffled(batch_size, 1, Augmentation(), CPU))
    sizes = [len(batch.labels) for batch in drawn]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(int(label[0, 0]) for batch in drawn for label in batch.labels) == list(range(images))
    assert all(torch.equal(batch.images[:, 0, 0, 0], batch.labels[:, 0, 0]) for batch in drawn)
    orders = [
        [number for batch in samples.shuffled(batch_size, seed, Augmentation(), CPU) for number in batch.numbers]
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1]
    assert images <= 3 or orders[0] != orders[2]


@pytest.mark.slow
def test_a_wider_network_scores_higher_on_the_synthetic_scenes(tmp_path):
    data = keeping.load("synthetic:train=192,val=48", classes=7, height=96, width=144)
    asked = scenario(epochs=12, batch_size=8).changed(input={"height": 96, "width": 144})
    evaluate = evaluator(asked, data, {})
    means = []
    for number, width in enumerate((0.25, 1.0)):
        wide = Candidate.of("mobilenet-fcn", {"depth_multiplier": width, "classifier_depth": 256})
        means.append(evaluate(wide, Run(number=number, folder=tmp_path / str(number))).scores.mean_iou)
    assert means[1] > means[0] + 0.02
    assert means[0] > 2 * guess(data).mean_iou
