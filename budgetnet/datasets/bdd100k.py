"""BDD100K, its ten thousand images with labelled pixels: `bdd100k:FOLDER`, the folder bdd100k or the one it lies in.

Read are `images/10k/<split>/*.jpg` and `labels/sem_seg/masks/<split>/*.png`, or of the older download
`seg/images/<split>/*.jpg` and `seg/labels/<split>/*_train_id.png`. Splits are train and val: the test images have no
labels. Source: Yu and others, "BDD100K: A diverse driving dataset for heterogeneous multitask learning" (2020).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from budgetnet.datasets import Listing, Source
from budgetnet.datasets._files import ending, files_in, ids, is_there, labels_in, paired, place, root, stem
from budgetnet.datasets._splits import choice, divided

SOURCE_CLASSES = {
    0: "road",
    1: "sidewalk",
    2: "building",
    3: "wall",
    4: "fence",
    5: "pole",
    6: "traffic light",
    7: "traffic sign",
    8: "vegetation",
    9: "terrain",
    10: "sky",
    11: "person",
    12: "rider",
    13: "car",
    14: "truck",
    15: "bus",
    16: "train",
    17: "motorcycle",
    18: "bicycle",
    255: "unlabelled",
}

_NEW, _OLD = "images/10k", "seg/images"


def find(argument: str) -> Source:
    """Pairs of image and labels, by name. Raises BudgetnetError naming the folder or file at fault."""
    path, chosen = choice(argument, "bdd100k")
    folder = root(path, "bdd100k")
    layouts = (_NEW, f"bdd100k/{_NEW}", _OLD, f"bdd100k/{_OLD}")
    images = place(folder, *layouts, what=f"{_NEW} and labels/sem_seg/masks, or {_OLD} and seg/labels")
    if images.parent.name == "seg":
        labels, tail, name_of = images.parent / "labels", "_train_id", ending("_train_id")
    else:
        labels, tail, name_of = images.parents[1] / "labels" / "sem_seg" / "masks", "", stem
    there = [split for split in ("train", "val") if is_there(images / split) or is_there(labels / split)]
    own = {split: _split(images / split, labels / split, tail, name_of) for split in there or ["train"]}
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen))


def _split(images: Path, labels: Path, tail: str, name_of: Callable[[str], str | None]) -> Listing:
    return paired(
        files_in(images),
        labels_in(labels, name_of),
        partial(ids, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: images / f"{name}.jpg",
        missing_labels=lambda name: labels / f"{name}{tail}.png",
    )
