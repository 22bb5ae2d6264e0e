"""A gateway for the drills, whose providers are those of a faulty server."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from benchmarks.faulty_server import FaultyServer
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings, Timeouts
from unified_api.settings.breaker import BreakerSettings
from unified_api.types import Message, Request

__all__ = ["MAIN", "NO_BREAKER", "ask", "gateway"]

MAIN = "route/main"
NO_BREAKER = BreakerSettings(failures=1000, least_calls=1000, window_s=0.1)
"""One that never opens, for drills that need every call to reach its provider."""


def ask(model: str = MAIN, *, text: str = "Why is there a tide?", user: str | None = None) -> Request:
    return Request(model=model, messages=(Message.user(text),), user=user)


def gateway(
    server: FaultyServer,
    *providers: str,
    at: Mapping[str, str] = MappingProxyType({}),
    timeouts: Timeouts | None = None,
    **tables: Any,
) -> Gateway:
    """A gateway whose `route/main` goes through the model `m` of each provider in turn.

    `at` says what the server calls a provider, where that is another name; `tables` are further settings.
    """
    rows = {name: ProviderRow(base_url=server.url(at.get(name, name)), models=("m",)) for name in providers}
    routes = {"main": Route(models=tuple(f"{name}/m" for name in providers))}
    settings = Settings(
        providers=rows, routes=routes, environment=Environment(), timeouts=timeouts or Timeouts(), **tables
    )
    return Gateway(settings)
