"""What httpx, aiohttp and Python say of a connection that failed, in our errors."""

from __future__ import annotations

import os
import ssl
from typing import NoReturn

from unified_api.errors import (
    ConnectionFailedError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    TimedOutError,
)
from unified_api.http.call import Call
from unified_api.http.inflate import InflationError
from unified_api.wire.quoting import shorten

__all__ = ["failures", "raise_ours", "unsendable"]


def unsendable(error: ValueError, call: Call) -> ProviderError:
    """What Python itself says of addresses and headers that cannot be, in our words."""
    if isinstance(error, UnicodeError) and getattr(error, "encoding", "idna") == "idna":
        message = f"{shorten(call.url.partition('?')[0])} names no host that can be: {error}. Is the address right?"
        return ConnectionFailedError(message, provider=call.provider, model=call.model)
    # The error of a header may hold its value, and with it the key.
    message = f"the request to {call.provider} cannot be sent: {error}. Is each of its headers plain ASCII text?"
    return InvalidRequestError(message, provider=call.provider, model=call.model)


def failures() -> tuple[type[Exception], ...]:
    """What the libraries raise. In an `except` it is asked for only when something has been raised."""
    import aiohttp
    import httpx

    return (InflationError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError)


def raise_ours(error: Exception, call: Call, *, answering: bool = False) -> NoReturn:
    """Turns the libraries' exceptions into ours. httpx-aiohttp calls a broken connection a timeout, so the cause,
    where there is one, decides. What breaks off an answer that has begun may be billed.
    """
    import aiohttp
    import httpx

    if isinstance(error, InflationError):
        message = f"the answer of {call.provider} cannot be unpacked: {error}"
        raise MalformedResponseError(message, provider=call.provider, model=call.model) from None
    cause = error.__cause__
    address = shorten(call.url.partition("?")[0])
    words = shorten(_words(cause or error))
    timed_out = isinstance(error, httpx.TimeoutException) and not isinstance(cause, aiohttp.ClientError)
    if timed_out or isinstance(cause, TimeoutError):
        message = f"no connection to {call.provider} at {address} in time"
        timeout = TimedOutError(message, provider=call.provider, model=call.model)
        timeout.billable = answering
        raise timeout from error
    garbled = (aiohttp.ClientResponseError, httpx.RemoteProtocolError, httpx.DecodingError)
    if isinstance(error, garbled) or isinstance(cause, garbled):
        message = f"{address} does not answer in valid HTTP: {words}"
        # aiohttp's error holds the request's headers, and with them the key
        raise MalformedResponseError(message, provider=call.provider, model=call.model) from None
    message = f"the connection to {call.provider} at {address} failed: {words}. Is the address right, and is it up?"
    failure = ConnectionFailedError(message, provider=call.provider, model=call.model)
    failure.billable = answering
    raise failure from error


def _words(error: BaseException) -> str:
    """What went wrong: of a connection the system's words, which aiohttp wraps in its own terms."""
    system = getattr(error, "os_error", None)
    if not isinstance(system, OSError) or isinstance(system, ssl.SSLError):
        return str(error) or type(error).__name__
    if system.errno is not None and system.errno > 0:  # a resolver's numbers are negative and its own
        return os.strerror(system.errno)
    return system.strerror or str(system)
