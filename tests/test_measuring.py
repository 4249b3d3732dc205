"""Measuring with a clock that the tests turn: no real time, and no machine that could be busy."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from budgetnet.bench import pinning
from budgetnet.bench.measuring import FEWEST, IN_A_TURN, REST, WARM_UP, Case, Clock, measure, measured_seconds
from budgetnet.bench.network import Network, untrained
from budgetnet.bench.readings import Readings
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate


@dataclass
class Machine:
    """A machine on which each case takes what its function of the time says."""

    time: float = 0.0
    calls: list[str] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self.time += seconds

        return Clock(now=lambda: self.time, sleep=sleep)

    def case(self, name: str, takes: Callable[[float], float], batch: int = 1) -> Case:
        def compute(images: np.ndarray) -> np.ndarray:
            assert images.shape == (batch, 3, 4, 4)
            self.calls.append(name)
            self.time += takes(self.time)
            return images

        network = Network(label=name, height=4, width=4, model=b"")
        return Case(network=network, runtime="torch", batch=batch, compute=compute)


def test_warm_up_and_first_calls_of_turns_do_not_count() -> None:
    machine = Machine()
    quick = iter([0.1] * WARM_UP + [0.5, 0.1, 0.2, 0.3] * 4)
    (found,) = measure([machine.case("a", lambda now: next(quick))], readings=12, clock=machine.clock)
    np.testing.assert_allclose(found.rounds, [(0.1, 0.2, 0.3)] * 4)


def test_all_take_turns_in_an_order_drawn_anew() -> None:
    machine = Machine()
    cases = [machine.case(name, lambda now: 0.01) for name in "abcd"]
    measure(cases, readings=30, clock=machine.clock, seed=1)
    counted = machine.calls[4 * WARM_UP :]
    turns = counted[:: IN_A_TURN + 1]
    assert counted == [name for name in turns for _ in range(IN_A_TURN + 1)]
    rounds = [tuple(turns[place : place + 4]) for place in range(0, len(turns), 4)]
    assert len(rounds) == 10
    assert all(sorted(each) == list("abcd") for each in rounds)
    assert len(set(rounds)) > 5
    again = Machine()
    measure([again.case(name, lambda now: 0.01) for name in "abcd"], readings=30, clock=again.clock, seed=1)
    assert again.calls == machine.calls


def test_whole_rounds_of_at_least_as_many_readings_as_asked_for() -> None:
    for asked, taken in ((1, 3), (3, 3), (4, 6), (30, 30)):
        machine = Machine()
        (found,) = measure([machine.case("a", lambda now: 0.01)], readings=asked, clock=machine.clock)
        assert len(found.seconds) == taken


def test_after_the_time_no_further_round_is_begun() -> None:
    machine = Machine()
    cases = [machine.case(name, lambda now: 0.1) for name in "ab"]
    found = measure(cases, readings=300, seconds=10.0, clock=machine.clock)
    # 5 + 5 calls of 0.1 s, then rounds of 2 turns of 4 calls and a rest
    one = 2 * ((IN_A_TURN + 1) * 0.1 + REST)
    assert [len(each.rounds) for each in found] == [1 + int((10.0 - 1.0) / one)] * 2
    machine = Machine()
    (slow,) = measure([machine.case("a", lambda now: 100.0)], readings=300, seconds=10.0, clock=machine.clock)
    assert len(slow.rounds) == FEWEST
    assert len(machine.calls) == 1 + FEWEST * (IN_A_TURN + 1), "the warm-up must end as well"


def test_a_machine_that_slows_down_slows_all_alike() -> None:
    machine = Machine()

    def drifting(share: float) -> Callable[[float], float]:
        return lambda now: share * (0.01 if now < 1.2 else 0.03)

    first, second = measure(
        [machine.case("a", drifting(1)), machine.case("b", drifting(2))], readings=60, clock=machine.clock
    )
    ratio, interval = second.against(first)
    assert ratio == pytest.approx(2)
    assert interval == (pytest.approx(2), pytest.approx(2))
    assert first.spread > 0.5, "while the readings themselves are far apart"


def test_what_is_watched_ends_where_it_should() -> None:
    machine, seen = Machine(), []
    cases = [machine.case(name, lambda now: 0.01) for name in "ab"]
    measure(cases, readings=9, clock=machine.clock, watch=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def readings(*rounds: tuple[float, ...], batch: int = 1, network: str = "a") -> Readings:
    return Readings(network=network, runtime="torch", batch=batch, height=4, width=6, rounds=rounds)


def test_figures_of_readings() -> None:
    found = readings((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), batch=7)
    assert found.median == pytest.approx(0.35)
    assert found.images_per_second == pytest.approx(20)
    assert found.deviation == pytest.approx(0.15)
    assert found.middle_half == (pytest.approx(0.225), pytest.approx(0.475))
    assert found.spread == pytest.approx(0.25 / 0.35)
    assert found.percentile(100) == 0.6
    assert found.p99 is None
    assert readings(*[(0.1, 0.2)] * 50).p99 == pytest.approx(0.2)


def test_intervals_draw_whole_rounds_of_three_or_more() -> None:
    found = readings((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (0.4, 0.5, 0.6))
    assert found.interval == (pytest.approx(0.2), pytest.approx(0.5)), "all of one, all of the other"
    for few in (readings((0.1, 0.2, 0.3)), readings((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))):
        assert few.interval is None
        assert few.against(few) == (1.0, None)


def test_intervals_narrow_with_more_rounds_and_hold_the_truth() -> None:
    rng = np.random.default_rng(5)
    widths, held = [], 0
    for count in (10, 160):
        made = [readings(*map(tuple, rng.normal(1.0, 0.1, (count, 3)))).interval for _ in range(40)]
        drawn = [each for each in made if each is not None]
        assert len(drawn) == 40
        widths.append(np.mean([high - low for low, high in drawn]))
        held += sum(low <= 1.0 <= high for low, high in drawn)
    assert widths[1] < widths[0] / 3
    assert held >= 70, "of 80 intervals of 95 %"


def test_ratios_are_per_image() -> None:
    one = readings((0.1, 0.1), (0.2, 0.2), (0.2, 0.2))
    many = readings((0.4, 0.4), (0.8, 0.8), (0.8, 0.8), batch=8, network="b")
    assert many.against(one)[0] == pytest.approx(0.5)
    assert one.against(one) == (1.0, (1.0, 1.0))


def test_records_are_read_back() -> None:
    found = readings((0.1, 0.25), (0.3, 0.4), batch=2)
    assert Readings.from_record(json.loads(json.dumps(found.record()))) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": [[0.1], [0.1, 0.2]]}, "rounds: must be one or more of equally many readings, but are not"),
        ({"rounds": []}, "rounds: must be one or more of equally many readings, but are not"),
        ({"rounds": [[-1.0]]}, "rounds: must be a number from 1e-12 to 1e+06, but got -1.0"),
        ({"rounds": 5}, "readings: must be a record of `budgetnet bench`, but are not"),
        ({"batch": "8"}, "batch: must be a whole number from 1 to 2147483648, but got '8'"),
        ({"runtime": None}, "runtime: must be a text, but got None"),
    ],
)
def test_spoilt_records_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        Readings.from_record({**readings((0.1,)).record(), **change})
    assert str(caught.value) == message


def test_a_record_without_a_field_is_refused() -> None:
    with pytest.raises(BudgetnetError, match="must be a record of"):
        Readings.from_record({"network": "a"})


# --- the process


def test_all_threads_stay_on_the_cores_and_are_let_go() -> None:
    before = os.sched_getaffinity(0)
    go, seen = threading.Event(), []

    def look() -> None:
        go.wait(10)
        seen.append(os.sched_getaffinity(0))

    earlier = threading.Thread(target=look)
    earlier.start()
    with pinning.pinned(1) as kept:
        assert kept == (min(before),)
        assert os.sched_getaffinity(0) == {min(before)}
        go.set()
        earlier.join()
        assert pinning.cores() == 1
    assert seen == [{min(before)}]
    assert os.sched_getaffinity(0) == before


def test_cores_are_let_go_after_an_error() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), pinning.pinned(1):
        raise KeyboardInterrupt
    assert os.sched_getaffinity(0) == before


def test_a_system_without_pinning_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    with pinning.pinned(1) as kept:
        assert kept is None
    monkeypatch.delattr(os, "sched_getaffinity")
    assert pinning.cores() == (os.cpu_count() or 1)


def test_what_the_machine_does_besides() -> None:
    assert pinning.load() == pytest.approx(os.getloadavg()[0], abs=5)


def test_what_a_network_takes_in_one_number() -> None:
    graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_depth": 8}).graph(
        classes=3, height=32, width=32
    )
    small = untrained("small", graph)
    before = os.sched_getaffinity(0)
    for name in ("torch", "onnxruntime", "openvino"):
        assert 0 < measured_seconds(small, runtime=name, threads=1, batch=2) < 10
    assert os.sched_getaffinity(0) == before
    with pytest.raises(BudgetnetError, match="runtime must be one of the known ones, but got 'onnx'"):
        measured_seconds(small, runtime="onnx", threads=1)
