"""Finds the addresses of a host, once, and lets none pass that must not be reached."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TypeAlias

import anyio

from executors.failures import StepFailure
from executors.http.addresses import Address, never_reached, not_public
from executors.http.hosts import AllowedHost
from executors.http.target import Target

__all__ = ["Resolve", "by_name_server", "checked_addresses"]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Host and port -> addresses; raises OSError for a name that nobody knows."""
_MOST = 16
"""Addresses of one host that are looked at; one beyond them is not connected to either."""


async def by_name_server(host: str, port: int) -> Sequence[Address]:
    """As the system resolves names, the hosts file included."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"the name cannot be asked for ({error})") from None
    return [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


async def checked_addresses(target: Target, host: AllowedHost, resolve: Resolve) -> tuple[Address, ...]:
    """The addresses to connect to: these, and not the name, which could mean others a moment later.

    Raises:
        StepFailure: `name_not_resolved`, or `private_address` when a single one of them must not be reached.
    """
    if target.address is not None:
        found: Sequence[Address] = [target.address]
    else:
        try:
            found = await resolve(target.host, target.port)
        except OSError as error:
            why = error.strerror or str(error)
            raise StepFailure(
                "name_not_resolved", f"no address of {target.host!r} is known: {why}", retryable=True
            ) from None
    addresses = tuple(dict.fromkeys(found))[:_MOST]
    if not addresses:
        raise StepFailure("name_not_resolved", f"no address of {target.host!r} is known", retryable=True)
    for address in addresses:
        _check(address, target, host)
    return addresses


def _check(address: Address, target: Target, host: AllowedHost) -> None:
    what = not_public(address)
    if never_reached(address):
        raise StepFailure(
            "private_address",
            f"{target.host!r} lies at {address}, {what}, which is never reached; nothing was sent",
        )
    if what is not None and not host.private_addresses:
        raise StepFailure(
            "private_address",
            f"{target.host!r} lies at {address}, {what}, so nothing was sent; if it is meant, set"
            f' private_addresses = true in [http.hosts."{host.entry}"] of orchestrator.toml',
        )
