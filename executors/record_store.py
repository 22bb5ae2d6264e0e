"""The statements of the run record: one writer of batches, one reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from executors import record_rows
from executors.events import Event, RunFinished, RunStarted, StepFinished, StepStarted
from executors.record_tables import SchemaVersionError, runs, steps

__all__ = ["Reader", "failures", "write"]

_SEVERAL = 10
"""Candidates shown for an ambiguous id."""


def failures() -> tuple[type[Exception], ...]:
    """What opening, reading and writing may raise."""
    return (SQLAlchemyError, OSError, SchemaVersionError)


def write(engine: Engine, batch: Sequence[Event]) -> None:
    """Writes the events in one transaction. A step that began and ended in the same batch is written once."""
    ended = {(event.run_id, event.step_id) for event in batch if isinstance(event, StepFinished)}
    with engine.begin() as connection:
        _each(connection, (e for e in batch if isinstance(e, RunStarted)), _insert_runs)
        _each(
            connection,
            (e for e in batch if isinstance(e, StepStarted) and (e.run_id, e.step_id) not in ended),
            _insert_started,
        )
        _each(connection, (e for e in batch if isinstance(e, StepFinished)), _upsert_finished)
        _each(connection, (e for e in batch if isinstance(e, RunFinished)), _update_runs)


def _each(connection: Connection, events: Iterable[Any], act: Callable[[Connection, list[Any]], None]) -> None:
    found = list(events)
    if found:
        act(connection, found)


def _insert_runs(connection: Connection, events: list[RunStarted]) -> None:
    connection.execute(insert(runs), [record_rows.started_run(event) for event in events])


def _insert_started(connection: Connection, events: list[StepStarted]) -> None:
    statement = insert(steps).on_conflict_do_nothing()
    connection.execute(statement, [record_rows.started_step(event) for event in events])


def _upsert_finished(connection: Connection, events: list[StepFinished]) -> None:
    rows = [record_rows.finished_step(event) for event in events]
    statement = insert(steps)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in ("run_id", "step_id")}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "step_id"], set_=changed), rows)


def _update_runs(connection: Connection, events: list[RunFinished]) -> None:
    rows = [record_rows.finished_run(event) for event in events]
    changed: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "id"}
    statement = runs.update().where(runs.c.id == bindparam("run")).values(changed)
    connection.execute(statement, [{**row, "run": row["id"]} for row in rows])


class Reader:
    """The questions that are asked of the record."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self, limit: int) -> list[Mapping[str, Any]]:
        return self._rows(select(runs).order_by(runs.c.started.desc(), runs.c.id).limit(limit))

    def starting_with(self, prefix: str) -> list[Mapping[str, Any]]:
        return self._rows(select(runs).where(runs.c.id.startswith(prefix, autoescape=True)).limit(_SEVERAL))

    def steps(self, run_id: str) -> list[Mapping[str, Any]]:
        return self._rows(select(steps).where(steps.c.run_id == run_id).order_by(steps.c.ended, steps.c.step_id))

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
