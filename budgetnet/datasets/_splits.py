"""Which images are for training and which are not: the data set's own splits, list files, or seeded shares.

A spec's argument may end in settings: `kitti-road:/data/kitti,val=0.2,seed=3` or `camvid:/data/CamVid,val=my-val.txt`.
A setting is `train`, `val` or `test` with a share of all images (between 0 and 1), the name of one of the data set's
own splits, or a text file that lists names, one per line. `train` takes the rest unless it says otherwise. `seed` draws
the shares, and `by=group` keeps the images of a city or sequence together.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from budgetnet.datasets import SPLITS, DataError, Fault, Listing, Sample
from budgetnet.datasets._files import at
from budgetnet.errors import BudgetnetError, did_you_mean, shorten

_SETTINGS = (*SPLITS, "seed", "by")
_TRAILING = re.compile(r",([a-z]+)=([^,=]*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a spec says of its splits: split -> share, own split or list file; nothing where it says nothing."""

    key: str
    splits: Mapping[str, str]
    seed: int = 0
    by_group: bool = False


def choice(argument: str, key: str) -> tuple[str, Choice]:
    """The argument without its settings, and what they say. Raises BudgetnetError listing what is wrong with them."""
    settings: dict[str, str] = {}
    faults = []
    rest = argument
    while (found := _TRAILING.search(rest)) is not None:
        rest, (name, value) = rest[: found.start()], found.groups()
        if name not in _SETTINGS:
            faults.append(f"setting must be a known one{did_you_mean(name, _SETTINGS)}, but got {shorten(name)}")
        elif name in settings:
            faults.append(f"{name} must be given once, but got {shorten(value)} and another")
        settings[name] = value
    seed = settings.pop("seed", "0")
    if not (seed.isascii() and seed.isdecimal() and len(seed) < 10):
        faults.append(f"seed must be a whole number of up to nine digits, but got {shorten(seed)}")
    by = settings.pop("by", "image")
    if by not in ("image", "group"):
        faults.append(f"by must be image or group, but got {shorten(by)}")
    if faults:
        raise BudgetnetError("\n".join(f"{key}: {fault}" for fault in faults[::-1]))
    return rest, Choice(key=key, splits=settings, seed=int(seed), by_group=by == "group")


def divided(
    own: Mapping[str, Listing], chosen: Choice, *, default: Mapping[str, str] | None = None
) -> dict[str, Listing]:
    """The splits that were chosen, in the order of `SPLITS`; where nothing was, the data set's own.

    A data set without splits of its own has one listing under any other key, and says with `default` how it is divided
    where nothing was chosen. Faults of files go with every split. Raises BudgetnetError.
    """
    settings = dict(chosen.splits) or dict(default or {})
    if not settings:
        return {split: own[split] for split in SPLITS if split in own}
    pool = {f"{split}/{sample.name}": sample for split, listing in own.items() for sample in listing.samples}
    faults = tuple(fault for listing in own.values() for fault in listing.faults)
    taken: dict[str, list[str]] = {}
    shares: dict[str, float] = {}
    for split in SPLITS:
        value = settings.get(split)
        if value is None:
            continue
        share = _share(value, f"{chosen.key}: {split}")
        if share is not None:
            shares[split] = share
        elif value in own:
            taken[split] = [key for key in pool if key.startswith(f"{value}/")]
        else:
            taken[split] = _named(Path(value).expanduser(), pool, chosen.key, split)
    _no_image_twice(taken, pool, chosen.key)
    used = {key for keys in taken.values() for key in keys}
    free = [key for key in pool if key not in used]
    taken |= _drawn(shares, free, pool, chosen)
    if "train" not in settings:
        used = {key for keys in taken.values() for key in keys}
        taken["train"] = [key for key in pool if key not in used]
    doubled = _names(taken, pool)
    return {
        split: Listing(samples=tuple(doubled[key] for key in taken[split]), faults=faults)
        for split in SPLITS
        if split in taken
    }


def _share(value: str, where: str) -> float | None:
    """A share of the images; None where the value is no number."""
    try:
        share = float(value)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise BudgetnetError(
            f"{where} must be a share between 0 and 1, a split or a list file, but got {shorten(value)}"
        )
    return share


def _named(path: Path, pool: Mapping[str, Sample], key: str, split: str) -> list[str]:
    """The images that a list file names: by name, or by path of which the last part without its ending counts."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        rule = f"{key}: {split} must be a share between 0 and 1, a split of the data set, or a list file"
        raise BudgetnetError(f"{rule}, but {at(path)} cannot be read: {why}") from None
    known: dict[str, list[str]] = {}
    for place, sample in pool.items():
        for name in {sample.name, PurePosixPath(sample.name).name}:
            known.setdefault(name, []).append(place)
    found: dict[str, None] = {}
    faults = []
    for number, line in enumerate(lines, start=1):
        words = line.split()  # some lists name the image and its labels: the first counts
        if not words or words[0].startswith("#"):
            continue
        places = _places(words[0], known)
        where = f"{at(path)}:{number}"
        if len(places) != 1:
            rule = "must name an image of the data set" if not places else "must name one image only"
            faults.append(Fault(where=where, what=f"{rule}, but got {shorten(words[0])}"))
        elif places[0] in found:
            faults.append(Fault(where=where, what=f"must name each image once, but got {shorten(words[0])} again"))
        else:
            found[places[0]] = None
    if faults:
        raise DataError(faults)
    return list(found)


def _places(word: str, known: Mapping[str, list[str]]) -> list[str]:
    path = PurePosixPath(word)
    for name in (word, str(path.with_suffix("")) if path.name else word, path.name, path.stem):
        if name in known:
            return known[name]
    return []


def _no_image_twice(taken: Mapping[str, list[str]], pool: Mapping[str, Sample], key: str) -> None:
    owner: dict[str, str] = {}
    for split, places in taken.items():
        for place in places:
            if place in owner:
                both = f"{owner[place]} and {split}"
                raise BudgetnetError(f"{key}: an image must be in one split, but {pool[place].name} is in {both}")
            owner[place] = split


def _drawn(
    shares: Mapping[str, float], free: list[str], pool: Mapping[str, Sample], chosen: Choice
) -> dict[str, list[str]]:
    """Seeded shares of all images, out of the free ones, each in the data set's order."""
    if sum(shares.values()) > 1:
        told = " + ".join(f"{share:g}" for share in shares.values())
        raise BudgetnetError(f"{chosen.key}: shares must add up to 1 or less, but got {told}")
    bundles: dict[str, list[str]] = {}
    for place in free:
        bundles.setdefault(pool[place].group if chosen.by_group else place, []).append(place)
    order = sorted(bundles)
    random.Random(chosen.seed).shuffle(order)  # noqa: S311 (repeatable, not secret)
    drawn: dict[str, list[str]] = {}
    for split, share in shares.items():
        wanted, chosen_places = round(share * len(pool)), set[str]()
        while order and len(chosen_places) < max(wanted, 1):
            chosen_places.update(bundles[order.pop()])
        drawn[split] = [place for place in free if place in chosen_places]
    return drawn


def _names(taken: Mapping[str, list[str]], pool: Mapping[str, Sample]) -> dict[str, Sample]:
    """The samples; those of one name from different splits of the data set's own get its split in front."""
    counts: dict[str, int] = {}
    for sample in pool.values():
        counts[sample.name] = counts.get(sample.name, 0) + 1
    return {
        place: pool[place] if counts[pool[place].name] == 1 else replace(pool[place], name=place)
        for places in taken.values()
        for place in places
    }
