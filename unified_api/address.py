"""Addresses with a variable part: `https://${AZURE_RESOURCE_NAME}.openai.azure.com`, filled in from the environment."""

from __future__ import annotations

import re
from collections.abc import Callable

from unified_api.errors import ConfigurationError

__all__ = ["filled", "sketched", "unset"]

_PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([A-Za-z0-9._-]+))?\}")
_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
"""A host name or one part of a path: nothing that could begin another host, path, query or user name."""


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
                f"the environment variable {place[1]} holds {value!r}, which cannot be a part of the address "
                f"{address!r}: give a host name or a single word of letters, digits, '.', '-' and '_'"
            )
        return value

    return _PLACE.sub(value_of, address)


def unset(address: str) -> str | None:
    """The first variable of a `filled` address that still has no value."""
    place = _PLACE.search(address)
    return None if place is None else place[1]


def sketched(address: str) -> str:
    """`address` with its defaults, and a word in place of every other variable: for looking at its shape."""
    return _PLACE.sub(lambda place: place[2] or "x", address)
