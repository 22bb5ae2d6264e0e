"""The ledger's transactions, the same on SQLite and PostgreSQL. All of it blocks: it belongs in a worker thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from unified_api.ledger.accounts import Balance, Books, Short
from unified_api.ledger.operations import Held, Locked, Operation, Outcome, Reservation, Reserve, Settle
from unified_api.ledger.statements import (
    CHANGE_ACCOUNT,
    END_RESERVATION,
    FORGET,
    FREE_ACCOUNTS,
    LOCK_ACCOUNTS,
    LOCK_EXPIRED,
    LOCK_RESERVATIONS,
    SHORTEN,
    THESE_ACCOUNTS,
)
from unified_api.ledger.tables import FREED, HELD, SETTLED, accounts, open_engine, reservations

__all__ = ["Store", "failures"]

Answer = TypeVar("Answer")
_TRIES = 3
"""Of a transaction that met a deadlock, a connection that had broken meanwhile, or tables or rows that were gone."""
_AGAIN = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization failure and deadlock: the transaction is to be tried again (its manual, appendix A)."""
_LOCKED = "55P03"
"""Its lock that did not come in time."""
_NO_TABLE = "42P01"
_AMISS = ("22", "23", "54")
"""The classes of what is wrong with a row and not with the database: its data, a constraint, a limit."""
_CLOCK_S = 60.0
"""How long the difference to the database's clock is taken to stay what it is."""
_KEPT_S = 86_400
"""How long what is settled is remembered, so that it cannot count twice."""


def failures() -> tuple[type[Exception], ...]:
    """What opening, reading and writing may raise."""
    return (SQLAlchemyError, OSError)


class Store:
    """One database. May be used by several threads; opens itself, again after `close` too."""

    def __init__(self, address: URL) -> None:
        self.address = address
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._path = Path(address.database or "")
        self._file: tuple[int, int] | None = None
        """Which file it is, of a database in a file."""
        self._known: set[str] = set()
        """Accounts that have a row."""
        self._locked: set[str] = set()
        """Accounts that others kept locked when they were last asked for."""
        self._ahead: tuple[float, float] | None = None
        """When the database's clock was looked at, and how far it is ahead, both by the monotonic clock."""

    def now(self) -> int:
        """Seconds since 1970 as the database counts them, so that programs on several machines agree."""
        if not self._is_shared:
            return int(time.time())
        if self._ahead is None or time.monotonic() - self._ahead[0] > _CLOCK_S:
            with self._transaction() as connection:
                told = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
            here = time.monotonic()
            self._ahead = (here, float(told) - here)
        return int(time.monotonic() + self._ahead[1])

    def apply(self, operations: Sequence[Operation], *, now: int) -> list[Outcome | Locked | Exception]:
        """The outcomes of all of them, in one transaction: what is settled first, then what is reserved, in order.

        What others keep locked, and what the database takes amiss, has no part in it and keeps nothing else from it.
        """
        if self._locked.isdisjoint(key for one in operations for key in one.keys):
            try:
                return [*self._all(operations, now=now)]
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCKED:
                    if len(operations) == 1 or not _is_amiss(error):
                        raise
                    return [self._alone(one, now=now) for one in operations]
        return self._unlocked(operations, now=now)

    def _all(self, operations: Sequence[Operation], *, now: int) -> list[Outcome]:
        return self._tried(lambda again: self._apply(operations, now=now, again=again))

    def _alone(self, operation: Operation, *, now: int) -> Outcome | Exception:
        try:
            return self._all([operation], now=now)[0]
        except DBAPIError as error:
            if not _is_amiss(error):
                raise
            return error

    def _unlocked(self, operations: Sequence[Operation], *, now: int) -> list[Outcome | Locked | Exception]:
        keys = {key for one in operations for key in one.keys}
        with self._transaction() as connection:
            there = connection.execute(THESE_ACCOUNTS, {"keys": sorted(keys)}).scalars().all()
            locked = set(there).difference(connection.execute(FREE_ACCOUNTS, {"keys": sorted(keys)}).scalars())
        self._locked = self._locked.difference(keys) | locked
        free = [one for one in operations if locked.isdisjoint(one.keys)]
        try:
            outcomes = iter(self._all(free, now=now) if free else ())
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCKED:
                raise
            return [Locked()] * len(operations)
        return [next(outcomes) if locked.isdisjoint(one.keys) else Locked() for one in operations]

    def _tried(self, work: Callable[[bool], Answer]) -> Answer:
        """The answer of `work`, which is told whether it was tried before."""
        for number in range(_TRIES):
            try:
                return work(number > 0)
            except (_RowsLostError, DBAPIError) as error:
                if number == _TRIES - 1:
                    raise
                if isinstance(error, _RowsLostError):
                    self._known.clear()
                elif _is_table_gone(error):
                    self.close()  # it is made at the next opening
                elif not _worth_another(error):
                    raise
        raise AssertionError

    def sweep(self, *, now: int, living: Collection[str]) -> bool:
        """Gives back what nobody settled within its lease, but for `living` reservations. True when there was any.

        A lease that ends later than it can was written while some clock was ahead: it runs from now on.
        """
        with self._transaction() as connection:
            found = connection.execute(LOCK_EXPIRED, {"now": now}).all()
            expired = [row for row in found if row.id not in living]
            if expired:
                held: dict[str, int] = {}
                for row in expired:
                    for key in row.accounts.split("\n"):
                        held[key] = held.get(key, 0) + row.amount
                connection.execute(LOCK_ACCOUNTS, {"keys": sorted(held)})
                connection.execute(END_RESERVATION, [{"reservation": row.id, "end": FREED} for row in expired])
                _change(connection, ((key, 0, -amount) for key, amount in held.items()))
            connection.execute(SHORTEN, {"now": now})
        return bool(expired)

    def forget(self, *, now: int) -> None:
        """Removes reservations that ended a day ago. No money is forgotten with them."""
        with self._transaction() as connection:
            connection.execute(FORGET, {"before": now - _KEPT_S})

    def balances(self) -> list[Held]:
        return self._tried(lambda _: self._balances())

    def close(self) -> None:
        with self._opening:
            self._close()

    @property
    def _is_shared(self) -> bool:
        """Whether programs on several machines may use it."""
        return self.address.get_backend_name() != "sqlite"

    def _close(self) -> None:
        engine, self._engine = self._engine, None
        self._known.clear()
        self._locked.clear()
        if engine is not None:
            engine.dispose()

    def _balances(self) -> list[Held]:
        with self._transaction(reading=True) as connection:
            query = select(accounts.c.key, accounts.c.spent, accounts.c.held).order_by(accounts.c.key)
            return [Held(row.key, row.spent, row.held) for row in connection.execute(query)]

    def _apply(self, operations: Sequence[Operation], *, now: int, again: bool) -> list[Outcome]:
        settles = [one for one in operations if isinstance(one, Settle)]
        reserves = [one for one in operations if isinstance(one, Reserve)]
        keys = {key for one in operations for key in one.keys}
        self._open_accounts(keys)
        with self._transaction() as connection:
            # A connection that breaks while it commits leaves open whether it did: what stands there then is ours.
            asked = [one.reservation.id for one in settles] + [one.id for one in reserves if again]
            there = _reservations(connection, asked)
            books = Books(_balances(connection, keys))
            ended = [_settle(books, one, there) for one in settles]
            granted = _Granting(books, there)
            outcomes = {one.id: granted.outcome(one) for one in reserves}
            _write(connection, ended, granted.fresh, now=now)
            _change(connection, books.changes())
        return [outcomes[one.id] if isinstance(one, Reserve) else None for one in operations]

    def _open_accounts(self, keys: Collection[str]) -> None:
        """Rows for accounts that have none. On their own, as a row that is waited for while others are locked may
        belong to somebody who waits for those.
        """
        fresh = sorted(key for key in keys if key not in self._known)
        if fresh:
            with self._transaction() as connection:
                rows = [{"key": key, "spent": 0, "held": 0} for key in fresh]
                dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
                connection.execute(dialect.insert(accounts).on_conflict_do_nothing(), rows)
            if len(self._known) > 100_000:
                self._known.clear()
            self._known.update(fresh)

    @contextmanager
    def _transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        engine = self._opened()
        if engine.dialect.name != "sqlite":
            with engine.begin() as connection:
                yield connection
            return
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is not None and self._file != self._file_now():
                # Somebody took the file away: what is written to it now, no other program would ever see.
                self._close()
            if self._engine is None:
                self._engine = open_engine(self.address)
                self._file = self._file_now()
            return self._engine

    def _file_now(self) -> tuple[int, int] | None:
        if self._is_shared:
            return None
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


class _RowsLostError(SQLAlchemyError):
    """Somebody has removed rows of accounts."""


class _Granting:
    """Reserves one after the other on the same books."""

    def __init__(self, books: Books, there: Mapping[str, tuple[int, int]]) -> None:
        self._books = books
        self._there = there
        self._refused: dict[tuple[tuple[str, ...], int], Short] = {}
        self.fresh: list[tuple[Reservation, int]] = []
        """What is granted, with its lease."""

    def outcome(self, asked: Reserve) -> Reservation | Short:
        keys = asked.keys
        state, amount = self._there.get(asked.id, (None, 0))
        if state == HELD:
            return Reservation(asked.id, keys, asked.each, amount // asked.each)
        # Room only shrinks from here on: what had none just now has none still.
        same = (keys, asked.each)
        refused = self._refused.get(same)
        if refused is not None:
            return refused
        tries = self._books.reserve(asked.shares, asked.each, tries=asked.tries)
        if isinstance(tries, Short):
            self._refused[same] = tries
            return tries
        granted = Reservation(asked.id, keys, asked.each, tries)
        self.fresh.append((granted, asked.lease))
        return granted


def _settle(books: Books, settle: Settle, there: dict[str, tuple[int, int]]) -> tuple[Reservation, bool]:
    """Notes what the call has cost, unless that was noted before. True when the reservation has no row any more."""
    reservation = settle.reservation
    state, _ = there.get(reservation.id, (None, 0))
    if state != SETTLED:
        for key in reservation.keys:
            books.add(key, spent=settle.spent, held=-reservation.amount if state == HELD else 0)
        there[reservation.id] = (SETTLED, reservation.amount)
    return reservation, state is None


def _write(
    connection: Connection,
    ended: Iterable[tuple[Reservation, bool]],
    granted: Iterable[tuple[Reservation, int]],
    *,
    now: int,
) -> None:
    ended = list(ended)
    rows = [_row(one, SETTLED, lease=0, now=now) for one, missing in ended if missing]
    rows += [_row(one, HELD, lease=lease, now=now) for one, lease in granted]
    updates = [{"reservation": one.id, "end": SETTLED} for one, missing in ended if not missing]
    if rows:
        connection.execute(insert(reservations), rows)
    if updates:
        connection.execute(END_RESERVATION, updates)


def _row(reservation: Reservation, state: int, *, lease: int, now: int) -> dict[str, Any]:
    return {
        "id": reservation.id,
        "accounts": "\n".join(reservation.keys),
        "amount": reservation.amount,
        "lease": lease,
        "expires": now + lease,
        "state": state,
    }


def _change(connection: Connection, changes: Iterable[tuple[str, int, int]]) -> None:
    rows = [
        {"account": key, "more_spent": spent, "more_held": held}
        for key, spent, held in sorted(changes)
        if spent or held
    ]
    if rows:
        connection.execute(CHANGE_ACCOUNT, rows)


def _reservations(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    if not ids:
        return {}
    rows = connection.execute(LOCK_RESERVATIONS, {"ids": list(ids)})
    return {row.id: (row.state, row.amount) for row in rows}


def _balances(connection: Connection, keys: Collection[str]) -> dict[str, Balance]:
    rows = connection.execute(LOCK_ACCOUNTS, {"keys": sorted(keys)})
    found = {row.key: Balance(row.spent, row.held) for row in rows}
    if len(found) < len(keys):
        raise _RowsLostError
    return found


def _worth_another(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN


def _is_table_gone(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _NO_TABLE or "no such table" in str(error.orig)


def _is_amiss(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, DataError) or state[:2] in _AMISS
