"""Which images are for training and which are not: the data set's own splits, list files, or seeded shares.

A spec's argument may end in settings: `kitti-road:/data/kitti,val=0.2,seed=3` or `camvid:/data/CamVid,val=my-val.txt`.
A setting is `train`, `val` or `test` with one of

- a text file that lists images (see `_lists`),
- the name of one of the data set's own splits or parts,
- a share, between 0 and 1, of the images that no list and no own split of the settings has taken.

A split that no setting names: test and val stay as the data set has them, less what other settings took; so nobody
trains on test images without asking for it. Train takes the rest; where the settings say what train is, and there is no
val, val takes the rest. `seed` draws the shares, and `by=group` draws whole cities or sequences. What is drawn follows
from the seed and the names alone: the order of files on disk plays no part, and a few images more or less move few.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from budgetnet.datasets import SPLITS, DataError, Fault, Listing, Sample
from budgetnet.datasets._lists import Index, read_list
from budgetnet.datasets._settings import SETTINGS, parted
from budgetnet.errors import BudgetnetError, did_you_mean, printable, shorten

_RULE = "must be a share between 0 and 1, a split of the data set, or a list file"

Pool = Mapping[str, Sample]
"""All images of a data set by place: `<own split>/<name>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a spec says of its splits: split -> share, own split or list file; nothing where it says nothing."""

    key: str
    splits: Mapping[str, str]
    seed: int | None = None
    by_group: bool = False


def choice(argument: str, key: str) -> tuple[str, Choice]:
    """The argument without its settings, and what they say. Raises BudgetnetError listing what is wrong with them."""
    path, given = parted(argument)
    settings: dict[str, str] = {}
    faults = []
    for name, value in given:
        if name not in SETTINGS:
            faults.append(f"setting must be a known one{did_you_mean(name, SETTINGS)}, but got {shorten(name)}")
        elif name in settings:
            faults.append(f"{name} must be given once, but got {shorten(settings[name])} and {shorten(value)}")
        elif name in SPLITS and not value:
            faults.append(f"{name} {_RULE}, but got nothing")
        settings.setdefault(name, value)
    seed = settings.get("seed")
    if seed is not None and not (seed.isascii() and seed.isdecimal() and len(seed) < 10):
        faults.append(f"seed must be a whole number of up to nine digits, but got {shorten(seed)}")
    by = settings.get("by", "image")
    if by not in ("image", "group"):
        faults.append(f"by must be image or group, but got {shorten(by)}")
    if faults:
        raise BudgetnetError("\n".join(f"{key}: {fault}" for fault in faults))
    splits = {split: settings[split] for split in SPLITS if split in settings}
    return path, Choice(key=key, splits=splits, seed=None if seed is None else int(seed), by_group=by == "group")


def divided(
    own: Mapping[str, Listing], chosen: Choice, *, default: Mapping[str, str] | None = None
) -> dict[str, Listing]:
    """The splits that were chosen, in the order of `SPLITS`; where nothing was, those of `default`, else the data set's
    own.

    A data set without splits of its own has its images under other keys, and needs a `default`. Faults of files go with
    every split that is made anew. Raises BudgetnetError.
    """
    settings = dict(chosen.splits) or dict(default or {})
    shares = _shares(settings, chosen)
    if not settings:
        return {split: own[split] for split in SPLITS if split in own}
    pool = {f"{part}/{sample.name}": sample for part, listing in own.items() for sample in listing.samples}
    faults = tuple(fault for listing in own.values() for fault in listing.faults)
    if not pool:
        return {split: Listing(samples=(), faults=faults) for split in SPLITS if split in {"train", *settings}}
    try:
        samples = _samples(_taken(settings, shares, own, pool, chosen), pool)
    except DataError as error:
        raise DataError([*faults, *error.faults]) from None
    except BudgetnetError:
        if faults:  # too few images are left, since others have no labels: that is what to tell
            raise DataError(faults) from None
        raise
    return {split: Listing(samples=samples[split], faults=faults) for split in SPLITS if split in samples}


def _taken(
    settings: Mapping[str, str],
    shares: Mapping[str, Fraction],
    own: Mapping[str, Listing],
    pool: Pool,
    chosen: Choice,
) -> dict[str, list[str]]:
    """The images of each split. Raises BudgetnetError."""
    named = {split: value for split, value in settings.items() if split not in shares}
    taken = _named(named, own, pool, chosen.key)
    taken |= _kept(settings, own, pool, taken)
    takes_rest = "train" if "train" not in settings else None if "val" in {*taken, *shares} else "val"
    taken |= _drawn(shares, _less(pool, taken), pool, chosen, needs_rest=takes_rest == "train")
    rest = _less(pool, taken)
    if takes_rest == "train" or (takes_rest and rest):
        taken[takes_rest] = rest
    if not taken["train"]:
        told = ", ".join(f"{split}={printable(value)}" for split, value in settings.items())
        raise BudgetnetError(f"{chosen.key}: train must hold one image or more, but {told} leaves none")
    return taken


def _shares(settings: Mapping[str, str], chosen: Choice) -> dict[str, Fraction]:
    """Those of the settings that are shares. Raises BudgetnetError where one cannot be, or all cannot."""
    numbers: dict[str, float] = {}
    for split, value in settings.items():
        try:
            numbers[split] = float(value)
        except ValueError:  # the name of a split or file
            continue
        if not 0 < numbers[split] < 1:
            raise BudgetnetError(f"{chosen.key}: {split} {_RULE}, but got {shorten(value)}")
    shares = {split: Fraction(repr(number)) for split, number in numbers.items()}  # 0.2 is a fifth
    told = " + ".join(f"{number:g}" for number in numbers.values())
    if sum(shares.values()) > 1:
        raise BudgetnetError(f"{chosen.key}: shares must add up to 1 or less, but got {told}")
    if sum(shares.values()) == 1 and "train" not in settings:
        raise BudgetnetError(f"{chosen.key}: shares must leave images for train, but got {told}")
    if not shares and (chosen.seed is not None or chosen.by_group):
        got = "seed" if chosen.seed is not None else "by=group"
        raise BudgetnetError(f"{chosen.key}: seed and by must come with a share, such as val=0.2, but got {got} alone")
    return shares


def _named(named: Mapping[str, str], own: Mapping[str, Listing], pool: Pool, key: str) -> dict[str, list[str]]:
    """The images of own splits and list files, no image in two. Raises DataError with all that is wrong with them."""
    taken: dict[str, list[str]] = {}
    wrong: list[Fault] = []
    index = Index(pool) if any(value not in own for value in named.values()) else None
    for split, value in named.items():
        if index is None or value in own:
            taken[split] = [place for place in pool if place.startswith(f"{value}/")]
        else:
            taken[split], more = read_list(Path(value).expanduser(), index, f"{key}: {split} {_RULE}")
            wrong += more
    owner: dict[str, str] = {}
    for split, places in taken.items():
        for place in places:
            if place in owner:
                both = " and ".join(f"{each} ({printable(named[each])})" for each in (owner[place], split))
                wrong.append(Fault(where=pool[place].image, what=f"must be in one split, but is in {both}"))
            owner.setdefault(place, split)
    if wrong:
        raise DataError(wrong)
    return taken


def _kept(
    settings: Mapping[str, str], own: Mapping[str, Listing], pool: Pool, taken: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Own val and test images, where no setting says anything of these splits."""
    used = {place for places in taken.values() for place in places}
    return {
        split: [place for place in pool if place.startswith(f"{split}/") and place not in used]
        for split in ("val", "test")
        if split in own and split not in settings and split not in settings.values()
    }


def _less(pool: Pool, taken: Mapping[str, list[str]]) -> list[str]:
    used = {place for places in taken.values() for place in places}
    return [place for place in pool if place not in used]


def _drawn(
    shares: Mapping[str, Fraction], left: list[str], pool: Pool, chosen: Choice, *, needs_rest: bool
) -> dict[str, list[str]]:
    """Seeded shares of what is left, each in the data set's order, and one image or more for each split."""
    if not shares:
        return {}
    bundles: dict[str, list[str]] = {}
    for place in left:
        group = pool[place].group if chosen.by_group else ""
        bundles.setdefault(f"group {group}" if group else place, []).append(place)
    if chosen.by_group and not any(pool[place].group for place in left):
        raise BudgetnetError(f"{chosen.key}: by=group must be left out where images have no groups")
    if len(bundles) < len(shares) + needs_rest:
        splits = ", ".join([*shares, *(["train"] if needs_rest else [])])
        what = "groups of images" if chosen.by_group else "images"
        raise BudgetnetError(
            f"{chosen.key}: each of {splits} must get {what}, but there are only {len(bundles)} to draw"
        )
    seed = chosen.seed or 0
    order = sorted(bundles, key=lambda name: sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest())
    drawn: dict[str, list[str]] = {}
    wanted = [split for split in ("val", "test", "train") if split in shares]  # another split does not change val
    for later, split in zip(range(len(wanted) - 1, -1, -1), wanted, strict=True):
        everything = not later and sum(shares.values()) == 1
        names = order if everything else _nearest(order, bundles, shares[split] * len(left), later + needs_rest)
        places = {place for name in names for place in bundles[name]}
        drawn[split] = [place for place in left if place in places]
        gone = set(names)
        order = [name for name in order if name not in gone]
    return drawn


def _nearest(order: list[str], bundles: Mapping[str, list[str]], wanted: Fraction, spare: int) -> list[str]:
    """The first bundles that bring their number of images as near as can be to what is wanted, `spare` left over."""
    names: list[str] = []
    count = 0
    for name in order:
        size = len(bundles[name])
        if len(order) - len(names) > spare and abs(count + size - wanted) < abs(count - wanted):
            names.append(name)
            count += size
    return names or [min(order, key=lambda name: len(bundles[name]))]


def _samples(taken: Mapping[str, list[str]], pool: Pool) -> dict[str, tuple[Sample, ...]]:
    """The samples; those whose name is there in several of the own splits get the split's in front."""
    counts: dict[str, int] = {}
    for sample in pool.values():
        counts[sample.name] = counts.get(sample.name, 0) + 1
    return {
        split: tuple(
            pool[place] if counts[pool[place].name] == 1 else replace(pool[place], name=place) for place in places
        )
        for split, places in taken.items()
    }
