"""Looks for OpenAI-compatible servers on this machine, when a person asks for it."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from unified_api.errors import GatewayError
from unified_api.http.adapter import HttpAdapter
from unified_api.http.transport import Transport
from unified_api.providers import ProviderRow
from unified_api.settings import Timeouts

__all__ = ["LocalServer", "discover_local_servers"]

_PORTS = {11434: "ollama", 1234: "lmstudio", 8000: "vllm", 8080: "llamacpp"}
"""The ports that each listens on unless told otherwise, by its own documentation."""
_TIMEOUT_S = 0.3


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered. `name` is a guess by its port; `models` are those it lists."""

    name: str
    base_url: str
    models: tuple[str, ...]

    @property
    def configuration(self) -> str:
        """The table that makes it a provider, for orchestrator.toml."""
        return f'[providers.{self.name}]\nbase_url = "{self.base_url}"\n'


async def discover_local_servers(
    ports: dict[int, str] | None = None, *, timeout_s: float = _TIMEOUT_S
) -> tuple[LocalServer, ...]:
    """The servers that list their models on this machine's well-known ports, within `timeout_s` each.

    Nothing else is sent to them. A caller may name other `ports`, each with the name to give what listens there.
    """
    found: list[LocalServer] = []
    timeouts = Timeouts(connect_s=timeout_s, headers_s=timeout_s, silence_s=timeout_s)
    transport = Transport()

    async def ask(name: str, base_url: str) -> None:
        adapter = HttpAdapter(name, ProviderRow(base_url=base_url), key=None, transport=transport)
        with anyio.move_on_after(timeout_s):  # of all: a stream that never ends is never silent either
            try:
                models = await adapter.list_models(timeouts)
            except GatewayError:
                return  # nothing there, or something else
            found.append(LocalServer(name, base_url, models))

    try:
        async with anyio.create_task_group() as group:
            for port, name in (_PORTS if ports is None else ports).items():
                group.start_soon(ask, name, f"http://127.0.0.1:{port}/v1")
    finally:
        await transport.aclose()
    return tuple(sorted(found, key=lambda server: server.base_url))
