"""Sends one HTTP request: the only module that knows httpx, aiohttp or a socket.

httpx has had no release since 2024-12 (the SDKs moved to its continuation httpx2, same interface); it stays behind
this one module. Its own pool scans linearly, so connections are aiohttp's.
"""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import anyio

from unified_api.clock import Clock, MonotonicClock, Scope
from unified_api.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    TimedOutError,
)
from unified_api.inflate import ACCEPTED, Inflater, InflationError
from unified_api.providers import is_loopback
from unified_api.settings import Timeouts
from unified_api.wire.quoting import shorten

if TYPE_CHECKING:
    import httpx

__all__ = ["Call", "Reply", "StreamReply", "Transport"]

MAX_CONNECTIONS = 1024
_CLOSED_CONNECTIONS = 5
"""Kept connections of one call that may turn out to be closed."""
MAX_BODY_BYTES = 64 * 2**20
"""Room for several images in base64."""
MAX_STREAM_BYTES = 256 * 2**20
MAX_ERROR_BYTES = 64 * 2**10
_KNOWN_URLS = 256
"""Addresses that are kept parsed."""
_USER_AGENT = "meta-orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request, and on whose behalf, for the errors. Headers hold the key, so they are never shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    provider: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer whose body is still coming. `body` may be iterated once."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes] = field(repr=False)

    async def read(self, limit: int = MAX_ERROR_BYTES) -> bytes:
        """The rest, cut off at `limit` bytes: for error answers."""
        pieces = bytearray()
        async for piece in self.body:
            pieces += piece
            if len(pieces) >= limit:
                break
        return bytes(pieces[:limit])


class Transport:
    """Connections to every provider; one object for many calls at once. Redirects are never followed: they would
    carry the key to another address. `backend` stands in for the network in tests.
    """

    def __init__(self, *, clock: Clock | None = None, backend: httpx.AsyncBaseTransport | None = None) -> None:
        self._clock = clock or MonotonicClock()
        self._backend = backend
        self._connections: dict[_Way, httpx.AsyncBaseTransport] = {}
        self._ways: dict[tuple[str, bool], _Way] = {}
        self._urls: dict[str, httpx.URL] = {}

    async def send(self, call: Call, timeouts: Timeouts) -> Reply:
        """The whole answer, whatever its status.

        Raises:
            ConnectionFailedError: no connection, or it broke.
            TimedOutError: no connection, headers or further body within the timeouts.
            MalformedResponseError: no HTTP, or more than MAX_BODY_BYTES.

        """
        response: httpx.Response | None = None
        try:
            with self._clock.scope(self._clock.now() + timeouts.headers_s) as scope:
                response = await self._begun(call, timeouts)
                headers = _headers(response)
                body = await self._body(call, response, headers, scope, timeouts.silence_s)
            if not scope.cancelled_caught:
                await response.aclose()  # has nothing left to wait for
                return Reply(response.status_code, headers, body)
        except BaseException:
            if response is not None:
                await _close(response)
            raise
        if response is not None:
            await _close(response)
        raise _silent(call, timeouts, began=response is not None)

    @asynccontextmanager
    async def stream(self, call: Call, timeouts: Timeouts) -> AsyncIterator[StreamReply]:
        """The answer as soon as its headers are there; leaving the block closes the connection.

        Silence inside the body is the caller's to time, who knows content from keep-alive. Raises like `send`.
        """
        with self._clock.scope(self._clock.now() + timeouts.headers_s) as scope:
            # llama.cpp's server closes the connection after a stream without a word, and the next call on it would
            # fail.
            response = await self._begun(call, timeouts, once=call.url.startswith("http://"))
        if scope.cancelled_caught:
            raise _silent(call, timeouts, began=False)
        try:
            headers = _headers(response)
            async with aclosing(_pieces(response, headers, call)) as pieces:
                yield StreamReply(response.status_code, headers, pieces)
        finally:
            await _close(response)

    async def aclose(self) -> None:
        connections, self._connections = list(self._connections.values()), {}
        async with AsyncExitStack() as stack:
            for one in connections:
                stack.push_async_callback(one.aclose)

    async def _begun(self, call: Call, timeouts: Timeouts, *, once: bool = False) -> httpx.Response:
        """The answer's beginning."""
        try:
            connections = self._connected(call, once=once)
            return await _answered(connections, self._request(call, timeouts.connect_s))
        except _failures() as error:
            _raise_ours(error, call)
        except ValueError as error:
            raise _unsendable(error, call) from None

    async def _body(
        self, call: Call, response: httpx.Response, headers: Mapping[str, str], scope: Scope, silence_s: float
    ) -> bytes:
        """All of it; `scope` ends when nothing comes for `silence_s`."""
        body = bytearray()
        try:
            scope.deadline = self._clock.now() + silence_s
            inflater = Inflater(headers.get("content-encoding", ""))
            async for packed in response.aiter_raw():
                scope.deadline = self._clock.now() + silence_s
                for piece in inflater.feed(packed):
                    body += piece
                    if len(body) > MAX_BODY_BYTES:
                        raise _too_large(call, MAX_BODY_BYTES)
        except _failures() as error:
            _raise_ours(error, call, answering=True)
        return bytes(body)

    def _request(self, call: Call, connect_s: float) -> httpx.Request:
        """What httpx's client would make of it, without its cookies, redirects and merging."""
        import httpx

        url = self._urls.get(call.url)
        if url is None:
            if len(self._urls) >= _KNOWN_URLS:  # signed addresses are all different
                self._urls.clear()
            url = httpx.URL(call.url)
            if url.scheme not in {"http", "https"}:
                raise httpx.UnsupportedProtocol(f"the address begins with {url.scheme!r}, not http:// or https://")
            self._urls[call.url] = url
        headers = {"accept": "*/*", "accept-encoding": ACCEPTED, "user-agent": _USER_AGENT, **call.headers}
        timeout = {"connect": connect_s, "read": None, "write": None, "pool": None}
        return httpx.Request(call.method, url, headers=headers, content=call.content, extensions={"timeout": timeout})

    def _connected(self, call: Call, *, once: bool) -> httpx.AsyncBaseTransport:
        origin = call.url[: call.url.find("/", len("https://")) + 1] or call.url
        way = self._ways.get((origin, once))
        if way is None:
            way = self._ways[origin, once] = _way(call, once=once)
        connections = self._connections.get(way)
        if connections is None:
            connections = self._connections[way] = self._backend or _aiohttp_transport(way)
        return connections


@dataclass(frozen=True, slots=True)
class _Way:
    """How an address is reached."""

    plain: bool
    """Whether no certificates are needed; loading them takes 30 ms."""
    proxy: str | None = field(default=None, repr=False)
    """May hold a password."""
    once: bool = False
    """Whether each connection serves one call only."""


def _way(call: Call, *, once: bool) -> _Way:
    """What lies on this machine is reached directly, whatever proxy the environment names.

    ConfigurationError for a proxy that cannot be used.
    """
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    scheme, _, _ = call.url.partition(":")
    if is_loopback(call.url):
        return _Way(plain=scheme == "http", once=once)
    try:
        proxy = None if proxy_bypass(urlsplit(call.url).hostname or "") else getproxies().get(scheme)
    except ValueError:  # an address that cannot be, which httpx refuses
        proxy = None
    if proxy is not None and not proxy.startswith("http://"):
        message = f"the environment's {scheme}_proxy has a scheme that is not supported; name an http:// proxy"
        raise ConfigurationError(message, provider=call.provider)
    return _Way(plain=False, proxy=proxy, once=once)


def _aiohttp_transport(way: _Way) -> httpx.AsyncBaseTransport:
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if way.plain else httpx.create_ssl_context()

    def session() -> aiohttp.ClientSession:
        # aiohttp sets TCP_NODELAY on every connection.
        kept = None if way.once else 60.0
        connector = aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS, ssl=context, keepalive_timeout=kept, force_close=way.once
        )
        # `trust_env` would read ~/.netrc too, and send what is in there to a provider.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=context, client=session, proxy=None if way.proxy is None else _proxy(way.proxy))


def _proxy(address: str) -> httpx.Proxy:
    import httpx

    proxy = httpx.Proxy(address)
    if proxy.raw_auth is None:
        return proxy
    # aiohttp takes it as a header and makes it `proxy-authorization`; its own BasicAuth is deprecated.
    password = b64encode(b":".join(proxy.raw_auth)).decode()
    return httpx.Proxy(proxy.url, headers={"authorization": f"Basic {password}"})


async def _answered(connections: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """The answer's beginning. A request that could not go out is sent again on another connection.

    Servers close connections that aiohttp keeps, mostly after some idle seconds. Only what was never wholly sent is
    repeated, so that nobody can have begun to answer it.
    """
    for _ in range(_CLOSED_CONNECTIONS):
        try:
            return await connections.handle_async_request(request)
        except _failures() as error:
            if not _is_unsent(error):
                raise
    return await connections.handle_async_request(request)


def _is_unsent(error: BaseException) -> bool:
    import aiohttp

    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientOSError) and isinstance(cause.__cause__, aiohttp.ClientConnectionResetError)


def _headers(response: httpx.Response) -> dict[str, str]:
    """By lower-case name. Of httpx's own view each look costs a search through all of them."""
    found: dict[str, str] = {}
    for raw, value in response.headers.raw:
        name, told = _decoded(raw).lower(), _decoded(value)
        found[name] = f"{found[name]}, {told}" if name in found else told
    return found


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def _pieces(response: httpx.Response, headers: Mapping[str, str], call: Call) -> AsyncGenerator[bytes]:
    size = 0
    try:
        inflater = Inflater(headers.get("content-encoding", ""))
        async for packed in response.aiter_raw():
            for piece in inflater.feed(packed):
                size += len(piece)
                if size > MAX_STREAM_BYTES:
                    raise _too_large(call, MAX_STREAM_BYTES)
                yield piece
    except _failures() as error:
        _raise_ours(error, call, answering=True)


async def _close(response: httpx.Response) -> None:
    """Even when cancelled. A connection that breaks while it is being closed is closed."""
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1.0):
        try:
            await response.aclose()
        except _failures():
            return


def _too_large(call: Call, limit: int) -> MalformedResponseError:
    message = f"the answer of {call.provider} is larger than {limit // 2**20} MiB and was not read further"
    return MalformedResponseError(message, provider=call.provider, model=call.model)


def _silent(call: Call, timeouts: Timeouts, *, began: bool) -> TimedOutError:
    message = f"{call.provider} sent no answer within {timeouts.headers_s:g} s ([timeouts] headers_s)"
    if began:
        message = f"the answer of {call.provider} stopped for {timeouts.silence_s:g} s"
    return TimedOutError(message, provider=call.provider, model=call.model)


def _unsendable(error: ValueError, call: Call) -> ProviderError:
    """What Python itself says of addresses and headers that cannot be, in our words."""
    if isinstance(error, UnicodeError) and getattr(error, "encoding", "idna") == "idna":
        message = f"{shorten(call.url.partition('?')[0])} names no host that can be: {error}. Is the address right?"
        return ConnectionFailedError(message, provider=call.provider, model=call.model)
    # The error of a header may hold its value, and with it the key.
    message = f"the request to {call.provider} cannot be sent: {error}. Is each of its headers plain ASCII text?"
    return InvalidRequestError(message, provider=call.provider, model=call.model)


def _failures() -> tuple[type[Exception], ...]:
    """What the libraries raise. In an `except` it is asked for only when something has been raised."""
    import aiohttp
    import httpx

    return (InflationError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError)


def _raise_ours(error: Exception, call: Call, *, answering: bool = False) -> NoReturn:
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
