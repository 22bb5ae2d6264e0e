"""JSON objects out of a byte stream cut anywhere: the elements of one array, or one after the other.

This is how Google streams without `alt=sse`: one pretty-printed array, whose elements come when they are ready.
"""

from __future__ import annotations

import re

from unified_api.sse import EVENT_LIMIT, EventTooLargeError

__all__ = ["ObjectDecoder"]

# A whole text, or the beginning of one that goes on in the next piece.
_OUTSIDE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}]', re.DOTALL)
_INSIDE = re.compile(rb'["\\]')


class ObjectDecoder:
    """Splits bytes into the outermost objects; what stands between them is passed over.

    Each byte is looked at once, and only the object that is still open is kept.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_text = False
        self._escaped = False

    @property
    def open(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._depth > 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The objects that `piece` completes; raises EventTooLargeError for one larger than the limit."""
        objects: list[bytes] = []
        start = 0 if self._depth else None
        place = 0
        if self._escaped and piece:
            self._escaped, place = False, 1
        while True:
            found = (_INSIDE if self._in_text else _OUTSIDE).search(piece, place)
            if found is None:
                break
            place = found.end()
            mark = found.group()
            if len(mark) > 1:
                continue
            if mark == b'"':
                self._in_text = not self._in_text
            elif mark == b"\\":
                self._escaped = place == len(piece)
                place += 1
            elif mark == b"{":
                if not self._depth:
                    start = found.start()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if not self._depth:
                    objects.append(self._take(piece[start or 0 : place]))
                    start = None
        if start is not None:
            self._hold(piece[start:])
        return objects

    def _take(self, last: bytes) -> bytes:
        whole = b"".join((*self._held, last)) if self._held else last
        self._held.clear()
        self._size = 0
        return whole

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLargeError(f"one object is larger than {self._limit} bytes")
