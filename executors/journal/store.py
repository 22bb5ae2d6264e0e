"""The journal in a database: one writer a program, readers anywhere."""

from __future__ import annotations

import asyncio
import atexit
import secrets
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import anyio
import anyio.to_thread

from executors.events import Event, RunFinished
from executors.journal.address import address_of, checked, is_shared, url_of
from executors.journal.entries import Approval, Decision, Intent, JournalError, Past, Recorded
from executors.journal.errors import RunNotFoundError, reason, unknown_run
from executors.journal.followers import Followers
from executors.journal.rows import Forget, Row, Spend, Withdraw, event_row, intent_row, result_row, speakable
from executors.journal.turns import Entry, Item, Turns
from executors.owner import this_owner
from unified_api.settings import Settings
from unified_api.types import Caller
from workflows.model import Workflow

if TYPE_CHECKING:
    from executors.journal.commits import Commits
    from executors.journal.reading import Reader
    from executors.journal.summaries import RecordedRun, RunSummary

__all__ = ["SqlJournal"]

Answer = TypeVar("Answer")
_ROOM = 64_000_000
"""Bytes that may wait for the disk before `room` holds back."""
_POLL_S = 0.2
"""How often it is looked for what other programs have written."""


class SqlJournal:
    """A `Journal` in a SQLite file, or in PostgreSQL, which programs on several machines share.

    Handing something over never waits; one thread writes everything that has come meanwhile in one commit. Nothing
    is opened before the first use. `close` (or leaving the `with` block) writes what is left; the journal may be
    used again afterwards.
    """

    def __init__(self, address: str | Path, *, durability: Literal["ordinary", "full"] = "ordinary") -> None:
        """Take the path of a file or the address of a PostgreSQL database.

        Args:
            address: such as `data/runs.sqlite`, or `postgresql://user@host/database`.
            durability: whether a commit to a file survives a power cut too (`full`), or only the program's death.

        """
        self.address = checked(address)
        self.owner = _shared_owner() if is_shared(self.address) else this_owner()
        self._durability: Literal["ordinary", "full"] = durability
        self._followers = Followers()
        self._turns = Turns(self._act, beat=self._beat)
        self._commits: Commits | None = None
        self._opening = threading.Lock()
        self._reads = 0
        self._registered = False
        self._amiss: list[BaseException] = []

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings mean. Raises JournalError."""
        return cls(address_of(settings), durability=settings.journal.durability)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # What a run writes.

    def __call__(self, event: Event) -> None:
        """Takes an event of a run, from any thread. Tokens are live only and not kept."""
        try:
            row = event_row(event)
        except (JournalError, TypeError, ValueError, RecursionError) as error:
            self._amiss.append(error)  # told by `close`; the run goes on
            return
        if row is not None:
            self._put(row)

    async def begin(
        self,
        run_id: str,
        *,
        definition: Workflow,
        workflows: Mapping[str, Workflow],
        inputs: Mapping[str, Any],
        caller: Caller,
        at: datetime,
    ) -> None:
        from executors.journal import acts

        await self._do(
            acts.begin(run_id, definition=definition, workflows=workflows, inputs=inputs, caller=caller, at=at)
        )

    async def intend(self, intent: Intent) -> None:
        row = intent_row(intent)
        try:
            await self._done(row)
        except anyio.get_cancelled_exc_class():
            self._put(Withdraw(run_id=intent.run_id, path=intent.path, key=intent.key))  # nothing was begun
            raise

    def record(self, result: Recorded) -> None:
        try:
            row = result_row(result)
        except (JournalError, TypeError, ValueError, RecursionError) as error:
            self._amiss.append(error)
            return
        self._put(row)

    def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
        self._put(Spend(run_id=run_id, path=path, spent=str(spent), held=str(held)))

    def forget(self, run_id: str, path: str) -> None:
        self._put(Forget(run_id=run_id, path=path))

    async def ask(self, approval: Approval) -> Approval:
        from executors.journal import acts

        asked: Approval = await self._do(acts.ask(approval))
        return asked

    async def room(self) -> None:
        """Returns once what waits for the disk is little enough to be held. `intend` does that by itself."""
        while self._turns.waiting_bytes > _ROOM:
            await self._done(None)

    # What is done about runs.

    async def claim_run(self, run_id: str, *, although_held: bool = False) -> bool:
        """Takes a run, unless another living program has it; `although_held` by who knows otherwise that it is dead.

        Raises:
            RunNotFoundError: there is none.
        """
        from executors.journal import acts

        return bool(await self._do(acts.claim(run_id, although_held=although_held)))

    async def request_cancel(self, run_id: str) -> bool:
        """Asks for the end of a run, durably. False when it has ended already. Raises RunNotFoundError."""
        from executors.journal import acts

        return bool(await self._do(acts.cancel(run_id)))

    async def decide(self, run_id: str, path: str, decision: Decision) -> Decision:
        """Answers a question. Gives back the answer that stands, which says the same.

        Raises:
            RunNotFoundError: there is no such run.
            JournalError: nothing is asked there, or it was answered otherwise.
        """
        from executors.journal import acts

        stands: Decision = await self._do(acts.decide(run_id, path, decision))
        return stands

    async def forget_runs(self, *, before: datetime) -> int:
        """Deletes the runs that ended before, and what only they refer to; says how many."""
        from executors.journal import acts

        return int(await self._do(acts.forget_runs(before), alone=True))

    async def collect(self) -> int:
        """Deletes the blobs that nothing refers to any more; says how many."""
        from executors.journal import acts

        return int(await self._do(acts.collect(), alone=True))

    # What is read.

    async def past(self, run_id: str) -> Past | None:
        return await self._asked(lambda reader: reader.past(run_id))

    async def find(self, key: str) -> Recorded | None:
        return await self._asked(lambda reader: reader.success(key))

    async def decided(self, run_id: str, path: str, key: str) -> Decision | None:
        return await self._asked(lambda reader: reader.decision(run_id, path, key))

    async def cancel_requested(self, run_id: str) -> bool:
        return bool(await self._asked(lambda reader: reader.is_cancelled(run_id)))

    async def cancels(self) -> list[str]:
        """The runs that have not ended and whose end was asked for, whoever runs them."""
        return await self._asked(lambda reader: reader.cancelled()) or []

    async def waiting_approvals(self, run_id: str | None = None) -> list[Approval]:
        """Questions that nobody has answered, of one run or of all that have not ended."""
        return await self._asked(lambda reader: reader.waiting(run_id)) or []

    async def interrupted(self) -> list[str]:
        """The runs that were begun and have nobody who runs them any more, oldest first."""
        return await self._asked(lambda reader: reader.left()) or []

    async def events(self, run_id: str, after: int = 0, *, limit: int = 1_000) -> list[tuple[int, Event]]:
        """The run's events after number `after`, each with its own number; they count from 1 without gaps."""
        return await self._asked(lambda reader: reader.events(run_id, after, limit)) or []

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
        """The events as they come, from any program, until the run has ended.

        Raises:
            RunNotFoundError: there is no such run.
        """
        if await self._asked(lambda reader: reader.status(run_id)) is None:
            raise RunNotFoundError(unknown_run(run_id, await self._asked(lambda reader: reader.ids()) or []))
        with self._followers.watch(run_id) as waker:
            ended = False
            while True:
                waker.rest()
                found = await self.events(run_id, after)
                for after, event in found:  # noqa: PLR1704  # the caller's place moves on
                    ended = isinstance(event, RunFinished)
                    yield after, event
                if found:
                    continue
                if ended or await self._asked(lambda reader: reader.status(run_id)) != "running":
                    return
                await waker.wait(_POLL_S)

    def list_runs(self, *, limit: int = 50) -> list[RunSummary]:
        """The latest runs, newest first. Raises JournalError."""
        return self._read(lambda reader: reader.latest(limit)) or []

    def get_run(self, run_id: str) -> RecordedRun:
        """One run with its steps, by its id or an unambiguous beginning of it.

        Raises:
            RunNotFoundError: there is none, or there are several.
            JournalError: the journal cannot be read.
        """
        known = run_id and run_id.isprintable()  # what is no text, such as half a surrogate pair, names no run
        found = (self._read(lambda reader: reader.starting_with(run_id)) if known else None) or []
        if len(found) > 1:
            raise RunNotFoundError(f"{run_id!r} begins the ids of several runs ({', '.join(found)}); give more of it")
        run = self._read(lambda reader: reader.run(found[0])) if found else None
        if run is None:
            raise RunNotFoundError(
                unknown_run(run_id, (self._read(lambda reader: reader.ids()) if known else None) or [])
            )
        return run

    def flush(self) -> None:
        """Waits until everything taken so far is on disk. Raises JournalError when something is not."""
        if self._turns.lives:
            entry = Entry(None, event=threading.Event())
            self._turns.put(entry)
            entry.wait_here()
        self._tell()

    def close(self) -> None:
        """Writes what is left and lets go of the database. Raises JournalError when something could not be written."""
        try:
            self.flush()
        finally:
            self._stop()

    # How.

    def _put(self, row: Row) -> None:
        try:
            speakable(row.run_id)
        except JournalError as error:
            self._amiss.append(error)
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

    async def _do(self, act: Callable[[Any], Any], *, alone: bool = False) -> Any:
        return await self._done(act, alone=alone)

    async def _asked(self, query: Callable[[Reader], Answer]) -> Answer | None:
        """What the reader answers, once all that was handed over before is there; None where there is no journal."""
        if self._turns.lives and self._turns.waiting_bytes:
            await self._done(None)
        return await anyio.to_thread.run_sync(partial(self._answered, query), limiter=_limiter(self))

    def _read(self, query: Callable[[Reader], Answer]) -> Answer | None:
        self.flush()
        return self._answered(query)

    def _answered(self, query: Callable[[Reader], Answer]) -> Answer | None:
        if isinstance(self.address, Path) and not self.address.exists():
            return None
        from executors.journal.commits import failures

        with self._opening:
            self._reads += 1
        try:
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
        if not self._registered:
            self._registered = True
            # A daemon does not keep a hung program alive; this still writes the tail of one that forgot to close.
            atexit.register(_close_quietly, weakref.ref(self))

    def _act(self, batch: Any) -> None:
        try:
            self._opened().apply(batch)
        except Exception as error:  # noqa: BLE001  # whoever waits has to be told, or would wait for ever
            self._amiss.append(error)
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
            raise JournalError(f"the journal at {self._place()!r} is incomplete: {reason(reasons[0])}") from reasons[0]

    def _told(self, error: BaseException, what: str) -> JournalError:
        if isinstance(error, JournalError):
            return type(error)(*error.args)
        return JournalError(f"the journal at {self._place()!r} cannot be {what}: {reason(error)}")

    def _place(self) -> str:
        """Where it is; any other part of an address may be secret."""
        if not is_shared(self.address):
            return str(self.address)
        from unified_api.ledger.address import shown

        return shown(url_of(self.address))


@lru_cache
def _shared_owner() -> str:
    """A name that no other program has: host names and process ids of containers may be alike."""
    return f"{this_owner()}/{secrets.token_hex(4)}"


_READERS = 4
_limiters: weakref.WeakKeyDictionary[SqlJournal, anyio.CapacityLimiter] = weakref.WeakKeyDictionary()


def _limiter(journal: SqlJournal) -> anyio.CapacityLimiter:
    """Its own, so that nothing else of the program keeps it waiting."""
    return _limiters.setdefault(journal, anyio.CapacityLimiter(_READERS))


def _close_quietly(reference: weakref.ref[SqlJournal]) -> None:
    journal = reference()
    if journal is not None:
        journal._stop()  # noqa: SLF001  # it is the journal's own way out
