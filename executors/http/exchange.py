"""One request to one address that was checked, and its answer, bounded while it is read."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import anyio

from executors.failures import StepFailure
from executors.http.addresses import Address
from executors.http.request import Request
from executors.http.target import Target
from unified_api.http.inflate import ACCEPTED, Inflater, InflationError

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Unanswered", "exchange"]

_CONNECT_S = 10.0
"""Seconds for the connection to one of several addresses."""
_USER_AGENT = "meta-orchestrator"
_SECRET = 6
"""Characters that a credential has at least; to hide less would hide other words."""
_HIDDEN = "[credential]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes = field(repr=False)


class Unanswered(Exception):  # noqa: N818  # told as a StepFailure by whoever knows what a second try may do
    """The request went out, and the connection broke before the answer was whole."""


async def exchange(
    request: Request,
    target: Target,
    *,
    addresses: Sequence[Address],
    credentials: dict[str, str],
    max_bytes: int,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Connects to the first of the addresses that answers: the name is not looked up again.

    Raises:
        StepFailure: `connection_failed` when nothing was sent, `too_large` or `malformed_response`.
        Unanswered: something was sent.
    """
    import httpx

    tls = tls or (_open_eyes() if target.scheme == "https" else _plain())
    failed = ""
    for address in addresses:
        async with httpx.AsyncHTTPTransport(verify=tls, trust_env=False) as transport:
            try:
                response = await transport.handle_async_request(_made(request, target, address, credentials))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = failed or str(error) or "no connection in time"
                continue
            except httpx.HTTPError as error:
                raise Unanswered(str(error) or type(error).__name__) from error
            try:
                answer = await _read(request, response, target, max_bytes=max_bytes)
            finally:
                await _close(response)
            return _without(credentials, answer)
    raise StepFailure("connection_failed", f"no connection to {target.origin}: {failed}", retryable=True)


@cache
def _open_eyes() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()  # loading the certificates takes 30 ms


@cache
def _plain() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _made(request: Request, target: Target, address: Address, credentials: dict[str, str]) -> httpx.Request:
    import httpx

    url = httpx.URL(scheme=target.scheme, host=str(address), port=target.port, raw_path=target.path.encode())
    headers = {
        "host": target.authority,
        "accept": "*/*",
        "user-agent": _USER_AGENT,
        **request.headers,
        **credentials,
        "accept-encoding": ACCEPTED,
        "connection": "close",
    }
    timeout = {"connect": _CONNECT_S, "read": None, "write": None, "pool": None}
    # The certificate must be that of the name, though the connection goes to the address.
    extensions = {"timeout": timeout, "sni_hostname": target.host}
    return httpx.Request(request.method, url, headers=headers, content=request.content or None, extensions=extensions)


async def _read(request: Request, response: httpx.Response, target: Target, *, max_bytes: int) -> Answer:
    import httpx

    headers: dict[str, str] = {}
    for raw, value in response.headers.raw:
        name, told = raw.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {told}" if name in headers else told
    body = bytearray()
    if request.method == "HEAD":
        return Answer(response.status_code, headers, b"")
    try:
        inflater = Inflater(headers.get("content-encoding", ""))
        received = 0
        async for packed in response.aiter_raw():
            received += len(packed)
            for piece in inflater.feed(packed):
                body += piece
                if max(received, len(body)) > max_bytes:
                    raise _too_large(target, max_bytes)
    except InflationError as error:
        raise StepFailure("malformed_response", f"the answer of {target.named} cannot be unpacked: {error}") from None
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Unanswered(str(error) or type(error).__name__) from error
    return Answer(response.status_code, headers, bytes(body))


def _without(credentials: dict[str, str], answer: Answer) -> Answer:
    """Some servers repeat what they were sent, and a workflow must not hand credentials on."""
    headers, body = dict(answer.headers), answer.body
    for value in credentials.values():
        secret = value.rpartition(" ")[2]
        if len(secret) >= _SECRET:
            body = body.replace(secret.encode(), _HIDDEN.encode())
            headers = {name: told.replace(secret, _HIDDEN) for name, told in headers.items()}
    return Answer(answer.status, headers, body)


def _too_large(target: Target, max_bytes: int) -> StepFailure:
    return StepFailure(
        "too_large",
        f"the answer of {target.named} has more than {max_bytes:,} bytes ([http] max_bytes) and was not read further",
    )


async def _close(response: httpx.Response) -> None:
    """Even when cancelled. A connection that breaks while it is being closed is closed."""
    import httpx

    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 1.0):
        try:
            await response.aclose()
        except httpx.HTTPError:
            return
