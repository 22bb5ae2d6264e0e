"""Opens the stream of one model, with the timeouts of its first content and of silence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from math import inf
from typing import NoReturn

import anyio.lowlevel

from unified_api.adapter import Adapter
from unified_api.clock import Clock
from unified_api.errors import DeadlineExceededError, TimedOutError
from unified_api.models import Model
from unified_api.settings import Timeouts
from unified_api.streams.batched import Batched
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    FinishChunk,
    LogprobsChunk,
    PartChunk,
    Request,
    RestartChunk,
    SentChunk,
    SkippedChunk,
    ToolCallChunk,
    UsageChunk,
)

__all__ = ["open_stream"]

_TURN = 64
"""Chunks after which everybody else has a turn. Where the next one is always there already, nothing waits, and neither
a timer nor a cancellation would ever be heard."""


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
            head = await _head(chunks)
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


async def _head(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    """What comes up to the first content."""
    head: list[Chunk] = []
    async for chunk in chunks:
        head.append(chunk)
        if _is_content(chunk):
            break
        if not len(head) % _TURN:
            await anyio.lowlevel.checkpoint()
    return head


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
    batched = chunks if isinstance(chunks, Batched) else None
    since = 0
    while True:
        since += 1
        if since >= _TURN:
            since = 0
            await anyio.lowlevel.checkpoint()
        now = clock.now()
        if now >= deadline:  # a scope ends only what waits, and a slow reader's time is none of its own
            _raise_timeout(model, "", passed=True)
        if batched is not None and (here := batched.take()) is not None:
            yield here  # a scope costs as much as all else that is done with a chunk, and there is nothing to wait for
            continue
        limit = now + timeouts.silence_s
        # The scope is left before the chunk is handed on, so that the reader's own slowness is no silence.
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
        case RestartChunk():
            return False
        case PartChunk() | CitationChunk():
            return True
        case ToolCallChunk():
            return bool(chunk.name or chunk.arguments)
        case _:
            return bool(chunk.text)
