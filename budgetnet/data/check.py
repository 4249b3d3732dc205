"""A whole data set looked at: every fault of every file, what is odd, and what its pixels are labelled as."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from budgetnet.classes import IGNORE
from budgetnet.classmaps import ClassMap
from budgetnet.data import notes
from budgetnet.data.look import Looked, look
from budgetnet.data.notes import Said
from budgetnet.data.order import in_order
from budgetnet.data.reading import Progress, digest
from budgetnet.data.twins import Seen, same_images, same_labels
from budgetnet.datasets import Fault, Sample, Source, require_split
from budgetnet.errors import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with a file of a split, or worth a look. `split` may name several, with commas between them;
    `file` is empty where the split as a whole is meant.
    """

    file: str
    split: str
    what: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a split holds: images listed and read whole, groups, how many of each (height, width), pixels by source id
    (int64 (256)).
    """

    split: str
    images: int
    groups: int
    read: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A sample that can be read and of which something was said: the first place to look."""

    split: str
    sample: Sample
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """All that was found. `problems` must be mended, `notes` may be meant so; both are in the order of splits and
    files. `void` are source ids that count for nothing. `suspects` have those with problems first.
    """

    spec: str
    source: Source
    chosen: ClassMap | None
    void: frozenset[int]
    tallies: tuple[Tally, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    suspects: tuple[Suspect, ...]

    @property
    def images(self) -> int:
        """How many images the looked-at splits list."""
        return sum(tally.images for tally in self.tallies)

    @property
    def shared_groups(self) -> dict[str, list[str]]:
        """Groups (sequences, cities) of which several looked-at splits have images -> those splits."""
        splits: dict[str, dict[str, None]] = {}
        for tally in self.tallies:
            for sample in self.source.splits[tally.split].samples:
                if sample.group:
                    splits.setdefault(sample.group, {}).setdefault(tally.split)
        return {group: list(several) for group, several in splits.items() if len(several) > 1}


def _changed(source: Source, splits: Iterable[str]) -> Iterator[tuple[str, Fault]]:
    """Arrays that are not as they were made."""
    for split in splits:
        if split in source.digests and source.digests[split] != digest(*source.arrays[split]):
            what = "arrays must be as `data prepare` made them, but were changed since"
            yield split, Fault(where=f"split {split}", what=what)


def check(
    spec: str,
    source: Source,
    *,
    splits: Sequence[str] = (),
    chosen: ClassMap | None = None,
    progress: Progress | None = None,
) -> Check:
    """Reads every image and label of the named splits, or of all. `progress(done, total)` is called after each image.

    Without a class map `chosen`, those ids are void that none of the data set's maps counts. Memory: about a kilobyte
    an image. Raises BudgetnetError for a split that the data set has not; faults of its files are what it returns.
    """
    wanted = require_splits(spec, source, splits)
    void = void_ids(source, chosen)
    tallies = {split: _tally(source, split) for split in wanted}
    faults = list(_faults_of_names(spec, source, wanted))
    seen: list[Seen] = []
    everything = [(split, sample) for split in wanted for sample in source.splits[split].samples]
    looks = in_order(lambda item: look(item[1], source.classes, void), everything)
    with closing(looks):  # when interrupted, no further file is read
        for done, ((split, sample), looked) in enumerate(zip(everything, looks, strict=True), start=1):
            _count(tallies[split], looked)
            faults += [(split, sample, fault) for fault in looked.faults]
            if looked.sight is not None:
                seen.append(Seen(split=split, sample=sample, sight=looked.sight))
            if progress is not None:
                progress(done, len(everything))
    faults += [(each.split, each.sample, fault) for each, fault in (*same_images(seen), *same_labels(seen))]
    faults += [(split, source.splits[split].samples[0], fault) for split, fault in _changed(source, wanted)]
    odd = [*notes.of_names(source, wanted), *notes.of_images(seen, {fault.where for _, _, fault in faults})]
    for tally in tallies.values():
        odd += notes.of_sizes(tally.split, tally.sizes, [each for each in seen if each.split == tally.split])
        if tally.read:
            odd += notes.of_classes(tally.split, notes.classes_without(tally.pixels, source, chosen, void))
    return Check(
        spec=spec,
        source=source,
        chosen=chosen,
        void=void,
        tallies=tuple(tallies.values()),
        problems=_findings(faults, wanted),
        notes=_findings(odd, wanted),
        suspects=_suspects([*faults, *odd], seen),
    )


def require_splits(spec: str, source: Source, splits: Sequence[str]) -> list[str]:
    """The named splits of a data set, or all, in its order. Raises BudgetnetError for one that it has not."""
    for split in splits:
        require_split(spec, source, split)
    return [split for split in source.splits if not splits or split in splits]


def void_ids(source: Source, chosen: ClassMap | None) -> frozenset[int]:
    """Source ids whose pixels neither teach nor score: by the class map, or else by all that there are."""
    maps = (chosen,) if chosen is not None else source.class_maps
    return frozenset(
        number for number in source.classes if maps and all(each.targets[number] == IGNORE for each in maps)
    )


def _tally(source: Source, split: str) -> Tally:
    samples = source.splits[split].samples
    return Tally(split=split, images=len(samples), groups=len({sample.group for sample in samples if sample.group}))


def _faults_of_names(spec: str, source: Source, splits: Iterable[str]) -> Iterator[Said]:
    for split in splits:
        listing = source.splits[split]
        yield from ((split, None, fault) for fault in listing.faults)
        if not listing.samples and not listing.faults:
            what = f"split {split} must hold one image or more, but got none"
            yield split, None, Fault(where=printable(spec), what=what)


def _count(tally: Tally, looked: Looked) -> None:
    if looked.sight is not None and looked.pixels is not None:
        tally.read += 1
        tally.sizes[looked.sight.height, looked.sight.width] += 1
        tally.pixels += looked.pixels


def _findings(said: Iterable[Said], order: Sequence[str]) -> tuple[Finding, ...]:
    """Each once, even if it is said of several splits, as a data set without splits of its own does."""
    splits: dict[tuple[str, str], dict[str, None]] = {}
    for split, _, fault in said:
        splits.setdefault((fault.where, fault.what), {}).setdefault(split)
    found = [Finding(file=file, split=", ".join(several), what=what) for (file, what), several in splits.items()]
    places = {split: place for place, split in enumerate(order)}
    return tuple(sorted(found, key=lambda each: (places.get(each.split.partition(",")[0], -1), each.file, each.what)))


def _suspects(said: Iterable[Said], seen: Iterable[Seen]) -> tuple[Suspect, ...]:
    """The first that was said of each sample that can be read; one of each kind, then the second of each, and so on."""
    readable = {(each.split, each.sample.name) for each in seen}
    found: dict[tuple[str, str], Suspect] = {}
    for split, sample, fault in said:
        if sample is not None and (split, sample.name) in readable:
            found.setdefault((split, sample.name), Suspect(split=split, sample=sample, what=fault.what))
    before: Counter[str] = Counter()
    places: dict[tuple[str, str], int] = {}
    for key, each in found.items():
        kind = each.what.partition(",")[0]  # the rule
        places[key] = before[kind]
        before[kind] += 1
    return tuple(found[key] for key in sorted(found, key=places.__getitem__))
