"""The arrays behind a race: what is remembered between two answers changes none of them."""

from dataclasses import replace

import numpy as np
import pytest
from formulas import curve, result, scenario

from budgetnet.plan.feasible import Feasible
from budgetnet.search.board import WINDOW, Board
from budgetnet.search.trial import Trial

RUNGS = (1, 3, 9)
FEASIBLE = Feasible(scenario())


def drawn(rng: np.random.Generator, number: int) -> tuple[Trial, list[float]]:
    """A trial in any state, with what it had at the rungs that it has finished."""
    candidate = FEASIBLE.candidate(int(rng.integers(len(FEASIBLE))))
    level, status = int(rng.integers(4)), str(rng.choice(["running", "paused", "failed"]))
    epochs = (0, *RUNGS)[level]
    trial = Trial(
        number=number,
        candidate=candidate,
        images_per_second=float(rng.integers(1, 6)),
        status="done" if level == 3 and status != "failed" else status,
        target=RUNGS[min(level, 2)],
        origin="random",
        epochs=epochs,
    )
    values = [round(float(rng.uniform(0.2, 0.6)), 1) for _ in range(level)]
    return (replace(trial, result=result(candidate)) if trial.status == "done" else trial), values


def answers(board: Board) -> list[object]:
    found: list[object] = [board.cut_off(RUNGS), board.known().tolist()]
    for level in (1, 2):
        found += [board.best_waiting(level, closing=closing) for closing in (False, True)]
        found.append(board.waiting_front(level))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_board_that_was_told_all_along_answers_as_one_that_is_told_at_the_end(seed):
    rng, board, latest = np.random.default_rng(seed), Board(len(RUNGS)), {}
    for _ in range(60):
        number = int(rng.integers(25))
        trial, values = drawn(rng, number)
        if number in latest and len(values) < len(latest[number][1]):  # rungs are never lost
            continue
        kept = latest[number][1] if number in latest and rng.random() < 0.5 else []
        latest[number] = trial, [*kept, *values[len(kept) :]]
        board.put(trial, 0, latest[number][1])
        answers(board)
    fresh = Board(len(RUNGS))
    for trial, values in latest.values():
        fresh.put(trial, 0, values)
    assert answers(board) == answers(fresh)


def test_the_front_stays_known_however_old_it_is():
    board = Board(len(RUNGS))
    candidate = FEASIBLE.candidate(0)
    best = Trial(
        number=0,
        candidate=candidate,
        images_per_second=9.0,
        status="done",
        target=9,
        origin="widest",
        epochs=9,
        curve={1: curve(candidate, 1)},
        result=result(candidate),
    )
    board.put(best, 0, [0.5, 0.6, 0.7])
    worse = replace(best, images_per_second=1.0)
    for number in range(1, WINDOW + 50):
        board.put(replace(worse, number=number), 0, [0.1, 0.2, 0.3])
    assert board.known().tolist() == [0, *range(50, WINDOW + 50)]
