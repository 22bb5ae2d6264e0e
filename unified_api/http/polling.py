"""Work that a provider does after its first answer: asked for until it is done, cancelled when nobody waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from unified_api.clock import Clock
from unified_api.errors import ConnectionFailedError, GatewayError, ProviderError, RateLimitError, ServerError
from unified_api.wire.base import Pending, WireRequest

__all__ = ["settled"]

_FIRST_DELAY_S = 0.5
_GROWTH = 1.5
_LONGEST_DELAY_S = 5.0
_FAILURES = 4
"""Questions in a row that may fail in passing: the work goes on meanwhile, and is paid for."""
_CANCELLING_S = 2.0
_PASSING = (ConnectionFailedError, RateLimitError, ServerError)

Send = Callable[[WireRequest], Awaitable[bytes]]


async def settled(body: bytes, pending: Callable[[bytes], Pending | None], send: Send, *, clock: Clock) -> bytes:
    """The answer that says the work is done, beginning with the first answer `body`.

    However this ends before, by an error, a deadline or a caller who leaves, the provider is told to stop.
    """
    waiting = pending(body)
    delay = _FIRST_DELAY_S
    try:
        while waiting is not None:
            await clock.sleep(delay)
            delay = min(delay * _GROWTH, _LONGEST_DELAY_S)
            body = await _asked(waiting.poll, send, clock=clock)
            waiting = pending(body)
    except ProviderError as error:
        error.billable = True  # the work had begun
        raise
    finally:
        if waiting is not None and waiting.cancel is not None:
            await _cancel(waiting.cancel, send)
    return body


async def _asked(poll: WireRequest, send: Send, *, clock: Clock) -> bytes:
    for _ in range(_FAILURES - 1):
        try:
            return await send(poll)
        except _PASSING as error:
            await clock.sleep(_LONGEST_DELAY_S if error.retry_after is None else max(error.retry_after, 0.0))
    return await send(poll)


async def _cancel(request: WireRequest, send: Send) -> None:
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CANCELLING_S), suppress(GatewayError):
        await send(request)
