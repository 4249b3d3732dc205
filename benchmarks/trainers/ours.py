"""Our training, as `budgetnet train` does it: `loop.fit` itself, with clocks at its ears."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from budgetnet.build import GraphModule, build
from budgetnet.graph import Graph
from budgetnet.results import Run, Step
from budgetnet.training.loop import fit
from budgetnet.training.machine import keep_memory
from budgetnet.training.material import Material
from budgetnet.training.ranks import together
from budgetnet.training.samples import Samples
from budgetnet.training_settings import Training
from trainers.levers import Contender


@contextmanager
def process(contender: Contender) -> Iterator[None]:
    """The process as `budgetnet train` sets it up, but for what the contender does without."""
    if contender.keeps_memory:
        keep_memory()
    contender.process()
    with together():
        yield


def network(graph: Graph, contender: Contender, seed: int = 0) -> GraphModule:
    """The network, laid out in memory."""
    model = build(graph, seed=seed)
    if contender.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    contender.model(model)
    return model


def laid_out(samples: Samples, contender: Contender) -> Samples:
    """Images as the contender has them in memory."""
    if contender.channels_last:
        return samples
    return Samples(images=samples.images.contiguous(), labels=samples.labels)


def train(model: GraphModule, material: Material, settings: Training, done: Callable[[Step], None]) -> None:
    """Trains; `done` is told of every step, and whatever it raises goes through."""
    with TemporaryDirectory() as folder:
        fit(model, material, settings, Run(number=0, folder=Path(folder), progress=done), identity="")
