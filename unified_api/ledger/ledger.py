"""The ledger as a program sees it: concurrent operations combined into one transaction, in a thread of its own."""

from __future__ import annotations

import secrets
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import anyio
import anyio.to_thread

from unified_api.clock import Clock
from unified_api.errors import LedgerError
from unified_api.ledger.accounts import Share, Short
from unified_api.ledger.address import address_of, unusable, url_of
from unified_api.ledger.operations import Held, Locked, Operation, Reservation, Reserve, Settle, Shortage
from unified_api.ledger.turns import Answer, Entry, Turns
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from unified_api.ledger.store import Store

__all__ = ["Ledger"]

_BOUND_S = 15.0
"""Within which the database has answered, or is taken to be lost."""
_MOMENT_S = 0.5
"""For which an answer is held back until its call is settled."""
_SWEEP_S = 5.0
_FORGET_S = 3_600.0


class Ledger:
    """Reserves, settles and gives back. What comes while one transaction is under way shares the next.

    Nothing is opened before the first use; may be used again after `aclose`.
    """

    def __init__(self, address: URL | Path, *, clock: Clock, wall: Callable[[], float] | None = None) -> None:
        """Take the address of a database, or the path of a SQLite file.

        Args:
            address: as `unified_api.ledger.address.address_of` gives it.
            clock: what waits go by.
            wall: seconds since 1970, by which leases end; without it the database's own.

        """
        self._address = address
        self._clock = clock
        self._wall = wall
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._turns = Turns(self._act, idle=self._rest)
        self._owed: list[Settle] = []
        """What could not be written yet."""
        self._living: set[str] = set()
        """Reservations of this program that are not settled."""
        self._closing = False
        """Whether the database is let go of as soon as nothing is left to write."""
        self._swept = self._forgot = -1

    @classmethod
    def of(cls, settings: Settings, *, clock: Clock) -> Self:
        """The one that the settings mean. Raises ConfigurationError."""
        return cls(address_of(settings), clock=clock)

    async def reserve(
        self,
        shares: Sequence[Share],
        each: int,
        *,
        tries: int,
        lease_s: float,
        until: float,
        deadline: float = inf,
    ) -> Reservation:
        """Room for a try at `each`, in millionths of a dollar, on every account, and for up to `tries` where there is.

        Waits until `until` for room that others hold and may not use, and for the database until `deadline` at most,
        both in the clock's seconds.

        Raises:
            Shortage: there is no room.
            LedgerError: the database cannot be used.

        """
        # In the order of time, so that a database writes neighbours to neighbouring pages.
        name = f"{int(time.time()):09x}{secrets.token_hex(9)}"
        waits = max(until - self._clock.now(), 0.0)
        entry = Entry.awaited(
            Reserve(name, tuple(shares), each, tries, int(lease_s) + 1),
            waits=waits > 0,
            gone=time.monotonic() + waits + _BOUND_S,
        )
        self._closing = False
        self._turns.put(entry)
        try:
            granted = await self._granted(entry, until, deadline)
        except BaseException:
            self._turns.leave(entry)
            raise
        self._living.add(granted.id)
        return granted

    async def settle(self, reservation: Reservation, spent: int) -> None:
        """Counts `spent` millionths of a dollar on every account and gives the rest back, even when cancelled.

        Never fails, and waits a moment at most: what cannot be written now is written before what is reserved next,
        or by `aclose`.
        """
        entry = Entry.awaited(Settle(reservation, spent))
        self._turns.put(entry)  # from here on it is made, whatever becomes of its caller
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _MOMENT_S):
            await _awaited(entry)

    async def balances(self) -> list[Held]:
        """Every account as it stands; looking changes nothing. Raises LedgerError."""
        from unified_api.ledger.store import failures  # which loads SQLAlchemy

        self._closing = False
        with anyio.move_on_after(_BOUND_S):
            try:
                # A limit of its own: the ledger waits for no other thread of the program.
                return await anyio.to_thread.run_sync(
                    self._opened().balances, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
                )
            except failures() as error:
                raise LedgerError(unusable(self._address, error)) from error
        raise LedgerError(unusable(self._address, TimeoutError(f"no answer within {_BOUND_S:g} s")))

    async def aclose(self) -> None:
        """Writes what is owed and lets go of the database; what is settled later opens it for as long as that takes."""
        self._closing = True
        if self._store is None and not (self._owed or self._turns.busy):
            return
        last = Entry.awaited(None)
        self._turns.put(last)
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _BOUND_S):
            await _awaited(last)
        if self._owed:
            cost = sum(one.spent for one in self._owed)
            error = last.error or f"no answer within {_BOUND_S:g} s, or accounts that others keep locked"
            said = f"{len(self._owed)} calls that cost {cost} millionths of a dollar were not settled: {error}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)

    async def _granted(self, entry: Entry, until: float, deadline: float) -> Reservation:
        if entry.waits:
            with self._clock.scope(min(until, deadline)):
                await _awaited(entry)
        if not self._turns.late(entry):
            with self._clock.scope(deadline), anyio.move_on_after(_BOUND_S):
                await _awaited(entry)
        if not entry.done:
            raise LedgerError(unusable(self._address, TimeoutError("no answer in the time that the call has")))
        if isinstance(entry.error, LedgerError):
            raise LedgerError(entry.error.message) from entry.error  # one for each: they go different ways
        if entry.error is not None:
            raise entry.error
        outcome = cast("Reservation | Short", entry.outcome)  # only what is settled has none
        if isinstance(outcome, Short):
            raise Shortage(outcome)
        return outcome

    def _act(self, batch: Sequence[Entry]) -> list[Answer]:
        """One transaction for what has queued up, and for those that wait for room where it is asked for."""
        operations = [entry.operation for entry in batch if entry.operation is not None]
        try:
            answers = iter(self._write(operations))
            told = [next(answers) if entry.operation is not None else None for entry in batch]
        except Exception as error:  # noqa: BLE001  # whoever waits has to be told, or would wait for ever
            told = [self._told(error)] * len(batch)
        for entry, answer in zip(batch, told, strict=True):
            if isinstance(entry.operation, Settle):
                if isinstance(answer, Locked | Exception):
                    self._owed.append(entry.operation)
                else:
                    self._living.discard(entry.operation.reservation.id)
        if self._closing and not self._turns.busy:
            self._rest()
        return told

    def _rest(self) -> None:
        """Nothing is left to write for now."""
        if self._closing and self._store is not None:
            self._store.close()

    def _told(self, error: Exception) -> Exception:
        from unified_api.ledger.store import failures

        if not isinstance(error, failures()):
            return error
        told = LedgerError(unusable(self._address, error))
        told.__cause__ = error
        return told

    def _write(self, operations: Sequence[Operation]) -> list[Answer]:
        from unified_api.ledger.store import failures

        store, owed = self._opened(), tuple(self._owed)
        if not operations and not owed:
            return []
        now = int(self._wall()) if self._wall is not None else store.now()
        if owed:
            self._paid(owed, store.apply(owed, now=now))
        answers = store.apply(operations, now=now) if operations else []
        with suppress(*failures()):  # what is decided stands, and tidying has time
            self._tidy(store, operations, answers, now=now)
        return [self._told(one) if isinstance(one, Exception) else one for one in answers]

    def _tidy(self, store: Store, operations: Sequence[Operation], answers: list[Answer], *, now: int) -> None:
        """Gives back what leases no longer hold, when there is no room or some time has passed, and tries anew then."""
        short = [number for number, one in enumerate(answers) if isinstance(one, Short) and not one.final and one.held]
        # Within the same second nothing more can have expired.
        if (short and now != self._swept) or abs(now - self._swept) > _SWEEP_S:
            self._swept = now
            if store.sweep(now=now, living=self._living) and short:
                for number, one in zip(short, store.apply([operations[n] for n in short], now=now), strict=True):
                    answers[number] = one
        if abs(now - self._forgot) > _FORGET_S:
            self._forgot = now
            store.forget(now=now)

    def _paid(self, owed: Sequence[Settle], answers: Sequence[Answer]) -> None:
        for one, answer in zip(owed, answers, strict=True):
            if not isinstance(answer, Locked | Exception):
                self._living.discard(one.reservation.id)
                self._owed.remove(one)

    def _opened(self) -> Store:
        with self._opening:
            if self._store is None:
                from unified_api.ledger.store import Store

                self._store = Store(url_of(self._address))
            return self._store


async def _awaited(entry: Entry) -> None:
    if entry.event is not None:
        await entry.event.wait()
