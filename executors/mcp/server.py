"""One configured server: opened at first need, asked within its time, and opened once more when it died."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from executors.mcp.results import json_of
from executors.mcp.session import Session, words_of
from executors.tools import ToolError
from unified_api.settings import Environment, McpServerSettings
from unified_api.types import Json

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import Tool

__all__ = ["Server"]

Answer = TypeVar("Answer")

_MOST_PAGES = 50
_MOST_TOOLS = 1_000
_ENDED = frozenset(
    {
        "Session terminated",
        "Connection closed",
        "SSE stream ended without a response",
        "SSE stream ended and reconnection attempts were exhausted",
    }
)
"""The SDK's words for a server at an address that has gone away or forgotten the session; its codes are used by servers
too."""
_LAST_WORDS_S = 0.5
"""Seconds in which a session may say why it ended."""
_UNREADABLE = "SSE stream failed"
"""Its words for an answer that is no stream of events, or whose event is larger than `max_bytes`."""
_LATE = "Request 'tools/"
"""How its words begin for an answer that did not come in time."""


class _DiedError(Exception):
    """The session ended while an answer was waited for."""


class Server:
    """A server by its name. `tasks` holds its sessions and must outlive it."""

    def __init__(self, name: str, settings: McpServerSettings, *, environment: Environment, tasks: TaskGroup) -> None:
        self.name = name
        self.settings = settings
        self._environment = environment
        self._tasks = tasks
        self._sessions: list[Session] = []

    async def tools(self) -> list[Tool]:
        """All that it offers. ToolError `server_unreachable`, `timed_out` or `malformed_result`."""
        session = await self._session()
        try:
            return await self._bounded(session, _listed, what=f"the list of tools of {self.name!r}")
        except _DiedError:
            raise self._unreachable(session.reason()) from None

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Json],
        *,
        repeatable: bool,
        returns: Mapping[str, Any] | None = None,
    ) -> Json:
        """The result of a tool, which satisfies the schema `returns`.

        Raises:
            ToolError: `tool_failed` where the tool says so, `server_unreachable` when it was not called,
                `unknown_outcome` when the server died and nobody knows, `timed_out` or `malformed_result`.
        """
        name = f"{self.name}.{tool}"

        async def ask(client: Client) -> Json:
            return json_of(name, await client.call_tool(tool, dict(arguments)), returns=returns)

        session = await self._session()
        try:
            return await self._bounded(session, ask, what=f"tool {name!r}")
        except _DiedError:
            with anyio.move_on_after(_LAST_WORDS_S):
                await session.ended.wait()
            reason, is_our_doing = session.reason(), bool(session.program and session.program.why)
        if is_our_doing:
            raise ToolError("malformed_result", f"tool {name!r} gave no result: {reason}")
        if not repeatable:
            raise ToolError(
                "unknown_outcome",
                f"the server of tool {name!r} died during the call ({reason}), which may have been done. Look there"
                f" before it is called again, or name the tool in `repeatable` of [mcp.servers.{self.name}]",
            )
        session = await self._session()
        try:
            return await self._bounded(session, ask, what=f"tool {name!r}")
        except _DiedError:
            raise ToolError("tool_failed", f"the server of tool {name!r} died twice: {session.reason()}") from None

    async def aclose(self) -> None:
        async with anyio.create_task_group() as tasks:
            for session in self._sessions:
                tasks.start_soon(session.close)

    async def _session(self) -> Session:
        """The open session, or a new one."""
        session = self._sessions[-1] if self._sessions else None
        if session is None or session.is_over:
            session = self._begun()
        with anyio.move_on_after(self.settings.timeout_s):
            await session.opened.wait()
        if not session.opened.is_set():
            session.leave()
            raise self._unreachable(f"it was not ready within {self.settings.timeout_s:g} s (timeout_s)")
        if session.client is None:
            raise self._unreachable(session.reason())
        return session

    def _begun(self) -> Session:
        """A new session, in a task of its own: whoever waits for it may go away."""
        for old in self._sessions:
            old.leave()
        session = Session(self.name, self.settings, self._environment)
        self._sessions = [*(old for old in self._sessions if not old.ended.is_set()), session]
        self._tasks.start_soon(session.own)
        return session

    async def _bounded(self, session: Session, ask: Callable[[Client], Awaitable[Answer]], *, what: str) -> Answer:
        """The answer within the server's time. Its death is told by _DiedError, all else by ToolError."""
        from mcp import MCPError
        from mcp.types import PARSE_ERROR, REQUEST_TIMEOUT

        client = session.client
        if client is None:
            raise _DiedError
        try:
            with anyio.fail_after(self.settings.timeout_s):
                return await ask(client)
        except ToolError:
            raise
        except TimeoutError:
            raise self._late(what) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise _DiedError from None
        except MCPError as error:
            is_late = error.code == REQUEST_TIMEOUT and error.message.startswith(_LATE)
            if is_late and not session.ended.is_set():
                raise self._late(what) from None
            if error.code == PARSE_ERROR or error.message.startswith(_UNREADABLE):
                at_most = f"an answer has at most {self.settings.max_bytes:,} bytes (max_bytes)"
                raise ToolError(
                    "malformed_result", f"{what} gave what cannot be read: {_first_line(error.message)}; {at_most}"
                ) from None
            if session.is_over or (self.settings.url is not None and error.message in _ENDED):
                session.leave()
                session.failure = session.failure or error.message
                raise _DiedError from None
            raise ToolError("tool_failed", f"{what} was refused: {error.message[:2_000]}") from None
        except Exception as error:  # the border of a foreign server: whatever the SDK makes of its answer
            raise ToolError("malformed_result", f"{what} is not usable: {words_of(error)}") from error

    def _late(self, what: str) -> ToolError:
        return ToolError("timed_out", f"no answer of {what} within {self.settings.timeout_s:g} s (timeout_s)")

    def _unreachable(self, why: str) -> ToolError:
        return ToolError("server_unreachable", f"the MCP server {self.name!r} cannot be reached: {why}")


async def _listed(client: Client) -> list[Tool]:
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None or len(found) >= _MOST_TOOLS:
            break
    return found[:_MOST_TOOLS]


def _first_line(text: str) -> str:
    """What follows it repeats the answer."""
    return text.partition("\n")[0][:500]
