"""Frames through a network: read ahead in threads, predicted in batches, painted and written behind in threads. Only a
few are in memory at a time, whatever their number.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol, final

import numpy as np

from budgetnet import pictures
from budgetnet.classes import ClassList
from budgetnet.data.form import Form
from budgetnet.data.order import in_order
from budgetnet.datasets import Pixels
from budgetnet.errors import DataError, Fault
from budgetnet.frames import Frame
from budgetnet.frames.folder import OutputFolder
from budgetnet.frames.painting import Painted, Painter


class Network(Protocol):
    """What turns images into classes."""

    form: Form
    batch: int

    def __call__(self, images: Pixels) -> tuple[Pixels, float]:
        """Uint8 (n, height, width, 3) -> class indices (n, height, width), and the seconds it took."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    frame: Frame
    pixels: Pixels
    answers: Pixels
    seconds: float


def painted(
    frames: Iterator[Frame],
    network: Network,
    painter: Painter,
    output: OutputFolder,
    classes: ClassList,
    *,
    masks: bool,
    overlays: bool,
) -> Generator[Painted, None, None]:
    """All frames in order, each once its mask and its overlay are written. The output folder is begun once the first
    one is predicted. Close it to stop. Raises BudgetnetError.
    """

    def finish(answered: _Answered) -> Painted:
        made = painter.paint(answered.frame, answered.pixels, answered.answers, answered.seconds)
        if masks:
            output.mask(answered.frame.name, pictures.indexed_png(made.mask, classes))
        if overlays:
            output.overlay(answered.frame.name, pictures.jpeg(painter.overlay(made)))
        return made

    with closing(_answered(frames, network)) as answered:
        first = next(answered)
        output.begin()
        with closing(in_order(finish, chain([first], answered))) as finished:
            yield from finished


def _answered(frames: Iterator[Frame], network: Network) -> Generator[_Answered, None, None]:
    def prepare(frame: Frame) -> tuple[Frame, Pixels, Pixels]:
        pixels = frame.read()
        try:
            return frame, pixels, network.form.image(pixels)
        except MemoryError:
            raise DataError([Fault(where=frame.where, what="memory must hold the image, but ran out")]) from None

    with closing(in_order(prepare, frames)) as prepared:
        while batch := list(islice(prepared, network.batch)):
            answers, seconds = network(np.stack([seen for _, _, seen in batch]))
            for (frame, pixels, _), answer in zip(batch, answers, strict=True):
                yield _Answered(frame=frame, pixels=pixels, answers=answer, seconds=seconds / len(batch))
