"""Answers streamed calls: opens a stream, tells what became of it, and goes on after a break where that is safe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

from unified_api.adapters import Adapters
from unified_api.attempts import Attempts, Judged
from unified_api.call import Call
from unified_api.clock import Clock
from unified_api.errors import GatewayError
from unified_api.escalation import Escalating, Held, escalates, held_back, may_reject
from unified_api.fitting import Fitted, Fitting, Ways
from unified_api.models import Model, RouteRules
from unified_api.streams.apart import Apart, Kept
from unified_api.streams.begun import Begun
from unified_api.streams.breaks import explain, is_whole, onward, turn
from unified_api.streams.opening import open_stream
from unified_api.streams.seam import joined
from unified_api.types import Chunk, Request, Usage, UsageChunk

__all__ = ["Streaming"]

_Chunks: TypeAlias = AsyncIterator[Chunk] | Held
Price: TypeAlias = Callable[[Model, str, Usage], Decimal | None]
"""What the usage costs at a model; the second argument is the name that it echoed."""


class Streaming:
    """Streams the answers of the models that `Call.trail` has selected."""

    def __init__(
        self,
        *,
        adapters: Adapters,
        attempts: Attempts,
        escalating: Escalating,
        clock: Clock,
        ways: Ways,
        price: Price,
        succeeded: Callable[[Call[Request], Model], None],
    ) -> None:
        self._adapters = adapters
        self._attempts = attempts
        self._escalating = escalating
        self._clock = clock
        self._ways = ways
        self._price = price
        self._has_succeeded = succeeded

    @asynccontextmanager
    async def stream(self, call: Call[Request]) -> AsyncIterator[AsyncIterator[Chunk]]:
        """The chunks of one answer; usage comes with its cost."""
        async with Apart[Begun]() as room:
            kept = await room.enter(self._begun(call))
            async with aclosing(self._told(call, kept, room)) as chunks:
                yield chunks

    @asynccontextmanager
    async def _begun(self, call: Call[Request]) -> AsyncIterator[Begun]:
        fitting = Fitting(call.request, call.policy, self._ways)
        rules = RouteRules() if call.trail.selection is None else call.trail.selection.rules

        @asynccontextmanager
        async def ask(model: Model, deadline: float, patience: float) -> AsyncIterator[tuple[Fitted[Request], _Chunks]]:
            timeouts, adapter = self._adapters.timeouts(model, rules, patience=patience), self._adapters.of(model)
            async with AsyncExitStack() as stack:

                async def open_(request: Request) -> AsyncIterator[Chunk]:
                    stream = open_stream(adapter, model, request, timeouts, clock=self._clock, deadline=deadline)
                    return await stack.enter_async_context(stream)

                async def opened(fitted: Fitted[Request]) -> AsyncIterator[Chunk]:
                    return await self._escalating.asked(call, model, fitted.request, open_)

                fitted, chunks = await fitting.ask(model, opened)
                read = await stack.enter_async_context(aclosing(fitting.reading(model, fitted, chunks)))
                yield fitted, await held_back(read, model) if may_reject(call, model) else read

        async def judge(model: Model, asked: tuple[Fitted[Request], _Chunks]) -> Judged:
            held = asked[1]
            return await self._judged(call, model, held) if isinstance(held, Held) else Judged(None)

        async with self._attempts.first(call, ask, judge if escalates(call) else None) as won:
            fitted, chunks = won.result
            call.trail.model = won.model
            async with AsyncExitStack() as stack:
                if isinstance(chunks, Held):
                    replayed = chunks.replayed(probabilities=call.request.logprobs is not None)
                    chunks = await stack.enter_async_context(aclosing(replayed))
                begun = Begun(
                    model=won.model,
                    note=fitted.note,
                    chunks=chunks,
                    started=won.started,
                    broke=won.broke,
                    left=won.left,
                    confidence=won.confidence,
                    is_told=won.rejected,
                )
                try:
                    yield begun
                finally:
                    self._left(call, begun)  # for a reader that reads nothing, or is gone before it can

    async def _judged(self, call: Call[Request], model: Model, held: Held) -> Judged:
        response = held.response
        cost = response.cost_usd
        if cost is None:
            cost = self._price(model, response.model.removeprefix(f"{model.provider}/"), response.usage)
        return await self._escalating.judged(call, model, replace(response, cost_usd=cost))

    async def _told(self, call: Call[Request], kept: Kept[Begun], room: Apart[Begun]) -> AsyncGenerator[Chunk]:
        """The chunks with what they cost, and those of the stream that goes on after a break, as often as that may be.

        How each stream ended is told to the trail; it is closed at once, whoever ends the iteration and where.
        """
        before: Begun | None = None
        while True:
            begun = kept.result
            add = begun.came.append
            try:
                for said in () if before is None else turn(call, before, begun):
                    yield said
                async for chunk in begun.chunks:
                    one = self._priced(begun, chunk) if isinstance(chunk, UsageChunk) else chunk
                    add(one)
                    yield one
            except GatewayError as error:
                if is_whole(call, begun, error):
                    self._succeeded(call, begun)
                    return
                self._broke(call, begun, error)
                failure = error
            else:
                self._succeeded(call, begun)
                return
            finally:
                self._left(call, begun)
                await kept.leave()
            before, kept = begun, await self._next(call, begun, failure, room)

    async def _next(self, call: Call[Request], begun: Begun, error: GatewayError, room: Apart[Begun]) -> Kept[Begun]:
        """The stream that goes on after `error`; raises that error, saying why, where none does."""
        following = onward(call, begun, error, now=self._clock.now())
        if isinstance(following, str):
            explain(error, begun, call, following)
            raise error
        try:
            kept = await room.enter(self._begun(following))
        except GatewayError as failure:
            if call.policy.reader == "step":
                raise
            explain(error, begun, call, f"asking for the rest failed ({failure.message})")
            raise error from failure
        self._turned(call, begun, kept.result)
        return kept

    def _turned(self, call: Call[Request], before: Begun, begun: Begun) -> None:
        call.trail.model = begun.model
        there = f"after {before.had:,} characters of {before.model.id}"
        if call.policy.reader == "step":
            call.trail.noted("streams", "restarted", f"{there} the answer was begun anew by {begun.model.id}")
            return
        call.trail.noted("streams", "continued", f"{there} {begun.model.id} went on with the answer")
        begun.shown = before.shown + before.progress.text
        begun.chunks = joined(begun.chunks, begun.shown, repeats=begun.model.repeats_prefill)

    def _priced(self, begun: Begun, chunk: UsageChunk) -> UsageChunk:
        if chunk.cost_usd is None:
            chunk = replace(chunk, cost_usd=self._price(begun.model, chunk.model or "", chunk.usage))
        begun.cost = chunk.cost_usd
        return chunk

    def _succeeded(self, call: Call[Request], begun: Begun) -> None:
        self._has_succeeded(call, begun.model)
        if begun.is_told:
            return
        progress, seconds = begun.progress, self._clock.now() - begun.started
        call.trail.succeeded(
            begun.model,
            seconds,
            cost=begun.cost if progress.told is not None else self._price(begun.model, "", Usage()),
            note=begun.note,
            received=progress.received,
            confidence=begun.confidence,
        )
        begun.is_told = True

    def _broke(self, call: Call[Request], begun: Begun, error: GatewayError) -> None:
        error.billable = True  # content has come
        begun.broke(error)
        seconds = self._clock.now() - begun.started
        cost = self._taken(call, begun, seconds)
        call.trail.failed(begun.model, error, seconds, cost=cost, received=begun.progress.received)
        begun.is_told = True

    def _left(self, call: Call[Request], begun: Begun) -> None:
        if begun.is_told:
            return
        begun.left()
        seconds = self._clock.now() - begun.started
        cost = self._taken(call, begun, seconds)
        call.trail.cancelled(begun.model, seconds, cost=cost, received=begun.progress.received)
        begun.is_told = True

    def _taken(self, call: Call[Request], begun: Begun, seconds: float) -> Decimal | None:
        """What a stream that has no end is taken to have cost."""
        told, usage = begun.progress.told, begun.likely_usage(call.request, seconds=seconds)
        return self._price(begun.model, (told.model if told is not None else None) or "", usage)
