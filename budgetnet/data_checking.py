"""Checking and looking at a data set as the command line does it: read with progress, reports and pictures written."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from budgetnet import datasets, files, formats, pictures, units
from budgetnet.classmaps import ClassMap
from budgetnet.data import check_report
from budgetnet.data.check import Check, check, require_splits
from budgetnet.data.form import Form
from budgetnet.data.look import DRAWN
from budgetnet.data.names import short_name
from budgetnet.data.order import in_order
from budgetnet.data.reading import Classes, class_map, reduction
from budgetnet.data.sheet import Tile, sheet, spread, tile
from budgetnet.datasets import DataError, Fault, Sample, Source
from budgetnet.errors import BudgetnetError, printable
from budgetnet.progress import Watch, bars
from budgetnet.provenance import provenance
from budgetnet.report import Report

FILES = (
    "check.md",
    "check.json",
    "check-problems.csv",
    "check-notes.csv",
    "check-splits.csv",
    "check-classes.csv",
    "check-reduced.csv",
    check_report.SHEET,
)
"""All that a check may write. What this one does not is removed: an earlier one's would be taken for this one's."""

TILES = 12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, what was written, whether there are problems, and how long the reading took."""

    shown: Report
    written: Sequence[Path]
    clean: bool
    images: int
    seconds: float

    @property
    def pace(self) -> str:
        """How long the reading took."""
        rate = self.images / max(self.seconds, 1e-9)
        return f"{self.images:,} images read in {units.duration(self.seconds)}, {rate:,.0f} per second."


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Where a preview was written, how many images it shows, in the colours of which list of classes, and what is
    wrong with images that could not be shown.
    """

    path: Path
    shown: int
    classes: str
    faults: tuple[Fault, ...]

    @property
    def said(self) -> str:
        """What the picture shows."""
        return f"{units.counted(self.shown, 'image', 'images')} in the colours of {self.classes}"


def run_check(
    spec: str,
    *,
    classes: Classes | None = None,
    splits: Sequence[str] = (),
    folder: Path | None = None,
    seed: int = 0,
    write: bool = True,
) -> Outcome:
    """Checks a data set and writes its reports into `folder` (`reports/data/<name>`), unless `write` is off. Raises
    BudgetnetError for faults of what was asked, not of the data set's files.
    """
    source = datasets.find(spec)
    chosen = None if classes is None else class_map(spec, source, classes)
    started = time.monotonic()
    with bars() as begin:
        watch = begin(f"checking {spec.partition(':')[0]}")
        found = check(spec, source, splits=splits, chosen=chosen, progress=watch)
    seconds = time.monotonic() - started
    settings = {
        "data set": spec,
        "splits": ", ".join(tally.split for tally in found.tallies),
        "classes": "those of the labels" if chosen is None else f"{chosen.classes.name} ({chosen.key})",
        "void ids": ", ".join(f"{number} {source.classes[number]}" for number in sorted(found.void)) or "none",
        "size": "as the files have it; drawn images {} x {}".format(*DRAWN),
        "seed of the contact sheet": seed,
    }
    drawn, said = _contact_sheet(found, seed) if write else ({}, "")
    made = check_report.report(found, settings=settings, made_by=provenance(), sheet=said if drawn else None)
    contents = {**formats.files(made, "markdown", "csv", "json"), **drawn} if write else {}
    last = [] if not found.problems else made.blocks[:1]  # on the screen the end is what stays in view
    return Outcome(
        shown=replace(made, blocks=[*made.blocks[: -len(check_report.FACTS)], *last]),
        written=_write(folder or folder_of(spec), contents) if write else [],
        clean=not found.problems,
        images=found.images,
        seconds=seconds,
    )


def run_preview(
    spec: str,
    *,
    classes: Classes | None = None,
    splits: Sequence[str] = (),
    images: int = TILES,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    path: Path | None = None,
) -> Preview:
    """Writes a contact sheet of a few images, at `size` (height, width) as a network gets them, or whole. Raises
    BudgetnetError, where none of them can be read DataError.
    """
    if path is not None and path.suffix.lower() != ".png":
        raise BudgetnetError(f"--output must end in .png, as what is written is a PNG, but got {printable(str(path))}")
    source = datasets.find(spec)
    chosen = colours_of(spec, source, classes)
    listed = {split: source.splits[split].samples for split in require_splits(spec, source, splits)}
    drawn = [(split, sample) for split, some in spread(listed, images, seed).items() for sample in some]
    if not drawn:
        raise BudgetnetError(f"{spec}: must hold one image or more to be shown, but got none")
    form = None if size is None else Form(height=size[0], width=size[1])
    with bars() as begin:
        watch = begin(f"reading {spec.partition(':')[0]}")
        tiles, faults = _tiles([(split, sample, "") for split, sample in drawn], source, chosen, form, watch)
    if not tiles:
        raise DataError(faults)
    target = path or folder_of(spec) / "preview.png"
    files.make_folder(target.parent)
    files.write(target, pictures.png(sheet(tiles, chosen.classes)))
    return Preview(path=target, shown=len(tiles), classes=chosen.classes.name, faults=tuple(faults))


def folder_of(spec: str) -> Path:
    """`camvid:/data/CamVid,val=0.2` -> `reports/data/camvid-CamVid-val-0.2`."""
    return Path("reports") / "data" / short_name(spec)


def colours_of(spec: str, source: Source, classes: Classes | None) -> ClassMap:
    """The class map that was asked for, or else the one that tells most classes apart. Raises BudgetnetError."""
    if classes is not None:
        return class_map(spec, source, classes)
    if not source.class_maps:
        raise BudgetnetError(f"{spec}: must have a class map to be shown in colours, but got none")
    return max(source.class_maps, key=lambda each: len(each.classes))


def _contact_sheet(found: Check, seed: int) -> tuple[dict[str, bytes], str]:
    """The picture by its file name, none where no image can be shown, and what it shows."""
    if not (found.chosen or found.source.class_maps):
        return {}, ""
    chosen = found.chosen or colours_of(found.spec, found.source, None)
    suspects = found.suspects[: TILES // 2]
    first = [(each.split, each.sample, each.what) for each in suspects]
    taken = {(split, sample.name) for split, sample, _ in first}
    left = {
        tally.split: [
            each for each in found.source.splits[tally.split].samples if (tally.split, each.name) not in taken
        ]
        for tally in found.tallies
    }
    rest = spread(left, TILES - len(first), seed)
    chosen_samples = [*first, *((split, sample, "") for split, some in rest.items() for sample in some)]
    tiles, _ = _tiles(chosen_samples, found.source, chosen, None, lambda done, total: None)
    if not tiles:
        return {}, ""
    shown = units.counted(len(tiles), "image", "images")
    said = f"The contact sheet shows {shown} in the colours of {chosen.classes.name}"
    why = f"{len(first)} because of what was found in them"
    if len(first) < len(found.suspects):
        why = f"{len(first)} being of the {len(found.suspects):,} in which something was found"
    said += f", the first {why}." if first else f", drawn with seed {seed}."
    return {check_report.SHEET: pictures.png(sheet(tiles, chosen.classes))}, said


def _tiles(
    drawn: Sequence[tuple[str, Sample, str]], source: Source, chosen: ClassMap, form: Form | None, watch: Watch
) -> tuple[list[Tile], list[Fault]]:
    """Tiles of those that can be read, and what is wrong with the others."""
    targets = reduction(chosen)

    def read(item: tuple[str, Sample, str]) -> Tile | DataError:
        split, sample, what = item
        try:
            image, ids = sample.read(*(DRAWN if form is None else (form.height, form.width)))
        except DataError as error:
            return error
        fault = datasets.id_fault(ids, source.classes, sample.labels)
        if fault is not None:
            return DataError([fault])
        size = "{} x {}".format(*ids.shape)
        image, labels = (image, targets[ids]) if form is None else (form.image(image), targets[form.labels(ids)])
        return tile(image, labels, title=f"{split}: {sample.name}", text=what or size, fault=bool(what))

    tiles: list[Tile] = []
    faults: list[Fault] = []
    with closing(in_order(read, drawn)) as made:
        for done, each in enumerate(made, start=1):
            if isinstance(each, DataError):
                faults += each.faults
            else:
                tiles.append(each)
            watch(done, len(drawn))
    return tiles, faults


def _write(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    written = files.write_all(folder, contents)
    for name in FILES:
        if name not in contents:
            files.remove(folder / name)
    return written
