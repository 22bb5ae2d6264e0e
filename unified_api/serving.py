"""The inmost handler of every call: selects who may serve, fits the request to each, asks, and prices the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from unified_api import pricing
from unified_api.adapter import Adapter
from unified_api.adapters import Adapters
from unified_api.attempts import Attempts, bounded
from unified_api.call import AnyCall, Call, Operation
from unified_api.catalog import Catalog
from unified_api.clock import Clock
from unified_api.estimates import held, longest_answer
from unified_api.fitting import Fitted, Fitting, Ways, left_out, must_hold, way_of
from unified_api.models import Model, Selection
from unified_api.needs import AnyRequest, least_tokens, needs_of, tools_of, worst_tokens
from unified_api.settings import Timeouts
from unified_api.streaming import Streaming
from unified_api.types import Capability, Chunk, Policy, Request, Usage

__all__ = ["Serving"]

_WRITE: frozenset[Capability] = frozenset({"chat", "image_output"})
"""Whose answers are paid for by what they hold."""


class Serving:
    """Answers calls by the models of `catalog`. Layers lie around it."""

    def __init__(
        self, catalog: Callable[[], Catalog], *, adapters: Adapters, clock: Clock, random: Callable[[], float]
    ) -> None:
        self._catalog = catalog
        self._adapters = adapters
        self._clock = clock
        self._attempts = Attempts(clock=clock, random=random)
        self._refused_ways: Ways = {}
        self._streaming = Streaming(
            adapters=adapters, attempts=self._attempts, clock=clock, ways=self._refused_ways, price=self.price
        )

    async def whole(self, call: AnyCall) -> Any:
        """The response of the call's kind."""
        call.trail.selection = self.select(call.request, call.policy)
        fitting: Fitting[Any] = Fitting(call.request, call.policy, self._refused_ways)

        @asynccontextmanager
        async def ask(model: Model, deadline: float) -> AsyncIterator[tuple[Fitted[Any], Any]]:
            send, timeouts = _sender(self._adapters.of(model), call.operation), self._adapters.timeouts(model)

            async def answer(fitted: Fitted[Any]) -> Any:
                return await bounded(self._clock, deadline, lambda: send(model, fitted.request, timeouts))

            yield await fitting.ask(model, answer)

        async with self._attempts.first(call, ask) as won:
            model, (fitted, response) = won.model, won.result
            response = fitting.read(model, fitted, response)
            cost = response.cost_usd
            if cost is None:
                cost = self.price(model, response.model.removeprefix(f"{model.provider}/"), response.usage)
            call.trail.succeeded(model, self._clock.now() - won.started, cost=cost, note=fitted.note)
            return replace(response, cost_usd=cost, quality=model.quality, attempts=call.trail.story)

    @asynccontextmanager
    async def stream(self, call: Call[Request]) -> AsyncIterator[AsyncIterator[Chunk]]:
        """The chunks of one answer; usage comes with its cost."""
        call = replace(call, policy=replace(call.policy, needs=call.policy.needs | {"streaming"}))
        call.trail.selection = self.select(call.request, call.policy)
        async with self._streaming.stream(call) as chunks:
            yield chunks

    def select(self, request: AnyRequest, policy: Policy) -> Selection:
        """Who may serve, in the order of asking. NoCandidateError where nobody may."""
        policy = replace(policy, needs=policy.needs | needs_of(request))
        selection = self._catalog().candidates(
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

    def worst_cost(self, request: AnyRequest, policy: Policy) -> Decimal | None:
        """The most that one try may cost: the dearest candidate at the longest answer; None for an unknown price."""
        asked = worst_tokens(request)
        worst = Decimal(0)
        candidates = self.select(request, policy).candidates
        for model in candidates if policy.fallback else candidates[:1]:
            longest = longest_answer(request, model, left_out(request, policy, model.unsupported))
            cost = self.price(model, "", Usage(input_tokens=held(asked, request, model), output_tokens=longest))
            if cost is None:
                return None
            worst = max(worst, cost)
        return worst

    def price(self, model: Model, echoed: str, usage: Usage) -> Decimal | None:
        """By the echoed name first: an alias is billed as the dated model it stands for."""
        return pricing.charge(
            usage,
            plain=self._catalog().stated_prices(model),
            base_url=self._catalog().price_address(model.provider),
            names=(echoed, model.name) if echoed else (model.name,),
            writes=bool(model.capabilities & _WRITE) or not model.capabilities,
        )


def _sender(adapter: Adapter, operation: Operation) -> Callable[[Model, Any, Timeouts], Awaitable[Any]]:
    send: Callable[[Model, Any, Timeouts], Awaitable[Any]] = getattr(adapter, operation)
    return send
