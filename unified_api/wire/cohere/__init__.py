"""The chat wire family of Cohere's API v2 (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from unified_api.wire.cohere.decoder import decode
from unified_api.wire.cohere.encoder import UNSUPPORTED, encode
from unified_api.wire.cohere.stream import StreamDecoder
from unified_api.wire.errors import decode_error

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode"]
