"""The adapter of every provider, made when it is first asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from math import inf

from unified_api import local
from unified_api.adapter import Adapter
from unified_api.clock import Clock
from unified_api.errors import NotFoundError
from unified_api.http.adapter import HttpAdapter
from unified_api.http.transport import Transport
from unified_api.models import Model, RouteRules
from unified_api.providers import ProviderRow, is_loopback
from unified_api.settings import Settings, Timeouts
from unified_api.signing import bearer_key, signer_of

__all__ = ["Adapters"]


class Adapters:
    """Provider -> adapter and timeouts; one transport serves them all."""

    def __init__(
        self,
        settings: Settings,
        rows: Mapping[str, ProviderRow],
        *,
        given: Mapping[str, Adapter],
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._made: dict[str, Adapter] = dict(given)
        self._waits: dict[str, Timeouts] = {}
        self._transport = transport
        self._clock = clock

    def of(self, model: Model) -> Adapter:
        """NotFoundError for a provider that no row describes."""
        adapter = self._made.get(model.provider)
        if adapter is None:
            adapter = self._made[model.provider] = self._make(model)
        return adapter

    def timeouts(self, model: Model, rules: RouteRules, *, patience: float = inf) -> Timeouts:
        """Those of `rules` before those of the settings; no first word is waited for longer than `patience` seconds."""
        timeouts = self._usual(model)
        timeouts = timeouts.model_copy(update=rules.timeouts) if rules.timeouts else timeouts
        return timeouts if patience >= max(timeouts.headers_s, timeouts.first_token_s) else timeouts.within(patience)

    def _usual(self, model: Model) -> Timeouts:
        timeouts = self._waits.get(model.provider)
        if timeouts is None:
            row, stated = self._rows.get(model.provider), self._settings.timeouts
            is_near = row is not None and row.base_url is not None and is_loopback(row.base_url)
            timeouts = self._waits[model.provider] = stated.patient() if is_near else stated
        return timeouts

    def http(self, provider: str, row: ProviderRow) -> HttpAdapter:
        """A new adapter for a provider behind HTTP."""
        environment = self._settings.environment
        if row.auth == "sigv4":
            key, signer = bearer_key(row, environment), signer_of(row, environment)
            return HttpAdapter(provider, row, key=key, signer=signer, transport=self._transport, clock=self._clock)
        key = None if row.api_key_env is None else environment.key(row.api_key_env)
        return HttpAdapter(provider, row, key=key, transport=self._transport, clock=self._clock)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._transport.aclose)
            for adapter in self._made.values():
                stack.push_async_callback(adapter.aclose)

    def _make(self, model: Model) -> Adapter:
        if model.wire == "local":
            return local.LocalAdapter(self._settings.cache_dir)
        row = self._rows.get(model.provider)
        if row is None:
            raise NotFoundError(f"no adapter speaks to the provider {model.provider!r}", provider=model.provider)
        return self.http(model.provider, row)
