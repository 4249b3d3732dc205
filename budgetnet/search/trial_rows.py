"""A study's trials as rows of Optuna's tables: read, locked and changed, several things in one transaction.

Optuna's own calls take a transaction for each attribute, and cannot compare a claim and write in one; so these are
statements of our own, on the tables that Optuna makes (and migrates) and its tools read. Parameters, values, states
and intermediate values are where Optuna has them. User attributes hold what people want to see: `candidate`,
`images_per_second`, `origin`, `target`, `worker`, `spans`, `changes`, `reason`. System attributes hold what they do
not: `budgetnet:progress` and `budgetnet:result`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple, final

from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy import Connection, Integer, bindparam, func, insert, or_, select, update

from budgetnet.networks import Candidate
from budgetnet.parameters import Value
from budgetnet.results import Result
from budgetnet.search.tables import (
    AT,
    BEATS,
    CURVES,
    DIALECTS,
    FINITE,
    FINITE_STEP,
    PARAMS,
    SYSTEM,
    TRIALS,
    USER,
    VALUES,
    upsert,
    utc_now,
)
from budgetnet.search.trial import Span, Status, Trial

STATUS: Final[Mapping[TrialState, Status]] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "paused",
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "failed",
    TrialState.FAIL: "failed",
}

PROGRESS: Final = "budgetnet:progress"
RESULT: Final = "budgetnet:result"

_TOGETHER: Final = 500
"""Trials that are read with one statement."""

# Statements that every epoch needs: to put one together takes SQLAlchemy longer than SQLite needs to run it.
_LOCK: Final = (
    select(TRIALS.c.state, SYSTEM.c.value_json)
    .join(SYSTEM, SYSTEM.c.trial_id == TRIALS.c.trial_id)
    .where(TRIALS.c.trial_id == AT, SYSTEM.c.key == PROGRESS)
    .with_for_update()
)
_COUNT: Final = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == AT)
_SET_PROGRESS: Final = update(SYSTEM).where(SYSTEM.c.trial_id == AT, SYSTEM.c.key == PROGRESS)
_SET_TRIAL: Final = update(TRIALS).where(TRIALS.c.trial_id == AT)
_SPANS: Final = select(USER.c.value_json).where(USER.c.trial_id == AT, USER.c.key == "spans")
_LISTING: Final = (
    select(TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state, SYSTEM.c.value_json)
    .outerjoin(SYSTEM, (SYSTEM.c.trial_id == TRIALS.c.trial_id) & (SYSTEM.c.key == PROGRESS))
    .where(TRIALS.c.study_id == AT)
)
_OPEN: Final = _LISTING.where(
    or_(
        TRIALS.c.state.in_([TrialState.RUNNING, TrialState.WAITING]),
        TRIALS.c.trial_id > bindparam("known", type_=Integer),
    )
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Whose a trial is and how far it is. `token` is that of the claim, None after somebody else freed the trial; it
    stays when the claimant itself pauses or ends it. `writes` counts changes of any kind. `epochs` are done, the last
    of them at the time `heard`; `deaths` and `kills` came after it.
    """

    token: str | None
    writes: int = 0
    epochs: int = 0
    deaths: int = 0
    kills: int = 0
    heard: float | None = None

    def json(self) -> str:
        """As it is stored."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def of(cls, stored: str) -> "Progress":
        """What `json()` wrote."""
        return cls(**json.loads(stored))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A trial whose row is locked until the transaction ends."""

    trial_id: int
    state: TrialState
    progress: Progress


@final
class Choice:
    """The values that a parameter can have, as Optuna stores them."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._distribution = CategoricalDistribution(tuple(values))
        self._stored = distribution_to_json(self._distribution)

    def has(self, value: Value | None) -> bool:
        """Whether it is one of them."""
        return value is not None and value in self._distribution.choices

    def row(self, trial_id: int, name: str, value: Value) -> dict[str, Any]:
        """The parameter of a trial."""
        index = self._distribution.to_internal_repr(value)
        return {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": index,
            "distribution_json": self._stored,
        }


@final
class Listed(NamedTuple):
    """A trial in a list: two of one `progress` and `state` are the same in everything. `progress` is as stored, None
    for a trial that no search made.
    """

    trial_id: int
    number: int
    state: TrialState
    progress: str | None


# --- one trial


def lock(connection: Connection, trial_id: int) -> Row | None:
    """Locks a trial's rows until the transaction ends. None where it is gone."""
    found = connection.execute(_LOCK, {"at": trial_id}).one_or_none()
    return None if found is None else Row(trial_id=trial_id, state=found[0], progress=Progress.of(found[1]))


def find(connection: Connection, study_id: int, number: int) -> int | None:
    """The id of a trial by its number."""
    query = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id, TRIALS.c.number == number)
    return connection.execute(query).scalar_one_or_none()


def find_begun(connection: Connection, study_id: int, token: str) -> tuple[int, int] | None:
    """Id and number of the trial that a claim began: the study's last one, if at all."""
    query = (
        select(TRIALS.c.trial_id, TRIALS.c.number, SYSTEM.c.value_json)
        .join(SYSTEM, SYSTEM.c.trial_id == TRIALS.c.trial_id)
        .where(TRIALS.c.study_id == study_id, SYSTEM.c.key == PROGRESS)
        .where(SYSTEM.c.value_json.contains(token))
    )
    found = connection.execute(query).first()
    return None if found is None else (found[0], found[1])


def add(
    connection: Connection, study_id: int, trial: Trial, choices: Mapping[str, Choice], token: str
) -> tuple[int, int]:
    """Writes a new trial that a claim has, into a study that is locked: its id and its number. Its parameters are those
    of the candidate for which there are `choices`.
    """
    number: int = connection.execute(_COUNT, {"at": study_id}).scalar_one()
    begun = {"number": number, "study_id": study_id, "state": TrialState.RUNNING, "datetime_start": utc_now()}
    trial_id: int = connection.execute(insert(TRIALS), begun).inserted_primary_key[0]  # type: ignore[index]
    given = trial.candidate.parameters
    rows = [choice.row(trial_id, name, given[name]) for name, choice in choices.items() if choice.has(given.get(name))]
    if rows:
        connection.execute(insert(PARAMS), rows)
    candidate = trial.candidate
    set_attributes(
        connection,
        trial_id,
        {
            "candidate": {"network": candidate.network, "parameters": dict(candidate.parameters)},
            "images_per_second": trial.images_per_second,
            "origin": trial.origin,
            "target": trial.target,
            "worker": trial.worker,
            **({"changes": dict(trial.changes)} if trial.changes else {}),
        },
    )
    progress = {"trial_id": trial_id, "key": PROGRESS, "value_json": Progress(token=token).json()}
    connection.execute(insert(SYSTEM), [progress])
    _first_beat(connection, trial_id)
    return trial_id, number


def claim(connection: Connection, row: Row, token: str, target: int, worker: str) -> None:
    """Gives a waiting trial to a claim."""
    set_attributes(connection, row.trial_id, {"target": target, "worker": worker})
    change(connection, row, replace(row.progress, token=token), TrialState.RUNNING)
    _first_beat(connection, row.trial_id)


def change(connection: Connection, row: Row, progress: Progress, state: TrialState) -> None:
    """Writes a trial's progress and state."""
    stored = replace(progress, writes=row.progress.writes + 1).json()
    connection.execute(_SET_PROGRESS, {"at": row.trial_id, "value_json": stored})
    if state != row.state:
        ended = {"datetime_complete": utc_now()} if state.is_finished() else {}
        connection.execute(_SET_TRIAL, {"at": row.trial_id, "state": state, **ended})


def set_attributes(connection: Connection, trial_id: int, values: Mapping[str, Any]) -> None:
    """Writes user attributes of a trial."""
    rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in values.items()]
    upsert(connection, USER, ("trial_id", "key"), rows)


def add_span(connection: Connection, trial_id: int, span: Span | None) -> None:
    """Adds to what was trained of a trial."""
    if span is None:
        return
    stored = connection.execute(_SPANS, {"at": trial_id}).scalar_one_or_none()
    earlier = [] if stored is None else json.loads(stored)
    set_attributes(connection, trial_id, {"spans": [*earlier, asdict(span)]})


def set_step(connection: Connection, row: Row, epoch: int, mean_iou: float) -> None:
    """Writes the mean IoU after an epoch."""
    step = {"trial_id": row.trial_id, "step": epoch, "intermediate_value": float(mean_iou)}
    upsert(connection, CURVES, ("trial_id", "step"), [{**step, "intermediate_value_type": FINITE_STEP}])


def set_result(connection: Connection, trial_id: int, result: Result, images_per_second: float) -> None:
    """Writes what a whole training gave: the study's two values, and all of it."""
    values = [result.scores.mean_iou, images_per_second]
    rows = [
        {"trial_id": trial_id, "objective": objective, "value": float(value), "value_type": FINITE}
        for objective, value in enumerate(values)
    ]
    upsert(connection, VALUES, ("trial_id", "objective"), rows)
    record = {"trial_id": trial_id, "key": RESULT, "value_json": json.dumps(result.record())}
    upsert(connection, SYSTEM, ("trial_id", "key"), [record])


# --- heartbeats


def beat(connection: Connection, trial_ids: Sequence[int]) -> None:
    """Says of trials that whoever has them is alive."""
    connection.execute(update(BEATS).where(BEATS.c.trial_id.in_(trial_ids)).values(heartbeat=func.now()))


def tokens(connection: Connection, trial_ids: Sequence[int]) -> dict[int, str | None]:
    """Trial id -> token of its claim."""
    query = select(SYSTEM.c.trial_id, SYSTEM.c.value_json)
    found = connection.execute(query.where(SYSTEM.c.trial_id.in_(trial_ids), SYSTEM.c.key == PROGRESS))
    return {trial_id: Progress.of(stored).token for trial_id, stored in found}


def running(connection: Connection, study_id: int, *, silent: float | None) -> dict[int, str | None]:
    """Number -> token of running trials, or only of those whose last heartbeat is more than `silent` seconds ago."""
    query = (
        select(TRIALS.c.number, SYSTEM.c.value_json, BEATS.c.heartbeat, func.now())
        .join(SYSTEM, SYSTEM.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(BEATS, BEATS.c.trial_id == TRIALS.c.trial_id)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.state == TrialState.RUNNING, SYSTEM.c.key == PROGRESS)
        .order_by(TRIALS.c.number)
    )
    return {
        number: Progress.of(stored).token
        for number, stored, beat_at, now in connection.execute(query)
        if silent is None or beat_at is None or now.replace(tzinfo=None) - beat_at > timedelta(seconds=silent)
    }


# --- all trials


def listing(connection: Connection, study_id: int, known: int, unfinished: set[int]) -> list[Listed]:
    """Trials that are not finished, are newer than the id `known`, or were `unfinished` and have finished. By id."""
    at = {"at": study_id}
    found = [Listed(*row) for row in connection.execute(_OPEN, {**at, "known": known})]
    for ids in _batches(unfinished - {each.trial_id for each in found}):
        found += [Listed(*row) for row in connection.execute(_LISTING.where(TRIALS.c.trial_id.in_(ids)), at)]
    return sorted(found)


def trials(connection: Connection, listed: Sequence[Listed]) -> Iterator[tuple[Listed, Trial]]:
    """The trials of a list, whole, but those that were put into the study by other hands (optuna-dashboard's, say).
    Raises KeyError, TypeError or ValueError for one that a search of another version made.
    """
    by_id = {each.trial_id: each for each in listed if each.progress is not None}
    for ids in _batches(by_id):
        attributes = _attributes(connection, ids)
        curves: dict[int, dict[int, float]] = defaultdict(dict)
        steps = select(CURVES.c.trial_id, CURVES.c.step, CURVES.c.intermediate_value).order_by(CURVES.c.step)
        for trial_id, step, value in connection.execute(steps.where(CURVES.c.trial_id.in_(ids))):
            curves[trial_id][step] = value
        for trial_id in ids:
            yield by_id[trial_id], _trial(by_id[trial_id], attributes[trial_id], curves[trial_id])


def _trial(listed: Listed, attributes: Mapping[str, Any], curve: Mapping[int, float]) -> Trial:
    status = STATUS[listed.state]
    progress = Progress.of(listed.progress or "")
    candidate = attributes["candidate"]
    result = attributes[RESULT] if status == "done" else None
    return Trial(
        number=listed.number,
        candidate=Candidate.of(candidate["network"], candidate["parameters"]),
        images_per_second=attributes["images_per_second"],
        status=status,
        target=attributes["target"],
        origin=attributes["origin"],
        epochs=progress.epochs,
        curve=dict(curve),
        spans=tuple(Span(**span) for span in attributes.get("spans", ())),
        result=None if result is None else Result.from_record(result),
        reason=attributes.get("reason", "unknown") if status == "failed" else None,
        changes=attributes.get("changes", {}),
        worker=attributes["worker"] if status == "running" else None,
        deaths=progress.deaths,
        kills=progress.kills,
        heard=progress.heard,
    )


def _attributes(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Trial id -> user attributes and result."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    user = select(USER.c.trial_id, USER.c.key, USER.c.value_json).where(USER.c.trial_id.in_(ids))
    results = select(SYSTEM.c.trial_id, SYSTEM.c.key, SYSTEM.c.value_json).where(SYSTEM.c.trial_id.in_(ids))
    for query in (user, results.where(SYSTEM.c.key == RESULT)):
        for trial_id, key, value in connection.execute(query):
            found[trial_id][key] = json.loads(value)
    return found


def _batches(ids: Iterable[int]) -> Iterator[list[int]]:
    listed = sorted(ids)
    return (listed[at : at + _TOGETHER] for at in range(0, len(listed), _TOGETHER))


def _first_beat(connection: Connection, trial_id: int) -> None:
    made: Any = DIALECTS[connection.dialect.name].insert(BEATS).values(trial_id=trial_id, heartbeat=func.now())
    connection.execute(made.on_conflict_do_update(index_elements=["trial_id"], set_={"heartbeat": func.now()}))
