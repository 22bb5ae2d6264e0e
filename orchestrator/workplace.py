"""What an orchestrator works with: a gateway, a journal, tools and their servers, opened and closed together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
from anyio.abc import TaskGroup

from orchestrator.arguments import check_choices
from orchestrator.desk import Approve, Desk
from orchestrator.passes import Passes

if TYPE_CHECKING:
    from executors.journal.store import SqlJournal
    from executors.mcp.servers import McpServers
    from executors.tools import ToolRegistry
    from unified_api.gateway import Gateway
    from unified_api.models import Model
    from unified_api.settings import Settings
    from workflows.model import Workflow

__all__ = ["Planner", "Resume", "Workplace"]

Planner = Literal["model", "rules"]
Resume = Literal["ask", "auto", "never"]


class Workplace:
    """The base of `Orchestrator`, which says what its arguments mean. An async context manager."""

    def __init__(
        self,
        *,
        tools: Iterable[Callable[..., Any]] = (),
        settings: Settings | None = None,
        gateway: Gateway | None = None,
        model: str | None = None,
        planner: Planner | None = None,
        resume: Resume | None = None,
        approve: Approve | None = None,
    ) -> None:
        from executors.tools import ToolRegistry
        from unified_api.settings import Settings

        check_choices(model=model, planner=planner, resume=resume)
        self.settings = settings or (gateway.settings if gateway is not None else Settings.load())
        self.tools: ToolRegistry = ToolRegistry(tools)
        self._given = gateway
        self._model = model
        self._planner = planner
        self._stack = AsyncExitStack()
        self._open = False
        self._gateway: Gateway | None = None
        self._tasks: TaskGroup | None = None
        self._resume = resume or self.settings.run.resume
        self._passes: Passes | None = None
        self._desk = Desk(approve)
        self._servers: McpServers | None = None
        self._record: SqlJournal | None = None

    async def __aenter__(self) -> Self:
        from executors.journal.store import SqlJournal
        from unified_api.gateway import Gateway

        if self._open:
            raise RuntimeError("this Orchestrator is open already: make a second one, or share this one")
        async with AsyncExitStack() as stack:
            self._open = True  # before the first wait, in which another task may try the same
            stack.callback(self._shut)
            gateway = self._given if self._given is not None else Gateway(self.settings)
            self._gateway = await stack.enter_async_context(gateway)
            self._record = SqlJournal.of(self.settings)
            stack.callback(_close, self._record)
            await self._attach_servers(stack)
            self._tasks = await anyio.create_task_group().__aenter__()
            stack.push_async_callback(_end, self._tasks)
            self._passes = Passes(self._record, gateway, self.tools, desk=self._desk)
            self._tasks.start_soon(self._passes.watch)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self._resume != "auto":  # else runs go on until they end
            self._gateway = self._tasks = None
        return await self._stack.__aexit__(exc_type, exc, traceback)

    async def _attach_servers(self, stack: AsyncExitStack) -> None:
        """Makes the tools of the configured servers callable; none is started before it is needed."""
        if not self.settings.mcp.servers:
            return
        from executors.mcp.servers import McpServers
        from orchestrator.trust import untrusted

        refused = untrusted(self.settings)
        servers = McpServers(self.settings.mcp, environment=self.settings.environment, refused=refused)
        self._servers = await stack.enter_async_context(servers)
        self.tools.attach(servers)
        stack.callback(self.tools.attach, None)

    def _shut(self) -> None:
        self._gateway = self._tasks = self._passes = None
        self._open = False

    @property
    def gateway(self) -> Gateway:
        """The gateway that every model call goes through. Raises RuntimeError outside `async with`."""
        if self._gateway is None:
            raise RuntimeError("use the Orchestrator in `async with Orchestrator() as orchestrator:`, or call run_sync")
        return self._gateway

    @property
    def runs(self) -> SqlJournal:
        """The record of every run: `runs.list_runs()`, `runs.get_run(run_id)`."""
        from executors.journal.store import SqlJournal

        if self._record is None:
            self._record = SqlJournal.of(self.settings)
        return self._record

    def models(self) -> tuple[Model, ...]:
        """Every model of the catalog; `ready` tells which ones can be called now."""
        return tuple(self.gateway.catalog.models)

    async def known_tools(self, *workflows: Workflow) -> Mapping[str, str]:
        """Asks the configured servers for their tools, so that `check` knows them: all, or those of the workflows.

        Gives why each of those that cannot be used is not: server -> reason.
        """
        from orchestrator.outside import tools_of

        await self.tools.load([name for one in workflows for name in tools_of(one)] if workflows else None)
        return {} if self._servers is None else dict(self._servers.troubles)


async def _end(tasks: TaskGroup) -> None:
    """Ends the streams whose reader went away."""
    tasks.cancel_scope.cancel()
    # Not told of the caller's error, which it would hand on wrapped in a group.
    await tasks.__aexit__(None, None, None)


def _close(record: SqlJournal) -> None:
    from executors.journal.entries import JournalError

    try:
        record.close()
    except JournalError as error:
        # The run itself went well: its result must not be lost over its record.
        warnings.warn(str(error), RuntimeWarning, stacklevel=2)
