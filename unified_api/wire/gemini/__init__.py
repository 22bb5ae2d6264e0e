"""The chat wire family of Google: generateContent of AI Studio and of Vertex AI."""

from __future__ import annotations

from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.decoder import decode
from unified_api.wire.gemini.encoder import UNSUPPORTED, encode
from unified_api.wire.gemini.stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode"]
