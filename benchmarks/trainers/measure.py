"""One measurement in a process of its own, since allocator and threads are settings of whole processes.

    python -m trainers.measure ORDER RESULT

ORDER is JSON: what to measure (`what`) and its words; RESULT is the file that the answer goes to, as JSON. Several
processes of torchrun answer once.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from budgetnet.results import Step
from budgetnet.training.machine import computes_bfloat16
from budgetnet.training.timing import device_name
from budgetnet.training_settings import Training
from trainers import ours, plain, race
from trainers.clocks import EnoughError, Steps, Waits
from trainers.levers import CONTENDERS, OURS, PLAIN
from trainers.subjects import SUBJECTS, material

STRONG: Final = {"flip": True, "smallest_scale": 0.5, "largest_scale": 2.0, "photometric": 0.4}
"""Augmentation while waiting is measured."""

REPEATS: Final = 3
"""Products of a size are timed at least so often."""


def machine() -> dict[str, Any]:
    """What measures, as torch finds it."""
    cpu = torch.device("cpu")
    return {
        "processor": device_name(cpu),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "bfloat16": computes_bfloat16(cpu),
    }


def peak(sizes: list[int], seconds: float) -> dict[str, float]:
    """The quickest operations per second of large square matrix products, in fp32 and bfloat16; and, for comparison, of
    a 1 x 1 convolution of 16 maps of 40 x 60 from as many channels to as many, channels last.
    """
    found = {}
    for kind, name in ((torch.float32, "fp32"), (torch.bfloat16, "bfloat16")):
        products, convolutions = [], []
        for size in sizes:
            one, other = (torch.rand(size, size).to(kind) for _ in range(2))
            products.append(_quickest(lambda one=one, other=other: torch.mm(one, other), 2 * size**3, seconds))
            maps = torch.rand(16, size // 2, 40, 60).to(kind, memory_format=torch.channels_last)
            kernel = torch.rand(size // 2, size // 2, 1, 1).to(kind)
            work = 2 * maps.numel() * (size // 2)
            convolutions.append(_quickest(lambda maps=maps, kernel=kernel: torch.conv2d(maps, kernel), work, seconds))
        found |= {name: max(products), f"{name} convolution": max(convolutions)}
    return found


@torch.inference_mode()
def _quickest(work: Callable[[], object], ops: int, seconds: float) -> float:
    """Operations per second of the quickest call of many."""
    work()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < REPEATS or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return ops / min(times)


def steps(
    network: str, contender: str, size: tuple[int, int], batch: int, warm_up: int, steps: int, parts: int
) -> dict[str, Any]:
    """Steps of a contender's training: see `clocks.Steps`."""
    subject, clock, chosen = SUBJECTS[network], Steps(warm_up, steps), CONTENDERS[contender]
    images = batch * (warm_up + steps + 1)  # an epoch that does not end while it is measured
    if contender == PLAIN:
        data, model = material(subject.classes, *size, images), plain.network(subject.graph(*size))
        optimizer, samples = torch.optim.Adam(model.parameters()), plain.apart(data.train)
        with suppress(EnoughError):
            plain.epoch(model, optimizer, samples, data.scaling, batch, clock)
        return clock.result(batch)
    words = {"recipe": "lab", "arithmetic": "mixed", "parts": parts, "batch_size": batch, **chosen.settings}
    with ours.process(chosen):
        data = material(subject.classes, *size, images)
        data = replace(data, train=ours.laid_out(data.train, chosen))
        with suppress(EnoughError):
            ours.train(ours.network(subject.graph(*size), chosen), data, Training(**words), clock)
    return clock.result(batch)


def waiting(
    network: str, size: tuple[int, int], crop: float, augmented: bool, batch: int, steps: int, parts: int
) -> dict[str, Any]:
    """Two whole epochs of our training, watched: see `clocks.Waits`. The network is trained at the size of the crop,
    whether images are larger and cut to it, augmented, or of that size.
    """
    waits, epochs = Waits(), 2
    trained = Training(crop=crop).cropped(*size)
    height, width = size if augmented else trained
    words: dict[str, Any] = {"recipe": "lab", "arithmetic": "mixed", "parts": parts, "batch_size": batch}
    if augmented:
        words |= {**STRONG, "crop": crop}
    settings = Training(**words, epochs=epochs + 2, validate_every=epochs + 2)

    def done(step: Step) -> None:
        if step.epoch == epochs + 2:
            raise EnoughError
        if step.epoch == 1 and step.batch == step.batches:
            waits.follow()  # the first epoch warms up

    with ours.process(CONTENDERS[OURS]):
        data = material(SUBJECTS[network].classes, height, width, batch * steps)
        model = ours.network(SUBJECTS[network].graph(*trained), CONTENDERS[OURS])
        with suppress(EnoughError):
            ours.train(model, data, settings, done)
    return waits.result()


WORK: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "machine": machine,
    "peak": peak,
    "steps": steps,
    "waiting": waiting,
    "race plain": race.plain_loop,
    "race ours": race.our_training,
}


def main(order: Mapping[str, Any], answer: Path) -> None:
    words = dict(order)
    what = words.pop("what")
    try:
        result = WORK[what](**words)
    except Exception as error:  # whatever a contender dies of is its result
        text = str(error).strip().partition("\n")[0]
        result = {"failed": f"{type(error).__name__}: {text}" if text else type(error).__name__}
    if os.environ.get("RANK", "0") == "0":
        answer.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
