"""The study of a search, in SQLite or PostgreSQL: what was begun, who has it, how far it is, and what came out.

A study is Optuna's, and its tools read it. One trial per candidate: running while a worker has it, waiting while it is
paused, complete with its mean IoU and images per second, or failed with its reason.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, TypeVar, final

from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from budgetnet import records
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.parameters import Value
from budgetnet.results import Result
from budgetnet.search import studies, study_rows
from budgetnet.search import trial_rows as rows
from budgetnet.search.storage import FILE, Database
from budgetnet.search.trial import Span, Trial

__all__ = ["FILE", "NAME", "LostClaimError", "Study"]

NAME: Final = "search"
"""The study of a folder's own file has this name, whatever its scenario is called."""

HEARTBEAT: Final = 30
"""A machine says so often that it is alive, in seconds."""

GRACE: Final = 120
"""One that was not heard of for longer than so many seconds is taken for dead."""

T = TypeVar("T")

_DECISION, _STOP = "decision", "stop_requests"


class LostClaimError(Exception):
    """A trial is no longer its writer's: while its database was away for longer than its grace, another one took the
    trial over. Nothing was written; what was trained is to be dropped. Not for people to see.
    """


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    trial_id: int
    token: str


@final
class Study:
    """The trials of one search, as one coordinator uses it: it alone may write to the trials that it has claimed.

    A claim is a random token in the trial's rows. Each write of a claimant compares it, under a lock of these rows and
    in the transaction of the write (SQLite: a lock of the file), and raises LostClaimError without writing where
    another token, or none, is there. So of two that claim one trial only one has it, and nothing is written to a trial
    by whoever has lost it, whatever the order in which their messages arrive. Every call waits for a database that is
    away, and raises BudgetnetError where it stays away or cannot be written; one that was committed although its answer
    was lost is not applied a second time.
    """

    def __init__(
        self,
        database: Database,
        found: studies.Found,
        *,
        space: Mapping[str, Sequence[Value]],
        heartbeat: int,
        grace: int,
    ) -> None:
        self._database = database
        self._id, self.identity = found.study_id, found.identity
        self._choices = {parameter: rows.Choice(values) for parameter, values in space.items()}
        self.settings: Mapping[str, Any] = found.settings
        self.heartbeat = heartbeat
        self._grace = grace
        self._claims: dict[int, _Claim] = {}
        self._decision: str | None = None
        self._orphans: dict[int, str | None] = {}
        self._known: dict[int, tuple[rows.Listed, Trial]] = {}
        self._unfinished: set[int] = set()

    def require(self, settings: Mapping[str, Any], where: str, *, some: bool = False) -> None:
        """Raises BudgetnetError that names `where` and what differs, where the study has other settings; `some` says
        that those given are not all.
        """
        others = {key: value for key, value in self.settings.items() if key in settings or not some}
        if others != json.loads(json.dumps(settings)):
            other = ", ".join(records.differing(others, settings))
            rule = "give --output another folder, or --restart to throw that search away"
            raise BudgetnetError(f"{where}: holds a search with other settings ({other}); {rule}")

    def hurry(self) -> None:
        """Somebody waits for the program to end: from now on no call waits for a database that is away for long."""
        self._database.hurry()

    @property
    def shared(self) -> bool:
        """Whether it is in a server's database, which other machines may use as well."""
        return self._database.shared

    def close(self) -> None:
        """Lets go of the database. Nothing is lost without it."""
        self._database.close()

    # --- reading

    def trials(self) -> list[Trial]:
        """All trials, by number, as the storage has them now. Only those that have changed are read again. Raises
        BudgetnetError where the study was thrown away meanwhile, or holds trials of something else.
        """
        for listed, trial in self._database.read(self._changed):
            self._known[listed.trial_id] = (listed, trial)
            (self._unfinished.discard if trial.finished else self._unfinished.add)(listed.trial_id)
        return [trial for _, trial in self._known.values()]

    def _changed(self, connection: Connection) -> list[tuple[rows.Listed, Trial]]:
        self._still_there(connection)
        listed = rows.listing(connection, self._id, max(self._known, default=-1), self._unfinished)
        new = [each for each in listed if each.trial_id not in self._known or self._known[each.trial_id][0] != each]
        try:
            return list(rows.trials(connection, new))
        except (KeyError, TypeError, ValueError) as error:
            rule = "must be the study of a search of this version, but got trials of something else"
            raise BudgetnetError(f"{self._database.where}: {rule}") from error

    def _still_there(self, connection: Connection) -> dict[str, Any]:
        attributes = study_rows.study_attributes(connection, self._id)
        if attributes is None or attributes.get(studies.IDENTITY) != self.identity:
            raise BudgetnetError(f"{self._database.where}: must keep its study, but another search threw it away")
        return attributes

    # --- deciding

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Inside, one coordinator decides what to begin or resume: one at a time over all processes and machines.

        The lock goes with the process, or with its connection. Where a connection is lost inside, and another
        coordinator decides in the meantime, `begin` finds that out and raises LostClaimError. Not to be nested.
        """
        with self._database.deciding(self._id):
            token = secrets.token_hex(8)
            if self.shared:
                self._in_study(
                    lambda connection: study_rows.set_study_attribute(connection, self._id, _DECISION, token)
                )
                self._decision = token
            try:
                yield
            finally:
                self._decision = None

    def _set(self, key: str, value: Any) -> None:
        self._in_study(lambda connection: study_rows.set_study_attribute(connection, self._id, key, value))

    def _in_study(self, work: Callable[[Connection], T]) -> T:
        """Writes while nobody else writes to the study itself, nor begins a trial."""

        def locked(connection: Connection) -> T:
            study_rows.lock_study(connection, self._id)
            self._still_there(connection)
            return work(connection)

        return self._database.write(locked)

    def begin(
        self,
        candidate: Candidate,
        *,
        images_per_second: float,
        target: int,
        origin: str,
        worker: str,
        changes: Mapping[str, Any] | None = None,
    ) -> Trial:
        """Writes down that a worker trains a new candidate up to the epoch `target`, and claims its trial."""
        token = secrets.token_hex(8)
        trial = Trial(
            number=0,
            candidate=candidate,
            images_per_second=images_per_second,
            status="running",
            target=target,
            origin=origin,
            changes=json.loads(json.dumps(changes or {})),
            worker=worker,
        )
        attempts = count()

        def write(connection: Connection) -> tuple[int, int]:
            if next(attempts) and (begun := rows.find_begun(connection, self._id, token)) is not None:
                return begun  # by an attempt whose answer was lost
            if self._decision is not None and self._still_there(connection).get(_DECISION) != self._decision:
                raise LostClaimError
            return rows.add(connection, self._id, trial, self._choices, token)

        trial_id, number = self._in_study(write)
        self._claims[number] = _Claim(trial_id=trial_id, token=token)
        return replace(trial, number=number)

    def resume(self, number: int, *, target: int, worker: str) -> bool:
        """Claims a paused trial, to be trained up to the epoch `target`. False where it is not paused: another one was
        faster.
        """
        trial_id = self._trial_id(number)
        token = secrets.token_hex(8)

        def write(connection: Connection) -> bool:
            row = rows.lock(connection, trial_id)
            if row is None or row.state != TrialState.WAITING:
                return row is not None and row.progress.token == token
            rows.claim(connection, row, token, target, worker)
            return True

        claimed = self._database.write(write)
        if claimed:
            self._claims[number] = _Claim(trial_id=trial_id, token=token)
        return claimed

    def _trial_id(self, number: int) -> int:
        found = self._database.read(lambda connection: rows.find(connection, self._id, number))
        if found is None:
            raise LostClaimError
        return found

    # --- what a claimant writes

    def epoch(self, number: int, epoch: int, mean_iou: float | None) -> None:
        """Writes that an epoch is done, and its mean IoU where it was validated."""

        def write(connection: Connection, row: rows.Row) -> None:
            after = replace(row.progress, epochs=epoch, deaths=0, kills=0, heard=time.time())
            if mean_iou is not None:
                rows.set_step(connection, row, epoch, mean_iou)
            rows.change(connection, row, after, TrialState.RUNNING)

        self._as_claimant(number, write)

    def pause(self, number: int, span: Span | None) -> None:
        """Lets a trial wait, with what was trained since it was claimed. Its target stays."""

        def write(connection: Connection, row: rows.Row) -> None:
            rows.add_span(connection, row.trial_id, span)
            rows.change(connection, row, row.progress, TrialState.WAITING)

        self._as_claimant(number, write, ends=True)

    def complete(self, number: int, result: Result, images_per_second: float, span: Span | None) -> None:
        """Writes the result of a whole training."""

        def write(connection: Connection, row: rows.Row) -> None:
            rows.add_span(connection, row.trial_id, span)
            rows.set_result(connection, row.trial_id, result, images_per_second)
            rows.change(connection, row, replace(row.progress, epochs=result.epochs), TrialState.COMPLETE)

        self._as_claimant(number, write, ends=True)

    def fail(self, number: int, reason: str, span: Span | None = None) -> None:
        """Writes why a trial has no result and will have none."""

        def write(connection: Connection, row: rows.Row) -> None:
            rows.add_span(connection, row.trial_id, span)
            rows.set_attributes(connection, row.trial_id, {"reason": reason})
            rows.change(connection, row, row.progress, TrialState.FAIL)

        self._as_claimant(number, write, ends=True)

    def _as_claimant(self, number: int, work: Callable[[Connection, rows.Row], None], *, ends: bool = False) -> None:
        claim = self._claims.get(number)
        if claim is None:
            raise LostClaimError

        def write(connection: Connection) -> None:
            row = rows.lock(connection, claim.trial_id)
            if row is None or row.progress.token != claim.token:
                raise LostClaimError
            if row.state == TrialState.RUNNING:
                work(connection, row)
            # else this very write was committed before, and its answer was lost: nobody else leaves the token there

        try:
            self._database.write(write)
        except LostClaimError:
            self._claims.pop(number, None)
            raise
        if ends:
            self._claims.pop(number, None)

    # --- workers that died

    def release(self, number: int, *, died: bool, killed: bool = False) -> bool:
        """Lets a trial wait with the target that it has: its worker `died` over it, or its whole search was `killed`,
        or it was stopped. Anybody may claim it then.

        Of a trial that this coordinator does not have, only one that `orphans` has listed, or whose heartbeat is older
        than the grace, is released. False where it was not: finished, released or taken over meanwhile, or alive.
        """
        claim = self._claims.pop(number, None)
        trial_id = self._trial_id(number) if claim is None else claim.trial_id

        def write(connection: Connection) -> bool:
            row = rows.lock(connection, trial_id)
            if row is None or row.state != TrialState.RUNNING:
                return claim is not None and row is not None and row.progress.token == claim.token
            if not self._may_release(connection, number, row, claim):
                return False
            token = None if claim is None else claim.token
            before = row.progress
            after = replace(before, token=token, deaths=before.deaths + died, kills=before.kills + killed)
            rows.change(connection, row, after, TrialState.WAITING)
            return True

        return self._database.write(write)

    def _may_release(self, connection: Connection, number: int, row: rows.Row, claim: _Claim | None) -> bool:
        if claim is not None:
            return row.progress.token == claim.token
        if number in self._orphans and self._orphans[number] == row.progress.token:
            return True
        return number in rows.running(connection, self._id, silent=self._grace)

    def beat(self, numbers: Sequence[int]) -> list[int]:
        """Says that this coordinator is alive and has these trials. Returns those that it has lost. May be called in a
        thread of its own.
        """
        held = {number: claim for number in numbers if (claim := self._claims.get(number)) is not None}
        ids = [claim.trial_id for claim in held.values()]

        def write(connection: Connection) -> list[int]:
            found = rows.tokens(connection, ids)
            lost = [number for number, claim in held.items() if found.get(claim.trial_id) != claim.token]
            rows.beat(connection, [claim.trial_id for number, claim in held.items() if number not in lost])
            return lost

        return self._database.write(write) if held else []

    def stale(self) -> list[int]:
        """Running trials of whoever was not heard of for longer than the grace."""
        return list(self._of_others(silent=self._grace))

    def orphans(self) -> list[int]:
        """All running trials that this coordinator does not have. The caller knows that nobody else is at work."""
        self._orphans = self._of_others(silent=None)
        return list(self._orphans)

    def _of_others(self, *, silent: float | None) -> dict[int, str | None]:
        found = self._database.read(lambda connection: rows.running(connection, self._id, silent=silent))
        return {number: token for number, token in found.items() if number not in self._claims}

    # --- stopping

    @property
    def stop_requests(self) -> int:
        """How often the search was asked to stop: a coordinator stops when that differs from what it was at first."""
        return int(self._database.read(self._still_there).get(_STOP, 0))

    def ask_to_stop(self) -> None:
        """Asks every coordinator at work in the study, on any machine, to stop cleanly."""
        wanted = self.stop_requests + 1
        self._set(_STOP, wanted)
