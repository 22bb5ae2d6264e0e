"""Sends one HTTP request: with `connections` and `http_failures` the only module that knows httpx, aiohttp or a socket.

httpx has had no release since 2024-12 (the SDKs moved to its continuation httpx2, same interface); it stays behind
these three.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from unified_api.clock import Clock, MonotonicClock, Scope
from unified_api.errors import MalformedResponseError, TimedOutError
from unified_api.http.call import Call, Reply, StreamReply
from unified_api.http.connections import Way, connections_of, way_of
from unified_api.http.failures import failures, raise_ours, unsendable
from unified_api.http.inflate import ACCEPTED, Inflater
from unified_api.settings import Timeouts

if TYPE_CHECKING:
    import httpx

__all__ = ["Call", "Reply", "StreamReply", "Transport"]

_CLOSED_CONNECTIONS = 5
"""Kept connections of one call that may turn out to be closed."""
MAX_BODY_BYTES = 64 * 2**20
"""Room for several images in base64."""
MAX_STREAM_BYTES = 256 * 2**20
_KNOWN_URLS = 256
"""Addresses that are kept parsed."""
_USER_AGENT = "meta-orchestrator"


class Transport:
    """Connections to every provider; one object for many calls at once. Redirects are never followed: they would
    carry the key to another address. `backend` stands in for the network in tests.
    """

    def __init__(self, *, clock: Clock | None = None, backend: httpx.AsyncBaseTransport | None = None) -> None:
        self._clock = clock or MonotonicClock()
        self._backend = backend
        self._connections: dict[Way, httpx.AsyncBaseTransport] = {}
        self._ways: dict[tuple[str, bool], Way] = {}
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
        except failures() as error:
            raise_ours(error, call)
        except ValueError as error:
            raise unsendable(error, call) from None

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
        except failures() as error:
            raise_ours(error, call, answering=True)
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
            way = self._ways[origin, once] = way_of(call, once=once)
        connections = self._connections.get(way)
        if connections is None:
            connections = self._connections[way] = self._backend or connections_of(way)
        return connections


async def _answered(connections: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """The answer's beginning. A request that could not go out is sent again on another connection.

    Servers close connections that aiohttp keeps, mostly after some idle seconds. Only what was never wholly sent is
    repeated, so that nobody can have begun to answer it.
    """
    for _ in range(_CLOSED_CONNECTIONS):
        try:
            return await connections.handle_async_request(request)
        except failures() as error:
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
    except failures() as error:
        raise_ours(error, call, answering=True)


async def _close(response: httpx.Response) -> None:
    """Even when cancelled. A connection that breaks while it is being closed is closed."""
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1.0):
        try:
            await response.aclose()
        except failures():
            return


def _too_large(call: Call, limit: int) -> MalformedResponseError:
    message = f"the answer of {call.provider} is larger than {limit // 2**20} MiB and was not read further"
    return MalformedResponseError(message, provider=call.provider, model=call.model)


def _silent(call: Call, timeouts: Timeouts, *, began: bool) -> TimedOutError:
    message = f"{call.provider} sent no answer within {timeouts.headers_s:g} s ([timeouts] headers_s)"
    if began:
        message = f"the answer of {call.provider} stopped for {timeouts.silence_s:g} s"
    return TimedOutError(message, provider=call.provider, model=call.model)
