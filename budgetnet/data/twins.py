"""Images that are there twice, and labels that belong to two images."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from budgetnet.data.look import Sight
from budgetnet.datasets import Fault, Sample

NEAR = 0.5
"""Mean difference, in levels of 255, of two images shrunken to 16 x 16, up to which they are nearly the same.

One image saved again as JPEG, or at half the size, is 0.1 to 0.4 away from itself; in CamVid two images from one drive
are 1.2 and more.
"""

HAND_DRAWN = 16
"""Corners from which on two labels are not the same by chance. A horizon has none, a box four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One sample that was read whole, and in which split."""

    split: str
    sample: Sample
    sight: Sight


def same_images(seen: Sequence[Seen]) -> Iterator[tuple[Seen, Fault]]:
    """Each image that is there more than once, pixel by pixel, whatever its file is called; in two splits mirrored too.

    (In one split mirrored images may be there to train with; in two they leak what is to be scored.)
    """
    for group in _groups(seen, [min(each.sight.image, each.sight.mirrored) for each in seen]):
        for each in group:
            others = [other for other in group if other is not each and _is_twin(each, other)]
            if others:
                same = others[0].sight.image == each.sight.image
                what = _same("an image must be there once", others[0].sample.image, others[0], len(others) - 1)
                yield each, Fault(where=each.sample.image, what=what if same else f"{what}, mirrored")


def _is_twin(one: Seen, other: Seen) -> bool:
    return one.sight.image == other.sight.image or one.split != other.split


def same_labels(seen: Sequence[Seen]) -> Iterator[tuple[Seen, Fault]]:
    """Labels that different images have in common and that are too intricate for chance."""
    for group in _groups(seen, [each.sight.labels for each in seen]):
        images = Counter(each.sight.image for each in group)
        if len(images) == 1 or group[0].sight.corners < HAND_DRAWN:
            continue
        second = next(each for each in group if each.sight.image != group[0].sight.image)
        for each in group:
            other = group[0] if each.sight.image != group[0].sight.image else second
            more = len(group) - images[each.sight.image] - 1
            what = _same("labels must belong to one image", other.sample.labels, other, more)
            yield each, Fault(where=each.sample.labels, what=what)


def _same(rule: str, path: str, other: Seen, more: int) -> str:
    return f"{rule}, but {path} ({other.split}) {f'and {more:,} more are' if more else 'is'} the same"


def near_images(seen: Sequence[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Each image that is nearly the same as one in another split, with the nearest such one.

    Every pair is considered: the mean brightness of two images differs by no more than the images do, so only those
    that lie close together in it are compared.
    """
    if not seen:
        return
    thumbs = np.stack([each.sight.thumb.ravel() for each in seen]).astype(np.int16)
    splits = np.unique([each.split for each in seen], return_inverse=True)[1]
    images = np.unique([each.sight.image.hex() for each in seen], return_inverse=True)[1]
    means = thumbs.mean(axis=1)
    order = np.argsort(means, kind="stable")
    ends = np.searchsorted(means[order], means + NEAR, side="right")
    starts = np.searchsorted(means[order], means - NEAR, side="left")
    for index in range(len(seen)):
        close = order[starts[index] : ends[index]]
        close = close[(splits[close] != splits[index]) & (images[close] != images[index])]
        if len(close):
            apart = np.abs(thumbs[close] - thumbs[index]).mean(axis=1)
            nearest = int(apart.argmin())
            if apart[nearest] <= NEAR:
                yield seen[index], seen[int(close[nearest])]


def _groups(seen: Sequence[Seen], digests: Iterable[bytes]) -> list[list[Seen]]:
    """Those of one digest, where there are several, in their order."""
    groups: dict[bytes, list[Seen]] = {}
    for each, digest in zip(seen, digests, strict=True):
        groups.setdefault(digest, []).append(each)
    return [group for group in groups.values() if len(group) > 1]
