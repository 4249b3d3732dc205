"""A film of pictures in their order, MP4 or GIF by its name: written frame by frame, whole or not at all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from budgetnet import files
from budgetnet.datasets import Pixels
from budgetnet.errors import printable
from budgetnet.frames import gif, video

FILMS: Final = (".mp4", ".gif")


def require(path: Path) -> None:
    """Raises BudgetnetError where a film of this name cannot be written."""
    if path.suffix == ".mp4":
        video.require(printable(str(path)))


@contextmanager
def film(
    path: Path, rate: Fraction, exact: Sequence[tuple[int, int, int]], likely: Pixels
) -> Iterator[Callable[[Pixels], None]]:
    """Inside, a function that adds a picture (h, w, 3), all of one size; after it, the film is there.

    `exact` colours are kept as they are, `likely` ones (n, 3) nearly so, where the format has few. At an exception
    no file is written and an old one stays. Raises BudgetnetError.
    """
    with files.replacing(path) as temporary:
        if path.suffix == ".gif":
            with temporary.open("wb") as file:
                writer = gif.Writer(file, rate, exact, likely)
                yield writer.add
                writer.close()
            return
        made = video.Writer(temporary, rate, printable(str(path)))
        try:
            yield made.add
            made.close()
        finally:
            made.abandon()


def fitted(pixels: Pixels, height: int, width: int) -> Pixels:
    """A picture of any size scaled to fit into another, in its middle, black beside it."""
    high, wide = pixels.shape[:2]
    if (high, wide) == (height, width):
        return pixels
    scale = min(height / high, width / wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    scaled = np.asarray(
        Image.fromarray(pixels).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    )
    made = np.zeros((height, width, 3), np.uint8)
    top, left = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
    made[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return made
