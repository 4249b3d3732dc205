"""A folder that `budgetnet data prepare` made: `prepared:FOLDER`. Read at memory speed, at its own size and classes.

The folder holds, for each split, images and labels as arrays of bytes (`train-images.npy`, `train-labels.npy`), which
are mapped, not read; and `manifest.json`: what they were made of and how, counts, hashes, class shares. Labels are
class indices; 255 is a pixel without a class. At another size its images are cut and scaled as any others.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from budgetnet import records
from budgetnet.classes import IGNORE, ClassList
from budgetnet.classmaps import ClassMap
from budgetnet.datasets import SPLITS, Listing, Pixels, Sample, Source
from budgetnet.datasets._files import root
from budgetnet.errors import BudgetnetError
from budgetnet.image_files import at

SOURCE_CLASSES: Mapping[int, str] = {}

MANIFEST = "manifest.json"
FORMAT = "budgetnet prepared data, 1"
UNLABELLED = "without a class"
_LARGEST = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One split in a manifest: names of its images, their groups, how many pixels each class has (class name -> pixels,
    those without a class under `UNLABELLED`), and hashes: of both files, and of the arrays together.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    pixels: Mapping[str, int]
    digest: str
    images_sha256: str
    labels_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a prepared folder is. `identity` is a hash of all that decides what is in it; `made_of` says it in words."""

    classes: ClassList
    height: int
    width: int
    identity: str
    made_of: Mapping[str, Any]
    splits: Mapping[str, Part]
    made_by: Mapping[str, str]

    def content(self) -> bytes:
        """The manifest as a file."""
        record = {"format": FORMAT, **asdict(self)}
        for name, part in self.splits.items():
            total = sum(part.pixels.values())
            shares = {label: round(count / total, 6) for label, count in part.pixels.items()}
            record["splits"][name] = {"images": len(part.names), "shares": shares, **asdict(part)}
        return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def file_names(split: str) -> tuple[str, str]:
    """The files of a split: images, labels."""
    return f"{split}-images.npy", f"{split}-labels.npy"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a prepared folder. Raises BudgetnetError where there is none, or it cannot be made sense of."""
    path = folder / MANIFEST
    record = records.read(path, "a folder that `budgetnet data prepare` finished holds one")
    try:
        return _manifest(record)
    except BudgetnetError as error:
        raise BudgetnetError(f"{at(path)}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BudgetnetError(f"{at(path)}: must be a manifest of this version ({FORMAT}), but is not") from None


def find(argument: str) -> Source:
    """Maps the arrays of a prepared folder. Raises BudgetnetError naming the file at fault."""
    folder = root(argument, "prepared")
    manifest = read_manifest(folder)
    names = dict(enumerate(manifest.classes.names))
    targets = {index: IGNORE if index == manifest.classes.void else index for index in names} | {IGNORE: IGNORE}
    identity = ClassMap(key="prepared", source="prepared", classes=manifest.classes, targets=targets)
    arrays, listings = {}, {}
    for split in (split for split in SPLITS if split in manifest.splits):
        part = manifest.splits[split]
        images = _mapped(folder / file_names(split)[0], (len(part.names), manifest.height, manifest.width, 3))
        labels = _mapped(folder / file_names(split)[1], (len(part.names), manifest.height, manifest.width))
        arrays[split] = images, labels
        listings[split] = Listing(samples=_samples(folder, split, part, images, labels))
    return Source(
        classes=names | {IGNORE: UNLABELLED},
        splits=listings,
        class_maps=(identity,),
        arrays=arrays,
        digests={split: part.digest for split, part in manifest.splits.items()},
    )


def _manifest(record: Any) -> Manifest:
    if record["format"] != FORMAT:
        raise ValueError(record["format"])
    return Manifest(
        classes=records.class_list(record["classes"]),
        height=records.whole(record["height"], "height", 1, _LARGEST),
        width=records.whole(record["width"], "width", 1, _LARGEST),
        identity=records.text(record["identity"], "identity"),
        made_of=dict(record["made_of"]),
        made_by={str(name): records.text(value, f"made_by.{name}") for name, value in record["made_by"].items()},
        splits={
            split: _part(record["splits"][split], f"splits.{split}") for split in SPLITS if split in record["splits"]
        },
    )


def _part(record: Mapping[str, Any], where: str) -> Part:
    names = tuple(records.text(name, f"{where}.names") for name in record["names"])
    groups = tuple(records.text(group, f"{where}.groups") for group in record["groups"])
    if len(groups) != len(names) or len(set(names)) != len(names) or not names:
        raise BudgetnetError(
            f"{where}: must name each image once and its group, but got {len(set(names)):,} different ones of "
            f"{len(names):,} names, and {len(groups):,} groups"
        )
    return Part(
        names=names,
        groups=groups,
        pixels={
            str(label): records.whole(count, f"{where}.pixels", 0, 2**62) for label, count in record["pixels"].items()
        },
        **{key: records.text(record[key], f"{where}.{key}") for key in ("digest", "images_sha256", "labels_sha256")},
    )


def _mapped(path: Path, shape: tuple[int, ...]) -> Pixels:
    """An array file, mapped for reading."""
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or "it is cut short or no array"
        raise BudgetnetError(f"{at(path)}: must be an array that can be read: {why}") from None
    if mapped.shape != shape or mapped.dtype != np.uint8:
        got = " x ".join(map(str, mapped.shape))
        rule = f"must be {' x '.join(map(str, shape))} bytes as the manifest says"
        raise BudgetnetError(f"{at(path)}: {rule}, but got {got} of {mapped.dtype}")
    return cast(Pixels, mapped)


def _samples(folder: Path, split: str, part: Part, images: Pixels, labels: Pixels) -> tuple[Sample, ...]:
    where = tuple(at(folder / name) for name in file_names(split))
    return tuple(
        Sample(
            name=name,
            group=group,
            image=f"{where[0]} [{index}] ({name})",
            labels=f"{where[1]} [{index}] ({name})",
            read=partial(_one, images, labels, index),
        )
        for index, (name, group) in enumerate(zip(part.names, part.groups, strict=True))
    )


def _one(images: Pixels, labels: Pixels, index: int, height: int, width: int) -> tuple[Pixels, Pixels]:
    return images[index], labels[index]
