"""A trained network at work: images in, classes out."""

import time
from typing import final

import numpy as np
import torch

from budgetnet.data.form import Form
from budgetnet.datasets import Pixels
from budgetnet.errors import BudgetnetError
from budgetnet.training.finished import Finished
from budgetnet.training.machine import keep_memory, ran_out_of_memory
from budgetnet.training.scoring import predict

MOST = 8
"""Images in a batch: more gain nothing on a processor, and little on a GPU."""

_PIXELS = MOST * 320 * 480


@final
class Network:
    """A finished run's network for images of one size, by default that of its training. `form` is what images are
    brought to before, `batch` how many it takes at once.

    Raises BudgetnetError for a size that it cannot take. Sets the process's allocator to keep its memory.
    """

    def __init__(self, run: Finished, height: int | None = None, width: int | None = None) -> None:
        keep_memory()
        self.form = Form(height=height or run.height, width=width or run.width)
        self.batch = max(1, min(MOST, _PIXELS // (self.form.height * self.form.width)))
        self._scaling = run.scaling
        self._model = run.model(self.form.height, self.form.width)

    def __call__(self, images: Pixels) -> tuple[Pixels, float]:
        """Uint8 (n, height, width, 3) RGB -> class indices (n, height, width), and the seconds it took. Raises
        BudgetnetError where memory runs out.
        """
        started = time.perf_counter()
        try:
            given = torch.from_numpy(images).permute(0, 3, 1, 2)
            found: Pixels = predict(self._model, given, self._scaling).to(torch.uint8).cpu().numpy()
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            size = f"{len(images)} images of {self.form.height} x {self.form.width}"
            raise BudgetnetError(f"memory must hold the network's maps of {size}, but ran out") from None
        return found, time.perf_counter() - started

    def warm_up(self) -> None:
        """One pass over nothing: the first pass of a process takes longer, which would be told as the network's."""
        self(np.zeros((1, self.form.height, self.form.width, 3), np.uint8))
