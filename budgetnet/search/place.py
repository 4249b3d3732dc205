"""Where a search works: its folder, its study, and the runs that its trainings leave."""

import platform
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable
from budgetnet.locks import held, waiting
from budgetnet.search import opening
from budgetnet.search.study import GRACE, HEARTBEAT, NAME, Study
from budgetnet.search.trial import Trial

RUNS: Final = "runs"
CHECKS: Final = "checks"
"""Folders of the runs of a search, and of the trainings that check it."""

OWNER: Final = ".study"
"""Names the study whose runs lie in a folder."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where the study is: `url` None for a file in the folder, which one process at a time may use; else a database
    that any number of machines share, where the study is called `name`.
    """

    url: str | None = None
    name: str = NAME
    heartbeat: int = HEARTBEAT
    grace: int = GRACE


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a search works: its folder, its study, and which machine this is."""

    folder: Path
    storage: Storage = field(default_factory=Storage)
    host: str = field(default_factory=platform.node)

    @property
    def shared(self) -> bool:
        """Whether several processes may search there at once."""
        return self.storage.url is not None

    @property
    def name(self) -> str:
        """What the study is called."""
        return self.storage.name

    def found(self, *, checks: bool = False, replaceable: bool = False) -> Study | None:
        """The study that is there, or that of its `checks`. Raises BudgetnetError where that cannot be read; whoever
        asks could replace one that is `replaceable`.
        """
        name = checks_of(self.name) if checks else self.name
        return opening.find(self.folder, storage=self.storage.url, name=name, replaceable=replaceable)

    @property
    def where(self) -> str:
        """The same for people."""
        return opening.located(self.folder, self.storage.url, self.name)

    def settled(self, study: Study) -> list[Trial]:
        """Its trials as they stand for the one process that searches in this folder: none is running."""
        trials = study.trials()
        gone = set(study.stale()) if self.shared else {trial.number for trial in trials if trial.status == "running"}
        return [_paused(trial) if trial.number in gone else trial for trial in trials]

    def standing(self, study: Study) -> list[Trial]:
        """Its trials as they stand; one that is running for the study, but whose process is gone, as paused."""
        trials = study.trials()
        running = [trial.number for trial in trials if trial.status == "running"]
        gone = set(study.stale() if self.shared else running if running and not held(self.folder) else ())
        return [_paused(trial) if trial.number in gone else trial for trial in trials]

    def existing(self) -> Study:
        """The study that is there. Raises BudgetnetError where there is none."""
        return opening.existing(self.folder, storage=self.storage.url, name=self.name)


def _paused(trial: Trial) -> Trial:
    """One whose process is gone."""
    return replace(trial, status="paused", worker=None) if trial.status == "running" else trial


def make_own(folder: Path, identity: str, *, clear: bool) -> None:
    """Runs and reports of a folder are those of one study; what another one has left there is removed to `clear` it.
    Raises BudgetnetError where they are another one's.
    """
    owner = files.make_folder(folder) / OWNER
    with waiting(owner):
        try:
            held = owner.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            held = ""
        if held and held != identity and not clear:
            rule = "must hold the runs of one search, but holds those of another study"
            remedy = "give --output another folder, or --restart to throw all of it away"
            raise BudgetnetError(f"{printable(str(folder))}: {rule}; {remedy}")
        if held != identity:
            if clear:
                _remove_runs(folder)
            files.write(owner, f"{identity}\n".encode())


def checks_of(name: str) -> str:
    """What the study is called that checks the study `name`."""
    return f"{name} {CHECKS}"


_RUN: Final = re.compile(r"[0-9]{4,}")


def _remove_runs(folder: Path) -> None:
    """Removes what an earlier search's trainings left, and nothing else that may lie there."""
    for run in (run for of in (RUNS, CHECKS) for run in (folder / of).glob("*") if _RUN.fullmatch(run.name)):
        if any((run / name).exists() for name in ("run.json", "checkpoint.pt", "error.txt")):
            shutil.rmtree(run)
