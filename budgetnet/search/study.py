"""The study on disk: an Optuna study in SQLite, one per output folder, that a killed search goes on from.

A trial is written before its training starts and again when it ends, with its whole result. Optuna's own tools read it.
"""

import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import optuna
from optuna.trial import FrozenTrial, TrialState

from budgetnet import files, records
from budgetnet.errors import BudgetnetError, printable
from budgetnet.networks import Candidate
from budgetnet.parameters import Value
from budgetnet.results import Result
from budgetnet.training_settings import completed

FILE = "study.db"
NAME = "search"
"""One name for every study: a folder holds one search, whatever its scenario is called."""

_FULL = "database or disk is full"
_SETTINGS, _CANDIDATE, _RESULT, _REASON = "settings", "candidate", "result", "reason"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate of the study: trained (`result`), failed (`reason`), or not finished (neither)."""

    number: int
    candidate: Candidate
    result: Result | None
    reason: str | None

    @property
    def finished(self) -> bool:
        """Whether it needs no more training."""
        return self.result is not None or self.reason is not None


class Study:
    """The trials of one search. Only one process may have it open: the search holds a lock on the folder."""

    def __init__(self, study: optuna.Study, path: Path) -> None:
        self._study = study
        self._path = path

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], *, restart: bool) -> "Study":
        """Opens the folder's study, or makes one. `restart` throws an earlier one away.

        Raises BudgetnetError when the folder holds a search with other settings, naming what differs, or no readable
        study.
        """
        path = (files.make_folder(folder) / FILE).resolve()
        if "?" in str(path):
            raise BudgetnetError(
                f"{folder}: the output folder's path must be without '?', which SQLite takes for an option"
            )
        if restart:
            path.unlink(missing_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        new = not path.exists()
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
            study = optuna.create_study(
                storage=storage, study_name=NAME, directions=["maximize", "maximize"], load_if_exists=True
            )
            earlier = completed(study.user_attrs.get(_SETTINGS))
        except Exception as error:  # SQLAlchemy, alembic and sqlite3 each have their own for a file that is no study
            if new or _words_of(error) == _FULL:
                raise _not_written(path, error) from error
            rule = f"must be the study of a search, but got: {_words_of(error)}; --restart replaces it"
            raise BudgetnetError(f"{path}: {rule}") from error
        if earlier is None:
            with warnings.catch_warnings(), _written(path):
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(["mean IoU", "images per second"])
                study.set_user_attr(_SETTINGS, dict(settings))
        elif earlier != json.loads(json.dumps(settings)):
            other = ", ".join(records.differing(earlier, settings))
            rule = "give --output another folder, or --restart to throw that search away"
            raise BudgetnetError(f"{folder}: holds a search with other settings ({other}); {rule}")
        return cls(study, path)

    @property
    def trials(self) -> list[Trial]:
        """All trials, by number."""
        return [_trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def begin(self, candidate: Candidate, space: Mapping[str, Sequence[Value]]) -> Trial:
        """Writes down that a candidate is being trained, and returns its trial. Like all that writes, raises
        BudgetnetError where the file cannot be written.
        """
        params = {name: candidate.parameters[name] for name in space if name in candidate.parameters}
        made = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={name: optuna.distributions.CategoricalDistribution(tuple(space[name])) for name in params},
            user_attrs={_CANDIDATE: {"network": candidate.network, "parameters": candidate.parameters}},
        )
        with _written(self._path):
            self._study.add_trial(made)
        return self.trials[-1]

    def complete(self, trial: Trial, result: Result, images_per_second: float) -> None:
        """Writes a trial's result: it is done."""
        with _written(self._path):
            self._attribute(trial, _RESULT, result.record())
            self._study.tell(trial.number, [result.scores.mean_iou, images_per_second])

    def fail(self, trial: Trial, reason: str) -> None:
        """Writes why a trial has no result: it is done, too."""
        with _written(self._path):
            self._attribute(trial, _REASON, reason)
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _attribute(self, trial: Trial, key: str, value: Any) -> None:
        frozen = self._study.get_trials(deepcopy=False)[trial.number]
        optuna.trial.Trial(self._study, frozen._trial_id).set_user_attr(key, value)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Around what writes the study. Raises BudgetnetError where SQLite cannot."""
    try:
        yield
    except Exception as error:  # what Optuna and SQLAlchemy make of SQLite's
        if _of_sqlite(error) is None:
            raise
        raise _not_written(path, error) from error


def _not_written(path: Path, error: Exception) -> BudgetnetError:
    return BudgetnetError(f"{path}: must be a file that SQLite can write, but got: {_words_of(error)}")


def _words_of(error: Exception) -> str:
    """SQLite's own words where it has any: `database or disk is full`."""
    own = _of_sqlite(error)
    return type(error).__name__ if own is None else printable(str(own))


def _of_sqlite(error: BaseException) -> sqlite3.Error | None:
    """The error of SQLite that led to this one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    return cause


def _trial(frozen: FrozenTrial) -> Trial:
    named = frozen.user_attrs[_CANDIDATE]
    result = frozen.user_attrs.get(_RESULT) if frozen.state == TrialState.COMPLETE else None
    return Trial(
        number=frozen.number,
        candidate=Candidate.of(named["network"], named["parameters"]),
        result=Result.from_record(result) if result is not None else None,
        reason=frozen.user_attrs.get(_REASON, "unknown") if frozen.state == TrialState.FAIL else None,
    )
