"""Addresses of providers, some with a variable part: `https://${AZURE_RESOURCE_NAME}.openai.azure.com`."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from unified_api.errors import ConfigurationError

__all__ = ["checked", "filled", "is_loopback", "origin", "sketched", "unset"]

_NAME, _DEFAULT = "[A-Za-z_][A-Za-z0-9_]*", "[A-Za-z0-9._-]+"
_PLACE = re.compile(rf"\$\{{({_NAME})(?::-({_DEFAULT}|\$\{{{_NAME}(?::-{_DEFAULT})?\}}))?\}}")
_LONGEST_LABEL = 63
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_VALUE = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
"""A host name (RFC 1035) or one part of a path: nothing that could begin another host, path, query or user name."""

_PATHS = ("/chat/completions", "/completions", "/embeddings", "/images/generations", "/responses", "/messages")
"""Ends of addresses that were copied whole; `/models` is no such end, Azure has its models there."""


def checked(value: str) -> str:
    """The address without the slash at its end. ValueError for one that nothing could be appended to."""
    sketch = sketched(value.strip())
    if "$" in sketch or "{" in sketch:
        raise ValueError(
            "may hold variables as ${NAME} or ${NAME:-default}, the default a word without spaces and slashes, or "
            "another variable"
        )
    parts = urlsplit(sketch)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('must be an address such as "https://api.example.com/v1"')
    if not all(0 < len(label) <= _LONGEST_LABEL for label in parts.hostname.removesuffix(".").split(".")):
        raise ValueError(f"must name a host whose parts between the dots have 1 to {_LONGEST_LABEL} characters")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password; put the key into the variable named by api_key_env")
    ending = next((path for path in _PATHS if parts.path.rstrip("/").endswith(path)), None)
    if ending is not None:
        raise ValueError(f"must end before {ending!r}, which is added to it")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path; leave out what follows '?' or '#'")
    _ = parts.port  # raises ValueError for a port that is no number below 65,536
    return value.strip().rstrip("/")


def filled(address: str, look_up: Callable[[str], str | None]) -> str:
    """`address` with the value, or else the default, of each variable; one that has neither stays as it is.

    Raises:
        ConfigurationError: a variable's value is no host name and no part of a path.

    """

    def value_of(place: re.Match[str]) -> str:
        value = look_up(place[1])
        if value is None:
            return place[2] or place[0]
        # Databricks' and Snowflake's own tools want the host with its scheme in the same variable.
        value = value.removeprefix("https://").rstrip("/")
        if not _VALUE.fullmatch(value):
            raise ConfigurationError(
                # The value is not shown: by a slip it may be the key.
                f"the environment variable {place[1]} holds what cannot be a part of the address {address!r}: give a "
                "host name or a single word of letters, digits, '.', '-' and '_'"
            )
        return value

    return _in_turn(value_of, address)


def unset(address: str) -> str | None:
    """The first variable of a `filled` address that still has no value."""
    place = _PLACE.search(address)
    return None if place is None else place[1]


def sketched(address: str) -> str:
    """`address` with its defaults, and a word in place of every other variable: for looking at its shape."""
    return _in_turn(lambda place: place[2] or "x", address)


def _in_turn(value_of: Callable[[re.Match[str]], str], address: str) -> str:
    """Twice, because a default may be another variable with a default of its own."""
    return _PLACE.sub(value_of, _PLACE.sub(value_of, address))


def is_loopback(url: str) -> bool:
    """Whether the address is this machine, so that what is sent there leaves it only by that server's doing."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # an address that cannot be
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name; "x.localhost" and "localhost." are asked of the name server, which may say anything
        return host == "localhost"


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a checked address: who is spoken to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
