"""The layer that answers from what was answered before, or is being answered just now."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio.lowlevel

from unified_api.caching.flights import End, Failed, Flight, Flights, Landed, Left, Stalled
from unified_api.caching.keys import asks_for_chance, key_of
from unified_api.caching.own import own
from unified_api.caching.replay import chunks_of
from unified_api.caching.similar import Probe, Similar
from unified_api.caching.store import Store
from unified_api.caching.worth import keeps_to_schema, may_be_joined, may_be_kept
from unified_api.call import AnyCall, AnyResponse, Call, Consult, Handler, StreamHandler
from unified_api.clock import Clock
from unified_api.errors import DeadlineExceededError, GatewayError
from unified_api.models import Selection
from unified_api.needs import AnyRequest
from unified_api.settings import CacheSettings
from unified_api.types import Attempt, Chunk, Policy, Request, Response, cleared
from unified_api.wire.collect import Collector

__all__ = ["Cache"]

STALL_S = 2.0
"""How long the reader of a stream may ask for nothing before those who wait for the answer ask for themselves."""

_VECTORS = 4
"""This part of the memory is for the vectors of questions, where similar ones are looked for."""
_OBJECTIONS = frozenset({
    ("safety", "unsafe"), ("safety", "no_verdict"), ("routing", "best_rejected"), ("streams", "continued"),
})  # fmt: skip
"""Notes of other layers on an answer that is not to be kept: unsafe or unjudged, found wanting, or by two models."""


class Cache:
    """Keeps whole, plain answers, and joins calls that are the same while one of them is made.

    Who waits for another's call pays nothing, keeps its own deadline, and takes the call over when its maker leaves.
    """

    def __init__(
        self,
        settings: CacheSettings,
        *,
        clock: Clock,
        consult: Consult,
        select: Callable[[AnyRequest, Policy], Selection],
        weighted: AbstractSet[str] = frozenset(),
    ) -> None:
        """`weighted`: routes, as requests name them, each of whose models has a share of the callers."""
        self._settings = settings
        self._clock = clock
        self._select = select
        self._weighted = weighted
        semantic = settings.semantic
        vectors = settings.max_bytes // _VECTORS if semantic.active else 0
        self._store = Store(
            max_entries=settings.max_entries, max_bytes=settings.max_bytes - vectors, max_age_s=settings.max_age_s
        )
        self._flights = Flights()
        self._similar = (
            Similar(semantic, max_bytes=vectors, store=self._store, consult=consult, clock=clock)
            if semantic.active
            else None
        )

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        key = self._key(call)
        found = None if key is None else await self._look(key, call)
        if key is None or found is None:
            return await proceed(call)
        if not isinstance(found, Flight):
            return found
        try:
            probe = await self._probe(call)
            response = self._alike(call, probe)
            if response is None:
                response = await proceed(call)
                self._keep(key, call, response, probe)
            self._flights.end(key, found, Landed(own(response), _asked(call, response)))
        except GatewayError as error:
            self._flights.end(key, found, Failed(error, call.deadline - self._clock.now()))
            raise
        finally:
            self._flights.end(key, found, Left())
        return response

    @asynccontextmanager
    async def stream(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        key = self._key(call)
        found = None if key is None else await self._look(key, call)
        if key is None or found is None:
            async with proceed(call) as chunks:
                yield chunks
        elif not isinstance(found, Flight):
            async with aclosing(_told(found)) as chunks:
                yield chunks
        else:
            try:
                async with AsyncExitStack() as stack:
                    yield await self._opened(stack, key, found, call=call, proceed=proceed)
            finally:
                self._flights.end(key, found, Left())

    def _key(self, call: AnyCall) -> bytes | None:
        """None for a call that is not to be answered from the cache."""
        settings, policy = self._settings, call.policy
        if call.purpose != "answer" or not policy.cache or not cleared(settings.clearance, policy.sensitivity):
            return None
        if (call.operation if call.operation != "stream" else "chat") not in settings.operations:
            return None
        if not settings.sampled and asks_for_chance(call.request):
            return None
        return key_of(call.request, policy, side=self._side(call))

    def _side(self, call: AnyCall) -> str | None:
        """The model that falls to this caller, where a route gives each of its models a share of the callers."""
        strategy, caller = call.policy.strategy, call.policy.caller
        is_weighted = call.request.model in self._weighted if strategy is None else strategy == "weighted"
        if not is_weighted or not (caller.session or caller.user):
            return None
        try:
            selection = self._select(call.request, call.policy)
        except GatewayError:
            return None  # the call itself will say so
        is_branch = strategy is None and selection.rules.strategy != "weighted"  # a condition chose other models
        return None if is_branch else selection.candidates[0].id

    async def _look(self, key: bytes, call: AnyCall) -> AnyResponse | Flight | None:
        """The answer for this caller, or the flight that is its to make, or None where it goes its own way."""
        while True:
            now = self._clock.now()
            kept = self._store.get(key, now=now)
            if kept is not None:
                await anyio.lowlevel.checkpoint()
                return _given(call, kept.answer, model=kept.model, why=f"kept {_ago(now - kept.at)} ago")
            flight = self._flights.get(key)
            if flight is None:
                return self._flights.begin(key, call)
            match await self._wait(key, flight, call):
                case Landed(answer, model) if _suits(call, answer):
                    call.trail.records += _objections(flight.call)
                    return _given(call, answer, model=model, why="joined the same call while it was made")
                case Failed() as end if end.concerns(flight.call, call):
                    raise _shared(end.error, call) from end.error.__cause__  # by which callers tell what it means
                case Landed() | Stalled() | Failed(begun=True):
                    return None  # all who waited at once: one after the other, each would wait for all before it
                case Failed() | Left():
                    continue

    async def _wait(self, key: bytes, flight: Flight, call: AnyCall) -> End:
        """How the flight ended. One whose reader holds it up ends here, for all who wait and all who come later."""
        streamed, told = flight.call.operation == "stream", -1
        while True:
            until = min(call.deadline, self._clock.now() + STALL_S) if streamed else call.deadline
            with self._clock.scope(until):
                await flight.wait()
            if flight.end is not None:
                return flight.end
            if self._clock.now() >= call.deadline:
                raise _late(call)
            if flight.held and flight.told == told:
                self._flights.end(key, flight, Stalled())
                return Stalled()
            told = flight.told if flight.held else -1

    async def _opened(
        self, stack: AsyncExitStack, key: bytes, flight: Flight, *, call: Call[Request], proceed: StreamHandler
    ) -> AsyncIterator[Chunk]:
        """The chunks of a flight that is this call's to make."""
        probe = await self._probe(call)
        response = self._alike(call, probe)
        if response is not None:
            self._flights.end(key, flight, Landed(own(response), _asked(call, response)))
            return await stack.enter_async_context(aclosing(_told(response)))
        try:
            chunks = await stack.enter_async_context(proceed(call))
        except GatewayError as error:
            self._flights.end(key, flight, Failed(error, call.deadline - self._clock.now()))
            raise
        flight.held = True
        return await stack.enter_async_context(aclosing(self._collected(chunks, key, flight, call, probe)))

    async def _collected(
        self, chunks: AsyncIterator[Chunk], key: bytes, flight: Flight, call: Call[Request], probe: Probe | None
    ) -> AsyncGenerator[Chunk]:
        """The chunks as they come; a stream that is left lets one of those who wait begin anew."""
        collector = Collector()
        flight.held = False  # this far one comes when the first chunk is asked for
        try:
            async for chunk in chunks:
                collector.add(chunk)
                flight.told += 1
                flight.held = True
                yield chunk
                flight.held = False
        except GatewayError as error:
            self._flights.end(key, flight, Failed(error, call.deadline - self._clock.now(), begun=True))
            raise
        model = call.trail.model
        if model is None:
            return
        response = collector.response(provider=model.provider, model=model.name)
        response = replace(response, quality=model.quality)
        self._keep(key, call, response, probe)
        self._flights.end(key, flight, Landed(own(response), model.id))

    def _keep(self, key: bytes, call: AnyCall, response: AnyResponse, probe: Probe | None) -> None:
        if not may_be_kept(response) or not keeps_to_schema(response, call.request) or _objections(call):
            return
        if self._side(call) not in {None, _asked(call, response)}:
            return  # it stood in for the model that falls to these callers, which may be back for the next
        answer = own(replace(response, attempts=()))
        kept = self._store.put(key, answer, model=_asked(call, response), now=self._clock.now())
        if kept and probe is not None and self._similar is not None:
            self._similar.add(probe, key)

    async def _probe(self, call: AnyCall) -> Probe | None:
        return None if self._similar is None else await self._similar.probe(call, side=self._side(call))

    def _alike(self, call: AnyCall, probe: Probe | None) -> AnyResponse | None:
        """The answer to a question that means the same, where one is kept."""
        if self._similar is None or probe is None:
            return None
        now = self._clock.now()
        found = self._similar.find(probe, now=now)
        if found is None:
            return None
        kept, score = found
        why = f"kept {_ago(now - kept.at)} ago for a question that is alike by {score:.3f}"
        return _given(call, kept.answer, model=kept.model, why=why)


def _asked(call: AnyCall, response: AnyResponse) -> str:
    """The model that was asked for the answer, as the catalog names it."""
    answered = (one.model for one in reversed(call.trail.records) if one.outcome in {"succeeded", "cached"})
    return next(answered, response.model)


def _suits(call: AnyCall, answer: AnyResponse) -> bool:
    """Whether an answer to the same call may be this one's too. A stream has no way to say that it is a stand-in's."""
    if call.operation == "stream" and answer.quality is not None:
        return False
    limited = isinstance(call.request, Request) and call.request.max_tokens is not None
    return may_be_joined(answer, limited=limited)


def _given(call: AnyCall, answer: AnyResponse, *, model: str, why: str) -> AnyResponse:
    """The answer for one more caller, who pays nothing for it."""
    call.trail.cached(model, why)
    return replace(own(answer), cost_usd=Decimal(0), attempts=call.trail.story)


def _objections(call: AnyCall) -> list[Attempt]:
    """What somebody had to say of the answer that a kept one could not repeat."""
    return [one for one in call.trail.records if one.outcome == "noted" and (one.model, one.error) in _OBJECTIONS]


def _shared(error: GatewayError, call: AnyCall) -> GatewayError:
    """The failure of a call that this one waited for: its own words, and no bill."""
    code = error.code
    call.trail.noted("cache", "joined", f"waited for the same call while it was made, which failed: {code}")
    shared = copy.copy(error)
    shared.billable = False
    shared.attempts = call.trail.story
    return shared


def _late(call: AnyCall) -> DeadlineExceededError:
    call.trail.noted("cache", "joined", "waited for the same call while it was made, up to the deadline")
    error = DeadlineExceededError(
        "the deadline of the call passed while it waited for the same call of another caller; allow more with "
        "deadline_s, or ask without the cache"
    )
    error.billable = False
    error.attempts = call.trail.story
    return error


async def _told(response: AnyResponse) -> AsyncGenerator[Chunk]:
    """A kept answer as a stream."""
    chunks: Iterable[Chunk] = chunks_of(response) if isinstance(response, Response) else ()
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
