"""Optuna's tables, as statements of our own name them, and what all such statements need."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from optuna.storages._rdb import models
from sqlalchemy import Connection, Integer, bindparam
from sqlalchemy.dialects import postgresql, sqlite

STUDIES: Final = models.StudyModel.__table__
STUDY_ATTRIBUTES: Final = models.StudyUserAttributeModel.__table__
TRIALS: Final = models.TrialModel.__table__
USER: Final = models.TrialUserAttributeModel.__table__
SYSTEM: Final = models.TrialSystemAttributeModel.__table__
PARAMS: Final = models.TrialParamModel.__table__
VALUES: Final = models.TrialValueModel.__table__
CURVES: Final = models.TrialIntermediateValueModel.__table__
BEATS: Final = models.TrialHeartbeatModel.__table__
DIALECTS: Final[Mapping[str, Any]] = {"sqlite": sqlite, "postgresql": postgresql}
FINITE: Final = models.TrialValueModel.TrialValueType.FINITE
FINITE_STEP: Final = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
AT: Final = bindparam("at", type_=Integer)
"""The id of whatever a statement is about."""


def utc_now() -> datetime:
    """Optuna's tables hold times in UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)


def upsert(connection: Connection, table: Any, keys: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Inserts rows, or changes those that are there."""
    connection.execute(_upserting(connection.dialect.name, table, keys, tuple(rows[0])), rows)


@cache
def _upserting(dialect: str, table: Any, keys: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    made = DIALECTS[dialect].insert(table)
    changed = {name: made.excluded[name] for name in columns if name not in keys}
    return made.on_conflict_do_update(index_elements=list(keys), set_=changed)
