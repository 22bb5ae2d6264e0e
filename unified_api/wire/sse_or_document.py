"""Server-sent events out of bytes, or the one document that a server sent in their place."""

from __future__ import annotations

from unified_api.sse import EVENT_LIMIT, EventTooLargeError, SseDecoder, SseEvent

__all__ = ["SseOrDocument"]

# A byte order mark and white space: no line of an event stream begins with one of these bytes otherwise.
_LEAD = b"\xef\xbb\xbf \t\r\n"
_STARTS = frozenset({b"{", b"[", b"<"})


class SseOrDocument:
    """Tells events from a document (an error body, an answer of a server that ignores `stream`) by the first byte.

    A document is held until the end and then in `document`; events are given as they come. Raises EventTooLargeError
    for either when it grows past `limit` bytes.
    """

    document: bytes | None
    """The whole document once `end` was called, None for events."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.document = None
        self._limit = limit
        self._events = SseDecoder(limit=limit)
        self._pieces: list[bytes] | None = None
        self._held = 0
        self._started = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes."""
        if self._pieces is not None:
            self._hold(self._pieces, data)
            return []
        if not self._started:
            data = data.lstrip(_LEAD)
            if data[:1] in _STARTS:
                self._pieces = []
                self._hold(self._pieces, data)
                return []
            self._started = bool(data)
        return self._events.feed(data)

    def end(self) -> list[SseEvent]:
        """The event that is left when the bytes have ended."""
        if self._pieces is not None:
            self.document = b"".join(self._pieces)
            return []
        return self._events.end()

    def _hold(self, pieces: list[bytes], data: bytes) -> None:
        pieces.append(data)
        self._held += len(data)
        if self._held > self._limit:
            raise EventTooLargeError(f"one document is larger than {self._limit} bytes")
