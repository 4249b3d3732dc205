"""Replays as tables: frames on time, late and dropped, and how long they took."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from budgetnet import units
from budgetnet.bench.replayed import SHARES, Replayed, Tally
from budgetnet.errors import printable
from budgetnet.report import Block, Column, Table

KEY: Final = "bench-replay"

_RANKS: Final = {"ms": 50, "ms_p90": 90, "ms_p99": 99, "ms_slowest": 100}
_TEXTS: Final = ("network", "runtime", "group")


def verdict(replays: Sequence[Replayed], names: Mapping[str, str]) -> str:
    """What came of replays of one network, in a sentence."""
    first = replays[0]
    how = "Simulated" if first.simulated else "Replayed"
    each = ", ".join(f"{replay.total.on_time:,} with {names[replay.runtime]}" for replay in replays)
    return (
        f"{how} for {first.seconds:g} s of scenario {printable(first.scenario)}, {printable(first.network)} has of "
        f"{first.total.taken:,} frames on time: {each}."
    )


def blocks(replays: Sequence[Replayed], names: Mapping[str, str]) -> list[Block]:
    """The tables for people."""
    rows = _rows(replays, names)
    figures = [
        *(Column(key=key, heading=key, right=False) for key in _TEXTS),
        *(Column(key=key, heading=words) for key, words in _COUNTS.items()),
        *(Column(key=key, heading=words, show=_two) for key, words in zip(_RANKS, _HEADINGS, strict=True)),
        Column(key="busy", heading="busy %", show=lambda value: units.percent(value)),
    ]
    shares = [
        *(Column(key=key, heading=key, right=False) for key in _TEXTS),
        *(Column(key=key, heading=words) for key, words in _classes().items()),
        Column(key="dropped", heading="dropped"),
    ]
    return [
        Table(
            key="replay",
            title="Frames by what became of them, and milliseconds from taken to done",
            columns=figures,
            rows=rows,
            marked=lambda row: row["taken"] == row["on_time"],
        ),
        Table(key="replay-histogram", title="Frames by their share of the deadline", columns=shares, rows=rows),
    ]


def exact(replays: Sequence[Replayed]) -> Table:
    """All figures, for machines."""
    rows = _rows(replays, {})
    columns = [Column(key=key, heading=key.replace("_", " "), right=key not in _TEXTS) for key in rows[0]]
    return Table(key=KEY, title="Replays", columns=columns, rows=rows)


def record(each: Replayed) -> dict[str, Any]:
    """A replay with its figures and every frame."""
    return {"figures": _rows([each], {}), **each.record()}


_COUNTS: Final = {"cameras": "cameras", "taken": "frames", "on_time": "on time", "late": "late", "dropped": "dropped"}
_HEADINGS: Final = ("median ms", "p90", "p99", "slowest")


def _classes() -> dict[str, str]:
    """The classes of latencies: key -> heading."""
    names = [units.percent(share, 0) for share in SHARES]
    return {**{f"to_{name}": f"to {name} %" for name in names}, f"over_{names[-1]}": f"over {names[-1]} %"}


def _rows(replays: Sequence[Replayed], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row for each camera group, and one for all where there are several."""
    rows = []
    for each in replays:
        for tally in (*each.by_group, each.total) if len(each.groups) > 1 else each.by_group:
            rows.append(
                {
                    "network": printable(each.network),
                    "runtime": names.get(each.runtime, each.runtime),
                    "group": printable(tally.name),
                    **_figures(tally),
                    "busy": each.busy if tally is each.total or len(each.groups) == 1 else None,
                }
            )
    return rows


def _figures(tally: Tally) -> dict[str, Any]:
    times = {key: tally.latency(rank) for key, rank in _RANKS.items()}
    return {
        **{key: getattr(tally, key) for key in _COUNTS},
        "share_on_time": tally.share_on_time,
        **{key: None if value is None else 1000 * value for key, value in times.items()},
        **dict(zip(_classes(), tally.histogram, strict=True)),
    }


def _two(value: float) -> str:
    return f"{value:,.2f}"
