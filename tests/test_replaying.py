"""Replays on a clock that only counts: answers are exact, and what must always hold is tried on drawn scenarios."""

import json
import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnet.bench import replay_report
from budgetnet.bench.replayed import Replayed
from budgetnet.bench.replaying import Camera, CountingClock, Frame, RealClock, cameras, replay
from budgetnet.cameras import Group
from budgetnet.errors import BudgetnetError
from budgetnet.scenario import load


def group(name: str = "cameras", count: int = 4, fps: float = 15, network: int = 0) -> Group:
    return Group(name=name, count=count, fps=fps, height=320, width=480, network=network)


def replayed(groups: list[Group], takes: list[Fraction], *, seconds: float = 1, **how: object) -> Replayed:
    """Each group's frames take as long as `takes` says."""
    chosen = cameras(groups, **how)  # type: ignore[arg-type]
    frames = replay(chosen, seconds=seconds, serve=lambda camera: takes[chosen[camera].group], clock=CountingClock())
    return Replayed(
        network="n",
        runtime="torch",
        scenario="s",
        seconds=seconds,
        staggered=bool(how.get("staggered")),
        simulated=True,
        groups=tuple(each.name for each in groups),
        cameras=chosen,
        frames=frames,
    )


def test_underloaded() -> None:
    """Four cameras, 15 fps, 10 ms a frame: done after 10, 20, 30 and 40 ms, each of 15 times."""
    found = replayed([group()], [Fraction(1, 100)])
    total = found.total
    assert (total.taken, total.on_time, total.late, total.dropped) == (60, 60, 0, 0)
    assert sorted(total.latencies.tolist()) == pytest.approx([0.01] * 15 + [0.02] * 15 + [0.03] * 15 + [0.04] * 15)
    assert found.busy == pytest.approx(0.6)
    assert total.histogram == (15, 30, 15, 0, 0, 0, 0)
    assert total.share_on_time == 1


def test_exactly_loaded() -> None:
    """Four cameras, 15 fps, 1/60 s a frame: the last is done in the very moment in which the next ones are taken."""
    found = replayed([group()], [Fraction(1, 60)])
    total = found.total
    assert (total.taken, total.on_time, total.late, total.dropped) == (60, 60, 0, 0)
    assert total.latency(100) == pytest.approx(1 / 15)
    assert found.busy == pytest.approx(1)
    assert total.histogram == (15, 15, 15, 15, 0, 0, 0)


def test_overloaded() -> None:
    """One camera, 10 fps, 250 ms a frame. Frames 0, 2, 5 and 7 are begun at 0, 250, 500 and 750 ms and take 250, 300,
    250 and 300 ms, all too late; at 1 s the last, 9, is begun and takes 350. Those between are dropped.
    """
    found = replayed([group(count=1, fps=10)], [Fraction(1, 4)])
    done = [frame for frame in found.frames if not frame.dropped]
    assert [(frame.taken, frame.begun, frame.ended) for frame in done] == [
        (Fraction(0), Fraction(0), Fraction(1, 4)),
        (Fraction(2, 10), Fraction(1, 4), Fraction(1, 2)),
        (Fraction(5, 10), Fraction(1, 2), Fraction(3, 4)),
        (Fraction(7, 10), Fraction(3, 4), Fraction(1)),
        (Fraction(9, 10), Fraction(1), Fraction(5, 4)),
    ]
    total = found.total
    assert (total.taken, total.on_time, total.late, total.dropped) == (10, 0, 5, 5)
    assert total.latency(100) == pytest.approx(0.35)
    assert found.busy == pytest.approx(1), "of the time until the last was done"
    assert total.histogram == (0, 0, 0, 0, 0, 0, 5)


def test_two_cameras_whose_load_is_five_quarters() -> None:
    """Two cameras, 10 fps, 62.5 ms a frame, computed by hand."""
    found = replayed([group(count=2, fps=10)], [Fraction(1, 16)], seconds=0.4)
    assert [(f.camera, float(f.taken), None if f.ended is None else float(f.ended)) for f in found.frames] == [
        (0, 0.0, 0.0625),
        (1, 0.0, 0.125),
        (0, 0.1, 0.1875),
        (1, 0.1, 0.25),
        (0, 0.2, 0.3125),
        (1, 0.2, None),
        (0, 0.3, 0.375),
        (1, 0.3, 0.4375),
    ]
    total = found.total
    assert (total.on_time, total.late, total.dropped) == (3, 4, 1)


def test_the_nearest_deadline_goes_first() -> None:
    """A slow camera's frame waits for those of a fast one, though it was taken with the first of them."""
    groups = [group("slow", 1, 1), group("fast", 2, 10)]
    found = replayed(groups, [Fraction(3, 100), Fraction(2, 100)], seconds=0.3)
    assert [frame.camera for frame in found.frames] == [1, 2, 0, 1, 2, 1, 2]
    slow, fast = found.by_group
    assert (slow.name, slow.taken, slow.on_time) == ("slow", 1, 1)
    assert slow.latencies.tolist() == pytest.approx([0.07])
    assert fast.latency(100) == pytest.approx(0.04)
    assert (found.total.name, found.total.cameras, found.total.taken) == ("all", 3, 7)


def test_groups_have_what_their_networks_take() -> None:
    groups = [group("front", 1, 10), group("driver", 1, 10, network=1)]
    found = replayed(groups, [Fraction(1, 100), Fraction(5, 100)])
    front, driver = found.by_group
    assert set(front.latencies.round(9)) == {0.01}
    assert set(driver.latencies.round(9)) == {0.06}


def test_staggered_cameras_do_not_wait_for_each_other() -> None:
    found = replayed([group()], [Fraction(1, 100)], staggered=True)
    assert [camera.phase for camera in found.cameras] == [Fraction(0), *(Fraction(n, 60) for n in (1, 2, 3))]
    assert found.total.latency(100) == pytest.approx(0.01)
    assert found.total.taken == 60


def test_another_deadline() -> None:
    found = replayed([group()], [Fraction(1, 100)], deadline=0.025)
    total = found.total
    assert (total.on_time, total.late, total.dropped) == (30, 30, 0)
    assert total.histogram == (0, 15, 0, 15, 15, 15, 0)


def test_rates_are_what_is_written() -> None:
    (camera,) = cameras([group(count=1, fps=29.97)])
    assert camera == Camera(group=0, period=Fraction(100, 2997), phase=Fraction(0), deadline=Fraction(100, 2997))


def test_a_replay_of_no_time_has_no_frames() -> None:
    found = replayed([group()], [Fraction(1)], seconds=0)
    assert found.frames == ()
    assert (found.total.share_on_time, found.total.latency(50), found.total.histogram) == (1.0, None, (0,) * 7)


RATES = st.sampled_from([1.0, 7.5, 10.0, 15.0, 29.97, 30.0])


@given(
    groups=st.lists(st.tuples(st.integers(1, 4), RATES), min_size=1, max_size=3),
    takes=st.lists(st.fractions(Fraction(1, 500), Fraction(1, 2), max_denominator=500), min_size=1, max_size=40),
    seconds=st.fractions(0, 2, max_denominator=20),
    staggered=st.booleans(),
    deadline=st.none() | st.floats(0.001, 1),
)
def test_what_always_holds(
    groups: list[tuple[int, float]],
    takes: list[Fraction],
    seconds: Fraction,
    staggered: bool,
    deadline: float | None,
) -> None:
    made = [group(str(place), count, fps) for place, (count, fps) in enumerate(groups)]
    chosen = cameras(made, deadline=deadline, staggered=staggered)
    served: list[int] = []

    def serve(camera: int) -> Fraction:
        served.append(camera)
        return takes[len(served) % len(takes)]

    frames = replay(chosen, seconds=seconds, serve=serve, clock=CountingClock())
    done = [frame for frame in frames if not frame.dropped]
    assert all(frame.on_time + frame.late + frame.dropped == 1 for frame in frames)
    assert [frame.camera for frame in done] == served
    # every frame that a camera takes is there, once
    for place, camera in enumerate(chosen):
        own = sorted(frame.taken for frame in frames if frame.camera == place)
        assert own == [camera.phase + n * camera.period for n in range(len(own))]
        assert camera.phase + len(own) * camera.period >= seconds
        # of the frames of a camera the newest is never dropped
        assert not own or not next(f for f in frames if f.camera == place and f.taken == own[-1]).dropped
    for frame in done:
        assert frame.begun is not None
        assert frame.ended is not None
        assert frame.taken <= frame.begun < frame.ended
    # one worker: never two at once, and never idle while a frame waits
    for before, after in pairwise(done):
        assert before.ended is not None
        assert after.begun == max(before.ended, min(f.taken for f in done[done.index(after) :]))


@given(
    takes=st.fractions(Fraction(1, 500), Fraction(1, 4), max_denominator=500),
    count=st.integers(1, 5),
    fps=st.sampled_from([5, 10, 20]),
)
def test_what_fits_in_phase_is_all_on_time_and_what_does_not_is_not(takes: Fraction, count: int, fps: int) -> None:
    found = replayed([group(count=count, fps=fps)], [takes])
    assert (found.total.on_time == found.total.taken) == (count * fps * takes <= 1)


@given(
    seconds=st.fractions(Fraction(1, 10), 1, max_denominator=50), takes=st.fractions(Fraction(1, 99), Fraction(1, 3))
)
def test_records_are_read_back(seconds: Fraction, takes: Fraction) -> None:
    found = replayed([group(), group("other", 1, 30)], [takes, takes / 2], seconds=float(seconds), staggered=True)
    again = Replayed.from_record(json.loads(json.dumps(found.record())))
    assert (again.cameras, again.groups, again.staggered) == (found.cameras, found.groups, True)
    assert [(f.camera, f.taken, f.due, f.dropped) for f in again.frames] == [
        (f.camera, f.taken, f.due, f.dropped) for f in found.frames
    ]
    np.testing.assert_allclose(again.total.latencies, found.total.latencies, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [{"frames": [[99, 0, None, None]]}, {"cameras": [{"group": 0}]}, {"frames": [[0]]}, {"groups": None}],
    ids=str,
)
def test_spoilt_records_are_refused(change: dict[str, object]) -> None:
    record = {**replayed([group()], [Fraction(1, 100)]).record(), **change}
    with pytest.raises(BudgetnetError, match="replay: must be a record of `budgetnet bench`, but is not"):
        Replayed.from_record(record)


def test_a_real_clock_waits() -> None:
    clock = RealClock()
    clock.wait_until(Fraction(1, 50))
    assert clock.now() >= 0.02
    before = time.perf_counter()
    clock.wait_until(0)
    clock.spend(1000)
    assert time.perf_counter() - before < 900


def test_real_time_begins_no_frame_before_it_was_taken() -> None:
    chosen = cameras([group(count=2, fps=100)])
    frames = replay(chosen, seconds=0.1, serve=lambda camera: 0.0, clock=RealClock())
    assert len(frames) == 20
    assert all(frame.dropped or frame.begun >= frame.taken for frame in frames)  # type: ignore[operator]


def test_what_is_told_of_replays() -> None:
    groups = [group("front", 1, 10), group("near", 2, 10)]
    found = replayed(groups, [Fraction(1, 20), Fraction(1, 40)])
    assert replay_report.verdict([found, found], {"torch": "torch"}) == (
        "Simulated for 1 s of scenario s, n has of 30 frames on time: 30 with torch, 30 with torch."
    )
    table, histogram = replay_report.blocks([found], {"torch": "torch"})
    assert [row["group"] for row in table.rows] == ["front", "near", "all"]  # type: ignore[union-attr]
    assert [table.columns[-1].text(row) for row in table.rows] == ["", "", "100.0"]  # type: ignore[union-attr]
    assert all(table.marked(row) for row in table.rows)  # type: ignore[union-attr]
    assert [row["to_50"] for row in histogram.rows] == [10, 0, 10]  # type: ignore[union-attr]
    exact = replay_report.exact([found])
    assert [column.key for column in exact.columns][:5] == ["network", "runtime", "group", "cameras", "taken"]
    (one,) = replay_report.exact([replayed(groups[:1], [Fraction(1, 20)])]).rows
    assert (one["group"], one["busy"]) == ("front", pytest.approx(0.5))


def test_the_built_in_scenarios_give_the_frames_that_they_say() -> None:
    for name in ("parking", "surround"):
        scenario = load(name)
        frames = replay(cameras(scenario.groups), seconds=2, serve=lambda camera: 0, clock=CountingClock())
        assert len(frames) == 2 * scenario.images_per_second


def test_a_frame_that_is_done_in_the_last_moment_is_on_time() -> None:
    frame = Frame(camera=0, taken=Fraction(0), due=Fraction(1, 15), begun=Fraction(0), ended=Fraction(1, 15))
    assert (frame.on_time, frame.late, frame.spent) == (True, False, pytest.approx(1 / 15))
