"""The ledger as a program sees it: concurrent operations combined into one transaction, in a worker thread."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, cast

import anyio
import anyio.to_thread

from unified_api.clock import Clock
from unified_api.errors import LedgerError
from unified_api.ledger.accounts import Share, Short
from unified_api.ledger.address import address_of, unusable, url_of
from unified_api.ledger.operations import Held, Operation, Outcome, Reservation, Reserve, Settle, Shortage
from unified_api.ledger.turns import BATCH, Entry, Turns
from unified_api.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from unified_api.ledger.store import Store

__all__ = ["Ledger"]

Answer = TypeVar("Answer")
_BOUND_S = 15.0
"""Within which a transaction has ended, or is taken to be lost."""
_LOOK_S = 0.05
"""How often somebody who waits looks whether something was settled, by the event loop's time."""
_SWEEP_S = 5.0
_FORGET_S = 3_600.0


class Ledger:
    """Reserves, settles and gives back. Of concurrent operations the first takes all that queue up meanwhile with it.

    Nothing is opened before the first use; may be used again after `aclose`.
    """

    def __init__(self, address: URL | Path, *, clock: Clock, wall: Callable[[], float]) -> None:
        """Take the address of a database, or the path of a SQLite file.

        Args:
            address: as `unified_api.ledger.address.address_of` gives it.
            clock: what waits go by.
            wall: seconds since 1970, by which leases end.

        """
        self._address = address
        self._clock = clock
        self._wall = wall
        self._store: Store | None = None
        self._turns = Turns(self._act)
        self._waiting: dict[Entry, None] = {}
        """Reservations that wait for room, in order."""
        self._owed: list[Settle] = []
        """What could not be written yet."""
        self._living: set[str] = set()
        """Reservations of this program that are not settled."""
        self._swept = self._forgot = -1

    @classmethod
    def of(cls, settings: Settings, *, clock: Clock, wall: Callable[[], float] = time.time) -> Self:
        """The one that the settings mean. Raises ConfigurationError."""
        return cls(address_of(settings), clock=clock, wall=wall)

    async def reserve(
        self, shares: Sequence[Share], each: int, *, tries: int, lease_s: float, until: float
    ) -> Reservation:
        """Room for a try at `each`, in millionths of a dollar, on every account, and for up to `tries` where there is.

        Waits until `until`, in the clock's seconds, for room that others hold and may not use.

        Raises:
            Shortage: there is no room.
            LedgerError: the database cannot be used.

        """
        # In the order of time, so that a database writes neighbours to neighbouring pages.
        name = f"{int(self._wall()):09x}{secrets.token_hex(9)}"
        entry = Entry(Reserve(name, tuple(shares), each, tries, int(lease_s) + 1))
        try:
            outcome = await self._granted(entry, until)
        except BaseException:
            await self._withdraw(entry)
            raise
        if isinstance(outcome, Short):
            raise Shortage(outcome)
        return outcome

    async def settle(self, reservation: Reservation, spent: int) -> None:
        """Counts `spent` millionths of a dollar on every account and gives the rest back, even when cancelled.

        Never fails: what cannot be written now is written before the next reservation, or by `aclose`.
        """
        entry = Entry(Settle(reservation, spent))
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _BOUND_S):
            with suppress(LedgerError):  # it is owed then
                await self._turns.submit(entry)
        if not entry.done:
            self._turns.remove(entry)
            self._owed.append(Settle(reservation, spent))

    async def balances(self) -> list[Held]:
        """Every account as it stands, expired leases given back. Raises LedgerError."""

        def read() -> list[Held]:
            store = self._opened()
            store.sweep(now=int(self._wall()), living=self._living)
            return store.balances()

        return await self._in_thread(read)

    async def aclose(self) -> None:
        """Writes what is owed and lets go of the database."""
        if self._owed:
            try:
                await self._in_thread(partial(self._write, ()))
            except LedgerError as error:
                cost = sum(one.spent for one in self._owed)
                said = f"{len(self._owed)} calls that cost {cost} millionths of a dollar were not settled: {error}"
                warnings.warn(said, RuntimeWarning, stacklevel=2)
        if self._store is not None:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _BOUND_S):
                await anyio.to_thread.run_sync(self._store.close, abandon_on_cancel=True)

    async def _granted(self, entry: Entry, until: float) -> Reservation | Short:
        while True:
            await self._turns.submit(entry)
            outcome = cast("Reservation | Short", entry.outcome)  # only what is settled has none
            if isinstance(outcome, Reservation) or outcome.final or self._clock.now() >= until:
                return outcome
            await self._room(entry, until)

    async def _act(self, batch: Sequence[Entry]) -> None:
        """One transaction for what has queued up, and for those that wait for room where it is asked for."""
        if self._waiting:
            batch = [*islice(self._hopeful(batch), BATCH), *batch]
        for entry in batch:
            entry.taken = True
        outcomes: Sequence[Outcome] = ()
        error: LedgerError | None = LedgerError("the transaction was broken off")
        try:
            outcomes = await self._in_thread(partial(self._write, [one.operation for one in batch if one.operation]))
            error = None
        except LedgerError as raised:
            error = raised
        finally:
            told, now = iter(outcomes), anyio.current_time()
            for entry in batch:
                entry.looked = now
                self._finish(entry, next(told, None) if entry.operation else None, error)

    def _hopeful(self, batch: Sequence[Entry]) -> Iterator[Entry]:
        if any(entry.operation is None for entry in batch):
            longest_ago = set(sorted(self._waiting, key=lambda entry: entry.looked)[:BATCH])
            return (entry for entry in self._waiting if entry in longest_ago and not entry.taken)
        # Nobody goes before those that wait. What is settled is not theirs at once: other programs wait for it, too.
        wanted = {key for entry in batch if isinstance(entry.operation, Reserve) for key in entry.keys}
        return (entry for entry in self._waiting if not (entry.taken or wanted.isdisjoint(entry.keys)))

    def _write(self, operations: Sequence[Operation]) -> list[Outcome]:
        """In a worker thread."""
        from unified_api.ledger.store import failures  # which loads SQLAlchemy

        store, now = self._opened(), int(self._wall())
        owed = tuple(self._owed)
        if owed:
            store.apply(owed, now=now)
            self._paid(owed)
        outcomes = store.apply(operations, now=now) if operations else []
        with suppress(*failures()):  # what is decided stands, and tidying has time
            self._tidy(store, operations, outcomes, now=now)
        return outcomes

    def _tidy(self, store: Store, operations: Sequence[Operation], outcomes: list[Outcome], *, now: int) -> None:
        """Gives back what leases no longer hold, when there is no room or some time has passed, and tries anew then."""
        short = [number for number, one in enumerate(outcomes) if isinstance(one, Short) and not one.final and one.held]
        # Within the same second nothing more can have expired.
        if (short and now != self._swept) or abs(now - self._swept) > _SWEEP_S:
            self._swept = now
            if store.sweep(now=now, living=self._living) and short:
                for number, one in zip(short, store.apply([operations[n] for n in short], now=now), strict=True):
                    outcomes[number] = one
        if abs(now - self._forgot) > _FORGET_S:
            self._forgot = now
            store.forget(now=now)

    def _paid(self, owed: Sequence[Settle]) -> None:
        for one in owed:
            self._living.discard(one.reservation.id)
            if one in self._owed:
                self._owed.remove(one)

    def _finish(self, entry: Entry, outcome: Outcome, error: LedgerError | None) -> None:
        entry.outcome, entry.error, entry.taken = outcome, error, False
        if entry in self._waiting and isinstance(outcome, Short) and not outcome.final and not entry.left:
            return
        self._waiting.pop(entry, None)  # now, not when its task wakes: the next transaction may be sooner
        if isinstance(outcome, Reservation):
            self._living.add(outcome.id)
        if isinstance(entry.operation, Settle):
            if error is None:
                self._living.discard(entry.operation.reservation.id)
            else:
                self._owed.append(entry.operation)
        entry.end()

    async def _room(self, entry: Entry, until: float) -> None:
        """Until there is room, or `until`."""
        entry.again()
        self._waiting[entry] = None
        try:
            while not entry.done:
                is_late = self._clock.now() >= until
                if is_late and not entry.taken:
                    entry.again()
                    return
                entry.watches = next(iter(self._waiting)) is entry
                rest = entry.looked + _LOOK_S - anyio.current_time()
                if entry.watches and rest <= 0 and not entry.taken:
                    await self._look()
                    continue
                pause = rest if entry.watches and rest > 0 else _LOOK_S if entry.taken else None
                with self._clock.scope(inf if is_late else until), anyio.move_on_after(pause):
                    await entry.turn.wait()
                    if not entry.done:
                        entry.turn = anyio.Event()
        finally:
            self._waiting.pop(entry, None)
            self._wake_watch()

    async def _look(self) -> None:
        """See whether those that wait have room now: no event tells what other processes settle."""
        look = Entry(None)
        try:
            await self._turns.submit(look)
        except BaseException:
            self._turns.remove(look)
            raise

    def _wake_watch(self) -> None:
        """Of those that wait, the first looks now and then for all."""
        first = next(iter(self._waiting), None)
        if first is not None and not first.watches:
            first.turn.set()

    async def _withdraw(self, entry: Entry) -> None:
        """Nobody wants it any longer: it leaves the queue, or is given back once it is granted."""
        entry.left = True
        self._turns.remove(entry)
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _BOUND_S):
            if entry.taken:
                await entry.turn.wait()
            if isinstance(entry.outcome, Reservation):
                await self.settle(entry.outcome, 0)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, not cancelled. Raises LedgerError where the database fails or is silent."""
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _BOUND_S):
            try:
                # A limit of its own: the ledger waits for no other thread of the program.
                return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
            except Exception as error:
                from unified_api.ledger.store import failures  # loaded by now

                if not isinstance(error, failures()):
                    raise
                raise LedgerError(unusable(self._address, error)) from error
        raise LedgerError(unusable(self._address, TimeoutError(f"no answer within {_BOUND_S:g} s")))

    def _opened(self) -> Store:
        if self._store is None:
            from unified_api.ledger.store import Store

            self._store = Store(url_of(self._address))
        return self._store
