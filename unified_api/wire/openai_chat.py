"""The chat wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

from unified_api.wire.errors import decode_error
from unified_api.wire.openai_chat_decode import decode
from unified_api.wire.openai_chat_encode import encode
from unified_api.wire.openai_chat_stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode"]

UNSUPPORTED: frozenset[str] = frozenset()
