"""What the report of a training says of trainings that ended early, kept the best, averaged, missed the budget."""

import re

from budgetnet import plan, training_report
from budgetnet.networks import Candidate
from budgetnet.report import Text
from budgetnet.results import Result, Scores
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training_settings import Training

CANDIDATE = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5})
ABOUT = {
    "dataset": {"train_images": 100, "val_images": 20, "fingerprint": "f" * 16},
    "stem": None,
    "teacher": None,
    "weights_sha256": "a" * 64,
}


def scenario(budget: float = 20, minimum: float | None = None, **training) -> Scenario:
    return Scenario(
        name="t",
        cameras=1,
        fps=10,
        budget_gops=budget,
        classes=7,
        input=InputSize(height=320, width=480),
        minimum_mean_iou=minimum,
        training=Training.model_validate(training),
    )


def result(qualities: list[float | None]) -> Result:
    planned = plan.measure(scenario(), CANDIDATE)
    history = tuple(
        {"epoch": epoch, "loss": 1 / epoch, "mean_iou": quality, "learning_rate": 0.1, "seconds": 30.0}
        for epoch, quality in enumerate(qualities, start=1)
    )
    iou = {"road": 0.75, "kerb": None}
    return Result(
        network=CANDIDATE.network,
        parameters=CANDIDATE.parameters,
        macs=planned.cost.macs,
        ops=planned.cost.ops,
        params=planned.cost.params,
        fvcore_macs=planned.cost.macs,
        scores=Scores(mean_iou=0.5, pixel_accuracy=0.75, mean_dice=0.6, iou=iou, dice=iou),
        epochs=len(history),
        seconds=30.0 * len(history),
        history=history,
        made_by={"command": "budgetnet train"},
    )


def said(asked: Scenario, reached: Result, size: tuple[int, int] | None = None) -> str:
    made, pictures = training_report.report(asked, plan.measure(asked, CANDIDATE), reached, size, ABOUT)
    assert pictures["curves.png"].startswith(b"\x89PNG")
    return "\n".join(block.text for block in made.blocks if isinstance(block, Text))


def test_an_early_end_the_best_epoch_and_averages_are_told():
    text = said(scenario(epochs=9, keep="best", averaging=0.9), result([0.25, None, 0.5, 0.375]))
    assert "with the weights of the best epoch, a moving average." in text
    assert "The best validation was 0.5000 after epoch 3 of 4 (stopped early, of 9)." in text
    assert "for 2 min 00 s: 30.0 s per epoch with its validation, 3.3 training images per second all in all." in text


def test_the_budget_and_the_wanted_quality_are_told():
    assert "it fits t." in said(scenario(), result([0.5]))
    text = said(scenario(budget=5, minimum=0.5), result([0.5]))
    assert re.search(r"it does NOT fit t: needs 11\.4 of 5 GOPS, 2\.28 times as much\.", text)
    assert "t asks for a mean IoU of 0.5: reached." in text
    assert "missed." in said(scenario(minimum=0.51), result([0.5]))


def test_a_class_that_never_occurs_has_no_figure():
    made, _ = training_report.report(
        scenario(), plan.measure(scenario(), CANDIDATE), result([0.5]), None, {**ABOUT, "stem": {"origin": "a.h5"}}
    )
    (table,) = made.tables
    assert [[column.text(row) for column in table.columns] for row in table.rows] == [
        ["road", "0.750", "0.750"],
        ["kerb", "", ""],
    ]
    told = {row["name"]: row["value"] for row in made.blocks[-1].rows}
    assert told.items() >= {"stem: origin": "a.h5", "crop": "1.0", "flip": "no", "weights_sha256": "a" * 64}.items()


def test_epochs_on_smaller_images_are_not_the_best():
    told = said(scenario(epochs=4, early_epochs=2, early_scale=0.5), result([0.6, 0.7, 0.4, 0.5]))
    assert "The best validation was 0.5000 after epoch 4 of 4." in told
    assert "The first 2 epochs saw images of 0.5 of each side; their figures do not count." in told
