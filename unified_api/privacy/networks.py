"""Addresses of machines: IPv4, IPv6 and MAC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from unified_api.privacy.kinds import Found

__all__ = ["ip_addresses", "mac_addresses"]

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(
    rf"[0-9](?<![0-9A-Za-z.\-][0-9])(?<![^\W_]_[0-9])(?=[0-9.]{{6}})[0-9]{{0,2}}\.(?:{_BYTE}\.){{2}}{_BYTE}(?![0-9A-Za-z])(?!_[^\W_])(?!\.[0-9])"
)
_VERSION = re.compile(r"(?:version|release|v|==|>=|<=|~=)[ :=]*$", re.IGNORECASE)
_NOBODY = ("0.", "127.", "255.")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_HEX = frozenset("0123456789abcdefABCDEF:")
_LONGEST_IPV6 = 39
_MAC = re.compile(
    r"[0-9A-Fa-f](?<![^\W_].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![^\W_]|[:-][0-9A-Fa-f])"
)


def ip_addresses(text: str) -> Iterator[Found]:
    """Addresses of machines, but not the ones that every machine has (loopback, unspecified) and no version numbers."""
    for match in _IPV4.finditer(text):
        if (
            not match[0].startswith(_NOBODY)
            and _VERSION.search(text, max(0, match.start() - 12), match.start()) is None
        ):
            yield Found("ip_address", *match.span())
    behind = 0
    for colons in _COLONS.finditer(text):
        if colons.start() < behind:
            continue
        start, end = _extent(text, colons.start(), behind)
        behind = end
        if end - start <= _LONGEST_IPV6 and _is_ipv6(text[start:end]):
            yield Found("ip_address", start, end)


def _extent(text: str, at: int, low: int) -> tuple[int, int]:
    """The hexadecimal digits and colons around `at`; longer ones than an address are not followed to their end."""
    start, end = at, at
    while start > max(low, at - _LONGEST_IPV6) and text[start - 1] in _HEX:
        start -= 1
    while end < min(len(text), at + _LONGEST_IPV6 + 1) and text[end] in _HEX:
        end += 1
    if text[start - 1 : start].isalnum() or text[end : end + 1].isalnum():
        return start, max(start, end)
    if text[end - 1] == ":" and text[end - 2] != ":":  # a sentence's own
        end -= 1
    return start, end


def _is_ipv6(written: str) -> bool:
    if len(written) < 6 or written.count(":") < 2:
        return False
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified) and sum(map(str.isalnum, written)) >= 4


def mac_addresses(text: str, long: str) -> Iterator[Found]:
    """Those of the text; `long` are its long words, without which there is none."""
    for match in _MAC.finditer(text) if _MAC.search(long) else ():
        yield Found("mac_address", *match.span())
