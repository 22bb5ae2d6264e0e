"""The binary frames of AWS event streams (https://smithy.io/2.0/aws/amazon-eventstream.html), cut anywhere.

A frame is its total length, the length of its headers, a checksum of these two, the headers, the payload and a
checksum of all before it. A frame whose own checksum is wrong is passed over: its place is certain, so the next one
is found. Where the checksum of the lengths is wrong nothing after it can be told apart, and the stream is broken.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias
from uuid import UUID
from zlib import crc32

__all__ = ["FRAME_LIMIT", "Frame", "FrameDecoder", "HeaderValue"]

HeaderValue: TypeAlias = "bool | int | bytes | str | UUID"
"""A timestamp is its milliseconds since 1970."""

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_HEADERS_LIMIT = 128 * 1024
FRAME_LIMIT = 24 * 1024 * 1024 + _HEADERS_LIMIT
"""Bytes that one frame may have: AWS allows 128 KiB of headers and its SDKs take 24 MiB of payload."""
_NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q"),
            8: struct.Struct(">q")}  # fmt: skip
_LENGTH = struct.Struct(">H")
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9


class Frame(NamedTuple):
    """One message of the stream."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def word(self, name: str) -> str:
        """The header `name` where it is a string, else an empty one."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class FrameDecoder:
    """Splits bytes into frames; every byte is copied a bounded number of times, however the bytes were cut."""

    __slots__ = ("_buffer", "_limit", "_wanted", "broken", "damaged")

    broken: str
    """Why nothing further can be read; empty while it can."""
    damaged: int
    """Frames that were passed over: a wrong checksum, or headers that cannot be read."""

    def __init__(self, *, limit: int = FRAME_LIMIT) -> None:
        self.broken = ""
        self.damaged = 0
        self._limit = limit
        self._buffer = bytearray()
        self._wanted = _PRELUDE.size

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._buffer)

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that `piece` completes; those before the place where the stream is `broken`, if it is."""
        if self.broken:
            return []
        self._buffer += piece
        if len(self._buffer) < self._wanted:
            return []
        frames: list[Frame] = []
        start = 0
        while (size := self._size(start)) and start + size <= len(self._buffer):
            frame = self._frame(bytes(self._buffer[start : start + size]))
            if frame is not None:
                frames.append(frame)
            start += size
        del self._buffer[:start]
        self._wanted = size or _PRELUDE.size
        return frames

    def _size(self, start: int) -> int:
        """Bytes of the frame that begins at `start`; 0 where its lengths are not there yet, or wrong."""
        if len(self._buffer) - start < _PRELUDE.size:
            return 0
        total, headers, checksum = _PRELUDE.unpack_from(self._buffer, start)
        least = _PRELUDE.size + headers + _CHECKSUM.size
        if crc32(self._buffer[start : start + 8]) != checksum:
            self.broken = "the checksum of a frame's lengths is wrong"
        elif headers > _HEADERS_LIMIT or total < least:
            self.broken = f"a frame of {total} bytes claims {headers} bytes of headers"
        elif total > self._limit:
            self.broken = f"a frame claims {total} bytes, more than {self._limit}"
        return 0 if self.broken else total

    def _frame(self, frame: bytes) -> Frame | None:
        (checksum,) = _CHECKSUM.unpack_from(frame, len(frame) - _CHECKSUM.size)
        if crc32(frame[: -_CHECKSUM.size]) != checksum:
            self.damaged += 1
            return None
        _, size, _ = _PRELUDE.unpack_from(frame)
        end = _PRELUDE.size + size
        try:
            headers = _read_headers(frame[_PRELUDE.size : end])
        except (ValueError, struct.error):
            self.damaged += 1
            return None
        return Frame(headers, frame[end : -_CHECKSUM.size])


def _read_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(block):
        name, at = _taken(block, at + 1, block[at])
        kind, at = _taken(block, at, 1)
        headers[name.decode()], at = _read_value(block, at, kind[0])
    return headers


def _read_value(block: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in {_TRUE, _FALSE}:
        return kind == _TRUE, at
    if kind in {_BYTES, _STRING}:
        (length,) = _LENGTH.unpack_from(block, at)
        value, at = _taken(block, at + _LENGTH.size, length)
        return (value if kind == _BYTES else value.decode()), at
    if kind == _UUID:
        value, at = _taken(block, at, 16)
        return UUID(bytes=value), at
    if kind not in _NUMBERS:
        raise ValueError(f"no header has the type {kind}")
    layout = _NUMBERS[kind]
    number: int = layout.unpack_from(block, at)[0]
    return number, at + layout.size


def _taken(block: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(block):
        raise ValueError("a header is longer than all headers together")
    return block[at:end], end
