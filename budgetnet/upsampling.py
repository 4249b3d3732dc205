"""A picture enlarged by the very operator that networks enlarge their scores with, against plain interpolation.

A transposed convolution with bilinear weights is bilinear interpolation, but for the border: beyond the picture it sees
zeros, where interpolation repeats the last row.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from torch.nn import functional

from budgetnet import files, ops
from budgetnet.build import build
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.image_files import open_picture
from budgetnet.pictures import png

LARGEST: Final = 100_000_000
"""Pixels of the enlarged picture, at most: it takes some 40 bytes of memory for each."""

Pixels = NDArray[np.uint8]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Enlarged:
    """The enlarged picture, (height, width, 3), and the largest difference to bilinear interpolation in levels from 0
    to 255: `inside`, where the operator sees the picture alone, and `at_border`, the outermost `border` pixels.
    """

    pixels: Pixels
    border: int
    inside: float
    at_border: float


def graph(height: int, width: int, factor: int) -> Graph:
    """The operator alone, for pictures of this size."""
    g = GraphBuilder()
    image = g.image(height=height, width=width)
    g.add("upsampler", ops.enlarging(channels=3, factor=factor, groups=3), image)
    return g.finish()


def enlarge(pixels: Pixels, factor: int) -> Enlarged:
    """A picture (height, width, 3) at `factor` times its size."""
    height, width = pixels.shape[:2]
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        found = build(graph(height, width, factor), seed=0).eval()(image)
        reference = functional.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
    apart = (found - reference).abs().amax(dim=(0, 1))
    border = factor // 2
    inside = torch.zeros_like(apart, dtype=torch.bool)
    inside[border : apart.shape[0] - border, border : apart.shape[1] - border] = True
    made = found[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return Enlarged(
        pixels=made,
        border=border,
        inside=float(apart[inside].max()) if inside.any() else 0.0,
        at_border=float(apart[~inside].max()) if (~inside).any() else 0.0,
    )


def run_upsample(image: Path, *, factor: int, output: Path | None) -> str:
    """Enlarges a PNG or JPEG, writes a PNG (`reports/upsample/<name>-x<factor>.png`), and says what came of it. Raises
    BudgetnetError.
    """
    path = output or Path("reports") / "upsample" / f"{image.stem}-x{factor}.png"
    if path.suffix.lower() != ".png" or path.is_dir():
        raise BudgetnetError(f"--output: must be the name of a .png file, but got {shorten(str(path))}")
    if path.exists() and image.exists() and path.samefile(image):
        raise BudgetnetError("--output: must be another file than the picture itself")
    picture = ImageOps.exif_transpose(open_picture(image, "PNG", "JPEG"))  # as people see it
    width, height = picture.size
    if width * height * factor**2 > LARGEST:
        rule = f"must give {LARGEST / 1e6:g} million pixels or fewer"
        raise BudgetnetError(f"--factor: {rule}, but got {width * height * factor**2 / 1e6:,.0f} million")
    made = enlarge(np.asarray(picture.convert("RGB")), factor)
    files.make_folder(path.parent)
    files.write(path, png(made.pixels))
    sides = f"{width} x {height} -> {width * factor} x {height * factor} pixels"
    sides += ", without its transparency" if "A" in picture.getbands() else ""
    inside = f"largest difference to bilinear interpolation {made.inside:.4f} of 255 levels"
    border = f", {made.at_border:.0f} in the outermost {made.border}" if made.border else ""
    return f"{sides}, {inside}{border}\nWritten: {printable(str(path))}"
