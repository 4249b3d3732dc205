"""A prediction as a report: how it was made, how much of the frames is of each class, and every frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final
from urllib.parse import quote

from budgetnet import units
from budgetnet.classes import ClassList
from budgetnet.data.form import Form
from budgetnet.frames.folder import OVERLAYS
from budgetnet.frames.painting import FrameResult
from budgetnet.networks import Candidate
from budgetnet.report import Block, Column, Picture, Report, Table, Text

SHOWN: Final = 30
"""Frames that people read about; all of them are in predictions.csv."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All that a prediction's report says. `run` is the folder of the trained network, `weights` the SHA-256 of its
    weights in hex, `form` what it saw of a frame; `seconds` all the time it took, reading and writing too.
    """

    run: str
    candidate: Candidate
    classes: ClassList
    weights: str
    form: Form
    frames: Sequence[FrameResult]
    seconds: float
    settings: Mapping[str, Any]
    made_by: Mapping[str, str]

    @property
    def film(self) -> str | None:
        """The film's name, where there is one."""
        return self.settings["video"]  # type: ignore[no-any-return]

    @property
    def network_ms(self) -> float:
        """Milliseconds that the network took for a frame, on average."""
        return 1000 * sum(frame.seconds for frame in self.frames) / len(self.frames)


def report(summary: Summary) -> Report:
    """predictions.md, predictions.csv (a row per frame) and predictions.json."""
    rows = [_row(summary, frame) for frame in summary.frames]
    columns = _columns(summary.classes)
    shares = _shares(summary)
    blocks: list[Block] = [Text(text=sentence) for sentence in _sentences(summary)]
    blocks.append(shares)
    if summary.settings["overlays"]:
        middle = summary.frames[len(summary.frames) // 2].name
        blocks.append(Picture(title=middle, path=quote(f"{OVERLAYS}/{middle}.jpg")))
    some = f"The first {SHOWN} of {len(rows):,} frames" if len(rows) > SHOWN else "Frames"
    blocks.append(Table(key="frames", title=some, columns=columns, rows=rows[:SHOWN]))
    title = f"Predictions of {summary.candidate.label}"
    every = Table(key="predictions", title="Frames", columns=columns, rows=rows)
    return Report(key="predictions", title=title, blocks=blocks, tables=[every], record=_record(summary, rows, shares))


def _sentences(summary: Summary) -> list[str]:
    frames, form = summary.frames, summary.form
    count = units.counted(len(frames), "frame", "frames")
    speed = f"{len(frames) / summary.seconds:,.1f} frames a second with reading and writing"
    told = [
        f"{count} in {units.duration(summary.seconds)}: {speed}; the network alone takes {summary.network_ms:,.1f} ms "
        f"a frame, on {summary.made_by['device']}. Run {summary.run}, weights {summary.weights[:16]}, "
        f"input {form.height} x {form.width}."
    ]
    unseen = [frame.unseen for frame in frames if frame.unseen]
    if unseen:
        most = units.percent(max(unseen))
        share = "All frames have" if len(unseen) == len(frames) else f"{len(unseen):,} of the frames have"
        told.append(
            f"{share} another aspect ratio than the network's input: up to {most} % of such a frame was cut off, above "
            "and below or left and right. There masks hold 255 and overlays are dark. A --size of the frames' own "
            "aspect ratio sees all of them."
        )
    sizes = {(frame.height, frame.width) for frame in frames}
    if summary.film and len(sizes) > 1:
        high, wide = frames[0].height, frames[0].width
        other = sum((frame.height, frame.width) != (high, wide) for frame in frames)
        told.append(
            f"A film has one size, that of its first frame ({high} x {wide}): {other:,} of another size were scaled to "
            "fit, black beside them."
        )
    return told


def _row(summary: Summary, frame: FrameResult) -> dict[str, Any]:
    return {
        "frame": frame.name,
        "file": frame.file,
        "number": frame.number,
        "height": frame.height,
        "width": frame.width,
        "not_seen": frame.unseen,
        "network_ms": 1000 * frame.seconds,
        **{_key(name): share for name, share in zip(summary.classes.names, frame.shares, strict=True)},
    }


def _key(name: str) -> str:
    return f"share {name}"


def _columns(classes: ClassList) -> list[Column]:
    return [
        Column(key="frame", heading="frame", right=False),
        Column(key="file", heading="file", right=False),
        Column(key="number", heading="number in it"),
        Column(key="height", heading="height"),
        Column(key="width", heading="width"),
        Column(key="not_seen", heading="not seen, %", show=units.percent),
        Column(key="network_ms", heading="network ms", show=lambda value: f"{value:,.1f}"),
        *(Column(key=_key(name), heading=f"{name}, %", show=units.percent) for name in classes.names),
    ]


def _shares(summary: Summary) -> Table:
    rows = []
    for index, name in enumerate(summary.classes.names):
        shares = [frame.shares[index] for frame in summary.frames]
        most = max(range(len(shares)), key=shares.__getitem__)
        row = {"class": name, "mean": sum(shares) / len(shares), "least": min(shares), "most": shares[most]}
        rows.append({**row, "most_in": summary.frames[most].name if shares[most] else None})
    columns = [
        Column(key="class", heading="class", right=False),
        Column(key="mean", heading="% of a frame", show=units.percent),
        Column(key="least", heading="least", show=units.percent),
        Column(key="most", heading="most", show=units.percent),
        Column(key="most_in", heading="most in", right=False),
    ]
    return Table(key="classes", title="Share of each class in what the network saw", columns=columns, rows=rows)


def _record(summary: Summary, rows: Sequence[Mapping[str, Any]], shares: Table) -> dict[str, Any]:
    classes = summary.classes
    return {
        "complete": True,
        "film": summary.film,
        "run": summary.run,
        "weights_sha256": summary.weights,
        "network": {"family": summary.candidate.network, "parameters": dict(summary.candidate.parameters)},
        "input": {"height": summary.form.height, "width": summary.form.width},
        "classes": {"names": list(classes.names), "colours": [list(each) for each in classes.colours]},
        "void": None if classes.void is None else classes.names[classes.void],
        "settings": dict(summary.settings),
        "seconds": summary.seconds,
        "frames_per_second": len(rows) / summary.seconds,
        "network_ms": summary.network_ms,
        "made_by": dict(summary.made_by),
        "class_shares": [dict(row) for row in shares.rows],
        "frames": [dict(row) for row in rows],
    }
