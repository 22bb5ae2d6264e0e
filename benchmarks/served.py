"""A gateway for the drills, whose providers are those of a faulty server."""

from __future__ import annotations

from typing import Any

from benchmarks.faulty_server import FaultyServer
from unified_api.gateway import Gateway
from unified_api.providers import ProviderRow
from unified_api.settings import Environment, Route, Settings, Timeouts
from unified_api.types import Message, Request

__all__ = ["MAIN", "ask", "gateway"]

MAIN = "route/main"


def ask(model: str = MAIN, *, text: str = "Why is there a tide?", user: str | None = None) -> Request:
    return Request(model=model, messages=(Message.user(text),), user=user)


def gateway(
    server: FaultyServer, *providers: str, timeouts: Timeouts | None = None, rules: Any = None, **tables: Any
) -> Gateway:
    """A gateway whose `route/main` goes through the model `m` of each provider in turn; `tables` are further settings.

    `rules` are further keys of the route.
    """
    rows = {name: ProviderRow(base_url=server.url(name), models=("m",)) for name in providers}
    routes = {"main": Route(models=tuple(f"{name}/m" for name in providers), **(rules or {}))}
    settings = Settings(
        providers=rows, routes=routes, environment=Environment(), timeouts=timeouts or Timeouts(), **tables
    )
    return Gateway(settings)
