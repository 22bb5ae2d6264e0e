"""The chat wire family of Cohere's API v2 (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from unified_api.wire.cohere_decode import decode
from unified_api.wire.cohere_encode import UNSUPPORTED, encode
from unified_api.wire.cohere_stream import StreamDecoder
from unified_api.wire.errors import decode_error

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode"]
