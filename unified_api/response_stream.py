"""A streamed answer: first-token and silence timeouts below, price and trail on top."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import NoReturn

import anyio.lowlevel

from unified_api.adapter import Adapter
from unified_api.attempts import Won
from unified_api.clock import Clock
from unified_api.errors import DeadlineExceededError, GatewayError, TimedOutError
from unified_api.fitting import Fitted
from unified_api.models import Model
from unified_api.settings import Timeouts
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    FinishChunk,
    LogprobsChunk,
    PartChunk,
    Request,
    Response,
    SentChunk,
    SkippedChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire.collect import Collector

__all__ = ["ResponseStream", "open_stream"]


@asynccontextmanager
async def open_stream(
    adapter: Adapter, model: Model, request: Request, timeouts: Timeouts, *, clock: Clock, deadline: float
) -> AsyncIterator[AsyncIterator[Chunk]]:
    """The chunks of `model`, opened once its first content is there: until then another model may still be asked.

    Raises:
        TimedOutError: no first content, or none further, in time.
        DeadlineExceededError: `deadline` passed.
        ProviderError: what the adapter raises.

    """
    limit = clock.now() + timeouts.first_token_s
    with clock.scope(min(limit, deadline)) as scope:
        async with adapter.stream(model, request, timeouts) as chunks:
            head: list[Chunk] = []
            async for chunk in chunks:
                head.append(chunk)
                if _is_content(chunk):
                    break
            scope.deadline = inf
            if scope.cancel_called:  # content and deadline came together: end here, not in the reader's block
                await anyio.lowlevel.checkpoint()
            async with aclosing(_timed(head, chunks, model, timeouts, clock=clock, deadline=deadline)) as timed:
                yield timed
    if scope.cancelled_caught:
        _raise_timeout(
            model,
            f"began no answer within {timeouts.first_token_s:g} s ([timeouts] first_token_s)",
            passed=deadline <= limit,
        )


async def _timed(
    head: list[Chunk],
    chunks: AsyncIterator[Chunk],
    model: Model,
    timeouts: Timeouts,
    *,
    clock: Clock,
    deadline: float,
) -> AsyncGenerator[Chunk]:
    for chunk in head:
        yield chunk
    while True:
        limit = clock.now() + timeouts.silence_s
        # The scope is left before the chunk is handed on, so that the reader's own slowness is never counted.
        with clock.scope(min(limit, deadline)) as scope:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
        if scope.cancelled_caught:
            _raise_timeout(
                model, f"was silent for {timeouts.silence_s:g} s ([timeouts] silence_s)", passed=deadline <= limit
            )
        yield chunk


def _raise_timeout(model: Model, fault: str, *, passed: bool) -> NoReturn:
    if passed:
        message = f"the deadline of the call passed while {model.id} was answering; allow more with deadline_s"
        raise DeadlineExceededError(message, provider=model.provider, model=model.id)
    raise TimedOutError(f"{model.id} {fault}", provider=model.provider, model=model.id)


def _is_content(chunk: Chunk) -> bool:
    match chunk:
        case UsageChunk() | FinishChunk() | SentChunk() | SkippedChunk() | LogprobsChunk() | AlternativeChunk():
            return False
        case PartChunk() | CitationChunk():
            return True
        case ToolCallChunk():
            return bool(chunk.name or chunk.arguments)
        case _:
            return bool(chunk.text)


class ResponseStream:
    """The chunks of one answer, to be iterated once; `response` is the whole answer after the end.

    The last UsageChunk carries the cost. An error that comes after content ends the iteration; it is never hidden and
    never routed around, and its `attempts` tell the story.
    """

    def __init__(
        self,
        won: Won[tuple[Fitted[Request], AsyncIterator[Chunk]]],
        *,
        clock: Clock,
        price: Callable[[Model, str, Usage], Decimal | None],
    ) -> None:
        self._won = won
        self._fitted, self._chunks = won.result
        self._clock = clock
        self._price = price
        self._collector = Collector()
        self._response: Response | None = None

    @property
    def model(self) -> str:
        """The model that is answering, as `provider/model`."""
        return self._won.model.id

    @property
    def response(self) -> Response:
        """The whole answer. RuntimeError before the stream has ended well."""
        if self._response is None:
            raise RuntimeError("the stream has not ended: iterate it to its end before asking for its response")
        return self._response

    @property
    def text(self) -> str:
        """What has been read so far."""
        return self._collector.response(provider=self._won.model.provider, model=self._won.model.name).text

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._finish()
            raise
        except GatewayError as error:
            error.billable = True  # content has come
            self._won.trail.failed(self._won.model, error, self._seconds())
            error.attempts = self._won.trail.story
            raise
        if isinstance(chunk, UsageChunk) and chunk.cost_usd is None:
            chunk = replace(chunk, cost_usd=self._price(self._won.model, chunk.model or "", chunk.usage))
        self._collector.add(chunk)
        return chunk

    def _finish(self) -> None:
        if self._response is not None:
            return
        model, trail = self._won.model, self._won.trail
        response = self._collector.response(provider=model.provider, model=model.name)
        cost = response.cost_usd
        if cost is None:
            cost = self._price(model, response.model.removeprefix(f"{model.provider}/"), response.usage)
        trail.succeeded(model, self._seconds(), cost=cost, note=self._fitted.note)
        self._response = replace(response, cost_usd=cost, quality=model.quality, attempts=trail.story)

    def _seconds(self) -> float:
        return self._clock.now() - self._won.started
