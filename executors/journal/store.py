"""The journal in a database: one writer a program, readers anywhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import anyio

from executors.events import Event, RunFinished
from executors.journal.address import address_of, is_shared
from executors.journal.database import Database
from executors.journal.entries import Approval, Decision, Intent, JournalError, Past, Recorded
from executors.journal.errors import RunNotFoundError, unknown_run
from executors.journal.rows import Forget, Spend, Withdraw, event_row, intent_row, result_row
from unified_api.settings import Settings
from unified_api.types import Caller
from workflows.model import Workflow

if TYPE_CHECKING:
    from executors.journal.summaries import RecordedRun, RunSummary

__all__ = ["SqlJournal"]

_ROOM = 64_000_000
"""Bytes that may wait for the disk before `room` holds back."""
_FORGOTTEN_AT_ONCE = 200
_PATIENCE_S = 10.0
"""For how long a run without signs of life is followed on: another machine may be about to go on with it."""
_POLL_S = 0.2
"""How often it is looked for what other programs have written."""


class SqlJournal(Database):
    """A `Journal` in a SQLite file, or in PostgreSQL, which programs on several machines share.

    Handing something over never waits; one thread writes everything that has come meanwhile in one commit. Nothing
    is opened before the first use. `close` (or leaving the `with` block) writes what is left; the journal may be
    used again afterwards.
    """

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings mean. Raises JournalError."""
        return cls(address_of(settings), durability=settings.journal.durability)

    def __call__(self, event: Event) -> None:
        """Takes an event of a run, from any thread. Tokens are live only and not kept."""
        try:
            row = event_row(event)
        except (JournalError, TypeError, ValueError, RecursionError) as error:
            self._note(error)  # the run goes on
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
        resumed: bool = False,
    ) -> None:
        from executors.journal import acts

        act = acts.begin(
            run_id,
            definition=definition,
            workflows=workflows,
            inputs=inputs,
            caller=caller,
            at=at,
            resumed=resumed,
        )
        await self._done(act)

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
            self._note(error)
            return
        self._put(row)

    def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
        self._put(Spend(run_id=run_id, path=path, spent=str(spent), held=str(held)))

    def forget(self, run_id: str, path: str) -> None:
        self._put(Forget(run_id=run_id, path=path))

    async def ask(self, approval: Approval) -> Approval:
        from executors.journal import acts

        asked: Approval = await self._done(acts.ask(approval))
        return asked

    async def kept(self) -> None:
        await self._done(None)

    async def room(self) -> None:
        while self._turns.waiting_bytes > _ROOM:
            await self._done(None)

    async def claim_run(self, run_id: str, *, although_held: bool = False) -> bool:
        """Takes a run, unless another living program has it; `although_held` by who knows otherwise that it is dead.

        Raises:
            RunNotFoundError: there is none.
        """
        from executors.journal import acts

        return bool(await self._done(acts.claim(run_id, although_held=although_held)))

    async def request_cancel(self, run_id: str) -> bool:
        """Asks for the end of a run, durably. False when it has ended already. Raises RunNotFoundError."""
        from executors.journal import acts

        return bool(await self._done(acts.cancel(run_id)))

    async def decide(self, run_id: str, path: str, decision: Decision, *, key: str | None = None) -> Decision:
        """Answers a question. Gives back the answer that stands, which says the same.

        Raises:
            RunNotFoundError: there is no such run.
            JournalError: nothing is asked there, it was answered otherwise, or it is not clear which one is meant.
        """
        from executors.journal import acts

        stands: Decision = await self._done(acts.decide(run_id, path, decision, key=key))
        return stands

    async def forget_runs(self, *, before: datetime) -> int:
        """Deletes the runs that ended before, and what only they refer to; says how many."""
        from executors.journal import acts

        forgotten, some = 0, _FORGOTTEN_AT_ONCE
        while some == _FORGOTTEN_AT_ONCE:
            some = int(await self._done(acts.forget_runs(before, most=_FORGOTTEN_AT_ONCE), alone=True))
            forgotten += some
        await self.collect()
        return forgotten

    async def collect(self) -> int:
        """Deletes the blobs that nothing refers to any more; says how many."""
        from executors.journal import acts

        return int(await self._done(acts.collect(), alone=True))

    async def past(self, run_id: str) -> Past | None:
        return await self._asked(lambda reader: reader.past(run_id))

    async def find(self, key: str, *, not_of: str = "", before: datetime | None = None) -> Recorded | None:
        return await self._asked(lambda reader: reader.success(key, not_of=not_of, before=before))

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
        """The events as they come, from any program, until the run has ended or the program that ran it has died.

        Raises:
            RunNotFoundError: there is no such run.
        """
        if await self._asked(lambda reader: reader.status(run_id)) is None:
            raise RunNotFoundError(unknown_run(run_id, await self._asked(lambda reader: reader.ids()) or []))
        patience = _PATIENCE_S if is_shared(self.address) else 0.0
        with self._followers.watch(run_id) as waker:
            ended, lived = False, anyio.current_time()
            while True:
                waker.rest()
                # Asked before the events are, so that all of a run that has ended are read.
                status = await self._asked(lambda reader: reader.status(run_id))
                lived = anyio.current_time() if status == "running" else lived
                left = status == "interrupted" and anyio.current_time() - lived >= patience
                found = await self.events(run_id, after)
                for after, event in found:  # noqa: PLR1704  # the caller's place moves on
                    ended = isinstance(event, RunFinished)
                    yield after, event
                if found:
                    continue
                if ended or left or status not in ("running", "interrupted"):
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
