"""CamVid, and any data set laid out like it: `camvid:FOLDER`, with 8-bit PNGs of equal names in four folders.

`train` and `val` hold the images, `trainannot` and `valannot` their labels (one channel, or a palette of which the
indices count). Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video" (2009); split and ids of the
SegNet tutorial.
"""

import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from budgetnet.datasets import Pixels, Sample, check_ids
from budgetnet.errors import BudgetnetError, printable

SOURCE_CLASSES = {
    0: "sky",
    1: "building",
    2: "pole",
    3: "road",
    4: "pavement",
    5: "tree",
    6: "sign symbol",
    7: "fence",
    8: "car",
    9: "pedestrian",
    10: "bicyclist",
    11: "unlabelled",
}

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on files that are cut short, overwritten, or no images at all."""


def samples(argument: str, split: str) -> list[Sample]:
    """Pairs of image and label files, by name. Raises BudgetnetError naming the folder or file at fault."""
    if not argument:
        raise BudgetnetError("camvid must be given its folder, as in camvid:FOLDER, but got none")
    root = Path(argument).expanduser()
    images, labels = _listing(root / split), _listing(root / f"{split}annot")
    if not images and not labels:
        raise BudgetnetError(f"{_at(root / split)}: must hold PNG images, but there is none")
    for name in sorted(images.keys() ^ labels.keys()):
        there, missing = (images[name], root / f"{split}annot") if name in images else (labels[name], root / split)
        raise BudgetnetError(
            f"{_at(there)}: every image must have a label file of the same name, but {_at(missing / name)} is missing"
        )
    return [
        Sample(name=Path(name).stem, where=_at(labels[name]), read=partial(_read_pair, images[name], labels[name]))
        for name in sorted(images)
    ]


def _at(path: Path) -> str:
    return printable(str(path))


def _listing(folder: Path) -> dict[str, Path]:
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise BudgetnetError(f"{_at(folder)}: must be a folder that can be read: {error.strerror or error}") from None
    return {path.name: path for path in found if path.suffix.lower() == ".png" and not path.name.startswith(".")}


def _read_pair(image_path: Path, label_path: Path, height: int, width: int) -> tuple[Pixels, Pixels]:
    image, label = _open(image_path), _open(label_path)
    if image.mode not in ("RGB", "RGBA", "L", "P"):
        raise BudgetnetError(f"{_at(image_path)}: an image must be 8-bit, colour or grey, but its mode is {image.mode}")
    if label.mode not in ("L", "P"):
        raise BudgetnetError(
            f"{_at(label_path)}: labels must be 8-bit with a single channel, but the mode is {label.mode}"
        )
    if image.size != label.size:
        raise BudgetnetError(
            f"{_at(label_path)}: labels must have the size of their image (height x width), "
            f"but got {label.height} x {label.width} for {image.height} x {image.width}"
        )
    # The indices of a palette are the ids; from its bytes, as Pillow would otherwise carry the palette along.
    ids = np.asarray(label)
    check_ids(ids, SOURCE_CLASSES, _at(label_path))  # whole: whether a file is at fault must not depend on the size
    return _fit(image.convert("RGB"), height, width, smooth=True), _fit(
        Image.fromarray(ids), height, width, smooth=False
    )


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return image
    except _DAMAGED as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BudgetnetError(f"{_at(path)}: must be a whole PNG that can be read: {why}") from None


def _fit(image: Image.Image, height: int, width: int, *, smooth: bool) -> Pixels:
    """Cut the central part of the wanted aspect ratio, then scale: by area or bilinear if `smooth`, else nearest."""
    cut_height = min(image.height, max(1, round(image.width * height / width)))
    cut_width = min(image.width, max(1, round(image.height * width / height)))
    left, top = (image.width - cut_width) // 2, (image.height - cut_height) // 2
    cut = image.crop((left, top, left + cut_width, top + cut_height))
    if cut.size != (width, height):
        shrinks = cut_height > height or cut_width > width
        smoothly = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
        cut = cut.resize((width, height), smoothly if smooth else Image.Resampling.NEAREST)
    return np.asarray(cut, np.uint8)
