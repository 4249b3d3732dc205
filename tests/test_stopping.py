"""Ctrl-C, SIGTERM, a closed terminal: the first asks, the next one ends; among several processes all of them ask."""

import os
import signal

import pytest

from budgetnet.stopping import Stop


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no terminals that hang up")
@pytest.mark.parametrize(("before", "asked"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_closed_terminal_asks_unless_nohup_says_otherwise(before, asked):
    was = signal.signal(signal.SIGHUP, before)
    stop = Stop(told=lambda: None, alone=True)
    try:
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.asked is asked
        assert signal.getsignal(signal.SIGHUP) is before
    finally:
        signal.signal(signal.SIGHUP, was)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_next_one_is_as_before(number):
    told: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("before"))
    stop = Stop(told=lambda: told.append("asked"), alone=True)
    try:
        with stop.listening():
            assert not stop.asked
            os.kill(os.getpid(), number)
            assert stop.asked
            assert told == ["asked"]
            if number == signal.SIGINT:
                with pytest.raises(KeyboardInterrupt):
                    os.kill(os.getpid(), number)
            else:
                os.kill(os.getpid(), number)
                assert told == ["asked", "before"]
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_among_several_processes_every_signal_asks_and_is_told_once():
    told: list[str] = []
    stop = Stop(told=lambda: told.append("asked"), alone=False)
    before = signal.getsignal(signal.SIGINT)
    with stop.listening():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    assert stop.asked
    assert told == ["asked"]
    assert signal.getsignal(signal.SIGINT) is before
