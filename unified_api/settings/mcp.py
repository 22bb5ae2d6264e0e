"""`[mcp]`: the servers whose tools workflows may call by the Model Context Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from unified_api.address import checked
from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = ["McpServerSettings", "McpSettings"]

_Variable: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=4_096, pattern=r"^[^\x00]*$")]
_ServerName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class McpServerSettings(Table):
    """`[mcp.servers.NAME]`: a command to start, or the address of a server that runs."""

    command: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=100)] | None = None
    """The program and its arguments; it speaks on its standard input and output."""
    cwd: _Text | None = None
    """The folder that it is started in."""
    env: tuple[_Variable, ...] = ()
    """Names of environment variables that it is given, besides PATH, HOME and the like."""
    url: Annotated[str, AfterValidator(checked)] | None = None
    """The address of a server that speaks streamable HTTP."""
    token_env: _Variable | None = None
    """Name of the environment variable whose value is sent to the address as bearer token."""
    clearance: Sensitivity = "public"
    """The most sensitive data that its tools may be called with."""
    tools: tuple[_Text, ...] | None = None
    """The tools that may be called; unset: all that the server offers."""
    repeatable: tuple[_Text, ...] = ()
    """Tools that may be called again after a call that failed."""
    trust_hints: bool = False
    """Whether to believe the server which of its tools only read or may be repeated."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Seconds for one call, and for the start of the server."""
    max_bytes: Annotated[int, Field(ge=1_024, le=268_435_456)] = 10_000_000
    """The most that one message of the server may hold."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give `command`, which starts the server, or `url`, where it runs, and not both")
        if self.url is None and self.token_env is not None:
            raise ValueError("token_env is sent to a `url`; name the variable in `env` for a command")
        if self.command is None and (self.env or self.cwd is not None):
            raise ValueError("env and cwd are for a `command`; a server at a `url` has its own")
        return self


class McpSettings(Table):
    """`[mcp]`."""

    servers: Mapping[_ServerName, McpServerSettings] = Field(default={})
    """Name -> server; its tools are `NAME.TOOL`."""
