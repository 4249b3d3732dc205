"""The same network trained against the clock: by the plain loop with the lab's recipe, and by ours with another recipe.

Both begin with the same stem and see the same images; both are validated after every epoch by the same code, in pauses
of the clock, and both made some steps before it starts. A learning rate that ends low must know when it ends, so each
training of ours is given its epochs beforehand, as many as a time holds at the speed of those first steps.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch

from budgetnet import stems
from budgetnet.build import GraphModule
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph
from budgetnet.results import Run
from budgetnet.stems import PretrainedStem
from budgetnet.training import loop
from budgetnet.training.material import Material
from budgetnet.training.samples import Scaling
from budgetnet.training.scoring import evaluate
from budgetnet.training_settings import Training
from trainers import ours, plain
from trainers.clocks import EnoughError, Steps, Stopwatch
from trainers.levers import CONTENDERS, OURS
from trainers.subjects import SUBJECTS

WARM_UP: Final = 3
TRIED: Final = 12
"""Steps whose speed tells how many epochs fit, after those of the warm-up."""

MARGIN: Final = 0.97
"""Share of the time that is planned for."""

MOST_EPOCHS: Final = 10_000


class Course:
    """What both train on: the network, its stem, the data."""

    def __init__(self, *, network: str, dataset: str, classes: str, size: tuple[int, int], stem: str | None) -> None:
        data = keeping.load(dataset, classes=classes, height=size[0], width=size[1])
        candidate = SUBJECTS[network].candidate
        self.graph: Graph = candidate.graph(classes=len(data.classes), height=size[0], width=size[1])
        self.material = Material.of(data)
        self._stem: PretrainedStem | None = None
        if stem is not None:
            self._stem = stems.load(stem, float(candidate.parameters["depth_multiplier"]))
            self.material = self.material.scaled(Scaling(mean=self._stem.mean, std=self._stem.std))

    def begun(self, model: GraphModule) -> GraphModule:
        """The network with its stem."""
        if self._stem is not None:
            stems.apply(self._stem, model)
        return model


def plain_loop(*, seconds: float, **course: Any) -> dict[str, Any]:
    """The lab's recipe in the plain loop, in whole epochs until its time is over: `curve`, a list of training time and
    mean IoU after each.
    """
    chosen, lab = Course(**course), Training(recipe="lab")
    material, train = chosen.material, plain.apart(chosen.material.train)
    torch.manual_seed(lab.seed)

    def new() -> tuple[GraphModule, torch.optim.Optimizer]:
        model = chosen.begun(plain.network(chosen.graph))
        rate, decay = lab.learning_rate, lab.weight_decay
        return model, torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)

    def epoch(model: GraphModule, optimizer: torch.optim.Optimizer, done: Callable[[float], None]) -> None:
        plain.epoch(model, optimizer, train, material.scaling, lab.batch_size, done)

    tried, (model, optimizer) = Steps(WARM_UP, TRIED), new()
    rate = _rate(tried, lab.batch_size, lambda: epoch(model, optimizer, tried))
    model, optimizer = new()
    curve: list[tuple[float, float]] = []
    watch = Stopwatch()
    while watch.seconds < seconds:
        epoch(model, optimizer, lambda loss: None)
        with watch.pause():
            quality = evaluate(model, material, lab.batch_size).mean_iou
            curve.append((watch.seconds, quality))
            _tell("plain loop", curve)
    return {"curve": curve, "rate": rate, "reached": max(quality for _, quality in curve)}


def our_training(
    *, seconds: float, recipe: str, settings: Mapping[str, Any], stem: str | None, **course: Any
) -> dict[str, Any]:
    """A recipe, changed by `settings`, in as many epochs as fit: `curve` as above, of what would be kept after each
    epoch; `reached` is what was kept in the end, after `seconds` of training.
    """
    words = {**settings, "recipe": recipe, "stem": stem, "validate_every": 1}
    with ours.process(CONTENDERS[OURS]):
        chosen = Course(stem=stem, **course)
        tried = Training(**{**words, "epochs": MOST_EPOCHS, "validate_every": MOST_EPOCHS})
        if tried.teacher is not None:
            raise BudgetnetError(f"recipe must have no teacher, whose time nobody counts, but got {tried.teacher}")
        clock = Steps(WARM_UP, TRIED)
        rate = _rate(
            clock,
            tried.batch_size,
            lambda: ours.train(_network(chosen, tried), chosen.material, tried, clock),
        )
        epochs = fitting(seconds, len(chosen.material.train), rate)
        return {"rate": rate, "epochs": epochs, **_watched(chosen, Training(**words, epochs=epochs))}


def fitting(seconds: float, images: int, rate: float) -> int:
    """How many epochs of so many images a time holds at so many per second; one at least."""
    return min(max(int(MARGIN * seconds * rate / images), 1), MOST_EPOCHS)


def _watched(course: Course, settings: Training) -> dict[str, Any]:
    model = _network(course, settings)
    curve: list[tuple[float, float]] = []
    watch = Stopwatch()
    loop.evaluate = watch.without(evaluate)

    def epoch(history: Sequence[Mapping[str, Any]]) -> None:
        curve.append((watch.seconds, history[-1]["mean_iou"]))
        _tell(f"ours, {settings.epochs} epochs", curve)

    with TemporaryDirectory() as folder:
        run = Run(number=0, folder=Path(folder), epoch=epoch)
        _, scores = loop.fit(model, course.material, settings, run, identity="")
    return {"curve": curve, "reached": scores.mean_iou, "seconds": watch.seconds}


def _network(course: Course, settings: Training) -> GraphModule:
    return course.begun(ours.network(course.graph, CONTENDERS[OURS], settings.seed))


def _rate(clock: Steps, batch: int, train: Callable[[], None]) -> float:
    """Images per second of training until the clock has enough."""
    with suppress(EnoughError):
        while True:
            train()
    return float(clock.result(batch)["rate"])


def _tell(who: str, curve: Sequence[tuple[float, float]]) -> None:
    seconds, quality = curve[-1]
    print(f"{who}: epoch {len(curve)}, {seconds:.0f} s, mean IoU {quality:.4f}", file=sys.stderr, flush=True)
