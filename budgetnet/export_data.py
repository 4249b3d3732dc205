"""The images that an export needs: those it calibrates with, one by one, and those that models are scored on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from budgetnet import datasets
from budgetnet.classmaps import ClassMap
from budgetnet.data.form import Form
from budgetnet.data.keeping import Keep, load_kept
from budgetnet.data.reading import Split, read
from budgetnet.datasets import Sample, Source
from budgetnet.deploy.running import Deployed, Pixels, batches, spread, turned
from budgetnet.errors import BudgetnetError
from budgetnet.progress import Watch
from budgetnet.results import Scores
from budgetnet.training.finished import Finished
from budgetnet.training.metrics import Tally, scores
from budgetnet.training.run_data import find

CALIBRATED_ON, SCORED_ON = "train", "val"
"""Splits: ranges are never measured on the images that tell what they cost."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set as it is read for an export, at one size."""

    spec: str
    source: Source
    chosen: ClassMap
    form: Form

    def scored(self, keep: Keep, progress: Callable[[int, int], None]) -> Split:
        """Images and labels that models are scored on. Raises BudgetnetError."""
        return load_kept(self.spec, self.source, (SCORED_ON,), self.chosen, self.form, keep, progress)[SCORED_ON]

    def calibration(self, count: int) -> tuple[Sample, ...]:
        """So many of the training images, evenly spread over all of them. Raises BudgetnetError."""
        listed = datasets.samples(self.spec, self.source, CALIBRATED_ON)
        return tuple(listed[place] for place in spread(len(listed), count))

    def stream(self, chosen: Sequence[Sample], watch: Watch) -> Iterator[Pixels]:
        """Images, uint8 (1, 3, height, width), read one after the other: none is kept. Raises DataError."""
        for done, sample in enumerate(chosen, 1):
            image, _ = read(sample, self.source.classes, self.chosen, self.form)
            yield turned(image[None])
            watch(done, len(chosen))


def found(run: Finished, spec: str | None, form: Form, *, needed: bool) -> Data | None:
    """The data set `spec`, by default the run's own. Where that is not here and not needed: None. Raises
    BudgetnetError.
    """
    try:
        asked, source, chosen = find(run, spec)
    except BudgetnetError:
        if needed or spec is not None:
            raise
        return None
    return Data(spec=asked, source=source, chosen=chosen, form=form)


def score(model: Deployed, split: Split, run: Finished, watch: Watch) -> Scores:
    """What a deployed model's answers are worth, from one confusion matrix, as `budgetnet evaluate` counts."""
    counted, done = Tally(len(run.classes), torch.device("cpu")), 0
    for images in batches(split.images, model.at_once):
        labels = torch.from_numpy(np.array(split.labels[done : done + len(images)]))
        counted.add(labels, torch.from_numpy(model.classes(images).astype("int64")))
        done += len(images)
        watch(done, len(split))
    return scores(counted.confusion, run.classes)


def about(data: Data, split: Split, run: Finished) -> dict[str, Any]:
    """Where scores come from, for the card."""
    return {
        "dataset": data.spec,
        "split": SCORED_ON,
        "images": len(split),
        "height": data.form.height,
        "width": data.form.width,
        "digest": split.digest,
        "digest_of_the_run": run.digests.get(SCORED_ON, ""),
    }
