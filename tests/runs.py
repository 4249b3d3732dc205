"""Finished runs for tests: small networks, trained for a moment by the real training, and small data sets for them."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save as to_safetensors
from torch import Tensor

from budgetnet.data import keeping
from budgetnet.datasets import synthetic
from budgetnet.networks import Candidate
from budgetnet.results import Run
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training.candidate import evaluator
from budgetnet.training_settings import Training

SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})


def trained(
    folder: Path,
    spec: str,
    *,
    classes: int | str = 7,
    height: int = 64,
    width: int = 96,
    epochs: int = 1,
    candidate: Candidate = SMALL,
) -> Path:
    """The folder of a finished run on a data set."""
    data = keeping.load(spec, classes=classes, height=height, width=width)
    scenario = Scenario(
        name="test",
        cameras=1,
        fps=10,
        budget_gops=10,
        classes=len(data.classes),
        input=InputSize(height=height, width=width),
        training=Training(epochs=epochs, batch_size=4),
    )
    evaluator(scenario, data, {"dataset": spec})(candidate, Run(number=0, folder=folder))
    return folder


HEIGHT, WIDTH = 64, 96
# the drawn classes as ids of CamVid: sky, building, road, pavement, car, pedestrian, unlabelled
DRAWN = np.array([0, 1, 3, 4, 8, 9, 11], np.uint8)


def camvid_like(folder: Path, train: int = 5, val: int = 5) -> Path:
    """A folder in CamVid's layout with drawn scenes at the size that networks get them in."""
    for split, count in (("train", train), ("val", val)):
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        for index in range(count):
            image, labels = synthetic.draw(7, split, index, HEIGHT, WIDTH)
            Image.fromarray(image).save(folder / split / f"{split}_{index}.png")
            Image.fromarray(DRAWN[labels]).save(folder / f"{split}annot" / f"{split}_{index}.png")
    return folder


def set_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Other weights for a run, as if it had been trained to them."""
    content = to_safetensors({name: tensor.contiguous() for name, tensor in weights.items()})
    (folder / "weights.safetensors").write_bytes(content)
    record = json.loads((folder / "run.json").read_text())
    record["weights_sha256"] = sha256(content).hexdigest()
    (folder / "run.json").write_text(json.dumps(record))
