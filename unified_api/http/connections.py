"""How an address is reached, and the connections that are kept for it: the only module that makes a socket.

httpx's own pool scans linearly, so connections are aiohttp's.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unified_api.errors import ConfigurationError
from unified_api.http.call import Call
from unified_api.providers import is_loopback

if TYPE_CHECKING:
    import httpx

__all__ = ["Way", "connections_of", "way_of"]

MAX_CONNECTIONS = 1024


@dataclass(frozen=True, slots=True)
class Way:
    """How an address is reached."""

    plain: bool
    """Whether no certificates are needed; loading them takes 30 ms."""
    proxy: str | None = field(default=None, repr=False)
    """May hold a password."""
    once: bool = False
    """Whether each connection serves one call only."""


def way_of(call: Call, *, once: bool) -> Way:
    """What lies on this machine is reached directly, whatever proxy the environment names.

    ConfigurationError for a proxy that cannot be used.
    """
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    scheme, _, _ = call.url.partition(":")
    if is_loopback(call.url):
        return Way(plain=scheme == "http", once=once)
    try:
        proxy = None if proxy_bypass(urlsplit(call.url).hostname or "") else getproxies().get(scheme)
    except ValueError:  # an address that cannot be, which httpx refuses
        proxy = None
    if proxy is not None and not proxy.startswith("http://"):
        message = f"the environment's {scheme}_proxy has a scheme that is not supported; name an http:// proxy"
        raise ConfigurationError(message, provider=call.provider)
    return Way(plain=False, proxy=proxy, once=once)


def connections_of(way: Way) -> httpx.AsyncBaseTransport:
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
