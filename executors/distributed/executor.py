"""Has runs led and their steps executed by workers: starts them, follows them, cancels them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import anyio.to_thread
from dbos import error as dbos_errors
from sqlalchemy.exc import SQLAlchemyError

from executors.distributed.address import database_of
from executors.distributed.application import Application
from executors.distributed.errors import DistributedError
from executors.distributed.exchange import Exchange
from executors.distributed.parcel import RunRequest, packed
from executors.distributed.patience import answered, said
from executors.events import Event, RunFinished, RunResumed, RunStarted, StepFinished
from executors.inputs import resolve
from executors.journal.entries import JournalError
from executors.journal.errors import RunNotFoundError
from executors.journal.store import SqlJournal
from executors.result import RunResult
from executors.runner import new_run_id
from unified_api.types import Caller, Json
from workflows.blocks import nested_steps
from workflows.model import ToolStep, Workflow

if TYPE_CHECKING:
    from unified_api.settings import Settings

__all__ = ["DistributedExecutor"]

Answer = TypeVar("Answer")
_PATIENCE_S = 60.0
"""How long a database that does not answer is waited for."""
_LOOK_S = 0.1
"""How often it is looked for what the workers have done."""


class DistributedExecutor:
    """An async context manager. Workers are other programs, started by `orchestrate worker`.

    A run goes on whoever follows it, and whoever stops following it.
    """

    def __init__(self, settings: Settings) -> None:
        address = database_of(settings)
        self._exchange = Exchange(address, lease_s=settings.distributed.lease_s)
        self._application = Application(address, settings.distributed)
        self.journal = SqlJournal(address.render_as_string(hide_password=False))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._application.close()
        self._exchange.close()
        self.journal.close()

    async def workers(self) -> tuple[str, ...]:
        """The names of the workers that live."""
        return tuple(peer.id for peer in await _asked(self._exchange.peers))

    async def start(
        self,
        workflow: Workflow,
        inputs: Mapping[str, Json],
        *,
        workflows: Mapping[str, Workflow] | None = None,
        max_parallel: int | None = None,
        caller: Caller = Caller(),
    ) -> str:
        """Makes a run known to the workers, durably, and gives its id.

        Raises:
            InputError: the inputs do not fit what the workflow declares.
            DistributedError: a worker lacks a tool that the workflow calls, there is a run of this name already, or the
                database cannot be used.
        """
        values = resolve(workflow, inputs)
        await self._check_tools((workflow, *(workflows or {}).values()))
        run_id = caller.run or new_run_id()
        caller = replace(caller, run=run_id)
        request = RunRequest(
            run_id=run_id,
            workflow=workflow,
            inputs=dict(values),
            workflows=dict(workflows or {}),
            caller=caller,
            max_parallel=max_parallel,
        )
        if await self._post(request, self._exchange.post_run) is None:
            raise DistributedError(
                f"there is a run {run_id!r} already: follow it by `orchestrate runs follow {run_id}`, or name another"
            )
        return run_id

    async def resume(self, run_id: str) -> str:
        """Has a run that has ended gone on with: what it recorded is not executed again.

        Raises DistributedError for a run that is not there, or that workers lead, and when the database cannot be used.
        """
        past = await self.journal.past(run_id)
        if past is None or past.definition is None:
            raise DistributedError(f"there is no run {run_id!r} that could go on")
        await self._check_tools((past.definition, *past.workflows.values()))
        request = RunRequest(
            run_id=run_id,
            workflow=past.definition,
            inputs=dict(past.inputs),
            workflows=dict(past.workflows),
            caller=replace(past.caller, run=run_id),
            resumes=True,
        )
        if await self._post(request, self._exchange.post_again) is None:
            raise DistributedError(
                f"run {run_id!r} is under way on the workers; `orchestrate runs follow {run_id}` shows it"
            )
        return run_id

    async def _post(self, request: RunRequest, post: Callable[[str, str], int | None]) -> int | None:
        generation = await _asked(post, request.run_id, packed(request))
        if generation is not None:
            await _asked(self._application.enqueue_run, request.run_id, generation)
        return generation

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
        """The events of a run with their numbers, from after a number on, until the run has ended.

        A database that is started anew meanwhile is waited for. Raises DistributedError when no worker can lead it to
        an end.
        """
        while True:
            # Asked before the events, so that none comes between.
            state = await self._state(run_id)
            found = await self._events(run_id, after)
            for after, event in found:  # noqa: PLR1704  # the caller's place moves on
                yield after, event
            if found:
                continue
            if state is None:
                raise DistributedError(f"no run {run_id!r} was given to the workers")
            ended, trouble = state
            if trouble is not None:
                raise DistributedError(f"run {run_id} cannot be brought to an end: {trouble}")
            if ended:
                return
            await anyio.sleep(_LOOK_S)

    async def _state(self, run_id: str) -> tuple[bool, str | None] | None:
        given_up = anyio.current_time() + _PATIENCE_S
        try:
            return await answered(partial(self._exchange.state, run_id), until=lambda: anyio.current_time() > given_up)
        except SQLAlchemyError as error:
            raise DistributedError(
                f"the database does not answer: {said(error)}. Run {run_id} may go on all the same:"
                f" `orchestrate runs follow {run_id}` follows it again"
            ) from error

    async def _events(self, run_id: str, after: int) -> list[tuple[int, Event]]:
        while True:
            try:
                return await self.journal.events(run_id, after)
            except JournalError:
                await anyio.sleep(_LOOK_S)  # `state` tells first what does not mend by itself

    async def cancel(self, run_id: str) -> bool:
        """Asks for the end of a run; False when it has ended already. Raises RunNotFoundError."""
        try:
            if await self.journal.request_cancel(run_id):
                return True
        except RunNotFoundError:
            # No worker has begun it, who would have written it down.
            if not await _asked(self._exchange.call_off, run_id):
                raise
            return True
        # It has ended, and is to go on: no worker has taken it up yet.
        return await _asked(self._exchange.call_off, run_id)

    async def run(
        self,
        workflow: Workflow,
        inputs: Mapping[str, Json],
        *,
        workflows: Mapping[str, Workflow] | None = None,
        on_event: Callable[[Event], None] | None = None,
        max_parallel: int | None = None,
        caller: Caller = Caller(),
    ) -> RunResult:
        """Starts a run and follows it to its end. Raises as `start` and `follow` do."""
        run_id = await self.start(workflow, inputs, workflows=workflows, max_parallel=max_parallel, caller=caller)
        return await self.result(run_id, workflow, on_event=on_event)

    async def result(
        self, run_id: str, workflow: Workflow, *, after: int = 0, on_event: Callable[[Event], None] | None = None
    ) -> RunResult:
        """What came of a run, once it has ended; `on_event` is told its events from after a number on."""
        ended: dict[str, StepFinished] = {}
        last: RunFinished | None = None
        async for number, event in self.follow(run_id):
            if isinstance(event, RunStarted | RunResumed):
                ended, last = {}, None
            elif isinstance(event, StepFinished):
                ended[event.step_id] = event
            elif isinstance(event, RunFinished):
                last = event
            if on_event is not None and number > after:
                on_event(event)
        if last is None:
            raise DistributedError(f"run {run_id} has ended without a word")
        return RunResult.of(last, [ended[step.id] for step in workflow.steps if step.id in ended])

    async def _check_tools(self, workflows: Iterable[Workflow]) -> None:
        needed = sorted({name for workflow in workflows for name in _tools_of(workflow)})
        for peer in await _asked(self._exchange.peers):
            missing = [name for name in needed if name not in peer.tools]
            if missing:
                raise DistributedError(
                    f"worker {peer.id!r} lacks {', '.join(map(repr, missing))}, which the workflow calls, and any"
                    " worker may have to execute any step: start all of them with the same --tools"
                )


async def _asked(ask: Callable[..., Answer], *arguments: object) -> Answer:
    """The answer of the database. Raises DistributedError."""
    try:
        return await anyio.to_thread.run_sync(partial(ask, *arguments))
    except (SQLAlchemyError, dbos_errors.DBOSException) as error:
        raise DistributedError(
            f"the database through which machines share runs cannot be used: {said(error)}; `orchestrate doctor` and"
            " [distributed] of the configuration say which one that is"
        ) from error


def _tools_of(workflow: Workflow) -> Iterable[str]:
    steps: list[Any] = [*workflow.steps, *(one for step in workflow.steps for _, one in nested_steps(step))]
    return (step.tool for step in steps if isinstance(step, ToolStep))
