"""A server that runs elsewhere, spoken to over streamable HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from executors.http.addresses import literal, not_public
from executors.http.resolving import by_name_server
from executors.tools import ToolError

if TYPE_CHECKING:
    import httpx2

__all__ = ["connected"]


@asynccontextmanager
async def connected(url: str, *, token: str | None, timeout_s: float, max_bytes: int) -> AsyncIterator[Any]:
    """The streams of a session. Redirects leave the address's origin for nobody, and so does the token.

    Raises:
        ToolError: `insecure_url` where the token would go unencrypted through the internet.
    """
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    # Packed answers could unfold to anything: none is asked for, and none is taken.
    headers = {"accept-encoding": "identity"}
    if token is not None:
        await _check_secure(url)
        headers["authorization"] = f"Bearer {token}"
    transport = _bounded(httpx2.AsyncHTTPTransport(), max_bytes)
    # How long an answer may take is timed by whoever asks: here it would end the session for everybody.
    timeout = httpx2.Timeout(min(timeout_s, 30.0), read=None)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, transport=transport, trust_env=True) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=max_bytes) as streams,
    ):
        yield streams


async def _check_secure(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    host = parts.hostname or ""
    try:
        address = literal(host)
        found = await by_name_server(host, parts.port or 80) if address is None else [address]
    except (OSError, ValueError):
        found = []
    if not found or any(not_public(one) is None for one in found):
        raise ToolError(
            "insecure_url",
            f"its token would go unencrypted to {host!r}, which is not known to lie in a private network; use https",
        )


def _bounded(inner: httpx2.AsyncBaseTransport, max_bytes: int) -> httpx2.AsyncBaseTransport:
    """A transport whose answers are cut where they grow beyond the bound; a stream of events may go on."""
    import httpx2

    class Counted(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > max_bytes:
                    # An error would end the whole session, and the calls of others in it.
                    return
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Bounded(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await inner.handle_async_request(request)
            encoding = response.headers.get("content-encoding", "identity")
            if encoding != "identity":
                await response.aclose()
                raise httpx2.ReadError(f"the answer is packed as {encoding[:40]!r}, which was not offered")
            is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
            if not is_stream and isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = Counted(response.stream)
            return response

        async def aclose(self) -> None:
            await inner.aclose()

    return Bounded()
