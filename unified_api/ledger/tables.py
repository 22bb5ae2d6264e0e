"""The ledger's tables, and opening the database that holds them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Engine,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    literal_column,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["FREED", "HELD", "IS_HELD", "SETTLED", "accounts", "open_engine", "reservations"]

HELD, FREED, SETTLED = 0, 1, 2
"""A reservation's states: FREED is one whose lease ended before anybody settled it."""
_WAIT_S = 5
"""The longest wait for an answer of PostgreSQL, or for a connection."""
_LOCK_S = 0.5
"""The longest wait for a lock in PostgreSQL: what others keep locked for longer is left out, and tried again."""
_BUSY_S = 10
"""The longest wait for other writers of a SQLite file, who are not served in the order that they come."""

_metadata = MetaData()

accounts = Table(
    "budget_accounts",
    _metadata,
    Column("key", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

reservations = Table(
    "budget_reservations",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("accounts", Text, nullable=False),  # their keys, one a line
    Column("amount", BigInteger, nullable=False),  # on each of them
    Column("lease", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
IS_HELD = reservations.c.state == literal_column("0")  # a parameter would keep the index from being used
Index("budget_reservations_held", reservations.c.expires, sqlite_where=IS_HELD, postgresql_where=IS_HELD)


def open_engine(address: URL) -> Engine:
    """Opens the database, and makes the tables where they are missing. Raises what SQLAlchemy and the system raise."""
    engine = _sqlite(address) if address.get_backend_name() == "sqlite" else _postgres(address)
    try:
        _prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _sqlite(address: URL) -> Engine:
    path = Path(address.database or "")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made before SQLite does, so that it is never readable by others; SQLite gives its -wal and -shm the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(
        address,
        connect_args={"timeout": _BUSY_S, "check_same_thread": False},
        pool_size=1,
        max_overflow=4,
        pool_timeout=_WAIT_S,
        # Transactions are begun by hand, with their lock, so that nothing is read that another process changes.
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives the death of the process; only a power cut may lose the last commits.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _postgres(address: URL) -> Engine:
    milliseconds = _WAIT_S * 1000
    named = address.query.get("options", "")
    options = (
        # Nobody may hold the others up: neither a statement that waits nor a program that was stopped in the middle.
        f"-c statement_timeout={milliseconds} -c lock_timeout={int(_LOCK_S * 1000)}"
        f" -c idle_in_transaction_session_timeout={milliseconds}"
    )
    given: dict[str, Any] = {
        "connect_timeout": _WAIT_S,
        "application_name": "meta-orchestrator",
        "tcp_user_timeout": milliseconds,
    }
    mine = {name: value for name, value in given.items() if name not in address.query}
    mine["options"] = " ".join([options, *([named] if isinstance(named, str) else named)]).strip()  # the last one wins
    return create_engine(
        address,
        connect_args=mine,
        pool_size=1,
        max_overflow=4,
        pool_timeout=_WAIT_S,
    )


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        there = inspect(connection)
        if not all(there.has_table(table.name) for table in (accounts, reservations)):
            _create(engine)


def _create(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Taken before looking, so that of two processes that open a new file only one makes the tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _metadata.create_all(connection)
            connection.exec_driver_sql("COMMIT")
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_S}s'")  # many programs may open it at once
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8271650043)")
            _metadata.create_all(connection)
