"""Cityscapes with its fine labels: `cityscapes:FOLDER`, which holds leftImg8bit and gtFine as they are unpacked.

Read are the images `leftImg8bit/<split>/<city>/*_leftImg8bit.png` and the ids
`gtFine/<split>/<city>/*_gtFine_labelIds.png` of train and val; colour pictures, instances and polygons are left alone.
The official test split is no split here: its labels are blank. Source: Cordts and others, "The Cityscapes dataset for
semantic urban scene understanding" (2016).
"""

from functools import partial
from pathlib import Path

from budgetnet.datasets import Listing, Source
from budgetnet.datasets._files import (
    Files,
    ending,
    files_in,
    folders,
    ids,
    is_there,
    joined,
    labels_in,
    paired,
    place,
    root,
)
from budgetnet.datasets._splits import choice, divided
from budgetnet.errors import BudgetnetError
from budgetnet.image_files import at

SOURCE_CLASSES = dict(
    enumerate(
        (
            "unlabeled",
            "ego vehicle",
            "rectification border",
            "out of roi",
            "static",
            "dynamic",
            "ground",
            "road",
            "sidewalk",
            "parking",
            "rail track",
            "building",
            "wall",
            "fence",
            "guard rail",
            "bridge",
            "tunnel",
            "pole",
            "polegroup",
            "traffic light",
            "traffic sign",
            "vegetation",
            "terrain",
            "sky",
            "person",
            "rider",
            "car",
            "truck",
            "bus",
            "caravan",
            "trailer",
            "train",
            "motorcycle",
            "bicycle",
        )
    )
)

_IMAGE, _IDS, _TRAIN_IDS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_labelTrainIds"


def find(argument: str) -> Source:
    """Pairs of image and labels, by name; the group is the city. Raises BudgetnetError naming what is at fault."""
    path, chosen = choice(argument, "cityscapes")
    folder = root(path, "cityscapes")
    images = place(
        folder,
        "leftImg8bit",
        "leftImg8bit_trainvaltest/leftImg8bit",
        what="leftImg8bit, the images of Cityscapes",
    )
    labels = place(
        folder,
        "gtFine",
        "gtFine_trainvaltest/gtFine",
        what="gtFine beside leftImg8bit: the labels are a download of their own (gtFine_trainvaltest.zip)",
    )
    there = [split for split in ("train", "val") if is_there(images / split) or is_there(labels / split)]
    own = {split: _split(images / split, labels / split) for split in there or ["train"]}
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen))


def _split(images: Path, labels: Path) -> Listing:
    cities = folders(images)
    found = {city: files_in(images / city, ending(_IMAGE)) for city in cities}
    city_of = {name: city for city, part in found.items() for name in part.paths}
    label_cities = folders(labels)
    known = _labels(labels, label_cities)
    if city_of and not known.paths:
        has_train_ids = any(files_in(labels / city, ending(_TRAIN_IDS)).paths for city in label_cities)
        got = f"*{_TRAIN_IDS}.png only, which tell fewer classes apart" if has_train_ids else "none"
        raise BudgetnetError(f"{at(labels)}: must hold labels named <city>/*{_IDS}.png, but holds {got}")
    return paired(
        joined(("", part) for part in found.values()),
        known,
        partial(ids, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: images / name.partition("_")[0] / f"{name}{_IMAGE}.png",
        missing_labels=lambda name: labels / city_of[name] / f"{name}{_IDS}.png",
        group=city_of.__getitem__,
    )


def _labels(labels: Path, cities: list[str]) -> Files:
    return joined(("", labels_in(labels / city, ending(_IDS))) for city in cities)
