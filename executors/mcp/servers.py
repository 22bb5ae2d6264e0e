"""All configured servers as one source of tools."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from executors.mcp.server import Server
from executors.schemas import InvalidSchemaError, complaints
from executors.signature import NAME_PATTERN
from executors.tools import ToolError
from unified_api.settings import Environment, McpServerSettings, McpSettings
from unified_api.types import Json
from workflows.nearest import nearest
from workflows.tools import ToolSpec

if TYPE_CHECKING:
    from mcp.types import Tool

__all__ = ["McpServers"]

_LONGEST_DESCRIPTION = 1_000
_ANYTHING: Mapping[str, Json] = {"type": "object"}


class McpServers:
    """The servers of the settings. An async context manager; nothing is started before it is needed.

    Those in `refused` are neither started nor asked: the user has not agreed to them.
    """

    def __init__(self, settings: McpSettings, *, environment: Environment, refused: Collection[str] = ()) -> None:
        self._settings = settings
        self.refused = frozenset(refused)
        self._environment = environment
        self._servers: dict[str, Server] = {}
        self._loading: dict[str, anyio.Lock] = {name: anyio.Lock() for name in settings.servers}
        self._stack = AsyncExitStack()
        self._specs: dict[str, ToolSpec] = {}
        self._loaded: set[str] = set()
        self.troubles: dict[str, str] = {name: _not_agreed(name) for name in sorted(self.refused)}
        """Server -> why its tools are not known, of those that were asked or may not be."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.push_async_callback(self._close)
            for name, settings in self._settings.servers.items():
                if name not in self.refused:
                    self._servers[name] = Server(name, settings, environment=self._environment, tasks=tasks)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Not told of the caller's error, which the task group would hand on wrapped in a group.
        await self._stack.__aexit__(None, None, None)

    async def _close(self) -> None:
        servers, self._servers = self._servers, {}
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                for server in servers.values():
                    tasks.start_soon(server.aclose)

    @property
    def specs(self) -> Mapping[str, ToolSpec]:
        """The tools of the servers that were asked, by `SERVER.TOOL`."""
        return self._specs

    def server_of(self, tool: str) -> str | None:
        """The configured server whose tool this must be, by its name."""
        server, dot, _ = tool.partition(".")
        return server if dot and server in self._settings.servers else None

    def has_asked(self, server: str) -> bool:
        """Whether the server was asked for its tools, with or without success."""
        return server in self._loaded or server in self.troubles

    async def load(self, tools: Collection[str] | None = None) -> None:
        """Asks servers for their tools: all that were not asked yet, or those of the named tools alone.

        One that cannot be reached is noted in `troubles`, and asked again when a tool of it is named.
        """
        if tools is None:
            wanted = [name for name in self._servers if name not in self.troubles]
        else:
            wanted = [name for tool in tools if (name := self.server_of(tool)) in self._servers]
        async with anyio.create_task_group() as tasks:
            for name in dict.fromkeys(wanted):
                if name not in self._loaded:
                    tasks.start_soon(self._load, self._servers[name])

    async def _load(self, server: Server) -> None:
        async with self._loading[server.name]:
            if server.name not in self._loaded:
                await self._ask(server)

    async def _ask(self, server: Server) -> None:
        try:
            found = await server.tools()
        except ToolError as error:
            self.troubles[server.name] = error.message
            return
        self.troubles.pop(server.name, None)
        specs = {spec.name: spec for tool in found if (spec := _spec(tool, server.name, server.settings)) is not None}
        self._specs.update(specs)
        self._loaded.add(server.name)
        for missing in sorted(set(server.settings.tools or ()) - {tool.name for tool in found}):
            self.troubles[server.name] = (
                f"the MCP server {server.name!r} offers no tool {missing!r}, which `tools` names"
            )

    async def call(self, name: str, arguments: Mapping[str, Json]) -> Json:
        """Calls `SERVER.TOOL`. Raises ToolError: `unknown_tool`, `invalid_argument`, or as `Server.call`."""
        if name not in self._specs:
            await self.load([name])
        server = self._servers.get(self.server_of(name) or "")
        spec = self._specs.get(name)
        if server is None or spec is None:
            raise ToolError("unknown_tool", self._unknown(name))
        try:
            wrong = complaints(dict(arguments), dict(spec.parameters))
        except InvalidSchemaError:
            wrong = []  # the server knows best what it wants
        if wrong:
            raise ToolError("invalid_argument", f"tool {name!r} cannot take these arguments: {'; '.join(wrong)}")
        tool = name.partition(".")[2]
        return await server.call(tool, arguments, repeatable=spec.repeatable, returns=spec.returns)

    def _unknown(self, name: str) -> str:
        trouble = self.troubles.get(self.server_of(name) or "")
        if trouble is not None:
            return trouble
        near = nearest(name, self._specs)
        return f"no tool is named {name!r}" + (f"; did you mean {', '.join(map(repr, near))}?" if near else "")


def _not_agreed(name: str) -> str:
    return (
        f"the MCP server {name!r} is not used: an orchestrator.toml that lay in the current folder names it, and nobody"
        " has agreed to it yet (`orchestrate trust`)"
    )


def _spec(tool: Tool, server: str, settings: McpServerSettings) -> ToolSpec | None:
    """The tool as workflows see it; None for one that they may not call, or cannot name."""
    name = f"{server}.{tool.name}"
    if (settings.tools is not None and tool.name not in settings.tools) or not NAME_PATTERN.fullmatch(name):
        return None
    hints = tool.annotations
    believed = settings.trust_hints and hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    return ToolSpec(
        name=name,
        description=(tool.description or tool.title or "")[:_LONGEST_DESCRIPTION],
        parameters=_sound(tool.input_schema) or _ANYTHING,
        returns=_sound(tool.output_schema),
        repeatable=tool.name in settings.repeatable or believed,
        clearance=settings.clearance,
    )


def _sound(schema: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    """The schema, where it is one."""
    try:
        if schema is not None:
            complaints({}, dict(schema))
    except InvalidSchemaError:
        return None
    return schema
