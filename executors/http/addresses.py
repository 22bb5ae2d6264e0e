"""Which IP addresses lie in the open internet, and what the others are."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from workflows.web_target import literal

__all__ = ["Address", "literal", "never_reached", "not_public"]

Address: TypeAlias = IPv4Address | IPv6Address

# IANA's registries of special-purpose addresses, as of November 2026. `ipaddress.is_global` is not asked: it differs
# between the versions of Python, and knows nothing of the clouds.
_IPV4: dict[IPv4Network, str] = {
    IPv4Network(network): what
    for network, what in {
        "0.0.0.0/8": "an address of no host",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "an address shared inside of a provider's network",
        "127.0.0.0/8": "this machine",
        "168.63.129.16/32": "a cloud's own service",
        "169.254.0.0/16": "a link-local address, where clouds keep their metadata",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "reserved for protocols",
        "192.0.2.0/24": "reserved for documentation",
        "192.88.99.0/24": "a relay between IPv4 and IPv6",
        "192.168.0.0/16": "a private address",
        "198.18.0.0/15": "reserved for measurements",
        "198.51.100.0/24": "reserved for documentation",
        "203.0.113.0/24": "reserved for documentation",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "reserved",
    }.items()
}
_IPV6: dict[IPv6Network, str] = {
    IPv6Network(network): what
    for network, what in {
        "::/128": "an address of no host",
        "::1/128": "this machine",
        "::/96": "an IPv4 address in the clothes of IPv6",
        "::ffff:0:0/96": "an IPv4 address in the clothes of IPv6",
        "::ffff:0:0:0/96": "an IPv4 address in the clothes of IPv6",
        "64:ff9b::/96": "an IPv4 address behind a translator (NAT64)",
        "64:ff9b:1::/48": "an IPv4 address behind a translator (NAT64)",
        "2001::/23": "reserved for protocols, tunnels among them",
        "2001:db8::/32": "reserved for documentation",
        "2002::/16": "an IPv4 address in a tunnel (6to4)",
        "3fff::/20": "reserved for documentation",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a private address",
        "ff00::/8": "a multicast address",
    }.items()
}
_GLOBAL = IPv6Network("2000::/3")
"""All that has been given out of IPv6."""
_NEVER = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.169.253/32",
        "169.254.169.254/32",
        "169.254.170.2/32",
        "169.254.170.23/32",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
    )
)
"""No host, many hosts, or a cloud's metadata with its keys."""
_NEVER6 = tuple(IPv6Network(network) for network in ("::/128", "ff00::/8", "fd00:ec2::/32", "fd20:ce::254/128"))
_ISATAP = 0x00005EFE
"""The middle of an address that holds an IPv4 address (RFC 5214), but for the two bits that differ."""


def not_public(address: Address) -> str | None:
    """What the address is, where it is none of a host in the open internet."""
    if isinstance(address, IPv4Address):
        return next((what for network, what in _IPV4.items() if address in network), None)
    found = next((what for network, what in _IPV6.items() if address in network), None)
    if found is None and address not in _GLOBAL:
        return "reserved"
    if found is None and (int(address) >> 32) & 0xFCFFFFFF == _ISATAP:
        return "an IPv4 address in a tunnel (ISATAP)"
    return found


def never_reached(address: Address) -> bool:
    """Whether it is of no host, of many, or of a cloud's metadata, in whatever clothes."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _NEVER)
    inner = _inner(address)
    return any(address in network for network in _NEVER6) or (inner is not None and never_reached(inner))


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that it stands for."""
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    number = int(address)
    # `::1` is this machine, not 0.0.0.1.
    embeds = number > 1 and (
        number >> 32 in {0, 0xFFFF, 0xFFFF0000, 0x0064FF9B << 64} or number >> 80 == 0x0064FF9B0001
    )
    is_tunnel = (number >> 32) & 0xFCFFFFFF == _ISATAP
    return IPv4Address(number & 0xFFFFFFFF) if embeds or is_tunnel else None
