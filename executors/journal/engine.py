"""Opens the journal's database."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from executors.journal.migrations import migrate

__all__ = ["Durability", "open_engine", "transaction"]

Durability: TypeAlias = Literal["ordinary", "full"]
"""`ordinary` survives the death of the program, `full` a power cut too. PostgreSQL always does both."""
_BUSY_S = 30
"""The longest wait for other writers of a SQLite file."""
_WAIT_S = 5
_files: WeakKeyDictionary[Engine, tuple[int, int] | None] = WeakKeyDictionary()
"""Which file each engine was opened for."""


def open_engine(address: URL, durability: Durability) -> Engine:
    """Opens it, and makes or changes its tables where they are not those of this release.

    Raises:
        SchemaVersionError: a newer release wrote it.
        OSError, sqlalchemy.exc.SQLAlchemyError: it cannot be opened.
    """
    engine = _sqlite(address, durability) if address.get_backend_name() == "sqlite" else _postgres(address)
    try:
        with transaction(engine) as connection:
            migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, committed at the end of the block."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        _check_there(engine)
        # Taken before looking, so that nothing is read that another program changes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]  # sqlite3's own
                connection.exec_driver_sql("ROLLBACK")
            raise


def _check_there(engine: Engine) -> None:
    """What is written into a file that has no name any more is lost without a word. Raises OSError."""
    path = engine.url.database or ""
    try:
        there = _identity(path)
    except FileNotFoundError:
        there = None
    if there != _files.setdefault(engine, there):
        raise FileNotFoundError(errno.ENOENT, "it was deleted, moved away or replaced while it was in use", path)


def _identity(path: str) -> tuple[int, int]:
    stat = Path(path).stat()
    return stat.st_dev, stat.st_ino


def _sqlite(address: URL, durability: Durability) -> Engine:
    path = Path(address.database or "")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made before SQLite does, so that it is never readable by others; SQLite gives its -wal and -shm the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    engine = create_engine(
        address,
        connect_args={"timeout": _BUSY_S, "check_same_thread": False},
        pool_size=5,
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "connect", _configured(durability))
    return engine


def _configured(durability: Durability) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL survives the death of the process; only a power cut may lose the last commits.
        cursor.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        cursor.close()

    return configure


def _postgres(address: URL) -> Engine:
    milliseconds = _WAIT_S * 1000
    named = address.query.get("options", "")
    # A program that was stopped in the middle must not keep the others from taking its runs over.
    options = f"-c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=3000 -c synchronous_commit=on"
    given: dict[str, Any] = {"connect_timeout": _WAIT_S, "application_name": "meta-orchestrator"}
    mine = {name: value for name, value in given.items() if name not in address.query}
    mine["options"] = " ".join([options, *([named] if isinstance(named, str) else named)]).strip()
    return create_engine(address, connect_args=mine, pool_size=5, pool_timeout=_WAIT_S * 2)
