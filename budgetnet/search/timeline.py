"""Who trained what when: every stretch of training by worker, coloured by the rung that it led to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from budgetnet.drawing import INK, MUTED, new_figure, png
from budgetnet.search.progress_curves import ActiveClock, time_unit
from budgetnet.search.trial import Span, Trial

Kind: TypeAlias = Literal["search", "repeat", "audit"]

RUNG_COLOURS: Final = ("#b7d3ee", "#5b9bd5", "#1f5fa8", "#0b2f5c", "#041a36")
"""From the first rung to the last; of more rungs than colours, the last colour."""

CHECK_COLOURS: Final = {"repeat": "#e6a23c", "audit": "#a05195"}

OUTLINED: Final = 200
"""So many bars have outlines; more would be nothing else."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Epochs of one trial on one worker between two rungs; seconds are those of `ActiveClock`. `rung` is the one that
    they led to, from 0, and `phase` its name in the picture.
    """

    worker: str
    trial: int
    label: str
    kind: Kind
    rung: int
    phase: str
    first_epoch: int
    last_epoch: int
    began_second: float
    ended_second: float
    status: str


def kind(check: Trial) -> Kind:
    """What a training beside the search is for: other seeds are repeats, more epochs audits."""
    return "audit" if "epochs" in check.changes else "repeat" if check.changes else "search"


def bars(trials: Sequence[Trial], rungs: Sequence[int], clock: ActiveClock) -> list[Bar]:
    """Of trials and checks alike, by the time when each began."""
    found = []
    for trial in trials:
        what = kind(trial)
        for span in trial.spans:
            parts = _parts(span, rungs) if what == "search" else [(0, span.first_epoch, span.last_epoch)]
            for rung, first, last in parts:
                found.append(
                    Bar(
                        worker=span.worker,
                        trial=trial.number,
                        label=trial.candidate.label,
                        kind=what,
                        rung=rung,
                        phase=phase(rung, rungs) if what == "search" else f"{what}s",
                        first_epoch=first,
                        last_epoch=last,
                        began_second=clock(_moment(span, first - 1)),
                        ended_second=clock(_moment(span, last)),
                        status=trial.status,
                    )
                )
    return sorted(found, key=lambda bar: (bar.began_second, bar.kind != "search", bar.trial, bar.first_epoch))


def phase(rung: int, rungs: Sequence[int]) -> str:
    """How the epochs up to a rung are called."""
    first = 1 if rung == 0 else rungs[rung - 1] + 1
    if first == rungs[rung]:
        return f"epoch {first}"
    return f"epochs {first}-{rungs[rung]}"


def phases(rungs: Sequence[int], shown: Sequence[Bar]) -> list[tuple[str, str]]:
    """Every name of a phase that is shown, with its colour, in the order of training."""
    # of two rungs the second is the last: colours are spread over the scale
    last = len(RUNG_COLOURS) - 1
    colours = [RUNG_COLOURS[min(round(place * max(1, 3 / max(len(rungs), 1))), last)] for place in range(len(rungs))]
    named = [(phase(place, rungs), colours[place]) for place in range(len(rungs))]
    named += [(f"{what}s", colour) for what, colour in CHECK_COLOURS.items()]
    present = {bar.phase for bar in shown}
    return [each for each in named if each[0] in present]


def _parts(span: Span, rungs: Sequence[int]) -> list[tuple[int, int, int]]:
    """(rung, first epoch, last epoch) of what lies between the rungs."""
    found, first = [], span.first_epoch
    for place, rung in enumerate(rungs):
        last = span.last_epoch if place == len(rungs) - 1 else min(rung, span.last_epoch)
        if first <= last:
            found.append((place, first, last))
            first = last + 1
    return found


def _moment(span: Span, epoch: int) -> float:
    """When an epoch ended, epochs of a span being equally long."""
    share = (epoch - span.first_epoch + 1) / (span.last_epoch - span.first_epoch + 1)
    return span.began + share * (span.ended - span.began)


def lanes(shown: Sequence[Bar]) -> dict[str, str]:
    """Worker -> its name in pictures: without the machine, where there is but one."""
    workers = sorted({bar.worker for bar in shown}, key=_worker_order)
    hosts = {worker.rpartition("/")[0] for worker in workers}
    return {worker: f"worker {worker.rpartition('/')[2]}" if len(hosts) == 1 else worker for worker in workers}


def _worker_order(worker: str) -> tuple[str, int, str]:
    host, _, number = worker.rpartition("/")
    return host, int(number) if number.isdigit() else 0, number


def timeline_png(shown: Sequence[Bar], rungs: Sequence[int], *, title: str) -> bytes:
    """A lane for each worker; a cross at the end of a training that failed."""
    from matplotlib.patches import Patch

    names = lanes(shown)
    places = {worker: place for place, worker in enumerate(names)}
    unit, size = time_unit(max(bar.ended_second for bar in shown))
    figure = new_figure(width=11, height=1.9 + 0.42 * min(len(names), 40))
    axes = figure.add_subplot()
    colours = phases(rungs, shown)
    edge = 0.6 if len(shown) <= OUTLINED else 0.0
    for name, colour in colours:
        mine = [bar for bar in shown if bar.phase == name]
        axes.barh(
            [places[bar.worker] for bar in mine],
            [(bar.ended_second - bar.began_second) / size for bar in mine],
            left=[bar.began_second / size for bar in mine],
            height=0.72,
            color=colour,
            edgecolor="white",
            linewidth=edge,
        )
    failed = list({bar.trial: bar for bar in shown if bar.status == "failed"}.values())
    marks = axes.scatter(
        [bar.ended_second / size for bar in failed],
        [places[bar.worker] for bar in failed],
        marker="x",
        s=40,
        color="#b3261e",
        label="failed",
        zorder=4,
    )
    axes.set_yticks(range(len(names)), list(names.values()))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max(bar.ended_second for bar in shown) / size * 1.01 or 1)
    axes.set_xlabel(f"{unit} of training, times when nothing trained left out", color=MUTED)
    axes.set_title(title, color=INK, fontsize=12)
    keys = [Patch(facecolor=colour, label=name) for name, colour in colours]
    axes.legend(
        handles=[*keys, *([marks] if failed else [])],
        fontsize=8.5,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
    )
    return png(figure, grid="x")
