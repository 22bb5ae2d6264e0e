"""Addresses of crypto-currencies: Bitcoin by its checksums, Ethereum by its form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from unified_api.privacy.kinds import Found

__all__ = ["crypto_addresses"]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BITCOIN = re.compile(r"[13](?<![^\W_][13])[1-9A-HJ-NP-Za-km-z]{25,34}(?![^\W_])")
_ETHEREUM = re.compile(r"0x(?<![^\W_]0x)[0-9a-fA-F]{40}(?![^\W_])")
_SEGWIT = re.compile(r"bc1(?<![^\W_]bc1)[02-9ac-hj-np-z]{11,87}(?![^\W_])")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def crypto_addresses(text: str, long: str) -> Iterator[Found]:
    """Those of the text; `long` are its long words, without which there is none."""
    for match in _BITCOIN.finditer(text) if _BITCOIN.search(long) else ():
        if _is_base58check(match[0]):
            yield Found("crypto_address", *match.span())
    if "0x" in long:
        for match in _ETHEREUM.finditer(text):
            yield Found("crypto_address", *match.span())
    if "bc1" in long:
        for match in _SEGWIT.finditer(text):
            if _is_bech32(match[0]):
                yield Found("crypto_address", *match.span())


def _is_base58check(address: str) -> bool:
    number = 0
    for character in address:
        number = number * 58 + _BASE58.index(character)
    if number.bit_length() > 200:
        return False
    octets = number.to_bytes(25, "big")
    return octets[0] in (0, 5) and sha256(sha256(octets[:21]).digest()).digest()[:4] == octets[21:]


def _is_bech32(address: str) -> bool:
    """BIP 173 and BIP 350, with the prefix `bc`."""
    check = 1
    for value in (3, 3, 0, 2, 3, *map(_BECH32.index, address[3:])):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            check ^= generator if top >> place & 1 else 0
    return check in (1, 0x2BC830A3)
