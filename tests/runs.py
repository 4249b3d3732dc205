"""Finished runs for tests: small networks, trained for a moment by the real training."""

from pathlib import Path

from budgetnet.data import reading
from budgetnet.networks import Candidate
from budgetnet.results import Run
from budgetnet.scenario import InputSize, Scenario, Training
from budgetnet.training.candidate import evaluator

SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})


def trained(
    folder: Path, spec: str, *, classes: int | str = 7, height: int = 64, width: int = 96, epochs: int = 1
) -> Path:
    """The folder of a finished run on a data set."""
    data = reading.load(spec, classes=classes, height=height, width=width)
    scenario = Scenario(
        name="test",
        cameras=1,
        fps=10,
        budget_gops=10,
        classes=len(data.classes),
        input=InputSize(height=height, width=width),
        training=Training(epochs=epochs, batch_size=4),
    )
    evaluator(scenario, data, {"dataset": spec})(SMALL, Run(number=0, folder=folder))
    return folder
