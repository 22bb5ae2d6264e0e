"""The tables of the run record, and opening the file that holds them."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import (
    URL,
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["SCHEMA_VERSION", "SchemaVersionError", "open_engine", "runs", "steps"]

SCHEMA_VERSION = 1
"""Kept in SQLite's `user_version`; a change of the tables raises it and brings a migration."""

_metadata = MetaData()

runs = Table(
    "runs",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("definition", Text),
    Column("inputs", Text),
    Column("steps", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("ended", Text),
    Column("seconds", Float),
    Column("outputs", Text),
    Column("cost_usd", Text),  # a decimal: SQLite has none of its own
    Column("error_code", Text),
    Column("error_message", Text),
    Column("owner", Text, nullable=False),
    Index("runs_started", "started"),
)

steps = Table(
    "steps",
    _metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started", Text),
    Column("ended", Text),
    Column("output", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("model", Text),
    Column("provider", Text),
    Column("quality", Text),
    Column("usage", Text),
    Column("cost_usd", Text),
    Column("attempts", Text),
)


class SchemaVersionError(Exception):
    """The file was written by a newer release."""


def open_engine(path: Path) -> Engine:
    """Opens the file, and makes it, readable by its owner only, where it is missing.

    Raises:
        SchemaVersionError: a newer release wrote it.
        OSError, sqlalchemy.exc.DatabaseError: it cannot be opened or is no SQLite file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made before SQLite does, so that it is never readable by others; SQLite gives its -wal and -shm the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)), connect_args={"timeout": 30, "check_same_thread": False}
    )
    event.listen(engine, "connect", _configure)
    try:
        _prepare(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        # Taken before looking, so that of two processes that open a new file only one makes the tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        found = connection.execute(text("PRAGMA user_version")).scalar_one()
        if found > SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{str(path)!r} has the record's schema {found}, this release knows {SCHEMA_VERSION}; upgrade"
                " meta-orchestrator, or move the file away"
            )
        if found < SCHEMA_VERSION:
            _metadata.create_all(connection)
            connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))
        connection.commit()


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives the death of the process; only a power cut may lose the last commits.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
