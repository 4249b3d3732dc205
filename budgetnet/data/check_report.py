"""What a check found, as a report: the verdict, the splits, what is labelled, problems and notes by file."""

from collections.abc import Mapping, Sequence
from typing import Any

from budgetnet import units
from budgetnet.classes import IGNORE
from budgetnet.data.check import Check, Finding, Tally
from budgetnet.errors import first_of, printable
from budgetnet.pictures import IGNORED
from budgetnet.report import Block, Column, Picture, Report, Row, Table, Text
from budgetnet.report import facts as report_facts
from budgetnet.units import counted

SHEET = "contact-sheet.png"
"""File name of the picture that the report shows."""

FACTS = ("Settings", "Made by")
"""Titles of the last blocks: where the figures come from."""

_GROUPS = 5
"""Groups in several splits that are named; the JSON has all."""

MOST_SHOWN = 200
"""Rows of problems and of notes that people are shown; the CSV files and the JSON hold all."""


def report(
    found: Check,
    *,
    settings: Mapping[str, Any],
    made_by: Mapping[str, str],
    sheet: str | None = None,
    most: int = MOST_SHOWN,
) -> Report:
    """The report `check`; its first table are the problems. `sheet` says what the contact sheet shows, where there is
    one.
    """
    problems, notes = _findings(found.problems, "problem"), _findings(found.notes, "note")
    splits, classes = _split_table(found), _class_table(found)
    tables = [problems, notes, splits, classes, *_reduced_tables(found)]
    shared = found.shared_groups
    told = [Text(text=_shared(shared))] if shared else []
    blocks: list[Block] = [Text(text=verdict(found)), splits, *told, classes, *tables[4:]]
    for table in (problems, notes):
        if table.rows:
            blocks.append(_first(table, most))
    if sheet is not None:
        blocks += [Text(text=sheet), Picture(title="Contact sheet", path=SHEET)]
    blocks += (report_facts(title, facts) for title, facts in zip(FACTS, (settings, made_by), strict=True))
    record = {
        "data_set": found.spec,
        "verdict": verdict(found),
        "images": found.images,
        "clean": not found.problems,
        "problems": list(problems.rows),
        "notes": list(notes.rows),
        "shared_groups": [{"group": group, "splits": splits} for group, splits in shared.items()],
        "splits": [_split_record(tally) for tally in found.tallies],
        "classes": list(classes.rows),
        "reduced": [dict(row) for table in tables[4:] for row in table.rows],
        "settings": dict(settings),
        "made_by": dict(made_by),
    }
    title = f"Check of data set {printable(found.spec)}"
    return Report(key="check", title=title, blocks=blocks, tables=tables, record=record)


def verdict(found: Check) -> str:
    """What came out, in a sentence."""
    said = f"{printable(found.spec)}: {found.images:,} {'image' if found.images == 1 else 'images'}"
    notes = f", {counted(len(found.notes), 'note', 'notes')}" if found.notes else ""
    if not found.problems:
        return f"{said}, no problems{notes}."
    files = len({finding.file for finding in found.problems})
    problems = f"{len(found.problems):,} {'problem' if len(found.problems) == 1 else 'problems'}"
    return f"{said}, {problems} in {files:,} {'file' if files == 1 else 'files'}{notes}."


def _shared(groups: Mapping[str, Sequence[str]]) -> str:
    """No fault and no note: it may be meant so, as the published splits of CamVid are."""
    told = first_of([f"{printable(group)} ({', '.join(splits)})" for group, splits in groups.items()], _GROUPS)
    rule = "neighbouring frames are near copies, and splits drawn with by=group keep them apart"
    return f"Groups (sequences, cities) in more than one split: {told}; {rule}."


def _findings(findings: Sequence[Finding], kind: str) -> Table:
    columns = [
        Column(key="file", heading="file", right=False),
        Column(key="split", heading="split", right=False),
        Column(key=kind, heading=kind, right=False),
    ]
    rows = [{"file": each.file, "split": each.split, kind: each.what} for each in findings]
    return Table(key=f"check-{kind}s", title=f"{kind.capitalize()}s", columns=columns, rows=rows)


def _first(table: Table, most: int) -> Table:
    if len(table.rows) <= most:
        return table
    title = f"{table.title}: the first {most:,} of {len(table.rows):,}, all are in {table.key}.csv"
    return Table(key=table.key, title=title, columns=table.columns, rows=table.rows[:most])


def _split_table(found: Check) -> Table:
    columns = [
        Column(key="split", heading="split", right=False),
        Column(key="images", heading="images"),
        Column(key="read", heading="read whole"),
        Column(key="sizes", heading="height x width", right=False),
        Column(key="groups", heading="groups"),
        Column(key="pixels", heading="pixels"),
        Column(key="problems", heading="problems"),
        Column(key="notes", heading="notes"),
    ]
    rows = [
        {
            "split": tally.split,
            "images": tally.images,
            "read": tally.read,
            "sizes": _sizes(tally),
            "groups": tally.groups or None,
            "pixels": int(tally.pixels.sum()),
            "problems": _said_of(tally, found.problems),
            "notes": _said_of(tally, found.notes),
        }
        for tally in found.tallies
    ]
    return Table(key="check-splits", title="Splits", columns=columns, rows=rows)


def _split_record(tally: Tally) -> dict[str, Any]:
    sizes = [{"height": high, "width": wide, "images": n} for (high, wide), n in sorted(tally.sizes.items())]
    return {
        "split": tally.split,
        "images": tally.images,
        "read": tally.read,
        "groups": tally.groups,
        "sizes": sizes,
        "pixels": int(tally.pixels.sum()),
    }


def _sizes(tally: Tally) -> str:
    """`360 x 480`, or the smallest and the largest area where there are several."""
    sizes = sorted(tally.sizes, key=lambda size: (size[0] * size[1], size))
    ends = dict.fromkeys(f"{height} x {width}" for height, width in (*sizes[:1], *sizes[-1:]))
    return " to ".join(ends) + (f" ({len(sizes)} sizes)" if len(sizes) > 2 else "")


def _said_of(tally: Tally, findings: Sequence[Finding]) -> int:
    return sum(tally.split in finding.split.split(", ") for finding in findings)


def _class_table(found: Check) -> Table:
    """What the labels themselves tell apart: the pixels of each source id."""
    columns = [Column(key="id", heading="id"), Column(key="class", heading="class", right=False), _VOID]
    rows = [
        {
            "id": number,
            "class": name,
            "void": number in found.void,
            **_amounts(found, {tally.split: int(tally.pixels[number]) for tally in found.tallies}),
        }
        for number, name in found.source.classes.items()
    ]
    title = "Share of each class of the labels in all pixels, in percent"
    return Table(key="check-classes", title=title, columns=[*columns, *_amount_columns(found)], rows=rows)


def _reduced_tables(found: Check) -> list[Table]:
    """The same after the class map that was asked for, if one was."""
    if found.chosen is None:
        return []
    targets, classes = found.chosen.targets, found.chosen.classes
    rows: list[Row] = []
    for index, name in [*((index, classes.names[index]) for index in classes.scored), (IGNORE, IGNORED)]:
        ids = [number for number in found.source.classes if targets[number] == index]
        pixels = {tally.split: int(tally.pixels[ids].sum()) for tally in found.tallies}
        rows.append({"class": name, "void": index == IGNORE, **_amounts(found, pixels)})
    columns = [Column(key="class", heading="class", right=False), _VOID, *_amount_columns(found)]
    title = f"Share of each class of {classes.name} in all pixels, in percent"
    return [Table(key="check-reduced", title=title, columns=columns, rows=rows)]


_VOID = Column(key="void", heading="void", right=False, show=lambda value: "void" if value else "")


def _amount_columns(found: Check) -> list[Column]:
    shares = [Column(key=f"{t.split}_share", heading=f"{t.split} %", show=_percent) for t in found.tallies]
    return shares + [Column(key=f"{t.split}_pixels", heading=f"{t.split} pixels") for t in found.tallies]


def _amounts(found: Check, pixels: Mapping[str, int]) -> dict[str, Any]:
    """Pixels and shares of one class in each split; no share where no pixel was read."""
    totals = {tally.split: int(tally.pixels.sum()) for tally in found.tallies}
    shares = {f"{s}_share": count / totals[s] if totals[s] else None for s, count in pixels.items()}
    return {**shares, **{f"{split}_pixels": count for split, count in pixels.items()}}


def _percent(share: float) -> str:
    """Two digits after the point; what is there is never shown as nothing."""
    return units.percent(share, 2) if share == 0 or share >= 0.00005 else "< 0.01"
