"""The questions that are asked of the journal's tables; all of it blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, select

from executors.events import Event, RunStatus, StepFinished
from executors.journal import decoding
from executors.journal.encoding import referred, unpack
from executors.journal.entries import Approval, Decision, Past, Recorded
from executors.journal.rows import stamp
from executors.journal.summaries import RecordedRun, RecordedStatus, RunSummary
from executors.journal.tables import approvals, blobs, events, intents, results, runs, steps
from executors.journal.writing import now_of
from executors.owner import is_gone

__all__ = ["Reader", "contents", "is_left"]

_SEVERAL = 10
"""Candidates shown for an ambiguous id."""
_AT_ONCE = 500
_KNOWN = 5_000
"""The latest runs among which a mistyped one is looked for."""

Row = Mapping[str, Any]


def is_left(row: Row, now: float) -> bool:
    """Whether a run that has not ended has nobody who runs it, by the database's clock where it has leases."""
    if row["status"] != "running":
        return False
    return bool(row["lease"] < now) if now else is_gone(row["owner"])


def contents(connection: Connection, lists: Iterable[str | None]) -> dict[str, bytes]:
    """The blobs that rows refer to."""
    wanted = sorted({digest for one in lists if one for digest in one.split(" ")})
    found = {}
    for begin in range(0, len(wanted), _AT_ONCE):
        query = select(blobs.c.digest, blobs.c.content).where(blobs.c.digest.in_(wanted[begin : begin + _AT_ONCE]))
        found.update({row.digest: zlib.decompress(row.content) for row in connection.execute(query)})
    return found


class Reader:
    """Each question is answered from one state of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self, limit: int) -> list[RunSummary]:
        with self._reading() as connection:
            found = _rows(connection, select(runs).order_by(runs.c.started.desc(), runs.c.id).limit(limit))
            now = now_of(connection)
            wanted = [
                one for row in found for name, only in decoding.SUMMED_UP.items() for one in referred(row[name], only)
            ]
            held = contents(connection, wanted)
            return [decoding.run_of(row, held, interrupted=is_left(row, now)) for row in found]

    def ids(self) -> list[str]:
        """Of the latest runs."""
        with self._reading() as connection:
            return list(connection.execute(select(runs.c.id).order_by(runs.c.started.desc()).limit(_KNOWN)).scalars())

    def starting_with(self, prefix: str) -> list[str]:
        query = select(runs.c.id).where(runs.c.id.startswith(prefix, autoescape=True)).order_by(runs.c.id)
        with self._reading() as connection:
            exact = list(connection.execute(select(runs.c.id).where(runs.c.id == prefix)).scalars())
            return exact or list(connection.execute(query.limit(_SEVERAL)).scalars())

    def run(self, run_id: str) -> RecordedRun | None:
        with self._reading() as connection:
            found = _rows(connection, select(runs).where(runs.c.id == run_id))
            if not found:
                return None
            [row] = found
            told = and_(events.c.run_id == steps.c.run_id, events.c.seq == steps.c.event)
            query = select(events).join(steps, told).where(steps.c.run_id == run_id)
            ended = _rows(connection, query.where(steps.c.ended.is_not(None)).order_by(events.c.seq))
            query = select(steps.c.step_id).where(steps.c.run_id == run_id, steps.c.ended.is_(None))
            unfinished = tuple(connection.execute(query.order_by(steps.c.event)).scalars())
            held = contents(connection, [row["subject_blobs"], row["result_blobs"], *(one["blobs"] for one in ended)])
            finished = tuple(
                one for one in (decoding.event_of(e, held) for e in ended) if isinstance(one, StepFinished)
            )
            left = is_left(row, now_of(connection))
            run: RecordedRun = decoding.run_of(row, held, interrupted=left, steps=(finished, unfinished))
            return run

    def past(self, run_id: str) -> Past | None:
        with self._reading() as connection:
            found = _rows(connection, select(runs).where(runs.c.id == run_id))
            if not found:
                return None
            [row] = found
            kept = _rows(connection, select(results).where(results.c.run_id == run_id).order_by(results.c.number))
            open_ = _rows(connection, select(intents).where(intents.c.run_id == run_id).order_by(intents.c.number))
            questions = select(approvals).where(approvals.c.run_id == run_id).order_by(approvals.c.number)
            asked = _rows(connection, questions)
            lists = [row["begun_blobs"], row["subject_blobs"], *(one["blobs"] for one in (*kept, *asked))]
            held = contents(connection, lists)
            return replace(
                _past(row, kept, open_, held), approvals=tuple(decoding.approval_of(one, held) for one in asked)
            )

    def success(self, key: str, *, not_of: str = "", before: datetime | None = None) -> Recorded | None:
        query = select(results).where(results.c.key == key, results.c.status == "succeeded", results.c.run_id != not_of)
        if before is not None:
            query = query.where(results.c.at < stamp(before))
        with self._reading() as connection:
            latest = query.order_by(results.c.at.desc(), results.c.run_id, results.c.number.desc()).limit(1)
            for row in _rows(connection, latest):
                return decoding.recorded_of(row, contents(connection, [row["blobs"]]))
        return None

    def events(self, run_id: str, after: int, limit: int) -> list[tuple[int, Event]]:
        query = select(events).where(events.c.run_id == run_id, events.c.seq > after).order_by(events.c.seq)
        with self._reading() as connection:
            found = _rows(connection, query.limit(limit))
            held = contents(connection, [row["blobs"] for row in found])
            return [(row["seq"], decoding.event_of(row, held)) for row in found]

    def decision(self, run_id: str, path: str, key: str) -> Decision | None:
        query = select(approvals.c.decision).where(
            approvals.c.run_id == run_id, approvals.c.path == path, approvals.c.key == key
        )
        with self._reading() as connection:
            return decoding.decision_of(connection.execute(query).scalar_one_or_none())

    def waiting(self, run_id: str | None) -> list[Approval]:
        """Questions of runs that have not ended, in the order in which they were asked.

        One that was asked before another at the same path is not asked any more.
        """
        later = approvals.alias()
        same = (later.c.run_id == approvals.c.run_id, later.c.path == approvals.c.path)
        asked_since = select(later.c.key).where(*same, later.c.number > approvals.c.number).exists()
        query = select(approvals).join(runs, runs.c.id == approvals.c.run_id)
        query = query.where(runs.c.status == "running", approvals.c.decision.is_(None), ~asked_since)
        if run_id is not None:
            query = query.where(runs.c.id == run_id)
        with self._reading() as connection:
            found = _rows(connection, query.order_by(runs.c.started, runs.c.id, approvals.c.number))
            held = contents(connection, [row["blobs"] for row in found])
            return [decoding.approval_of(row, held) for row in found]

    def is_cancelled(self, run_id: str) -> bool:
        """Whether the end of the run was asked for."""
        with self._reading() as connection:
            found = connection.execute(select(runs.c.cancel_requested).where(runs.c.id == run_id))
            return bool(found.scalar_one_or_none())

    def cancelled(self) -> list[str]:
        """Runs that have not ended and whose end was asked for."""
        query = select(runs.c.id).where(runs.c.status == "running", runs.c.cancel_requested)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def status(self, run_id: str) -> RecordedStatus | None:
        query = select(runs.c.status, runs.c.owner, runs.c.lease).where(runs.c.id == run_id)
        with self._reading() as connection:
            for row in _rows(connection, query):
                status: RunStatus = row["status"]
                return "interrupted" if is_left(row, now_of(connection)) else status
        return None

    def left(self) -> list[str]:
        """Runs that were begun, have not ended, and have nobody who runs them; oldest first."""
        query = select(runs.c.id, runs.c.status, runs.c.owner, runs.c.lease)
        query = query.where(runs.c.status == "running", runs.c.begun.is_not(None)).order_by(runs.c.started, runs.c.id)
        with self._reading() as connection:
            now = now_of(connection)
            return [row["id"] for row in _rows(connection, query) if is_left(row, now)]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
                try:
                    yield connection
                finally:
                    connection.exec_driver_sql("ROLLBACK")
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")


def _past(row: Row, kept: Sequence[Row], open_: Sequence[Row], held: Mapping[str, bytes]) -> Past:
    begun = unpack(row["begun"], held) if row["begun"] else {}
    subject = unpack(row["subject"], held) if row["subject"] else {}
    linked = {name: decoding.workflow_in(one) for name, one in (begun.get("workflows") or {}).items()}
    return Past(
        run_id=row["id"],
        status=row["status"],
        definition=decoding.workflow_in(subject["definition"]) if subject.get("definition") else None,
        workflows={name: one for name, one in linked.items() if one is not None},
        inputs=subject.get("inputs") or {},
        caller=decoding.caller_of(begun.get("caller")),
        started=datetime.fromisoformat(row["started"]),
        results=tuple(decoding.recorded_of(one, held) for one in kept),
        unsettled=tuple(decoding.unsettled_of(one) for one in open_),
        cancel_requested=bool(row["cancel_requested"]),
    )


def _rows(connection: Connection, query: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]
