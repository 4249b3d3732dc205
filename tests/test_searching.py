"""What a search does before it reads data, and what it says while it trains; its trainings are formulas."""

import io
from pathlib import Path

import pytest
from formulas import scenario
from races import go
from rich.console import Console

from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.plan import plan
from budgetnet.results import Step
from budgetnet.search.checks import front
from budgetnet.search.place import Storage
from budgetnet.search.storage import FILE
from budgetnet.search.trial import Trial
from budgetnet.search_screen import EVERY, SearchProgress
from budgetnet.searching import Request, best_of, first_of, settings_of, told_earlier

DATA = {"name": "formulas"}


def request(folder: Path, earlier: str | None = None, **more: object) -> Request:
    return Request(folder=folder, trials=5, earlier=earlier, **more)


def first(folder: Path, earlier: str | None, **more: object) -> tuple[Candidate, ...]:
    made, asked = scenario(), request(folder, earlier, **more)
    return first_of(made, asked, asked.place(made))


def test_the_best_of_an_earlier_search_come_first(tmp_path):
    earlier = go(tmp_path / "earlier", trials=12)
    found = first(tmp_path / "new", str(tmp_path / "earlier"))
    best = [trial.candidate for trial in front(earlier.trials)]
    assert list(found[: len(best)]) == best
    assert set(found) == {trial.candidate for trial in earlier.trials if trial.status == "done"}
    outcome = go(tmp_path / "new", trials=len(found) + 2, first=found, made=plan(scenario(training={"seed": 5})))
    assert [trial.origin for trial in outcome.trials][:2] == ["largest", "cheapest"]
    told = [trial.candidate for trial in outcome.trials if trial.origin == "earlier study"]
    assert told == [one for one in found if one not in {trial.candidate for trial in outcome.trials[:2]}]


def test_an_earlier_search_may_be_in_a_shared_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'all.db'}"
    go(tmp_path / "earlier", trials=6, storage=Storage(url=url, name="mine"))
    assert first(tmp_path / "new", f"{url}#mine") == best_of(f"{url}#mine") != ()
    with pytest.raises(BudgetnetError, match="must hold a search 'other', but there is none"):
        first(tmp_path / "new", f"{url}#other")
    with pytest.raises(BudgetnetError, match=r"--warm-start: must be a folder or URL#STUDY, but got 'postgresql://me:"):
        first(tmp_path / "new", "postgresql://me:secret@there/all")
    with pytest.raises(BudgetnetError, match="must hold a search, but there is none"):
        first(tmp_path / "new", str(tmp_path / "nowhere"))


def test_a_search_goes_on_with_the_candidates_it_began_with_whatever_the_earlier_one_finds(tmp_path):
    earlier = str(tmp_path / "earlier")
    go(tmp_path / "earlier", trials=4)
    begun = first(tmp_path / "new", earlier)
    words = {"first": begun, "earlier": earlier, "settings": settings_of(scenario(), DATA)}
    go(tmp_path / "new", trials=3, **words)
    go(tmp_path / "earlier", trials=20)
    assert best_of(earlier) != begun
    assert first(tmp_path / "new", earlier) == begun
    assert first(tmp_path / "new", earlier, restart=True) == best_of(earlier)
    assert len(go(tmp_path / "new", trials=6, **words).trials) == 6


def test_one_folder_has_one_name(tmp_path):
    assert told_earlier("reports/tiny/") == told_earlier("reports//tiny") == told_earlier("./reports/tiny")
    assert told_earlier("postgresql://me:secret@there/all#mine") == "postgresql://me:***@there/all#mine"


def test_a_spoilt_study_says_what_replaces_it(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is not a database, and long enough to be looked at" * 20)
    with pytest.raises(BudgetnetError, match="file is not a database; --restart replaces it"):
        first(tmp_path, None)
    assert first(tmp_path, None, restart=True) == ()


def test_other_settings_are_refused_before_data_are_read(tmp_path):
    go(tmp_path, trials=2, settings=settings_of(scenario(), DATA))
    assert first(tmp_path, None) == ()
    other = scenario(budget=60)
    with pytest.raises(BudgetnetError, match=r"holds a search with other settings \(budget_gops 70.0, now 60.0\)"):
        first_of(other, request(tmp_path), request(tmp_path).place(other))


@pytest.fixture
def trial() -> Trial:
    candidate = plan(scenario()).fitting[0].candidate
    return Trial(
        number=3, candidate=candidate, images_per_second=20.0, status="running", target=9, origin="tpe", epochs=3
    )


def test_a_log_file_says_what_begins_and_now_and_then_how_far_it_is(trial, monkeypatch):
    log = io.StringIO()
    clock = [0.0]
    monkeypatch.setattr("budgetnet.search_screen.time.monotonic", lambda: clock[0])
    with SearchProgress(Console(file=log, width=40)) as watcher:
        watcher.begins(trial, 2, 5)
        watcher.steps(trial, Step(epoch=4, epochs=9, batch=1, batches=7, loss=1.25))
        clock[0] = EVERY
        watcher.steps(trial, Step(epoch=4, epochs=9, batch=5, batches=7, loss=1.125))
        watcher.steps(trial, Step(epoch=4, epochs=9, batch=6, batches=7, loss=1.0))
        watcher.says("the database is back")
    lines = [line.rstrip() for line in log.getvalue().splitlines()]
    assert lines[:3] == [
        f"trial 3: {trial.candidate.label}: from epoch 4 to 9",
        "trial 3: epoch 4 of 9, loss 1.125, batch 5 of 7",
        "the database is back",
    ]


def test_a_terminal_has_bars_instead(trial):
    screen = io.StringIO()
    with SearchProgress(Console(file=screen, width=120, force_terminal=True)) as watcher:
        watcher.begins(trial, 2, 5)
        watcher.steps(trial, Step(epoch=4, epochs=9, batch=1, batches=7, loss=1.25))
    assert "from epoch" not in screen.getvalue()
    assert "trial 3: epoch 4 of 9, loss 1.250" in screen.getvalue()
