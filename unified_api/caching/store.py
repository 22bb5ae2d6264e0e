"""Kept answers, bounded by their number, the memory they take and their age."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from unified_api.caching.size import size_of
from unified_api.call import AnyResponse

__all__ = ["Kept", "Store"]

_SHARE = 8
"""One answer may take this part of the memory; a larger one would push out too many others."""
_OVERHEAD = 400
"""Bytes of the key, the entry and their places in the table, as `tracemalloc` counts them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given, without its story."""

    answer: AnyResponse
    model: str
    """`provider/model` that was asked for it."""
    at: float
    """When it was kept, in the clock's seconds."""
    size: int


class Store:
    """The answer that was not asked for longest goes first. Times are given: it has no clock of its own."""

    def __init__(self, *, max_entries: int, max_bytes: int, max_age_s: float) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def taken(self) -> int:
        """Bytes of memory that the answers take, as estimated."""
        return self._bytes

    def get(self, key: bytes, *, now: float) -> Kept | None:
        """The answer, unless it is too old. One from the future is too: the clock was set back, and nobody knows."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if not 0 <= now - kept.at < self._max_age_s:
            self.drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: bytes, answer: AnyResponse, *, model: str, now: float) -> bool:
        """Whether it is kept; what is too large is not, and what was there before is gone then."""
        self.drop(key)
        size = size_of(answer) + _OVERHEAD
        if size > self._max_bytes // _SHARE:
            return False
        self._kept[key] = Kept(answer, model, now, size)
        self._bytes += size
        while len(self._kept) > self._max_entries or self._bytes > self._max_bytes:
            self.drop(next(iter(self._kept)))
        return True

    def drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size
