"""The chat wire family of Anthropic's Messages API and of those who speak it too."""

from __future__ import annotations

from unified_api.wire.anthropic_decode import decode
from unified_api.wire.anthropic_encode import UNSUPPORTED, encode
from unified_api.wire.anthropic_request import read_request
from unified_api.wire.anthropic_stream import EventReader, StreamDecoder
from unified_api.wire.errors import decode_error

__all__ = ["UNSUPPORTED", "EventReader", "StreamDecoder", "decode", "decode_error", "encode", "read_request"]
