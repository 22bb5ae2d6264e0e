"""The gateway: every model of every provider behind one call."""

from __future__ import annotations

import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from unified_api import local, pricing
from unified_api.adapter import Adapter
from unified_api.attempts import Attempts, bounded
from unified_api.catalog import Catalog, provider_rows
from unified_api.clock import Clock, MonotonicClock
from unified_api.errors import GatewayError, NotFoundError
from unified_api.estimates import held, longest_answer
from unified_api.fitting import AnyResponse, Fitted, Fitting, Ways, left_out, must_hold, way_of
from unified_api.http_adapter import HttpAdapter
from unified_api.models import Model, Selection
from unified_api.needs import AnyRequest, Asked, least_tokens, needs_of, tools_of, worst_tokens
from unified_api.providers import ProviderRow, is_loopback
from unified_api.response_stream import ResponseStream, open_stream
from unified_api.settings import Settings, Timeouts
from unified_api.signing import bearer_key, signer_of
from unified_api.transport import Transport
from unified_api.types import (
    Capability,
    Chunk,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    ModerationRequest,
    ModerationResponse,
    Policy,
    Request,
    RerankRequest,
    RerankResponse,
    Response,
    Usage,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Gateway", "ResponseStream"]

_DISCOVERY_S = 2.0
_LONGEST_DISCOVERY_S = 3.0
_CLOSING_S = 5.0
_SHORTER = (8_192, 4_096, 2_048)
"""Tokens that an answer is held to, one after the other, where a budget has no room for a longer one."""

_WRITE: frozenset[Capability] = frozenset({"chat", "image_output"})
"""Whose answers are paid for by what they hold."""


class Gateway:
    """One entrance for chat, streams, embeddings and images; an async context manager for many calls at once.

    Every response says which model answered, what it cost and what was tried (`attempts`); every error does too.

        async with Gateway() as gateway:
            response = await gateway.chat(Request(model="auto", messages=(Message.user("Hello"),)))
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        adapters: Mapping[str, Adapter] | None = None,
        catalog: Catalog | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = _random.random,
        backend: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take `settings` (by default what the user has set).

        Args:
            settings: providers, keys, routes and timeouts.
            adapters: provider -> adapter, instead of the usual one.
            catalog: instead of the one that the settings make.
            clock: what deadlines and waits go by.
            random: gives numbers in [0, 1) for jitter.
            backend: an httpx transport instead of the network.

        """
        self.settings = Settings.load() if settings is None else settings
        self._adapters: dict[str, Adapter] = dict(adapters or {})
        self._catalog = catalog
        self._rows = provider_rows(self.settings)
        self._waits: dict[str, Timeouts] = {}
        """Provider -> the timeouts of its calls."""
        self._clock = clock or MonotonicClock()
        self._transport = Transport(clock=self._clock, backend=backend)
        self._attempts = Attempts(clock=self._clock, random=random)
        self._refused_ways: Ways = {}

    async def __aenter__(self) -> Self:
        if self._catalog is None:
            discovered, unreachable = await self._discover()
            self._catalog = self._make_catalog(discovered, unreachable)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of connections and threads, even when cancelled. The gateway may be used again afterwards."""
        shield = anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING_S)
        async with AsyncExitStack() as stack:
            stack.enter_context(shield)
            stack.push_async_callback(self._transport.aclose)
            for adapter in self._adapters.values():
                stack.push_async_callback(adapter.aclose)

    @property
    def catalog(self) -> Catalog:
        """The models there are; those that a local server lists only after the gateway was entered."""
        if self._catalog is None:
            self._catalog = self._make_catalog({}, {})
        return self._catalog

    async def chat(self, request: Request, policy: Policy = Policy()) -> Response:
        """The whole answer. A refusal by the model is an answer, not an error.

        Raises:
            ConfigurationError: the model's name means nothing.
            NoCandidateError: nothing may serve the call; says why for every model.
            ProviderError: the one try failed, or the request is at fault.
            AttemptsExhaustedError: every permitted try failed.
            DeadlineExceededError: the call's deadline passed.

        """
        return await self._whole(request, policy, lambda adapter: adapter.chat)

    async def embed(self, request: EmbedRequest, policy: Policy = Policy()) -> EmbedResponse:
        """One vector per input. Raises like `chat`. `auto` never falls back to a model with other vectors."""
        return await self._whole(request, policy, lambda adapter: adapter.embed)

    async def image(self, request: ImageRequest, policy: Policy = Policy()) -> ImageResponse:
        """Generated images. Raises like `chat`."""
        return await self._whole(request, policy, lambda adapter: adapter.image)

    async def rerank(self, request: RerankRequest, policy: Policy = Policy()) -> RerankResponse:
        """The documents that answer the query best, best first. Raises like `chat`."""
        return await self._whole(request, policy, lambda adapter: adapter.rerank)

    async def moderate(self, request: ModerationRequest, policy: Policy = Policy()) -> ModerationResponse:
        """What a moderation model says of each input. Raises like `chat`."""
        return await self._whole(request, policy, lambda adapter: adapter.moderate)

    @asynccontextmanager
    async def stream(self, request: Request, policy: Policy = Policy()) -> AsyncIterator[ResponseStream]:
        """The answer as it comes. Entering the block waits for the first content; until then it retries and falls back.

        After that nothing is retried: an error ends the iteration. Leaving the block early ends the upstream call.
        Raises like `chat`.
        """
        policy = replace(policy, needs=policy.needs | {"streaming"})
        selection = self._select(request, policy)
        fitting = Fitting(request, policy, self._refused_ways)

        @asynccontextmanager
        async def ask(model: Model, deadline: float) -> AsyncIterator[tuple[Fitted[Request], AsyncIterator[Chunk]]]:
            timeouts, adapter = self._timeouts(model), self._adapter(model)
            async with AsyncExitStack() as stack:

                async def opened(fitted: Fitted[Request]) -> AsyncIterator[Chunk]:
                    stream = open_stream(adapter, model, fitted.request, timeouts, clock=self._clock, deadline=deadline)
                    return await stack.enter_async_context(stream)

                fitted, chunks = await fitting.ask(model, opened)
                yield fitted, await stack.enter_async_context(aclosing(fitting.reading(model, fitted, chunks)))

        async with self._attempts.first(selection, policy, ask, deadline=self._deadline(policy)) as won:
            yield ResponseStream(won, clock=self._clock, price=self._cost)

    def estimate(self, request: AnyRequest, policy: Policy = Policy()) -> Decimal | None:
        """The most that the call may cost, in US dollars: the dearest candidate at the longest answer.

        Without `max_tokens` an answer is taken to have at most 16,384 tokens. None when a candidate's price is
        unknown; zero for models that cost nothing. Raises like `chat` when nothing may serve.
        """
        asked = worst_tokens(request)
        worst = Decimal(0)
        candidates = self._select(request, policy).candidates
        for model in candidates if policy.fallback else candidates[:1]:
            longest = longest_answer(request, model, left_out(request, policy, model.unsupported))
            cost = self._cost(model, "", Usage(input_tokens=held(asked, request, model), output_tokens=longest))
            if cost is None:
                return None
            worst = max(worst, cost)
        return worst

    def shortened(self, request: Asked, policy: Policy, *, room: Decimal) -> tuple[Asked, Decimal | None]:
        """The request with its answer made as short as `room` dollars need, and its worst cost as `estimate` tells it.

        A chat that says `max_tokens` itself is left alone, as is one that fits. No answer is held to less than 2,048
        tokens, so the cost may still be more than `room`.
        """
        worst = self.estimate(request, policy)
        if not isinstance(request, Request):
            return request, worst
        if request.max_tokens is not None:
            return request, worst
        for tokens in _SHORTER:
            if worst is None or worst <= room:
                break
            request = replace(request, max_tokens=tokens)
            worst = self.estimate(request, policy)
        return request, worst

    async def _whole(
        self,
        request: Asked,
        policy: Policy,
        operation: Callable[[Adapter], Callable[[Model, Asked, Timeouts], Awaitable[AnyResponse]]],
    ) -> AnyResponse:
        selection = self._select(request, policy)
        fitting = Fitting(request, policy, self._refused_ways)

        @asynccontextmanager
        async def ask(model: Model, deadline: float) -> AsyncIterator[tuple[Fitted[Asked], AnyResponse]]:
            call, timeouts = operation(self._adapter(model)), self._timeouts(model)

            async def answer(fitted: Fitted[Asked]) -> AnyResponse:
                return await bounded(self._clock, deadline, lambda: call(model, fitted.request, timeouts))

            yield await fitting.ask(model, answer)

        async with self._attempts.first(selection, policy, ask, deadline=self._deadline(policy)) as won:
            model, (fitted, response) = won.model, won.result
            response = fitting.read(model, fitted, response)
            cost = response.cost_usd
            if cost is None:
                cost = self._cost(model, response.model.removeprefix(f"{model.provider}/"), response.usage)
            won.trail.succeeded(model, self._clock.now() - won.started, cost=cost, note=fitted.note)
            return replace(response, cost_usd=cost, quality=model.quality, attempts=won.trail.story)

    def _select(self, request: AnyRequest, policy: Policy) -> Selection:
        policy = replace(policy, needs=policy.needs | needs_of(request))
        selection = self.catalog.candidates(
            request.model,
            policy,
            parameters=must_hold(request, policy),
            tokens=least_tokens(request),
            tools_of=tools_of(request),
        )
        if request.model == "auto" and isinstance(request, Request) and request.output_schema is not None:
            # What can be made to keep to the schema is asked before what can only be told of it.
            refused = self._refused_ways
            ordered = sorted(selection.candidates, key=lambda one: way_of(one, refused.get(one.id, set())) == "words")
            selection = replace(selection, candidates=tuple(ordered))
        return selection

    def _deadline(self, policy: Policy) -> float:
        seconds = self.settings.timeouts.total_s if policy.deadline_s is None else policy.deadline_s
        return self._clock.now() + seconds

    def _cost(self, model: Model, echoed: str, usage: Usage) -> Decimal | None:
        """By the echoed name first: an alias is billed as the dated model it stands for."""
        return pricing.charge(
            usage,
            plain=self.catalog.stated_prices(model),
            base_url=self.catalog.price_address(model.provider),
            names=(echoed, model.name) if echoed else (model.name,),
            writes=bool(model.capabilities & _WRITE) or not model.capabilities,
        )

    def _adapter(self, model: Model) -> Adapter:
        adapter = self._adapters.get(model.provider)
        if adapter is None:
            adapter = self._adapters[model.provider] = self._make_adapter(model)
        return adapter

    def _timeouts(self, model: Model) -> Timeouts:
        timeouts = self._waits.get(model.provider)
        if timeouts is None:
            url, stated = self.catalog.base_url(model.provider), self.settings.timeouts
            timeouts = stated.patient() if url is not None and is_loopback(url) else stated
            self._waits[model.provider] = timeouts
        return timeouts

    def _make_adapter(self, model: Model) -> Adapter:
        if model.wire == "local":
            return local.LocalAdapter(self.settings.cache_dir)
        row = self._rows.get(model.provider)
        if row is None:
            raise NotFoundError(f"no adapter speaks to the provider {model.provider!r}", provider=model.provider)
        return self._http(model.provider, row)

    def _http(self, provider: str, row: ProviderRow) -> HttpAdapter:
        environment = self.settings.environment
        if row.auth == "sigv4":
            key, signer = bearer_key(row, environment), signer_of(row, environment)
            return HttpAdapter(provider, row, key=key, signer=signer, transport=self._transport, clock=self._clock)
        key = None if row.api_key_env is None else environment.key(row.api_key_env)
        return HttpAdapter(provider, row, key=key, transport=self._transport, clock=self._clock)

    def _make_catalog(self, discovered: Mapping[str, tuple[str, ...]], unreachable: Mapping[str, str]) -> Catalog:
        missing = {f"local/{name}": what for name, what in local.missing(self.settings.cache_dir).items()}
        return Catalog(self.settings, rows=self._rows, discovered=discovered, unreachable=unreachable, missing=missing)

    async def _discover(self) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        """The models of the user's own servers that are given only by their address."""
        discovered: dict[str, tuple[str, ...]] = {}
        unreachable: dict[str, str] = {}
        timeouts = Timeouts(connect_s=1.0, headers_s=_DISCOVERY_S, silence_s=_DISCOVERY_S)

        async def ask(provider: str, row: ProviderRow) -> None:
            try:
                # One limit for all of it: a server that drips is never silent.
                with self._clock.scope(self._clock.now() + _LONGEST_DISCOVERY_S) as scope:
                    discovered[provider] = await self._http(provider, row).list_models(timeouts)
            except GatewayError as error:
                unreachable[provider] = error.message
            else:
                if scope.cancelled_caught:
                    unreachable[provider] = f"it did not list its models within {_LONGEST_DISCOVERY_S:g} s"

        async with anyio.create_task_group() as group:
            for provider, row in self._rows.items():
                if provider in self.settings.providers and not row.names and self._has_key(row):
                    group.start_soon(ask, provider, row)
        return discovered, unreachable

    def _has_key(self, row: ProviderRow) -> bool:
        return row.api_key_env is None or self.settings.environment.get(row.api_key_env) is not None
