"""JSON values out of a streamed answer, whichever framing the server chose for it."""

from __future__ import annotations

from typing import Literal

from unified_api.sse import EVENT_LIMIT, EventTooLargeError, SseDecoder, SseEvent
from unified_api.wire.json_text import parse_json
from unified_api.wire.ndjson import LineDecoder, LineTooLargeError

__all__ = ["JsonEvents"]

# A byte order mark and white space: no answer begins with one of these bytes otherwise.
_LEAD = b"\xef\xbb\xbf \t\r\n"
_DOCUMENT_STARTS = {b"{", b"[", b"<"}
_LINE_COST = 50
"""Bytes of memory that a held line takes beside its own."""


class JsonEvents:
    """Bytes in, events out: server-sent events, a JSON value a line, or one document that is given at the end.

    The first byte that counts tells events from JSON, and the first line tells a value a line from a document that
    spans lines (an error body, an answer to a stream that the server would not make). Cut anywhere, the events are
    the same. EventTooLargeError when one of them, or the document, is larger than the limit.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.framing: Literal["unknown", "events", "lines", "document"] = "unknown"
        self._limit = limit
        self._events = SseDecoder(limit=limit)
        self._lines = LineDecoder(limit=limit)
        self._judged = False
        self._document: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes."""
        if self.framing == "unknown":
            data = data.lstrip(_LEAD)
            if not data:
                return []
            self.framing = "lines" if data[:1] in _DOCUMENT_STARTS else "events"
        if self.framing == "events":
            return self._events.feed(data)
        return self._read(self._split(data))

    def end(self) -> list[SseEvent]:
        """What is left when the stream has ended."""
        if self.framing == "events":
            return self._events.end()
        lines = self._lines.end()
        if not self._judged:
            return [SseEvent(line) for line in lines]  # one line alone, perhaps cut short
        events = self._read(lines)
        return events if self.framing != "document" else self._read_document()

    def _split(self, data: bytes) -> list[bytes]:
        try:
            return self._lines.feed(data)
        except LineTooLargeError as error:
            raise EventTooLargeError(str(error)) from error

    def _read(self, lines: list[bytes]) -> list[SseEvent]:
        if lines and not self._judged:
            self._judged = True
            self.framing = "lines" if _is_json(lines[0]) else "document"
        if self.framing != "document":
            return [SseEvent(line) for line in lines]
        self._document.extend(lines)
        self._size += sum(map(len, lines)) + _LINE_COST * len(lines)
        if self._size > self._limit:
            raise EventTooLargeError(f"it is one document of more than {self._limit} bytes")
        return []

    def _read_document(self) -> list[SseEvent]:
        """The document, or its lines where it is none: a stream whose first line is damaged."""
        lines, self._document = self._document, []
        body = b"\n".join(lines)
        return [SseEvent(body)] if _is_json(body) else [SseEvent(line) for line in lines]


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True
