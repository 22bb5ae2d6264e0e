"""One session with one server: a task of its own enters and leaves what the SDK needs entered and left together."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from executors.mcp.program import INHERITED, Program, running
from executors.mcp.website import connected
from executors.tools import ToolError
from unified_api.errors import ConfigurationError
from unified_api.settings import Environment, McpServerSettings

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult

__all__ = ["Session", "words_of"]

_ENDING_S = 8.0
"""Seconds for a session to end by itself; longer than its program is given."""


@dataclass(slots=True)
class Session:
    """From the start of a server to its end; never opened twice."""

    name: str
    settings: McpServerSettings
    environment: Environment = field(repr=False)
    client: Client | None = None
    """Only while the session is open."""
    failure: str = ""
    """Why it could not be opened, or ended."""
    program: Program | None = None
    opened: anyio.Event = field(default_factory=anyio.Event)
    """Set once it is open, or never will be."""
    ended: anyio.Event = field(default_factory=anyio.Event)
    _leave: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_over(self) -> bool:
        """Whether nothing can be asked in it any more; one that is still being opened is not over."""
        return self.ended.is_set() or self._leave.is_set() or (self.program is not None and self.program.ended)

    async def own(self) -> None:
        """Opens the session, keeps it, and closes it; runs in a task of its own."""
        try:
            with self._scope:
                async with self._client() as client:
                    # The SDK's own check of results lets a pattern of the server stop the whole program.
                    client.session.validate_tool_result = _unchecked  # type: ignore[method-assign]  # no other way
                    self.client = client
                    self.opened.set()
                    await self._leave.wait()
        except ToolError as error:
            self.failure = error.message
        except Exception as error:  # noqa: BLE001  # whatever a foreign server makes the SDK raise ends this session alone
            self.failure = words_of(error)
        finally:
            self.client = None
            self.opened.set()
            self.ended.set()

    async def close(self) -> None:
        """Returns when nothing of it is left."""
        self.leave()
        with anyio.move_on_after(_ENDING_S):
            await self.ended.wait()
        self._scope.cancel()
        await self.ended.wait()

    def leave(self) -> None:
        """Has it close itself."""
        self._leave.set()
        if self.client is None:
            self._scope.cancel()

    def reason(self) -> str:
        """Why it is no more, with the last words of its program."""
        program = self.program
        why = (program.why if program else "") or self.failure or "the connection was closed"
        last = program.last_words() if program else ""
        return f"{why}; it said last: {last}" if last else why

    def _client(self) -> Client:
        try:
            from mcp import Client, Implementation
        except ModuleNotFoundError:
            raise ToolError(
                "server_unreachable", "the package mcp is not installed; run: pip install 'meta-orchestrator[mcp]'"
            ) from None

        for name in ("mcp", "client"):  # the SDK's loggers: silent unless the application wants to hear them
            logging.getLogger(name).addHandler(logging.NullHandler())
        return Client(
            self._transport(),
            read_timeout_seconds=self.settings.timeout_s,
            client_info=Implementation(name="meta-orchestrator", version="1"),
            cache=None,
        )

    def _transport(self) -> AbstractAsyncContextManager[Any]:
        settings = self.settings
        if settings.command is not None:
            self.program = Program(settings.max_bytes)
            return running(settings.command, self.program, environ=self._environ(), cwd=settings.cwd)
        token = None if settings.token_env is None else self._secret(settings.token_env)
        return connected(settings.url or "", token=token, timeout_s=settings.timeout_s, max_bytes=settings.max_bytes)

    def _environ(self) -> dict[str, str]:
        common = {name: value for name in INHERITED if (value := self.environment.get(name)) is not None}
        return {**common, **{name: self._secret(name) for name in self.settings.env}}

    def _secret(self, variable: str) -> str:
        try:
            is_token = variable == self.settings.token_env
            value = self.environment.key(variable) if is_token else self.environment.get(variable)
        except ConfigurationError as error:
            raise ToolError("no_credentials", error.message) from None
        if value is None:
            raise ToolError("no_credentials", f"it needs the environment variable {variable}, which is not set")
        return value


async def _unchecked(name: str, result: CallToolResult) -> None:  # the names are the SDK's
    """Results are held against their schema in `json_of`."""


def words_of(error: BaseException) -> str:
    """The cause at the bottom of the groups that task groups make, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"the program or folder {error.filename!r} does not exist"
    return " ".join(str(error).split())[:500] or type(error).__name__
