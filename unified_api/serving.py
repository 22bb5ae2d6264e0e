"""The inmost handler of every call: selects who may serve, fits the request to each, asks, and prices the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from unified_api.adapter import Adapter
from unified_api.adapters import Adapters
from unified_api.attempts import Attempts, Judged, bounded
from unified_api.call import AnyCall, Call, Consult, Operation
from unified_api.catalog import Catalog
from unified_api.clock import Clock
from unified_api.escalation import Escalating, escalates
from unified_api.estimates import Worst
from unified_api.fitting import Fitted, Fitting, Ways
from unified_api.health import Health
from unified_api.models import Model, Selection
from unified_api.needs import AnyRequest
from unified_api.routing.affinity import Affinity, Session, kept_to
from unified_api.selecting import Selecting
from unified_api.settings import Timeouts
from unified_api.streams.streaming import Streaming
from unified_api.types import Chunk, Policy, Request, Response, Usage

__all__ = ["Serving"]

_TOLD = 5
"""Candidates of an order that are named on the trail."""


class Serving:
    """Answers calls by the models of `catalog`. Layers lie around it."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        *,
        adapters: Adapters,
        clock: Clock,
        random: Callable[[], float],
        consult: Consult,
        health: Health,
        affinity: Affinity,
    ) -> None:
        self._affinity = affinity
        self._adapters = adapters
        self._clock = clock
        self._attempts = Attempts(clock=clock, random=random, health=health)
        self._refused_ways: Ways = {}
        self._selecting = Selecting(catalog, random=random, seconds=health.seconds, refused_ways=self._refused_ways)
        self._escalating = Escalating(consult=consult, clock=clock)
        self._streaming = Streaming(
            adapters=adapters,
            attempts=self._attempts,
            escalating=self._escalating,
            clock=clock,
            ways=self._refused_ways,
            price=self.price,
            succeeded=self._remember,
        )

    async def whole(self, call: AnyCall) -> Any:
        """The response of the call's kind."""
        rules = self._selected(call).rules
        fitting: Fitting[Any] = Fitting(call.request, call.policy, self._refused_ways)

        @asynccontextmanager
        async def ask(model: Model, deadline: float, patience: float) -> AsyncIterator[tuple[Fitted[Any], Any]]:
            sender = _sender(self._adapters.of(model), call.operation)
            timeouts = self._adapters.timeouts(model, rules, patience=patience)

            async def send(request: Any) -> Any:
                return await bounded(self._clock, deadline, lambda: sender(model, request, timeouts))

            async def answer(fitted: Fitted[Any]) -> Any:
                return await self._escalating.asked(call, model, fitted.request, send)

            fitted, response = await fitting.ask(model, answer)
            yield fitted, self._priced(model, fitting.read(model, fitted, response))

        async def judge(model: Model, asked: tuple[Fitted[Any], Any]) -> Judged:
            return await self._escalating.judged(call, model, asked[1])

        async with self._attempts.first(call, ask, judge if escalates(call) else None) as won:
            model, (fitted, response), cost = won.model, won.result, won.result[1].cost_usd
            if not won.rejected:
                seconds, note = self._clock.now() - won.started, fitted.note
                # By how much had come it is told what an answer cost whose usage nobody told.
                received = len(response.text) if cost is None and isinstance(response, Response) else 0
                call.trail.succeeded(model, seconds, cost=cost, note=note, confidence=won.confidence, received=received)
            self._remember(call, model)
            return replace(_as_asked(call, response), quality=model.quality, attempts=call.trail.story)

    @asynccontextmanager
    async def stream(self, call: Call[Request]) -> AsyncIterator[AsyncIterator[Chunk]]:
        """The chunks of one answer; usage comes with its cost."""
        self._selected(call)
        async with self._streaming.stream(call) as chunks:
            yield chunks

    def select(self, request: AnyRequest, policy: Policy) -> Selection:
        """Who may serve, in the order of asking. NoCandidateError where nobody may."""
        return self._selecting.select(request, policy)

    def selected(self, call: AnyCall) -> Selection:
        """Who will serve the call, in the order of asking. NoCandidateError where nobody may."""
        policy = call.policy
        if call.operation == "stream":
            policy = replace(policy, needs=policy.needs | {"streaming"})
        selection = self.select(call.request, policy)
        return selection if policy.caller.session is None else self._kept_to(call, selection)

    def worst_cost(self, request: AnyRequest, policy: Policy) -> Worst | None:
        """The most that such a call may cost; None for an unknown price."""
        return self._selecting.worst_cost(request, policy)

    def selected_priced(self, call: AnyCall) -> tuple[Selection, Worst | None]:
        """The same without those of unknown price, and the most that the call may cost; None where nobody is left."""
        return self._selecting.priced(self.selected(call), call.request, call.policy)

    def price(self, model: Model, echoed: str, usage: Usage) -> Decimal | None:
        """By the echoed name first: an alias is billed as the dated model it stands for."""
        return self._selecting.price(model, echoed, usage)

    def _selected(self, call: AnyCall) -> Selection:
        """Who may serve the call, said on its trail."""
        selection = call.trail.selection = self.selected(call) if call.selection is None else call.selection
        if selection.rules.because is not None:
            call.trail.noted(
                "routing", "condition", f"route/{selection.rules.name} chose, as {selection.rules.because}"
            )
        strategy = call.policy.strategy or selection.rules.strategy
        if strategy != "priority" and len(selection.candidates) > 1:
            order = ", ".join(one.id for one in selection.candidates[:_TOLD])
            call.trail.noted("routing", "ordered", f"by {strategy}: {order}")
        for layer, code, words in selection.notes:
            call.trail.noted(layer, code, words)
        return selection

    def _kept_to(self, call: AnyCall, selection: Selection) -> Selection:
        """With the deployment first that served the call's session before."""
        session = _session(call)
        served = None if session is None else self._affinity.model_of(session, now=self._clock.now())
        if served is None or served == selection.candidates[0].id:
            return selection
        kept = kept_to(selection, served)
        if kept is None:
            words = f"{served} served this session before and cannot come first now"
            return replace(selection, notes=(("affinity", "not_kept", words),))
        words = f"{served} served this session before, so it is asked first"
        return replace(kept, notes=(("affinity", "kept", words),))

    def _remember(self, call: AnyCall, model: Model) -> None:
        session = _session(call)
        if session is not None:
            self._affinity.remember(session, model.id, now=self._clock.now())

    def _priced(self, model: Model, response: Any) -> Any:
        """With what it cost, where that is known."""
        if response.cost_usd is not None:
            return response
        cost = self.price(model, response.model.removeprefix(f"{model.provider}/"), response.usage)
        return replace(response, cost_usd=cost)


def _session(call: AnyCall) -> Session | None:
    """Whose deployment matters: a chat's, for its provider's cache of the prompt and the state of earlier answers."""
    is_chat = call.purpose == "answer" and call.operation in ("chat", "stream")
    return Session.of(call.policy.caller, call.request.model) if is_chat else None


def _as_asked(call: AnyCall, response: Any) -> Any:
    """Without the tokens' probabilities where only an evaluator asked for them."""
    if isinstance(response, Response) and response.logprobs and call.request.logprobs is None:
        return replace(response, logprobs=())
    return response


def _sender(adapter: Adapter, operation: Operation) -> Callable[[Model, Any, Timeouts], Awaitable[Any]]:
    send: Callable[[Model, Any, Timeouts], Awaitable[Any]] = getattr(adapter, operation)
    return send
