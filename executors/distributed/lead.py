"""Leads a run on this worker: the same engine as at home, whose steps any worker executes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio

from executors.context import now
from executors.distributed.parcel import RunRequest, unpacked
from executors.distributed.remote import Arrivals, Remote
from executors.events import Event
from executors.inputs import InputError
from executors.journal.entries import Approval, Decision, Intent, JournalError, Past, Recorded
from executors.runner import run
from workflows.findings import WorkflowError

if TYPE_CHECKING:
    from executors.distributed.application import Application
    from executors.distributed.exchange import Claimed, Exchange
    from executors.journal.store import SqlJournal
    from executors.tools import ToolRegistry
    from unified_api.gateway import Gateway

__all__ = ["Leader"]

_LOOK_S = 0.25
"""How often it is asked whether somebody wants the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """What a worker leads runs with."""

    exchange: Exchange
    application: Application
    arrivals: Arrivals
    journal: SqlJournal
    gateway: Gateway
    tools: ToolRegistry

    async def lead(self, claimed: Claimed, *, goes_on: Callable[[], bool]) -> str | None:
        """Brings the run to an end; why that was not possible, if so.

        While `goes_on` is true somebody else leads the run on, and nothing of what is cut off here counts.
        """
        request: RunRequest = unpacked(RunRequest, claimed.body)
        try:
            if claimed.claims == 1 and not request.resumes and await self._is_ended(request.run_id):
                return None  # its leader died after its last word
            past = await self._past(request, claimed)
            await self._led(request, claimed, past, goes_on)
            # Answered once all that was handed over before is written: the end of the run must be told before it ends.
            await self.journal.cancel_requested(request.run_id)
        except (InputError, WorkflowError) as error:
            return str(error)
        return None

    async def _is_ended(self, run_id: str) -> bool:
        past = await self.journal.past(run_id)
        return past is not None and past.status != "running"

    async def _past(self, request: RunRequest, claimed: Claimed) -> Past | None:
        """What earlier leaders left. Steps that are under way still are no matter of theirs: they have outcomes yet."""
        journal, run_id = self.journal, request.run_id
        if await journal.past(run_id) is None:
            await journal.begin(
                run_id,
                definition=request.workflow,
                workflows=request.workflows,
                inputs=request.inputs,
                caller=request.caller,
                at=now(),
            )
            return None
        # Ours it is already: the exchange gives a run to one worker at a time. A late word of its former leader is
        # refused from now on.
        await journal.claim_run(run_id, although_held=True)
        past = await journal.past(run_id)
        if past is None or not await journal.events(run_id, limit=1):
            return None
        cut_off = tuple(one for one in past.unsettled if one.intent.at < claimed.asked)
        return replace(past, unsettled=cut_off)

    async def _led(self, request: RunRequest, claimed: Claimed, past: Past | None, goes_on: Callable[[], bool]) -> None:
        remote = Remote(
            exchange=self.exchange,
            application=self.application,
            arrivals=self.arrivals,
            generation=claimed.claims,
            keeps=goes_on,
        )
        refused: Exception | None = None
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            tasks.start_soon(self._watch, request.run_id, scope)
            try:
                with scope:
                    await run(
                        request.workflow,
                        request.inputs,
                        gateway=self.gateway,
                        tools=self.tools,
                        max_parallel=request.max_parallel,
                        caller=request.caller,
                        workflows=request.workflows,
                        journal=_Gate(self.journal, goes_on),
                        past=past,
                        execute=remote,
                    )
            except (InputError, WorkflowError, JournalError) as error:
                refused = error  # and not the group that it would come out in
            tasks.cancel_scope.cancel()
        if refused is not None:
            raise refused

    async def _watch(self, run_id: str, scope: anyio.CancelScope) -> None:
        """Cuts the run off once somebody has asked for its end."""
        asked = False
        while not asked:
            await anyio.sleep(_LOOK_S)
            with suppress(JournalError):  # it is asked again
                asked = await self.journal.cancel_requested(run_id)
        scope.cancel()


@dataclass(frozen=True, slots=True)
class _Gate:
    """A journal that hears nothing of a run that somebody else leads on."""

    journal: SqlJournal
    goes_on: Callable[[], bool]

    def __call__(self, event: Event) -> None:
        if not self.goes_on():
            self.journal(event)

    async def intend(self, intent: Intent) -> None:
        while True:
            if self.goes_on():
                raise JournalError("another worker leads the run by now")
            try:
                await self.journal.intend(intent)
            except JournalError:
                # A database that is away does not make the step fail; one that stays away ends this worker's lease.
                await anyio.sleep(_LOOK_S)
            else:
                return

    def record(self, result: Recorded) -> None:
        if not self.goes_on():
            self.journal.record(result)

    def spend(self, run_id: str, path: str, *, spent: Decimal, held: Decimal) -> None:
        if not self.goes_on():
            self.journal.spend(run_id, path, spent=spent, held=held)

    async def kept(self) -> None:
        while True:
            if self.goes_on():
                raise JournalError("another worker leads the run by now")
            try:
                await self.journal.kept()
            except JournalError:
                await anyio.sleep(_LOOK_S)  # likewise
            else:
                return

    async def room(self) -> None:
        await self.journal.room()

    def forget(self, run_id: str, path: str) -> None:
        if not self.goes_on():
            self.journal.forget(run_id, path)

    async def past(self, run_id: str) -> Past | None:
        return await self.journal.past(run_id)

    async def find(self, key: str, *, not_of: str = "", before: datetime | None = None) -> Recorded | None:
        return await self.journal.find(key, not_of=not_of, before=before)

    async def ask(self, approval: Approval) -> Approval:
        return await self.journal.ask(approval)

    async def decided(self, run_id: str, path: str, key: str) -> Decision | None:
        return await self.journal.decided(run_id, path, key)

    async def decide(self, run_id: str, path: str, decision: Decision, *, key: str | None = None) -> Decision:
        return await self.journal.decide(run_id, path, decision, key=key)

    async def cancel_requested(self, run_id: str) -> bool:
        return await self.journal.cancel_requested(run_id)
