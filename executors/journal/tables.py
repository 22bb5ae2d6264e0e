"""The journal's tables, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

__all__ = ["HOLDERS", "METADATA", "approvals", "blobs", "events", "intents", "results", "runs", "schema", "steps"]

METADATA = MetaData()


def _place() -> tuple[Column[Any], ...]:
    """What an intent, a result or a question is found by, and its place in the order of its run."""
    names = (Column(name, Text, primary_key=True) for name in ("run_id", "path", "key"))
    return (*names, Column("number", BigInteger, nullable=False))


schema = Table("journal_schema", METADATA, Column("version", Integer, nullable=False))

runs = Table(
    "journal_runs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("ended", Text),
    Column("begun", Text),  # caller, and workflows that are linked; null for runs that were only watched
    Column("begun_blobs", Text),
    Column("subject", Text),  # definition and inputs
    Column("subject_blobs", Text),
    Column("result", Text),  # outputs, cost, seconds and error
    Column("result_blobs", Text),
    Column("owner", Text, nullable=False),
    Column("lease", Float, nullable=False),  # seconds since 1970 by the database's clock; 0 where owners are asked
    Column("cancel_requested", Boolean, nullable=False),
    Column("events", BigInteger, nullable=False),  # how many there are
    Column("entries", BigInteger, nullable=False),  # how many intents, results and questions there were
    Index("journal_runs_started", "started"),
    Index("journal_runs_status", "status"),
)

steps = Table(
    "journal_steps",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("step_id", Text, primary_key=True),  # its path
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started", Text),
    Column("ended", Text),
    Column("model", Text),
    Column("cost_usd", Text),  # a decimal: SQLite has none of its own
    Column("event", BigInteger, nullable=False),  # the one that tells all of it
    sqlite_with_rowid=False,
)

events = Table(
    "journal_events",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("blobs", Text),
)

intents = Table(
    "journal_intents",
    METADATA,
    *_place(),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("spent_usd", Text, nullable=False),
    Column("held_usd", Text, nullable=False),
)

results = Table(
    "journal_results",
    METADATA,
    *_place(),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("blobs", Text),
    Index("journal_results_key", "key"),
)

approvals = Table(
    "journal_approvals",
    METADATA,
    *_place(),
    Column("body", Text, nullable=False),
    Column("blobs", Text),
    Column("decision", Text),
)

blobs = Table(
    "journal_blobs",
    METADATA,
    Column("digest", Text, primary_key=True),  # sha256
    Column("size", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),  # JSON, compressed with zlib
)

HOLDERS = (
    (runs, runs.c.begun_blobs),
    (runs, runs.c.subject_blobs),
    (runs, runs.c.result_blobs),
    (events, events.c.blobs),
    (results, results.c.blobs),
    (approvals, approvals.c.blobs),
)
"""Where blobs are referred to."""
for _table, _column in HOLDERS:
    _there = _column.is_not(None)
    # Most rows refer to none.
    Index(f"{_table.name}_{_column.name}", _column, sqlite_where=_there, postgresql_where=_there)
