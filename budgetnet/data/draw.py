"""Draws the splits that a recipe wants from those that a data set has: seeded, evenly over groups where it says so."""

import random
from collections.abc import Iterable, Mapping, Sequence

from budgetnet.datasets import SPLITS, DataError, Sample, Source, samples
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.recipes import Draw, SplitName


def drawn(spec: str, source: Source, draws: Mapping[SplitName, Draw], seed: int) -> dict[str, tuple[Sample, ...]]:
    """The samples of each wanted split, in the data set's order. The same images for the same names and seed, whatever
    order files are listed in. Raises BudgetnetError where the data set has not what the recipe draws, or an image would
    be in two splits.
    """
    taken: dict[str, tuple[Sample, ...]] = {}
    owner: dict[str, str] = {}
    for split, wanted in sorted(draws.items(), key=lambda pair: SPLITS.index(pair[0])):
        taken[split] = _one(spec, source, split, wanted, seed)
        for sample in taken[split]:
            place = f"{wanted.source}/{sample.name}"
            if place in owner:
                both = f"{owner[place]} and {split}"
                raise BudgetnetError(f"{spec}: an image must be in one split, but {place} is drawn for {both}")
            owner[place] = split
    return taken


def whole(spec: str, source: Source) -> dict[str, tuple[Sample, ...]]:
    """All samples of all splits that the data set has. Raises BudgetnetError with the faults of all splits."""
    faults = [fault for listing in source.splits.values() for fault in listing.faults]
    if faults:
        raise DataError(faults)
    return {split: samples(spec, source, split) for split in source.splits}


def _one(spec: str, source: Source, split: str, wanted: Draw, seed: int) -> tuple[Sample, ...]:
    pool = samples(spec, source, wanted.source)
    where = f"{spec}: split {split} of the recipe"
    groups = groups_of(pool)
    for group in wanted.groups:
        if group not in groups:
            hint = did_you_mean(group, [each for each in groups if each])
            raise BudgetnetError(f"{where} must draw from groups of {wanted.source}, but got {shorten(group)}{hint}")
    if wanted.groups:
        pool = tuple(sample for sample in pool if sample.group in wanted.groups)
    if wanted.images is None:
        return pool
    rng = random.Random(f"{seed} {split}")  # noqa: S311 (repeatable, not secret)
    if not wanted.evenly:
        return _pick(pool, wanted.images, rng, f"{where} must find {wanted.images:,} images")
    picked: set[str] = set()
    for group, count in _even(groups_of(pool), wanted.images, rng):
        of_group = [sample for sample in pool if sample.group == group]
        rule = f"{where} must find {count:,} images of group {group}"
        picked.update(sample.name for sample in _pick(of_group, count, rng, rule))
    return tuple(sample for sample in pool if sample.name in picked)


def groups_of(pool: Iterable[Sample]) -> list[str]:
    """The groups of samples, sorted."""
    return sorted({sample.group for sample in pool})


def _even(groups: Sequence[str], count: int, rng: random.Random) -> Iterable[tuple[str, int]]:
    """As many of each group; where that leaves some over, drawn groups have one more."""
    share, over = divmod(count, len(groups))
    luckier = set(rng.sample(list(groups), over))
    return [(group, share + (group in luckier)) for group in groups]


def _pick(pool: Sequence[Sample], count: int, rng: random.Random, rule: str) -> tuple[Sample, ...]:
    if len(pool) < count:
        raise BudgetnetError(f"{rule}, but got {len(pool):,}")
    names = {sample.name for sample in rng.sample(sorted(pool, key=lambda sample: sample.name), count)}
    return tuple(sample for sample in pool if sample.name in names)
