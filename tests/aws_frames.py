"""AWS event-stream frames written and read naively, by the specification and without the product's own code."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

__all__ = ["chunk_frame", "event_frame", "exception_frame", "frame", "naive_frames", "raw_header"]


def raw_header(name: str, kind: int, value: bytes = b"") -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def frame(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _string(name: str, value: str) -> bytes:
    return raw_header(name, 7, struct.pack(">H", len(value)) + value.encode())


def event_frame(kind: str, event: Any) -> bytes:
    headers = _string(":event-type", kind) + _string(":content-type", "application/json")
    return frame(headers + _string(":message-type", "event"), json.dumps(event).encode())


def exception_frame(kind: str, body: Any) -> bytes:
    headers = _string(":exception-type", kind) + _string(":message-type", "exception")
    return frame(headers, json.dumps(body).encode())


def chunk_frame(event: Any) -> bytes:
    """One event of an `invoke` stream."""
    return event_frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcd"})


def naive_frames(body: bytes) -> Iterator[tuple[str, Any]]:
    """Event type and payload of each frame, for streams whose headers are all strings."""
    while body:
        total, size = struct.unpack(">II", body[:8])
        headers, payload = body[12 : 12 + size], body[12 + size : total - 4]
        named = {}
        while headers:
            name, rest = headers[1 : 1 + headers[0]].decode(), headers[1 + headers[0] :]
            assert rest[0] == 7
            length = int.from_bytes(rest[1:3], "big")
            named[name], headers = rest[3 : 3 + length].decode(), rest[3 + length :]
        yield named.get(":event-type", ""), json.loads(payload)
        body = body[total:]
