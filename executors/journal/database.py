"""The database under a journal: a thread that writes, readers in other threads, and what becomes of errors."""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import anyio
import anyio.to_thread

from executors.journal.address import checked, is_shared, url_of
from executors.journal.entries import JournalError
from executors.journal.errors import JournalVersionError, reason
from executors.journal.followers import Followers
from executors.journal.rows import Row, speakable
from executors.journal.turns import Entry, Item, Turns
from executors.owner import new_owner, retire, revive

if TYPE_CHECKING:
    from executors.journal.commits import Commits
    from executors.journal.reading import Reader

__all__ = ["Database"]

Answer = TypeVar("Answer")
_READERS = 4
"""Threads that read at once, at most."""
_TOLD = 100
"""Reasons that are remembered at most."""


class Database:
    """Opens itself, in the thread that needs it first, and again after `close`."""

    def __init__(self, address: str | Path, *, durability: Literal["ordinary", "full"] = "ordinary") -> None:
        """Take the path of a file or the address of a PostgreSQL database.

        Args:
            address: such as `data/runs.sqlite`, or `postgresql://user@host/database`.
            durability: whether a commit to a file survives a power cut too (`full`), or only the program's death.

        """
        self.address = checked(address)
        # Host names and process ids of containers may be alike, and a program may have several journals.
        self.owner = new_owner()
        weakref.finalize(self, retire, self.owner)
        self._durability: Literal["ordinary", "full"] = durability
        self._followers = Followers()
        self._turns = Turns(self._act, beat=self._beat)
        self._commits: Commits | None = None
        self._opening = threading.Lock()
        self._reads = 0
        self._registered = False
        self._amiss: list[BaseException] = []
        self._limiters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter]
        self._limiters = weakref.WeakKeyDictionary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def flush(self) -> None:
        """Waits until everything taken so far is on disk. Raises JournalError when something is not."""
        self._wait()
        self._tell()

    def close(self) -> None:
        """Writes what is left and lets go of the database. Raises JournalError when something could not be written."""
        try:
            self.flush()
        finally:
            self._stop()
            retire(self.owner)
            self._amiss.clear()
            if self._commits is not None:
                self._commits.forgive()

    def _wait(self) -> None:
        if self._turns.lives:
            entry = Entry(None, event=threading.Event())
            self._turns.put(entry)
            entry.wait_here()

    def _note(self, error: BaseException) -> None:
        """Remembers for the end what could not be kept."""
        if len(self._amiss) < _TOLD:
            self._amiss.append(error)

    def _put(self, row: Row) -> None:
        try:
            speakable(row.run_id)
        except JournalError as error:
            self._note(error)
            return
        self._started()
        self._turns.put(Entry(row, row.size))

    async def _done(self, item: Item, *, alone: bool = False) -> Any:
        """The outcome of what is written, once it is durable. Raises JournalError."""
        self._started()
        entry = Entry(item, 0, alone, anyio.Event(), asyncio.get_running_loop())
        self._turns.put(entry)
        if isinstance(entry.event, anyio.Event):
            await entry.event.wait()
        if entry.error is not None:
            raise self._told(entry.error, "written") from entry.error
        return entry.outcome

    async def _asked(self, query: Callable[[Reader], Answer]) -> Answer | None:
        """What the reader answers, once all that was handed over before is there; None where there is no journal."""
        if self._turns.lives and self._turns.waiting_bytes:
            await self._done(None)
        return await anyio.to_thread.run_sync(
            partial(self._answered, query), abandon_on_cancel=True, limiter=self._limiter()
        )

    def _limiter(self) -> anyio.CapacityLimiter:
        """Its own in each loop, so that nothing else of the program keeps it waiting."""
        return self._limiters.setdefault(asyncio.get_running_loop(), anyio.CapacityLimiter(_READERS))

    def _read(self, query: Callable[[Reader], Answer]) -> Answer | None:
        self._wait()
        if self._commits is not None and self._commits.owes:
            self._tell()  # what would be shown lacks the latest
        return self._answered(query)

    def _answered(self, query: Callable[[Reader], Answer]) -> Answer | None:
        if isinstance(self.address, Path) and not self.address.exists():
            return None
        from executors.journal.commits import failures

        with self._opening:
            self._reads += 1
        try:
            try:
                return query(self._opened().reader())
            except failures() as error:
                if not getattr(error, "connection_invalidated", False):
                    raise
                # The server was started anew since; its other old connections are let go of with this one.
                return query(self._opened().reader())
        except failures() as error:
            raise self._told(error, "read") from error
        finally:
            self._rest()

    def _rest(self) -> None:
        """Lets go of the database where nothing is being recorded: who only reads has no reason to call `close`."""
        with self._opening:
            self._reads -= 1
            if not self._reads and not self._turns.lives and self._commits is not None:
                self._commits.close()

    def _opened(self) -> Commits:
        with self._opening:
            if self._commits is None:
                from executors.journal.commits import Commits

                url = url_of(self.address)
                self._commits = Commits(url, self._durability, owner=self.owner, told=self._followers.wake)
            return self._commits

    def _started(self) -> None:
        revive(self.owner)
        if not self._registered:
            self._registered = True
            # A daemon does not keep a hung program alive; this still writes the tail of one that forgot to close.
            atexit.register(_close_quietly, weakref.ref(self))

    def _act(self, batch: Any) -> None:
        try:
            self._opened().apply(batch)
        except Exception as error:  # noqa: BLE001  # whoever waits has to be told, or would wait for ever
            self._note(error)
            for entry in batch:
                entry.error = error

    def _beat(self) -> None:
        if self._commits is not None:
            self._commits.beat()

    def _stop(self) -> None:
        self._turns.stop()
        if self._commits is not None:
            self._commits.close()

    def _tell(self) -> None:
        commits = self._commits
        reasons = [*self._amiss, *(commits.lost if commits is not None else ())]
        if commits is not None and commits.owes and commits.failed is not None:
            reasons.insert(0, commits.failed)
        if reasons:
            unkept = commits.unkept if commits is not None else []
            lost = f"; it lacks the results of {', '.join(unkept)}" if unkept else ""
            told = f"the journal at {self._place()!r} is incomplete: {reason(reasons[0])}{lost}"
            raise JournalError(told) from reasons[0]

    def _told(self, error: BaseException, what: str) -> JournalError:
        if isinstance(error, JournalError):
            return type(error)(*error.args)
        from executors.journal.migrations import SchemaVersionError

        kind = JournalVersionError if isinstance(error, SchemaVersionError) else JournalError
        return kind(f"the journal at {self._place()!r} cannot be {what}: {reason(error)}")

    def _place(self) -> str:
        """Where it is; any other part of an address may be secret."""
        if not is_shared(self.address):
            return str(self.address)
        from unified_api.ledger.address import shown

        return shown(url_of(self.address))


def _close_quietly(reference: weakref.ref[Database]) -> None:
    database = reference()
    if database is not None:
        database._stop()  # noqa: SLF001  # it is its own way out
