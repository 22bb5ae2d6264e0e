"""The address of a request, taken apart once and never guessed at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Self
from urllib.parse import quote, quote_plus, urljoin, urlsplit

from workflows.wording import shown

__all__ = ["RequestError", "WebTarget", "literal"]

_LONGEST = 8_192
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_BRACKETS = re.compile(r"\[[^\[\]]*\](:\d*)?|[^\[\]]*")
"""Nothing but a port stands beside the brackets of an address: some versions of Python lose what does."""
_KEPT = "!$%&'()*+,/:;=?@[]~"
"""What stands in a path or a query as it is (RFC 3986); everything else is percent-encoded."""


class RequestError(ValueError):
    """A request that cannot be sent as it is written: `invalid_url`, `invalid_query`, `invalid_header`, ..."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class WebTarget:
    """Where a request goes."""

    scheme: str
    host: str
    """Lower case, without brackets."""
    port: int
    path: str
    """With the query, ready to be sent."""
    address: IPv4Address | IPv6Address | None
    """Of a host that was written as one."""

    @classmethod
    def of(cls, url: str) -> Self:
        """Takes a URL apart. RequestError `invalid_url` for one that two readers might read in two ways."""
        if len(url) > _LONGEST:
            raise _wrong(url, f"has {len(url):,} characters; at most {_LONGEST:,} are sent")
        if any(ord(character) <= 32 or ord(character) == 127 or character == "\\" for character in url):
            raise _wrong(url, "holds spaces, line ends or backslashes; write them percent-encoded, as %20")
        try:
            url.encode()  # half a character of two has no bytes
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _wrong(url, f"is none ({error})") from None
        if parts.scheme not in _PORTS:
            raise _wrong(url, "must begin with https:// or http://")
        if "@" in parts.netloc:
            # Not shown: what stands before the sign may be a password.
            raise _wrong(f"{parts.scheme}://...", "holds a user name; put credentials into the configuration")
        if port == 0 or not parts.hostname or not _BRACKETS.fullmatch(parts.netloc):
            raise _wrong(url, "names no host that can be reached")
        host, address = _host(url, parts.hostname)
        path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], path, address)

    def with_query(self, query: Mapping[str, Any]) -> Self:
        """With further parameters; a list gives one for each of its items, null none. RequestError `invalid_query`."""
        pairs = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs(query))
        if not pairs:
            return self
        joined = replace(self, path=f"{self.path}{'&' if '?' in self.path else '?'}{pairs}")
        if len(joined.url) > _LONGEST:
            raise RequestError("invalid_query", f"with its query the address has more than {_LONGEST:,} characters")
        return joined

    def redirected(self, location: str) -> Self:
        """Where an answer's `location` leads from here."""
        return self.of(urljoin(self.url, location.partition("#")[0].strip()))

    @property
    def origin(self) -> str:
        """Scheme, host and port, as they are written."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        return self._bracketed if self.port == _PORTS[self.scheme] else f"{self._bracketed}:{self.port}"

    @property
    def recipient(self) -> str:
        """The host for `workflows.recipients`: without a port https is meant, and with port 80 http."""
        if self.port in _PORTS.values() and self.port != _PORTS[self.scheme]:
            return self.origin
        return f"{self._bracketed}:80" if self.port == _PORTS["http"] else self.authority

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def named(self) -> str:
        """For messages: without the query, which may hold secrets."""
        return shown(f"{self.origin}{self.path.partition('?')[0]}")

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host of a URL is; None for a name.

    Raises:
        ValueError: it looks like an address and is none, as `127.1`, `0x7f000001` or `fe80::1%eth0`, which name
            servers and browsers read in their own ways.
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("an address with a zone cannot be reached from here")
        return IPv6Address(host)
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdigit() or last[:2] == "0x":
        return ip_address(host)
    return None


def _host(url: str, written: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    host = written.lower()
    try:
        host = host if host.isascii() else host.encode("idna").decode()
        address = literal(host)
    except (UnicodeError, ValueError) as error:
        raise _wrong(url, f"names a host that cannot be ({error})") from None
    if address is not None:
        return str(address), address
    host = host.removesuffix(".")
    if not _NAME.fullmatch(host):
        raise _wrong(url, "names a host that cannot be")
    return host, None


def _pairs(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                yield name, "true" if one else "false"
            elif isinstance(one, str | int | float):
                yield name, str(one)
            elif one is not None:
                what = "an object" if isinstance(one, Mapping) else "a list inside of a list"
                raise RequestError(
                    "invalid_query", f"`query.{name}` is {what}; give text, numbers, booleans or lists of them"
                )


def _wrong(url: str, why: str) -> RequestError:
    return RequestError("invalid_url", f"the address {shown(url.partition('?')[0])} {why}")
