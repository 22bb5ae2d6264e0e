"""The tables through which machines hand each other runs and steps, and opening the database that holds them."""

from __future__ import annotations

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    false,
    func,
    inspect,
)

__all__ = ["open_engine", "runs", "steps", "values", "workers"]

_WAIT_S = 5
"""The longest wait for an answer, a lock or a connection."""
_LOCK = 8271650047

_metadata = MetaData()

workers = Table(
    "machine_workers",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("tools", Text, nullable=False),  # their names, as JSON
    Column("beat", DateTime(timezone=True), nullable=False),
    Column("taken", DateTime(timezone=True)),  # when others began to take over what it was doing
)

runs = Table(
    "machine_runs",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("request", Text, nullable=False),
    Column("generation", Integer, nullable=False),  # how often it was asked for
    Column("worker", Text),  # which leads it
    Column("asked", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("ended", Boolean, nullable=False, server_default=false()),
    Column("trouble", Text),  # why its leader could not lead it to an end
)

steps = Table(
    "machine_steps",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("parcel", Text, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("worker", Text),
    Column("claims", Integer, nullable=False, server_default="0"),  # how many workers have begun it
    Column("handed", Integer, nullable=False, server_default="0"),  # how many of them live and gave it back
    Column("cancelled", Boolean, nullable=False, server_default=false()),
    Column("outcome", Text),
)
Index("machine_steps_run", steps.c.run_id)

values = Table(
    "machine_values",
    _metadata,
    Column("run_id", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


_ADDED = (
    "ALTER TABLE machine_workers ADD COLUMN IF NOT EXISTS taken timestamptz",
    "ALTER TABLE machine_steps ADD COLUMN IF NOT EXISTS handed integer NOT NULL DEFAULT 0",
)
"""What tables of an earlier release lack."""


def _is_complete(connection: Connection) -> bool:
    found = inspect(connection)
    return found.has_table(values.name) and any(one["name"] == "handed" for one in found.get_columns(steps.name))


def open_engine(address: URL, *, connections: int = 4) -> Engine:
    """Opens the database, and makes the tables where they are missing. Raises what SQLAlchemy raises."""
    engine = create_engine(
        address,
        connect_args={
            "connect_timeout": _WAIT_S,
            "application_name": "meta-orchestrator",
            "tcp_user_timeout": _WAIT_S * 1000,
            # A program that was stopped in the middle must not keep the others from taking over its work.
            "options": f"-c statement_timeout={_WAIT_S}s -c lock_timeout={_WAIT_S}s"
            " -c idle_in_transaction_session_timeout=3s",
        },
        pool_size=connections,
        max_overflow=4,
        pool_timeout=30,
        pool_pre_ping=True,
    )
    try:
        with engine.begin() as connection:
            if not _is_complete(connection):
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
                _metadata.create_all(connection)
                for statement in _ADDED:
                    connection.exec_driver_sql(statement)
    except BaseException:
        engine.dispose()
        raise
    return engine
