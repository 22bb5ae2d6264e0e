"""From one version of the journal's tables to the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, inspect, text

from executors.journal.encoding import Blob, dumps, pack
from executors.journal.rows import EventRow
from executors.journal.tables import METADATA
from executors.journal.writing import Transaction

__all__ = ["VERSION", "SchemaVersionError", "migrate"]

VERSION = 2
"""Raised with every change of the tables, which brings a migration."""
_LOCK = 8271650045
"""PostgreSQL's advisory lock for whoever looks at the version."""


class SchemaVersionError(Exception):
    """A newer release wrote it."""


def migrate(connection: Connection) -> None:
    """Brings the tables to this release's version, in the transaction of the connection. Raises SchemaVersionError."""
    is_file = connection.dialect.name == "sqlite"
    if not is_file:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))  # many programs may open it at once
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = _file_version(connection) if is_file else _shared_version(connection)
    if version > VERSION:
        raise SchemaVersionError(
            f"it has the journal's schema {version}, this release knows {VERSION}; upgrade meta-orchestrator, or"
            " have another journal"
        )
    if version == VERSION:
        return
    while version < VERSION:
        version = _MIGRATIONS[version](connection)
    if is_file:
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    else:
        connection.execute(text("DELETE FROM journal_schema"))
        connection.execute(text("INSERT INTO journal_schema (version) VALUES (:version)"), {"version": version})


def _file_version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _shared_version(connection: Connection) -> int:
    if not inspect(connection).has_table("journal_schema"):
        return 0
    return int(connection.execute(text("SELECT max(version) FROM journal_schema")).scalar_one() or 0)


def _create(connection: Connection) -> int:
    METADATA.create_all(connection)
    return 2


def _absorb_record(connection: Connection) -> int:
    """The record of runs as it was before there was a journal: its steps become events."""
    METADATA.create_all(connection)
    for run in _rows(connection, "SELECT * FROM runs ORDER BY started, id"):
        written = Transaction(connection, owner=run["owner"], wall=run["started"], claimed=set())
        written.open([run["id"]])
        steps = _rows(
            connection, "SELECT * FROM steps WHERE run_id = :id ORDER BY ended IS NULL, ended, step_id", **run
        )
        for row in (_began(run), *map(_readable, steps), *_ended(run)):
            written.add(row)
        written.flush()
    connection.exec_driver_sql("DROP TABLE steps")
    connection.exec_driver_sql("DROP TABLE runs")
    return 2


_MIGRATIONS: Mapping[int, Callable[[Connection], int]] = {0: _create, 1: _absorb_record}
"""By the version that each begins with; they give the one that they end with."""


def _rows(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    wanted = {name: one for name, one in values.items() if f":{name} " in query}
    return [dict(row) for row in connection.execute(text(query), wanted).mappings()]


def _began(run: Mapping[str, Any]) -> EventRow:
    inputs = _object(run["inputs"])
    subject: dict[str, Any] = {} if inputs is None else {"inputs": inputs}
    definition = _object(run["definition"])
    if definition is not None:
        subject["definition"] = Blob.of(dumps(definition))
    packed = pack(subject)
    columns = {
        "workflow": run["workflow"],
        "status": "running",
        "steps": run["steps"],
        "started": run["started"],
        "ended": None,
        "subject": packed.body,
        "subject_blobs": packed.digests,
        "result": None,
        "result_blobs": None,
    }
    told = {"at": run["started"], "workflow": run["workflow"], "steps": run["steps"], **subject}
    return EventRow(run_id=run["id"], kind="RunStarted", packed=pack(told), run=columns)


def _readable(step: Mapping[str, Any]) -> EventRow:
    """One that holds what no release has written is kept without it."""
    try:
        return _step(step)
    except (TypeError, ValueError, AttributeError, RecursionError):
        return _step({**step, "output": None, "usage": None, "attempts": None})


def _step(step: Mapping[str, Any]) -> EventRow:
    names = ("kind", "status", "started", "ended", "model", "cost_usd")
    columns = {"run_id": step["run_id"], "step_id": step["step_id"], **{name: step[name] for name in names}}
    told: dict[str, Any] = {"at": step["ended"] or step["started"], "step_id": step["step_id"], "kind": step["kind"]}
    if step["ended"] is None:
        return EventRow(run_id=step["run_id"], kind="StepStarted", packed=pack(told), step=columns)
    attempts = _load(step["attempts"]) or []
    calls = [one.pop("call", None) for one in attempts]
    told |= {name: step[name] for name in ("status", "started", "model", "provider", "quality", "cost_usd")}
    told |= {"output": _load(step["output"]), "usage": _load(step["usage"]), "error": _error(step)}
    told |= {"attempts": attempts, "shares": [] if None in calls else _shares(calls)}
    kept = {name: one for name, one in told.items() if one not in (None, []) or name == "output"}
    return EventRow(run_id=step["run_id"], kind="StepFinished", packed=pack(kept), step=columns)


def _shares(calls: list[int]) -> list[int]:
    return [calls.count(call) for call in dict.fromkeys(calls)]


def _ended(run: Mapping[str, Any]) -> list[EventRow]:
    if run["status"] == "running":
        return []
    told = {
        "outputs": _object(run["outputs"]) or {},
        "cost_usd": run["cost_usd"],
        "seconds": run["seconds"],
        "error": _error(run),
    }
    packed = pack(told)
    columns = {
        "status": run["status"],
        "ended": run["ended"],
        "result": packed.body,
        "result_blobs": packed.digests,
    }
    event = pack({"at": run["ended"], "status": run["status"], **told})
    return [EventRow(run_id=run["id"], kind="RunFinished", packed=event, run=columns)]


def _error(row: Mapping[str, Any]) -> dict[str, str] | None:
    return None if row["error_code"] is None else {"code": row["error_code"], "message": row["error_message"]}


def _object(text: str | None) -> dict[str, Any] | None:
    found = _load(text)
    return found if isinstance(found, dict) else None


def _load(text: str | None) -> Any:
    """JSON; nothing for what is none, so that one bad row does not lock the others away."""
    try:
        return None if text is None else json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
