"""What a search had reached when: the hypervolume of its front against trials, epochs and seconds.

Seconds are counted while at least one worker trains: nights between two sessions are no time of the search.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from budgetnet.drawing import INK, MUTED, new_figure, png
from budgetnet.search.pareto import front, hypervolume
from budgetnet.search.trial import Span, Trial


@final
class ActiveClock:
    """Seconds since 1970 -> seconds of training of the whole search, those in which nothing trained left out."""

    def __init__(self, spans: Iterable[Span]) -> None:
        """Of all spans of a search."""
        merged: list[list[float]] = []
        for began, ended in sorted((span.began, max(span.ended, span.began)) for span in spans):
            if merged and began <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], ended)
            else:
                merged.append([began, ended])
        self._began = np.array([began for began, _ in merged])
        lengths = np.array([ended - began for began, ended in merged])
        self._lengths = lengths
        self._before = np.concatenate([[0.0], np.cumsum(lengths)])

    @property
    def total(self) -> float:
        """Seconds in which something trained."""
        return float(self._before[-1])

    def __call__(self, moment: float) -> float:
        """Seconds of training before a moment."""
        place = int(np.searchsorted(self._began, moment, side="right")) - 1
        if place < 0:
            return 0.0
        return float(self._before[place] + min(moment - self._began[place], self._lengths[place]))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the search was: `trials` begun, `epochs` trained and `seconds` of training when `trial` was done; its
    front's `hypervolume` from then on, in images per second. `trial` is None at the start and at the end.
    """

    trials: int
    epochs: float
    seconds: float
    hypervolume: float
    trial: int | None


def progress(trials: Sequence[Trial], clock: ActiveClock) -> list[Progress]:
    """The hypervolume beyond (0 mean IoU, 0 images per second) after each trial that was done, from nothing on."""
    spans = [span for trial in trials for span in trial.spans]
    starts = np.sort([trial.spans[0].began for trial in trials if trial.spans])
    began = np.array([span.began for span in spans])
    lasted = np.array([max(span.ended - span.began, 1e-9) for span in spans])
    counts = np.array([span.last_epoch - span.first_epoch + 1 for span in spans])
    found = [Progress(trials=0, epochs=0.0, seconds=0.0, hypervolume=0.0, trial=None)]
    points: list[tuple[float, float]] = []
    for trial in sorted((trial for trial in trials if trial.status == "done"), key=_ended):
        assert trial.result is not None
        points.append((trial.result.scores.mean_iou, trial.images_per_second))
        points = [points[place] for place in front(points)]
        area = hypervolume(np.array(points))
        moment = _ended(trial)[0]
        epochs = float((np.clip((moment - began) / lasted, 0, 1) * counts).sum())
        begun = int(np.searchsorted(starts, moment, side="right"))
        found.append(Progress(trials=begun, epochs=epochs, seconds=clock(moment), hypervolume=area, trial=trial.number))
    seconds = clock(max((span.ended for span in spans), default=0.0))
    end = Progress(
        trials=len(starts),
        epochs=float(counts.sum()),
        seconds=seconds,
        hypervolume=found[-1].hypervolume,
        trial=None,
    )
    return [*found, end] if len(found) > 1 else []


def _ended(trial: Trial) -> tuple[float, int]:
    return max((span.ended for span in trial.spans), default=0.0), trial.number


def hypervolume_png(curve: Sequence[Progress], *, title: str) -> bytes:
    """The hypervolume against trials begun, epochs trained and time."""
    figure = new_figure(width=11, height=3.8)
    figure.suptitle(title, color=INK, fontsize=12)
    unit, size = time_unit(curve[-1].seconds)
    parts: tuple[tuple[str, list[float]], ...] = (
        ("trials begun", [each.trials for each in curve]),
        ("epochs trained", [each.epochs for each in curve]),
        (f"{unit} of training", [each.seconds / size for each in curve]),
    )
    heights = [each.hypervolume for each in curve]
    for place, (name, values) in enumerate(parts):
        axes = figure.add_subplot(1, 3, place + 1)
        axes.step(values, heights, where="post", color="#1f5fa8", linewidth=1.8)
        axes.fill_between(values, heights, step="post", color="#1f5fa8", alpha=0.10, linewidth=0)
        axes.set_xlabel(name, color=MUTED)
        if not place:
            axes.set_ylabel("hypervolume (mean IoU x images per second)", color=MUTED, fontsize=9)
        axes.set_ylim(0, max(heights) * 1.08 or 1)
        axes.set_xlim(0, max(values) * 1.02 or 1)
    return png(figure)


def time_unit(seconds: float) -> tuple[str, float]:
    """How people read a time as long as this: (`minutes`, 60)."""
    return ("seconds", 1.0) if seconds < 180 else ("minutes", 60.0) if seconds < 10_800 else ("hours", 3600.0)
