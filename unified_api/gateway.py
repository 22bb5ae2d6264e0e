"""The gateway: every model of every provider behind one call."""

from __future__ import annotations

import random as _random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from unified_api import local
from unified_api.adapter import Adapter
from unified_api.adapters import Adapters
from unified_api.call import AnyCall, Call, Layer, Operation, Purpose, through, through_stream
from unified_api.call_checks import check_policy, check_request
from unified_api.catalog import Catalog, provider_rows
from unified_api.clock import Clock, MonotonicClock
from unified_api.errors import (
    BudgetExceededError,
    ConfigurationError,
    GatewayError,
    NoCandidateError,
    UnknownPriceError,
)
from unified_api.estimates import Worst, shortened
from unified_api.health import Health
from unified_api.http.transport import Transport
from unified_api.layers.budget import Budget
from unified_api.layers.cache import Cache
from unified_api.layers.record import Record
from unified_api.layers.seen import Seen
from unified_api.ledger import Ledger
from unified_api.needs import AnyRequest, Asked
from unified_api.providers import ProviderRow
from unified_api.response_stream import ResponseStream
from unified_api.routing.affinity import Affinity
from unified_api.serving import Serving
from unified_api.settings import Settings, Timeouts
from unified_api.settings.routes import total_s
from unified_api.telemetry.under_way import UnderWay
from unified_api.trail import Purse, Trail
from unified_api.types import (
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
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Gateway", "ResponseStream"]

_DISCOVERY_S = 2.0
_LONGEST_DISCOVERY_S = 3.0
_CLOSING_S = 5.0
_UNSENT = (BudgetExceededError, ConfigurationError, NoCandidateError, UnknownPriceError)
"""What ends a call before anything is sent, so that it has cost nothing."""


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
        self._catalog = catalog
        self._rows = provider_rows(self.settings)
        self._clock = clock or MonotonicClock()
        transport = Transport(clock=self._clock, backend=backend)
        self._adapters = Adapters(
            self.settings, self._rows, given=adapters or {}, transport=transport, clock=self._clock
        )
        self.health = Health(
            self.settings.breaker, clock=self._clock, rows=self._rows, environment=self.settings.environment
        )
        """Which deployments have failed lately and are left alone."""
        self._serving = Serving(
            lambda: self.catalog,
            adapters=self._adapters,
            clock=self._clock,
            random=random,
            consult=self._consult,
            health=self.health,
            affinity=Affinity(**self.settings.affinity.model_dump()),
        )
        self._ledger = Ledger.of(self.settings, clock=self._clock) if self.settings.budgets.capped else None
        layers = self._layers()
        self._whole = through(layers, self._serving.whole)
        self._streamed = through_stream(layers, self._serving.stream)

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
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING_S):
            await self._adapters.aclose()
        if self._ledger is not None:
            await self._ledger.aclose()

    @property
    def catalog(self) -> Catalog:
        """The models there are; those that a local server lists only after the gateway was entered."""
        if self._catalog is None:
            self._catalog = self._make_catalog({}, {})
        return self._catalog

    async def chat(self, request: Request, policy: Policy = Policy(), *, trail: Trail | None = None) -> Response:
        """The whole answer. A refusal by the model is an answer, not an error.

        `trail` is filled while the call goes on; its `story` tells what was tried even where the call is cancelled.

        Raises:
            ConfigurationError: the model's name or a word of the policy means nothing.
            NoCandidateError: nothing may serve the call; says why for every model.
            BudgetExceededError: a cap has no room for it.
            UnknownPriceError: nobody knows what it may cost, and the caller has a cap.
            LedgerError: the caller has a cap, and what is spent cannot be looked up.
            ProviderError: the one try failed, or the request is at fault.
            AttemptsExhaustedError: every permitted try failed.
            RestingError: all that may serve have failed too often lately, and are left alone.
            DeadlineExceededError: the call's deadline passed.

        """
        response: Response = await self._whole(self._call("chat", request, policy, trail=trail))
        return response

    async def embed(
        self, request: EmbedRequest, policy: Policy = Policy(), *, trail: Trail | None = None
    ) -> EmbedResponse:
        """One vector per input. Raises like `chat`. `auto` never falls back to a model with other vectors."""
        response: EmbedResponse = await self._whole(self._call("embed", request, policy, trail=trail))
        return response

    async def image(
        self, request: ImageRequest, policy: Policy = Policy(), *, trail: Trail | None = None
    ) -> ImageResponse:
        """Generated images. Raises like `chat`, and ContentRefusedError where the safety check withholds them."""
        response: ImageResponse = await self._whole(self._call("image", request, policy, trail=trail))
        return response

    async def rerank(self, request: RerankRequest, policy: Policy = Policy()) -> RerankResponse:
        """The documents that answer the query best, best first. Raises like `chat`."""
        response: RerankResponse = await self._whole(self._call("rerank", request, policy))
        return response

    async def moderate(self, request: ModerationRequest, policy: Policy = Policy()) -> ModerationResponse:
        """What a moderation model says of each input. Raises like `chat`."""
        response: ModerationResponse = await self._whole(self._call("moderate", request, policy))
        return response

    @asynccontextmanager
    async def stream(
        self, request: Request, policy: Policy = Policy(), *, trail: Trail | None = None
    ) -> AsyncIterator[ResponseStream]:
        """The answer as it comes. Entering the block waits for the first content; until then it retries and falls back.

        After a break in the midst the answer is begun anew where only a program reads it (`Policy.reader`), continued
        by another model where that is safe, and else the iteration ends in the error. Leaving the block early ends the
        upstream call. Raises like `chat`.
        """
        call = self._call("stream", request, policy, trail=trail)
        async with self._streamed(call) as chunks:
            stream = ResponseStream(chunks, call.trail)
            try:
                yield stream
            finally:
                stream.leave()

    def estimate(self, request: AnyRequest, policy: Policy = Policy()) -> Decimal | None:
        """The most that the call may cost, in US dollars, where no try fails that is paid for all the same.

        That is the dearest candidate at the longest answer; twice that where a slow one may be raced, and as often as
        answers may be rejected where the route escalates. Without `max_tokens` an answer is taken to have at most
        16,384 tokens. None when a candidate's price is unknown; zero for models that cost nothing. For a stream put
        `streaming` into the policy's `needs`, where a route chooses by that. Raises like `chat` when nothing may serve.
        """
        check_request(request)
        check_policy(policy)
        worst = self.worst(request, policy)
        return None if worst is None else worst.total

    def worst(self, request: AnyRequest, policy: Policy = Policy()) -> Worst | None:
        """The same told apart: what one try may cost, and how many of them are paid together."""
        return self._serving.worst_cost(request, policy)

    def shortened(self, request: Asked, policy: Policy, *, room: Decimal) -> tuple[Asked, Worst | None]:
        """The request with its answer made as short as `room` dollars need, and its cost as `worst` tells it.

        A chat that says `max_tokens` itself is left alone, as is one that fits, and one that no answer of at least
        2,048 tokens makes fit.
        """
        of = partial(self.worst, policy=policy)
        return shortened(request, of(request), room=room, of=of)

    def _layers(self) -> tuple[Layer, ...]:
        """What lies around every call, outermost first: record, privacy, cache, safety, budget.

        What is recorded is what the caller saw; private data is labelled or replaced before anything else may keep or
        send it; a kept answer has passed the safety check and costs nothing. A layer that is not set up is not there.
        """
        layers: list[Layer] = []
        under_way = UnderWay()
        if self.settings.record.is_set_up:
            known_as = {name: row.known_as for name, row in self._rows.items() if row.known_as is not None}
            layers.append(Record(self.settings.record, clock=self._clock, under_way=under_way, known_as=known_as))
        if self.settings.privacy.active:
            from unified_api.layers.privacy import Privacy  # its patterns take a while to compile

            layers.append(Privacy(self.settings.privacy, clock=self._clock))
        if self.settings.record.is_set_up:
            layers.append(Seen(under_way, content=self.settings.record.content))
        if self.settings.cache.active:
            routes = self.settings.routes.items()
            layers.append(
                Cache(
                    self.settings.cache,
                    clock=self._clock,
                    consult=partial(self._consult, tries=1),
                    select=self._serving.select,
                    weighted={f"route/{name}" for name, route in routes if route.strategy == "weighted"},
                )
            )
        if self.settings.safety.active:
            from unified_api.layers.safety import Safety

            layers.append(
                Safety(
                    self.settings.safety,
                    consult=self._consult,
                    clock=self._clock,
                    select=self._serving.select,
                    ready=lambda: self.catalog.ready,
                )
            )
        if self._ledger is not None:
            layers.append(
                Budget(
                    self.settings.budgets,
                    self._ledger,
                    select=self._serving.selected_priced,
                    price=self._serving.price,
                    clock=self._clock,
                    wall=time.time,
                )
            )
        return tuple(layers)

    def _call(self, operation: Operation, request: Asked, policy: Policy, *, trail: Trail | None = None) -> Call[Asked]:
        check_request(request)
        check_policy(policy)
        seconds = policy.deadline_s
        if seconds is None:
            seconds = total_s(request.model, self.settings.routes, self.settings.timeouts)
        deadline = self._clock.now() + seconds
        told = Trail() if trail is None else trail
        return Call(operation=operation, request=request, policy=policy, deadline=deadline, trail=told)

    async def _consult(
        self, call: AnyCall, operation: Operation, request: AnyRequest, purpose: Purpose, *, tries: int = 4
    ) -> Any:
        """Ask a model about `call`, as `unified_api.call.Consult` says. Its own answer is not judged in turn."""
        asked = call.policy
        policy = Policy(
            sensitivity=asked.sensitivity,
            regions=asked.regions,
            deny=asked.deny,
            max_attempts=tries,
            cache=False,
            caller=asked.caller,
        )
        cost: Decimal | None = Decimal(0)
        most, purse = Decimal(0), call.trail.purse
        try:
            if purse is not None:
                policy, most = self._held(purse, request, policy)
            consulted: AnyCall = Call(
                operation=operation, request=request, policy=policy, deadline=call.deadline, purpose=purpose
            )
            cost = None
            response = await self._whole(consulted)
            cost = response.cost_usd
        except _UNSENT:
            cost = Decimal(0)
            raise
        finally:
            if purse is not None:
                purse.settle(most, cost)
            call.trail.noted(purpose, "consulted", f"asked {request.model}", cost=cost)
        return response

    def _held(self, purse: Purse, request: AnyRequest, policy: Policy) -> tuple[Policy, Decimal]:
        """What a consultation costs at worst, for which there is room then, and the policy that keeps it to that."""
        worst = self.worst(request, policy)
        purse.hold(None if worst is None else worst.total)
        return (policy, Decimal(0)) if worst is None else (replace(policy, max_billable=worst.together), worst.total)

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
                    discovered[provider] = await self._adapters.http(provider, row).list_models(timeouts)
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
