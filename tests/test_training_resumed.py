"""A training that goes on from whole epochs says so before it does anything: whoever wanted no more has it pause at
once.
"""

from pathlib import Path
from typing import Any

import pytest
from runs import SMALL

from budgetnet.data import keeping
from budgetnet.results import Evaluate, Run, Step, UnfinishedError
from budgetnet.scenario import InputSize, Scenario
from budgetnet.search.crew import Alone, Done, EpochDone, Job, Paused, Resumed, Stepped
from budgetnet.training.candidate import evaluator
from budgetnet.training.loop import CHECKPOINT
from budgetnet.training_settings import Training

EPOCHS = 3


@pytest.fixture(scope="module")
def evaluate() -> Evaluate:
    dataset = keeping.load("synthetic:train=6,val=2", classes=7, height=64, width=96)
    scenario = Scenario(
        name="test",
        cameras=1,
        fps=10,
        budget_gops=10,
        classes=7,
        input=InputSize(height=64, width=96),
        training=Training(epochs=EPOCHS, batch_size=3),
    )
    return evaluator(scenario, dataset, {})


def test_a_history_that_is_there_is_told_before_the_first_step(evaluate, tmp_path):
    order: list[Any] = []
    run = Run(
        number=0,
        folder=tmp_path,
        progress=lambda step: order.append((step.epoch, step.batch)),
        resumed=lambda history: order.append([row["epoch"] for row in history]),
        expired=lambda: order[-1] == (2, 2),
    )
    with pytest.raises(UnfinishedError):
        evaluate(SMALL, run)
    assert order == [(1, 1), (1, 2), (2, 1), (2, 2)]  # a training that begins has no history
    order.clear()
    assert evaluate(SMALL, Run(number=0, folder=tmp_path, progress=run.progress, resumed=run.resumed)).epochs == 3
    assert order == [[1, 2], (3, 1), (3, 2)]


def test_the_first_epoch_under_way_is_no_history(evaluate, tmp_path):
    steps: list[Step] = []
    told: list[Any] = []
    run = Run(number=0, folder=tmp_path, progress=steps.append, interrupted=lambda: True, resumed=told.append)
    with pytest.raises(UnfinishedError):
        evaluate(SMALL, run)
    assert (tmp_path / CHECKPOINT).exists()
    with pytest.raises(UnfinishedError):
        evaluate(SMALL, Run(number=0, folder=tmp_path, expired=lambda: True, resumed=told.append))
    assert told == []


def test_a_crew_pauses_a_real_training_and_goes_on_to_the_same_result(evaluate, tmp_path):
    events: list[Any] = []

    def train(folder: Path, target: int, known: int) -> None:
        crew.start(0, Job(number=0, candidate=SMALL, folder=folder, target=target, epochs=EPOCHS, known_epochs=known))
        crew.wait(lambda event: None if isinstance(event, Stepped) else events.append(event))

    with Alone(lambda changes: evaluate) as crew:
        train(tmp_path / "paused", 1, 0)
        train(tmp_path / "paused", 1, 1)
        train(tmp_path / "paused", EPOCHS, 0)
        kinds = [(type(event), event.row["epoch"] if isinstance(event, EpochDone) else None) for event in events]
        assert kinds == [
            (EpochDone, 1),
            (Paused, None),
            (Resumed, None),
            (Paused, None),
            (Resumed, None),
            (EpochDone, 1),
            (EpochDone, 2),
            (EpochDone, 3),
            (Done, None),
        ]
        paused = events[-1].result
        train(tmp_path / "whole", EPOCHS, 0)
    assert events[-1].result.scores == paused.scores
    assert [row["loss"] for row in events[-1].result.history] == [row["loss"] for row in paused.history]
