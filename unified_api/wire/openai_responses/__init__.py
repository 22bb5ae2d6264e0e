"""The wire family of OpenAI's Responses API and of those who speak it too (Azure, xAI, DeepSeek, OpenRouter ...)."""

from __future__ import annotations

from unified_api.wire.openai_responses.decoder import decode
from unified_api.wire.openai_responses.encoder import UNSUPPORTED, encode
from unified_api.wire.openai_responses.request import read_request
from unified_api.wire.openai_responses.stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "encode", "read_request"]
