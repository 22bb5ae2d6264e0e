"""Lines out of a byte stream, cut anywhere: the framing of newline-delimited JSON (https://github.com/ndjson/ndjson-spec)."""

from __future__ import annotations

__all__ = ["LINE_LIMIT", "LineDecoder", "LineTooLargeError"]

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes that one line may have unless the decoder is told otherwise."""
_BOM = b"\xef\xbb\xbf"


class LineTooLargeError(ValueError):
    """One line grew past the decoder's limit."""


class LineDecoder:
    """Splits bytes into lines without their ends and the white space around them; blank lines are passed over.

    Only a line feed ends a line (a carriage return is white space to JSON), and every byte is looked at once: the cost
    of a long line does not depend on how many pieces it came in.
    """

    __slots__ = ("_held", "_limit", "_size", "_started")

    def __init__(self, *, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0
        self._started = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes; LineTooLargeError when one is larger than the limit."""
        cut = piece.rfind(b"\n") + 1
        if not cut:
            self._hold(piece)
            return []
        block = b"".join((*self._held, piece[:cut])) if self._held else piece[:cut]
        self._held.clear()
        self._size = 0
        lines = self._lines(block)
        self._hold(piece[cut:])
        return lines

    def end(self) -> list[bytes]:
        """The last line, whose end never came."""
        rest = b"".join(self._held)
        self._held.clear()
        self._size = 0
        return self._lines(rest)

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._held.append(piece)
            self._size += len(piece)
            self._check(self._size)

    def _lines(self, block: bytes) -> list[bytes]:
        if not self._started and block:
            self._started = True
            block = block.removeprefix(_BOM)
        lines = [line for raw in block.split(b"\n") if (line := raw.strip())]
        for line in lines:
            self._check(len(line))
        return lines

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise LineTooLargeError(f"one line is larger than {self._limit} bytes")
