"""A study itself as rows of Optuna's tables: found, locked, described, thrown away."""

import json
from typing import Any, Final

from optuna.storages._rdb import models
from sqlalchemy import Connection, delete, select

from budgetnet.search.tables import (
    AT,
    BEATS,
    CURVES,
    PARAMS,
    STUDIES,
    STUDY_ATTRIBUTES,
    SYSTEM,
    TRIALS,
    USER,
    VALUES,
    upsert,
)

_ATTRIBUTES: Final = (
    select(STUDY_ATTRIBUTES.c.key, STUDY_ATTRIBUTES.c.value_json)
    .select_from(STUDIES.outerjoin(STUDY_ATTRIBUTES, STUDIES.c.study_id == STUDY_ATTRIBUTES.c.study_id))
    .where(STUDIES.c.study_id == AT)
)


def lock_study(connection: Connection, study_id: int) -> None:
    """Locks a study, where it is there, until the transaction ends."""
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())


def find_study(connection: Connection, name: str) -> int | None:
    """The id of a study by its name."""
    return connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)).scalar_one_or_none()


def has_trials(connection: Connection, study_id: int) -> bool:
    """Whether anything was begun in a study."""
    found = connection.execute(select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id).limit(1))
    return found.one_or_none() is not None


def study_attributes(connection: Connection, study_id: int) -> dict[str, Any] | None:
    """A study's user attributes; None where it is gone."""
    found = connection.execute(_ATTRIBUTES, {"at": study_id}).all()
    return {key: json.loads(value) for key, value in found if key is not None} if found else None


def set_study_attribute(connection: Connection, study_id: int, key: str, value: Any) -> None:
    """Writes one of a study's user attributes."""
    upsert(
        connection,
        STUDY_ATTRIBUTES,
        ("study_id", "key"),
        [{"study_id": study_id, "key": key, "value_json": json.dumps(value)}],
    )


def delete_study(connection: Connection, study_id: int) -> None:
    """Throws a study away with all that belongs to it. Optuna's own way takes seconds for some hundred trials."""
    its = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
    for table in (USER, SYSTEM, PARAMS, VALUES, CURVES, BEATS):
        connection.execute(delete(table).where(table.c.trial_id.in_(its)))
    of_study = (models.StudyUserAttributeModel, models.StudySystemAttributeModel, models.StudyDirectionModel)
    for table in (TRIALS, *(model.__table__ for model in of_study), STUDIES):
        connection.execute(delete(table).where(table.c.study_id == study_id))
