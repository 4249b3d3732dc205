"""One labelled image looked at for a check: what is wrong with it, and the little of it that is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from budgetnet import datasets
from budgetnet.data import intact
from budgetnet.datasets import DataError, Fault, Pixels, Sample
from budgetnet.errors import printable

DRAWN = (320, 480)
"""Height and width at which drawn data sets are looked at; files are at the size that they have."""

THUMB = 16
"""Height and width of what is kept to find images that are nearly the same."""

FLAT = 4
"""Levels of 255 within which an image shows nothing: what noise there is under a lens cap."""

_DAMAGED = "must be a whole"
"""What the fault of a file begins with that cannot be decoded."""

_REACH = 48
"""Borders are also sought this part of the width away from where they are."""

_LEAST_BORDER = 200
"""Pixels of border between classes that it takes to say whether they fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is kept of an image and its labels that were read whole: a few hundred bytes.

    `image` and `labels` are digests of pixels and size, `mirrored` is that of the image seen in a mirror. `thumb` is
    the image in grey, uint8 (`THUMB`, `THUMB`); `has_colour` where its red, green and blue differ; `flat` is the share
    of its rows that are of one colour each. `void` is the share of the labels' pixels that count for nothing. `corners`
    counts where the outlines in the labels bend: few in labels that two images may share by chance. `fit` is how much
    stronger edges of the image are at the classes' borders than a little beside them; None where borders are too few to
    tell. `orientation` is that of EXIF, 1 where the image is to be seen as it is stored.
    """

    height: int
    width: int
    image: bytes
    mirrored: bytes
    labels: bytes
    thumb: Pixels
    has_colour: bool
    flat: float
    void: float
    corners: int
    fit: float | None
    orientation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A sample, what is wrong with its files, and what was seen in them; None where they could not be read.

    `pixels` counts the labels' pixels, int64 (256), by source id.
    """

    sample: Sample
    faults: tuple[Fault, ...]
    sight: Sight | None = None
    pixels: NDArray[np.int64] | None = None


def look(sample: Sample, source_classes: Mapping[int, str], void: frozenset[int]) -> Looked:
    """Reads a sample at full size. `void` are the ids whose pixels count for nothing. Never raises DataError."""
    try:
        image, labels = sample.read(*DRAWN)
    except DataError as error:
        told = {fault.where for fault in error.faults if fault.what.startswith(_DAMAGED)}
        flaws = [fault for fault in _flaws(sample) if fault.where not in told]  # which may well be why ids are strange
        return Looked(sample=sample, faults=(*flaws, *error.faults))
    pixels = np.bincount(labels.ravel(), minlength=256).astype(np.int64)
    faults = _flaws(sample)
    if pixels.sum() != pixels[list(source_classes)].sum():
        fault = datasets.id_fault(labels, source_classes, sample.labels)
        assert fault is not None
        faults.append(fault)
    picture = Image.fromarray(image)
    grey = picture.convert("L")
    blank = _blank(picture)
    if blank is not None:
        faults.append(Fault(where=sample.image, what=blank))
    elif _is_labels(image, labels):
        rule = "an image must show the scene, but this one has a single colour for each class of its labels"
        faults.append(Fault(where=sample.image, what=rule))
    empty = _empty(pixels, source_classes, void)
    if empty is not None:
        faults.append(Fault(where=sample.labels, what=empty))
    sight = Sight(
        height=labels.shape[0],
        width=labels.shape[1],
        image=_digest(image),
        mirrored=_digest(image[:, ::-1]),
        labels=_digest(labels),
        thumb=np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX), np.uint8),
        has_colour=not (np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 1], image[..., 2])),
        flat=float((image[:, 1:] == image[:, :-1]).all(axis=(1, 2)).mean()),
        void=float(pixels[sorted(void)].sum() / max(1, labels.size)),
        corners=_corners(labels),
        fit=fit(np.asarray(grey), labels),
        orientation=intact.orientation(Path(sample.files[0])) if sample.files else 1,
    )
    return Looked(sample=sample, faults=tuple(faults), sight=sight, pixels=pixels)


def fit(grey: Pixels, labels: Pixels) -> float | None:
    """How strong the edges of an image in grey, uint8 (h, w), are at the borders in its labels, uint8 (h, w), compared
    with the edges a 48th of the width above, below, left and right of them: about 1 where the labels are another's.

    None where there is too little border. Found on CamVid: from 1.25 on for all its 468 images, and below 1.15 for 99
    of 100 with the labels of another image, or mirrored ones.
    """
    step = max(1, labels.shape[1] // 480)
    ids = labels[::step, ::step]
    far = max(2, ids.shape[1] // _REACH)
    if min(ids.shape) < 8 * far:
        return None
    levels = grey[::step, ::step].astype(np.int16)
    here, beside, border = 0, 0.0, 0
    for down, right in ((0, 1), (1, 0)):
        borders = ids[down:, right:] != ids[: ids.shape[0] - down, : ids.shape[1] - right]
        at = np.nonzero(borders[far:-far, far:-far])  # few: edges are sought there only
        border += len(at[0])
        here += _strength(levels, at, (down, right), far, far)
        around = ((0, far), (2 * far, far), (far, 0), (far, 2 * far))
        beside += sum(_strength(levels, at, (down, right), *moved) for moved in around) / 4
    return None if border < _LEAST_BORDER or not beside else here / beside


def _strength(
    levels: NDArray[np.int16], at: tuple[NDArray[np.intp], ...], to: tuple[int, int], down: int, right: int
) -> int:
    """The sum of the edges between the pixels `at`, moved down and to the right, and those `to` their side."""
    rows, columns = at[0] + down, at[1] + right
    return int(np.abs(levels[rows + to[0], columns + to[1]] - levels[rows, columns]).sum(dtype=np.int64))


def _flaws(sample: Sample) -> list[Fault]:
    found = ((name, intact.flaw(Path(name))) for name in sample.files)
    return [Fault(where=printable(name), what=what) for name, what in found if what is not None]


def _blank(picture: Image.Image) -> str | None:
    extrema = [(int(low), int(high)) for low, high in np.reshape(picture.getextrema(), (-1, 2))]
    apart = max(high - low for low, high in extrema)
    if apart > FLAT:
        return None
    colour = ", ".join(str(low) for low, _ in extrema)
    rule = "an image must show something, but"
    if not apart:
        return f"{rule} all its pixels have one colour, ({colour})"
    return f"{rule} none of its pixels is more than {apart} of 255 from the colour ({colour})"


def _is_labels(image: Pixels, labels: Pixels) -> bool:
    """Whether the image is the labels in grey or in colours."""
    for step in (max(1, min(labels.shape) // 48), 1):  # a few pixels tell most images from labels
        part, ids = image[::step, ::step].reshape(-1, 3), labels[::step, ::step].ravel()
        known, first = np.unique(ids, return_index=True)
        colours = np.zeros((256, 3), np.uint8)
        colours[known] = part[first]
        if not np.array_equal(colours[ids], part):
            return False
    return True


def _empty(pixels: NDArray[np.int64], source_classes: Mapping[int, str], void: frozenset[int]) -> str | None:
    """What is wrong with labels that tell nothing apart."""
    there = [number for number in np.flatnonzero(pixels).tolist() if number in source_classes]
    if not there:
        return None  # told already: they are no ids of the source
    names = ", ".join(f"{number} {source_classes[number]}" for number in there)
    if void.issuperset(there):
        rule = "labels must have a pixel of a class that counts"
        return f"{rule}, but hold nothing but void ({names})"
    if len(there) == 1 and len(source_classes.keys() - void) > 2:
        return f"labels must tell classes apart, but hold nothing but {names}"
    return None


def _corners(labels: Pixels) -> int:
    """How many squares of four pixels are neither of one class nor cut in two halves."""
    upright = (labels[:-1, :-1] == labels[1:, :-1]) & (labels[:-1, 1:] == labels[1:, 1:])
    level = (labels[:-1, :-1] == labels[:-1, 1:]) & (labels[1:, :-1] == labels[1:, 1:])
    return int(np.count_nonzero(~(upright | level)))


def _digest(pixels: Pixels) -> bytes:
    made = blake2b(repr(pixels.shape).encode(), digest_size=16)
    made.update(np.ascontiguousarray(pixels).data)
    return made.digest()
