"""CamVid in eleven classes, and any data set laid out like it: `camvid:FOLDER`, 8-bit PNGs of equal names in folders.

`train`, `val` and `test` hold the images, `trainannot`, `valannot` and `testannot` their labels (one channel, or a
palette of which the indices count). Source: Brostow, Fauqueur, Cipolla, "Semantic object classes in video" (2009);
split and ids of the SegNet tutorial.
"""

from functools import partial
from pathlib import Path

from budgetnet.datasets import SPLITS, Listing, Source
from budgetnet.datasets._files import files_in, holds_no, ids, is_there, labels_in, paired, root
from budgetnet.datasets._splits import choice, divided

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


def find(argument: str) -> Source:
    """Pairs of image and label files, by name. Raises BudgetnetError naming the folder or file at fault."""
    path, chosen = choice(argument, "camvid")
    folder = root(path, "camvid")
    there = [split for split in SPLITS if is_there(folder / split) or is_there(folder / f"{split}annot")]
    if not there:
        raise holds_no(folder, "train and trainannot (and so for val and test)")
    own = {split: _split(folder, split) for split in there}
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen))


def _split(folder: Path, split: str) -> Listing:
    images, labels = folder / split, folder / f"{split}annot"
    return paired(
        files_in(images),
        labels_in(labels),
        partial(ids, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: images / f"{name}.png",
        missing_labels=lambda name: labels / f"{name}.png",
        group=lambda name: name.partition("_")[0],
    )
