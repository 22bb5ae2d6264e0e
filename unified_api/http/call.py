"""One HTTP request on a provider's behalf, and its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Call", "Reply", "StreamReply"]

MAX_ERROR_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request, and on whose behalf, for the errors. Headers hold the key, so they are never shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    provider: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer whose body is still coming. `body` may be iterated once."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes] = field(repr=False)

    async def read(self, limit: int = MAX_ERROR_BYTES) -> bytes:
        """The rest, cut off at `limit` bytes: for error answers."""
        pieces = bytearray()
        async for piece in self.body:
            pieces += piece
            if len(pieces) >= limit:
                break
        return bytes(pieces[:limit])
