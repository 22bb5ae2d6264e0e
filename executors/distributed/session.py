"""One life of a worker: from the moment others know of it until it stops, or they take it for dead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event as ThreadEvent
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from executors.distributed.execution import Execution
from executors.distributed.parcel import Outcome, Parcel, packed, unpacked
from executors.distributed.patience import answered, said
from executors.distributed.remote import Arrivals
from executors.events import StepError
from executors.journal.entries import JournalError

if TYPE_CHECKING:
    from executors.distributed.application import Application
    from executors.distributed.exchange import Claimed, Exchange
    from executors.distributed.lead import Leader

__all__ = ["Session"]

_WATCH_S = 0.2
"""How often it is asked whether somebody has called off what runs here."""
_HELD_S = 0.5
"""How often it is asked whether what another worker executes has become free."""
_STRAY_S = 5.0
"""How often it is looked for work that got lost on its way here."""
_CALM_S = 5.0
"""Longer than an attempt to reach the database takes: so long others may need until they are heard again."""
_AGAIN_S = 0.5
"""Seconds before the database is told again what it could not be told."""
Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Session:
    """Executes steps and leads runs. Everything that it does is told to the database under its own name."""

    worker: str
    exchange: Exchange
    application: Application
    execution: Execution
    leader: Leader
    arrivals: Arrivals
    lease_s: float
    tell: Callable[[str], None]
    ending: bool = False
    """Whether what is cut off now is handed to others instead of being ended."""
    lost: anyio.Event = field(default_factory=anyio.Event)
    """Set when others have taken it for dead."""
    executed: int = 0
    _steps: dict[str, anyio.CancelScope] = field(default_factory=dict)
    _runs: dict[str, anyio.CancelScope] = field(default_factory=dict)
    _mine: set[str] = field(default_factory=set)
    """What is executed and led here."""
    _strays: set[str] = field(default_factory=set)
    """What it seemed to have taken and not begun, when it was last looked at."""
    _looked: float = field(default_factory=time.monotonic)
    _beaten: float = field(default_factory=time.monotonic)
    _calm: float = 0.0
    """From when on silence means death: not right after nobody could be heard."""

    async def run(self, stop: anyio.Event, *, grace_s: float) -> None:
        """Works until `stop` is set, or until others have taken over what it was doing."""
        await anyio.to_thread.run_sync(self.exchange.join, self.worker, self.execution.tools.specs.keys())
        self._beaten = time.monotonic()
        self._calm = self._beaten + self.lease_s
        async with anyio.create_task_group() as tasks:
            quiet = ThreadEvent()
            try:
                tasks.start_soon(self._live, quiet)
                tasks.start_soon(self.arrivals.run)
                tasks.start_soon(self._watch)
                self.application.launch(self.worker, lead=self._lead, execute=self._execute)
                await anyio.to_thread.run_sync(self.application.open_queues)
                await self._until(stop)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._end(grace_s if stop.is_set() and not self.lost.is_set() else 0.0)
                    quiet.set()
                tasks.cancel_scope.cancel()

    def _is_over(self) -> bool:
        """Whether others go on with what is under way here; once true, it stays so.

        Until this is known, what a worker says that was taken for dead is refused: the journal knows the leader of a
        run, and of a step the first outcome stands.
        """
        return self.ending or self.lost.is_set()

    async def _until(self, stop: anyio.Event) -> None:
        async with anyio.create_task_group() as tasks:

            async def wait(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(wait, stop)
            tasks.start_soon(wait, self.lost)

    async def _end(self, grace_s: float) -> None:
        """Hands back the runs at once, the steps once their grace is over."""
        self.ending = True
        for scope in list(self._runs.values()):
            scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, partial(self.application.stop, grace_s=grace_s))
            with anyio.move_on_after(grace_s):
                while self._steps and not self.lost.is_set():  # noqa: ASYNC110  # DBOS begins and ends them
                    await anyio.sleep(0.05)
            for scope in list(self._steps.values()):
                scope.cancel()
            while self._steps or self._runs:  # noqa: ASYNC110  # likewise
                await anyio.sleep(0.01)
        try:
            await anyio.to_thread.run_sync(self._leave)
        except SQLAlchemyError as error:
            self.tell(f"The others take over once the lease has ended, as the database cannot be told: {said(error)}")

    def _leave(self) -> None:
        # In this order: whoever dies in between is taken over as any worker that is silent.
        self.exchange.hand_back(list(self._mine))
        self.application.take_over(self.worker)
        self.exchange.leave(self.worker)

    async def _live(self, quiet: ThreadEvent) -> None:
        # In threads of their own, so that neither a step that keeps the event loop busy nor the work of the dead keeps
        # a living worker from giving signs of life.
        threads = anyio.CapacityLimiter(2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(anyio.to_thread.run_sync, self._supervise, quiet, limiter=threads))
            await anyio.to_thread.run_sync(self._beat, quiet, limiter=threads)
            if not quiet.is_set():
                self.tell("The others had not heard of this worker for too long, and took over what it was doing")
                self.lost.set()

    def _beat(self, quiet: ThreadEvent) -> None:
        """Returns when others have taken it for dead, or when there is nothing to tell any more."""
        while not quiet.wait(self.lease_s / 5):
            with suppress(SQLAlchemyError):  # who cannot reach the database works on, and is heard of when it is back
                if not self.exchange.beat(self.worker):
                    return
                now = time.monotonic()
                if now - self._beaten > self.lease_s:
                    self._calm = now + self.lease_s + _CALM_S
                self._beaten = now

    def _supervise(self, quiet: ThreadEvent) -> None:
        while not quiet.wait(self.lease_s / 5) and not self.lost.is_set():
            now = time.monotonic()
            if now >= self._calm and now - self._beaten <= self.lease_s:
                with suppress(SQLAlchemyError):
                    self._look_after()

    def _look_after(self) -> None:
        """Has the work of workers that are silent done by others."""
        for one in self.exchange.bury(self.worker, self.application.take_over):
            self.tell(f"Worker {one} is silent; the others take over what it was doing")
        if time.monotonic() - self._looked > _STRAY_S and not self.ending:
            self._looked = time.monotonic()
            self._put_back()

    def _put_back(self) -> None:
        """Puts back what DBOS has taken for this worker and never begun, as when the database failed between."""
        taken = self.application.under_way(self.worker)
        known = {*self._steps, *self._runs}
        strays = {one: its for one, its in taken.items() if not {one, one.rpartition(":")[0]} & known}
        self.application.again({one: its for one, its in strays.items() if one in self._strays})
        self._strays = set(strays).difference(self._strays)

    async def _watch(self) -> None:
        """Cuts off steps and runs that somebody has called off."""
        while True:
            await anyio.sleep(_WATCH_S)
            if self._steps:
                for step_id in await self._asked(partial(self.exchange.cancelled, list(self._steps))) or ():
                    if step_id in self._steps:
                        self._steps[step_id].cancel()

    async def _execute(self, step_id: str) -> None:
        with self._entered(self._steps, step_id):
            claimed = await self._claimed(step_id, self.exchange.claim_step, self.exchange.step_is_open)
            if claimed is None:
                return
            with self._owned(step_id):
                await self._perform(step_id, claimed)

    async def _perform(self, step_id: str, claimed: Claimed) -> None:
        parcel: Parcel = unpacked(Parcel, claimed.body, claimed.apart)
        try:
            outcome = await self.execution.outcome(
                parcel, lost=claimed.claims - 1, handed=claimed.handed, age_s=claimed.age_s
            )
        except Exception as error:  # noqa: BLE001  # whoever waits for the step would wait for ever
            broken = StepError("internal_error", f"worker {self.worker} broke down: {type(error).__name__}: {error}")
            outcome = Outcome(worker=self.worker, error=broken, lost=claimed.claims)
        text = packed(outcome)
        # What is paid for must become known, whatever else is called off meanwhile.
        with anyio.CancelScope(shield=True):
            await self._told(partial(self.exchange.end_step, step_id, text))
        self.executed += 1

    async def _lead(self, run_id: str) -> None:
        with self._entered(self._runs, run_id):
            claimed = await self._claimed(run_id, self.exchange.claim_run, self.exchange.run_is_open)
            if claimed is None:
                return
            with self._owned(run_id):
                trouble = await self._led(run_id, claimed)
                with anyio.CancelScope(shield=True):
                    if not self._is_over():
                        gone = await self._told(partial(self.exchange.end_run, run_id, self.worker, trouble=trouble))
                        await self._told(partial(self.application.forget, gone or []))

    async def _led(self, run_id: str, claimed: Claimed) -> str | None:
        """Why the run cannot be brought to an end, if so."""
        while True:
            try:
                return await self.leader.lead(claimed, goes_on=self._is_over)
            except JournalError as error:
                self.tell(f"A run waits for its journal: {error}")
            except Exception as error:  # noqa: BLE001  # whoever follows the run would wait for ever
                return f"worker {self.worker} broke down: {type(error).__name__}: {error}"
            await anyio.sleep(_AGAIN_S)
            if await self._told(partial(self.exchange.claim_run, run_id, self.worker, own=True)) is None:
                raise JournalError("another worker leads it by now")

    @contextmanager
    def _owned(self, one: str) -> Iterator[None]:
        try:
            yield
        finally:
            if not self.ending:  # what is cut off then is handed back
                self._mine.discard(one)

    @contextmanager
    def _entered(self, where: dict[str, anyio.CancelScope], one: str) -> Iterator[None]:
        """Knows what is under way; what is cut off, or could not be told, DBOS is to leave for others to take over."""
        left = False
        with anyio.CancelScope() as scope:
            key = one if one not in where else f"{one}/{id(scope)}"
            where[key] = scope
            try:
                if self.ending:
                    scope.cancel()
                yield
            except Exception as error:  # noqa: BLE001  # DBOS would take it for an end
                self.tell(f"{one} is left to others: {said(error)}")
                left = True
            finally:
                del where[key]
        if left or (self.ending and scope.cancel_called):
            raise asyncio.CancelledError

    async def _claimed(
        self, one: str, claim: Callable[..., Claimed | None], is_open: Callable[[str], bool]
    ) -> Claimed | None:
        """What is ours from now on; None when it has ended. What a living worker has is waited for: it may die."""
        while True:
            # What is ours and not under way here was claimed in vain, as when the answer to that got lost.
            claimed = await self._told(lambda: claim(one, self.worker, own=one not in self._mine))
            if claimed is not None:
                self._mine.add(one)
                return claimed
            if not await self._told(partial(is_open, one)):
                return None
            await anyio.sleep(_HELD_S)

    async def _told(self, ask: Callable[[], Answer]) -> Answer:
        """The database's answer, however long it does not work."""
        return await answered(ask, tell=self.tell, until=self.lost.is_set)

    async def _asked(self, ask: Callable[[], Answer]) -> Answer | None:
        """The database's answer, if it works."""
        try:
            return await anyio.to_thread.run_sync(ask)
        except SQLAlchemyError:
            return None
