"""A training as people see it: lines that fit, figures that are right, and where a training goes on."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from budgetnet import training_watch
from budgetnet.results import Step
from budgetnet.training_settings import Training
from budgetnet.training_watch import Watcher


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(training_watch, "time", SimpleNamespace(perf_counter=made.perf_counter))
    return made


def screen(width: int = 80, *, live: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=live, color_system=None)


def lines(shown: Console) -> list[str]:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue().splitlines()


def row(epoch: int, mean_iou: float | None, seconds: float = 40.0) -> dict[str, float | None]:
    return {"epoch": epoch, "loss": 1.25, "mean_iou": mean_iou, "learning_rate": 0.001, "seconds": seconds}


def run(watcher: Watcher, clock: Clock, epoch: int, *, of: int, batches: int = 10, first: int = 1) -> None:
    """Steps of 3 s each."""
    for batch in range(first, batches + 1):
        clock.now += 3
        watcher.steps(Step(epoch=epoch, epochs=of, batch=batch, batches=batches, loss=0.5))


def test_elsewhere_than_on_a_terminal_there_is_a_line_per_epoch(clock):
    shown = screen()
    with Watcher(shown, Training(epochs=3), 80) as watcher:
        history = []
        for epoch, quality in enumerate((0.5, 0.25, 0.75), start=1):
            run(watcher, clock, epoch, of=3)
            clock.now += 10  # validation
            history.append(row(epoch, quality))
            watcher.epoch(history)
    assert lines(shown) == [
        "epoch 1/3: loss 1.2500, mean IoU 0.500 (best 0.500), 2.7 img/s, 40.0 s, 1 min 20 s left",
        "epoch 2/3: loss 1.2500, mean IoU 0.250 (best 0.500), 2.7 img/s, 40.0 s, 40 s left",
        "epoch 3/3: loss 1.2500, mean IoU 0.750 (best 0.750), 2.7 img/s, 40.0 s",
    ]


def test_epochs_on_smaller_images_are_told_apart_and_none_is_the_best(clock):
    shown = screen()
    with Watcher(shown, Training(epochs=3, early_epochs=2), 80) as watcher:
        history = []
        for epoch, quality in enumerate((0.5, 0.75, 0.25), start=1):
            run(watcher, clock, epoch, of=3)
            history.append(row(epoch, quality))
            watcher.epoch(history)
    said = ["mean IoU 0.500 (small img)", "mean IoU 0.750 (small img)", "mean IoU 0.250 (best 0.250)"]
    assert [line.split(", ")[1] for line in lines(shown)] == said


def test_epochs_without_validation_say_nothing_of_it(clock):
    shown = screen()
    with Watcher(shown, Training(epochs=2, validate_every=2), 80) as watcher:
        run(watcher, clock, 1, of=2)
        watcher.epoch([row(1, None)])
    assert lines(shown) == ["epoch 1/2: loss 1.2500, 2.7 img/s, 40.0 s, 40 s left"]


@pytest.mark.parametrize(
    ("epoch", "first", "said"),
    [
        (1, 1, []),
        (3, 1, ["Going on after epoch 2 of 9."]),
        (3, 8, ["Going on after epoch 2 of 9 and batch 7 of 10 of epoch 3."]),
        (1, 8, ["Going on after batch 7 of 10 of epoch 1."]),
    ],
)
def test_it_tells_once_where_it_goes_on(clock, epoch, first, said):
    shown = screen()
    with Watcher(shown, Training(epochs=9), 80) as watcher:
        run(watcher, clock, epoch, of=9, first=first)
        run(watcher, clock, epoch + 1, of=9)
    assert lines(shown) == said


@pytest.mark.parametrize("width", [80, 98, 115, 200])
def test_the_live_line_fits_the_window_and_tells_everything(clock, width):
    shown = screen(width, live=True)
    with Watcher(shown, Training(epochs=400), 800) as watcher:
        watcher.remember([0.789, 0.456])
        run(watcher, clock, 222, of=400, first=2)
        told = [watcher._bars.tasks[0].description]
        for batch in (1, 2):
            clock.now += 0.5
            watcher.steps(Step(epoch=223, epochs=400, batch=batch, batches=10, loss=12.3456))
        told.append(watcher._bars.tasks[0].description)
    epoch = "" if width == 80 else "epoch "
    loss = "" if width == 80 else "loss 0.500, "
    assert told == [
        f"{epoch}222/400, validating: {loss}mean IoU 0.456 (best 0.789), 26.7 img/s, 1 h 29 min left",
        f"{epoch}223/400: loss 12.346, mean IoU 0.456 (best 0.789), 160 img/s, 14 min 49 s left",
    ]
    drawn = [re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]", shown.file.getvalue())]
    assert max(map(len, drawn)) <= width
    assert any("left" in part for part in drawn)
    assert any("━" in part for part in drawn) is (width >= 115)


def test_time_left_counts_validation_once_it_is_known(clock):
    shown = screen(live=True)
    with Watcher(shown, Training(epochs=4), 80) as watcher:
        run(watcher, clock, 1, of=4)
        assert watcher._bars.tasks[0].description.endswith(", 1 min 30 s left")  # 30 steps of 3 s
        watcher.epoch([row(1, 0.5, seconds=100.0)])
        run(watcher, clock, 2, of=4, batches=10)
        assert watcher._bars.tasks[0].description.endswith(", 3 min 20 s left")  # two epochs of 100 s
    assert not [line for line in lines(shown) if "epoch 1/4: loss 1.25" in line]


def test_what_was_known_of_a_training_that_begins_anew_is_forgotten(clock):
    with Watcher(screen(live=True), Training(epochs=4), 80) as watcher:
        watcher.remember([0.9])
        run(watcher, clock, 1, of=4)
        assert "mean IoU" not in watcher._bars.tasks[0].description


def test_stopping_is_told_at_once(clock):
    shown = screen()
    with Watcher(shown, Training(epochs=4), 80) as watcher:
        run(watcher, clock, 1, of=4)
        watcher.stops()
    assert lines(shown) == ["Stopping after the step under way; a second signal stops at once."]
    shown = screen()
    Watcher(shown, Training(epochs=4), 80).stops(again=False)
    assert lines(shown) == ["Stopping after the step under way."]
    with Watcher(screen(live=True), Training(epochs=4), 80) as watcher:
        watcher.stops()
        assert watcher._bars.tasks[0].description.startswith("stopping after the step under way")
        run(watcher, clock, 1, of=4)
        assert watcher._bars.tasks[0].description.startswith("1/4, stopping")


def test_a_quiet_screen_stays_quiet(clock):
    shown = Console(quiet=True, file=io.StringIO(), force_terminal=True)
    with Watcher(shown, Training(epochs=1), 80) as watcher:
        run(watcher, clock, 1, of=1)
        watcher.epoch([row(1, 0.5)])
        watcher.stops()
    assert shown.file.getvalue() == ""
