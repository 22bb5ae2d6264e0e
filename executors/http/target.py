"""The address of a request, taken apart once and never guessed at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

from executors.failures import StepFailure
from executors.http.addresses import Address, literal
from workflows.wording import shown

__all__ = ["Target"]

_LONGEST = 8_192
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_KEPT = "!$%&'()*+,/:;=?@[]~"
"""What stands in a path or a query as it is (RFC 3986); everything else is percent-encoded."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    """Lower case, without brackets."""
    port: int
    path: str
    """With the query, ready to be sent."""
    address: Address | None
    """Of a host that was written as one."""

    @classmethod
    def of(cls, url: str) -> Target:
        """Takes a URL apart. StepFailure `invalid_url` for one that two readers might read in two ways."""
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
        if port == 0 or not parts.hostname:
            raise _wrong(url, "names no host that can be reached")
        host, address = _host(url, parts.hostname)
        path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], path, address)

    def with_query(self, query: Mapping[str, Any]) -> Target:
        """With further parameters; a list gives one for each of its items, null none. StepFailure `invalid_query`."""
        pairs = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs(query))
        if not pairs:
            return self
        joined = replace(self, path=f"{self.path}{'&' if '?' in self.path else '?'}{pairs}")
        if len(joined.url) > _LONGEST:
            raise StepFailure("invalid_query", f"with its query the address has more than {_LONGEST:,} characters")
        return joined

    def redirected(self, location: str) -> Target:
        """Where an answer's `location` leads from here."""
        return Target.of(urljoin(self.url, location.partition("#")[0].strip()))

    @property
    def origin(self) -> str:
        """Scheme, host and port, as they are written."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def named(self) -> str:
        """For messages: without the query, which may hold secrets."""
        return shown(f"{self.origin}{self.path.partition('?')[0]}")


def _host(url: str, written: str) -> tuple[str, Address | None]:
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
                raise StepFailure(
                    "invalid_query",
                    f"`query.{name}` is {type(one).__name__}; give text, numbers, booleans or lists of them",
                )


def _wrong(url: str, why: str) -> StepFailure:
    return StepFailure("invalid_url", f"the address {shown(url.partition('?')[0])} {why}")
