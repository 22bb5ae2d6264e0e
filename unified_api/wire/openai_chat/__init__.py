"""The chat wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

from unified_api.wire.errors import decode_error
from unified_api.wire.openai_chat.decoder import decode
from unified_api.wire.openai_chat.encoder import NEED_A_NAME, encode
from unified_api.wire.openai_chat.request import read_request
from unified_api.wire.openai_chat.stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode", "read_request"]

UNSUPPORTED: frozenset[str] = NEED_A_NAME
"""Unless a provider's `renamed` says what it calls them."""
