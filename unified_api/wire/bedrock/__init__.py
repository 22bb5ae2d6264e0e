"""The chat wire family of Amazon Bedrock: Converse and ConverseStream, for models of every publisher there."""

from __future__ import annotations

from unified_api.wire.bedrock.decoder import decode
from unified_api.wire.bedrock.encoder import UNSUPPORTED, encode
from unified_api.wire.bedrock.request import read_request
from unified_api.wire.bedrock.stream import StreamDecoder

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "encode", "read_request"]
