"""Server-sent events out of a byte stream, cut anywhere (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EVENT_LIMIT", "EventTooLargeError", "SseDecoder", "SseEvent"]

EVENT_LIMIT = 64 * 1024 * 1024
"""Bytes that one event may have unless the decoder is told otherwise."""
_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """One event grew past the decoder's limit."""


class SseEvent(NamedTuple):
    """One event: its `data` (lines joined by a line feed), its `name` (the `event:` field) and the last `id:` seen."""

    data: bytes
    name: str = ""
    id: str = ""


class SseDecoder:
    """Splits bytes into events; CR, LF and CRLF end a line, comments and `retry:` are passed over.

    Two liberties beside the specification, because a chat stream is not a subscription: an event whose closing
    blank line never came is given by `end()` instead of dropped, and an event without data is given when it is named.
    Every byte is looked at once: the cost of a long event does not depend on how many pieces it came in.
    """

    __slots__ = ("_after_cr", "_id", "_limit", "_lines", "_name", "_partial", "_size", "_started")

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self._limit = limit
        """The most bytes that one event may have before EventTooLargeError."""
        self._partial: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._started = False
        self._lines: list[bytes] = []
        self._name = ""
        self._id = ""

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that `piece` completes."""
        if self._after_cr and piece:
            # The line feed of a CRLF that was cut in two: its line has been closed by the CR already.
            self._after_cr = False
            if piece[0] == 0x0A:
                piece = piece[1:]
        if not piece:
            return []
        cut = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if not cut:
            self._hold(piece)
            return []
        block = b"".join((*self._partial, piece[:cut])) if self._partial else piece[:cut]
        self._partial.clear()
        self._after_cr = cut == len(piece) and piece[-1] == 0x0D
        if not self._started:
            self._started = True
            block = block.removeprefix(_BOM)
        events = self._read(block.splitlines())
        self._size = (len(block) if events else self._size + len(block)) if self._lines else 0
        self._hold(piece[cut:])
        return events

    def end(self) -> list[SseEvent]:
        """What is left when the stream has ended: at most one event, perhaps cut short."""
        lines = b"".join(self._partial).removeprefix(b"" if self._started else _BOM)
        self._partial.clear()
        return self._read([lines, b""]) if lines else self._read([b""])

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLargeError(f"one server-sent event is larger than {self._limit} bytes")

    def _read(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        held = self._lines
        for line in lines:
            if line[:6] == b"data: ":
                held.append(line[6:])
            elif not line:
                if held or self._name:
                    events.append(SseEvent(held[0] if len(held) == 1 else b"\n".join(held), self._name, self._id))
                    held.clear()
                    self._name = ""
            else:
                self._read_field(line)
        return events

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._lines.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
