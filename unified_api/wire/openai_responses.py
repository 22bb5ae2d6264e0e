"""The wire family of OpenAI's Responses API and of those who speak it too (Azure, xAI, DeepSeek, OpenRouter ...)."""

from __future__ import annotations

from unified_api.wire.openai_responses_decode import decode
from unified_api.wire.openai_responses_encode import UNSUPPORTED, encode
from unified_api.wire.openai_responses_request import read_request
from unified_api.wire.openai_responses_stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "encode", "read_request"]
