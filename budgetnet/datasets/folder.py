"""Any images with masks: `folder:FOLDER`, which holds `images`, `masks` of the same names, and `classes.yaml`.

Images are PNG or JPEG, masks PNG with ids or colours; what these mean `classes.yaml` says, as `_class_file` tells. Both
folders may have folders in them, the same ones: an image's group is the folder it lies in. Where `images` has folders
named train, val or test, these are the splits, and what lies beside them is left alone. Files `train.txt`, `val.txt`
and `test.txt` in FOLDER list images and go before that. Without either, and unless the spec says otherwise, a seeded
fifth of the images is for validation. Files `classmap-*.yaml` in FOLDER reduce the classes, each to a list of its own.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from budgetnet import classmaps
from budgetnet.datasets import SPLITS, DataError, Listing, Source
from budgetnet.datasets._class_file import Meaning, read
from budgetnet.datasets._files import (
    Decode,
    colours,
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

SOURCE_CLASSES: dict[int, str] = {}


def find(argument: str) -> Source:
    """Pairs of image and mask, by name. Raises BudgetnetError with what is wrong with the folder or its YAML files."""
    path, chosen = choice(argument, "folder")
    folder = root(path, "folder")
    images = place(folder, "images", what="images, masks and classes.yaml")
    masks = place(folder, "masks", what="masks beside images")
    meaning = read(folder)
    named = files_in(folder, lambda name: name if name.startswith("classmap-") else None, (".yaml", ".yml"))
    if named.faults:
        raise DataError(named.faults)
    maps = [classmaps.read(path, "folder", meaning.classes) for path in named.paths.values()]
    decode = _decode(meaning)
    there = [split for split in SPLITS if is_there(images / split) or is_there(masks / split)]
    own = {split: _pairs(images / split, masks / split, decode) for split in there}
    lists = {split: str(folder / f"{split}.txt") for split in SPLITS if is_there(folder / f"{split}.txt")}
    default = lists or ({} if own else {"val": "0.2"})
    splits = divided(own or {"all": _pairs(images, masks, decode)}, chosen, default=default)
    return Source(classes=meaning.classes, splits=splits, class_maps=(meaning.class_map, *maps))


def _decode(meaning: Meaning) -> Decode:
    if meaning.colours is None:
        return partial(ids, source_classes=meaning.classes)
    return partial(colours, source_colours=meaning.colours, source_classes=meaning.classes)


def _pairs(images: Path, masks: Path, decode: Decode) -> Listing:
    return paired(
        joined((front, files_in(images / front)) for front in _below(images)),
        joined((front, labels_in(masks / front)) for front in _below(masks)),
        decode,
        missing_image=lambda name: images / f"{name}.png",
        missing_labels=lambda name: masks / f"{name}.png",
        group=lambda name: name.rpartition("/")[0],
    )


def _below(folder: Path, front: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """A folder and all folders below it, as `a/b/`; of links that lead back up, the first time only."""
    real = os.path.realpath(folder / front)
    if real in above:
        return
    yield front
    for name in folders(folder / front):
        yield from _below(folder, f"{front}{name}/", (*above, real))
