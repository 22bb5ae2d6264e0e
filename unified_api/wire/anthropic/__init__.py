"""The chat wire family of Anthropic's Messages API and of those who speak it too."""

from __future__ import annotations

from unified_api.wire.anthropic.decoder import decode
from unified_api.wire.anthropic.encoder import UNSUPPORTED, encode
from unified_api.wire.anthropic.request import read_request
from unified_api.wire.anthropic.stream import EventReader, StreamDecoder
from unified_api.wire.errors import decode_error

__all__ = ["UNSUPPORTED", "EventReader", "StreamDecoder", "decode", "decode_error", "encode", "read_request"]
