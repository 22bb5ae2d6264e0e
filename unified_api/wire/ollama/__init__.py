"""The native chat wire family of Ollama (https://github.com/ollama/ollama/blob/main/docs/api.md)."""

from __future__ import annotations

from unified_api.wire.errors import decode_error
from unified_api.wire.ollama.decoder import decode
from unified_api.wire.ollama.encoder import UNSUPPORTED, encode
from unified_api.wire.ollama.stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "decode_error", "encode"]
