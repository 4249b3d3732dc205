"""What a network takes per image on this machine: a reading of its own, apart from all scoring."""

import time

import torch
from torch import nn

from budgetnet.evaluation.record import Timing
from budgetnet.provenance import processor
from budgetnet.training.samples import Samples, Scaling

WARM_UP = 5
"""Passes before the first reading: memory is taken and algorithms are chosen in them."""

READINGS = 50
FEWEST = 5
MOST_SECONDS = 10.0
"""After this no further reading is begun, once there are `FEWEST`."""

_IMAGES = 8
"""Of the split, in turn: what is read twice in a row would be in the cache."""


@torch.inference_mode()
def timing(model: nn.Module, samples: Samples, scaling: Scaling) -> Timing:
    """Forward pass and argmax of one image at a time, ready on the model's device, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    images = [scaling(image[None].to(device)) for image in samples.images[:_IMAGES]]
    readings: list[float] = []
    begun = time.perf_counter()
    for turn in range(WARM_UP + READINGS):
        _wait(device)
        started = time.perf_counter()
        model(images[turn % len(images)]).argmax(dim=1)
        _wait(device)
        ended = time.perf_counter()
        if turn >= WARM_UP:
            readings.append(1000 * (ended - started))
        if len(readings) >= FEWEST and ended - begun > MOST_SECONDS:
            break
    height, width = samples.images.shape[2:]
    return Timing(
        milliseconds=tuple(readings),
        warm_up=WARM_UP,
        height=height,
        width=width,
        device=device_name(device),
        threads=torch.get_num_threads(),
    )


def device_name(device: torch.device) -> str:
    """The name of a GPU or of the processor, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


def _wait(device: torch.device) -> None:
    """Until all that was begun on a GPU is done; elsewhere it is done already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
