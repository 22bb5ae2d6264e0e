"""Unpacks a compressed body in small pieces: one packet of a hostile server must not become gigabytes at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

__all__ = ["ACCEPTED", "Inflater", "InflationError"]

ACCEPTED = "gzip, deflate"
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_PIECE = 2**20
"""Bytes unpacked at a time."""
_ANY_FRAME = 32 + zlib.MAX_WBITS
"""zlib's word for "gzip or zlib, whichever the first bytes say"."""


class InflationError(ValueError):
    """The body is not packed in the way that its headers say, or in one that was not offered."""


class Inflater:
    """Takes a body's packed pieces, gives its plain ones. `encoding` is the `content-encoding` header.

    Only one layer is taken: each further one multiplies what a packet may grow to.
    """

    def __init__(self, encoding: str) -> None:
        words = [word for word in encoding.lower().replace(" ", "").split(",") if word not in {"", "identity"}]
        if len(words) > 1 or not _KNOWN.issuperset(words):
            raise InflationError(f"its content-encoding is {encoding[:100]!r}, and {ACCEPTED!r} was offered")
        self._unpack = zlib.decompressobj(_ANY_FRAME) if words else None

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """The plain pieces, each of at most a megabyte where the body is compressed."""
        if self._unpack is None:
            yield packed
            return
        while packed and not self._unpack.eof:
            try:
                plain = self._unpack.decompress(packed, _PIECE)
            except zlib.error as error:
                raise InflationError(f"its body is no valid compressed data ({error})") from None
            packed = self._unpack.unconsumed_tail
            if plain:
                yield plain
