"""The passes of runs under way in this program: begun in the journal, and ended when somebody asks for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from executors.events import Event, RunFinished, StepFinished
    from executors.journal.store import SqlJournal
    from executors.result import RunResult
    from executors.resumption import Resumption
    from executors.tools import ToolRegistry
    from orchestrator.desk import Desk
    from unified_api.gateway import Gateway
    from unified_api.types import Caller
    from workflows.model import Workflow

__all__ = ["POLL_S", "Pass", "Passes", "RunUnderWayError"]

POLL_S = 0.5
"""How often it is looked whether another program asked for the end of a run."""


class RunUnderWayError(Exception):
    """Two passes of one run at one time, here or in different programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What is run, for whom, and who is told."""

    workflow: Workflow
    inputs: Mapping[str, Any]
    caller: Caller
    """Its `run` names the run."""
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    past: Resumption | None = None
    on_event: Callable[[Event], None] | None = None

    @property
    def run_id(self) -> str:
        return self.caller.run or ""


class Passes:
    """Runs passes, and knows which are under way."""

    def __init__(self, journal: SqlJournal, gateway: Gateway, tools: ToolRegistry, *, desk: Desk) -> None:
        self._journal = journal
        self._gateway = gateway
        self._tools = tools
        self._desk = desk
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._begun = anyio.Event()

    async def perform(self, one: Pass) -> RunResult:
        """The run's end. One that was cancelled by `cancel` ends like any other, without an exception.

        A new run that cannot be written down is done all the same, with a warning: it cannot be resumed.

        Raises:
            RunUnderWayError: a run of this name is under way, here or in another program.
            RunExistsError: a new run has the name of one that is on record.
            JournalError: a newer release wrote the journal, or what is resumed cannot be written down.
        """
        from executors.runner import run

        if one.run_id in self._scopes:
            raise RunUnderWayError(f"run {one.run_id} is under way in this program already")
        ending = _Ending(one.on_event)
        scope = self._scopes[one.run_id] = anyio.CancelScope()
        self._begun.set()
        try:
            journal = await self._begun_in(one)
            with scope:
                return await run(
                    one.workflow,
                    one.inputs,
                    gateway=self._gateway,
                    tools=self._tools,
                    journal=journal,
                    past=one.past,
                    on_event=ending,
                    tokens=one.on_event is not None,
                    caller=one.caller,
                    workflows=one.workflows,
                    approve=self._desk.person if journal is None else self._desk.ask,
                )
        finally:
            del self._scopes[one.run_id]
        return ending.result(one.workflow)

    async def _begun_in(self, one: Pass) -> SqlJournal | None:
        from executors.context import now
        from executors.inputs import resolve
        from executors.journal.entries import JournalError
        from executors.journal.errors import JournalVersionError, RunExistsError, RunHeldError

        values = resolve(one.workflow, one.inputs)
        try:
            await self._journal.begin(
                one.run_id,
                definition=one.workflow,
                workflows=one.workflows,
                inputs=values,
                caller=one.caller,
                at=now(),
                resumed=one.past is not None,
            )
        except RunHeldError as error:
            raise RunUnderWayError(str(error)) from error
        except (JournalVersionError, RunExistsError):
            raise
        except JournalError as error:
            if one.past is not None:
                raise
            warnings.warn(f"{error}. Run {one.run_id} is not kept and cannot be resumed", RuntimeWarning, stacklevel=2)
            return None
        return self._journal

    def cancel(self, run_id: str) -> bool:
        """Ends a run at once, if it is under way here."""
        scope = self._scopes.get(run_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def watch(self) -> None:
        """Ends the runs whose end other programs ask for. Never returns."""
        from executors.journal.entries import JournalError

        while True:
            if not self._scopes:
                self._begun = anyio.Event()
                await self._begun.wait()
            await anyio.sleep(POLL_S)
            try:
                for run_id in await self._journal.cancels():
                    self.cancel(run_id)
            except JournalError:
                continue  # whoever needs the journal is told by its own call


@dataclass(slots=True)
class _Ending:
    """Hands events on, and keeps what a result is made of."""

    on_event: Callable[[Event], None] | None
    finished: dict[str, StepFinished] = field(default_factory=dict)
    end: RunFinished | None = None

    def __call__(self, event: Event) -> None:
        from executors.events import RunFinished, StepFinished

        if isinstance(event, StepFinished) and "/" not in event.step_id:
            self.finished[event.step_id] = event
        elif isinstance(event, RunFinished):
            self.end = event
        if self.on_event is not None:
            self.on_event(event)

    def result(self, workflow: Workflow) -> RunResult:
        from executors.result import RunResult

        if self.end is None:
            raise RuntimeError("the run ended without telling how")
        return RunResult.of(self.end, [self.finished[step.id] for step in workflow.steps])
