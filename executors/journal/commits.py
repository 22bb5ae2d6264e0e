"""Commits what has queued up, and keeps what could not be written until it can be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, bindparam, text, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from executors.journal.engine import Durability, open_engine, transaction
from executors.journal.entries import JournalError
from executors.journal.migrations import SchemaVersionError
from executors.journal.reading import Reader
from executors.journal.rows import ResultRow
from executors.journal.tables import runs
from executors.journal.turns import Entry, Item
from executors.journal.writing import LEASE_S, Transaction, now_of

__all__ = ["Commits", "failures"]

Answer = TypeVar("Answer")
_TRIES = 3
_AWAY_S = 30.0
"""The longest wait for a server that was there and cannot be reached now, as when it is started anew."""
_LOOK_S = 0.25
_AGAIN = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's serialization failure, deadlock, and lock that did not come in time (its manual, appendix A)."""
_TOLD = 100
"""Reasons that are remembered at most."""
_MOST_OWED = 256_000_000
"""Bytes that are held for a disk that cannot be written; what comes after them is lost, and told."""
_BEAT = (
    update(runs).where(runs.c.id == bindparam("run"), runs.c.owner == bindparam("me")).values(lease=bindparam("until"))
)


def failures() -> tuple[type[Exception], ...]:
    """What opening, reading and writing may raise."""
    return (SQLAlchemyError, OSError, SchemaVersionError)


@dataclass(slots=True)
class _Attempt:
    """What is known of a transaction, however it ended."""

    written: Transaction | None = None
    number: str | None = None


class Commits:
    """One database. `apply` and `beat` belong to one thread; reading may go on in any."""

    def __init__(self, address: URL, durability: Durability, *, owner: str, told: Callable[[set[str]], None]) -> None:
        self.address = address
        self.owner = owner
        self._durability = durability
        self._told = told
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._owed: list[Entry] = []
        self._lost_steps: list[str] = []
        self._owed_bytes = 0
        self.claimed: set[str] = set()
        """Runs that this program runs."""
        self.failed: BaseException | None = None
        """Why the latest commit could not be made."""
        self.lost: list[BaseException] = []
        """Why single entries were not kept."""
        self._was_there = False
        self._given_up: float | None = None
        """Until when a server that is away is waited for; None while it is there."""

    @property
    def owes(self) -> int:
        """Entries that could not be written yet."""
        return len(self._owed)

    @property
    def unkept(self) -> list[str]:
        """Paths of the steps whose results were not written; some, where there are many."""
        return [*self._lost_steps, *(_steps_of(self._owed))][:_TOLD]

    def forgive(self) -> None:
        """Forgets what was lost: it has been told."""
        self.lost.clear()
        self._lost_steps.clear()

    def apply(self, entries: Sequence[Entry]) -> None:
        """Writes what is owed, and these, in one transaction. Raises nothing: entries hold errors."""
        together = [*self._owed, *entries]
        try:
            self._commit(together)
        except (OperationalError, InterfaceError, OSError, SchemaVersionError, JournalError) as error:
            self._owe(entries, error)
        except Exception:  # noqa: BLE001  # one of them is amiss, and must not keep the others from the disk
            self._each(together)
        else:
            self._clear()

    def beat(self) -> None:
        """Says that the owner of the claimed runs lives, in a database that machines share."""
        if self.address.get_backend_name() == "sqlite" or not self.claimed:
            return
        try:
            with transaction(self._opened()) as connection:
                until = now_of(connection) + LEASE_S
                rows = [{"run": one, "me": self.owner, "until": until} for one in sorted(self.claimed)]
                connection.execute(_BEAT, rows)
        except failures():
            return  # whoever writes next is told; the lease runs out meanwhile

    def reader(self) -> Reader:
        return Reader(self._opened())

    def close(self) -> None:
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _commit(self, entries: Sequence[Entry]) -> None:
        if all(entry.item is None for entry in entries):
            return
        number = 1
        while True:
            attempt = _Attempt()
            try:
                self._try(entries, attempt)
            except DBAPIError as error:
                lost_sight = error.connection_invalidated and attempt.number is not None
                if not (lost_sight and self._was_committed(attempt)):
                    if self._is_waited_for(attempt, error):
                        continue
                    if number == _TRIES or not _worth_another(error):
                        raise
                    number += 1
                    continue
            self._keep(attempt)
            return

    def _try(self, entries: Sequence[Entry], attempt: _Attempt) -> None:
        with transaction(self._opened()) as connection:
            wall = datetime.now(UTC).isoformat()
            attempt.written = Transaction(connection, owner=self.owner, wall=wall, claimed=self.claimed)
            attempt.written.open(_run_ids(entries))
            for entry in entries:
                _add(attempt.written, entry)
            attempt.written.flush()
            attempt.number = _number(connection)

    def _is_waited_for(self, attempt: _Attempt, error: DBAPIError) -> bool:
        """Whether a server that cannot be reached may be back by now. Nothing has been begun there."""
        is_away = attempt.written is None and isinstance(error, OperationalError | InterfaceError)
        if not is_away or not self._was_there:
            return False
        if self._given_up is None:
            self._given_up = time.monotonic() + _AWAY_S
        if time.monotonic() >= self._given_up:
            return False
        time.sleep(_LOOK_S)
        return True

    def _keep(self, attempt: _Attempt) -> None:
        self._was_there, self._given_up = self.address.get_backend_name() != "sqlite", None
        if attempt.written is not None:
            for run_id, taken in attempt.written.claims.items():
                (self.claimed.add if taken else self.claimed.discard)(run_id)
            self._told(set(attempt.written.touched))

    def _was_committed(self, attempt: _Attempt) -> bool:
        """Whether a transaction whose connection broke while it was committed had been."""
        for _ in range(20):
            with self._opened().connect() as connection:
                query = text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")
                status = connection.execute(query, {"number": attempt.number}).scalar_one()
            if status != "in progress":
                return bool(status == "committed")
            time.sleep(0.1)
        return False

    def _each(self, entries: Sequence[Entry]) -> None:
        """One by one, so that only what is amiss itself is lost."""
        for place, entry in enumerate(entries):
            entry.outcome = entry.error = None
            try:
                self._commit([entry])
            except (OperationalError, InterfaceError, OSError, SchemaVersionError) as error:
                self._clear()
                self._owe(entries[place:], error)
                return
            except Exception as error:  # noqa: BLE001  # told to whoever waits, and at the end
                entry.error = error
                self._lose(error, entry)
        self._clear()

    def _owe(self, entries: Sequence[Entry], error: BaseException) -> None:
        """Tells those that wait; what nobody waits for is written as soon as it can be."""
        self.failed = error
        for entry in entries:
            if entry.event is not None:
                entry.outcome, entry.error = None, error
            elif self._owed_bytes + entry.size > _MOST_OWED:
                self._lose(error, entry)
            else:
                self._owed.append(entry)
                self._owed_bytes += entry.size

    def _lose(self, error: BaseException, entry: Entry) -> None:
        if len(self.lost) < _TOLD:
            self.lost.append(error)
            self._lost_steps += _steps_of([entry])

    def _clear(self) -> None:
        self.failed = None
        self._owed.clear()
        self._owed_bytes = 0

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(self.address, self._durability)
            return self._engine


def _run_ids(entries: Sequence[Entry]) -> set[str]:
    return {entry.item.run_id for entry in entries if entry.item is not None and not callable(entry.item)}


def _steps_of(entries: Sequence[Entry]) -> list[str]:
    return [entry.item.columns["path"] for entry in entries if isinstance(entry.item, ResultRow)]


def _add(written: Transaction, entry: Entry) -> None:
    item: Item = entry.item
    if item is None:
        return
    entry.error = None
    try:
        if callable(item):
            written.flush()
            entry.outcome = item(written)
        else:
            written.add(item)
    except JournalError as error:
        entry.error = error


def _number(connection: Connection) -> str | None:
    """The transaction's own, by which its end can be asked for later; None where that is never in doubt."""
    if connection.dialect.name == "sqlite":
        return None
    found = connection.exec_driver_sql("SELECT CAST(pg_current_xact_id_if_assigned() AS text)").scalar_one()
    return None if found is None else str(found)


def _worth_another(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN
